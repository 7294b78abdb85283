"""The report of a batch: eight sections, with all that the machine knows, and blanks for what only people can say."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.batches import gate_status
from harness.batches.gate_status import GateStatus
from harness.batches.manifest import Manifest
from harness.batches.registry import RegistryRow
from harness.batches.segments import MINIMUM, SegmentAnalysis
from harness.batches.study_layout import Batch, Study
from harness.batches.variant_outcomes import Stability, VariantOutcome
from harness.console import visible
from harness.reports.parts import REHEARSAL, Heading, Items, Part, Table, as_markdown

SECTIONS = (
    "Decision context",
    "Setup",
    "Headline results",
    "Confidence and stability",
    "Why it happened",
    "Cost and operations",
    "Recommendations",
    "Evidence files",
)
BLANK = "TO BE WRITTEN BY A PERSON:"
NAMED = 3
"""Variants that are named with a warning; of more, their number is."""
SHARES = (
    "Share of the variance of variants' means: sum of squares within levels (seed) and between them (variant), over "
    "the total. With few seeds the variant's share is above 0 by chance alone."
)
_STAMP = re.compile(r"Results as of SHA-256 ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class ReportMaterial:
    """The content of a report. Caveats are in the person's own words."""

    study: Study
    manifest: Manifest
    found: Sequence[VariantOutcome]
    stability: Sequence[Stability]
    segments: Sequence[SegmentAnalysis]
    gates: dict[str, GateStatus]
    rows: dict[str, RegistryRow]
    single_seed_caveat: str = ""
    segment_caveat: str = ""
    minimum: int = MINIMUM

    @property
    def batch(self) -> Batch:
        return self.study.batch(self.manifest.batch_id)


def stamp(batch: Batch, manifest: Manifest) -> str:
    """A hash of the current results, to which a report belongs."""
    whole = hashlib.sha256(manifest.batch_id.encode())
    for one in manifest.variants:
        placed = batch.variant(one.id).placed
        whole.update(one.id.encode() + (placed.read_bytes() if placed.is_file() else b"-"))
    return whole.hexdigest()


def write_up(material: ReportMaterial) -> str:
    """The report as Markdown."""
    parts: list[Part] = [Heading(f"{material.study.name}: {material.manifest.batch_id}")]
    if any(one.dataset.rehearsal for one in material.found):
        parts.append(REHEARSAL)
    writers = (_context, _setup, _headline, _confidence, _why, _cost, _recommendations, _evidence)
    for number, (name, write) in enumerate(zip(SECTIONS, writers, strict=True), 1):
        parts += [Heading(f"{number}. {name}", 2), *write(material)]
    return _written(parts)


def _written(parts: Sequence[Part]) -> str:
    return visible(as_markdown(parts))


def has(text: str, words: str) -> bool:
    """Whether a report has ``words``, as a person or `write_up` writes them."""
    return words in text or _written([words]).strip() in text


def faults(text: str, expected: str) -> list[str]:
    """What is wrong with a report on disk: sections that are not there, results that are not those in place."""
    found = [
        f"no section '{name}'."
        for name in SECTIONS
        if not re.search(rf"^#+ \d\. {name}$", text, re.MULTILINE)
    ]
    if expected not in _STAMP.findall(text):
        found.append("it reports other results than those in place; write it again.")
    return found


def blanks(text: str) -> int:
    """How many places are still for people to fill; each begins its line."""
    return len(re.findall(f"^{BLANK}", text, re.MULTILINE))


def _context(one: ReportMaterial) -> Iterator[Part]:
    yield Items((f"Objective: {one.manifest.objective}", f"Metric of success: {one.manifest.success_metric}"))
    yield f"{BLANK} which decision hangs on this, and what result would change it."


def _setup(one: ReportMaterial) -> Iterator[Part]:
    made = one.manifest
    options = (
        ", ".join(f"{name} {value}" for name, value in made.session.items()) or "as the experiment has them"
    )
    yield Items(
        (
            f"Experiment {made.experiment}, {made.scenario_rev}, {made.config_rev}, created {made.created_at}.",
            f"Varied: {', '.join(made.axes)}. Seeds: {', '.join(map(str, made.seeds))}. Session: {options}.",
            f"Gate profile {made.gate_profile}, schema map {made.schema_map}.",
        )
    )
    positions = (made.scenario.get("own") or {}).get("positions")
    if isinstance(positions, dict):
        yield Items(
            tuple(f"{name}: the share that holds {str(one)!r:.60}." for name, one in positions.items())
        )
    rows = [
        (v.id, ", ".join(f"{axis} = {value}" for axis, value in v.overrides.items()) or "none", str(v.seed))
        for v in made.variants
    ]
    yield Table(("variant", "overrides", "seed"), tuple(rows), left=2)


