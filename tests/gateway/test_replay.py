"""Which reply answers which question, in one try, after a crash, and in the next try."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.requests import ask

from harness.errors import ModelCallError
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.journal.replay import JournaledReply, TrialSamples, Verdict, number
from harness.gateway.retry import RetryPolicy

SITE = CallSite("act", "Ada", 1)


def kept(draw: int, verdict: Verdict, attempt: int = 1, occurrence: int = 0) -> JournaledReply:
    return JournaledReply(SITE, "d", occurrence, draw, attempt, Reply(f"reply {occurrence}.{draw}"), verdict)


@pytest.mark.parametrize(
    ("past", "served", "draws"),
    [
        ([], [], 0),
        ([kept(0, "accepted")], ["reply 0.0"], 1),
        ([kept(0, "rejected")], [], 1),
        ([kept(0, "rejected"), kept(1, "accepted")], ["reply 0.1"], 2),
        # A crash lost the word that draw 0 was rejected, but it was drawn again.
        ([kept(0, "accepted"), kept(1, "accepted")], ["reply 0.1"], 2),
        ([kept(0, "accepted"), kept(1, "rejected")], [], 2),
        # Attempts of a try that was cut off count on; those of a try that failed do not.
        ([kept(0, "unacceptable", 2), kept(1, "accepted", 2)], ["reply 0.0", "reply 0.1"], 2),
        ([kept(0, "unacceptable", 1), kept(1, "unacceptable", 1)], [], 2),
        ([kept(0, "unacceptable", 1), kept(1, "unacceptable", 2)], ["reply 0.1"], 2),
        ([kept(0, "unacceptable", 1), kept(1, "accepted", 1)], ["reply 0.1"], 2),
        # With the engine's rejection the ask was over that the attempts before it belonged to.
        ([kept(0, "unacceptable", 2), kept(1, "rejected", 2), kept(2, "unacceptable", 2)], ["reply 0.2"], 3),
        ([kept(0, "unacceptable", 2), kept(1, "rejected", 2)], [], 2),
        # A row was damaged and left out.
        ([kept(3, "accepted")], ["reply 0.3"], 4),
    ],
)
def test_what_a_later_session_gives(past: Sequence[JournaledReply], served: list[str], draws: int) -> None:
    samples = TrialSamples(attempt=2)
    samples.remember(reversed(past))
    question = samples.reserve(SITE, "d")
    given = []
    while question.earlier is not None:
        given.append(question.earlier.reply.text)
        question.pass_by()
    assert (given, question.draws) == (served, draws)


def test_equal_questions_are_numbered_on_arrival_and_a_reopened_one_is_the_next() -> None:
    samples = TrialSamples(1)
    first, second, other = (
        samples.reserve(SITE, "d"),
        samples.reserve(SITE, "d"),
        samples.reserve(replace(SITE, step=2), "d"),
    )
    assert [one.occurrence for one in (first, second, other)] == [0, 1, 0]
    assert len({one.number for one in (first, second, other)}) == 3
    samples.reject(kept(0, "accepted"), "of no use")
    assert samples.reserve(SITE, "d") is first
    assert samples.reserve(SITE, "d").occurrence == 2


def test_the_past_reaches_questions_that_were_claimed_before_it_was_known() -> None:
    samples = TrialSamples(1)
    early = samples.reserve(SITE, "d")
    samples.remember([kept(0, "accepted"), kept(0, "accepted", occurrence=1)])
    late = samples.reserve(SITE, "d")
    assert [one.earlier and one.earlier.reply.text for one in (early, late)] == ["reply 0.0", "reply 1.0"]


@given(
    st.lists(
        st.tuples(
            st.builds(CallSite, st.text(), st.text(), st.integers()), st.integers(0, 99), st.integers(0, 99)
        ),
        unique=True,
    )
)
def test_no_two_samples_have_one_number(places: list[tuple[CallSite, int, int]]) -> None:
    assert len({number(*place) for place in places if place[0].person}) == len(
        [place for place in places if place[0].person]
    )


# Random trials that are killed and go on, against the same trial undisturbed.


@dataclass
class World:
    """A provider that is a function of trial, request and occurrence, and of nothing else; it can be cut off."""

    seed: int
    patience: int = 10**9
    empty: int = 5  # of 16 replies
    sent: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    answered: set[tuple[str, str, int]] = field(default_factory=set)
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "world"
    model: str = "world-1"

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        sample = (trial, request.digest, occurrence)
        self.sent[sample] += 1
        if sum(self.sent.values()) > self.patience:
            self.cut.set()
            await asyncio.Event().wait()
        for _ in range(Random(f"{self.seed}{len(self.sent)}").randrange(4)):
            await asyncio.sleep(0)
        self.answered.add(sample)
        return Reply(self.text(sample))

    def text(self, sample: tuple[str, str, int]) -> str:
        mark = hashlib.sha256(f"{sample}".encode()).hexdigest()[:12]
        return "" if int(mark[0], 16) < self.empty else mark

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        return [[1.0]]

    async def aclose(self) -> None: ...


def is_useful(text: str) -> bool:
    return text[1] not in "012345"


@dataclass
class Play:
    """What one session made of the trial."""

    texts: list[str | None]
    handed: Counter[str]
    refused: set[str]


async def session(world: World, folder: Path, questions: Sequence[tuple[int, int]], attempt: int = 1) -> Play:
    """Ask everything at once; each asks again, as the embedded engine does, until the reply is of use."""
    gateway = Gateway(world, concurrency=3, journal=Journal(folder), retry=RetryPolicy(max_replies=3))
    client = gateway.open_trial("t", "run", attempt)
    play = Play([None] * len(questions), Counter(), set())

    async def one(place: int, prompt: int, step: int) -> None:
        while True:
            try:
                reply = await client.complete(ask(str(prompt)), CallSite("act", "Ada", step))
            except ModelCallError:
                play.texts[place] = "failed"
                return
            play.handed[reply.text] += 1
            if is_useful(reply.text):
                play.texts[place] = reply.text
                return
            client.reject(reply, "useless")
            play.refused.add(reply.text)

    tasks = [asyncio.ensure_future(one(place, *question)) for place, question in enumerate(questions)]
    done = asyncio.ensure_future(asyncio.wait(tasks))
    await asyncio.wait([done, asyncio.ensure_future(world.cut.wait())], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await gateway.aclose()
    return play


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=7),
    st.lists(st.integers(0, 12), max_size=3),
    st.integers(0, 10**6),
)
def test_whenever_it_is_cut_off_a_trial_ends_as_if_it_had_not_been(
    questions: list[tuple[int, int]], patiences: list[int], seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole = asyncio.run(session(undisturbed := World(seed), Path(folder, "whole"), questions))
        sent: Counter[tuple[str, str, int]] = Counter()
        answered: set[tuple[str, str, int]] = set()
        refused: set[str] = set()
        for step, patience in enumerate((*patiences, 10**9)):
            world = World(seed + step, patience)
            play = asyncio.run(session(world, Path(folder, "cut"), questions))
            assert not refused & set(play.handed), "a rejected reply was replayed"
            assert not answered & set(world.sent), "an answered sample was paid for twice"
            refused |= play.refused
            answered |= world.answered
            sent += world.sent
        assert play.texts == whole.texts
        assert answered == undisturbed.answered
        assert sum(sent.values()) <= sum(undisturbed.sent.values()) + 3 * len(patiences)
        assert whole.texts.count("failed") or len(set(play.texts)) == len(questions), "two samples are one"


def test_the_next_try_of_a_failed_trial_asks_anew_and_only_for_what_was_of_no_use(tmp_path: Path) -> None:
    questions = [(prompt, 0) for prompt in range(40)]
    first = World(1, empty=10)
    one = asyncio.run(session(first, tmp_path, questions))
    assert 0 < one.texts.count("failed") < 40
    second = World(1, empty=10)
    two = asyncio.run(session(second, tmp_path, questions, attempt=2))
    for before, after in zip(one.texts, two.texts, strict=True):
        assert before == after or before == "failed"
    assert 0 < len({digest for _, digest, _ in second.sent}) == one.texts.count("failed")
    assert not first.answered & set(second.sent)
