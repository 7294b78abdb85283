"""``harness humans``: people's own answers beside a survey's results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.command_group import CommandApp
from harness.cli.common_options import (
    AsJson,
    Format,
    NewestRuns,
    TestFile,
    TextFormat,
    settings_here,
    with_results,
)
from harness.cli.progress import StageProgress
from harness.cli.results import formatted, note_looks
from harness.console import echo, echo_json, on_one_line
from harness.errors import ConfigurationError

if TYPE_CHECKING:
    from harness.humans.dataset import Humans
    from harness.model import Experiment
    from harness.model.survey.item import Item

humans = CommandApp(help="Compare a survey's results with people's own answers.")
app.add_typer(humans, name="humans")

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Microdata: .csv, .parquet, .sav or .dta, a row per respondent."),
]
OneExperiment = Annotated[
    str | None, typer.Option("--exp", metavar="NAME", help="The experiment, if there are several.")
]


@humans.command("map")
@with_results(files=False)
def propose(
    file: File,
    results: Path | None,
    out: Annotated[Path | None, typer.Option(help="YAML file to write. Default: print it.")] = None,
    path: TestFile = None,
    exp: OneExperiment = None,
) -> None:
    """Propose which columns answer which items, as a YAML file to edit."""
    from harness.humans import proposed, read_microdata
    from harness.records.atomic import write_whole

    items, _ = _survey(results, path, exp)
    text = proposed(read_microdata(file), items.values())
    if out is None:
        echo(text, end="")
        return
    if out.exists():
        raise ConfigurationError(f"{out}: exists already; expected a new file. Remove it, or name another.")
    write_whole(out, text.encode())
    echo(out)


@humans.command("add")
@with_results(files=False)
def add(
    file: File,
    results: Path | None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="ITEM=COLUMN", help="Column of an item, or of ITEM[OPTION]; may be repeated."
        ),
    ] = None,
    binding: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Binding file (see harness humans map), instead of --map."),
    ] = None,
    weight: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of weights.")] = None,
    arm: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of arms, where people were an experiment too."),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=COLUMN]", help="Attribute that defines subgroups; may be repeated."),
    ] = None,
    source: Annotated[str, typer.Option(metavar="TEXT", help="Where the data come from.")] = "",
    licence: Annotated[str, typer.Option(metavar="TEXT", help="What may be done with them.")] = "",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the data. Default: the file's.")
    ] = None,
    path: TestFile = None,
    exp: OneExperiment = None,
) -> None:
    """Keep people's answers beside the results: mapped columns only, with hash, source and licence."""
    from harness.humans import Binding, load_humans

    if bool(columns) == bool(binding):
        raise ConfigurationError("Expected either --map ITEM=COLUMN, once or more, or --binding FILE.")
    own = {
        "--weight": weight,
        "--arm": arm,
        "--attribute": attribute,
        "--source": source,
        "--licence": licence,
    }
    if binding is not None and any(own.values()):
        given = next(option for option, value in own.items() if value)
        raise ConfigurationError(f"{given} was given with --binding; expected it in the binding file.")
    items, groups = _survey(results, path, exp)
    if binding is not None:
        bound = Binding.read(binding)
    else:
        bound = Binding.of(
            _pairs(columns or (), "--map"),
            weight=weight,
            arm=arm,
            attributes=_pairs(attribute or (), "--attribute", alone=True),
            source=source,
            licence=licence,
        )
    found = load_humans(file, items.values(), bound, name=name, groups=groups)
    saved = found.save(results or settings_here().results_dir)
    _show(found)
    echo(saved)


