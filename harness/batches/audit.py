"""Compare registry, manifests and disk; each disagreement is a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.batches import ids
from harness.batches.axes import name_of
from harness.batches.batch_kind import kind_of, registered
from harness.batches.gate_status import metas
from harness.batches.manifest import Manifest, load, mark
from harness.batches.registry import Content, Registry, RegistryRow, VariantStatus
from harness.batches.resolved_settings import changed_specs, digest, read_inputs
from harness.batches.study_layout import Batch, Study, VariantFolder, read_json
from harness.errors import ConfigurationError, HarnessError
from harness.records import fingerprint
from harness.text_files import read_text

_UNPLACED = ("files.json", "gates.json", "segments.json")
"""Further files that results may have, besides those of a run."""
_READ = (".json", ".jsonl")
"""Files that would be read as a run's. Looks have their own folder, and people may add files to results."""


def audit(study: Study) -> list[str]:
    """Every disagreement, in the order of batches; empty when there is none. Changes nothing. Raises `HarnessError`."""
    content = Registry(study.rows).read()
    found = [*content.problems, *(f"batches/{name} is not a batch's folder." for name in study.strays())]
    found += [one for kind in registered() for one in kind.disagreements(study)]
    manifests: dict[str, Manifest] = {}
    for name in study.batch_ids():
        try:
            manifests[name] = load(study.batch(name).manifest, study.name)
        except (ConfigurationError, HarnessError) as error:
            found += str(error).splitlines()
    found += _of_rows(study, content.rows, manifests)
    for name, manifest in manifests.items():
        found += _of_batch(study, study.batch(name), manifest, content)
    return [*found, *_of_revisions(manifests.values()), *_of_latest(study, content, manifests)]


def _of_rows(study: Study, rows: Iterable[RegistryRow], manifests: Mapping[str, Manifest]) -> Iterator[str]:
    for row in rows:
        where = f"runs.csv: {row.variant_id} of {row.batch_id}"
        if row.study != study.name:
            yield f"{where}: study {row.study!r}; expected {study.name!r}."
        manifest = manifests.get(row.batch_id)
        if manifest is None:
            yield f"{where}: no such batch with a manifest on disk."
            continue
        planned = {one.id: one for one in manifest.variants}.get(row.variant_id)
        if planned is None:
            yield f"{where}: the manifest has no such variant."
            continue
        said = {
            "scenario_rev": manifest.scenario_rev,
            "config_rev": manifest.config_rev,
            "seed": str(planned.seed),
        }
        results = study.batch(row.batch_id).variant(row.variant_id).results
        said["results_dir"] = results.relative_to(study.folder).as_posix()
        for field, expected in said.items():
            if getattr(row, field) != expected:
                yield f"{where}: {field} {getattr(row, field)!r}; the manifest has {expected!r}."


def _of_batch(study: Study, batch: Batch, manifest: Manifest, content: Content) -> Iterator[str]:
    yield from (f"{batch.id}: {problem}" for problem in changed_specs(study, manifest))
    rows = content.latest(batch.id)
    planned = {one.id for one in manifest.variants}
    folder = batch.folder / "variants"
    there = {path.name for path in folder.glob("*") if path.is_dir()}
    for name in sorted(there - planned):
        yield f"{batch.id}: folder variants/{name} is in no manifest."
    for one in manifest.variants:
        where = f"{batch.id}, {one.id}"
        place, row = batch.variant(one.id), rows.get(one.id)
        if row is None and place.placed.exists():
            yield f"{where}: results on disk, but no row in runs.csv; harness study run writes it."
        yield from (f"{where}: {problem}" for problem in unsound(place, manifest, row))


