from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import MappingProxyType

import pytest
from support.requests import SCORE, ask

from harness.errors import ConfigurationError, ModelCallError, StoppedError, UnacceptableReplyError
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.replay import number
from harness.gateway.requests.identity import digest
from harness.gateway.retry import RetryPolicy

GOOD = '{"reasoning": "r", "justification": "j", "value": 7}'
SITE = CallSite("score", "Ann", 3)


class Stub:
    """Answers what ``answer`` makes of the call's number, counted from 0; an exception is raised."""

    name, model = "stub", "stub-1"

    def __init__(self, answer: Callable[[int], Reply | Exception], gate: asyncio.Event | None = None) -> None:
        self.asked: list[tuple[Request, str, int]] = []
        self.closed = False
        self.answer, self.gate = answer, gate
        self.at_once = self.most_at_once = 0

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.asked.append((request, trial, occurrence))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await (self.gate.wait() if self.gate else asyncio.sleep(0))
        self.at_once -= 1
        answer = self.answer(len(self.asked) - 1)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        return [[1.0] for _ in texts]

    async def aclose(self) -> None:
        self.closed = True


def ask_once(
    answers: Sequence[Reply | Exception], request: Request, **more: object
) -> tuple[Stub, object, Gateway]:
    stub = Stub(lambda number: answers[min(number, len(answers) - 1)])
    gateway = Gateway(stub, **more)  # type: ignore[arg-type]
    client = gateway.open_trial("t")
    return stub, asyncio.run(client.complete(request, SITE)), gateway


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Reply(""), "empty"),
        (Reply(" \n "), "empty"),
        (Reply(GOOD, finish_reason="length"), "cut at the length limit"),
        (Reply("I think seven."), "not JSON"),
        (Reply("NaN"), "NaN is not JSON"),
        (Reply("[" * 100_000), "not JSON"),
        (Reply('{"reasoning": "r", "justification": "j", "value": 12}'), "value: 12 is greater"),
        (Reply('{"reasoning": "r", "justification": "j"}'), "'value' is a required"),
        (Reply("x" * 1_000_001), "longer than 1,000,000"),
    ],
)
def test_a_bad_reply_is_asked_again_as_a_new_sample(bad: Reply, reason: str) -> None:
    stub, reply, gateway = ask_once([bad, bad, Reply(GOOD, tokens_in=5)], ask("x", response_format=SCORE))
    assert reply.data == {"reasoning": "r", "justification": "j", "value": 7}
    assert [occurrence for _, _, occurrence in stub.asked] == [number(SITE, 0, draw) for draw in range(3)]
    assert (gateway.calls, gateway.calls_by_kind["score"], gateway.tokens_in) == (3, 3, 5)
    rejections = gateway._trials.popitem()[1].rejections
    assert [each["attempt"] for each in rejections] == [0, 1]
    assert reason in rejections[0]["reason"]
    assert rejections[0]["kind"] == "score" and rejections[0]["person"] == "Ann"
    assert rejections[0]["text"] == bad.text[:500]


def test_giving_up_names_kind_expectation_and_the_last_reply() -> None:
    with pytest.raises(ModelCallError) as caught:
        ask_once(
            [Reply("so it goes " * 100)], ask("x", response_format=SCORE), retry=RetryPolicy(max_replies=3)
        )
    message = str(caught.value)
    assert "'score' of t: no acceptable reply in 3 attempts" in message
    assert "expected JSON valid for the schema 'score'" in message
    assert ("so it goes " * 100)[:200] in message and ("so it goes " * 100)[:201] not in message


def test_a_json_object_must_be_an_object_and_free_text_is_never_parsed() -> None:
    wanted = ask("x", response_format={"type": "json_object"})
    assert ask_once([Reply("[1]"), Reply('{"a": 1}')], wanted)[1].data == {"a": 1}
    assert ask_once([Reply("[1]")], ask("x"))[1].data is None


def test_tool_calls_without_words_are_a_reply() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    stub, reply, _ = ask_once([Reply("", tool_calls=[call])], ask("x", response_format=SCORE))
    assert reply.tool_calls == [call] and len(stub.asked) == 1


def test_equal_requests_are_two_samples_and_trials_do_not_share_them() -> None:
    async def main() -> list[tuple[str, int]]:
        stub = Stub(lambda _: Reply("ok"))
        gateway = Gateway(stub)
        one, two = gateway.open_trial("one"), gateway.open_trial("two")
        replies = [await client.complete(ask("same"), SITE) for client in (one, one, two)]
        assert replies[0].call != replies[1].call
        return [(trial, occurrence) for _, trial, occurrence in stub.asked]

    first, second = number(SITE, 0, 0), number(SITE, 1, 0)
    assert first != second
    assert asyncio.run(main()) == [("one", first), ("one", second), ("two", first)]