def _headline(one: ReportMaterial) -> Iterator[Part]:
    mine = [each for each in one.stability if each.metric == one.manifest.success_metric]
    yield means_table(mine)
    yield "n: values obtained of those expected, in that variant and group."


def means_table(found: Sequence[Stability]) -> Table:
    """The mean of each variant, metric by metric and group by group."""
    rows = [
        (each.metric, each.group, mean.variant_id, number(mean.value), f"{mean.n} of {mean.expected}")
        for each in found
        for mean in each.means
    ]
    return Table(("metric", "group", "variant", "mean", "n"), tuple(rows), left=3)


def spread_table(found: Sequence[Stability]) -> Table:
    """The spread over seeds of each value of the axis."""
    rows = [
        (each.metric, each.group, s.level, str(s.seeds), *map(number, (s.mean, s.low, s.high, s.sd)))
        for each in found
        for s in each.spreads
    ]
    return Table(("metric", "group", "level", "seeds", "mean", "min", "max", "SD"), tuple(rows), left=3)


def share_table(found: Sequence[Stability]) -> Table:
    """Whose the variance of the means is."""
    rows = [(e.metric, e.group, _share(e.of_seed), _share(e.of_variant), e.reason) for e in found]
    return Table(("metric", "group", "seed", "variant", "undefined because"), tuple(rows), left=2)


def _confidence(one: ReportMaterial) -> Iterator[Part]:
    if len(one.manifest.seeds) < 2:
        yield f"SINGLE SEED. {one.single_seed_caveat or 'How results vary between seeds is unknown.'}"
    yield spread_table(one.stability)
    yield SHARES
    yield share_table(one.stability)


def _why(one: ReportMaterial) -> Iterator[Part]:
    if one.segment_caveat:
        yield f"SEGMENTS. {one.segment_caveat}"
    for each in one.segments:
        yield f"{each.metric} by {each.name}; n counts {each.unit}, {each.total} in all:"
        rows = [
            (s.name, number(s.value) if s.n >= one.minimum else f"n below {one.minimum}", str(s.n))
            for s in each.segments
        ]
        yield Table(("segment", "mean", "n"), tuple(rows))
    yield f"{BLANK} the likely cause, and what speaks against it."


def _cost(one: ReportMaterial) -> Iterator[Part]:
    rows = []
    for planned in one.manifest.variants:
        row = one.rows[planned.id]
        rows.append((planned.id, row.status, one.gates[planned.id].text, *_usage(one, planned.id)))
    yield Table(("variant", "status", "gates", "calls", "tokens", "cost"), tuple(rows), left=3)
    seen: dict[str, list[str]] = {}
    for name, status in one.gates.items():
        for check in status.checks:
            if check.level != "PASS":
                about = f" ({check.about})" if check.about else ""
                seen.setdefault(f"{check.level} {check.name}{about}: {check.message:.300}", []).append(name)
    told = (f"{text} – {_which(names, len(one.gates))}" for text, names in seen.items())
    yield Items(tuple(told)) if seen else "No gate warned or failed."


def _which(variants: Sequence[str], of: int) -> str:
    names = list(dict.fromkeys(variants))
    if len(names) == of > 1:
        return f"all {of} variants"
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _usage(one: ReportMaterial, variant_id: str) -> tuple[str, str, str]:
    usage = [meta.get("usage") or {} for meta in gate_status.metas(one.batch.variant(variant_id))]
    calls = sum(sum((each.get("calls") or {}).values()) for each in usage)
    tokens = sum(each.get("tokens_in", 0) + each.get("tokens_out", 0) for each in usage)
    costs = [each.get("cost") for each in usage]
    reason = next((str(each["cost_reason"]) for each in usage if each.get("cost_reason")), "not known")
    return f"{calls:,}", f"{tokens:,}", reason if None in costs else f"${sum(filter(None, costs)):.4f}"


def _recommendations(_: ReportMaterial) -> Iterator[Part]:
    yield f"{BLANK} what to do now, with what confidence, and what to run next."


def _evidence(one: ReportMaterial) -> Iterator[Part]:
    folders = [one.batch.variant(planned.id).results for planned in one.manifest.variants]
    names = [folder.relative_to(one.batch.folder).as_posix() for folder in folders]
    rows = tuple((name, "files and SHA-256 in files.json") for name in names)
    yield Table(("folder", "what"), rows, left=2)
    yield f"Results as of SHA-256 {stamp(one.batch, one.manifest)}"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