def damage(place: VariantFolder) -> Iterator[str]:
    """In what a variant's results differ from what was placed there."""
    if not place.placed.exists():
        return
    expected = "the SHA-256 of each file by its name"
    try:
        hashes = read_json(place.placed, expected)
    except HarnessError as error:
        yield str(error)
        return
    if not isinstance(hashes, dict):
        yield f"results/files.json: {hashes!r:.60}; expected {expected}."
        return
    there = sorted(one.name for one in place.results.iterdir() if one.is_file() and one.suffix in _READ)
    strange = [name for name in there if name not in {*hashes, *_UNPLACED}]
    if strange:
        more = f" (and {len(strange) - 1} more)" if len(strange) > 1 else ""
        yield f"results/{strange[0]}{more} is not in files.json: no run of the batch put it there."
    for name, sha256 in hashes.items():
        path = place.results / Path(name).name
        if not path.is_file():
            yield f"results/{name} is gone."
        elif digest(path) != sha256:
            yield f"results/{name} was changed: SHA-256 {str(sha256)[:12]} then, {digest(path)[:12]} now."


def unsound(place: VariantFolder, manifest: Manifest, row: RegistryRow | None) -> Iterator[str]:
    """In what a variant's inputs and results are not what it was declared, run, placed and told in ``row`` with."""
    success = row is not None and row.status == VariantStatus.SUCCESS
    if success and not place.placed.exists():
        yield "a success in runs.csv, but its results are not on disk; harness study run places them."
    if row is not None and not place.resolved.exists():
        yield "a row in runs.csv, but no inputs on disk."
    yield from damage(place)
    yield from _of_runs(place, name_of(manifest.experiment, place.folder.name), success)
    yield from _of_inputs(place, manifest)


def _of_runs(place: VariantFolder, name: str, success: bool) -> Iterator[str]:
    try:
        found = list(metas(place)) if place.placed.exists() else []
    except HarnessError as error:
        yield str(error)
        return
    for meta in found:
        if meta.get("experiment") != name:
            yield f"its results belong to {meta.get('experiment')!r:.80}; expected {name}."
        if success and meta.get("partial"):
            yield "a success in runs.csv, but its results are partial."


def _of_inputs(place: VariantFolder, manifest: Manifest) -> Iterator[str]:
    if not place.resolved.exists():
        return
    try:
        content = read_inputs(place)
        sound = fingerprint(content.get("settings") or {}) == content.get("fingerprint")
        yield from kind_of(manifest.path).changed_inputs(place)
    except HarnessError as error:
        yield str(error)
        return
    if content.get("variant") != place.folder.name:
        yield f"inputs/settings.json belongs to {content.get('variant')!r:.80}."
    if not sound:
        yield "inputs/settings.json was changed: its settings are not those of its fingerprint."
    if content.get("manifest") != mark(manifest):
        yield "manifest.yaml was changed since the variant was begun; put it back."


def _of_revisions(manifests: Iterable[Manifest]) -> Iterator[str]:
    seen: dict[str, tuple[str, str]] = {}
    for manifest in manifests:
        for revision, content in (
            (manifest.scenario_rev, manifest.scenario),
            (manifest.config_rev, manifest.config),
        ):
            mark = fingerprint(content)
            batch, first = seen.setdefault(revision, (manifest.batch_id, mark))
            if mark != first:
                yield f"{revision} means something else in {manifest.batch_id} than in {batch}."


def latest(study: Study) -> str | None:
    """The promoted batch, if there is one. Raises `HarnessError`."""
    if not study.latest.exists():
        return None
    return read_text(study.latest, str(study.latest)).strip()


def _of_latest(study: Study, content: Content, manifests: Mapping[str, Manifest]) -> Iterator[str]:
    name = latest(study)
    if name is None:
        return
    try:
        ids.parse_batch(name)
    except ConfigurationError as error:
        yield f"latest.txt: {error}"
        return
    if name not in manifests:
        yield f"latest.txt: {name} is not a batch on disk."
        return
    rows = content.latest(name)
    for one in manifests[name].variants:
        if one.id not in rows or rows[one.id].status != VariantStatus.SUCCESS:
            yield f"latest.txt: {name} is promoted, but {one.id} is not a success."
