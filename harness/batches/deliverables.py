"""The end of a batch: what is to be handed in is there, and a batch becomes the study's baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.batches import batch_report, gate_status
from harness.batches.audit import unsound
from harness.batches.batch_kind import kind_of
from harness.batches.batch_report import ReportMaterial
from harness.batches.errors import RequestError
from harness.batches.gate_status import SOURCES, Gates
from harness.batches.manifest import Manifest
from harness.batches.registry import Registry, VariantStatus
from harness.batches.segments import FEWEST, MINIMUM, SegmentAnalysis, analyses
from harness.batches.study_layout import Study, write
from harness.batches.variant_outcomes import outcomes, stability
from harness.errors import ConfigurationError, HarnessError, raise_if_any
from harness.model import Level
from harness.text_files import read_text


@dataclass(frozen=True, slots=True)
class FinishedBatch:
    """A batch with all its deliverables. ``written``: the report is new; ``blanks``: what people still owe it;
    ``unsaid``: caveats that a report which was kept does not have.
    """

    report: Path
    written: bool
    blanks: int
    gates: dict[str, str]
    unsaid: tuple[str, ...] = ()


def finish(
    study: Study,
    manifest: Manifest,
    *,
    single_seed_caveat: str = "",
    segment_caveat: str = "",
    minimum: int = MINIMUM,
    rewrite: bool = False,
    gates: Sequence[Gates] = SOURCES,
) -> FinishedBatch:
    """Check a batch's deliverables, and write its report if it has none.

    An existing report stays unchanged unless ``rewrite``. Raises `ConfigurationError` with
    everything that is missing.
    """
    batch = study.batch(manifest.batch_id)
    raise_if_any(_unfinished(study, manifest))
    _gate(study, manifest)
    found = outcomes(study, manifest)
    folders = [batch.variant(one.id).results for one in manifest.variants]
    segments = analyses(found, manifest.success_metric, folders)
    status = {one.id: gate_status.status(batch.variant(one.id), gates) for one in manifest.variants}
    problems = [
        f"variant {name}: no gate said anything; expected a status."
        for name, one in status.items()
        if one.level is None
    ]
    lacking = _without_caveat(manifest, segments, minimum, single_seed_caveat, segment_caveat)
    problems += [problem for found in lacking.values() for problem in found]
    if problems:
        raise RequestError((f"{batch.id}: {problem}" for problem in problems), dict.fromkeys(lacking, "TEXT"))
    material = ReportMaterial(
        study,
        manifest,
        found,
        stability(found),
        segments,
        status,
        Registry(study.rows).read().latest(batch.id),
        single_seed_caveat,
        segment_caveat,
        minimum,
    )
    written = rewrite or not batch.report.exists()
    if written:
        write(batch.report, batch_report.write_up(material))
    text = _report(study, manifest)
    caveats = (single_seed_caveat, segment_caveat)
    return FinishedBatch(
        batch.report,
        written,
        batch_report.blanks(text),
        {name: one.text for name, one in status.items()},
        () if written else tuple(one for one in caveats if one and not batch_report.has(text, one)),
    )


def _gate(study: Study, manifest: Manifest) -> None:
    variants = [study.batch(manifest.batch_id).variant(one.id) for one in manifest.variants]
    kind_of(manifest.path).gate(study, manifest, [one for one in variants if one.placed.exists()])


def _unfinished(study: Study, manifest: Manifest) -> list[str]:
    batch = study.batch(manifest.batch_id)
    rows = Registry(study.rows).read().latest(batch.id)
    found = []
    for one in manifest.variants:
        row = rows.get(one.id)
        if row is None or row.status != VariantStatus.SUCCESS:
            said = f"its last run ended as {row.status}" if row else "runs.csv has no row of it"
            found.append(
                f"{batch.id}: variant {one.id}: {said}; expected success. Resume with: harness study run {study.name}"
            )
        found += [
            f"{batch.id}: variant {one.id}: {problem}"
            for problem in unsound(batch.variant(one.id), manifest, row)
        ]
    return found


def _without_caveat(
    manifest: Manifest, segments: Sequence[SegmentAnalysis], minimum: int, single: str, segment: str
) -> dict[str, list[str]]:
    """Caveats that are missing, as `finish` takes them, and why they are needed."""
    found = {}
    if len(manifest.seeds) < 2 and not single:
        found["single_seed_caveat"] = [
            f"one seed ({manifest.seeds[0]}): stability is unknown; sweep more seeds, or add a caveat."
        ]
    faults = [problem for one in segments for problem in one.problems(minimum)]
    sound = [one for one in segments if not one.problems(minimum)]
    if len(sound) < FEWEST and not segment:
        found["segment_caveat"] = [
            *faults,
            f"{len(sound)} analyses by segment; expected {FEWEST} or more, each with {minimum} or more in {FEWEST} "
            "segments. Put them into results/segments.json, or add a caveat.",
        ]
    return found


def _report(study: Study, manifest: Manifest) -> str:
    """The report on disk. Raises `ConfigurationError` if it is of other results, or incomplete."""
    batch = study.batch(manifest.batch_id)
    try:
        text = read_text(batch.report, str(batch.report))
    except ConfigurationError:
        raise ConfigurationError(
            f"{batch.report}: no report; expected one of harness study finish {study.name} {batch.id}"
        ) from None
    problems = batch_report.faults(text, batch_report.stamp(batch, manifest))
    if problems:
        raise RequestError((f"{batch.report}: {problem}" for problem in problems), {"rewrite": ""})
    return text


def promote(study: Study, manifest: Manifest, gates: Sequence[Gates] = SOURCES) -> None:
    """Make a batch the study's baseline, ``registry/latest.txt``. Nothing else changes that file.

    Raises `ConfigurationError` unless every variant is a success, gates spoke and none FAILs, and there is a report.
    """
    batch = study.batch(manifest.batch_id)
    problems = _unfinished(study, manifest)
    _gate(study, manifest)
    for one in manifest.variants:
        try:
            status = gate_status.status(batch.variant(one.id), gates)
        except HarnessError as error:
            problems.append(str(error))
            continue
        if status.level is None:
            problems.append(
                f"{batch.id}: variant {one.id}: no gate said anything; expected no FAIL of those that spoke."
            )
        problems += [
            f"{batch.id}: variant {one.id}: gate {check.name} FAILs: {check.message:.300}"
            for check in status.checks
            if check.level is Level.FAIL
        ]
    try:
        _report(study, manifest)
    except ConfigurationError as error:
        problems += error.problems
    raise_if_any(problems)
    write(study.latest, f"{batch.id}\n")