@humans.command("compare")
@with_results(files=False)
def compare(
    results: Path,
    exp: Annotated[
        str | None, typer.Argument(metavar="EXPERIMENT", help="Only this experiment.", show_default=False)
    ] = None,
    run: NewestRuns = None,
    name: Annotated[
        str | None, typer.Option("--humans", metavar="NAME", help="The human data, if there are several.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws of people against people.")] = 0,
    as_json: AsJson = False,
    format: Format = TextFormat.TEXT,
) -> None:
    """Compare runs with people, beside the noise of people against people and the distance of a guess."""
    from harness.humans.comparison import compared, survey_runs
    from harness.humans.dataset import humans_named
    from harness.reports.human_comparison import comparison_json, comparison_parts

    data = humans_named(results, name)
    runs = survey_runs([results], [exp] if exp else (), run or ())
    with StageProgress() as progress:
        found = [compared(one, data, seed=seed, progress=progress) for one in runs]
    note_looks([results], "humans compare", {one.run_id for one in runs})
    if as_json:
        echo_json([comparison_json(one) for one in found], sort_keys=True)
        return
    echo("\n".join(formatted(comparison_parts(one), format) for one in found), end="")


def _survey(results: Path | None, path: Path | None, exp: str | None) -> tuple[dict[str, Item], list[str]]:
    """The items of a survey and its groups: of a test file, or of the newest run in the results folder."""
    from harness.humans.comparison import survey_items, survey_runs

    if path is not None:
        experiment = _experiment(path, exp)
        items = {item.name: item for item in experiment.survey.items} if experiment.survey else {}
        if not items:
            raise ConfigurationError(
                f"{experiment.name}: is not a survey; expected an experiment with survey=."
            )
        return items, [group.name for group in experiment.groups]
    folder = results or settings_here().results_dir
    if not any(folder.glob("*.jsonl")):
        raise ConfigurationError(
            f"{folder}: holds no run of a survey, so its items are not known. Name the test file with --path FILE."
        )
    runs = survey_runs([folder], [exp] if exp else ())
    if len(runs) > 1:
        names = ", ".join(run.experiment for run in runs)
        raise ConfigurationError(
            f"{folder}: holds several surveys ({names}); expected one. Name it with --exp NAME."
        )
    return survey_items(runs[0]), list(runs[0].design.groups)


def _experiment(path: Path, exp: str | None) -> Experiment:
    from harness.cli.listing import experiment_named

    return experiment_named(exp, path, settings_here(path=path).with_sources().sources)


def _pairs(texts: list[str] | tuple[str, ...], option: str, *, alone: bool = False) -> dict[str, str]:
    """``NAME=COLUMN`` of each text; ``alone`` allows a column's name alone."""
    found: dict[str, str] = {}
    for text in texts:
        left, equals, right = text.rpartition("=")
        name, column = (left, right) if equals else (text, text)
        if not (name and column) or not (equals or alone):
            raise ConfigurationError(f"{option} {text!r}: expected ITEM=COLUMN, such as trust=V201.")
        if name in found:
            raise ConfigurationError(f"{option} {text!r}: {name} is mapped twice; expected once.")
        found[name] = column
    return found


def _show(found: Humans) -> None:
    """What became of each code, so that a reversed scale is seen."""
    from harness.reports.parts import Heading, Part, Table, as_text

    parts: list[Part] = []
    for item, rows in found.tables.items():
        shown = rows
        if len(rows) > _MOST_CODES:  # numbers: the codes with a label and the missing ones tell enough
            shown = [one for one in rows if one[1] or one[2].startswith("missing")][:_MOST_CODES]
            shown = [*shown, (f"{len(rows):,} different values", "", "", sum(one[3] for one in rows))]
        parts.append(Heading(f"{item}", 2))
        parts.append(
            Table(
                ("column and code", "label", "answer", "people"),
                tuple(
                    (code, label, answer, f"{count:,}" if count else "")
                    for code, label, answer, count in shown
                ),
                3,
            )
        )
    echo(as_text(parts))
    weighted = ", weighted" if found.weights else ""
    echo(
        on_one_line(
            f"{found.name}: {found.respondents:,} people{weighted}. Source: {found.source or 'not stated'}."
        )
    )


_MOST_CODES = 12
