"""What the commands of ``harness study`` share: their words, and how a study and a batch are found."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.app import app
from harness.cli.command_group import CommandApp, CommandGroup
from harness.cli.common_options import CALL_SETTINGS, Command, expanded, parameter
from harness.errors import ConfigurationError, expected_one_of
from harness.runtime.settings import ROLE_MODELS

if TYPE_CHECKING:
    from harness.batches.manifest import Manifest
    from harness.batches.study_layout import Study

study = CommandApp(cls=CommandGroup, help="Run many variants of an experiment and compare them.")
app.add_typer(study, name="study")

BatchName = Annotated[
    str | None,
    typer.Argument(metavar="BATCH", help="Id of the batch. Default: the newest.", show_default=False),
]
RUNS = Path("runs")
IDENTIFYING = (
    *("mode", "engine", "model", "base_url", "judge_model", "judge_base_url", "temperature", "model_options"),
    *ROLE_MODELS,
    *("response_format", "provider_seed", "rpm", "notebooks"),
)
"""Settings that identify a batch's runs: they are in its manifest. The rest may change from session to session."""
SESSION = ("concurrency", "tpm", *CALL_SETTINGS)
"""Further settings of a batch's commands."""


def with_study(*, new: bool = False) -> Callable[[Command], Command]:
    """Give a command the name of a study and the folder of studies, and the `Study` as its argument ``place``.

    The study must exist, unless the command begins a ``new`` one.
    """
    name = typer.Argument(metavar="STUDY", help="Name of the study, lower-case with hyphens.")
    folder = typer.Option("--studies-dir", metavar="DIR", help=f"Folder of studies.  [default: {RUNS}]")
    options = [
        parameter("study", str, name, inspect.Parameter.empty),
        parameter("studies_dir", Path | None, folder),
        parameter("root", Path | None, typer.Option("--root", hidden=True)),
    ]

    def place(given: dict[str, Any], _: dict[str, Any]) -> Study:
        from harness.batches.study_layout import Study

        found = Study(given["studies_dir"] or given["root"] or RUNS, given["study"])
        return found if new else found.existing()

    return lambda command: expanded(command, "place", options, place)


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
            f"Batch {found.id!r} is not in {place.name}; {expected_one_of(found.id, known)}"
        )
    return load(found.manifest, place.name)
