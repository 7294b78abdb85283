"""The tables of one run, for the page and for Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.model import Check, Draw, Level
from harness.model.roles import JUDGE
from harness.reports import binary_outcomes
from harness.reports.figures import rep_means
from harness.reports.numbers import (
    MINUS,
    NONE,
    dollars,
    duration,
    fixed,
    interval_head,
    p_value,
    percent,
    signed,
    span,
    whole,
)
from harness.reports.parts import Table
from harness.reports.plan_section import answered_by_role
from harness.reports.run_report import Published, RunReport
from harness.reports.tables import CONTRASTS, EFFECTS, about_contrasts, contrast_table
from harness.reports.verdict import basis, label
from harness.stats.binary_events import count_events
from harness.stats.results import ALPHA, Comparison, Estimate, Quantity

SHOWN = 30
"""The most rows of lists that grow with the data."""
PUBLISHED = ("Published means (SD)", "Published difference", "Published p")


@dataclass(frozen=True, slots=True)
class Captioned:
    """A table with its caption and an optional note."""

    caption: str
    table: Table
    note: str = ""


def outcomes(report: RunReport) -> Captioned:
    """Per metric the arms' means, their difference and the primary analysis, with the published result."""
    pairs = dict.fromkeys((one.control, one.treatment) for one in report.analysis.comparisons)
    several = len(report.design.groups) > 2 or len(pairs) > 1
    rows = tuple(_outcome(report, one, several=several) for one in report.analysis.comparisons)
    table = Table(_outcome_heads(report, list(pairs), several=several), rows, 1 + several)
    return Captioned("Means, differences and the primary analysis", table, " ".join(_outcome_notes(report)))


def _outcome_heads(report: RunReport, pairs: Sequence[tuple[str, str]], *, several: bool) -> tuple[str, ...]:
    controls = list(dict.fromkeys(control for control, _ in pairs)) or list(report.design.groups[:1])
    control, later, group = controls[0] if controls else NONE, "Group", "Group"
    if len(controls) > 1:
        control, later, group = "Second", "First", "Contrast"
    elif not several:
        later = pairs[0][1] if pairs else ""
    heads = ["Metric", *([group] if several else []), f"{control}, mean (SD)", f"{later}, mean (SD)", "n"]
    heads += ["Difference", "95 % CI" + ("" if report.dataset.individual else ", blocked"), "p, adjusted"]
    return (*heads, *PUBLISHED) if report.published else tuple(heads)


def _outcome(report: RunReport, comparison: Comparison, *, several: bool) -> tuple[str, ...]:
    groups = report.meta["summary"][comparison.metric]["groups"]
    control, treatment = groups[comparison.control], groups[comparison.treatment]
    primary = comparison.primary
    cells = (
        comparison.metric,
        *((label(comparison, report.analysis.comparisons),) if several else ()),
        *_means(comparison, control, treatment),
        f"{control['n']} + {treatment['n']}",
        signed(primary.difference),
        span(primary.interval),
        p_value(comparison.p_adjusted),
    )
    return (*cells, *_published(report.published.get(comparison.metric))) if report.published else cells


def _means(
    comparison: Comparison, control: Mapping[str, Any], treatment: Mapping[str, Any]
) -> tuple[str, str]:
    """Means with standard deviations; weighted means where personas have weights."""
    if comparison.weighted_means is not None:
        one, other = comparison.weighted_means
        return f"{fixed(one)} ({fixed(control['std'])})", f"{fixed(other)} ({fixed(treatment['std'])})"
    return _mean(control), _mean(treatment)


def _mean(described: Mapping[str, Any]) -> str:
    return f"{fixed(described['mean'])} ({fixed(described['std'])})"


def _published(row: Published | None) -> tuple[str, ...]:
    if row is None:
        return (NONE, NONE, NONE)
    control = f"{fixed(row.control_mean)} ({fixed(row.control_sd)})"
    treatment = f"{fixed(row.treatment_mean)} ({fixed(row.treatment_sd)})"
    return f"{control}, {treatment}", signed(row.difference), row.p


