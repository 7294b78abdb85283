"""G6: did the simulation end by its own rules, and did anything happen in it?"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.experiments.population.formats.scenario import WHAT as SCENARIO
from harness.experiments.population.formats.scenario import ScenarioSpec
from harness.experiments.population.gates.checks.estimate import cost_estimated
from harness.experiments.population.gates.checks.states import States, states_of
from harness.experiments.population.gates.material import RESULTS, STREAMS, Blocked, StudyFiles
from harness.experiments.population.gates.numbers import first, number
from harness.experiments.population.gates.subject import GateSubject, failed, none_of, passed, warned
from harness.experiments.population.gates.wording import listed, share, shown
from harness.experiments.population.simulation.state import StopReason
from harness.model import Check
from harness.records import stream
from harness.records.read_problems import Problem

TABLES = frozenset({"agent_states", "exposures", "timestep_summaries"})
MODELS = ("model", "pivotal_model", "routine_model")


def check(subject: GateSubject) -> Iterator[Check]:
    """The files under results/."""
    material = subject.material
    missing = [name for name in (*RESULTS, *STREAMS) if not material.has(f"results/{name}")]
    for name in missing:
        yield failed(
            "files", "no such file; the simulation did not finish", f"results/{name}", threshold="there"
        )
    if not missing:
        yield passed(
            "files", f"all {len(RESULTS) + len(STREAMS)} files are there", number=0, threshold="none missing"
        )
    yield from _whole(material, set(missing))
    if {"meta.json", "by_timestep.json", "agent_states.json"} & {*missing}:
        return
    meta, steps, states = _read(material)
    yield from _stop(subject, meta, steps)
    yield from _size(meta, states)
    yield from _dynamics(subject, steps, states)
    yield from _cost(subject, meta)


def _read(material: StudyFiles) -> tuple[dict[str, Any], list[dict[str, Any]], States]:
    meta, steps = material.json("results/meta.json"), material.json("results/by_timestep.json")
    if not isinstance(meta, dict):
        raise Blocked("results/meta.json", "expected an object.")
    if not isinstance(steps, list) or not steps or not all(isinstance(one, dict) for one in steps):
        raise Blocked(
            "results/by_timestep.json", "expected a list of objects, one per timestep, with one at least."
        )
    return meta, steps, states_of(material)


def _whole(material: StudyFiles, missing: set[str]) -> Iterator[Check]:
    if "timeline.jsonl" not in missing:
        yield _timeline(material.path("results/timeline.jsonl"))
    if "simulation.db" not in missing:
        yield _database(material.path("results/simulation.db"))


def _timeline(path: Path) -> Check:
    about = "results/timeline.jsonl"
    problems: list[Problem] = []
    events = others = 0
    try:
        for line in stream(path, problems):
            is_event = "event_type" in line and "timestep" in line
            events, others = events + is_event, others + (not is_event)
    except HarnessError as error:
        return failed("timeline", str(error), about)
    torn = len(problems) + others
    count = events + torn
    last = any(one.torn for one in problems)
    if not count:
        return failed("timeline", "has no event: nothing happened", about, 0, "at least 1 event")
    if torn == 1 and last:
        return warned("timeline", f"the last of {count:,} lines is torn", about, 1, "none torn")
    return none_of("timeline", torn, count, f"{share(torn, count, 'lines')} are not events", about)


def _database(path: Path) -> Check:
    about = "results/simulation.db"
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as database:
            names = {
                name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            said = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        return failed("database", f"cannot be read ({error})", about)
    if lacking := sorted(TABLES - names):
        return failed("database", f"lacks {listed(lacking)}", about, len(lacking), "every table")
    if said != "ok":
        return failed("database", f"is damaged: {shown(str(said))}", about)
    return passed("database", f"{len(names)} tables, undamaged", about)


def _stop(subject: GateSubject, meta: dict[str, Any], steps: list[dict[str, Any]]) -> Iterator[Check]:
    reason = next((meta[key] for key in ("stop_reason", "stopped_reason") if meta.get(key) is not None), None)
    conditions, most = _conditions(subject)
    expected = f"one of {', '.join(StopReason)}, or a stop condition of the scenario"
    if isinstance(reason, str) and (reason in {*StopReason} or reason in conditions):
        yield passed("stop reason", f"{shown(reason)} after {len(steps):,} timesteps", threshold=expected)
    elif reason is not None:
        yield failed("stop reason", f"{shown(reason)} is not how a simulation ends", threshold=expected)
    elif most is not None and len(steps) >= most:
        said = f"meta.json names none; all {most:,} timesteps ran, so it was the last one"
        yield warned("stop reason", said, threshold=expected)
    else:
        last = f"of {most:,}" if most is not None else "of how many is not known"
        yield failed(
            "stop reason", f"meta.json names none, after {len(steps):,} timesteps {last}", threshold=expected
        )


def _conditions(subject: GateSubject) -> tuple[list[str], int | None]:
    if not subject.material.has("scenario.yaml"):
        return [], None
    try:
        simulation = subject.material.form("scenario.yaml", ScenarioSpec, SCENARIO).simulation
    except Blocked:  # G5 says what is wrong with it
        return [], None
    return simulation.stop_conditions or [], simulation.max_timesteps


def _size(meta: dict[str, Any], states: States) -> Iterator[Check]:
    said, found = number(meta, "population_size"), len(states) + states.faults
    yield none_of(
        "states", states.faults, found, f"{share(states.faults, found, 'agents')} have no final state"
    )
    if said is not None and said != found:
        yield failed("size", f"{found:,} final states, meta.json says {said:,.0f} agents", number=found)
    if not any(isinstance(meta.get(key), str) and meta[key] for key in MODELS):
        yield warned(
            "model", "meta.json names no model: it is unknown whose answers these are", threshold="a name"
        )


def _dynamics(subject: GateSubject, steps: list[dict[str, Any]], states: States) -> Iterator[Check]:
    whole, reasoned, aware = len(states), int(states.reasoned.sum()), int(states.aware.sum())
    if not aware:
        yield failed(
            "dynamics", f"{share(0, whole, 'agents')} heard of the event", number=0, threshold="above 0"
        )
        return
    if not reasoned:
        said = f"{share(0, aware, 'aware agents')} reasoned: no answer came from a model"
        yield failed("dynamics", said, number=0, threshold="above 0")
        return
    yield passed(
        "dynamics", f"{share(reasoned, aware, 'aware agents')} reasoned", number=reasoned, threshold="above 0"
    )
    yield from _one_answer(subject, states)
    rates = [rate for one in steps if (rate := number(one, "exposure_rate")) is not None]
    if len(steps) == 1:
        yield warned("dynamics", "one timestep: nothing could spread", number=1, threshold="more than 1")
    elif len(rates) > 1 and rates[0] == rates[-1] and rates[-1] < 1:
        said = f"the exposure rate stays at {rates[0]:.1%} of {whole:,} agents from the first timestep to the last"
        yield warned("dynamics", said, number=rates[0], threshold="a rate that moves")
    if any(later < earlier for earlier, later in pairwise(rates)):
        yield warned(
            "dynamics", "the exposure rate falls: agents forgot that they had heard", threshold="never falls"
        )


def _one_answer(subject: GateSubject, states: States) -> Iterator[Check]:
    taken = Counter(one for one in states.positions if isinstance(one, str))
    whole = sum(taken.values())
    if not whole:
        yield warned("positions", "no agent has a position", number=0, threshold="above 0")
        return
    (name, most), limit = taken.most_common(1)[0], subject.limits.one_answer
    said = f"{share(most, whole, 'agents with a position')} have {shown(name)}"
    level = warned if most / whole > limit and whole > 1 else passed
    yield level("positions", said, "", most / whole, f"at most {limit:g}")


def _cost(subject: GateSubject, meta: dict[str, Any]) -> Iterator[Check]:
    spent = first(meta, ("cost", "estimated_usd"), ("cost", "total_cost"), ("cost_usd",), ("cost",))
    if spent is None and meta.get("rehearsal") is True:
        yield passed("cost", "a rehearsal: nothing was bought")
        return
    if spent is None:
        yield warned("cost", "meta.json has no cost", threshold="a cost")
        return
    most, planned = subject.limits.max_cost, cost_estimated(subject.material)
    said = f"${spent:,.2f} spent"
    if most is not None and spent > most:
        yield warned("cost", said, number=spent, threshold=f"at most ${most:,.2f}")
    elif planned is not None and spent > planned * subject.limits.cost_over_estimate:
        factor = subject.limits.cost_over_estimate
        yield warned(
            "cost",
            f"{said}, ${planned:,.2f} estimated",
            number=spent,
            threshold=f"at most {factor:g} times that",
        )
    else:
        yield passed("cost", said if planned is None else f"{said}, ${planned:,.2f} estimated", number=spent)