def test_a_digest_leaves_nothing_out_and_minds_no_order() -> None:
    one = Request([{"role": "user", "content": "x"}])
    same = Request((MappingProxyType({"content": "x", "role": "user"}),))
    others = [
        Request([{"role": "system", "content": "x"}]),
        Request([{"role": "user", "content": "x"}], model="m"),
        Request([{"role": "user", "content": "x"}], response_format=SCORE),
        Request([{"role": "user", "content": "x"}], temperature=0.0),
        Request([{"role": "user", "content": "x"}], max_tokens=1),
        Request([{"role": "user", "content": "x"}], extra={"top_p": 1}),
    ]
    assert digest(one) == digest(same)
    assert len({digest(each) for each in (one, *others)}) == 7


def test_the_named_model_is_asked_else_the_session_s_and_the_temperature_is_filled_in() -> None:
    stub, _, _ = ask_once([Reply("ok")], ask("x"), temperature=1.2)
    assert (stub.asked[0][0].model, stub.asked[0][0].temperature) == ("stub-1", 1.2)
    stub, _, _ = ask_once([Reply("ok")], ask("x", model="mine", temperature=0.0), temperature=1.2)
    assert (stub.asked[0][0].model, stub.asked[0][0].temperature) == ("mine", 0.0)


def test_trouble_on_the_way_is_waited_out_and_what_is_hopeless_is_not() -> None:
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)

    busy = ModelCallError("busy", retry_after=2.0)
    _, reply, gateway = ask_once([busy, busy, Reply("ok")], ask("x"), sleep=sleep)
    assert reply.text == "ok" and len(naps) == 2 and min(naps) >= 2.0 and gateway.calls == 3
    with pytest.raises(ModelCallError, match="busy"):
        ask_once([busy], ask("x"), sleep=sleep, retry=RetryPolicy(2))
    assert len(naps) == 3
    with pytest.raises(ModelCallError, match="no such model") as caught:
        ask_once([ModelCallError("no such model", fatal=True), Reply("ok")], ask("x"), sleep=sleep)
    assert caught.value.fatal and len(naps) == 3


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (3, 3), (None, 20)])
def test_calls_in_flight_are_bounded(concurrency: int | None, most: int) -> None:
    async def main() -> int:
        stub = Stub(lambda _: Reply("ok"))
        client = Gateway(stub, concurrency=concurrency).open_trial("t")
        await asyncio.gather(*(client.complete(ask(str(number)), SITE) for number in range(20)))
        return stub.most_at_once

    assert asyncio.run(main()) == most


def test_halt_stops_queued_and_later_calls_and_lets_those_in_flight_finish() -> None:
    async def main() -> None:
        stub = Stub(lambda _: Reply("ok"), gate=asyncio.Event())
        gateway = Gateway(stub, concurrency=1)
        client = gateway.open_trial("t")
        tasks = [asyncio.ensure_future(client.complete(ask(str(number)), SITE)) for number in range(5)]
        while not stub.asked:
            await asyncio.sleep(0)
        assert gateway.in_flight == 1
        assert not await gateway.drain(0.01)
        gateway.halt()
        stub.gate.set()
        assert await gateway.drain(5)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(outcomes[0], Reply)
        assert all("the run stopped" in str(each) for each in outcomes[1:])
        with pytest.raises(ModelCallError, match="the run stopped"):
            await client.complete(ask("later"), SITE)
        assert (len(stub.asked), gateway.calls, gateway.in_flight) == (1, 1, 0)

    asyncio.run(main())


def test_queued_calls_hear_of_the_halt_before_a_slot_is_free() -> None:
    async def main() -> None:
        stub = Stub(lambda _: Reply("ok"), gate=asyncio.Event())
        gateway = Gateway(stub, concurrency=1)
        client = gateway.open_trial("t")
        first, *queued = [
            asyncio.ensure_future(client.complete(ask(str(number)), SITE)) for number in range(4)
        ]
        while not stub.asked:
            await asyncio.sleep(0)
        await asyncio.to_thread(gateway.halt)
        outcomes = await asyncio.wait_for(asyncio.gather(*queued, return_exceptions=True), 5)
        assert all(isinstance(each, ModelCallError) for each in outcomes) and not first.done()
        first.cancel()

    asyncio.run(main())


