"""``harness study build``: the population of a study, stage by stage, each with its gates."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common_options import with_options, with_settings
from harness.cli.model_session import failures_told
from harness.cli.study_app import with_study
from harness.console import echo
from harness.errors import ExitCode
from harness.experiments.population.commands.gates import COLUMNS, gate_lines
from harness.experiments.population.commands.stages import ASKING
from harness.runtime.settings import Settings

if TYPE_CHECKING:
    from harness.batches.study_layout import Study
    from harness.experiments.population.build.build import BuildStep, Built
    from harness.experiments.population.build.recipes import Recipes
    from harness.experiments.population.gates import GateResult


@dataclass(frozen=True)
class PipelineOptions:
    """The options of the command line for a study's pipeline, which saves them."""

    population: Annotated[
        str | None, typer.Option(help="Who the people are, for a model to write their spec.")
    ] = None
    size: Annotated[int | None, typer.Option(metavar="N", help="Number of agents.")] = None
    event: Annotated[
        str | None, typer.Option(help="What happens to the people, for a model to write the scenario.")
    ] = None
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Maximum number of time steps, for a model.")
    ] = None
    gate_profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Profile that the gates check against; see docs/gates.md."),
    ] = None
    schema_map: Annotated[
        str | None, typer.Option(metavar="FILE", help="Schema map: which attribute has which role.")
    ] = None
    threshold: Annotated[
        int | None,
        typer.Option(metavar="N", help="Further exposures that make an agent reconsider, for the estimate."),
    ] = None
    chunk_size: Annotated[
        int | None, typer.Option(metavar="N", help="Agents between two checkpoints, for the estimate.")
    ] = None


@with_settings(*ASKING, seed="Seed of every stage.")
@with_study()
@with_options("said", PipelineOptions)
def build(place: Study, said: PipelineOptions, settings: Settings) -> None:
    """Run the stages from spec to estimate that are not up to date, each with its gates; stop if a gate FAILs.

    The study's pipeline.yaml remembers all options but --timeout, --max-cost and --prices. Files that people write to
    specs/ take the place of a model's.
    """
    from harness.experiments.population.build import pipeline
    from harness.experiments.population.build.build import Build, alone
    from harness.experiments.population.commands.build_session import BuildSession
    from harness.gateway.prices import find_prices

    options = {name: value for name, value in asdict(said).items() if value is not None}
    options |= {
        name: getattr(settings, name) for name in ("seed", "model", "base_url") if name in settings.origins
    }
    if said.schema_map is not None:
        options["schema_map"] = _as_remembered(place, said.schema_map)
    own = None if settings.prices is None else (settings.prices, find_prices(settings.prices))
    with alone(place) as folder:
        plan = pipeline.updated_plan(place, options)
        pipeline.check(place, plan)
        work = Build(place, plan, folder, own)
        asked = replace(
            settings, model=plan.model, base_url=plan.base_url, seed=plan.seed, results_dir=folder
        )
        session = BuildSession(asked, folder / "heartbeat.txt", _told, _told_again)
        if work.asks:
            session.prepare()
        pipeline.write(place, plan)
        with failures_told(), session:
            built = work.run(session.ask, session)
    echo("\n".join(_summary(place, built, work.recipes, session.spent)))
    raise typer.Exit(int(ExitCode.FAILED if built.stopped else ExitCode.OK))


def _as_remembered(place: Study, name: str) -> str:
    """Below the study, where it is there; a file elsewhere by its whole path."""
    path = Path(name)
    if path.is_absolute() or (place.folder / path).is_file() or not path.is_file():
        return name
    found, home = path.resolve(), place.folder.resolve()
    return found.relative_to(home).as_posix() if found.is_relative_to(home) else str(found)


def _told(step: BuildStep) -> None:
    """A stage that stands, and what its gates say."""
    what = f" ({step.told.summary})" if step.told else ""
    echo(f"{step.stage}: {step.how}{what}")
    for line in step.told.lines if step.told else ():
        echo(f"  {line}")
    for one in step.gates:
        echo("\n".join(gate_lines(one, indent="  ")))


def _told_again(result: GateResult) -> None:
    echo(f"{result.stage}: its gate again, with what later stages wrote")
    echo("\n".join(gate_lines(result, indent="  ")))


def _summary(place: Study, built: Built, recipes: Recipes, spent: str) -> Iterator[str]:
    yield ""
    if built.stopped is None:
        yield from _table(built)
        yield spent
        written = sorted({one.stage for one in built.steps if one.record.rehearsal}, key=_order)
        if written:
            yield from _wrapped(
                f"REHEARSAL: {', '.join(written)} generated offline. Nothing based on them is evidence."
            )
        yield f"Next: harness study sweep {place.name} --confidence 5"
        return
    yield spent
    if built.report.escalation:
        yield built.report.escalation.text
        return
    yield f"STOPPED after {built.steps[-1].stage}: gate {built.stopped.gate} FAILs."
    yield "What may help, the smallest first, and the stages that run again then:"
    for one in recipes.fixes(built.stopped):
        yield f"  - {one.what}"
        yield from _wrapped(f"      then: {', '.join(one.reruns) or 'no stage'}", "            ")
    yield f"After it: harness study build {place.name}"


def _order(stage: str) -> int:
    from harness.experiments.population.build.pipeline import STAGES

    return STAGES.index(stage)


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, COLUMNS, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _table(built: Built) -> Iterator[str]:
    from harness.experiments.population.build.build import made_by

    yield f"{'stage':<10}{'':<16}{'written by':<24}gates"
    for one in built.steps:
        gates = "  ".join(f"{gate.gate} {gate.level}" for gate in one.gates)
        yield f"{one.stage:<10}{one.how:<16}{made_by(one.record):<24.23}{gates}"
