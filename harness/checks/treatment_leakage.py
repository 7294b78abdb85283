"""Whether the treatment's words reached control, and whether both arms heard the same script (F30)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.checks.checked_run import CheckedRun, Line, percent
from harness.checks.transcript_trace import trace_of
from harness.model import Check, Level

RUN = 6
"""The number of consecutive words that identify a text; shorter runs are too common."""
TRACE, WHOLE = 0.10, 0.50
"""The share of the treatment's runs of words found in another arm: shared phrases, and the text itself."""
_WORD = re.compile(r"\w+")


def leakage(subject: CheckedRun) -> Iterator[Check]:
    """Per arm, the share of other arms' interventions in its requests.

    These are the texts rendered in transcripts, including inserted thoughts, and the script in the first line.
    """
    expected = f"at most {percent(TRACE)} of its {RUN}-word sequences; fails above {percent(WHOLE)}"
    texts = {
        arm: dict.fromkeys(t for line in subject.lines(arm) for t in _nudges(line)) for arm in subject.arms
    }
    for arm in subject.arms:
        foreign = [text for other in subject.arms for text in texts[other] if text not in texts[arm]]
        if not foreign:
            continue
        runs = {run for text in {*_told(subject, arm)} for run in _runs(text)}
        shares = {text: _share(text, runs) for text in foreign}
        text, share = max(shares.items(), key=lambda item: item[1])
        level = Level.FAIL if share > WHOLE else Level.WARN if share > TRACE else Level.PASS
        said = f"{percent(share)} of another arm's intervention occurs in the prompts of {arm}"
        yield Check("words", level, said + (f": {text[:40]!r}…" if share else ""), share, expected, arm)


def same_script(subject: CheckedRun) -> Iterator[Check]:
    """Per pair of arms, requests made in one arm only, in trials that both arms finished.

    Skips arms that declare their own texts, and plays, which may write anything into their prompts.
    Where each panel took part in one arm, per proposal.
    """
    for control, other in subject.pairs:
        if any(
            (line.get("group_settings") or {}).get("script") or line.get("engine") == "own"
            for arm in (control, other)
            for line in subject.lines(arm)
        ):
            continue
        one, two = (_heard(subject, arm) for arm in (control, other))
        common = one.keys() & two.keys()
        lone = {text for trial in common for text in one[trial] ^ two[trial]}
        level = Level.WARN if lone else Level.PASS
        requests = "request occurs" if len(lone) == 1 else "requests occur"
        where = "proposals" if subject.data.between else "pairs of trials"
        said = f"{len(lone)} {requests} in one arm only, in {len(common)} {where}"
        yield Check(
            "script",
            level,
            said,
            len(lone),
            "0: both arms hear the same script",
            f"{other} against {control}",
        )


def _nudges(line: Line) -> Iterator[str]:
    settings = line.get("group_settings") or {}
    for one in line.get("interventions") or settings.get("interventions") or ():
        yield from (
            str(one[key]) for key in ("effect", "textual") if isinstance(one, Mapping) and one.get(key)
        )


def _told(subject: CheckedRun, arm: str) -> Iterator[str]:
    for record in subject.accepted(arm):
        trace = trace_of(record)
        yield from trace["heard"]
        yield from trace["thoughts"]
    for line in subject.lines(arm):
        yield from _strings((line.get("script") or {}).get("words"))


def _heard(subject: CheckedRun, arm: str) -> dict[tuple[int, int, int], frozenset[str]]:
    found: dict[tuple[int, int, int], frozenset[str]] = {}
    for record in subject.accepted(arm):
        place = (record["rep"], record["panel"], record["proposal"])
        if subject.data.between:
            place = (0, 0, record["proposal"])
        found[place] = found.get(place, frozenset()) | frozenset(trace_of(record)["heard"])
    return found


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(part)


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = tuple(_WORD.findall(text.casefold()))
    if words:
        yield from (words[i : i + RUN] for i in range(max(1, len(words) - RUN + 1)))


def _share(text: str, runs: Iterable[tuple[str, ...]]) -> float:
    own = {*_runs(text)}
    return len(own & {*runs}) / len(own) if own else 0.0
