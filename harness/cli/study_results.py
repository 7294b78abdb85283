"""``harness study``: show, compare, finish and promote batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.study_app import BatchName, manifest_of, study, with_study
from harness.console import echo
from harness.errors import ConfigurationError, ExitCode, HarnessError

if TYPE_CHECKING:
    from harness.batches.manifest import Manifest
    from harness.batches.study_layout import Study, VariantFolder
    from harness.records.run_comparison import ComparedLevel
    from harness.reports.parts import Part


@study.command()
@with_study()
def status(place: Study, batch: BatchName = None) -> None:
    """Show a study's stages and batches, or one batch with its variants, gates and heartbeat."""
    from harness.batches.audit import latest
    from harness.batches.batch_kind import registered

    if batch:
        echo("\n".join(_of_batch(place, manifest_of(place, batch))))
        return
    for line in (one for kind in registered() for one in kind.status(place)):
        echo(line)
    unread, promoted = False, latest(place)
    for batch_id in place.batch_ids():
        try:
            made = manifest_of(place, batch_id)
        except HarnessError as error:
            unread = True
            echo(f"{batch_id}  its manifest cannot be read: {str(error).splitlines()[0]}")
        else:
            echo(_headed(place, made, promoted))
    raise typer.Exit(int(ExitCode.FAILED if unread else ExitCode.OK))


def _headed(place: Study, made: Manifest, promoted: str | None) -> str:
    """A batch in a line."""
    from harness.batches.registry import Registry

    rows = Registry(place.rows).read().latest(made.batch_id)
    done = sum(one.id in rows and rows[one.id].status == "success" for one in made.variants)
    mark = ", baseline" if promoted == made.batch_id else ""
    said = f"{made.scenario_rev} {made.config_rev}  {done} of {len(made.variants)} done{mark}"
    return f"{made.batch_id}  {said}"


def _of_batch(place: Study, made: Manifest) -> Iterator[str]:
    """A batch with its variants, and its sign of life."""
    from harness.batches.audit import latest
    from harness.batches.registry import Registry

    rows, batch = Registry(place.rows).read().latest(made.batch_id), place.batch(made.batch_id)
    yield _headed(place, made, latest(place))
    for one in made.variants:
        row = rows.get(one.id)
        yield f"  {one.id}  {row.status if row else 'not run'}  gates {_gates(batch.variant(one.id))}"
    if batch.heartbeat.is_file():
        yield f"{batch.heartbeat}:\n{batch.heartbeat.read_text('utf-8', 'replace')}".rstrip("\n")


def _gates(variant: VariantFolder) -> str:
    from harness.batches import gate_status

    try:
        return gate_status.status(variant).text
    except HarnessError as error:
        return f"cannot be read: {error}"


@study.command()
@with_study()
def audit(place: Study) -> None:
    """Compare registry, manifests and files, and list differences; exit code 1 if there are any."""
    from harness.batches.audit import audit as audited

    found = audited(place)
    echo("\n".join(found) if found else "Registry, manifests and disk agree.")
    raise typer.Exit(int(ExitCode.FAILED if found else ExitCode.OK))


@study.command()
@with_study()
def compare(
    place: Study,
    batches: Annotated[
        list[str] | None,
        typer.Argument(metavar="BATCH", help="Ids of batches. Default: the newest.", show_default=False),
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this variant; may be repeated.")
    ] = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Test every value with every other one, not with the first alone.")
    ] = False,
) -> None:
    """Print means per variant, their spread across seeds, and tests between variants that differ in their axis only."""
    from harness.batches import variant_outcomes
    from harness.batches.batch_report import SHARES, means_table, share_table, spread_table
    from harness.cli.results import note_looks
    from harness.reports.parts import REHEARSAL, as_text

    asked: Sequence[str | None] = batches or [None]
    manifests = [manifest_of(place, one) for one in asked]
    variant_outcomes.refuse_incomparable(manifests)
    found = [
        one
        for made, only in _chosen(manifests, variant or ())
        for one in variant_outcomes.outcomes(place, made, only)
    ]
    variant_outcomes.refuse_uneven(found)
    note_looks((place.batch(one.batch_id).variant(one.planned.id).results for one in found), "study compare")
    stable = variant_outcomes.stability(found)
    if any(one.dataset.rehearsal for one in found):
        echo(f"{REHEARSAL}\n")
    echo(as_text([means_table(stable), spread_table(stable), SHARES, share_table(stable)]), end="")
    levels = variant_outcomes.levels_of(found)
    if len(levels) > 1:
        echo("\n" + as_text(_tests(levels, pairs=pairs)), end="")


def _tests(levels: Sequence[ComparedLevel], *, pairs: bool) -> Iterable[Part]:
    """The variants' differences, tested as arms are; or why they are not."""
    from harness.records.run_comparison import joined_dataset
    from harness.reports.run_comparison import comparison_parts
    from harness.stats import analyse

    try:
        data = joined_dataset(levels, pairs=pairs)
    except ConfigurationError as why:
        return [f"No test: {' '.join(str(why).split())}"]
    return comparison_parts(analyse(data, with_secondary=False), data)


def _chosen(
    manifests: Sequence[Manifest], variants: Sequence[str]
) -> Iterator[tuple[Manifest, Sequence[str]]]:
    """Of each batch the variants that were named; a name that no batch has is refused by the first."""
    there = {one.id for made in manifests for one in made.variants}
    for made in manifests:
        only = [name for name in variants if name in {one.id for one in made.variants} or name not in there]
        if only or not variants:
            yield made, only


@study.command()
@with_study()
def finish(
    place: Study,
    batch: BatchName = None,
    single_seed_caveat: Annotated[
        str, typer.Option(help="What a single seed means for the conclusion.")
    ] = "",
    segment_caveat: Annotated[str, typer.Option(help="Why there are not two analyses by segment.")] = "",
    minimum_n: Annotated[int, typer.Option(min=1, metavar="N", help="Hide segments with fewer values.")] = 5,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="Replace the report, and lose what people wrote in it.")
    ] = False,
) -> None:
    """Check a batch's deliverables, and write its report if there is none."""
    from harness.batches.deliverables import finish as finished
    from harness.cli.results import note_looks

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
        echo(f"{variant_id}  gates {gates}")
    echo(f"{done.report}: {'written' if done.written else 'unchanged'}, {done.blanks} blanks for people")
    for caveat in done.unsaid:
        echo(f"The report that was kept does not say {caveat!r:.60}: write it there, or use --rewrite.")


@study.command()
@with_study()
def promote(place: Study, batch: BatchName = None) -> None:
    """Make a batch the study's baseline: all variants succeeded, no gate FAILs, a report is there."""
    from harness.batches.deliverables import promote as promoted

    made = manifest_of(place, batch)
    promoted(place, made)
    echo(f"{place.latest}: {made.batch_id}")
