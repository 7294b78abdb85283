"""What the commands of ``harness study`` share: their words, and how a study and a batch are found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.command_group import CommandGroup
from harness.errors import ConfigurationError

if TYPE_CHECKING:
    from harness.batches.manifest import Manifest
    from harness.batches.study_layout import Study

study = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Many variants of an experiment, kept apart and comparable.",
)
app.add_typer(study, name="study")

Name = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study, lower-case with hyphens.")]
BatchName = Annotated[
    str | None,
    typer.Argument(metavar="BATCH", help="Id of the batch. Default: the newest.", show_default=False),
]
Root = Annotated[Path, typer.Option(help="Where studies are.")]
RUNS = Path("runs")
Exp = Annotated[
    str | None,
    typer.Option(
        help="Name of the experiment. Default: the simulation of the study's scenario.", show_default=False
    ),
]
GateProfile = Annotated[
    str | None,
    typer.Option(help="The gate profile that results are held against.", show_default="of pipeline.yaml"),
]
SchemaMap = Annotated[
    str | None,
    typer.Option(help="The schema map of gates, below the study.", show_default="of pipeline.yaml"),
]
Concurrency = Annotated[str, typer.Option(help="Model calls in flight, or 'unlimited'.")]
Tpm = Annotated[int | None, typer.Option(help="Tokens in any minute.")]
MaxCost = Annotated[
    float | None, typer.Option(help="US dollars that this call may spend, all sessions together.")
]
MaxCalls = Annotated[int | None, typer.Option(help="The same in model calls.")]
MaxTokens = Annotated[int | None, typer.Option(help="The same in tokens.")]
Prices = Annotated[Path | None, typer.Option(help="JSON of your own prices.")]
Reruns = Annotated[int | None, typer.Option(min=0, help="Tries of a case whose trials finished.")]


def study_named(root: Path, name: str) -> Study:
    from harness.batches.study_layout import Study

    return Study(root, name).existing()


def manifest_of(place: Study, batch: str | None) -> Manifest:
    """The manifest of a batch, the newest without a name. Raises `ConfigurationError`."""
    from harness.batches.manifest import load

    known, newest = place.batch_ids(), place.newest()
    if newest is None:
        raise ConfigurationError(
            f"Study {place.name} has no batches; expected one: harness study sweep {place.name}"
        )
    found = place.batch(batch or newest)
    if found.id not in known:
        raise ConfigurationError(
            f"Batch {found.id!r} is not in {place.name}; expected one of {', '.join(known)}."
        )
    return load(found.manifest, place.name)
