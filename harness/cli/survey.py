"""``harness survey``: start, show, import and convert questionnaires."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.command_group import CommandApp
from harness.console import echo, on_one_line
from harness.errors import ConfigurationError

if TYPE_CHECKING:
    from harness.model import Survey
    from harness.questionnaires import ImportedQuestionnaire

surveys = CommandApp(help="Start, show, import and convert questionnaires.")
app.add_typer(surveys, name="survey")

WIDTH = 80

Source = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="A questionnaire (.yaml, .json, .csv), or a test file with a survey."
    ),
]
Exp = Annotated[
    str | None, typer.Option(metavar="NAME", help="The experiment, if the test file has several.")
]


@surveys.command("init")
def init(
    file: Annotated[
        Path,
        typer.Argument(metavar="[FILE]", help="The questionnaire to write; the test file goes beside it."),
    ] = Path("questionnaire.yaml"),
) -> None:
    """Write a questionnaire with comments, and a test file that runs it: pytest -m experiment."""
    from harness.questionnaires.template import write_template

    questionnaire, test = write_template(file)
    echo(f"{questionnaire}: a questionnaire, with comments\n{test}: an experiment that asks it")
    echo(f"Run it with: pytest -m experiment {test}")


@surveys.command("show")
def show(file: Source, exp: Exp = None) -> None:
    """Print the items of a questionnaire, with options and conditions, and what a persona reads."""
    from harness.questionnaires.preview import preview

    echo("\n".join(preview(_survey(file, exp), WIDTH)))


@surveys.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file of Qualtrics (.qsf), XLSForm or EDSL.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What to write. Default: FILE.yaml in this folder.")
    ] = None,
) -> None:
    """Import a questionnaire of another tool, and name each question that cannot be carried."""
    from harness.questionnaires import import_survey
    from harness.questionnaires.files import written

    target = out or Path(f"{file.stem}.yaml")
    imported = import_survey(file)
    text = written(imported.data, target)
    _write_new(target, text)
    echo("\n".join(_outcome(imported, target)))


@surveys.command("export")
def export(
    file: Source,
    out: Annotated[Path, typer.Option(metavar="FILE", help="What to write: .yaml, .json or .csv.")],
    exp: Exp = None,
) -> None:
    """Write a questionnaire, or the survey of an experiment, as YAML, JSON or CSV."""
    from harness.questionnaires.files import written
    from harness.questionnaires.survey_data import data_of

    _write_new(out, written(data_of(_survey(file, exp)), out))
    echo(f"{out}")


@surveys.command("schema")
def schema() -> None:
    """Print the JSON Schema of questionnaires, which editors use to check and complete them."""
    from harness.questionnaires import SCHEMA_FILE

    echo(SCHEMA_FILE.read_text("utf-8"), end="")


def _survey(file: Path, exp: str | None) -> Survey:
    """The survey in a questionnaire, or in a test file."""
    from harness.questionnaires import load_survey

    if file.suffix.lower() != ".py":
        if exp is not None:
            raise ConfigurationError(
                f"--exp {exp}: {file} is a questionnaire; expected a test file with --exp."
            )
        return load_survey(file)
    from harness.cli.listing import experiments_in
    from harness.model import Survey

    found = {name: one.play for name, one in experiments_in(file).items() if isinstance(one.play, Survey)}
    if exp is None and len(found) == 1:
        return next(iter(found.values()))
    if exp in found:
        return found[exp]
    if not found:
        raise ConfigurationError(f"{file}: no experiment there has a survey; expected one.")
    wanted = "several surveys" if exp is None else f"no survey of {exp!r}"
    raise ConfigurationError(f"{file}: has {wanted}; choose one with --exp: {', '.join(found)}.")


def _write_new(path: Path, text: str) -> None:
    from harness.questionnaires.files import write_new

    write_new(path, text)


def _outcome(imported: ImportedQuestionnaire, target: Path) -> list[str]:
    """What was imported, and all that differs from the source."""
    items = imported.data["items"]
    conditions = sum("when" in item for item in items)
    lines = [
        f"{target}: {len(items)} item{'s' * (len(items) != 1)}, {conditions} with a condition ({imported.format})"
    ]
    for title, notes in (("Left out", imported.left_out), ("Changed", imported.changed)):
        if notes:
            lines += [f"{title} ({len(notes)}):", *(f"  {on_one_line(str(note))}" for note in notes)]
    return [*lines, f"Show it with: harness survey show {target}"]