def _outcome_notes(report: RunReport) -> Iterator[str]:
    comparisons = report.analysis.comparisons
    for text in dict.fromkeys(map(_basis_without_df, comparisons) if report.dataset.individual else ()):
        yield f"Primary analysis: {text}."
    for text in dict.fromkeys(basis(one.primary) for one in comparisons if not report.dataset.individual):
        yield f"Primary analysis: {text}."
    for claim in dict.fromkeys(one.primary.estimand for one in comparisons):
        yield f"Claimed for {claim}."
    for text in dict.fromkeys(one.adjustment for one in comparisons):
        yield f"p adjusted by {text}."
    if any(one.weighted_means for one in comparisons):
        yield "Means and differences are weighted, standard deviations are not."
    elif report.dataset.individual and any(_is_apart(report, one) for one in comparisons):
        yield "Differences are of personas who answered in both arms, so they are not those of the means."
    elif any(_is_apart(report, one) for one in comparisons):
        yield (
            "Blocks have equal weight, so with unequal numbers of samples per block the difference is not that of the "
            "means."
        )
    if report.published:
        yield "Published p-values are as printed (Welch's t-test on raw scores); means: control, then treatment."


def _basis_without_df(one: Comparison) -> str:
    """Degrees of freedom differ from item to item, by who answered."""
    return f"{one.primary.method}, unit: {one.primary.unit}"


def _is_apart(report: RunReport, one: Comparison) -> bool:
    groups = report.meta["summary"][one.metric]["groups"]
    means = (groups[one.treatment]["mean"], groups[one.control]["mean"])
    if None in means or one.primary.difference is None:
        return False
    return bool(abs(means[0] - means[1] - one.primary.difference) > 0.005)


def estimates(comparison: Comparison) -> Captioned:
    """Every method's estimate of one metric, with its unit, df and estimand."""
    every = (comparison.primary, *comparison.secondary, comparison.generalising)
    return Captioned(
        f"{comparison.metric}: {comparison.treatment} {MINUS} {comparison.control}, by every method",
        Table(
            ("Method", "Claimed for", "Unit", "n", "Difference", "SE", "df", "p", "CI", "Note"),
            tuple(map(_estimate, every)),
            left=3,
        ),
    )


def _estimate(one: Estimate) -> tuple[str, ...]:
    return (
        one.method,
        one.estimand,
        one.unit,
        whole(one.n),
        signed(one.difference),
        fixed(one.se),
        whole(one.df),
        p_value(one.p),
        span(one.interval) + (f" ({percent(one.interval.level)})" if one.interval else ""),
        "; ".join(text for text in (one.reason, one.note) if text) or NONE,
    )


def effects(report: RunReport) -> Captioned:
    """Hedges' g, intraclass correlations and design effect, per comparison."""
    several = len(report.design.groups) > 2
    rows = (
        (
            f"{one.metric} ({label(one, report.analysis.comparisons)})" if several else one.metric,
            *map(_quantity, (one.hedges_g, one.icc_trial, one.icc_person, one.design_effect)),
        )
        for one in report.analysis.comparisons
    )
    return Captioned(
        "Effect sizes and intraclass correlations",
        Table(("Metric", "Hedges’ g", "ICC, trial", "ICC, persona", "Design effect"), tuple(rows)),
        " ".join(f"{reason[:1].upper()}{reason[1:]}." for reason in _why_not(report)),
    )


def contrasts(report: RunReport) -> Iterator[Captioned]:
    """Contrasts declared by weights, then main effects and interactions of factors, where there are some."""
    for caption, found in ((CONTRASTS, report.analysis.contrasts), (EFFECTS, report.analysis.effects)):
        if found:
            head = interval_head(one.estimate.interval for one in found)
            table = contrast_table(found, ("Difference", f"{head}, blocked", "t", "df", "p", "p, adjusted"))
            yield Captioned(caption, table, " ".join(about_contrasts(found)))


def _why_not(report: RunReport) -> list[str]:
    found = (
        quantity.reason.rstrip(".")
        for one in report.analysis.comparisons
        for quantity in (one.hedges_g, one.icc_trial, one.icc_person, one.design_effect)
        if quantity.value is None and quantity.reason
    )
    return list(dict.fromkeys(found))


def _quantity(one: Quantity) -> str:
    return fixed(one.value) + (f" ({span(one.interval)})" if one.interval and one.value is not None else "")


def counts(report: RunReport) -> Captioned | None:
    """Events of each arm with exact tests, for metrics that are 0 or 1; ``None`` if there are none."""
    found = count_events(report.dataset)
    return (
        Captioned(
            binary_outcomes.CAPTION, binary_outcomes.table(found), " ".join(binary_outcomes.about(found))
        )
        if found
        else None
    )


