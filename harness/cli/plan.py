"""``harness plan``: what a run is to show, locked before the first paid call, and what a run then departs from."""

from __future__ import annotations

import contextlib
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.app import app
from harness.cli.command_group import CommandApp
from harness.cli.common_options import Count, TestFile, with_results, with_settings
from harness.console import echo, on_one_line
from harness.errors import ConfigurationError, ExitCode, raise_if_any
from harness.model.roles import is_rehearsed
from harness.runtime.settings import ROLE_MODELS, Settings

if TYPE_CHECKING:
    from harness.model import Experiment
    from harness.records.plans import Plan
    from harness.runtime.plan import CellPlan
    from harness.runtime.provenance import PlanCode

plans = CommandApp(help="Lock, show and check a plan of analysis.")
app.add_typer(plans, name="plan")

TEST = "paired t on block differences (panel × proposal), blocks − 1 degrees of freedom"


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """The options of a plan besides the run's settings."""

    primary: tuple[str, ...]
    sesoi: float
    n: int | None
    count: int | None
    looks: int
    exclusions: tuple[str, ...]
    estimand: str
    test: str


@plans.command("lock")
@with_settings(
    *("mode", "engine", "model", "base_url", "judge_model", "judge_base_url", "temperature", "model_options"),
    *ROLE_MODELS,
    *("response_format", "seed", "provider_seed", "results_dir", "notebooks", "accept_differences"),
    out="Write a copy of the plan here.",
)
def lock_(
    settings: Settings,
    exp: Annotated[str, typer.Option(metavar="NAME", help="The experiment.")],
    path: TestFile = None,
    primary_metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="May be repeated. Default: all, with Holm's adjustment."),
    ] = None,
    sesoi: Annotated[float, typer.Option(metavar="POINTS", help="Smallest effect size of interest.")] = 0.5,
    n: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Trials per arm: a whole number of repetitions.")
    ] = None,
    count: Count = None,
    looks: Annotated[int, typer.Option(min=1, metavar="N", help="Planned looks at the results.")] = 1,
    exclusions: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Rule for excluding trials; may be repeated.")
    ] = None,
    estimand: Annotated[str | None, typer.Option(help="What the difference is an estimate of.")] = None,
    test: Annotated[str, typer.Option(help="The primary test.")] = TEST,
) -> None:
    """Lock a plan, with its hash, before the first paid call. Use the same options as for the run."""
    from harness.cli.listing import experiment_named
    from harness.records.plans import lock
    from harness.stats.results import FIXED_SET

    settings = settings.with_sources()
    wanted = PlanRequest(
        tuple(primary_metric or ()),
        sesoi,
        n,
        count,
        looks,
        tuple(exclusions or ()),
        estimand or FIXED_SET,
        test,
    )
    content = _content(experiment_named(exp, path, settings.sources), wanted, settings)
    locked = lock(content, settings.results_dir, settings.out)
    echo("\n".join(_lines(locked)))


@plans.command()
@with_results()
def show(results: Path) -> None:
    """Print the locked plans of a results folder, or the plan in a file."""
    for plan in _plans(results):
        echo("\n".join(_lines(plan)))


@plans.command()
@with_results()
def check(
    results: list[Path],
    plan: Annotated[
        Path | None, typer.Option(help="File of the plan. Default: in the results folder.")
    ] = None,
) -> None:
    """List how runs deviate from their plan; exit code 1 if one does."""
    from harness.records import record_files, runs_in_files
    from harness.records.looks import count_looks, looks_at
    from harness.records.plans import deviations, plan_for, read_plan, settings_of, standing_of

    given = None if plan is None else read_plan(plan)
    departs = False
    for run in runs_in_files(record_files(results)):
        mark = str(run.metadata[0].get("fingerprint", "")) if run.metadata else ""
        settings = settings_of(run.metadata)
        held = given or plan_for(run.folder, run.experiment, mark, settings, rehearsal=run.rehearsal)
        if held is None or held.experiment != run.experiment:
            echo(on_one_line(f"{run.experiment}, run {run.run_id}: no plan."))
            continue
        looks = count_looks(looks_at(run.folder, [run.run_id]))
        code = {name: one.code for name, one in run.measured.items()}
        standing = standing_of(run.metadata, run.design, run.outcomes, [run.run_id], looks, code)
        found = deviations(held, standing)
        departs |= bool(found)
        verdict = f"{len(found)} deviations" if found else "no deviation"
        echo(on_one_line(f"{run.experiment}, run {run.run_id}: {verdict} from plan {held.sealed[:12]}."))
        echo("".join(f"  {one}\n" for one in found), end="")
    raise typer.Exit(int(ExitCode.FAILED) if departs else 0)


