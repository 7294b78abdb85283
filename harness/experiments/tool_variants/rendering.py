"""Render the analysis of a run: headings, tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.experiments.tool_variants.analysis import (
    FEWEST,
    Behaviour,
    VariantComparison,
    VariantsAnalysis,
    analyse,
)
from harness.experiments.tool_variants.run_records import read_run
from harness.model import Check
from harness.records import FiledRun
from harness.records.json_safe import plain
from harness.reports.numbers import NONE, fixed, p_value, signed, span
from harness.reports.parts import REHEARSAL, Heading, Items, Part, Table
from harness.stats.results import Estimate


def run_parts(run: FiledRun, checks: Sequence[Check]) -> Iterator[Part]:
    """For a report: the decision on ``run``, given its validity ``checks``."""
    return answer_parts(analyse(read_run(run), checks))


def answer_json(answer: VariantsAnalysis) -> Mapping[str, Any]:
    """The whole analysis as plain values."""
    content: Mapping[str, Any] = plain(answer)[0]
    return content


def answer_parts(answer: VariantsAnalysis) -> Iterator[Part]:
    """The decision, then its evidence."""
    yield Heading(f"Tool variants, run {answer.run_id}")
    if answer.rehearsal:
        yield REHEARSAL
    if answer.part:
        yield f"PART: {answer.part}. It is a separate run, never pooled with a complete one."
    yield (
        f"{answer.model}, temperature {answer.temperature}; {answer.scenarios} scenarios × {answer.reps} repetitions. "
        "Repetitions are averaged within a scenario first, so n counts scenarios."
    )
    for one in answer.comparisons:
        yield from _decided(one)
    yield from _outcomes(answer.behaviours)
    for one in answer.comparisons:
        yield from _compared(one)
    yield from _rule(answer.rule)


def _decided(one: VariantComparison) -> Iterator[Part]:
    yield Heading(f"{one.variant} against {one.first}: {one.decision.choice}", 2)
    yield Items(tuple(f"{reason}." for reason in one.decision.because))


def _outcomes(behaviours: Sequence[Behaviour]) -> Iterator[Part]:
    yield Heading("Outcomes", 2)
    names = list(dict.fromkeys(name for one in behaviours for name in one.outcomes))
    rows = [(name, *(str(one.outcomes.get(name, NONE)) for one in behaviours)) for name in names]
    rows.append(("appropriate", *(str(one.appropriate) for one in behaviours)))
    rows.append(("rejected replies", *(str(one.asked_again) for one in behaviours)))
    rows.append(("tokens, mean per turn", *(fixed(one.tokens, 1) for one in behaviours)))
    rows.append(("latency, mean per turn (s)", *(fixed(one.latency) for one in behaviours)))
    yield Table(("outcome", *(one.variant for one in behaviours)), tuple(rows))
    texts = [
        f"{one.variant}: {count} of {sum(one.failures.values())} failed turns: {reason}."
        for one in behaviours
        for reason, count in one.failures.items()
    ]
    texts += [
        f"{one.variant}: {one.silent} turns had empty replies only; they count as empty, and not as appropriate."
        for one in behaviours
        if one.silent
    ]
    if texts:
        yield Items(tuple(texts))


def _compared(one: VariantComparison) -> Iterator[Part]:
    yield Heading(f"{one.variant} − {one.first}, appropriate turns", 2)
    numbers = _row(one.primary, one.spread)
    adjusted = () if one.p_adjusted == one.primary.p else (p_value(one.p_adjusted),)
    heads = ("method", "n", "difference", "95 % CI", "p", *(("adj.",) if adjusted else ()))
    yield Table(heads, ((one.primary.method, str(one.primary.n), *numbers, *adjusted),))
    yield f"Claimed for {one.primary.estimand}. CI: Student's t over scenarios."
    texts = [text for text in (one.primary.reason, one.spread.reason, one.primary.note) if text]
    if one.dropped:
        texts.append(f"left out, without a reply in one of the two: {', '.join(one.dropped)}")
    if texts:
        yield Items(tuple(f"{text}." for text in dict.fromkeys(texts)))
    yield from _categories(one)
    rows = (
        (name, str(each.n), *_row(each, each))
        for name, each in (("tokens", one.tokens), ("latency (s)", one.latency))
    )
    yield Table(("secondary", "n", "difference", "95 % CI", "p"), tuple(rows))
    rows = ((each.method, str(each.n), *_row(each, each)) for each in one.beside)
    yield Table(("treats calls as independent", "n", "difference", "95 % CI", "p"), tuple(rows))
    reasons = [f"{each.method}: {each.reason}." for each in one.beside if each.reason]
    if reasons:
        yield Items(tuple(reasons))


def _categories(one: VariantComparison) -> Iterator[Part]:
    rows = tuple(
        (
            each.category or NONE,
            str(each.scenarios),
            *map(str, each.counts),
            signed(each.difference),
            p_value(each.test.p) if each.test else "not tested",
        )
        for each in one.categories
    )
    yield Table(("category", "scenarios", one.first, one.variant, "difference", "p"), rows)
    if any(each.test is None for each in one.categories):
        yield f"Categories of fewer than {FEWEST} scenarios are counted, not tested."


def _row(test: Estimate, spread: Estimate) -> tuple[str, str, str]:
    return signed(spread.difference), span(spread.interval), p_value(test.p)


def _rule(rule: Mapping[str, object]) -> Iterator[Part]:
    if rule:
        yield Heading("The rule, stated in the records from the start", 2)
        yield Items(tuple(f"{name}: {value}" for name, value in rule.items()))
