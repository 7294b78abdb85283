"""``harness study``: what there is of a study, compared, handed in and promoted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from harness.cli.study_app import RUNS, BatchName, Name, Root, manifest_of, study, study_named
from harness.errors import ExitCode


@study.command()
def status(name: Name, batch: BatchName = None, root: Root = RUNS) -> None:
    """Show the stages and batches of a study, or one batch with its variants, gates and heartbeat."""
    from harness.cli.study_build import pipeline_lines
    from harness.operations import gate_status
    from harness.operations.audit import latest
    from harness.operations.registry import Registry

    place = study_named(root, name)
    content, promoted = Registry(place.rows).read(), latest(place)
    for line in () if batch else pipeline_lines(place):
        typer.echo(line)
    for batch_id in [manifest_of(place, batch).batch_id] if batch else place.batch_ids():
        made = manifest_of(place, batch_id)
        rows = content.latest(batch_id)
        done = sum(row.status == "success" for row in rows.values())
        mark = ", baseline" if promoted == batch_id else ""
        typer.echo(
            f"{batch_id}  {made.scenario_rev} {made.config_rev}  {done} of {len(made.variants)} done{mark}"
        )
        for one in made.variants if batch else ():
            row, gates = rows.get(one.id), gate_status.status(place.batch(batch_id).variant(one.id))
            typer.echo(f"  {one.id}  {row.status if row else 'not run'}  gates {gates.text}")
        heartbeat = place.batch(batch_id).heartbeat
        if batch and heartbeat.exists():
            typer.echo(f"{heartbeat}:\n{heartbeat.read_text('utf-8')}", nl=False)


@study.command()
def audit(name: Name, root: Root = RUNS) -> None:
    """Compare registry, manifests and disk, and name each disagreement; exit code 1 where there is one."""
    from harness.operations.audit import audit as audited

    found = audited(study_named(root, name))
    typer.echo("\n".join(found) if found else "Registry, manifests and disk agree.")
    raise typer.Exit(int(ExitCode.FAILED if found else ExitCode.OK))


@study.command()
def compare(
    name: Name,
    batches: Annotated[
        list[str] | None,
        typer.Argument(metavar="BATCH…", help="Batches. Default: the newest.", show_default=False),
    ] = None,
    variant: Annotated[list[str] | None, typer.Option(help="Only this variant; may be repeated.")] = None,
    root: Root = RUNS,
) -> None:
    """Print means per variant and the spread across seeds, of variants that differ in their axis alone."""
    from harness.cli.looking import note_looks
    from harness.operations import outcomes
    from harness.operations.batch_report import REHEARSAL, SHARES, means_table, share_table, spread_table
    from harness.reports.parts import as_text

    place = study_named(root, name)
    asked: Sequence[str | None] = batches or [None]
    manifests = [manifest_of(place, one) for one in asked]
    outcomes.refuse_incomparable(manifests)
    found = [one for made in manifests for one in outcomes.outcomes(place, made, variant or ())]
    outcomes.refuse_uneven(found)
    note_looks((place.batch(one.batch_id).variant(one.planned.id).results for one in found), "study compare")
    stable = outcomes.stability(found)
    if any(one.dataset.rehearsal for one in found):
        typer.echo(f"{REHEARSAL}\n")
    typer.echo(as_text([means_table(stable), spread_table(stable), SHARES, share_table(stable)]), nl=False)


@study.command()
def finish(
    name: Name,
    batch: BatchName = None,
    single_seed_caveat: Annotated[str, typer.Option(help="What one seed means for the conclusion.")] = "",
    segment_caveat: Annotated[str, typer.Option(help="Why there are no two analyses by segment.")] = "",
    minimum_n: Annotated[int, typer.Option(min=1, help="Values that a segment needs to be shown.")] = 5,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="Write the report anew, people's words lost.")
    ] = False,
    root: Root = RUNS,
) -> None:
    """Check what a batch hands in, and write its report where there is none."""
    from harness.cli.looking import note_looks
    from harness.operations.finishing import finish as finished

    place = study_named(root, name)
    made = manifest_of(place, batch)
    done = finished(
        place,
        made,
        single_seed_caveat=single_seed_caveat,
        segment_caveat=segment_caveat,
        minimum=minimum_n,
        rewrite=rewrite,
    )
    if done.written:
        note_looks(
            (place.batch(made.batch_id).variant(one.id).results for one in made.variants), "study finish"
        )
    for variant_id, gates in done.gates.items():
        typer.echo(f"{variant_id}  gates {gates}")
    typer.echo(
        f"{done.report}: {'written' if done.written else 'kept as it was'}, {done.blanks} blanks for people"
    )


@study.command()
def promote(name: Name, batch: BatchName = None, root: Root = RUNS) -> None:
    """Make a batch the study's baseline: all variants a success, no FAIL gate, a report."""
    from harness.operations.finishing import promote as promoted

    place = study_named(root, name)
    made = manifest_of(place, batch)
    promoted(place, made)
    typer.echo(f"{place.latest}: {made.batch_id}")
