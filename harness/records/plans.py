"""Locked plans: what a run set out to show, hashed before the first paid call, and in what a run departs from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import BeyondPlanError, ConfigurationError, HarnessError
from harness.model.contrast import CONTROL, contrasts_in_words, contrasts_to_metadata
from harness.records.atomic import write_atomic
from harness.records.design import Design
from harness.records.earlier_versions import CODE, setting_differences
from harness.records.json_safe import canonical, plain, shown
from harness.records.looks import count_looks, looks_at
from harness.records.reader import TrialHistory
from harness.records.writer import safe_name
from harness.text_files import read_json

FOLDER = "plans"
KIND = "harness_plan"
SEAL = "sha256"


@dataclass(frozen=True, slots=True)
class Plan:
    """A locked plan. ``content`` is the file without its seal, ``sealed`` the hash in the file."""

    content: Mapping[str, Any]
    sealed: str
    path: Path | None = None

    @property
    def sha256(self) -> str:
        """Of the content, as canonical JSON."""
        return hashlib.sha256(canonical(self.content)).hexdigest()

    @property
    def intact(self) -> bool:
        """Whether the content is what was locked."""
        return self.sha256 == self.sealed

    @property
    def experiment(self) -> str:
        return str(self.content["experiment"])

    @property
    def fingerprint(self) -> str:
        return str(self.content["fingerprint"])

    def covers(self, fingerprint: str, settings: Mapping[str, Any]) -> bool:
        """Whether a run of these settings is the planned one; plans of version 0.1.0 knew no code."""
        planned = self.content["settings"]
        if self.fingerprint == fingerprint or CODE in planned or CODE not in settings:
            return self.fingerprint == fingerprint
        return not setting_differences(planned, settings)

    @property
    def reps(self) -> int:
        return int(self.content["n"]["reps"])

    @property
    def looks(self) -> int:
        return int(self.content["looks"])


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """What a run is as far as a plan is concerned. ``finished`` has the finished trials of each group.

    ``plans`` are the hashes of plans that its sessions worked under, ``runs`` the ids of all runs that are in it,
    ``looks`` how often its results were looked at.
    """

    settings: Mapping[str, Any]
    groups: Mapping[str, Mapping[str, Any]]
    metrics: tuple[str, ...]
    n: Mapping[str, int]
    finished: Mapping[str, int]
    plans: tuple[str, ...]
    runs: tuple[str, ...]
    looks: int
    began: str = ""
    metric_code: Mapping[str, str] = field(default_factory=dict)
    contrasts: Any = CONTROL


def lock(content: Mapping[str, Any], results_dir: Path, out: Path | None = None) -> Plan:
    """Write ``content`` with its hash under ``results_dir``/plans, and to ``out`` too.

    Raises `ConfigurationError` where another plan for the same settings is locked already.
    """
    data = {"type": KIND, **plain(content)[0]}
    plan = Plan(data, hashlib.sha256(canonical(data)).hexdigest())
    for other in plans_in(results_dir, plan.experiment):
        if other.covers(plan.fingerprint, plan.content["settings"]):
            raise ConfigurationError(
                f"{other.path}: a plan for these settings of {plan.experiment} was locked {other.content['locked']}. "
                "A locked plan does not change; anything beyond it is exploratory."
            )
    path = results_dir / FOLDER / f"{safe_name(plan.experiment)}_{plan.sealed[:12]}.json"
    for place in [path, *([out] if out is not None else [])]:
        write_atomic(place, {**data, SEAL: plan.sealed})
    return Plan(data, plan.sealed, path)


def read_plan(path: Path) -> Plan:
    """The plan in a file; whether it is what was locked, `Plan.intact` says. Raises `HarnessError`."""
    try:
        data = read_json(path, f"Plan {path}", expected="a file of harness plan lock")
    except ConfigurationError as error:
        raise HarnessError(f"{error} Put it back as it was.") from None
    try:
        if data["type"] != KIND:
            raise ValueError(f"type {data['type']!r:.40}")
        content = {key: value for key, value in data.items() if key != SEAL}
        plan = Plan(content, str(data[SEAL]), path)
        _ = plan.experiment, plan.fingerprint, plan.reps, plan.looks, content["locked"], content["settings"]
        return plan
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(
            f"Plan {path}: not a locked plan ({type(error).__name__}: {error!s:.80}); expected a file of harness plan "
            "lock. Put it back as it was."
        ) from None


def plans_in(results_dir: Path, experiment: str | None = None) -> list[Plan]:
    """Every plan under ``results_dir``, or those of an experiment, oldest first. Raises `HarnessError`."""
    found = [read_plan(path) for path in sorted((results_dir / FOLDER).glob("*.json"))]
    wanted = [plan for plan in found if experiment in (None, plan.experiment)]
    return sorted(wanted, key=lambda plan: (str(plan.content["locked"]), plan.sealed))


def plan_for(
    results_dir: Path,
    experiment: str,
    fingerprint: str,
    settings: Mapping[str, Any] | None = None,
    *,
    rehearsal: bool,
) -> Plan | None:
    """The plan for a run: that of its settings, else the experiment's newest.

    A rehearsal has only a plan with exactly its settings, because plans are about evidence.
    """
    plans = plans_in(results_dir, experiment)
    exact = [plan for plan in plans if plan.covers(fingerprint, settings or {})]
    held = exact or ([] if rehearsal else plans)
    return held[-1] if held else None


def beyond(plan: Plan, reps: int, runs: Iterable[str] = ()) -> str | None:
    """In what ``reps`` or ``runs`` together go beyond the planned N, if they do."""
    several = sorted(set(runs))
    if not plan.intact:
        return "the plan was changed after it was locked"
    if reps > plan.reps:
        return f"{reps} reps where {plan.reps} are planned"
    if len(several) > 1:
        return f"{len(several)} runs ({', '.join(several)}) where one is planned"
    return None


def refusal(plan: Plan, what: str) -> BeyondPlanError:
    """The error for a session or a merge that goes beyond the plan and is not exploratory."""
    return BeyondPlanError(
        f"{plan.experiment}: {what} (plan {plan.sealed[:12]}, locked {plan.content['locked']}). Adding to a run until "
        "its result looks right makes its p-value worthless; keep to the plan."
    )


def held_against_plan(
    folder: Path,
    experiment: str,
    metadata: Sequence[Mapping[str, Any]],
    design: Design,
    outcomes: Mapping[str, TrialHistory],
    runs: Sequence[str],
    *,
    rehearsal: bool,
    exploratory: bool = False,
    metric_code: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The plan, deviations and looks for a meta file. ``runs`` are the ids of all its runs.

    Raises `BeyondPlanError` if it exceeds the planned N and neither the caller nor the record says that it is
    exploratory; only the caller can allow several runs together.
    """
    rows = looks_at(folder, runs)
    labelled = exploratory or any(line.get("exploratory") for line in metadata)
    mark = next((str(line["fingerprint"]) for line in metadata if line.get("fingerprint")), "")
    settings = settings_of(metadata)
    plan = plan_for(folder, experiment, mark, settings, rehearsal=rehearsal)
    found: dict[str, Any] = {"plan": None, "exploratory": labelled, "looks": count_looks(rows)}
    if plan is None:
        return found
    what = beyond(plan, design.reps, runs) if plan.covers(mark, settings) else None
    if what is not None and not (exploratory if len(set(runs)) > 1 else labelled):
        raise refusal(plan, what)
    standing = standing_of(metadata, design, outcomes, runs, count_looks(rows), metric_code)
    told = {"sha256": plan.sealed, "file": plan.path and plan.path.name, "locked": plan.content["locked"]}
    told |= {name: plan.content[name] for name in ("primary_metrics", "sesoi", "n", "looks")}
    told |= {name: plan.content[name] for name in ("contrasts",) if name in plan.content}
    return found | {"plan": {**told, "deviations": deviations(plan, standing)}}


