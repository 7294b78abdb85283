"""``harness gates``: check the stages of a study: PASS, WARN or FAIL, with the reasons."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.console import echo, echo_json
from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.experiments.population.gates import GateResult, Report

COLUMNS = 80


def gates(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study or a variant.")],
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="A shipped profile or the file of one; see docs/gates.md.")
    ] = "generic-all-ages",
    schema_map: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Schema map: which attribute has which role. none: structure only."
        ),
    ] = "none",
    gate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Only this gate; may be repeated. Default: those of finished stages."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 for a WARN as well.")] = False,
) -> None:
    """Check a study's files stage by stage and write gates.json; exit code 1 if a gate FAILs."""
    from harness.experiments.population.gates import (
        load_profile,
        load_schema_map,
        merged,
        read_report,
        run_gates,
        write_report,
    )
    from harness.model import Level

    mapping = None if schema_map == "none" else load_schema_map(Path(schema_map))
    before = read_report(directory)
    report = run_gates(
        directory,
        load_profile(profile),
        mapping,
        schema_name=None if mapping is None else schema_map,
        gates=gate or (),
        before=before,
    )
    path = write_report(merged(report, before) if gate else report, directory)
    if as_json:
        echo_json(report.data())
    else:
        echo("\n".join(_lines(report)))
        echo(f"Written: {path}")
    bad = {Level.FAIL, Level.WARN} if strict else {Level.FAIL}
    raise typer.Exit(int(ExitCode.FAILED) if report.level in bad else 0)


def _lines(report: Report) -> Iterator[str]:
    mark = "" if report.calibrated else ", uncalibrated"
    yield f"Gates by {report.profile}{mark}: {report.level}"
    for one in report.results:
        yield from gate_lines(one)
    if report.escalation:
        yield ""
        yield report.escalation.text


def gate_lines(result: GateResult, indent: str = "") -> Iterator[str]:
    """What a gate said, in lines of at most 80 columns."""
    from harness.experiments.population.gates.escalation import check_line
    from harness.model import Level

    mark = "" if result.calibrated else " (uncalibrated)"
    sound = sum(one.level is Level.PASS for one in result.checks)
    yield f"{indent}{result.level:<4} {result.gate:<4}{result.stage}{mark}: {sound} of {len(result.checks)} checks pass"
    for check in result.checks:
        if check.level is not Level.PASS:
            yield from textwrap.wrap(
                f"{check.level} {check_line(check)}.",
                COLUMNS,
                initial_indent=f"{indent}     ",
                subsequent_indent=f"{indent}          ",
                break_on_hyphens=False,
            )
