"""``harness study``: a study begun, its batches declared and run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.app import ModelOptions, Timeout
from harness.cli.study_app import (
    RUNS,
    BatchName,
    Concurrency,
    Exp,
    GateProfile,
    MaxCalls,
    MaxCost,
    MaxTokens,
    Name,
    Prices,
    Reruns,
    Root,
    SchemaMap,
    Tpm,
    manifest_of,
    study,
    study_named,
)
from harness.console import echo
from harness.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from harness.batches.manifest import Manifest
    from harness.batches.study_layout import Study


@study.command()
def init(
    name: Name,
    example: Annotated[
        bool, typer.Option("--example", help="With an invented town, ready to build.")
    ] = False,
    root: Root = RUNS,
) -> None:
    """Begin a study: its folders and an empty registry. What is there already is left alone."""
    from harness.batches.batch_kind import registered
    from harness.batches.batch_plan import start_study
    from harness.batches.study_layout import Study

    place = Study(root, name)
    start_study(place)
    echo(place.folder)
    if example:
        written = [path for kind in registered() for path in kind.write_example(place)]
        if not written:
            raise ConfigurationError("No installed package has an example of a study.")
        for path in written:
            echo(f"Written: {path}")


_AXES = {"allow_extra_args": True, "ignore_unknown_options": True}


def _declare(place: Study, named: dict[str, Any], axes: Sequence[tuple[str, Sequence[str]]]) -> Manifest:
    from harness.batches.batch_kind import BatchRequest, kind_of
    from harness.batches.batch_plan import create
    from harness.cli.study_session import facts, find_experiment, identifying
    from harness.runtime.settings import parse_model_options

    path, notebooks = _declaring(place, named["exp"], named["path"]), named["notebooks"]
    experiment = find_experiment(named["exp"], path, str(notebooks) if notebooks else None)
    profile, schema_map = kind_of(path).rules(place)
    metrics = experiment.metric_names
    options = identifying(
        **{key: named[key] for key in ("mode", "count", "engine", "model", "judge_model", "temperature")},
        **{
            key: named[key]
            for key in ("provider_seed", "rpm", "notebooks", "judge_base_url", "response_format")
        },
        base_url=named["model_base_url"],
        model_options=parse_model_options(named["model_option"] or (), named["temperature"]) or None,
    )
    wanted = BatchRequest(
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


def _declaring(place: Study, exp: str | None, path: Path | None) -> Path | None:
    """The file that declares the experiment: without any option, the one that the study keeps."""
    from harness.batches.batch_kind import registered

    if exp is not None or path is not None:
        return path
    kept = {file: kind for kind in registered() if (file := kind.experiment_file(place)) is not None}
    for file in kept:
        if file.is_file():
            return file
    hints = "".join(f", or {kind.build_hint} {place.name}" for kind in kept.values())
    absent = "".join(f", and {file} is not there" for file in kept)
    raise ConfigurationError(f"No --exp{absent}; expected the name of an experiment{hints}")


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
    model_option: ModelOptions = None,
    response_format: Annotated[
        str | None,
        typer.Option(help="How JSON is asked for: auto, schema, object or prompt.", show_default="auto"),
    ] = None,
    provider_seed: Annotated[
        int | None, typer.Option(help="Send seeds, derived from this per sample.")
    ] = None,
    rpm: Annotated[int | None, typer.Option(help="Model calls in any minute.")] = None,
    notebooks: Annotated[Path | None, typer.Option(help="Folder of notebooks that words come from.")] = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Write the manifest; run nothing.")] = False,
    concurrency: Concurrency = "16",
    tpm: Tpm = None,
    timeout: Timeout = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    prices: Prices = None,
    reruns: Reruns = None,
    root: Root = RUNS,
) -> None:
    """Vary one axis, each value under each seed: --axis threshold 2 3 4. With --confidence alone, vary the seed."""
    named = {key: value for key, value in locals().items() if key != "ctx"}
    from harness.cli.study_session import refuse_limits

    place = study_named(root, name)
    refuse_limits(named)
    axes = list(_axes(ctx.args))
    if "seed" in dict(axes) and (confidence > 1 or seed):
        raise ConfigurationError(
            "--axis seed names the seeds; expected neither --confidence nor --seed beside it."
        )
    made = _declare(place, named, axes or [("seed", [str(seed + step) for step in range(confidence)])])
    echo(
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
        "model_option",
        "response_format",
        "provider_seed",
        "rpm",
    )
    named |= dict.fromkeys((*unsaid, "notebooks")) | {"confidence": 1, "factorial": False}
    place = study_named(root, name)
    made = _declare(place, named, [("seed", [str(seed)])])
    echo(place.batch(made.batch_id).manifest)


@study.command()
def run(
    name: Name,
    batch: BatchName = None,
    concurrency: Concurrency = "16",
    tpm: Tpm = None,
    timeout: Timeout = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    prices: Prices = None,
    reruns: Reruns = None,
    accept_lost_journal: Annotated[
        bool, typer.Option("--accept-lost-journal", help="Send lost calls of unfinished trials again.")
    ] = False,
    root: Root = RUNS,
) -> None:
    """Run what is not finished of a batch. Said again, it goes on where it was; finished, it changes nothing."""
    from harness.cli.study_session import refuse_limits

    named = {key: value for key, value in locals().items() if key not in ("name", "batch")}
    refuse_limits(named)
    place = study_named(root, name)
    raise typer.Exit(_run(place, manifest_of(place, batch), named))


def _run(place: Study, made: Manifest, named: dict[str, Any]) -> int:
    from harness.batches.batch_run import UnkeptError, run_batch
    from harness.batches.gate_status import metas
    from harness.cli.study_session import Sessions, experiment_of, facts

    further = {key: named[key] for key in ("concurrency", "tpm", "timeout", "prices")}
    further |= {"--reruns": named["reruns"], "accept_lost_journal": named.get("accept_lost_journal")}
    limits = {key: named[key] for key in ("max_cost", "max_calls", "max_tokens")}
    batch = place.batch(made.batch_id)
    try:
        ran = run_batch(
            place,
            made,
            experiment_of(made, batch),
            facts=facts,
            launch=Sessions(batch.heartbeat, limits, further),
        )
    except UnkeptError as error:
        echo(f"ERROR: {error}\nIt ran, and is kept: harness study run {place.name} {made.batch_id}", err=True)
        return int(ExitCode.FAILED)
    for row in ran.rows:
        echo(f"{row.variant_id}  {row.status}  {row.notes.partition(': ')[2] or row.notes}")
    if ran.before:
        echo(
            f"{ran.before} of {len(made.variants)} variants were finished already; they were left as they are."
        )
    if ran.stuck:
        echo(f"\n{ran.stuck}\n")
    if any(meta.get("rehearsal") for one in made.variants for meta in metas(batch.variant(one.id))):
        echo("REHEARSAL: replies were generated offline. Nothing here is evidence.")
    echo(f"{made.batch_id}: exit code {ran.code} ({ExitCode(ran.code).name})")
    if ran.code == ExitCode.OK:
        echo(f"Next: harness study compare {place.name} {made.batch_id}, then finish and promote")
    return ran.code


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
