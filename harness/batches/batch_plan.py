"""A new batch: its variants, its revisions, and its manifest, checked before anything runs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.batches import ids, manifest, revisions
from harness.batches.axes import Options, grid
from harness.batches.batch_run import baseline
from harness.batches.manifest import Manifest, Planned
from harness.batches.resolved_settings import Facts, base_specs, resolve
from harness.batches.study_layout import Study, said
from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.population import batches
from harness.experiments.population.build import build
from harness.model import Experiment
from harness.records.writer import explained


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What a person said of a batch. ``axes`` are names with the texts of their values.

    ``scenario_rev`` and ``config_rev`` ``None`` keep the newest. ``path`` is the file that declares the
    experiment, a test file or a scenario's; none for a registered one.
    """

    experiment: Experiment
    axes: Sequence[tuple[str, Sequence[str]]]
    seeds: Sequence[int]
    intent: str
    objective: str
    success_metric: str
    gate_profile: str
    schema_map: str
    options: Options
    factorial: bool = False
    scenario_rev: str | None = None
    config_rev: str | None = None
    path: str | None = None


def create(study: Study, wanted: BatchRequest, facts: Facts, moment: datetime) -> Manifest:
    """Write the manifest of a new batch, and nothing else. Raises `ConfigurationError` with what is wrong with it."""
    experiment = wanted.experiment
    raise_if_any(_unsaid(wanted))
    variants = grid(wanted.axes, wanted.seeds, experiment.axes, factorial=wanted.factorial)
    if batches.is_scenario(wanted.path):
        _refuse_unsound(study, wanted)
    _refuse_faulty(experiment, variants, wanted.options, facts)
    specs = base_specs(study)
    made = Manifest(
        study=study.name,
        batch_id=str(ids.make_batch(moment, wanted.intent, study.batch_ids())),
        experiment=experiment.name,
        scenario_rev="",
        config_rev="",
        created_at=moment.astimezone(UTC).isoformat(timespec="seconds"),
        objective=wanted.objective,
        success_metric=wanted.success_metric,
        gate_profile=wanted.gate_profile,
        schema_map=wanted.schema_map,
        axes=tuple(axis for axis, _ in wanted.axes),
        variants=variants,
        base_specs=specs,
        declared=tuple(ids.axis_of(name) for name in experiment.axes),
        path=wanted.path,
        session=dict(wanted.options),
    )
    base = resolve(experiment, baseline(made), wanted.options, facts)
    scenario, config = revisions.contents(base, experiment, wanted.options, specs)
    return _saved(study, made, wanted, scenario, config)


def _saved(
    study: Study, made: Manifest, wanted: BatchRequest, scenario: Options, config: Options
) -> Manifest:
    scenarios, configs = revisions.known_in(study)
    problems: list[str] = []
    chosen = []
    for kind, content, asked, known in (
        ("scn", scenario, wanted.scenario_rev, scenarios),
        ("cfg", config, wanted.config_rev, configs),
    ):
        try:
            chosen.append(revisions.choose(kind, content, asked, known))
        except ConfigurationError as error:
            problems += error.problems
    raise_if_any(problems)
    revised = replace(made, scenario_rev=chosen[0], config_rev=chosen[1], scenario=scenario, config=config)
    whole = replace(revised, batch_id=_claimed(study, ids.parse_batch(made.batch_id)))
    batch = study.batch(whole.batch_id)
    try:
        if batches.is_scenario(wanted.path):
            own = batches.hand_out(Path(str(wanted.path)), [batch.variant(one.id) for one in whole.variants])
            whole = replace(whole, path=own.relative_to(batch.folder).as_posix())
        manifest.save(whole, batch.manifest)
    except BaseException:  # what was not declared to the end is no batch
        shutil.rmtree(batch.folder, ignore_errors=True)
        raise
    return whole


def _claimed(study: Study, wanted: ids.BatchId) -> str:
    """The id of a batch whose folder nobody else made: another process may want the same in the same minute."""
    with said(), explained(study.folder / "batches", "create a batch in"):
        (study.folder / "batches").mkdir(exist_ok=True)
        while True:
            try:
                study.batch(str(wanted)).folder.mkdir()
            except FileExistsError:
                wanted = replace(wanted, version=wanted.version + 1)
            else:
                return str(wanted)


def _unsaid(wanted: BatchRequest) -> list[str]:
    if wanted.success_metric in wanted.experiment.metric_names:
        return []
    known = ", ".join(wanted.experiment.metric_names)
    return [
        f"--metric {wanted.success_metric!r}: {wanted.experiment.name} has no such metric; expected one of {known}."
    ]


def _refuse_unsound(study: Study, wanted: BatchRequest) -> None:
    """A variant is one simulation of files that no gate FAILs."""
    if (wanted.options.get("count") or 1) > 1:
        raise ConfigurationError(
            f"--count {wanted.options['count']}: a variant of a study is one simulation; expected more seeds instead: "
            f"--confidence {wanted.options['count']}"
        )
    if any(axis == "people" for axis, _ in wanted.axes):
        raise ConfigurationError(
            "--axis people: a simulation has its agents, whom this would not change; expected another population: "
            f"harness study build {study.name} --size"
        )
    source = Path(str(wanted.path))
    if source.parent == study.folder:
        behind = build.unready(study)
        raise_if_any([*behind, f"Go on with: harness study build {study.name}"] if behind else [])
    batches.inputs_beside(source)
    profile, schema = batches.rules(study, wanted.gate_profile, wanted.schema_map)
    batches.refuse_failing(source, profile, schema, study.name)


def _refuse_faulty(
    experiment: Experiment, variants: Sequence[Planned], options: Options, facts: Facts
) -> None:
    """Every variant is resolved once, so that none is found faulty after another was paid for."""
    problems: dict[str, None] = {}
    for one in variants:
        try:
            resolve(experiment, one, options, facts)
        except ConfigurationError as error:
            problems.update(dict.fromkeys(error.problems))
    raise_if_any(problems)
