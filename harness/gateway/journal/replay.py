"""Match replies to questions: equal questions of a trial stay separate samples, in each of its tries.

A *question* is a request at a call site of a trial. Equal ones are distinguished by their ``occurrence``, in order of
arrival. The replies to one question are numbered by ``draw``: all but the last were rejected. Occurrences count
questions, not replies, so that a rejected reply never shifts an accepted one.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from harness.gateway.calls import CallSite, Reply

Verdict = Literal["accepted", "unacceptable", "rejected"]
"""``unacceptable`` is the gateway's own no (schema, length, emptiness), ``rejected`` the engine's."""


@dataclass(frozen=True, slots=True)
class JournaledReply:
    """One reply as the journal has it.

    ``attempt`` is the try of the trial that paid for it, from 1. ``asked`` is the model asked for, and
    ``answerer`` the same with its provider, where it is not the arm's or the session's. ``sent`` is in
    seconds since 1970, ``seconds`` how long the answer took.
    """

    site: CallSite
    digest: str
    occurrence: int
    draw: int
    attempt: int
    reply: Reply
    verdict: Verdict = "accepted"
    reason: str = ""
    asked: str = ""
    sent: float = 0.0
    seconds: float = 0.0
    answerer: str = ""

    @property
    def number(self) -> int:
        """What the provider got as ``occurrence``."""
        return number(self.site, self.occurrence, self.draw)


class SampleSlot:
    """One question over all tries of its trial. ``draws`` counts its replies; made by `TrialSamples`.

    ``rejected`` counts those of this try that the engine rejected, ``reason`` is why it did the last, which said
    ``text``, and ``max_rejections`` how many it may.
    """

    __slots__ = (
        "_earlier",
        "digest",
        "draws",
        "has_history",
        "max_rejections",
        "occurrence",
        "open",
        "reason",
        "rejected",
        "site",
        "text",
    )

    def __init__(self, site: CallSite, digest: str, occurrence: int) -> None:
        self.site, self.digest, self.occurrence = site, digest, occurrence
        self.open = True  # not held in this try
        self.has_history = False  # the journal has replies to it
        self.draws = self.rejected = 0
        self.reason = self.text = ""
        self.max_rejections: int | None = None
        self._earlier: deque[JournaledReply] = deque()

    @property
    def number(self) -> int:
        """What the provider gets as ``occurrence`` for the next draw."""
        return number(self.site, self.occurrence, self.draws)

    @property
    def spent(self) -> bool:
        """Whether it may not be asked again in this try."""
        return self.max_rejections is not None and self.rejected >= self.max_rejections

    @property
    def earlier(self) -> JournaledReply | None:
        """The journal's reply to it that is next; ``None`` when it has to be asked."""
        return self._earlier[0] if self._earlier else None

    def pass_by(self) -> None:
        """The earlier reply was taken: it is not given again in this try."""
        if self._earlier:
            self._earlier.popleft()

    def put_back(self, kept: JournaledReply) -> None:
        """Serve ``kept`` to the next equal question."""
        self._earlier.appendleft(kept)

    def drawn(
        self,
        attempt: int,
        reply: Reply,
        fault: str,
        asked: str,
        sent: float,
        seconds: float,
        answerer: str = "",
    ) -> JournaledReply:
        """Number a new reply to it; ``fault`` is what makes it unacceptable."""
        verdict: Verdict = "unacceptable" if fault else "accepted"
        place = (self.site, self.digest, self.occurrence, self.draws)
        self.draws += 1
        return JournaledReply(*place, attempt, reply, verdict, fault, asked, sent, seconds, answerer)

    def remember(self, kept: Iterable[JournaledReply], attempt: int) -> None:
        """Take over the journal's replies, for the try ``attempt``.

        Replies that the gateway rejected in this try (of an interrupted session) use up attempts as they did then.
        Other rejected replies are skipped: the next attempt is a new call. Replies that the engine rejected
        in this try use up its rejections.
        """
        self.has_history = True
        *before, last = sorted(kept, key=lambda one: one.draw)
        self.draws = last.draw + 1
        for one in before:
            if one.verdict == "unacceptable":
                self._wasted(one, attempt)
            else:  # drawn again, so the engine had rejected it: with that an ask was over, and a new one began
                self._rejected(one, attempt)
        if last.verdict == "accepted":
            self._earlier.append(last)
        elif last.verdict == "unacceptable":
            self._wasted(last, attempt)
        else:
            self._rejected(last, attempt)

    def reject(self, reason: str, text: str) -> None:
        """The engine could not use the reply that it was given."""
        self.rejected, self.reason, self.text = self.rejected + 1, reason, text
        self.open = True

    def _rejected(self, kept: JournaledReply, attempt: int) -> None:
        self._earlier.clear()
        if kept.attempt == attempt:
            self.rejected, self.reason, self.text = self.rejected + 1, kept.reason, kept.reply.text

    def _wasted(self, kept: JournaledReply, attempt: int) -> None:
        if kept.attempt == attempt:
            self._earlier.append(kept)


