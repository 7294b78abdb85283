"""``harness study``: batches of variants, their registry, comparison, and what is to be handed in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.app import app
from harness.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from harness.operations.layout import Study
    from harness.operations.manifest import Manifest

study = typer.Typer(
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
Reruns = Annotated[
    int | None, typer.Option(min=0, help="Tries of a case whose trials could not be finished.")
]


@study.command()
def init(
    name: Name,
    example: Annotated[
        bool, typer.Option("--example", help="With an invented town, ready to build.")
    ] = False,
    root: Root = RUNS,
) -> None:
    """Begin a study: its folders and an empty registry. What is there already is left alone."""
    from harness.operations.layout import Study

    place = Study(root, name)
    place.init()
    typer.echo(place.folder)
    if example:
        from harness.operations.pipeline import write_example

        for path in write_example(place):
            typer.echo(f"Written: {path}")


_AXES = {"allow_extra_args": True, "ignore_unknown_options": True}


def _declare(place: Study, named: dict[str, Any], axes: Sequence[tuple[str, Sequence[str]]]) -> Manifest:
    from harness.cli.study_session import facts, find_experiment, identifying
    from harness.operations.planning import Wanted, create
    from harness.studies.population.experiment import NAME

    path, notebooks = _path(place, named["exp"], named["path"]), named["notebooks"]
    experiment = find_experiment(named["exp"] or NAME, path, str(notebooks) if notebooks else None)
    profile, schema_map = _rules(place, path)
    metrics = experiment.metric_names
    options = identifying(
        **{key: named[key] for key in ("mode", "count", "engine", "model", "judge_model", "temperature")},
        **{key: named[key] for key in ("provider_seed", "rpm", "notebooks", "judge_base_url")},
        base_url=named["model_base_url"],
    )
    wanted = Wanted(
        experiment=experiment,
        axes=axes,
        seeds=[named["seed"] + step for step in range(named["confidence"])],
        intent=named["intent"] or "-".join(axis for axis, _ in axes),
        objective=named["objective"] or f"Vary {' and '.join(axis for axis, _ in axes)} of {experiment.name}",
        success_metric=named["metric"] or metrics[0],
        gate_profile=named["gate_profile"] or profile,
        schema_map=named["schema_map"] or schema_map,
        options=options,
        factorial=named["factorial"],
        scenario_rev=named["scenario_rev"],
        config_rev=named["config_rev"],
        path=str(path.resolve()) if path else None,
    )
    return create(place, wanted, facts, datetime.now(UTC))


def _path(place: Study, exp: str | None, path: Path | None) -> Path | None:
    """The file that declares the experiment: without any word, the study's own scenario."""
    own = place.folder / "scenario.yaml"
    if exp is None and path is None:
        if not own.is_file():
            raise ConfigurationError(
                f"No --exp, and {own} is not there; expected the name of an experiment, or a population and scenario "
                f"built with: harness study build {place.name}"
            )
        return own
    return path


def _rules(place: Study, path: Path | None) -> tuple[str, str]:
    """Gate profile and schema map where nobody names them: for a simulation those that it was built by."""
    from harness.operations.simulated import NO_MAP, is_scenario

    if not is_scenario(None if path is None else str(path)):
        return "instrument", NO_MAP
    if not (place.folder / "pipeline.yaml").exists():
        return "generic-all-ages", NO_MAP
    from harness.operations import pipeline

    built = pipeline.read(place)
    return (built.gate_profile, built.schema_map or NO_MAP) if built else ("generic-all-ages", NO_MAP)