def steadiness(report: RunReport) -> Captioned:
    """The mean of each repetition, per metric and group."""
    reps = report.design.reps
    rows = (
        (metric, group, *map(fixed, means))
        for metric in report.design.metrics
        for group, means in rep_means(report.dataset, metric, reps).items()
    )
    heads = ("Metric", "Group", *(f"rep {number}" for number in range(1, reps + 1)))
    return Captioned("Mean per repetition", Table(heads, tuple(rows), 2))


def alarms(report: RunReport) -> Captioned | None:
    """The validity checks that fail or warn, the worst first; ``None`` if all passed."""
    order = tuple(Level)[::-1]
    bad = [one for one in report.checks if one.level is not Level.PASS]
    bad.sort(key=lambda one: order.index(one.level))
    return _checks("Validity checks that fail or warn", bad) if bad else None


def passes(report: RunReport) -> Captioned:
    """The validity checks that passed."""
    return _checks("Checks passed", [one for one in report.checks if one.level is Level.PASS])


def _checks(caption: str, found: Iterable[Check]) -> Captioned:
    rows = (
        (
            str(one.level),
            one.name,
            one.about or NONE,
            one.message,
            one.threshold or NONE,
            NONE if one.number is None else f"{one.number:.4g}".replace("-", MINUS),
        )
        for one in found
    )
    return Captioned(
        caption, Table(("Level", "Check", "About", "Finding", "Expected", "Number"), tuple(rows), 5)
    )


def missing(report: RunReport) -> Captioned:
    """Samples expected and obtained, per metric and group."""
    keys = ("expected", "obtained", "unfinished", "missing")
    rows = (
        (metric, group, *(whole(counts[metric][key]) for key in keys))
        for metric in report.design.metrics
        for group, counts in report.meta["samples"].items()
    )
    heads = ("Metric", "Group", "Expected", "Obtained", "Trial not finished", "Missing in a finished trial")
    return Captioned("Samples expected and obtained", Table(heads, tuple(rows), 2))


def reasons(report: RunReport) -> Captioned | None:
    """Why samples are missing and tries failed, the most frequent reasons first; ``None`` if there are none."""
    counts: Counter[tuple[str, str, str]] = Counter(_reasons(report))
    if not counts:
        return None
    rows = tuple((*key, whole(count)) for key, count in counts.most_common(SHOWN))
    left = len(counts) - len(rows)
    note = f"{left:,} more reasons not shown." if left else ""
    return Captioned("Reasons", Table(("What", "Where", "Why", "Times"), rows, 3), note)


def _reasons(report: RunReport) -> Iterator[tuple[str, str, str]]:
    for one in report.meta["missing_samples"]:
        yield "missing sample", f"{one['group']}: {one['metric']}", str(one["reason"])
    for one in report.meta["failures"]:
        kind = "failed try, recovered" if one["recovered"] else "failed try"
        yield kind, str(one["trial"]).split("/rep")[0], str(one["reason"])
    for one in report.meta["unexpected"]:
        yield "left out", str(one.get("metric") or one["trial"]), str(one["why"])


def calls(report: RunReport) -> Captioned:
    """Model calls by kind, tokens and cost."""
    usage = report.meta["usage"]
    rows = [(kind, whole(count)) for kind, count in usage["calls"].items()]
    rows += [
        ("all calls", whole(sum(usage["calls"].values()))),
        ("tokens in", whole(usage["tokens_in"])),
        ("tokens out", whole(usage["tokens_out"])),
        ("cost", dollars(usage)),
    ]
    for group, used in (report.meta.get("usage_by_group") or {}).items():
        rows += [
            (f"{group}: calls", whole(sum(used["calls"].values()))),
            (f"{group}: tokens in, out", f"{whole(used['tokens_in'])}, {whole(used['tokens_out'])}"),
            (f"{group}: cost", dollars(used)),
        ]
    return Captioned("Calls, tokens and cost of all tries", Table(("Item", "Number"), tuple(rows)))


def times(report: RunReport) -> Captioned:
    """Per group: trials, tries, their duration, first start and last end."""
    heads = ("Group", "Finished trials", "Tries", "Median time of a try", "First start", "Last end")
    rows = tuple((group, *_time(_of(report, group))) for group in report.design.groups)
    return Captioned("Trials and time", Table(heads, rows))


def _of(report: RunReport, group: str) -> list[Any]:
    start = f"{report.experiment}/{group}/"
    return [one for one in report.run.outcomes.values() if one.trial.startswith(start)]


