"""Each gate passes a sound study, and each of its rules sees the fault planted for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.experiments.population.gates import GATES, checks_of, load_profile
from harness.experiments.population.gates.material import StudyFiles
from harness.experiments.population.gates.subject import GateSubject
from tests.support.gated_study import Study, agents, bad, checked, edges, write

Break = Callable[[Study], Any]


@pytest.mark.parametrize("gate", GATES)
def test_a_sound_study_passes(gate: str, tmp_path: Path) -> None:
    checks = checked(tmp_path, gate)
    assert len(checks) >= 2
    assert bad(checks) == set()


def to(*path: str | int, value: Any) -> Break:
    """Set what stands at ``path``."""

    def change(files: Study) -> None:
        place: Any = files
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def without(*path: str | int) -> Break:
    def change(files: Study) -> None:
        place: Any = files
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def each_agent(change: Callable[[int, dict[str, Any]], Any]) -> Break:
    def applied(files: Study) -> None:
        for number, row in enumerate(files["agents.json"]["agents"]):
            change(number, row)

    return applied


def network(rows: list[Any]) -> Break:
    return to("network.json", value={"meta": {}, "edges": rows})


def each_state(change: Callable[[int, dict[str, Any]], Any]) -> Break:
    def applied(files: Study) -> None:
        for number, row in enumerate(files["results/agent_states.json"]):
            change(number, row["final_state"])

    return applied


def outcome(**more: Any) -> Break:
    return lambda files: files["scenario.yaml"]["outcomes"]["suggested_outcomes"][0].update(more)


def rule(**more: Any) -> Break:
    return lambda files: files["scenario.yaml"]["seed_exposure"]["rules"][0].update(more)


def stop(*conditions: str) -> Break:
    return to("scenario.yaml", "simulation", "stop_conditions", value=list(conditions))


def meta(**more: Any) -> Break:
    return lambda files: files["results/meta.json"].update(more)


def both(*breaks: Break) -> Break:
    def change(files: Study) -> None:
        for one in breaks:
            one(files)

    return change


def each_step(**more: Any) -> Break:
    return lambda files: [one.update(more) for one in files["results/by_timestep.json"]]


def outcomes(rows: list[Any]) -> Break:
    return to("scenario.yaml", "outcomes", "suggested_outcomes", value=rows)


def answer(name: str, value: Any) -> Break:
    return to("results/agent_states.json", 0, "final_state", "outcomes", name, value=value)


def silent(count: int) -> Break:
    return each_state(
        lambda number, state: state.update(last_reasoning_timestep=-1) if number < count else None
    )


def attribute(number: int, **more: Any) -> Break:
    return lambda files: files["population.yaml"]["attributes"][number].update(more)


def named(name: str, **more: Any) -> Break:
    """Another attribute of that name in the population."""
    drawn = {"type": "categorical", "options": ["one", "two"], "weights": [0.5, 0.5]}
    added = {
        "name": name,
        "type": "categorical",
        "sampling": {"strategy": "independent", "distribution": drawn},
    }
    return lambda files: files["population.yaml"]["attributes"].append(added | more)


def answers(*options: str) -> Break:
    drawn = {"type": "categorical", "options": list(options), "weights": [1 / len(options)] * len(options)}
    return named("habit", sampling={"strategy": "independent", "distribution": drawn})


def shares(part: float, **more: Any) -> Break:
    """West is this much of the sample in place of 0.2; what it gains, north loses."""
    gained = round(200 * (part - 0.2))

    def moved(number: int, row: dict[str, Any]) -> None:
        if number % 10 < 5 and number // 10 * 5 + number % 10 < gained:
            row["region"] = "west"

    return each_agent(moved)


def working(kept: int) -> Break:
    """Of 164 agents of 16 and more, this many work."""

    def applied(files: Study) -> None:
        adults = [row for row in files["agents.json"]["agents"] if row["age"] >= 16]
        for number, row in enumerate(adults):
            row["employed"] = number < kept

    return applied


def women(kept: int) -> Break:
    """Of 164 agents of 16 and more, this many are women; those below make up for it."""

    def applied(files: Study) -> None:
        rows = files["agents.json"]["agents"]
        for number, row in enumerate([one for one in rows if one["age"] >= 16]):
            row["sex"] = "female" if number < kept else "male"
        for number, row in enumerate([one for one in rows if one["age"] < 16]):
            row["sex"] = "female" if number < 100 - kept else "male"

    return applied


COMPLETE = [
    {"source": one["_id"], "target": other["_id"], "weight": 1, "type": "all"}
    for number, one in enumerate(agents())
    for other in agents()[:number]
]
IDS = [one["_id"] for one in agents()]
HALF = [one for one in edges() if (one["source"] < IDS[100]) == (one["target"] < IDS[100])]

# fmt: off
PLANTED: list[tuple[str, str, str, Break]] = [
    ("G1", "FAIL", "file", without("base.yaml", "attributes")),
    ("G1", "FAIL", "file", to("base.yaml", "meta", "size", value=0)),
    ("G1", "FAIL", "sampling order", to("base.yaml", value=None)),
    ("G1", "WARN", "weights", to("base.yaml", "attributes", 1, "sampling", "distribution", "weights", value=[1, 1])),
    ("G1", "WARN", "variation", to("base.yaml", "attributes", 1, "sampling", "distribution", "weights", value=[1, 0])),
    ("G1", "WARN", "breadth", to("base.yaml", "attributes", slice(2, None), value=[])),
    ("G2", "FAIL", "file", without("population.yaml")),
    ("G2", "FAIL", "file", attribute(0, type="number")),
    ("G2", "FAIL", "base", without("population.yaml", "attributes", 2)),
    ("G2", "WARN", "base", to("population.yaml", "attributes", 0, "sampling", "distribution", "max", value=80)),
    ("G2", "WARN", "extension", without("population.yaml", "attributes", 6)),
    ("G2", "FAIL", "outcome leakage", named("protest_intent")),
    ("G2", "FAIL", "outcome leakage", named("protesting_likelihood")),
    ("G2", "FAIL", "outcome leakage", answers("march", "petition", "other")),
    ("G2", "WARN", "outcome leakage", named("protest_history")),
    ("G2", "WARN", "outcome leakage", named("habit", description="Their intent to protest.")),
    ("G2", "FAIL", "outcome leakage", each_agent(lambda _, row: row.update(anger=0.5))),
    ("G2", "WARN", "outcome leakage", without("scenario.yaml")),
    ("G3A", "FAIL", "file", without("agents.json")),
    ("G3A", "FAIL", "file", to("agents.json", "agents", value=[])),
    ("G3A", "FAIL", "spec", without("population.yaml")),
    ("G3A", "FAIL", "rows", to("agents.json", "agents", 7, value="agent_00007")),
    ("G3A", "FAIL", "ids", without("agents.json", "agents", 7, "_id")),
    ("G3A", "FAIL", "ids", to("agents.json", "agents", 7, "_id", value="agent_00001")),
    ("G3A", "FAIL", "count", without("agents.json", "agents", 7)),
    ("G3A", "FAIL", "count", to("agents.json", value=agents()[:-1])),
    ("G3A", "WARN", "count", to("population.yaml", "meta", "size", value=300)),
    ("G3A", "FAIL", "nulls", to("agents.json", "agents", 7, "region", value=None)),
    ("G3A", "FAIL", "nulls", without("agents.json", "agents", 7, "sex")),
    ("G3A", "FAIL", "types", to("agents.json", "agents", 7, "owner", value="yes")),
    ("G3A", "FAIL", "types", to("agents.json", "agents", 7, "age", value=41.5)),
    ("G3A", "FAIL", "types", each_agent(lambda _, row: row.update(age=str(row["age"])))),
    ("G3A", "FAIL", "types", to("agents.json", "agents", 7, "region", value="n" * 10_000)),
    ("G3A", "FAIL", "options", to("agents.json", "agents", 7, "region", value="east")),
    ("G3A", "FAIL", "ranges", to("agents.json", "agents", 7, "age", value=101)),
    ("G3A", "FAIL", "ranges", to("agents.json", "agents", 7, "age", value=-1)),
    ("G3A", "FAIL", "ranges", attribute(0, constraints=[{"type": "hard_max", "value": 80}])),
    ("G3A", "FAIL", "hard conditional", attribute(0, constraints=[{"type": "expression", "expression": "value < 90"}])),
    ("G3A", "FAIL", "exclusivity", to("agents.json", "agents", 3, "renter", value=True)),
    ("G3A", "FAIL", "exclusivity", to("schema.yaml", "exclusive", 0, "one", value=True)),
    ("G3A", "FAIL", "hard conditional", to("agents.json", "agents", 3, "employed", value=True)),
    ("G3A", "FAIL", "hard conditional", to("schema.yaml", "hard", 0, "then", value="age < 'old'")),
    ("G3A", "WARN", "calibration", without("schema.yaml", "fields", "age")),
    ("G3A", "WARN", "calibration", to("schema.yaml", "required", value=["height"])),
    ("G3B", "WARN", "calibration", without("schema.yaml")),
    ("G3B", "WARN", "soft conditional", working(92)),
    ("G3B", "FAIL", "soft conditional", working(100)),
    ("G3B", "WARN", "soft conditional", to("schema.yaml", "soft", 0, "when", value="age > 88")),
    ("G3B", "FAIL", "soft conditional", to("schema.yaml", "soft", 0, "when", value="age > region")),
    ("G3B", "WARN", "marginal drift", shares(0.24)),
    ("G3B", "FAIL", "marginal drift", shares(0.26)),
    ("G3B", "FAIL", "marginal drift", to("schema.yaml", "priors", 0, "field", value="age")),
    ("G3B", "WARN", "conditional drift", women(92)),
    ("G3B", "FAIL", "conditional drift", women(99)),
    ("G3B", "FAIL", "conditional drift", to("schema.yaml", "priors", 1, "given", value="sex > 1")),
    ("G3B", "WARN", "support", each_agent(lambda _, row: row.update(region=row["region"].replace("west", "north")))),
    ("G3B", "FAIL", "support", each_agent(lambda _, row: row.update(region="north"))),
    ("G3B", "FAIL", "support", each_agent(lambda _, row: row.update(age=40))),
    ("G3B", "WARN", "support", each_agent(lambda _, row: row.update(age=40 + row["age"] // 8))),
    ("G4", "FAIL", "file", to("network.json", value=[])),
    ("G4", "FAIL", "file", without("agents.json")),
    ("G4", "FAIL", "edges", to("network.json", "edges", 3, value=["agent_00001", "agent_00002"])),
    ("G4", "FAIL", "edges", without("network.json", "edges", 3, "target")),
    ("G4", "FAIL", "edges", to("network.json", "edges", 3, "weight", value=1.5)),
    ("G4", "FAIL", "edges", to("network.json", "edges", 3, "weight", value=True)),
    ("G4", "FAIL", "edges", to("network.json", "edges", 3, "type", value="")),
    ("G4", "FAIL", "orphan endpoints", to("network.json", "edges", 3, "target", value="agent_99999")),
    ("G4", "FAIL", "loops", to("network.json", "edges", 3, "target", value="agent_00001")),
    ("G4", "FAIL", "count", without("network.json", "edges", 3)),
    ("G4", "WARN", "repeated edges", network([*edges(), edges()[0]])),
    ("G4", "WARN", "near-empty", network(edges()[:150])),
    ("G4", "FAIL", "near-empty", network(edges()[:10])),
    ("G4", "FAIL", "near-empty", network([])),
    ("G4", "WARN", "near-complete", network(COMPLETE[: len(COMPLETE) * 6 // 10])),
    ("G4", "FAIL", "near-complete", network(COMPLETE)),
    ("G4", "WARN", "degrees", network(COMPLETE)),
    ("G4", "WARN", "disconnected", network(HALF)),
    ("G4", "FAIL", "disconnected", network(edges()[:150])),
    ("G4", "WARN", "isolated", network([one for one in edges() if max(one["source"], one["target"]) < IDS[180]])),
    ("G4", "FAIL", "isolated", network([one for one in edges() if max(one["source"], one["target"]) < IDS[140]])),
    ("GP", "FAIL", "file", without("population.persona.yaml")),
    ("GP", "FAIL", "attributes", to("population.persona.yaml", "groups", 0, "attributes", value=["height"])),
    ("GP", "FAIL", "groups", to("population.persona.yaml", "treatments", 0, "group", value="you")),
    ("GP", "WARN", "coverage", named("height")),
    ("GP", "FAIL", "coverage", lambda files: files["population.persona.yaml"].update(groups=[], phrasings={})),
    ("GP", "WARN", "phrases", without("population.persona.yaml", "phrasings", "categorical", 0, "phrases", "male")),
    ("GP", "FAIL", "templates", to("population.persona.yaml", "intro_template", value="I am {height}.")),
    ("GP", "FAIL", "templates", to("population.persona.yaml", "intro_template", value="I am {age.__class__}.")),
    ("GP", "FAIL", "templates", to("population.persona.yaml", "intro_template", value="I am {age")),
    ("G5", "FAIL", "file", without("scenario.yaml")),
    ("G5", "FAIL", "file", without("scenario.yaml", "event")),
    ("G5", "FAIL", "file", rule(probability=1.5)),
    ("G5", "FAIL", "exposure logic", to("scenario.yaml", "seed_exposure", "rules", value=[])),
    ("G5", "FAIL", "exposure logic", rule(probability=0.0)),
    ("G5", "FAIL", "exposure logic", rule(timestep=5)),
    ("G5", "FAIL", "exposure logic", rule(when="age > 120")),
    ("G5", "FAIL", "exposure logic", rule(when="height > 120")),
    ("G5", "FAIL", "exposure logic", rule(when="__import__('os').system('true')")),
    ("G5", "WARN", "exposure logic", rule(probability=0.001)),
    ("G5", "WARN", "exposure logic", without("agents.json")),
    ("G5", "FAIL", "channels", rule(channel="letter")),
    ("G5", "WARN", "channels", to("scenario.yaml", "seed_exposure", "channels", slice(1, 1), value=[{"name": "tv"}])),
    ("G5", "FAIL", "outcomes", outcomes([])),
    ("G5", "FAIL", "outcomes", outcome(options=None)),
    ("G5", "FAIL", "outcomes", outcome(options=["march", "March "])),
    ("G5", "FAIL", "outcomes", outcome(name="anger")),
    ("G5", "FAIL", "outcomes", outcome(type="float", range=[1.0, -1.0])),
    ("G5", "FAIL", "outcomes", outcomes([{"name": "why", "type": "open_ended"}])),
    ("G5", "WARN", "outcomes", outcome(type="float", options=None)),
    ("G5", "WARN", "stop conditions", stop("exposure_rate > 1")),
    ("G5", "WARN", "stop conditions", stop("exposure_rate >= 0")),
    ("G5", "WARN", "stop conditions", stop("exposure_rate < 0.5")),
    ("G5", "WARN", "stop conditions", stop("average_sentiment > 0.2", "average_sentiment <= 0.3")),
    ("G5", "WARN", "stop conditions", stop("no_state_changes_for > 9")),
    ("G5", "WARN", "stop conditions", stop("when everybody knows")),
    ("G5", "FAIL", "spread", to("scenario.yaml", "spread", "share_modifiers", 0, "when", value="age >")),
    ("G5", "WARN", "spread", to("scenario.yaml", "spread", "share_probability", value=0)),
    ("GE", "FAIL", "file", without("estimate.json")),
    ("GE", "FAIL", "calls", to("estimate.json", value={"total_cost": 1.0})),
    ("GE", "FAIL", "calls", to("estimate.json", value={"calls": 0, "total_cost": 0.0})),
    ("GE", "FAIL", "calls", to("estimate.json", value=[])),
    ("G3A", "FAIL", "options", to("agents.json", "agents", 7, "rooms", value=9)),
    ("G3B", "FAIL", "marginal drift", each_agent(lambda number, row: row.update(rooms=1 + number % 2))),
    ("G3B", "FAIL", "support", each_agent(lambda _, row: row.update(rooms=1))),
    ("G6", "FAIL", "files", without("results/meta.json")),
    ("G6", "FAIL", "file", to("results/by_timestep.json", value=[])),
    ("G6", "FAIL", "timeline", to("results/timeline.jsonl", value="")),
    ("G6", "FAIL", "timeline", to("results/timeline.jsonl", value="{}\n{}\n")),
    ("G6", "WARN", "timeline", to("results/timeline.jsonl", value='{"timestep": 0, "event_type": "x"}\n{"times')),
    ("G6", "FAIL", "database", to("results/simulation.db", value=b"SQLite format 3\0 and then nothing")),
    ("G6", "FAIL", "database", to("results/simulation.db", value=b"")),
    ("G6", "FAIL", "stop reason", meta(stopped_reason="interrupted")),
    ("G6", "FAIL", "stop reason", both(meta(stopped_reason=None), without("results/by_timestep.json", 4))),
    ("G6", "WARN", "stop reason", meta(stopped_reason=None)),
    ("G6", "FAIL", "size", meta(population_size=201)),
    ("G6", "FAIL", "states", without("results/agent_states.json", 3, "final_state")),
    ("G6", "WARN", "model", meta(model="")),
    ("G6", "FAIL", "dynamics", each_state(lambda _, state: state.update(aware=False))),
    ("G6", "FAIL", "dynamics", each_state(lambda _, state: state.update(last_reasoning_timestep=-1))),
    ("G6", "WARN", "dynamics", to("results/by_timestep.json", slice(1, None), value=[])),
    ("G6", "WARN", "dynamics", each_step(exposure_rate=0.75)),
    ("G6", "WARN", "dynamics", to("results/by_timestep.json", 2, "exposure_rate", value=0.9)),
    ("G6", "WARN", "positions", each_state(lambda _, state: state.update(position="march"))),
    ("G6", "WARN", "positions", each_state(lambda _, state: state.update(position=None))),
    ("G6", "WARN", "cost", meta(cost={"estimated_usd": 1.6})),
    ("G6", "WARN", "cost", meta(cost={})),
    ("GC", "FAIL", "call failures", meta(total_reasoning_calls=0)),
    ("GC", "WARN", "call failures", to("results/by_timestep.json", 1, "agents_failed", value=4)),
    ("GC", "FAIL", "call failures", to("results/by_timestep.json", 1, "agents_failed", value=9)),
    ("GC", "WARN", "call failures", without("results/by_timestep.json", 1, "agents_failed")),
    ("GC", "WARN", "silent agents", silent(5)),
    ("GC", "FAIL", "silent agents", silent(20)),
    ("GR", "FAIL", "agents", without("results/agent_states.json", 3)),
    ("GR", "FAIL", "agents", to("results/agent_states.json", 3, "agent_id", value="agent_99999")),
    ("GR", "FAIL", "agents", to("results/agent_states.json", 3, "agent_id", value="agent_00001")),
    ("GR", "FAIL", "exposure", to("results/by_timestep.json", 4, "exposure_rate", value=0.8)),
    ("GR", "FAIL", "exposure", without("results/by_timestep.json", 4, "exposure_rate")),
    ("GR", "FAIL", "outcomes", without("results/outcome_distributions.json", "anger")),
    ("GR", "WARN", "answers", each_state(lambda n, state: state["outcomes"].pop("anger", 0) if n < 12 else 0)),
    ("GR", "FAIL", "answers", each_state(lambda n, state: state["outcomes"].pop("anger", 0) if n < 40 else 0)),
    ("GR", "FAIL", "answers", answer("anger", 3.0)),
    ("GR", "FAIL", "answers", answer("protest_intent", "riot")),
    ("GR", "FAIL", "shares", to("results/outcome_distributions.json", "protest_intent", "march", value=0.5)),
    ("GR", "FAIL", "shares", to("results/outcome_distributions.json", "protest_intent", value="half")),
    ("GR", "FAIL", "means", to("results/outcome_distributions.json", "anger", "mean", value=0.5)),
    ("GR", "FAIL", "means", to("results/outcome_distributions.json", "anger", "count", value=200)),
    ("GR", "FAIL", "denominators", meta(denominators={"protest_intent": 200})),
]
# fmt: on


def _misordered(files: Study) -> None:
    files["base.yaml"] = files["population.yaml"]
    files["base.yaml"]["sampling_order"] = ["employed", "age", "sex", "region", "rooms", "owner", "renter"]


PLANTED[2] = ("G1", "FAIL", "sampling order", _misordered)


@pytest.mark.parametrize(
    ("gate", "level", "name", "break_it"),
    PLANTED,
    ids=[f"{number}-{gate}-{level}-{name}" for number, (gate, level, name, _) in enumerate(PLANTED)],
)
def test_a_planted_fault_is_seen(gate: str, level: str, name: str, break_it: Break, tmp_path: Path) -> None:
    checks = checked(tmp_path, gate, break_it)
    assert (level, name) in bad(checks)
    if level == "WARN":
        assert ("FAIL", name) not in bad(checks)


def test_every_level_of_every_gate_is_planted() -> None:
    assert {gate for gate, *_ in PLANTED} == {*GATES}


def boolean_of_all(files: Study) -> None:
    """As extropy-run has it: shares of all agents for one outcome, of those who answered for another."""
    declared = {"name": "walks", "type": "boolean", "required": False}
    files["scenario.yaml"]["outcomes"]["suggested_outcomes"].append(declared)
    each_state(lambda _, state: state["outcomes"].update(walks=True) if state["aware"] else None)(files)
    told = files["results/outcome_distributions.json"]
    told["protest_intent"] = {name: 0.75 * value for name, value in told["protest_intent"].items()}
    told["walks"] = {"true": 1.0, "false": 0.0}


def test_f40_shares_of_different_wholes_are_named(tmp_path: Path) -> None:
    checks = checked(tmp_path, "GR", boolean_of_all)
    assert bad(checks) == {("WARN", "denominators")}
    said = next(one.message for one in checks if one.name == "denominators")
    assert "'walks': of 150 agents" in said
    assert "'protest_intent': of 200 agents" in said


@pytest.mark.parametrize(("whole", "found"), [(200, set()), (199, set()), (198, {("FAIL", "denominators")})])
def test_where_nearly_all_answered_the_declared_whole_counts(
    whole: int, found: set[Any], tmp_path: Path
) -> None:
    """Shares of 199 and of 200 agents are within the tolerance of each other."""

    def nearly(files: Study) -> None:
        def answers(number: int, state: dict[str, Any]) -> None:
            state["aware"], state["last_reasoning_timestep"] = number > 0, 0 if number else -1
            options = ("march", "accept")
            state["outcomes"] = {"protest_intent": options[number % 2], "anger": 1.0} if number else {}

        each_state(answers)(files)
        files["results/by_timestep.json"][-1]["exposure_rate"] = 0.995
        told = files["results/outcome_distributions.json"]
        told["protest_intent"] = {"march": 99 / whole, "accept": 100 / whole}
        told["anger"] = {"mean": 1.0, "min": 1.0, "max": 1.0, "std": 0.0}
        meta(denominators={"protest_intent": whole})(files)

    assert bad(checked(tmp_path, "GR", nearly)) == found


def test_f40_wholes_that_are_declared_may_differ(tmp_path: Path) -> None:
    def declared(files: Study) -> None:
        boolean_of_all(files)
        meta(denominators={"protest_intent": 200, "walks": 150})(files)

    assert bad(checked(tmp_path, "GR", declared)) == set()


def test_f40_failed_reasonings_are_among_those_asked_for(tmp_path: Path) -> None:
    checks = checked(tmp_path, "GC", to("results/by_timestep.json", 1, "agents_failed", value=4))
    found = next(one for one in checks if one.name == "call failures")
    assert found.message == "4 of 154 reasonings asked for (2.6 %) failed"
    assert found.number == pytest.approx(4 / 154)


ESTIMATES = [
    ({"pass1_calls": 9, "pass2_calls": 9, "total_cost": 3.0}, {"max_cost": 5.0}, set()),
    ([{"name": "least", "calls": 4, "dollars": 1.0}, {"name": "expected", "calls": 9, "dollars": 3.0}], {}, set()),
    ([{"name": "expected", "calls": 9, "dollars": 3.0}, {"name": "most", "calls": 9, "dollars": 9.0}],
     {"max_cost": 2.0}, {("FAIL", "cost")}),
    ({"calls": 9, "total_cost": None}, {}, set()),
    ({"calls": 9, "total_cost": None}, {"max_cost": 2.0}, {("WARN", "cost")}),
]  # fmt: skip


@pytest.mark.parametrize(("estimate", "limits", "expected"), ESTIMATES)
def test_an_estimate_is_held_against_the_profiles_limit(
    estimate: Any, limits: dict[str, Any], expected: set[tuple[str, str]], tmp_path: Path
) -> None:
    write(tmp_path, {"estimate.json": estimate, "mine.yaml": {"name": "mine", "thresholds": limits}})
    subject = GateSubject(StudyFiles(tmp_path), load_profile(str(tmp_path / "mine.yaml")))
    assert bad(checks_of("GE", subject)) == expected


def test_a_rehearsal_costs_nothing(tmp_path: Path) -> None:
    assert bad(checked(tmp_path, "G6", meta(cost={"total_cost": None}, rehearsal=True))) == set()


@pytest.mark.parametrize("gate", GATES)
def test_f40_every_percentage_names_what_it_is_of(gate: str, tmp_path: Path) -> None:
    for check in checked(tmp_path, gate):
        for part in check.message.split("%")[:-1]:
            assert " of " in part or "expected" in part, check.message


@pytest.mark.parametrize(
    ("rate", "tolerance", "level"),
    [
        (0.5, 0.05, set()),
        (0.45, 0.05, set()),
        (0.44, 0.05, {"WARN"}),
        (0.4, 0.05, {"WARN"}),
        (0.39, 0.05, {"FAIL"}),
    ],
)
def test_a_soft_rule_warns_beyond_its_tolerance_and_fails_beyond_twice(
    rate: float, tolerance: float, level: set[str], tmp_path: Path
) -> None:
    changed = lambda files: files["schema.yaml"]["soft"][0].update(rate=rate, tolerance=tolerance)  # noqa: E731
    found = {level for level, name in bad(checked(tmp_path, "G3B", changed)) if name == "soft conditional"}
    assert found == level


def test_without_a_schema_map_only_structure_is_checked(tmp_path: Path) -> None:
    checks = checked(tmp_path, "G3B", without("schema.yaml"))
    assert [one.name for one in checks] == ["calibration"]
    assert checks[0].message.startswith("uncalibrated: no schema map was given")
    structural = checked(tmp_path, "G3A", without("schema.yaml"))
    assert {"rows", "ids", "count", "nulls", "options"} <= {one.name for one in structural}
    assert bad(structural) == {("WARN", "calibration")}


@pytest.mark.parametrize(
    ("profile", "gate", "expected"),
    [
        ("adults-only", "G3A", {("FAIL", "ranges"), ("FAIL", "hard conditional")}),
        ("benchmark-calibrated", "G3B", set()),
        ("us-national-all-ages", "G3A", set()),
        ("us-national-all-ages", "G3B", {("FAIL", "marginal drift")}),
    ],
)
def test_shipped_profiles_hold_their_own_rules(
    profile: str, gate: str, expected: set[tuple[str, str]], tmp_path: Path
) -> None:
    assert bad(checked(tmp_path, gate, profile=profile)) == expected


def test_a_profile_that_needs_priors_is_uncalibrated_without(tmp_path: Path) -> None:
    checks = checked(tmp_path, "G3B", without("schema.yaml", "priors"), "benchmark-calibrated")
    assert bad(checks) == {("WARN", "calibration")}


def test_values_are_put_into_the_profiles_words(tmp_path: Path) -> None:
    def short(files: Study) -> None:
        each_agent(lambda _, row: row.update(sex=row["sex"][0].upper()))(files)
        files["schema.yaml"]["values"] = {"sex": {"F": "female", "M": "male"}}
        files["schema.yaml"]["priors"] = []

    checks = checked(tmp_path, "G3B", short, "us-national-all-ages")
    drift = next(one for one in checks if one.name == "marginal drift" and one.about == "sex")
    assert drift.number == pytest.approx(0.9)


def test_checks_are_plain_json(tmp_path: Path) -> None:
    for gate in GATES:
        for check in checked(tmp_path / gate, gate):
            json.dumps([check.name, check.level, check.message, check.number], allow_nan=False)