@study.command(context_settings=_AXES)
def sweep(
    ctx: typer.Context,
    name: Name,
    exp: Exp = None,
    confidence: Annotated[int, typer.Option(min=1, max=1000, help="Seeds for each variant.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    factorial: Annotated[
        bool, typer.Option("--full-factorial", help="All combinations of several axes.")
    ] = False,
    path: Annotated[Path | None, typer.Option(help="Test file that declares the experiment.")] = None,
    intent: Annotated[
        str | None, typer.Option(help="A word or two for the batch's id. Default: the axes.")
    ] = None,
    objective: Annotated[str | None, typer.Option(help="What the batch is to find out.")] = None,
    metric: Annotated[str | None, typer.Option(help="The metric of success. Default: the first.")] = None,
    gate_profile: GateProfile = None,
    schema_map: SchemaMap = None,
    scenario_rev: Annotated[str | None, typer.Option(help="scn-vNN. Default: the newest.")] = None,
    config_rev: Annotated[str | None, typer.Option(help="cfg-vNN. Default: the newest.")] = None,
    mode: Annotated[str | None, typer.Option(help="Size of the experiment.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Repetitions, instead of the mode's.")] = None,
    engine: Annotated[str | None, typer.Option(help="embedded or tinytroupe.")] = None,
    model: Annotated[str | None, typer.Option(help="rehearsal, or PROVIDER:MODEL.")] = None,
    model_base_url: Annotated[str | None, typer.Option(help="Endpoint of the model.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="Who scores and extracts, if another.")] = None,
    judge_base_url: Annotated[str | None, typer.Option(help="Endpoint of the judge's model.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = None,
    provider_seed: Annotated[
        int | None, typer.Option(help="Send seeds, derived from this per sample.")
    ] = None,
    rpm: Annotated[int | None, typer.Option(help="Model calls in any minute.")] = None,
    notebooks: Annotated[Path | None, typer.Option(help="Folder of notebooks that words come from.")] = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Write the manifest; run nothing.")] = False,
    concurrency: Concurrency = "16",
    tpm: Tpm = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    prices: Prices = None,
    reruns: Reruns = None,
    root: Root = RUNS,
) -> None:
    """Vary one axis, each value under each seed: --axis threshold 2 3 4. With --confidence alone, vary the seed."""
    named = {key: value for key, value in locals().items() if key != "ctx"}
    place = _study(root, name)
    axes = list(_axes(ctx.args))
    made = _declare(place, named, axes or [("seed", [str(seed + step) for step in range(confidence)])])
    typer.echo(
        f"{place.batch(made.batch_id).manifest}: {len(made.variants)} variants, {made.scenario_rev}, {made.config_rev}"
    )
    if not plan_only:
        raise typer.Exit(_run(place, made, named))


@study.command()
def new(
    name: Name,
    exp: Exp = None,
    intent: Annotated[str, typer.Option(help="A word or two for the batch's id.")] = "baseline",
    objective: Annotated[str | None, typer.Option(help="What the batch is to find out.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed.")] = 0,
    path: Annotated[Path | None, typer.Option(help="Test file that declares the experiment.")] = None,
    metric: Annotated[str | None, typer.Option(help="The metric of success. Default: the first.")] = None,
    gate_profile: GateProfile = None,
    schema_map: SchemaMap = None,
    scenario_rev: Annotated[str | None, typer.Option(help="scn-vNN. Default: the newest.")] = None,
    config_rev: Annotated[str | None, typer.Option(help="cfg-vNN. Default: the newest.")] = None,
    mode: Annotated[str | None, typer.Option(help="Size of the experiment.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Repetitions, instead of the mode's.")] = None,
    model: Annotated[str | None, typer.Option(help="rehearsal, or PROVIDER:MODEL.")] = None,
    root: Root = RUNS,
) -> None:
    """Declare a batch of one variant, the experiment as it is; run nothing yet."""
    named: dict[str, Any] = dict(locals())
    unsaid = (
        "engine",
        "model_base_url",
        "judge_model",
        "judge_base_url",
        "temperature",
        "provider_seed",
        "rpm",
    )
    named |= dict.fromkeys((*unsaid, "notebooks")) | {"confidence": 1, "factorial": False}
    place = _study(root, name)
    made = _declare(place, named, [("seed", [str(seed)])])
    typer.echo(place.batch(made.batch_id).manifest)


@study.command()
def run(
    name: Name,
    batch: BatchName = None,
    concurrency: Concurrency = "16",
    tpm: Tpm = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    prices: Prices = None,
    reruns: Reruns = None,
    root: Root = RUNS,
) -> None:
    """Run what is not finished of a batch. Said again, it goes on where it was; finished, it changes nothing."""
    named = {key: value for key, value in locals().items() if key not in ("name", "batch")}
    place = _study(root, name)
    raise typer.Exit(_run(place, _manifest(place, batch), named))


def _run(place: Study, made: Manifest, named: dict[str, Any]) -> int:
    from harness.cli.study_session import Sessions, experiment_of, facts
    from harness.operations.gate_status import metas
    from harness.operations.running import run_batch

    further = [f"--concurrency={named['concurrency']}"]
    further += [f"--{key}={named[key]}" for key in ("tpm", "prices", "reruns") if named[key] is not None]
    limits = {key: named[key] for key in ("max_cost", "max_calls", "max_tokens")}
    batch = place.batch(made.batch_id)
    ran = run_batch(
        place,
        made,
        experiment_of(made, batch),
        facts=facts,
        launch=Sessions(batch.heartbeat, limits, further),
    )
    for row in ran.rows:
        typer.echo(f"{row.variant_id}  {row.status}  {row.notes}")
    if ran.before:
        typer.echo(
            f"{ran.before} of {len(made.variants)} variants were finished already; they were left as they are."
        )
    if ran.stuck:
        typer.echo(f"\n{ran.stuck.text}\n")
    if any(meta.get("rehearsal") for one in made.variants for meta in metas(batch.variant(one.id))):
        typer.echo("REHEARSAL: the replies were made up offline. Nothing of this is evidence.")
    typer.echo(f"{made.batch_id}: exit code {ran.code} ({ExitCode(ran.code).name})")
    if ran.code == ExitCode.OK:
        typer.echo(f"Next: harness study compare {place.name} {made.batch_id}, then finish and promote")
    return ran.code


def _study(root: Path, name: str) -> Study:
    from harness.operations.layout import Study

    return Study(root, name).existing()


def _manifest(place: Study, batch: str | None) -> Manifest:
    """The manifest of a batch, the newest without a name. Raises `ConfigurationError`."""
    from harness.operations.manifest import load

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
    return load(found.manifest)


def _axes(words: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """``--axis NAME VALUE…``, any number of times. Raises `ConfigurationError` for whatever else stands there."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, equals, axis = word.partition("=")
        if option != "--axis":
            raise ConfigurationError(
                f"harness study sweep: {word!r} is no option; expected --axis NAME VALUE… beside the others."
            )
        if not equals:
            axis = rest.pop(0) if rest else ""
        values = []
        while rest and not rest[0].startswith("--"):
            values.append(rest.pop(0))
        yield axis, values


@study.command()
def status(name: Name, batch: BatchName = None, root: Root = RUNS) -> None:
    """Show the stages and batches of a study, or one batch with its variants, gates and heartbeat."""
    from harness.cli.study_build import pipeline_lines
    from harness.operations import gate_status
    from harness.operations.audit import latest
    from harness.operations.registry import Registry

    place = _study(root, name)
    content, promoted = Registry(place.rows).read(), latest(place)
    for line in () if batch else pipeline_lines(place):
        typer.echo(line)
    for batch_id in [_manifest(place, batch).batch_id] if batch else place.batch_ids():
        made = _manifest(place, batch_id)
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

    found = audited(_study(root, name))
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

    place = _study(root, name)
    asked: Sequence[str | None] = batches or [None]
    manifests = [_manifest(place, one) for one in asked]
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

    place = _study(root, name)
    made = _manifest(place, batch)
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

    place = _study(root, name)
    made = _manifest(place, batch)
    promoted(place, made)
    typer.echo(f"{place.latest}: {made.batch_id}")