@pytest.mark.parametrize("replies", [1, 2])
def test_who_asks_may_want_fewer_replies_of_no_use(replies: int) -> None:
    async def main() -> None:
        stub = Stub(lambda _: Reply("no JSON at all"))
        client = Gateway(stub).open_trial("t")
        with pytest.raises(UnacceptableReplyError) as caught:
            await client.complete(ask("x", response_format=SCORE), SITE, max_replies=replies)
        assert len(stub.asked) == replies and caught.value.reason.startswith("not JSON")
        assert "t" not in caught.value.reason.split(), "the trial's name is no business of the model"

    asyncio.run(main())


def test_trouble_on_the_way_is_tried_again_all_the_same() -> None:
    async def main() -> None:
        answers: list[Reply | Exception] = [ModelCallError("busy", retry_after=0.01)] * 2 + [Reply(GOOD)]
        stub = Stub(lambda number: answers[number])
        client = Gateway(stub, sleep=lambda _: asyncio.sleep(0)).open_trial("t")
        assert (await client.complete(ask("x", response_format=SCORE), SITE, max_replies=1)).data[
            "value"
        ] == 7

    asyncio.run(main())


def test_what_a_stopped_session_did_not_send_is_told_from_a_failed_call() -> None:
    async def main() -> None:
        gateway = Gateway(Stub(lambda _: Reply("ok")))
        gateway.halt()
        with pytest.raises(StoppedError):
            await gateway.open_trial("t").complete(ask("x"), SITE)

    asyncio.run(main())


def test_halt_ends_a_pause_between_attempts() -> None:
    async def main() -> None:
        stub = Stub(lambda _: ModelCallError("busy", retry_after=1.0))
        gateway = Gateway(stub, sleep=lambda _: asyncio.sleep(3600))
        task = asyncio.ensure_future(gateway.open_trial("t").complete(ask("x"), SITE))
        while not stub.asked:
            await asyncio.sleep(0)
        gateway.halt()
        with pytest.raises(ModelCallError, match="stopped"):
            await asyncio.wait_for(task, 5)

    asyncio.run(main())


def test_a_cancelled_call_is_no_longer_in_flight() -> None:
    async def main() -> None:
        stub = Stub(lambda _: Reply("ok"), gate=asyncio.Event())
        gateway = Gateway(stub)
        task = asyncio.ensure_future(gateway.open_trial("t").complete(ask("x"), SITE))
        while not stub.asked:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert gateway.in_flight == 0 and await gateway.drain(1)

    asyncio.run(main())


def test_usage_counts_every_attempt_by_kind() -> None:
    async def main() -> None:
        answers = [Reply("", tokens_in=2, tokens_out=1), Reply("ok", tokens_in=2, tokens_out=3)]
        gateway = Gateway(Stub(lambda number: answers[min(number, 1)]))
        client = gateway.open_trial("t")
        await client.complete(ask("x"), CallSite("act"))
        await client.embed(["a", "b"], "e")
        usage = client.usage()
        assert dict(usage.calls) == {"act": 2, "embedding": 1}
        assert (usage.tokens_in, usage.tokens_out, usage.cost, usage.total_calls) == (4, 4, None, 3)
        assert gateway.open_trial("other").usage().total_calls == 0
        assert [each["reason"] for each in client.rejections if each["attempt"] == 0] == ["empty"]
        await gateway.aclose()

    asyncio.run(main())


def test_a_reply_that_an_engine_rejects_is_on_record() -> None:
    async def main() -> None:
        client = Gateway(Stub(lambda _: Reply("ok"))).open_trial("t")
        client.reject(await client.complete(ask("x"), CallSite("extract")), "no list under 'ideas'")
        assert client.rejections[0]["kind"] == "extract"
        assert client.rejections[0]["reason"] == "no list under 'ideas'"

    asyncio.run(main())


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"concurrency=0; expected 1 or more, or None"):
        Gateway(Stub(lambda _: Reply("ok")), concurrency=0)
    with pytest.raises(ConfigurationError, match=r"max_attempts=0"):
        Gateway(Stub(lambda _: Reply("ok")), retry=RetryPolicy(max_attempts=0))


def test_tokens_are_unlike_and_a_closed_trial_loses_its_own() -> None:
    gateway = Gateway(Stub(lambda _: Reply("ok")))
    one, two = gateway.open_trial("t"), gateway.open_trial("t")
    assert one.token != two.token and gateway.trial_of(one.token) is one
    assert (
        gateway.trial_of(one.token[:-1]) is None
        and gateway.trial_of("") is None
        and gateway.trial_of("é.é") is None
    )
    gateway.close_trial(one)
    assert gateway.trial_of(one.token) is None and gateway.trial_of(two.token) is two
