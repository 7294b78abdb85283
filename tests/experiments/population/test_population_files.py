"""Hand-broken versions of every file: one clear error each, at the command line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.experiments.population.as_personas import survey_personas
from harness.experiments.population.example import PACKAGED
from harness.experiments.population.formats.spec import read_spec
from harness.personas import load

ROOT = Path(__file__).resolve().parents[3]
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """``harness population …`` in this process: exit code, what it printed, and its errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", "population", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from harness.experiments.population.build.network import connect
    from harness.experiments.population.build.sampling import sample
    from harness.experiments.population.formats.agents import write_agents
    from harness.experiments.population.formats.network_config import NetworkConfig
    from harness.experiments.population.formats.network_file import write_network

    folder = tmp_path_factory.mktemp("made")
    for path in PACKAGED.glob("*.yaml"):
        shutil.copy(path, folder)
    agents = sample(read_spec(folder / "population.yaml"), count=40, seed=1)
    write_agents(folder / "agents.json", agents)
    write_network(folder / "network.json", connect(agents, NetworkConfig(avg_degree=4)), agents)
    return folder


@pytest.fixture
def town(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "town")
    return tmp_path / "town"


@pytest.fixture(scope="module")
def simulated(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "town"
    shutil.copytree(made, folder)
    arguments = ["simulate", str(folder / "scenario.yaml"), "-o", str(folder / "results")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["harness", "population", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return folder


def swap(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    return change


def edited(change: Callable[[Any], Any]) -> Callable[[str], str]:
    def of_json(text: str) -> str:
        data = json.loads(text)
        change(data)
        return json.dumps(data)

    return of_json


def whole(text: str) -> Callable[[str], str]:
    return lambda _old: text


SAMPLE = ("sample", "population.yaml", "-o", "out.json")
NETWORK = ("network", "agents.json", "-c", "network.yaml", "-o", "out.json")
PERSONA = ("persona", "population.yaml", "--by-hand", "population.persona.yaml", "-o", "out.yaml")
SIMULATE = ("simulate", "scenario.yaml", "-o", "results")
BROKEN = [
    # population.yaml
    (SAMPLE, "population.yaml", whole(""), "holds None; expected named parts"),
    (SAMPLE, "population.yaml", whole("meta: [\n"), "is not YAML as read here"),
    (SAMPLE, "population.yaml", whole("meta: " + "[" * 100_000), "is nested more than 64 deep"),
    (SAMPLE, "population.yaml", whole("- " * 100_000), "is nested more than 64 deep"),
    (SAMPLE, "population.yaml", lambda old: old + "#" * 4_000_000, "is larger than 4,000,000 bytes"),
    (SAMPLE, "population.yaml", swap("size: 800", "size: 1" + ":0" * 500), "a number of more than 400 digits"),
    (SAMPLE, "population.yaml", swap("size: 800", "size: many"), "meta.size='many': input should be a valid integer"),
    (SAMPLE, "population.yaml", swap("size: 800", "size: 0"), "meta.size=0"),
    (SAMPLE, "population.yaml", swap("size: 800", "size: 800\n  szie: 8"), "meta.szie: unknown"),
    (SAMPLE, "population.yaml", swap("size: 800", "size: 800\n  size: 9"), "'size' occurs twice"),
    (SAMPLE, "population.yaml", swap("std: 18", "std: -18"), "attributes.age.sampling.distribution.std=-18"),
    (SAMPLE, "population.yaml", swap("std: 18", "std: .nan"), "finite number"),
    (SAMPLE, "population.yaml", swap("min: 18, max: 92", "min: 98, max: 92"), "'age': min=98 is above max=92"),
    (SAMPLE, "population.yaml", swap("type: normal", "type: nromal"), "'nromal'"),
    (SAMPLE, "population.yaml", swap("weights: [0.3, 0.42, 0.28]", "weights: [1]"), "3 options and 1 weights"),
    (SAMPLE, "population.yaml", swap("when: age < 30", "when: aeg < 30"), "reads 'aeg', which is not known there"),
    (SAMPLE, "population.yaml", swap("when: age < 30", "when: open('x')"), "calls 'open'; expected one of abs"),
    (SAMPLE, "population.yaml", swap("name: district", "name: age"), "attribute 'age': occurs 2 times"),
    (SAMPLE, "population.yaml", swap("depends_on: [age]", "depends_on: [born]"), "'born', which is not an attribute"),
    (SAMPLE, "population.yaml", swap("{station:", "{statoin:"), "'statoin', which is not one of"),
    (SAMPLE, "population.yaml", swap("age < 30 else", "district < 30 else"), "compares a text with a number"),
    (SAMPLE, "population.yaml", swap('"young" if age', '"young" if life_stage'), "reads 'life_stage'"),
    (SAMPLE, "population.yaml", swap("meta:", "x: &a [1]\ny: *a\nmeta:"), "has an alias"),
    (SAMPLE, "population.yaml", lambda _old: "\udcff", "which is not UTF-8"),
    # agents.json
    (NETWORK, "agents.json", whole("[{"), "is not JSON: line 1"),
    (NETWORK, "agents.json", whole("{}"), "with one agent at least"),
    (NETWORK, "agents.json", whole('{"agents": []}'), "with one agent at least"),
    (NETWORK, "agents.json", edited(lambda d: d["agents"][3].pop("age")), "agents.3: lacks 'age'"),
    (NETWORK, "agents.json", edited(lambda d: d["agents"][3].update(_id="agent_00")), "_id='agent_00' is another's"),
    (NETWORK, "agents.json", edited(lambda d: d["agents"][3].update(age="old")), "age: values of several kinds"),
    (NETWORK, "agents.json", edited(lambda d: d["agents"].__setitem__(3, 7)), "agents.3: 7; expected an object"),
    # network.yaml
    (NETWORK, "network.yaml", swap("avg_degree: 12", "avg_degree: -1"), "avg_degree=-1"),
    (NETWORK, "network.yaml", swap("district: {weight", "disrtict: {weight"), "'disrtict' is not an attribute"),
    (NETWORK, "network.yaml", swap(", range_value: 15", ""), "numeric_range without range_value"),
    (NETWORK, "network.yaml", swap("a_district == b_district", "a_district == c_district"), "reads 'c_district'"),
    (NETWORK, "network.yaml", swap("school: 0, ", ""), "ordinal_levels of education lack 'school'"),
    # population.persona.yaml
    (PERSONA, "population.persona.yaml", swap("{age} years", "{aeg} years"), "'aeg' is not an attribute"),
    (PERSONA, "population.persona.yaml", swap("much_above:", "very_much:"), "labels.much_above: missing"),
    (PERSONA, "population.persona.yaml", swap("',.0f'", "'>99999999d'"), "format_spec='>99999999d'"),
    # scenario.yaml
    (SIMULATE, "scenario.yaml", swap("channel: letter", "channel: pigeon"), "'pigeon' is not among the channels"),
    (SIMULATE, "scenario.yaml", swap("probability: 0.9", "probability: 1.9"), "probability=1.9"),
    (SIMULATE, "scenario.yaml", swap("timestep: 2", "timestep: 6"), "timestep=6; expected below max_timesteps=6"),
    (SIMULATE, "scenario.yaml", swap("exposure_rate > 0.98", "all_happy > 0.98"), "stop condition 'all_happy > 0.98'"),
    (SIMULATE, "scenario.yaml", swap("range: [0, 8]", "range: [8, 0]"), "range=[8.0, 0.0]"),
    (SIMULATE, "scenario.yaml", swap("[for, against, undecided]", "[for]"), "expected two or more, each once"),
    (SIMULATE, "scenario.yaml", swap("when: age >= 40", "when: age >= forty"), "reads 'forty'"),
    (SIMULATE, "scenario.yaml", swap("[for, against", "[yes, against"), "True: input should be a valid string"),
    (SIMULATE, "scenario.yaml", swap("name: river_road", "name: x\n  agents_file: no.json"), "no.json: cannot be"),
    (SIMULATE, "scenario.yaml", whole("meta: " + "{a: " * 100_000), "is nested more than 64 deep"),
    # network.json
    (SIMULATE, "network.json", whole('{"edges": 3}'), 'expected {"meta"'),
    (SIMULATE, "network.json", edited(lambda d: d["edges"][0].update(target="me")), "edges.0: 'me' is not an agent"),
    (SIMULATE, "network.json", edited(lambda d: d["edges"][0].update(target="agent_00", source="agent_00")), "itself"),
    (SIMULATE, "network.json", edited(lambda d: d["edges"].append(d["edges"][0])), "are tied twice"),
    (SIMULATE, "network.json", edited(lambda d: d["edges"][1].update(weight="big")), "edges.1: weight='big'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "file", "change", "told"), BROKEN, ids=lambda one: one if isinstance(one, str) else ""
)
def test_a_broken_file_is_one_clear_error(
    town: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], file: str,
    change: Callable[[str], str], told: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(town)
    Path(file).write_bytes(change(Path(file).read_text()).encode("utf-8", "surrogateescape"))
    before = sorted(town.rglob("*"))
    code, _, errors = cli(*command)
    assert code == 4 and told in errors and errors.startswith("ERROR: ") and "Traceback" not in errors, errors
    assert sorted(town.rglob("*")) == before


def test_all_faults_are_told_at_once(town: Path, cli: Cli) -> None:
    path = town / "population.yaml"
    path.write_text(path.read_text().replace("std: 18", "std: -18").replace("size: 800", "size: 0"))
    _, _, errors = cli("sample", path, "-o", town / "out.json")
    assert "meta.size=0" in errors and "std=-18" in errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--segment", "nobody"), "unknown attribute 'nobody'"),
        (("--segment", "income"), "expected where to cut it: income:1,2"),
        (("--segment", "age:65,30"), "expected cuts in rising order"),
        (("--segment", "district:3"), "is not a number"),
        (("--min-n", "0"), "min_n 0"),
    ],
)
def test_a_view_that_cannot_be_is_an_error(
    simulated: Path, cli: Cli, arguments: tuple[str, ...], told: str
) -> None:
    ask = ("results", simulated / "results", "--scenario", simulated / "scenario.yaml")
    code, _, errors = cli(*ask, *arguments)
    assert code == 4 and told in errors


def test_results_by_segment(simulated: Path, cli: Cli) -> None:
    ask = ("results", simulated / "results", "--scenario", simulated / "scenario.yaml")
    code, out, _ = cli(*ask, "--segment", "district", "--segment", "age:30,65", "--min-n", 5)
    assert code == 0 and "REHEARSAL" in out and "stance by district" in out and "fewer than 5 answered" in out
    assert "65 and over" in out


def test_shares_are_of_those_who_answered(simulated: Path, cli: Cli) -> None:
    ask = ("results", simulated / "results", "--scenario", simulated / "scenario.yaml")
    out = cli(*ask, "--segment", "district", "--json")[1]
    states = json.loads((simulated / "results" / "agent_states.json").read_bytes())
    for view in json.loads(out)["views"]:
        for row in view["rows"]:
            mine = [one for one in states if row["segment"] in ("all", one["attributes"].get("district"))]
            values = [one["final_state"]["outcomes"].get(view["outcome"]) for one in mine]
            assert row["n"] == len(mine) and row["answered"] == sum(value is not None for value in values)
            assert (row["figures"] is None) == (row["answered"] < 30)
            if row["figures"] and view["outcome"] == "stance":
                assert sum(row["figures"].values()) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(4))
def test_a_rehearsal_writes_files_that_can_be_used(tmp_path: Path, cli: Cli, seed: int) -> None:
    base, population = tmp_path / "base.yaml", tmp_path / "population.yaml"
    more = ("--seed", seed)
    assert cli("spec", "Nurses of a hospital", "--size", 60, "-o", base, *more)[0] == 0
    assert cli("extend", base, "-s", "A new plan of shifts", "-o", population, *more)[0] == 0
    assert len(read_spec(population).attributes) > len(read_spec(base).attributes)
    assert cli("sample", population, "-o", tmp_path / "agents.json")[0] == 0
    assert cli("network", tmp_path / "agents.json", "-o", tmp_path / "network.json")[0] == 0
    assert cli("persona", population, "-o", tmp_path / "population.persona.yaml", *more)[0] == 0
    files = ("-p", population, "-a", tmp_path / "agents.json", "-n", tmp_path / "network.json")
    assert cli("scenario", *files, "-o", tmp_path / "scenario.yaml", "--steps", 3, *more)[0] == 0
    assert cli("estimate", tmp_path / "scenario.yaml", "--json")[0] == 0
    code, _, errors = cli("simulate", tmp_path / "scenario.yaml", "-o", tmp_path / "results")
    assert code == 0 or "no agent reasoned" in errors, errors


def test_agents_are_a_population_of_any_experiment(town: Path, tmp_path: Path, cli: Cli) -> None:
    told = load(survey_personas(town / "agents.json", town / "population.persona.yaml", first=5))
    assert [one.name for one in told.personas] == [f"agent_0{number}" for number in range(5)]
    assert "years old and live in Harrowmere" in told.personas[0].specification["persona"]
    out = tmp_path / "people"
    phrasings = town / "population.persona.yaml"
    assert cli("personas", town / "agents.json", "-o", out, "--first", 5, "--phrasings", phrasings)[0] == 0
    assert load(out).sha256 == told.sha256
    assert cli("personas", town / "agents.json", "-o", out)[0] == 4


def test_agents_have_the_same_attributes_by_every_door(town: Path, tmp_path: Path, cli: Cli) -> None:
    agents = load(town / "agents.json")
    told = load(survey_personas(town / "agents.json", town / "population.persona.yaml"))
    assert agents.attributes == told.attributes and "persona" not in next(iter(told.attributes.values()))
    assert agents.file_sha256 == hashlib.sha256((town / "agents.json").read_bytes()).hexdigest()
    drawn = agents.sample(30, by="district", seed=1)
    assert len({one.name for one in drawn}) == 30


def test_a_description_or_a_file(town: Path, cli: Cli) -> None:
    assert cli("spec", "-o", town / "x.yaml")[0] == 4
    assert cli("spec", "Nurses", "--by-hand", town / "population.yaml", "-o", town / "x.yaml")[0] == 4


def test_the_example_overwrites_nothing(tmp_path: Path, cli: Cli) -> None:
    assert cli("example", tmp_path / "a")[0] == 0
    code, _, errors = cli("example", tmp_path / "a")
    assert code == 4 and "has base.yaml, network.yaml" in errors


@pytest.mark.parametrize(
    "command", [("sample", "population.yaml"), ("network", "agents.json", "-c", "network.yaml")]
)
def test_a_stage_gives_the_same_bytes_whatever_the_order_of_hashes(
    town: Path, command: tuple[str, ...]
) -> None:
    def made(hash_seed: str) -> bytes:
        run = [
            sys.executable,
            "-c",
            "from harness.cli import main; main()",
            "population",
            *command,
            "-o",
            "made.json",
        ]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        subprocess.run(run, cwd=town, env=environment, check=True, capture_output=True)
        return (town / "made.json").read_bytes()

    assert made("1") == made("2")
