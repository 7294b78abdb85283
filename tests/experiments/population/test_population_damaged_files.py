"""Files that were broken by hand, and careless command lines: one clear error each."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.population.experiment import simulation_experiment
from harness.experiments.population.formats.scenario import read_scenario, scenario_of
from tests.support.populations import population_command


@pytest.fixture
def town(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "town")
    return tmp_path / "town"


def change(path: Path, way: str, value: Any) -> None:
    """Put ``value`` where ``way`` leads; `LEFT_OUT` takes it away."""
    data = json.loads(path.read_bytes()) if path.suffix == ".json" else yaml.safe_load(path.read_bytes())
    *steps, last = [int(one) if one.isdigit() else one for one in way.split("/")]
    part = data
    for step in steps:
        part = part[step]
    if value is LEFT_OUT:
        del part[last]
    else:
        part[last] = value
    path.write_text(json.dumps(data))


LEFT_OUT = object()


STATES = "results/agent_states.json"


META = "results/meta.json"


VIEW = ("results", "results", "--scenario", "scenario.yaml", "--segment", "district", "--min-n", 1)


AGAIN = ("simulate", "scenario.yaml", "-o", "results")


RESULTS = [
    (VIEW, STATES, "1/final_state/outcomes", ",", "1.final_state.outcomes=','"),
    (VIEW, STATES, "1/final_state/aware", LEFT_OUT, "1.final_state.aware: missing"),
    (VIEW, STATES, "1/attributes", {}, "other attributes than the first"),
    (VIEW, STATES, "1/attributes/district", LEFT_OUT, "other attributes than the first"),
    (VIEW, STATES, "1/attributes/age", [1], "1.attributes.age"),
    (VIEW, STATES, "0/final_state/outcomes/stance", "maybe", "stance='maybe'"),
    (VIEW, STATES, "0/final_state/outcomes/stance", [1], "stance=[1]"),
    (VIEW, STATES, "0/final_state/outcomes/car_trips_dropped", "many", "car_trips_dropped='many'"),
    (VIEW, STATES, "0/final_state/outcomes/will_vote", "no", "will_vote='no'"),
    (VIEW, "scenario.yaml", "outcomes/suggested_outcomes/1/name", "other", "'other' is in none of them"),
    (VIEW, META, "rehearsal", "no", "rehearsal='no'"),
    (AGAIN, META, "agents_reasoned", LEFT_OUT, "agents_reasoned: missing"),
    (AGAIN, META, "cost", LEFT_OUT, "cost: missing"),
    (AGAIN, META, "cost/total_cost", "1", "cost.total_cost='1'"),
    (AGAIN, META, "final_exposure_rate", "all", "final_exposure_rate='all'"),
    (AGAIN, META, "total_reasoning_calls", "../x", "total_reasoning_calls='../x'"),
]


@pytest.mark.parametrize(("words", "file", "way", "value", "said"), RESULTS)
def test_results_that_were_broken_are_told_of(
    town: Path, monkeypatch: pytest.MonkeyPatch, words: Any, file: str, way: str, value: Any, said: str
) -> None:
    monkeypatch.chdir(town)
    change(town / file, way, value)
    code, text = population_command(*words)
    assert code == 4 and said in text, text


def test_cuts_that_are_no_numbers_are_refused(finished: Path) -> None:
    code, text = population_command(
        "results", finished / "results", "--scenario", finished / "scenario.yaml", "--segment", "age:nan"
    )
    assert code == 4 and "age:nan" in text


DAMAGED = [
    "UPDATE simulation_metadata SET value = 'x' WHERE key = 'settings'",
    "UPDATE simulation_metadata SET value = '[1]' WHERE key = 'ended'",
    "UPDATE simulation_metadata SET value = 'null' WHERE key = 'timeline_bytes'",
    "UPDATE timestep_summaries SET summary_json = '{}'",
    "UPDATE timestep_summaries SET summary_json = 'x'",
    "UPDATE agent_states SET thought_json = '{\"a\": 1}' WHERE thought_json NOT NULL",
    "UPDATE agent_states SET place = 4000 WHERE place = 0",
    "UPDATE agent_states SET hop = 'x' WHERE place = 0",
    "UPDATE chunks SET usage_json = '[]'",
    "UPDATE memory_traces SET agent_id = agent_id || 'x'",
    "INSERT INTO shared_to VALUES (100000, 'a', 'b', 0, 1)",
    "DROP TABLE agent_states; CREATE TABLE agent_states (place INTEGER)",
    "DELETE FROM simulation_metadata WHERE key = 'next_timestep'; "
    "DELETE FROM simulation_metadata WHERE key = 'ended'",
]


@pytest.mark.parametrize("statement", DAMAGED)
def test_a_damaged_database_is_told_of(town: Path, statement: str) -> None:
    with closing(sqlite3.connect(town / "results/simulation.db")) as database:
        database.executescript(statement)
    before = (town / "results/timeline.jsonl").read_bytes()
    code, text = population_command("simulate", town / "scenario.yaml", "-o", town / "results")
    assert code in (1, 4) and "simulation.db" in text and "Traceback" not in text, text
    assert (town / "results/timeline.jsonl").read_bytes() == before


@pytest.mark.parametrize("left", [None, b"", b"{}\n"])
def test_a_timeline_that_lost_something_is_not_filled_with_nothing(town: Path, left: bytes | None) -> None:
    path = town / "results/timeline.jsonl"
    path.unlink() if left is None else path.write_bytes(left)
    code, text = population_command("simulate", town / "scenario.yaml", "-o", town / "results")
    assert code in (1, 4) and "timeline.jsonl" in text, text
    assert not path.exists() if left is None else path.read_bytes() == left


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**63)])
def test_numbers_of_agents_beyond_what_can_be_held_are_told_of(town: Path, number: int) -> None:
    change(town / "agents.json", "agents/0/age", number)
    code, text = population_command("network", town / "agents.json", "-o", town / "n.json")
    assert code == 0 if number < 0 else (code == 4 and "age" in text), text


def test_no_file_is_written_over_what_it_is_made_from(town: Path) -> None:
    wanted = (town / "population.yaml").read_bytes()
    for words in (
        ("sample", town / "population.yaml", "-o", town / "population.yaml"),
        ("sample", town / "population.yaml", "-o", town / "results/../population.yaml"),
        ("network", town / "agents.json", "-o", town / "agents.json"),
        ("network", town / "agents.json", "-c", town / "network.yaml", "-o", town / "network.yaml"),
        ("persona", town / "population.yaml", "-o", town / "population.yaml", "--plain"),
        ("persona", town / "population.yaml", "-o", town / "agents.json", "--plain", "-a", town / "agents.json"),
    ):  # fmt: skip
        code, text = population_command(*words)
        assert code == 4 and "another file" in text, (words, text)
    assert (town / "population.yaml").read_bytes() == wanted


def test_what_a_message_quotes_cannot_steer_a_terminal(town: Path) -> None:
    change(town / "population.yaml", "attributes/0/name", "\x1b[31mred")
    change(town / "population.yaml", "attributes/1/\x1b]0;x", 1)
    code, text = population_command("sample", town / "population.yaml", "-o", town / "a.json")
    assert code == 4 and "\x1b" not in text, text


CARELESS = [
    (("sample", "population.yaml", "-o", "a.json", "--seed", 2**70), "seed "),
    (("network", "agents.json", "-o", "n.json", "--seed", -(2**70)), "seed "),
    (("simulate", "scenario.yaml", "-o", "r", "--seed", 2**70), "seed "),
    (("simulate", "scenario.yaml", "-o", "r", "--threshold", 10**30), "threshold "),
    (("simulate", "scenario.yaml", "-o", "r", "--chunk-size", 10**30), "chunk_size "),
    (("simulate", "scenario.yaml", "-o", "r", "--temperature", "nan"), "--temperature nan"),
    (("simulate", "scenario.yaml", "-o", "r", "--temperature", "-1"), "--temperature -1"),
    (("simulate", "scenario.yaml", "-o", "agents.json"), "agents.json"),
    (("simulate", "scenario.yaml", "-o", "agents.json/r"), "agents.json"),
    (("personas", "agents.json", "-o", "agents.json"), "expected a new folder"),
    (("personas", "agents.json", "-o", "agents.json/p"), "agents.json"),
]


@pytest.mark.parametrize(("words", "said"), CARELESS)
def test_careless_words_are_one_clear_error(
    town: Path, monkeypatch: pytest.MonkeyPatch, words: Any, said: str
) -> None:
    monkeypatch.chdir(town)
    before = {path: path.read_bytes() for path in town.rglob("*") if path.is_file()}
    code, text = population_command(*words)
    assert code == 4 and said in text, text
    assert before == {path: path.read_bytes() for path in town.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("variants", "worlds", "said"),
    [
        ({"a": {}, "b": None}, 1, "'b'"),
        (["a", "b"], 1, "variants"),
        ({"a": {}, "b": {}}, 1.5, "worlds=1.5"),
        ({"a": {}, "b": {}}, True, "worlds=True"),
        ({"a": {}, "b": {"threshold": 10**30}}, 1, "threshold=1"),
    ],
)
def test_variants_and_worlds_that_are_none_are_refused(
    finished: Path, variants: Any, worlds: Any, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        declare(finished / "scenario.yaml", variants, worlds)


def declare(scenario: Path, variants: Any, worlds: Any) -> None:
    made = simulation_experiment(scenario, variants, worlds=worlds)
    assert made.play is not None and made.play.check is not None
    raise_if_any(made.play.check(made))


def test_a_path_may_be_a_text(finished: Path) -> None:
    made = simulation_experiment(str(finished / "scenario.yaml"), {"a": {}, "b": {}})  # type: ignore[arg-type]
    assert [group.name for group in made.groups] == ["a", "b"]


@pytest.mark.parametrize("option", ["", "  ", "a\nb", "a\x1b[31m", "\u202ea", "a" * 300])
def test_an_option_that_cannot_be_read_is_refused(finished: Path, option: str) -> None:
    scenario = read_scenario(finished / "scenario.yaml").model_dump(mode="json", exclude_none=True)
    scenario["outcomes"]["suggested_outcomes"][0]["options"] = ["for", option]
    with pytest.raises(ConfigurationError, match=r"'stance'.*options"):
        scenario_of(scenario, None)


def test_a_view_prints_no_sign_that_steers_a_terminal(town: Path) -> None:
    path = town / "results/agent_states.json"
    path.write_text(path.read_text().replace('"riverside"', '"river\\u001b[31m\\u0000"'))
    words = ("results", town / "results", "--scenario", town / "scenario.yaml", "--min-n", 1)
    code, text = population_command(*words, "--segment", "district")
    assert code == 0 and "river" in text and "\x1b" not in text and "\x00" not in text