def _content(experiment: Experiment, wanted: PlanRequest, settings: Settings) -> dict[str, Any]:
    """What is locked. Raises `ConfigurationError` when a paid call has been made, or the plan makes no sense."""
    from harness.model.contrast import contrasts_to_metadata
    from harness.plugin.factories import session_facts
    from harness.records import fingerprint
    from harness.records.earlier_versions import setting_differences
    from harness.runtime import provenance
    from harness.runtime.code.identity import CodeReader
    from harness.stats.adjustment import planned_adjustment

    facts = session_facts(settings)
    arms, reader = _arms(experiment, settings), CodeReader()
    first = next(iter(arms.values()))
    declared = first.population.sha256
    code = provenance.code_of(first, reader, settings.checkout)
    identity = _identity(first, code, facts)
    mark = fingerprint(identity)
    paid = not is_rehearsed(facts)
    earlier = _paid_runs(experiment.name, settings.results_dir)
    problems = [
        f"{experiment.name}: run {run_id} has paid calls of these very settings; a plan is locked before the first. "
        "What that run showed can only be exploratory."
        for run_id, found in earlier.items()
        if paid and not setting_differences(found, identity)
    ]
    n = _n(first, wanted)
    problems += _problems(experiment, wanted, n)
    raise_if_any(problems)
    return {
        "experiment": experiment.name,
        "locked": datetime.now(UTC).isoformat(timespec="seconds"),
        "harness_version": provenance.harness_version(),
        "estimand": wanted.estimand,
        "primary_metrics": list(wanted.primary or experiment.metric_names),
        "adjustment": planned_adjustment(
            experiment.contrasts, list(arms), len(wanted.primary or experiment.metric_names)
        ),
        "test": wanted.test,
        "control": experiment.groups[0].name,
        "contrasts": contrasts_to_metadata(experiment.contrasts),
        "sesoi": wanted.sesoi,
        "n": n,
        "exclusions": list(wanted.exclusions),
        "looks": wanted.looks,
        "fingerprint": mark,
        "settings": identity,
        "metric_code": provenance.metric_code(code),
        "group_settings": {
            name: provenance.group_settings(
                plan, provenance.code_of(plan, reader, settings.checkout), declared_population=declared
            )
            for name, plan in arms.items()
        },
        "earlier_runs": sorted(earlier),
    }


def _problems(experiment: Experiment, wanted: PlanRequest, n: dict[str, int]) -> list[str]:
    known = ", ".join(experiment.metric_names)
    found = [
        f"{experiment.name}: assignment='between' has no locked plans yet; expected assignment='within'."
    ] * (experiment.assignment == "between")
    found += [
        f"--primary-metric {name!r}: {experiment.name} has no such metric; expected one of {known}."
        for name in wanted.primary
        if name not in experiment.metric_names
    ]
    if not 0 < wanted.sesoi < float("inf"):
        found.append(f"--sesoi {wanted.sesoi:g}: expected more than 0 points.")
    a_rep = n["panels"] * n["proposals"]
    if wanted.n is not None and wanted.n != n["trials_per_arm"]:
        also = f" and --count {wanted.count}" if wanted.count else ""
        found.append(
            f"--n {wanted.n}{also}: expected whole reps of {n['panels']} panels × {n['proposals']} proposals, "
            f"such as {a_rep * max(1, n['reps'])} trials per arm."
        )
    return found