def _time(outcomes: Sequence[Any]) -> tuple[str, ...]:
    tries = [
        one for found in outcomes for one in (*found.failures, *([found.accepted] if found.accepted else ()))
    ]
    lasted = sorted(seconds for one in tries for seconds in _seconds(one))
    return (
        whole(sum(one.accepted is not None for one in outcomes)),
        whole(sum(one.attempts for one in outcomes)),
        duration(lasted[len(lasted) // 2] if lasted else None),
        _moment(min(_texts(tries, "started"), default=None)),
        _moment(max(_texts(tries, "ended"), default=None)),
    )


def _seconds(one: Mapping[str, Any]) -> Iterator[float]:
    """How long a try took, by its start and end, which readers keep of every line."""
    with suppress(KeyError, TypeError, ValueError):
        yield (datetime.fromisoformat(one["ended"]) - datetime.fromisoformat(one["started"])).total_seconds()


def _texts(records: Iterable[Mapping[str, Any]], key: str) -> list[str]:
    return [str(one[key]) for one in records if one.get(key)]


def _moment(text: str | None) -> str:
    return NONE if text is None else f"{text[:19].replace('T', ' ')} UTC"


def provenance(report: RunReport) -> Captioned:
    """The provenance of the numbers: code, model, script, population."""
    return Captioned("Provenance", Table(("What", "Value"), tuple(_origins(report)), 2))


def _origins(report: RunReport) -> Iterator[tuple[str, str]]:
    line = report.first_line
    yield "experiment, run", f"{report.experiment}, {report.run_id}"
    yield "fingerprint of the settings", str(line.get("fingerprint") or NONE)
    yield "code", f"{line.get('git_commit') or 'no commit'}{_dirt(line.get('git_dirty'))}"
    yield "harness, Python", f"{_set(line.get('harness_version'))}, {_set(line.get('python_version'))}"
    yield "engine, provider, model", ", ".join(_set(line.get(key)) for key in ("engine", "provider", "model"))
    roles = report.meta["usage"].get("roles")
    judge = ", ".join(_set(line.get(key)) for key in ("judge_provider", "judge_model"))
    if not roles or JUDGE in roles:
        yield "judge", judge if line.get("judge_model") else "the model under test"
    if roles:
        yield "replies by role", answered_by_role(roles)
    yield "answered by", _answering(report.meta["usage"]["models"])
    yield "endpoint", str(line.get("base_url") or "the provider's own")
    yield "temperature, seed, mode", ", ".join(_set(line.get(key)) for key in ("temperature", "seed", "mode"))
    for what in ("script", "population"):
        source = line.get(what) or {}
        origin = "none" if source.get("people") == 0 else _set(source.get("source"))
        yield what, f"{origin}, SHA-256 {_set(source.get('sha256'))}"
    if chosen := chosen_in_words(line.get("population") or {}):
        yield "people", chosen
    picked = {key: value for key, value in (line.get("selection") or {}).items() if value}
    yield "selection", ", ".join(f"-{key} {value}" for key, value in picked.items()) or "everything"
    yield "significance", f"two-sided; an adjusted p below {ALPHA} counts"


def chosen_in_words(population: Mapping[str, Any]) -> str:
    """How the people of a run were chosen and weighted; empty where everyone takes part alike."""
    steps = [str(Draw.from_metadata(step)) for step in population.get("sampling") or ()]
    effective = population.get("effective_n")
    return "; ".join([*steps, *([] if effective is None else [f"effective n {effective:,.0f} (Kish)"])])


def _dirt(dirty: bool | None) -> str:
    return ", uncommitted changes unknown" if dirty is None else ", with uncommitted changes" * dirty


def _set(value: Any) -> str:
    return "not set" if value is None else str(value)


def _answering(models: Sequence[Mapping[str, Any]]) -> str:
    names = (
        f"{one['model'] or 'an unnamed model'}{_in_brackets(one['fingerprint'])}: "
        f"{whole(one['replies'])} replies"
        for one in models
    )
    return "; ".join(names) or NONE


def _in_brackets(text: str | None) -> str:
    return f" ({text})" if text else ""


def files(report: RunReport) -> Captioned:
    """The record files by name and hash, with their unreadable parts."""
    rows = (
        (
            file.path.name,
            file.sha256,
            "; ".join(one.where for one in file.problems) or "none",
        )
        for file in report.run.files
    )
    return Captioned("Record files", Table(("File", "SHA-256", "Problems"), tuple(rows), 3))
