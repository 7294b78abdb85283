"""The verdict in words, by rules: what may be claimed, and for whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.model import Check, Level
from harness.reports.local_models import local_models
from harness.reports.numbers import counted, p_clause, percent, signed, span, whole
from harness.reports.preferences import preference_claims
from harness.reports.run_report import RunReport
from harness.stats.results import ALPHA, NO_METRIC, Comparison, ContrastEstimate, Estimate


class ClaimStrength(StrEnum):
    """What kind of claim a run supports."""

    REHEARSAL = "rehearsal"
    MIXED = "mixed"
    FAULTY = "faulty"
    INTERIM = "interim"
    EVIDENCE = "evidence"


class Direction(StrEnum):
    HIGHER = "higher"
    LOWER = "lower"
    NOT_SHOWN = "not shown"
    UNDEFINED = "not estimable"


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim about one metric in one contrast; ``contrast`` is short where all are against one group."""

    metric: str
    contrast: str
    direction: Direction
    text: str
    estimand: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ``headline`` of a sentence or two, a claim per metric, and cautions."""

    standing: ClaimStrength
    headline: str
    statements: tuple[Claim, ...] = ()
    cautions: tuple[str, ...] = ()


def verdict(report: RunReport) -> Verdict:
    """Claim nothing for a rehearsal or if a validity check failed, else give a sentence per metric."""
    cautions = tuple(_cautions(report))
    if report.rehearsal:
        return Verdict(
            ClaimStrength.REHEARSAL,
            "Not evidence. This was a rehearsal: replies were generated offline, so every number below is invented.",
            (),
            cautions,
        )
    if report.dataset.mixed:
        changes = "; ".join(report.dataset.mixed)
        return Verdict(
            ClaimStrength.MIXED,
            f"No verdict. This is a mixed run, from which nothing can be claimed: {changes}.",
            (),
            cautions,
        )
    failed = [check for check in report.checks if check.level is Level.FAIL]
    if failed:
        return Verdict(ClaimStrength.FAULTY, _faulty(failed), (), cautions)
    every = report.analysis.comparisons
    statements = (
        *(statement(one, label(one, every)) for one in every),
        *map(contrast_statement, report.analysis.contrasts),
    )
    interim = bool(report.meta["partial"])
    begun = "Exploratory. " * bool(report.dataset.meta.get("exploratory")) + "An interim look. " * interim
    preferences = list(preference_claims(report.preference_analyses))
    headline = begun + " ".join(
        [*([_headline(report, statements)] if statements or not preferences else []), *preferences]
    )
    return Verdict(
        ClaimStrength.INTERIM if interim else ClaimStrength.EVIDENCE, headline, statements, cautions
    )


def label(one: Comparison, every: Iterable[Comparison]) -> str:
    """What a comparison is called among ``every``: its later group where all are against one group, else its pair."""
    return one.treatment if len({other.control for other in every}) == 1 else one.contrast


def statement(comparison: Comparison, contrast: str = "") -> Claim:
    """One metric's sentence: estimate, interval, adjusted p, and their basis."""
    p, treatment = comparison.p_adjusted, comparison.treatment
    where = _direction(comparison.primary, p)
    finding = f"{treatment} is {where}"
    text = _sentence(comparison.contrast, finding, where, comparison.primary, p, comparison.adjustment)
    return Claim(comparison.metric, contrast or treatment, where, text, comparison.primary.estimand)


def contrast_statement(one: ContrastEstimate) -> Claim:
    """The same for a contrast declared by weights."""
    where = _direction(one.estimate, one.p_adjusted)
    sign = "above" if where is Direction.HIGHER else "below"
    text = _sentence(one.name, f"{one.name} is {sign} 0", where, one.estimate, one.p_adjusted, one.adjustment)
    return Claim(one.metric, one.name, where, text, one.estimate.estimand)


def _sentence(
    contrast: str, finding: str, where: Direction, estimate: Estimate, p: float | None, adjustment: str
) -> str:
    if where is Direction.UNDEFINED:
        return f"Not estimable: {estimate.reason or 'no reason recorded'}."
    begun = "No difference shown" if where is Direction.NOT_SHOWN else finding
    return (
        f"{begun}: {contrast} = {signed(estimate.difference)}{_interval(estimate)}, adjusted {p_clause(p)} "
        f"({adjustment}); {basis(estimate)}."
    )


def basis(estimate: Estimate) -> str:
    """Method, degrees of freedom, unit and number of units."""
    df = "" if estimate.df is None else f", df {whole(estimate.df)}"
    return f"{estimate.method}{df}, n = {whole(estimate.n)}, unit: {estimate.unit}"


def _direction(estimate: Estimate, p: float | None) -> Direction:
    if estimate.difference is None or p is None:
        return Direction.UNDEFINED
    if p >= ALPHA or estimate.difference == 0:
        return Direction.NOT_SHOWN
    return Direction.HIGHER if estimate.difference > 0 else Direction.LOWER


def _interval(estimate: Estimate) -> str:
    found = estimate.interval
    return "" if found is None else f" ({percent(found.level)} CI {span(found)})"


def _headline(report: RunReport, statements: Sequence[Claim]) -> str:
    if not report.dataset.metrics:
        return NO_METRIC
    if not statements:
        return "Nothing to compare: there are fewer than two groups with results."
    parts = list(_sorted_out(statements))
    return " ".join(parts) + f" (An adjusted p below {ALPHA:g} counts as a difference.)".replace(" 0.", " .")


def _sorted_out(statements: Sequence[Claim]) -> Iterator[str]:
    several = len({one.contrast for one in statements}) > 1
    for where in (Direction.HIGHER, Direction.LOWER):
        found = _names((one for one in statements if one.direction is where), several)
        if found:
            begun = f"{where.capitalize()}:" if several else f"{statements[0].contrast} is {where} on"
            yield f"{begun} {found}."
    silent = _names((one for one in statements if one.direction is Direction.NOT_SHOWN), several)
    if silent:
        yield f"No difference was shown on {silent}, which does not prove that there is none."
    undefined = _names((one for one in statements if one.direction is Direction.UNDEFINED), several)
    if undefined:
        yield f"Not estimable: {undefined}."


def _names(statements: Iterable[Claim], several: bool) -> str:
    names = [f"{one.metric} ({one.contrast})" if several else one.metric for one in statements]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _faulty(failed: Sequence[Check]) -> str:
    names = ", ".join(dict.fromkeys(check.name for check in failed))
    return (
        f"No verdict. {counted(len(failed), 'validity check')} failed ({names}), so the differences below may be "
        "artifacts rather than effects of the treatment."
    )


def _cautions(report: RunReport) -> Iterator[str]:
    trials = report.meta["trials"]
    yield from local_models(report.first_line)
    if report.meta["partial"]:
        yield (
            f"Partial: {trials['finished']:,} of {trials['planned']:,} planned trials are finished. "
            "Missing trials are not covered, and p-values do not correct for the early look."
        )
    warned = [check for check in report.checks if check.level is Level.WARN]
    if warned:
        names = ", ".join(dict.fromkeys(check.name for check in warned))
        yield f"{counted(len(warned), 'validity check')} {'warns' if len(warned) == 1 else 'warn'}: {names}."
    if report.dataset.coordinates != "recorded":
        yield (
            f"Panels, proposals and repetitions are {report.dataset.coordinates} from the order of samples."
        )
    yield from (
        warning for warning in report.meta["warnings"] if "planned trials are not finished" not in warning
    )
    yield from (
        note for note in report.analysis.notes if not (report.rehearsal and note.startswith("Rehearsal"))
    )
