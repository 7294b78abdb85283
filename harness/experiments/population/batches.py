"""Batches that simulate a scenario: the inputs that each has for itself, the files of a simulation, and its gates."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from harness.batches.ids import is_batch
from harness.batches.manifest import Manifest, Planned
from harness.batches.registry import Registry, RegistryRow
from harness.batches.resolved_settings import digest, read_inputs
from harness.batches.study_layout import Study, VariantFolder, place, said
from harness.errors import ConfigurationError, HarnessError, raise_if_any
from harness.experiments.population.experiment import FOLDER
from harness.experiments.population.formats.scenario import read_scenario
from harness.experiments.population.gates import (
    GATES,
    Escalation,
    GateResult,
    Profile,
    Report,
    SchemaMap,
    escalation,
    load_profile,
    load_schema_map,
    read_report,
    run_gates,
    write_report,
)
from harness.experiments.population.gates.escalation import TWICE, told
from harness.experiments.population.gates.profile import SHIPPED
from harness.experiments.population.gates.runner import due
from harness.experiments.population.inputs import places
from harness.model import Level
from harness.records.writer import explained, make_directory, safe_name

SCENARIO = "scenario.yaml"
NO_MAP = "none"
NAMED = {"population_spec": "population.yaml", "agents_file": "agents.json", "network_file": "network.json"}
"""What a scenario names, and what that is called in a study."""
BESIDE = ("population.persona.yaml", "base.yaml", "estimate.json")
"""What may stand beside it."""
LATE = ("simulate", "results")
"""Stages that a variant plays; the others were played when it is declared."""


def is_scenario(path: str | None) -> bool:
    """Whether the file that declares a batch's experiment is a scenario's."""
    return path is not None and Path(path).suffix in (".yaml", ".yml")


def rules(study: Study, profile: str, schema_map: str) -> tuple[Profile, SchemaMap | None]:
    """What gates hold a variant against. Files of one's own lie under the study's ``specs``, so that manifests have
    their hashes. Raises `ConfigurationError`.
    """
    mapping = None if schema_map == NO_MAP else load_schema_map(_spec(study, "schema map", schema_map))
    own = profile.endswith((".yaml", ".yml"))
    return load_profile(str(_spec(study, "gate profile", profile)) if own else profile), mapping


def _spec(study: Study, what: str, name: str) -> Path:
    path = study.folder / name
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(study.specs)):
        raise ConfigurationError(
            f"The {what} {name!r} is no file under {study.specs}, where manifests keep its hash; expected one there, "
            f"such as specs/pop/{Path(name).name}."
        )
    return path


def refuse_failing(source: Path, profile: Profile, schema: SchemaMap | None, name: str) -> None:
    """Raise a `ConfigurationError` where a gate before the simulation FAILs on what stands beside ``source``."""
    early = [gate for gate in due(source.parent) if GATES[gate].stage not in LATE]
    report = run_gates(source.parent, profile, schema, gates=early)
    raise_if_any(
        f"Gate {one.gate} after {one.stage} FAILs: {told(check)}. Mend it, then: harness study build {name}"
        for one in report.results
        for check in one.checks
        if check.level is Level.FAIL
    )


def hand_out(source: Path, places: Sequence[VariantFolder]) -> Path:
    """Give every variant the scenario at ``source`` and what belongs to it; the first one's scenario.

    The first gets copies, so that nothing that is done to the study's own files reaches the batch; the others share
    them. Raises `ConfigurationError` for files that are called otherwise than in a study, `HarnessError`.
    """
    first, *others = places
    for path in inputs_beside(source):
        target = first.inputs / path.name
        _copy(path, target)
        for other in others:
            place(target, other.inputs / path.name)
    return first.inputs / SCENARIO


def inputs_beside(source: Path) -> list[Path]:
    """The scenario and what a variant needs beside it. Raises `ConfigurationError`."""
    meta = read_scenario(source).meta
    raise_if_any(
        f"Scenario {source}: meta.{field}={getattr(meta, field)!r}; a study's is {name!r}, beside its scenario."
        for field, name in NAMED.items()
        if getattr(meta, field) != name
    )
    if source.name != SCENARIO:
        raise ConfigurationError(f"Scenario {source}: expected a file called {SCENARIO}.")
    beside = (*NAMED.values(), *BESIDE)
    return [source, *(source.parent / name for name in beside if (source.parent / name).is_file())]


def _copy(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with said():
        make_directory(target.parent)
        with explained(target, "write"):
            shutil.copyfile(source, temporary)
            temporary.replace(target)


def changed(place: VariantFolder) -> Iterator[str]:
    """In what a variant's inputs differ from those that it was declared with; nothing where it simulates none."""
    if not (place.inputs / SCENARIO).exists() or not place.resolved.exists():
        return
    try:
        declared = read_inputs(place)["settings"]["own"]["inputs_sha256"]
        for what, path in places(place.inputs / SCENARIO).items():
            if declared.get(what) != digest(path):
                yield f"inputs/{path.name} was changed since the batch was declared."
    except (HarnessError, KeyError, TypeError) as error:
        yield f"inputs/{SCENARIO}: {error!s:.120}"


