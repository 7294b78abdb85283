"""Rejected, unwrapped and refused replies (F44)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.checks.checked_run import CheckedRun, Record, counts_by_arm, percent
from harness.checks.missing_data import FEW, MANY, graded
from harness.model import Check, Level
from harness.records.reader import SampleColumns, TrialHistory
from harness.stats.counts import Count, stratified
from harness.stats.results import ALPHA

_DETAIL = re.compile(r"[(:].*", re.DOTALL)


def unparseable(subject: CheckedRun) -> Iterator[Check]:
    """Per arm, the share of model calls whose replies were truncated, empty, not JSON, or against their schema."""
    expected = f"at most {percent(FEW)} of calls; fails above {percent(MANY)}"
    for arm in subject.arms:
        rejected = [one for record in subject.tries(arm) for one in record.get("rejections") or ()]
        calls = max(sum(map(_calls, subject.tries(arm))), len(rejected))
        share = len(rejected) / calls if calls else None
        why = Counter(
            f"{one.get('kind')}: {_DETAIL.sub('', str(one.get('reason'))).strip()}" for one in rejected
        )
        commonest = "; most often " + why.most_common(1)[0][0][:60] if why else ""
        said = f"{len(rejected):,} of {calls:,} replies were rejected{_by_kind(subject, arm, rejected)}{commonest}"
        yield Check("unparseable", graded(share), said, share, expected, arm)


def _by_kind(subject: CheckedRun, arm: str, rejected: Sequence[Mapping[str, Any]]) -> str:
    """The rates by kind of call, where several kinds have rejected replies."""
    bad = Counter(str(one.get("kind")) for one in rejected)
    if len(bad) < 2:
        return ""
    calls = Counter[str]()
    for record in subject.tries(arm):
        calls.update(
            {kind: count or 0 for kind, count in ((record.get("usage") or {}).get("calls") or {}).items()}
        )
    return f" ({', '.join(f'{kind} {count:,} of {max(calls[kind], count):,}' for kind, count in bad.most_common())})"


def unwrapped(subject: CheckedRun) -> Iterator[Check]:
    """Per arm, the share of replies whose JSON was in a fence, in prose or in a string.

    Each contains exactly one valid value. WARN above 5 % of an arm's replies, or where another arm's share is more than
    5 points away: then an arm's sample depends on lenient parsing. Thoughts and end tokens come from chat templates and
    count in the message only.
    """
    used = {arm: sum(_count(one, "used") for one in _replies(subject, arm)) for arm in subject.arms}
    counts = {arm: _wrappings(subject, arm) for arm in subject.arms}
    shares = {arm: _lenient(counts[arm]) / used[arm] for arm in subject.arms if used[arm]}
    expected = f"at most {percent(FEW)} of replies, arms at most {percent(FEW)} apart"
    for arm in subject.arms:
        if arm not in shares:
            said = "no record of how replies were parsed"
            yield Check("unwrapped", Level.PASS, said, None, expected, arm)
            continue
        apart = max(abs(shares[arm] - share) for share in shares.values())
        level = Level.WARN if max(shares[arm], apart) > FEW else Level.PASS
        thinking = sum(_count(one, "with_thoughts") for one in _replies(subject, arm))
        said = f"the JSON of {_lenient(counts[arm]):,} of {used[arm]:,} replies was wrapped in other text"
        found = [f"{count:,} {_WRAPPINGS[name]}" for name, count in sorted(counts[arm].items())]
        said += f" ({', '.join(found)})" if found else ""
        said += f"; reasoning was separated in {thinking:,}" if thinking else ""
        yield Check("unwrapped", level, said, shares[arm], expected, arm)


def refusals(subject: CheckedRun) -> Iterator[Check]:
    """Per pair of arms, in how many trials the model refused something, with Fisher's exact test over trials.

    WARN above 5 % of an arm's trials, or where the arms differ with p < .05: then content selects what is scored.
    """
    expected = f"at most {percent(FEW)} of trials, arms alike (exact p ≥ {ALPHA:g})"
    for control, other in subject.pairs:
        counts = {arm: _refused(subject, arm) for arm in (control, other)}
        p = stratified([(Count(*counts[control]), Count(*counts[other]))]).p or 1.0
        share = max(count / of for count, of in counts.values())
        said = f"the model declined in {counts_by_arm(counts)} trials; Fisher's exact p = {p:.3g}"
        level = Level.WARN if share > FEW or p < ALPHA else Level.PASS
        yield Check("refusals", level, said, share, expected, f"{other} against {control}")


def asked_again(subject: CheckedRun) -> Iterator[Check]:
    """How many trials were refused in one try and accepted from another (F44)."""
    outcomes = [outcome for arm in subject.arms for outcome in subject.outcomes(arm)]
    vanished = sum(map(_vanished, outcomes))
    share = vanished / len(outcomes) if outcomes else None
    level = Level.PASS if not vanished else Level.FAIL if vanished / len(outcomes) > FEW else Level.WARN
    said = f"in {vanished:,} of {len(outcomes):,} trials a refusal disappeared on retry"
    yield Check("refusals asked away", level, said, share, f"0; fails above {percent(FEW)} of trials")


_WRAPPINGS = {
    "fence": "in a fence",
    "prose": "in prose",
    "string": "in a string",
    "thoughts": "after thoughts",
    "end token": "before an end token",
}
_LENIENT = ("fence", "prose", "string")


def _lenient(counts: Counter[str]) -> int:
    return sum(counts[name] for name in _LENIENT)


def _wrappings(subject: CheckedRun, arm: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in _replies(subject, arm):
        places = one.get("unwrapped")
        if isinstance(places, Mapping):
            found.update({name: count for name in _WRAPPINGS if (count := _count(places, name))})
    return found


def _replies(subject: CheckedRun, arm: str) -> Iterator[Mapping[str, Any]]:
    for record in subject.tries(arm):
        if isinstance(record.get("replies"), Mapping):
            yield record["replies"]


def _count(counts: Mapping[str, Any], name: str) -> int:
    count = counts.get(name)
    return count if isinstance(count, int) else 0


def stated_tokens(subject: CheckedRun) -> Iterator[Check]:
    """How many replies stated tokens that do not add up; their cost is the highest reading."""
    faults: Counter[str] = Counter()
    counts = {}
    for arm in subject.arms:
        used = [record.get("usage") or {} for record in subject.tries(arm)]
        own = Counter[str]()
        for usage in used:
            own.update({fault: count or 0 for fault, count in (usage.get("usage_faults") or {}).items()})
        answered = sum(one.get("replies") or 0 for usage in used for one in usage.get("models") or ())
        counts[arm] = (own.total(), max(answered, own.total()))
        faults += own
    total, replies = (sum(numbers) for numbers in zip(*counts.values(), strict=True)) if counts else (0, 0)
    commonest = f"; most often {faults.most_common(1)[0][0][:60]}" if faults else ""
    said = f"replies whose tokens do not add up: {counts_by_arm(counts) or 0}{commonest}"
    level = Level.WARN if total else Level.PASS
    yield Check("stated tokens", level, said, total / replies if replies else None, "0 replies")


def _calls(record: Record) -> int:
    usage = record.get("usage") or {}
    return sum(count or 0 for count in (usage.get("calls") or {}).values())


def _refused(subject: CheckedRun, arm: str) -> tuple[int, int]:
    outcomes = subject.outcomes(arm)
    return sum(any(map(_declined, outcome.tries)) for outcome in outcomes), len(outcomes)


def _declined(record: Record) -> bool:
    reasons = SampleColumns.of(record.get("samples") or ()).reasons
    return (
        bool(record.get("refusals"))
        or record.get("kind") == "RefusedError"
        or any(str(reason or "").startswith("refused") for reason in reasons)
    )


def _vanished(outcome: TrialHistory) -> bool:
    accepted = outcome.accepted
    return accepted is not None and not _declined(accepted) and any(map(_declined, outcome.failures))