class TrialSamples:
    """The questions of one trial in its try number ``attempt``."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self._questions: dict[tuple[CallSite, str], list[SampleSlot]] = {}
        self._past: dict[tuple[CallSite, str, int], list[JournaledReply]] = {}
        self._asked: dict[CallSite, list[SampleSlot]] = {}
        self._journaled: dict[CallSite, list[JournaledReply]] = {}
        self.is_own_way = False  # had a new reply, a failed call or a rejection: what follows may differ

    def remember(self, kept: Iterable[JournaledReply]) -> None:
        """Take over what the journal has of the trial. Questions may have been claimed before."""
        for one in sorted(kept, key=lambda one: one.sent):
            known = self._past.setdefault((one.site, one.digest, one.occurrence), [])
            if not known:
                self._journaled.setdefault(one.site, []).append(one)
            known.append(one)
            self.is_own_way = self.is_own_way or one.verdict == "rejected"
        for question in (each for equal in self._questions.values() for each in equal):
            self._recall(question)

    def reserve(self, site: CallSite, digest: str) -> SampleSlot:
        """The first unclaimed one of the equal questions in this try; a spent one only if there is no other."""
        equal = self._questions.setdefault((site, digest), [])
        free = sorted((each for each in equal if each.open), key=lambda each: each.spent)
        question = free[0] if free else None
        if question is None:
            question = SampleSlot(site, digest, len(equal))
            self._recall(question)
            equal.append(question)
            self._asked.setdefault(site, []).append(question)
        question.open = False
        return question

    def asked_at(self, site: CallSite) -> Sequence[SampleSlot]:
        """The questions of this try at a call site, in order."""
        return self._asked.get(site, ())

    def journaled_at(self, site: CallSite) -> Sequence[JournaledReply]:
        """The first reply to each question of earlier sessions at a call site, in the order in which they were sent."""
        return self._journaled.get(site, ())

    def is_unclaimed(self, kept: JournaledReply) -> bool:
        """Whether the question that ``kept`` answers was not asked in this try."""
        return (kept.site, kept.digest, kept.occurrence) in self._past

    def reject(self, kept: JournaledReply, reason: str) -> None:
        """Reject the reply: its question comes next among its equals."""
        self.is_own_way = True
        self._questions[(kept.site, kept.digest)][kept.occurrence].reject(reason, kept.reply.text)

    def _recall(self, question: SampleSlot) -> None:
        past = self._past.pop((question.site, question.digest, question.occurrence), None)
        if past:
            question.remember(past, self.attempt)


def number(site: CallSite, occurrence: int, draw: int) -> int:
    """Another for every sample of a request within a trial, whatever order calls come in. 0 for a first plain one."""
    return _mark(site) << 32 | draw << 16 | occurrence


@lru_cache(maxsize=4096)
def _mark(site: CallSite) -> int:
    """Tells call sites apart. 0 for calls that came without one: their kind follows from the request."""
    if not site.person and site.step == -1 and site.attempt == 0:
        return 0
    text = f"{site.kind}\0{site.person}\0{site.step}\0{site.attempt}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest())
