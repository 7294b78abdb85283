"""The other engine. Most of it is tried with a stand-in for the package that says it is a fake; the rest needs it."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BudgetExhaustedError, ConfigurationError, HarnessError, ModelCallError
from harness.experiments.population.build.network import connect
from harness.experiments.population.build.sampling import sample
from harness.experiments.population.example import write_example
from harness.experiments.population.extropy import process as extropy_process
from harness.experiments.population.extropy.process import PYTHON
from harness.experiments.population.extropy.results import StepSummary, failures, stop_reason
from harness.experiments.population.extropy.simulation import (
    LOG,
    SETTINGS,
    THEIR_META,
    WORK,
    simulate_in_folder,
    simulate_with_extropy,
)
from harness.experiments.population.formats.agents import read_agents, write_agents
from harness.experiments.population.formats.network_config import read_network_config
from harness.experiments.population.formats.network_file import write_network
from harness.experiments.population.formats.spec import read_spec
from harness.experiments.population.gates import load_profile, run_gates
from harness.experiments.population.inputs import read_inputs
from harness.experiments.population.simulation.folder import RUN
from harness.experiments.population.simulation.results_file import read_states
from harness.experiments.population.simulation.segments import overall
from harness.experiments.population.simulation.simulation import SimulationOptions
from harness.gateway.budget import Budget
from harness.gateway.calls import Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.retry import RetryPolicy

pytestmark = pytest.mark.slow

REAL = os.environ.get(PYTHON, "")  # read before the guard of conftest.py takes it away
real = pytest.mark.skipif(not REAL, reason=f"{PYTHON} is not set: no Python with extropy-run 0.2.3")
SIZE = 60


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's files, 60 agents and their network."""
    folder = tmp_path_factory.mktemp("town")
    write_example(folder)
    agents = sample(read_spec(folder / "population.yaml"), count=SIZE, seed=1)
    write_agents(folder / "agents.json", agents)
    write_network(
        folder / "network.json", connect(agents, read_network_config(folder / "network.yaml")), agents
    )
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extropy_process, "EVERY", 0.02)


Work = Callable[[Gateway, Any], Any]


def gatewayed(work: Work, provider: Any = None, journal: Path | None = None, **more: Any) -> Any:
    """What ``work`` gives with a gateway and a trial of it."""

    async def main() -> Any:
        kept = Journal(journal) if journal else None
        gateway = Gateway(provider or RehearsalProvider(0), journal=kept, retry=RetryPolicy(1), **more)
        await gateway.start_server()
        try:
            return await work(gateway, gateway.open_trial("t", RUN))
        finally:
            await gateway.aclose()

    return asyncio.run(main())


def simulated(
    town: Path, folder: Path, options: SimulationOptions | None = None, **more: Any
) -> dict[str, Any]:
    async def work(_: Gateway, client: Any) -> dict[str, Any]:
        return await simulate_with_extropy(
            town / "scenario.yaml", None, options or SimulationOptions(seed=1), client, folder
        )

    found: dict[str, Any] = gatewayed(work, **more)
    return found


# A stand-in


