"""A new study, and a new batch: its variants, revisions and manifest, checked before anything runs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from harness.batches import ids, manifest, revisions
from harness.batches.axes import Options, grid
from harness.batches.batch_kind import BatchKind, BatchRequest, kind_of, registered
from harness.batches.batch_run import baseline
from harness.batches.errors import RequestError
from harness.batches.manifest import Manifest, Planned
from harness.batches.registry import Registry
from harness.batches.resolved_settings import Facts, base_specs, resolve
from harness.batches.study_layout import Study
from harness.errors import ConfigurationError, raise_if_any
from harness.model import Experiment
from harness.records.writer import explained, make_directory


def start_study(study: Study) -> None:
    """Make the folders and the registry of a study that are not there. Raises `HarnessError`."""
    specs = [name for kind in registered() for name in kind.spec_folders]
    for path in (study.rows.parent, *(study.specs / name for name in specs), study.folder / "batches"):
        make_directory(path)
    Registry(study.rows).create()


def create(study: Study, wanted: BatchRequest, facts: Facts, moment: datetime) -> Manifest:
    """Write the manifest of a new batch, and nothing else. Raises `ConfigurationError` with what is wrong with it."""
    experiment = wanted.experiment
    if wanted.success_metric not in experiment.metric_names:
        known = ", ".join(experiment.metric_names)
        raise ConfigurationError(
            f"Metric {wanted.success_metric!r}: {experiment.name} has no such metric; expected one of {known}."
        )
    variants = grid(wanted.axes, wanted.seeds, experiment.axes, factorial=wanted.factorial)
    kind = kind_of(wanted.path)
    kind.check(study, wanted)
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
    return _saved(study, made, wanted, kind, scenario, config)


def _saved(
    study: Study, made: Manifest, wanted: BatchRequest, kind: BatchKind, scenario: Options, config: Options
) -> Manifest:
    scenarios, configs = revisions.known_in(study)
    problems: list[str] = []
    options: dict[str, str] = {}
    chosen = []
    for rev, content, asked, known in (
        ("scn", scenario, wanted.scenario_rev, scenarios),
        ("cfg", config, wanted.config_rev, configs),
    ):
        try:
            chosen.append(revisions.choose(rev, content, asked, known))
        except RequestError as error:
            problems += error.problems
            options |= error.options
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise RequestError(problems, options)
    revised = replace(made, scenario_rev=chosen[0], config_rev=chosen[1], scenario=scenario, config=config)
    whole = replace(revised, batch_id=_claimed(study, ids.parse_batch(made.batch_id)))
    batch = study.batch(whole.batch_id)
    try:
        if wanted.path is not None:
            own = kind.place_inputs(Path(wanted.path), [batch.variant(one.id) for one in whole.variants])
            inside = own.is_relative_to(batch.folder)
            whole = replace(whole, path=own.relative_to(batch.folder).as_posix() if inside else str(own))
        manifest.save(whole, batch.manifest)
    except BaseException:  # leave no half-declared batch
        shutil.rmtree(batch.folder, ignore_errors=True)
        raise
    return whole


def _claimed(study: Study, wanted: ids.BatchId) -> str:
    """The id of a batch whose folder this process made: another may want the same id in the same minute."""
    with explained(study.folder / "batches", "create a batch in"):
        (study.folder / "batches").mkdir(exist_ok=True)
        while True:
            try:
                study.batch(str(wanted)).folder.mkdir()
            except FileExistsError:
                wanted = replace(wanted, version=wanted.version + 1)
            else:
                return str(wanted)


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