def files(session: Path, run_id: str) -> list[Path]:
    """What the one simulation of a run wrote. Raises `HarnessError` where there are several."""
    folders = sorted((session / FOLDER / safe_name(run_id)).glob("*"))
    if len(folders) > 1:
        raise HarnessError(
            f"Run {run_id} has {len(folders)} simulations; expected one in each variant of a study."
        )
    return [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]


def gate(study: Study, manifest: Manifest, place: VariantFolder) -> Report:
    """Run the gates of a variant by its manifest's rules, and keep what they say. Raises `HarnessError`."""
    profile, schema = rules(study, manifest.gate_profile, manifest.schema_map)
    report = run_gates(
        place.folder, profile, schema, schema_name=None if schema is None else manifest.schema_map
    )
    write_report(report, place.folder)
    return report


def gate_all(study: Study, manifest: Manifest, variants: Iterable[Planned]) -> None:
    """The same for each that has results of a simulation; nothing where the batch simulates none.

    Raises `ConfigurationError` where the rules are not those that the batch was declared with.
    """
    if is_scenario(manifest.path):
        raise_if_any(_other_rules(study, manifest))
        for one in variants:
            variant = study.batch(manifest.batch_id).variant(one.id)
            if variant.placed.exists():
                gate(study, manifest, variant)


def failing(study: Study, manifest: Manifest) -> list[str]:
    """The variants of a batch for which a gate FAILs, as their gates.json has it."""
    batch = study.batch(manifest.batch_id)
    reports = {one.id: read_report(batch.variant(one.id).folder) for one in manifest.variants}
    return [name for name, report in reports.items() if report and report.level is Level.FAIL]


def _other_rules(study: Study, manifest: Manifest) -> Iterator[str]:
    """Files of rules that the manifest has another hash of, or none."""
    hashes = {spec.path: spec.sha256 for spec in manifest.base_specs}
    for name in (manifest.gate_profile, manifest.schema_map):
        path = study.folder / name
        own = name not in SHIPPED and name != NO_MAP
        if own and (not path.is_file() or digest(path) != hashes.get(Path(name).as_posix())):
            yield f"{manifest.batch_id}: its rules {name} are not those that it was declared with. Put them back."


def standing(study: Study, now: Collection[tuple[str, str]]) -> Escalation | None:
    """Why no more simulations should be begun: a gate FAILs for a second variant in a row, on other files.

    In the order of the registry, over all batches of the study; of several gates the first. The last to fail is one of
    the variants that ran ``now`` (batch and variant ids): older failures alone were told when they happened.
    """
    failures: dict[str, list[GateResult]] = {}
    fresh: set[str] = set()
    for row in Registry(study.rows).read().rows:
        for result in _said_of(study, row):
            before = failures.setdefault(result.gate, [])
            if result.level is not Level.FAIL:
                before.clear()
                fresh.discard(result.gate)
                continue
            if all(result.inputs != one.inputs for one in before):
                before.append(result)
            if (row.batch_id, row.variant_id) in now:
                fresh.add(result.gate)
    stuck = [name for name in GATES if name in fresh and len(failures[name]) >= TWICE]
    return escalation(stuck[0], failures[stuck[0]][-1].checks) if stuck else None


def _said_of(study: Study, row: RegistryRow) -> Sequence[GateResult]:
    """What gates said last of the variant of a row; nothing where the row names none."""
    if not is_batch(row.batch_id) or Path(row.variant_id).name != row.variant_id:
        return ()
    report = read_report(study.batch(row.batch_id).variant(row.variant_id).folder)
    return report.results if report else ()
