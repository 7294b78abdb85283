"""Running gates over a folder, and keeping what they said."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

from harness.batches.gate_status import check_of
from harness.console import on_one_line
from harness.errors import ConfigurationError
from harness.experiments.population.gates.escalation import TWICE, Escalation, escalation
from harness.experiments.population.gates.material import Blocked, StudyFiles
from harness.experiments.population.gates.profile import Profile
from harness.experiments.population.gates.schema_map import SchemaMap
from harness.experiments.population.gates.stages import FILES, GATES, gate_named, upstream
from harness.experiments.population.gates.subject import GateSubject, failed
from harness.model import Check, Level, worst
from harness.records.atomic import write_atomic

REPORT = "gates.json"
LONGEST = 400
"""Characters of a message; text from a file may make it long."""
MOST = 100
"""Checks of a gate that are kept, the worst first; of more, their number is."""

_FIRST_FILES = {
    **{stage: (name,) for stage, name in FILES.items()},
    "simulate": ("results/meta.json", "results/agent_states.json", "results/simulation.db"),
    "results": ("results/outcome_distributions.json", "results/agent_states.json"),
}
"""What each stage writes: where nothing of it and of later stages is there, it has not run yet."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """What a gate said. ``inputs`` are the SHA-256 of what it read, its rules among it; ``failures`` counts FAILs in a
    row, on inputs that differ. ``calibrated`` is False where only structure could be checked.
    """

    gate: str
    stage: str
    checks: tuple[Check, ...]
    inputs: Mapping[str, str]
    calibrated: bool = True
    failures: int = 0

    @property
    def level(self) -> Level:
        return worst(self.checks)


@dataclass(frozen=True, slots=True)
class Report:
    """All gates that ran, in order. ``escalation`` is set if one failed twice; later ones then did not run."""

    profile: str
    schema_map: str | None
    results: tuple[GateResult, ...]
    escalation: Escalation | None = None

    @property
    def level(self) -> Level:
        return worst(self.checks)

    @property
    def calibrated(self) -> bool:
        return all(one.calibrated for one in self.results)

    @property
    def checks(self) -> list[Check]:
        """Every check, named with its gate."""
        return [
            replace(check, name=f"{one.gate} {check.name}") for one in self.results for check in one.checks
        ]

    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "profile": self.profile,
            "schema_map": self.schema_map,
            "level": str(self.level),
            "calibrated": self.calibrated,
            "gates": [
                {**asdict(one), "level": str(one.level), "checks": [plainly(check) for check in one.checks]}
                for one in self.results
            ],
            "escalation": asdict(self.escalation) if self.escalation else None,
        }


def plainly(check: Check) -> dict[str, Any]:
    """A check as JSON has it."""
    return asdict(check) | {"level": str(check.level)}


def checks_of(gate: str, subject: GateSubject) -> list[Check]:
    """The checks of ``gate`` on ``subject``, worst first, escaped for a terminal. No file content raises."""
    asked = gate_named(gate)
    check: Callable[[GateSubject], Iterator[Check]] = import_module(
        f"harness.experiments.population.gates.checks.{asked.module or asked.stage}"
    ).check
    found: list[Check] = []
    try:
        found += check(subject)
    except Blocked as error:
        found += [
            failed("file", problem, error.about, threshold="a file that is there and valid")
            for problem in error.problems
        ]
    except ConfigurationError as error:
        found += [failed("file", problem) for problem in error.problems]
    order = tuple(Level)
    found.sort(key=lambda one: -order.index(one.level))
    more = len(found) - MOST
    rest = (
        [failed("more", f"{more:,} more checks of this gate are left out")]
        if more > 0 and found[MOST].level is Level.FAIL
        else []
    )
    return [_harmless(one) for one in found[:MOST]] + rest


def _harmless(check: Check) -> Check:
    number = check.number if check.number is None or isfinite(check.number) else None
    return Check(
        check.name, check.level, _line(check.message), number, _line(check.threshold), _line(check.about)
    )


def _line(text: str) -> str:
    clean = on_one_line(text[: LONGEST + 1])
    return clean if len(clean) <= LONGEST else f"{clean[: LONGEST - 1]}…"


def due(directory: Path) -> list[str]:
    """The gates of every stage that has run, and of all that it is made from.

    Personas and the estimate may be left out, unless their files are there.
    """
    material = StudyFiles(directory)
    run = {stage for stage, names in _FIRST_FILES.items() if any(map(material.has, names))}
    needed = {one for stage in run for one in upstream(stage)} - {"spec", "persona", "estimate"} | run
    return [one.name for one in GATES.values() if one.stage in needed]


def run_gates(
    directory: Path,
    profile: Profile,
    schema: SchemaMap | None = None,
    *,
    schema_name: str | None = None,
    gates: Iterable[str] = (),
    before: Report | None = None,
    hidden: Collection[str] = (),
) -> Report:
    """Run ``gates``, in the order of stages; none named: those that are `due`.

    ``before`` is the last report: a gate that fails again on other files stops the run. ``hidden`` files count as
    missing, because later stages may have written them for other inputs. Raises `ConfigurationError` for a missing
    folder, or one without files to check.
    """
    if not directory.is_dir():
        raise ConfigurationError(
            f"{directory}: no such folder; expected one with population.yaml, agents.json or results."
        )
    names = [gate_named(one).name for one in gates] or due(directory)
    if not names:
        raise ConfigurationError(
            f"{directory}: no file of any stage; expected population.yaml, agents.json or others."
        )
    earlier = {one.gate: one for one in before.results} if before and before.profile == profile.name else {}
    subject, results = GateSubject(StudyFiles(directory, hidden), profile, schema), []
    for name in (one for one in GATES if one in names):
        result = _run(name, subject, earlier.get(name))
        results.append(result)
        if result.failures >= TWICE:
            return Report(profile.name, schema_name, tuple(results), escalation(name, result.checks))
    return Report(profile.name, schema_name, tuple(results))


def _run(name: str, subject: GateSubject, earlier: GateResult | None) -> GateResult:
    subject.material.read.clear()
    checks = tuple(checks_of(name, subject))
    inputs = subject.hashes()
    failures = 0
    if worst(checks) is Level.FAIL:
        then = earlier.failures if earlier else 0
        same = earlier is not None and earlier.inputs == inputs
        failures = max(1, then if same else then + 1)
    calibrated = not any(one.name == "calibration" for one in checks)
    return GateResult(name, GATES[name].stage, checks, inputs, calibrated, failures)


def write_report(report: Report, directory: Path) -> Path:
    """Write gates.json into ``directory``, and its checks beside the results where there are some; whole or not at all.

    Raises `HarnessError`.
    """
    path = directory / REPORT
    write_atomic(path, report.data())
    if (directory / "results").is_dir():
        write_atomic(directory / "results" / REPORT, [plainly(one) for one in report.checks])
    return path


def read_report(directory: Path) -> Report | None:
    """The report in gates.json of ``directory``; ``None`` if missing or unreadable."""
    from harness.experiments.population.formats.files import read_json

    try:
        data = read_json(directory / REPORT, "Gates")
        return Report(data["profile"], data["schema_map"], tuple(_result(one) for one in data["gates"]))
    except (ConfigurationError, KeyError, TypeError, ValueError):
        return None


def _result(data: Mapping[str, Any]) -> GateResult:
    said = {one.name: data[one.name] for one in fields(GateResult)}
    return GateResult(**{**said, "checks": tuple(map(check_of, data["checks"]))})


def merged(report: Report, before: Report | None) -> Report:
    """``report``, with what gates that did not run now said ``before`` under the same profile and schema map."""
    if before is None or (before.profile, before.schema_map) != (report.profile, report.schema_map):
        return report
    ran = {one.gate: one for one in before.results} | {one.gate: one for one in report.results}
    return replace(report, results=tuple(ran[name] for name in GATES if name in ran))