def standing_of(
    metadata: Sequence[Mapping[str, Any]],
    design: Design,
    outcomes: Mapping[str, TrialHistory],
    runs: Sequence[str],
    looks: int,
    metric_code: Mapping[str, str] | None = None,
) -> PlanProgress:
    """What the first lines and the trials of a run say of it."""
    accepted = [outcome.accepted["group"] for outcome in outcomes.values() if outcome.accepted is not None]
    proposals = design.proposals if design.only is None else len(design.only)
    return PlanProgress(
        settings=settings_of(metadata),
        groups={line["group"]: line.get("group_settings") or {} for line in metadata if line.get("group")},
        metrics=design.metrics,
        n={"reps": design.reps, "panels": len(design.panels), "proposals": proposals},
        finished={group: accepted.count(group) for group in design.groups},
        plans=tuple(dict.fromkeys(str(line["plan"]) for line in metadata if line.get("plan"))),
        runs=tuple(sorted(set(runs))),
        looks=looks,
        began=min((str(line["timestamp"]) for line in metadata if line.get("timestamp")), default=""),
        metric_code=metric_code or {},
        contrasts=contrasts_to_metadata(design.contrasts),
    )


def settings_of(metadata: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The settings in the newest of a run's first lines: a later session may have added the code to them."""
    lines = sorted(metadata, key=lambda line: str(line.get("timestamp") or ""))
    return next((line["settings"] for line in reversed(lines) if line.get("settings")), {})


def deviations(plan: Plan, run: PlanProgress) -> list[str]:
    """In what the run departs from its plan, a sentence each; empty when in nothing."""
    return [*_of_file(plan, run), *_of_settings(plan, run), *_of_size(plan, run), *_of_use(plan, run)]


def _of_file(plan: Plan, run: PlanProgress) -> Iterator[str]:
    if not plan.intact:
        yield f"plan changed after it was locked: sealed {plan.sealed[:12]}, its content is {plan.sha256[:12]}"
    for other in run.plans:
        if other != plan.sealed:
            yield f"plan changed after it was locked: the run worked under {other[:12]}, this is {plan.sealed[:12]}"
    if run.began and not run.plans and run.began < str(plan.content["locked"]):
        yield f"run began {run.began}, before the plan was locked {plan.content['locked']}"


def _of_settings(plan: Plan, run: PlanProgress) -> Iterator[str]:
    for key, (planned, found) in setting_differences(plan.content["settings"], run.settings).items():
        yield f"setting {key}: {shown(planned)} planned, {shown(found)} found"
    planned_code = plan.content.get("metric_code") or {}
    for metric in sorted(planned_code.keys() & run.metric_code.keys()):
        if planned_code[metric] != run.metric_code[metric]:
            yield f"metric {metric}: code {planned_code[metric]} planned, {run.metric_code[metric]} found"
    planned_arms = plan.content.get("group_settings") or {}
    for group in sorted(planned_arms.keys() & run.groups.keys()):
        for key, (planned, found) in setting_differences(planned_arms[group], run.groups[group]).items():
            yield f"group {group}, {key}: {shown(planned)} planned, {shown(found)} found"


def _of_size(plan: Plan, run: PlanProgress) -> Iterator[str]:
    n = plan.content["n"]
    for name in ("reps", "panels", "proposals"):
        if run.n.get(name) != n.get(name):
            yield f"{name}: {n.get(name)} planned, {run.n.get(name)} found"
    if len(run.runs) > 1:
        yield f"runs: 1 planned, {len(run.runs)} merged"
    for group, trials in run.finished.items():
        if trials < n["trials_per_arm"]:
            yield f"{group}: {n['trials_per_arm']} trials planned, {trials} finished"


def _of_use(plan: Plan, run: PlanProgress) -> Iterator[str]:
    for metric in plan.content["primary_metrics"]:
        if metric not in run.metrics:
            yield f"primary metric {metric!r} is not a metric of the run: {', '.join(run.metrics)}"
    planned = plan.content.get("contrasts", CONTROL)
    if planned != run.contrasts:
        yield f"contrasts: {contrasts_in_words(planned)} planned, {contrasts_in_words(run.contrasts)} found"
    # Earlier versions corrected more than two groups so; it cannot be made any more.
    if (planned := str(plan.content.get("adjustment", ""))).startswith("Dunnett"):
        yield f"adjustment: {planned} planned, Holm over the contrasts found"
    if run.looks > plan.looks:
        yield f"looks: {plan.looks} planned, {run.looks} taken"
