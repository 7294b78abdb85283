"""Batches that simulate a study's scenario: inputs, files and gates of each variant."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.batches.batch_kind import BatchKind, BatchRequest
from harness.batches.ids import is_batch
from harness.batches.manifest import Manifest
from harness.batches.registry import Registry
from harness.batches.resolved_settings import digest, read_inputs
from harness.batches.study_layout import Study, VariantFolder, place
from harness.errors import ConfigurationError, HarnessError, raise_if_any
from harness.model import Experiment, Level
from harness.records.writer import explained, make_directory, safe_name

if TYPE_CHECKING:
    from harness.experiments.population.gates import GateResult, Profile, SchemaMap

SCENARIO = "scenario.yaml"
NO_MAP = "none"
NAMED = {"population_spec": "population.yaml", "agents_file": "agents.json", "network_file": "network.json"}
"""The files that a scenario names, and their names in a study."""
BESIDE = ("population.persona.yaml", "base.yaml", "estimate.json")
"""Optional files next to it."""
LATE = ("simulate", "results")
"""Stages of a variant; the others run before it is declared."""


class Simulations(BatchKind):
    """Each variant is one simulation of a scenario that passes its gates."""

    spec_folders = ("pop", "persona", "network-config", "scenario")
    build_hint = "a population and scenario built with: harness study build"

    def declares(self, path: Path) -> bool:
        return path.suffix in (".yaml", ".yml")

    def experiment(self, path: Path, name: str | None) -> Experiment:
        from harness.experiments.population.experiment import NAME, simulation_experiment

        if name not in (None, NAME):
            raise ConfigurationError(
                f"Experiment {name!r}: {path} declares {NAME!r}; expected that or no name."
            )
        return simulation_experiment(path)

    def experiment_file(self, study: Study) -> Path:
        return study.folder / SCENARIO

    def write_example(self, study: Study) -> Sequence[Path]:
        from harness.experiments.population.build.pipeline import write_example

        return write_example(study)

    def rules(self, study: Study) -> tuple[str, str]:
        from harness.experiments.population.build import pipeline

        plan = pipeline.read(study) or pipeline.Pipeline()
        return plan.gate_profile, plan.schema_map or NO_MAP

    def check(self, study: Study, request: BatchRequest) -> None:
        from harness.experiments.population.build.build import build_problems

        count = request.options.get("count") or 1
        if count > 1:
            raise ConfigurationError(
                f"count {count}: a variant of a study is one simulation; expected {count} seeds instead."
            )
        if any(axis == "people" for axis, _ in request.axes):
            raise ConfigurationError(
                "Axis 'people': has no effect on the agents of a simulation; expected another "
                f"population: harness study build {study.name}"
            )
        source = Path(str(request.path))
        if source.parent == study.folder and (behind := build_problems(study)):
            raise ConfigurationError(*behind, f"Continue with: harness study build {study.name}")
        inputs_beside(source)
        _refuse_failing(source, *_rules(study, request.gate_profile, request.schema_map), study.name)

    def place_inputs(self, path: Path, variants: Sequence[VariantFolder]) -> Path:
        """Copy the inputs to the first variant, so that later changes of the study do not affect the batch; the others
        share the copies.
        """
        first, *others = variants
        for source in inputs_beside(path):
            target = first.inputs / source.name
            _copy(source, target)
            for other in others:
                place(target, other.inputs / source.name)
        return first.inputs / SCENARIO

    def changed_inputs(self, variant: VariantFolder) -> Iterator[str]:
        from harness.experiments.population.inputs import places

        if not (variant.inputs / SCENARIO).exists():
            return
        try:
            declared = read_inputs(variant)["settings"]["own"]["inputs_sha256"]
            for what, path in places(variant.inputs / SCENARIO).items():
                if declared.get(what) != digest(path):
                    yield f"inputs/{path.name} was changed since the batch was declared."
        except (HarnessError, KeyError, TypeError) as error:
            yield f"inputs/{SCENARIO}: {error!s:.120}"

    def results(self, session: Path, run_id: str) -> Sequence[Path]:
        from harness.experiments.population.experiment import FOLDER

        folders = sorted((session / FOLDER / safe_name(run_id)).glob("*"))
        if len(folders) > 1:
            raise HarnessError(
                f"Run {run_id} has {len(folders)} simulations; expected one in each variant of a study."
            )
        return [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]

    def gate(self, study: Study, manifest: Manifest, variants: Sequence[VariantFolder]) -> Sequence[str]:
        from harness.experiments.population.gates import run_gates, write_report

        raise_if_any(_other_rules(study, manifest))
        profile, schema = _rules(study, manifest.gate_profile, manifest.schema_map)
        levels = []
        for variant in variants:
            report = run_gates(
                variant.folder, profile, schema, schema_name=None if schema is None else manifest.schema_map
            )
            write_report(report, variant.folder)
            levels.append(str(report.level))
        return levels

    def failing(self, study: Study, manifest: Manifest) -> Sequence[str]:
        from harness.experiments.population.gates import read_report

        batch = study.batch(manifest.batch_id)
        reports = {one.id: read_report(batch.variant(one.id).folder) for one in manifest.variants}
        return [name for name, report in reports.items() if report and report.level is Level.FAIL]

    def escalation(self, study: Study, ran: Collection[tuple[str, str]]) -> str | None:
        """The first gate that FAILs for two variants in a row, on different files.

        Variants are in the order of the registry, over all batches of the study. Failures before the variants that
        ``ran`` have already been reported.
        """
        from harness.experiments.population.gates import GATES, escalation
        from harness.experiments.population.gates.escalation import TWICE

        failures: dict[str, list[GateResult]] = {}
        fresh: set[str] = set()
        for row in Registry(study.rows).read().rows:
            for result in _gate_results(study, row.batch_id, row.variant_id):
                before = failures.setdefault(result.gate, [])
                if result.level is not Level.FAIL:
                    before.clear()
                    fresh.discard(result.gate)
                    continue
                if all(result.inputs != one.inputs for one in before):
                    before.append(result)
                if (row.batch_id, row.variant_id) in ran:
                    fresh.add(result.gate)
        stuck = [name for name in GATES if name in fresh and len(failures[name]) >= TWICE]
        return escalation(stuck[0], failures[stuck[0]][-1].checks).text if stuck else None

    def status(self, study: Study) -> Iterator[str]:
        if not os.path.lexists(study.folder / "pipeline.yaml"):
            return
        from harness.experiments.population.build.build import status_lines

        yield from status_lines(study)

    def disagreements(self, study: Study) -> Iterator[str]:
        if not (study.folder / ".stages.json").exists():
            return
        from harness.experiments.population.build.stage_ledger import disagreements

        yield from disagreements(study)


KIND = Simulations()


def _rules(study: Study, profile: str, schema_map: str) -> tuple[Profile, SchemaMap | None]:
    """The rules of a variant's gates. A user's files must be under the study's ``specs``, so that manifests have their
    hashes. Raises `ConfigurationError`.
    """
    from harness.experiments.population.gates import load_profile, load_schema_map

    mapping = None if schema_map == NO_MAP else load_schema_map(_spec(study, "schema map", schema_map))
    own = profile.endswith((".yaml", ".yml"))
    return load_profile(str(_spec(study, "gate profile", profile)) if own else profile), mapping


def _spec(study: Study, what: str, name: str) -> Path:
    path = study.folder / name
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(study.specs)):
        raise ConfigurationError(
            f"The {what} {name!r} is not under {study.specs}, where manifests keep its hash; expected a file there, "
            f"such as specs/pop/{Path(name).name}."
        )
    return path


def _other_rules(study: Study, manifest: Manifest) -> Iterator[str]:
    """Files of rules whose hash the manifest lacks, or that have another one."""
    from harness.experiments.population.gates import SHIPPED

    hashes = {spec.path: spec.sha256 for spec in manifest.base_specs}
    for name in (manifest.gate_profile, manifest.schema_map):
        path = study.folder / name
        own = name not in SHIPPED and name != NO_MAP
        if own and (not path.is_file() or digest(path) != hashes.get(Path(name).as_posix())):
            yield f"{manifest.batch_id}: its rules {name} have changed since it was declared. Restore them."


def _refuse_failing(source: Path, profile: Profile, schema: SchemaMap | None, name: str) -> None:
    """Raise `ConfigurationError` if a gate before the simulation FAILs on the files next to ``source``."""
    from harness.experiments.population.gates import GATES, run_gates
    from harness.experiments.population.gates.escalation import check_line
    from harness.experiments.population.gates.runner import due

    early = [gate for gate in due(source.parent) if GATES[gate].stage not in LATE]
    report = run_gates(source.parent, profile, schema, gates=early)
    raise_if_any(
        f"Gate {one.gate} after {one.stage} FAILs: {check_line(check)}. Fix it, then: harness study build {name}"
        for one in report.results
        for check in one.checks
        if check.level is Level.FAIL
    )


def inputs_beside(source: Path) -> list[Path]:
    """The scenario and the other inputs of a variant. Raises `ConfigurationError`."""
    from harness.experiments.population.formats.scenario import read_scenario

    meta = read_scenario(source).meta
    raise_if_any(
        f"Scenario {source}: meta.{field}={getattr(meta, field)!r}; a study's is {name!r}, next to its scenario."
        for field, name in NAMED.items()
        if getattr(meta, field) != name
    )
    if source.name != SCENARIO:
        raise ConfigurationError(f"Scenario {source}: expected a file called {SCENARIO}.")
    beside = (*NAMED.values(), *BESIDE)
    return [source, *(source.parent / name for name in beside if (source.parent / name).is_file())]


def _copy(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    make_directory(target.parent)
    with explained(target, "write"):
        shutil.copyfile(source, temporary)
        temporary.replace(target)


def _gate_results(study: Study, batch_id: str, variant_id: str) -> Sequence[GateResult]:
    """The last verdicts of a variant's gates; empty if the ids name no variant."""
    from harness.experiments.population.gates import read_report

    if not is_batch(batch_id) or Path(variant_id).name != variant_id:
        return ()
    report = read_report(study.batch(batch_id).variant(variant_id).folder)
    return report.results if report else ()