START = """\
#!{python} -IS
# A fake: it stands in for a Python that has extropy-run, and is none.
import json, os, sqlite3, subprocess, sys, time, urllib.request
from pathlib import Path
if len(sys.argv) == 3:
    print({version!r})
    sys.exit()
print("FAKE", flush=True)
given = dict(one[2:].split("=", 1) for one in sys.argv[5:] if "=" in one)

def ask():
    form = {{"type": "json_schema", "name": "agent_reasoning", "schema": {{"type": "object"}}}}
    body = json.dumps({{"input": "FAKE", "text": {{"format": form}}}}).encode()
    request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/responses", body)
    request.add_header("Authorization", "Bearer " + os.environ["OPENAI_API_KEY"])
    return json.load(urllib.request.urlopen(request))

def results(steps=6, reasoned=True, seed=None, agents=lambda ids: ids):
    folder = Path("results")
    ids = agents([one["_id"] for one in json.loads(Path("agents.json").read_text())["agents"]])
    final = {{"aware": True, "last_reasoning_timestep": 0 if reasoned else -1,
             "outcomes": {{"stance": "for", "will_vote": True, "car_trips_dropped": 1.0}} if reasoned else {{}}}}
    counts = [len(ids) if reasoned and not step else 0 for step in range(steps)]
    rows = [{{"timestep": step, "agents_reasoned": count, "exposure_rate": 1.0}} for step, count in enumerate(counts)]
    meta = {{"seed": int(given["seed"]) if seed is None else seed, "multi_touch_threshold": int(given["threshold"])}}
    states = [{{"agent_id": one, "attributes": {{}}, "final_state": final}} for one in ids]
    files = {{"meta": meta, "by_timestep": rows, "outcome_distributions": {{}}, "agent_states": states}}
    for name, data in files.items():
        (folder / f"{{name}}.json").write_text(json.dumps(data))
    events = [{{"timestep": 0, "event_type": "agent_reasoned", "agent_id": one, "details": {{}}}} for one in ids]
    (folder / "timeline.jsonl").write_text("".join(json.dumps(one) + "\\n" for one in events if reasoned))
    store = sqlite3.connect(folder / "simulation.db")
    store.execute("CREATE TABLE exposures (agent_id, timestep, source_agent_id)")
    store.executemany("INSERT INTO exposures VALUES (?, 0, NULL)", [(one,) for one in ids])
    store.execute("CREATE TABLE timestep_summaries (timestep, agents_reasoned, state_changes, exposure_rate,"
                  " position_distribution_json, average_sentiment)")
    store.executemany("INSERT INTO timestep_summaries VALUES (?, ?, 0, 0.5, '{{}}', 0.0)", list(enumerate(counts)))
    store.commit()

"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    def make(body: str, version: str = "0.2.3") -> Path:
        path = tmp_path / "fake-python"
        path.write_text(START.format(python=sys.executable, version=version) + textwrap.dedent(body))
        path.chmod(0o755)
        monkeypatch.setenv(PYTHON, str(path))
        return path

    return make


TORN = 'ask(); results(); Path("results/agent_states.json").write_text("[{")'
ODD = 'ask(); results(); Path("results/agent_states.json").write_text("[1]")'
OTHER = """
ask(); results()
rows = json.loads(Path("results/by_timestep.json").read_text())
rows[0]["agents_reasoned"] = 3
Path("results/by_timestep.json").write_text(json.dumps(rows))
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", ["exit code 0", "no reasoning call reached the gateway", "no meta.json, by_timestep.json", "FAKE"]),
        ("sys.exit(5)", ["exit code 5", "no reasoning call", "no meta.json"]),
        ("ask()", ["exit code 0", "no meta.json, by_timestep.json, outcome_distributions.json, agent_states.json"]),
        ("results()", ["exit code 0", "no reasoning call reached the gateway"]),
        ("ask(); results(reasoned=False)", ["exit code 0", "no agent reasoned (60 exposures)"]),
        ("ask(); results(steps=3)", ["exit code 0", "it ends after 3 steps for no reason that the scenario knows"]),
        ("ask(); results(seed=7)", ["says seed=7; asked for 1"]),
        ("ask(); results(agents=lambda ids: ids[1:])", ["has 59 agents; expected the 60 in the inputs"]),
        (TORN, ["a file cannot be read", "is not JSON"]),
        (ODD, ["agent_states.json has no states of agents"]),
        (OTHER, ["by_timestep.json and simulation.db have different steps"]),
        ('ask(); results(); os.remove("results/simulation.db")', ["no simulation.db was written"]),
        ('ask(); results(); Path("results/simulation.db").write_bytes(b"x" * 5000)', ["a file cannot be read"]),
        ('print("\\x1b[31m" + "x" * 5000 + "\\x07end")', [r"xx\x07end"]),
    ],
)  # fmt: skip
def test_what_is_no_simulation_is_an_error_whatever_the_exit_code(
    body: str, said: Sequence[str], town: Path, tmp_path: Path, fake: Callable[..., Path]
) -> None:
    fake(body)
    with pytest.raises(HarnessError) as error:
        simulated(town, tmp_path / "results")
    text = str(error.value)
    for one in said:
        assert one in text
    assert len(text) < 2500 and "\x1b" not in text and "\x07" not in text
    assert not (tmp_path / "results" / "meta.json").exists()