def _n(plan: CellPlan, wanted: PlanRequest) -> dict[str, int]:
    panels = len(plan.panels)
    proposals = len(plan.trials) // max(1, panels)
    reps = wanted.count or (max(1, (wanted.n or 0) // (panels * proposals)) if wanted.n else plan.reps)
    return {
        "reps": reps,
        "panels": panels,
        "proposals": proposals,
        "trials_per_arm": reps * panels * proposals,
    }


def _arms(experiment: Experiment, settings: Settings) -> dict[str, CellPlan]:
    """A plan of the first rep of each arm as declared."""
    from harness.personas import load
    from harness.runtime.plan import plan_cell

    folder = settings.sources.notebooks if experiment.script.source == "notebook" else None
    population = load(experiment.population, experiment.fragments, folder=folder)
    return {
        group.name: plan_cell(
            experiment,
            group,
            1,
            mode=settings.mode,
            population=population,
            engine=settings.engine,
            seed=settings.seed,
            temperature=settings.temperature,
            model_options=settings.model_options,
        )
        for group in experiment.groups
    }


def _identity(plan: CellPlan, code: PlanCode, facts: dict[str, Any]) -> dict[str, Any]:
    """The settings that a session of these options would give its run."""
    from harness.runtime import provenance
    from harness.runtime.runs import with_facts

    settings = provenance.base_settings(plan, code, declared_population=plan.population.sha256)
    return with_facts(settings, facts)


def _paid_runs(experiment: str, results_dir: Path) -> dict[str, Mapping[str, Any]]:
    """Runs of the experiment for which calls were paid, by id, with their settings."""
    from harness.records import RunRegistry

    if not (results_dir / "runs.sqlite").exists():
        return {}
    with RunRegistry(results_dir, lambda: datetime.now(UTC)) as registry:
        runs = registry.runs(experiment)
    return {
        run.id: run.settings
        for run in runs
        if not is_rehearsed(run.settings) and _has_calls(results_dir, experiment, run.id)
    }


def _has_calls(results_dir: Path, experiment: str, run_id: str) -> bool:
    """Whether journal or records have a call of the run."""
    from harness.gateway.journal.file import JournalFile
    from harness.records import files_of_run, read

    journal = results_dir / "journal" / f"{run_id}.sqlite"
    if journal.exists():
        with contextlib.closing(JournalFile(journal)) as file:
            if file.trials:
                return True
    return any(
        sum(((record.get("usage") or {}).get("calls") or {}).values())
        for path in files_of_run(results_dir, experiment, run_id)
        for section in read(path).sections
        for record in section.records
    )


def _plans(place: Path) -> Sequence[Plan]:
    from harness.records.plans import plans_in, read_plan

    found = plans_in(place) if place.is_dir() else [read_plan(place)]
    if not found:
        raise ConfigurationError(f"{place}: no locked plan there; lock one with harness plan lock.")
    return found


def _lines(plan: Plan) -> list[str]:
    from harness.model.contrast import CONTROL, contrasts_in_words
    from harness.reports.parts import WIDTH

    content = plan.content
    seal = (
        plan.sealed[:12]
        if plan.intact
        else f"{plan.sealed[:12]}, CHANGED SINCE: its content is {plan.sha256[:12]}"
    )
    shown = {
        "locked": content["locked"],
        "estimand": content["estimand"],
        "primary": f"{', '.join(content['primary_metrics'])} (adjustment: {content['adjustment']})",
        "test": content["test"],
        "contrasts": contrasts_in_words(content.get("contrasts", CONTROL)),
        "sesoi": f"{content['sesoi']:g} points",
        "n": ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in content["n"].items()),
        "exclusions": "; ".join(content["exclusions"]) or "none",
        "looks": content["looks"],
        "model": json.dumps({k: content["settings"].get(k) for k in ("provider", "model", "judge_model")}),
        "earlier runs": ", ".join(content["earlier_runs"]) or "none with paid calls",
        "file": plan.path or "",
    }
    texts = [f"  {name:<13}{value}" for name, value in shown.items()]
    fold = textwrap.TextWrapper(
        WIDTH, subsequent_indent=" " * 15, break_on_hyphens=False, break_long_words=False
    )
    wrapped = map(fold.wrap, texts)
    return [f"Plan of {plan.experiment}: {seal}", *(line for lines in wrapped for line in lines)]
