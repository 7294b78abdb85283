"""Whether pairwise comparisons can be believed: the judge's position bias, missing ones, and what gave an arm away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.checks.checked_run import CheckedRun, percent
from harness.model import Check, Judgement, Level
from harness.stats.preferences import FAIR, FEWEST, UNBIASED, position_bias
from harness.stats.results import ALPHA


def position(subject: CheckedRun) -> Iterator[Check]:
    """Per preference, the share of decided answers for the conversation that was shown first."""
    low, high, lowest, highest = map(percent, (*UNBIASED, *FAIR))
    expected = f"{low} to {high}, or chance (p ≥ {ALPHA:g}); fails below {lowest} and above {highest}"
    for metric, some in _by_metric(subject).items():
        found = position_bias(some)
        said = f"{found.decided} decided answers, too few to tell" if found.decided < FEWEST else ""
        if not said and found.rate is not None:
            said = f"what is shown first is preferred in {percent(found.rate)} of {found.decided} decided answers"
            said += ": the judge follows the order" if found.level is Level.FAIL else ""
        yield Check("position", found.level, said, found.rate, expected, metric)


def comparisons(subject: CheckedRun) -> Iterator[Check]:
    """Per preference, the comparisons that are missing, with the most frequent reason."""
    for metric, some in _by_metric(subject).items():
        reasons = Counter(one.reason for one in some if one.reason is not None)
        missing, of = sum(reasons.values()), len(some)
        said = f"{of - missing} of {of} comparisons are made"
        if reasons:
            reason, times = reasons.most_common(1)[0]
            said += f"; {times} missing: {reason}"
        level = Level.WARN if missing else Level.PASS
        yield Check("comparisons", level, said, missing / of, "0 % missing", metric)


def blinding(subject: CheckedRun) -> Iterator[Check]:
    """Comparisons in which the judge read words that only one arm declares, such as instructions that were repeated."""
    lines = [one for one in subject.run.comparisons if "answers" in one]
    for metric in _by_metric(subject):
        mine = [one for one in lines if one.get("metric") == metric]
        shown = sum(bool(one.get("revealed")) for one in mine)
        level = Level.WARN if shown else Level.PASS
        said = f"{shown} of {len(mine)} comparisons showed words that one arm alone declares"
        yield Check("blind", level, said, shown, "0: the judge cannot tell the arms", metric)


def _by_metric(subject: CheckedRun) -> dict[str, list[Judgement]]:
    found: dict[str, list[Judgement]] = {}
    for one in subject.data.judgements:
        found.setdefault(one.metric, []).append(one)
    return found