@pytest.mark.parametrize("code", [0, 1])
def test_whole_results_count_whatever_the_exit_code(
    code: int, town: Path, fake: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake(f"ask(); results(); sys.exit({code})")
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv(PYTHON, f"./{path.name}")
    folder = Path("results")
    meta = simulated(town, folder)
    assert meta == json.loads((folder / "meta.json").read_bytes())
    assert meta["exit_code"] == code and meta["engine"] == "extropy-run 0.2.3"
    assert (meta["stopped_reason"], meta["agents_reasoned"]) == ("max_timesteps_reached", SIZE)
    assert "derived" in meta["stopped_detail"] and meta["rehearsal"]
    assert meta["cost"]["calls"] == {"reason": 1} and meta["calls"] == {"asked": SIZE, "failed": 0}
    assert json.loads((folder / THEIR_META).read_bytes()) == {"seed": 1, "multi_touch_threshold": 3}
    assert not (folder / WORK).exists()


def test_nothing_of_the_user_s_reaches_it(
    town: Path, tmp_path: Path, fake: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "ANTHROPIC_API_KEY",
        "AZURE_OPENAI_API_KEY",
        "PYTHONPATH",
        "HTTPS_PROXY",
        "SIMULATION_MODEL",
    ):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-user")
    (tmp_path / ".env").write_text("ANTHROPIC_API_KEY=secret\n")
    seen = tmp_path / "seen.json"
    fake(
        f"ask(); results(); there = {{**os.environ, 'cwd': os.getcwd(), 'files': sorted(os.listdir('.'))}}\n"
        f"Path({str(seen)!r}).write_text(json.dumps(there))"
    )
    simulated(town, tmp_path / "results")
    there = json.loads(seen.read_text())
    assert "secret" not in there.values() and there["OPENAI_API_KEY"] != "sk-user"
    assert there["PYTHONHASHSEED"] == "0" and there["OPENAI_BASE_URL"].startswith("http://127.0.0.1:")
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR"):
        assert Path(there[name]).is_relative_to(tmp_path / "results" / WORK)
    assert ".env" in there["files"], "or it takes the next one above"


def test_what_it_would_take_for_false_is_refused(town: Path, tmp_path: Path) -> None:
    for source in town.glob("*.*"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    scenario = (town / "scenario.yaml").read_text()
    (tmp_path / "scenario.yaml").write_text(scenario.replace("age >= 40", "sqrt(age) >= 6"))
    with pytest.raises(ConfigurationError, match=r"rules\.1\.when calls sqrt, which extropy-run 0\.2\.3"):
        simulated(tmp_path, tmp_path / "results")


def test_its_log_is_bounded_and_has_no_token(town: Path, tmp_path: Path, fake: Callable[..., Path]) -> None:
    fake('ask(); results(); print(os.environ["OPENAI_API_KEY"]); print("x" * 3_000_000 + "THE END")')
    simulated(town, tmp_path / "results")
    log = (tmp_path / "results" / LOG).read_text()
    assert log.startswith("FAKE\n[token]\n") and "bytes left out" in log and log.endswith("THE END\n")
    assert len(log) < 600_000


SLEEPER = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
Path({pids!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
{more}
time.sleep(20)
"""


def alive(pid: int) -> bool:
    """Whether the process still runs; one that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_one_that_is_cancelled_leaves_nothing_behind(
    town: Path, tmp_path: Path, fake: Callable[..., Path]
) -> None:
    pids = tmp_path / "pids"
    fake(SLEEPER.format(pids=str(pids), more=""))

    async def work(_: Gateway, client: Any) -> None:
        simulation = asyncio.ensure_future(
            simulate_with_extropy(
                town / "scenario.yaml", None, SimulationOptions(seed=1), client, tmp_path / "results"
            )
        )
        while not pids.exists() or not pids.read_text():
            await asyncio.sleep(0.01)
        simulation.cancel()
        with pytest.raises(asyncio.CancelledError):
            await simulation

    gatewayed(work)
    assert [alive(int(one)) for one in pids.read_text().split()] == [False, False]
    assert (tmp_path / "results" / LOG).read_text() == "FAKE\n"


def test_it_is_ended_when_the_gateway_sends_nothing_more(
    town: Path, tmp_path: Path, fake: Callable[..., Path]
) -> None:
    pids = tmp_path / "pids"
    more = "ask()\ntry:\n    ask()\nexcept Exception: pass"
    fake(SLEEPER.format(pids=str(pids), more=more))
    with pytest.raises(BudgetExhaustedError):
        simulated(town, tmp_path / "results", budget=Budget(max_calls=1))
    assert not any(alive(int(one)) for one in pids.read_text().split())


@pytest.mark.parametrize(
    ("body", "version", "said"),
    [("", "0.2.2", "has extropy-run 0.2.2; expected 0.2.3"), ("", "", "has no extropy-run; expected 0.2.3")],
)
def test_other_versions_are_refused_by_name(
    body: str, version: str, said: str, town: Path, tmp_path: Path, fake: Callable[..., Path]
) -> None:
    fake(body, version)
    with pytest.raises(ConfigurationError) as error:
        simulated(town, tmp_path / "results")
    assert said in str(error.value) and "pip install 'extropy-run==0.2.3'" in str(error.value)
    assert not (tmp_path / "results").exists()


def test_where_it_is_not_the_way_out_is_printed(
    town: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"is not installed.*\n.*python3 -m venv"):
        simulated(town, tmp_path / "results")
    monkeypatch.setenv(PYTHON, "/nowhere/python")
    with pytest.raises(ConfigurationError, match="/nowhere/python: cannot be run"):
        simulated(town, tmp_path / "results")
    plain = tmp_path / "plain"
    plain.write_text("no program")
    plain.chmod(0o755)
    monkeypatch.setenv(PYTHON, str(plain))
    with pytest.raises(ConfigurationError, match=r"plain: cannot be run \(Exec format error\)"):
        simulated(town, tmp_path / "results")


def test_a_folder_goes_on_with_what_it_was_begun_with(
    town: Path, tmp_path: Path, fake: Callable[..., Path]
) -> None:
    folder = tmp_path / "results"

    def run(seed: int) -> dict[str, Any]:
        async def work(gateway: Gateway, _: Any) -> Any:
            return await simulate_in_folder(
                town / "scenario.yaml", None, SimulationOptions(seed=seed), gateway, folder
            )

        found: dict[str, Any] = gatewayed(work)
        return found

    fake("ask()", version="0.2.2")
    with pytest.raises(ConfigurationError, match=r"expected 0\.2\.3"):
        run(1)
    assert not (folder / SETTINGS).exists(), "nothing was begun"
    fake("ask()")
    with pytest.raises(HarnessError, match=r"no meta\.json"):
        run(1)
    with pytest.raises(ConfigurationError, match="was started with seed=1, but now it is 2"):
        run(2)
    fake("ask(); results()")
    meta = run(1)
    fake("sys.exit(9)")
    assert run(1) == meta, "what is finished is left as it is"
    other = tmp_path / "own"
    other.mkdir()
    (other / "simulation.db").touch()
    folder = other
    with pytest.raises(ConfigurationError, match="was started with the engine 'own'"):
        run(1)


# What its files say


def steps(*rates: float, reasoned: int = 1, changes: int = 1) -> list[StepSummary]:
    return [
        StepSummary(number, reasoned, changes, rate, {"for": 1}, -0.2) for number, rate in enumerate(rates)
    ]


@pytest.mark.parametrize(
    ("conditions", "found", "reason"),
    [
        ([], steps(*[0.5] * 6), "max_timesteps_reached"),
        (["exposure_rate > 0.4"], steps(*[0.5] * 6), "max_timesteps_reached"),
        (["exposure_rate > 0.98"], steps(0.5, 0.99), "stop_condition"),
        (["exposure_rate > 0.98"], steps(0.5, 0.9), None),
        (["average_sentiment < 0"], steps(0.5), "stop_condition"),
        (["convergence"], steps(*[0.5] * 5), "convergence"),
        (["convergence"], steps(*[0.5] * 4), None),
        (["no_state_changes_for > 2"], steps(0.5, 0.5, changes=0), "stop_condition"),
        (["no_state_changes_for >= 2"], steps(0.5, 0.5, changes=0), None),
        (["average_conviction > 0.1"], steps(0.5), None),
        ([], steps(0.5, 0.5, 0.5, reasoned=0), "simulation_quiescent"),
        ([], steps(0.5, 0.5, reasoned=0), None),
    ],
)
def test_why_it_stopped_is_derived(
    conditions: list[str], found: list[StepSummary], reason: str | None, town: Path
) -> None:
    inputs = read_inputs(town / "scenario.yaml")
    simulation = inputs.scenario.simulation.model_copy(update={"stop_conditions": conditions})
    inputs.scenario.__dict__["simulation"] = simulation
    stop = stop_reason(inputs, found)
    assert (stop and stop[0].value) == reason


def test_reasonings_that_came_to_nothing_are_counted() -> None:
    heard = [("a", 0, None), ("b", 1, None), ("b", 2, "a"), ("b", 2, "c"), ("b", 2, "d"), ("c", 3, "a")]
    assert failures(heard, [], 4, 3) == 4 + 3 + 1, "asked in every step since they heard"
    came = [(0, "a", 0.9), (1, "b", 0.5), (3, "c", 0.1)]
    assert failures(heard, came, 4, 3) == 2, "b was told by three and is not firm, in steps 2 and 3"
    assert failures(heard, [*came, (2, "b", 0.5)], 4, 3) == 0
    assert failures(heard, [(0, "a", 0.9), (1, "b", 0.72), (3, "c", 0.1)], 4, 3) == 1, "firm until it faded"
    assert failures(heard, came, 4, 4) == 0


# The real package


def content(folder: Path) -> dict[str, Any]:
    """All that can be the same: not the times of day in timeline and database."""
    names = ("by_timestep.json", "outcome_distributions.json", "agent_states.json", "meta.json")
    lines = [json.loads(line) for line in (folder / "timeline.jsonl").read_text().splitlines()]
    database = sqlite3.connect(folder / "simulation.db")
    try:
        dump = [line for line in database.iterdump() if not line.startswith('INSERT INTO "timeline"')]
    finally:
        database.close()
    timeline = [{key: value for key, value in one.items() if key != "timestamp"} for one in lines]
    return {**{name: (folder / name).read_bytes() for name in names}, "timeline": timeline, "dump": dump}


@pytest.fixture(scope="module")
def whole(town: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PYTHON, REAL)
        simulated(town, folder)
    return folder


@pytest.fixture
def really(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON, REAL)


@real
def test_the_real_one_is_read_as_our_own_is(whole: Path, town: Path) -> None:
    meta = json.loads((whole / "meta.json").read_bytes())
    states, _ = read_states(whole)
    inputs = read_inputs(town / "scenario.yaml")
    assert sorted(one["agent_id"] for one in states) == sorted(read_agents(town / "agents.json").ids)
    calls = meta["cost"]["calls"]
    assert calls["reason"] == calls["classify"] == meta["calls"]["asked"] >= meta["agents_reasoned"] > 20
    assert meta["failed_requests"] == meta["agents_failed"] == 0
    row = overall(states, inputs.scenario.outcomes.suggested_outcomes[0], 1).rows[0]
    assert row.answered == meta["agents_reasoned"] and row.n == SIZE


@real
def test_gates_pass_what_is_sound_and_fail_what_is_broken(whole: Path, town: Path, tmp_path: Path) -> None:
    for source in (*town.glob("*.*"), *whole.glob("*.*")):
        target = tmp_path / ("results" if source.parent == whole else "") / source.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())

    def levels() -> dict[str, str]:
        report = run_gates(tmp_path, load_profile("generic-all-ages"), gates=["G6", "GC", "GR"])
        return {one.gate: str(one.level) for one in report.results}

    assert set(levels().values()) == {"PASS"}
    for name, change, gate in (
        ("meta.json", lambda meta: meta.update(stopped_reason="it said so"), "G6"),
        ("meta.json", lambda meta: meta.update(calls={"asked": 10, "failed": 5}), "GC"),
        ("meta.json", lambda meta: meta["denominators"].update(stance=7), "GR"),
        ("by_timestep.json", lambda rows: rows[-1].update(exposure_rate=0.1), "GR"),
        ("agent_states.json", lambda rows: rows.pop(), "GR"),
    ):
        path = tmp_path / "results" / name
        before = path.read_bytes()
        data = json.loads(before)
        change(data)
        path.write_text(json.dumps(data))
        assert levels()[gate] == "FAIL", (name, gate)
        path.write_bytes(before)


@real
@pytest.mark.usefixtures("really")
def test_the_same_seed_gives_the_same(whole: Path, town: Path, tmp_path: Path) -> None:
    simulated(town, tmp_path / "again")
    assert content(tmp_path / "again") == content(whole)


class Odd(RehearsalProvider):
    """Has no answer for some agents, by what is said to them."""

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        text = str(request.messages)
        if "old town" in text and "My views" in text:
            raise ModelCallError("no answer today")
        return await super().complete(request, trial=trial, occurrence=occurrence)


@real
@pytest.mark.usefixtures("really")
def test_failed_calls_are_counted(town: Path, tmp_path: Path) -> None:
    meta = simulated(town, tmp_path / "results", provider=Odd(0))
    said = (tmp_path / "results" / LOG).read_text().count("FAILED")
    assert meta["agents_failed"] == meta["calls"]["failed"] == said > 0
    assert meta["failed_requests"] == 3 * said, "it asks three times"
    assert meta["stopped_reason"] and meta["exit_code"] == 0


@real
@pytest.mark.usefixtures("really")
def test_nobody_s_answers_are_a_failure_that_it_calls_a_success(town: Path, tmp_path: Path) -> None:
    class Silent(RehearsalProvider):
        async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
            raise ModelCallError("no answer today")

    with pytest.raises(HarnessError, match=r"exit code 0 .*no agent reasoned"):
        simulated(town, tmp_path / "results", provider=Silent(0))


@real
@pytest.mark.usefixtures("really")
def test_one_that_was_cut_off_begins_anew_and_pays_nothing_twice(
    whole: Path, town: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    with pytest.raises(BudgetExhaustedError):
        simulated(town, folder, journal=tmp_path / "journal", budget=Budget(max_calls=20))
    assert not (folder / "meta.json").exists()
    simulated(town, folder, journal=tmp_path / "journal")
    assert content(folder) == content(whole)


@real
def test_the_command_and_another_end(town: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    for source in town.glob("*.*"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    scenario = (town / "scenario.yaml").read_text()
    (tmp_path / "scenario.yaml").write_text(scenario.replace("exposure_rate > 0.98", "exposure_rate >= 0.3"))
    command = [
        sys.executable,
        "-c",
        "from harness.cli import main; main()",
        "population",
        "simulate",
        "scenario.yaml",
    ]
    done = subprocess.run(
        [*command, "-o", str(out), "--engine", "extropy"],
        cwd=tmp_path,
        env={**os.environ, PYTHON: REAL},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "REHEARSAL" in done.stdout and "of 60 agents reasoned" in done.stdout
    meta = json.loads((out / "meta.json").read_bytes())
    assert (meta["engine"], meta["seed"]) == ("extropy-run 0.2.3", 0)
    assert meta["stopped_reason"] == "stop_condition"
    assert meta["stopped_detail"].startswith("exposure_rate >= 0.3;")
    assert "Stopped: exposure_rate >= 0.3\n" in (out / LOG).read_text(), "as it says itself"
