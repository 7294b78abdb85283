"""Calls that can wait, in batches, against servers that mimic OpenAI's and Anthropic's batch APIs."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from support.batch_endpoint import Answered, BatchEndpoint
from support.endpoint import Fault

from harness.errors import BatchRefusedError, LostRepliesError, ModelCallError, StoppedError
from harness.gateway.batch.api import BatchAPI
from harness.gateway.budget import Budget
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.environment import NetworkSettings
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.prices import Price, charged
from harness.gateway.providers.anthropic_messages import AnthropicMessages
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.plugin.hints import explain
from harness.plugin.progress import waiting_line

SCORE = {
    "type": "json_schema",
    "json_schema": {
        "name": "score",
        "schema": {"type": "object", "properties": {"value": {"type": "integer"}}, "required": ["value"]},
    },
}
PRICE = Price(1.0, 10.0)
FULL = (7 * 1.0 + 3 * 10.0) / 1e6
"""The list price of a reply of the fake."""

NETWORK = NetworkSettings(context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
"""Without the certificates of the system, which take a tenth of a second to load."""

VENDORS = ["openai", "anthropic"]
Provider = OpenAICompatible | AnthropicMessages


@pytest.fixture(scope="module")
def server() -> Iterator[BatchEndpoint]:
    with BatchEndpoint() as endpoint:
        yield endpoint


def provider(vendor: str, endpoint: BatchEndpoint) -> Provider:
    if vendor == "openai":
        return OpenAICompatible("m", base_url=endpoint.url, api_key="not-a-real-key", network=NETWORK)
    url = endpoint.url.removesuffix("/v1")
    return AnthropicMessages("m", base_url=url, api_key="not-a-real-key", network=NETWORK)


def api_of(one: Provider) -> BatchAPI:
    assert one.batches is not None
    return one.batches


class Session:
    """A gateway with batches, and what it said. Naps take no time."""

    def __init__(self, made: Provider, folder: Path | None, **more: Any) -> None:
        self.told: list[str] = []
        self.news: list[str] = []
        self.naps: list[float] = []
        journal = Journal(folder, accept_loss=more.pop("accept_loss", False)) if folder else None
        self.gateway = Gateway(
            made,
            journal=journal,
            batch=more.pop("batch", True),
            sleep=self._nap,
            price=lambda reply, asked: charged(reply, asked, {"m": PRICE, "m-2025": PRICE}),
            **more,
        )
        self.gateway.notify, self.gateway.inform = self.told.append, self.news.append

    async def _nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        await asyncio.sleep(0.002)

    async def score(self, number: int, **site: Any) -> Reply:
        """One call of the trial ``number``."""
        client = self.gateway.open_trial(f"talk/Control/1/{number}/0", "r" * bool(self.gateway.journal))
        asked = Request(({"role": "user", "content": f"Score {number}."},), response_format=SCORE)
        return await client.complete(asked, CallSite(**{"kind": "score_person", "person": "Ada", **site}))

    async def scores(self, number: int = 3) -> list[Reply]:
        return await asyncio.gather(*map(self.score, range(number)))


@asynccontextmanager
async def session(
    vendor: str, endpoint: BatchEndpoint, folder: Path | None = None, **more: Any
) -> AsyncIterator[Session]:
    opened = Session(provider(vendor, endpoint), folder, **more)
    try:
        yield opened
    finally:
        await opened.gateway.aclose()


def rows(folder: Path) -> list[tuple[str, dict[str, Any], str]]:
    with closing(sqlite3.connect(folder / "r.sqlite")) as database:
        found = database.execute("select key, content, id from batches").fetchall()
    return [(key, json.loads(content), batch_id) for key, content, batch_id in found]


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test to its end, for half a minute at most."""
    asyncio.run(asyncio.wait_for(main, 30))


async def abandon(opened: Session, endpoint: BatchEndpoint) -> None:
    """Ask for scores, and give up once a batch is waited for, as a killed session does."""
    asked = [asyncio.ensure_future(opened.score(number)) for number in range(3)]
    while not endpoint.looks:
        await asyncio.sleep(0.002)
    for one in asked:
        one.cancel()
    await asyncio.gather(*asked, return_exceptions=True)


# What goes into a batch, and what comes of it


@pytest.mark.parametrize("vendor", VENDORS)
def test_calls_that_can_wait_go_together_and_cost_half(
    server: BatchEndpoint, vendor: str, tmp_path: Path
) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session(vendor, endpoint, tmp_path) as opened:
            replies = await opened.scores()
            assert opened.gateway.calls == 3
            assert opened.gateway.cost == pytest.approx(3 * FULL / 2)
        assert len(endpoint.batches) == 1
        assert len(endpoint.batched) == 3
        assert endpoint.count == 0
        assert [reply.cost for reply in replies] == [pytest.approx(FULL / 2)] * 3
        assert {reply.batch for reply in replies} == {endpoint.batches[0].id}
        async with session(vendor, endpoint, tmp_path) as again:
            assert [one.data for one in await again.scores()] == [one.data for one in replies]
            assert (again.gateway.calls, again.gateway.replayed) == (0, 3)

    run(main(server.begin()))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_batch_sends_what_ordinary_calls_send(server: BatchEndpoint, vendor: str) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        one = provider(vendor, endpoint)
        ordinary = Gateway(one)
        client = ordinary.open_trial("talk/Control/1/0/0")
        asked = Request(({"role": "user", "content": "Score 0."},), response_format=SCORE)
        plain = await client.complete(asked, CallSite("score_person", "Ada"))
        await ordinary.aclose()
        async with session(vendor, endpoint) as opened:
            batched = await opened.score(0)
        assert endpoint.batched == [endpoint.requests[0].body]
        assert (batched.data, batched.form, batched.limit) == (plain.data, plain.form, plain.limit)

    run(main(server.begin()))


@pytest.mark.parametrize(
    ("site", "batched"),
    [
        ({"kind": "score_person"}, True),
        ({"kind": "reason"}, True),
        ({"kind": "act"}, False),
        ({"kind": "quality_check"}, False),
        ({"kind": "act", "can_wait": True}, True),
        ({"kind": "score_person", "can_wait": False}, False),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value),
)
def test_kind_and_call_say_what_can_wait(server: BatchEndpoint, site: dict[str, Any], batched: bool) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint) as opened:
            await opened.score(0, **site)
        assert (len(endpoint.batched), endpoint.count) == ((1, 0) if batched else (0, 1))

    run(main(server.begin()))


def test_a_batch_waits_for_the_calls_that_are_under_way() -> None:
    async def main() -> None:
        let_go = asyncio.Event()

        class Slow(BatchEndpoint):
            async def _chat(self, request: Any) -> Any:
                while not let_go.is_set():
                    await asyncio.sleep(0.002)
                return await super()._chat(request)

        with Slow() as endpoint:
            async with session("openai", endpoint) as opened:

                async def talk(number: int) -> None:
                    await opened.score(number, kind="act")
                    await opened.score(number)

                talks = [asyncio.ensure_future(talk(number)) for number in range(2)]
                first = asyncio.ensure_future(opened.score(9))
                while len(opened.naps) < 20:
                    await asyncio.sleep(0.002)
                assert endpoint.batches == []
                let_go.set()
                await asyncio.gather(first, *talks)
            assert [len(one.calls) for one in endpoint.batches] == [3]

    run(main())


def test_calls_that_are_given_up_before_a_batch_is_sent_are_not_in_it(server: BatchEndpoint) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint) as opened:
            asked = [asyncio.ensure_future(opened.score(number)) for number in range(3)]
            await asyncio.sleep(0)
            while not opened.naps:
                await asyncio.sleep(0)
            asked[1].cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            assert [len(one.calls) for one in endpoint.batches] == [2]
            given_up = asyncio.ensure_future(opened.score(7))
            naps = len(opened.naps)
            while len(opened.naps) == naps:
                await asyncio.sleep(0)
            given_up.cancel()
            while True:
                before = len(opened.naps)
                await asyncio.sleep(0.02)
                if len(opened.naps) == before:  # nothing is gathered any more
                    break
            await opened.score(8)
        assert [len(one.calls) for one in endpoint.batches] == [2, 1]

    run(main(server.begin()))


def test_a_batch_that_is_full_is_sent_and_another_begun(
    server: BatchEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint) as opened:
            monkeypatch.setattr(api_of(opened.gateway.provider), "most_calls", 2)  # type: ignore[arg-type]
            await opened.scores(5)
        assert sorted(len(one.calls) for one in endpoint.batches) == [1, 2, 2]

    run(main(server.begin()))


# Killed and continued


def test_the_journal_has_the_batch_before_it_is_created_and_its_id_before_it_is_waited_for(
    tmp_path: Path,
) -> None:
    seen: list[tuple[str, int, str]] = []

    def note(_number: int) -> None:
        seen.extend((key, len(content["calls"]), batch_id) for key, content, batch_id in rows(tmp_path))

    class Watched(BatchEndpoint):
        async def _look(self, request: Any) -> Any:
            if not self.looks:
                note(0)
            return await super()._look(request)

    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint, tmp_path) as opened:
            await opened.scores()

    with Watched(refuse_batch=note) as endpoint:
        run(main(endpoint))
    key = seen[0][0]
    assert seen == [(key, 3, ""), (key, 3, "batch_0")]
    assert endpoint.batches[0].created["metadata"] == {"harness_batch": key}


@pytest.mark.parametrize(
    "id_was_written", [True, False], ids=["id written", "killed before its id was written"]
)
@pytest.mark.parametrize("vendor", VENDORS)
def test_an_open_batch_is_collected_and_nothing_sent_again(
    server: BatchEndpoint, vendor: str, id_was_written: bool, tmp_path: Path
) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session(vendor, endpoint, tmp_path) as killed:
            await abandon(killed, endpoint)
        if not id_was_written:
            with closing(sqlite3.connect(tmp_path / "r.sqlite")) as database, database:
                database.execute("update batches set id = ''")
        endpoint.ready = True
        budget = Budget(max_calls=3)
        async with session(vendor, endpoint, tmp_path, budget=budget) as opened:
            replies = await opened.scores()
            assert opened.gateway.calls == 0
            assert opened.gateway.cost == pytest.approx(3 * FULL / 2)
            assert budget.spent.calls == 3
        assert {reply.batch for reply in replies} == {endpoint.batches[0].id}
        assert len(endpoint.batches) == 1
        assert endpoint.count == 0
        assert rows(tmp_path)[0][2] == endpoint.batches[0].id
        assert "of 3 calls, sent by an earlier session." in opened.news[0]

    run(main(server.begin(ready=False)))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_batch_that_was_never_created_is_created(
    server: BatchEndpoint, vendor: str, tmp_path: Path
) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session(vendor, endpoint, tmp_path) as killed:
            await abandon(killed, endpoint)
        with closing(sqlite3.connect(tmp_path / "r.sqlite")) as database, database:
            database.execute("update batches set id = ''")
        del endpoint.batches[0]
        endpoint.ready = True
        async with session(vendor, endpoint, tmp_path) as opened:
            await opened.scores()
        assert [len(one.calls) for one in endpoint.batches] == [3]
        assert endpoint.count == 0
        assert len(rows(tmp_path)) == 1

    run(main(server.begin(ready=False)))


def test_a_batch_of_others_with_as_many_calls_is_not_taken_for_ours(
    server: BatchEndpoint, tmp_path: Path
) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session("anthropic", endpoint, tmp_path / "other") as other:
            await other.scores()
        endpoint.ready, endpoint.looks = False, 0
        async with session("anthropic", endpoint, tmp_path) as killed:
            await abandon(killed, endpoint)
        with closing(sqlite3.connect(tmp_path / "r.sqlite")) as database, database:
            database.execute("update batches set id = ''")
        endpoint.batches.reverse()  # ours is listed last
        endpoint.ready = True
        async with session("anthropic", endpoint, tmp_path) as opened:
            await opened.scores()
        assert rows(tmp_path)[0][2] == "msgbatch_1"
        assert len(endpoint.batches) == 2

    run(main(server.begin()))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_batch_whose_creation_was_answered_in_vain_is_found(
    server: BatchEndpoint, vendor: str, tmp_path: Path
) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session(vendor, endpoint, tmp_path) as opened:
            await opened.scores()
        assert len(endpoint.batches) == 1
        assert endpoint.count == 0

    run(main(server.begin(refuse_batch=lambda number: Fault(cut=True) if number == 0 else None)))


def test_a_session_without_batches_collects_an_open_one_too(server: BatchEndpoint, tmp_path: Path) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint, tmp_path) as killed:
            await abandon(killed, endpoint)
        endpoint.ready = True
        async with session("openai", endpoint, tmp_path, batch=False) as opened:
            replies = await opened.scores(4)
        assert [bool(reply.batch) for reply in replies] == [True, True, True, False]
        assert len(endpoint.batched) == 3
        assert endpoint.count == 1

    run(main(server.begin(ready=False)))


def test_a_batch_that_the_server_does_not_know_is_lost_unless_the_loss_is_accepted(
    server: BatchEndpoint, tmp_path: Path
) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint, tmp_path) as killed:
            await abandon(killed, endpoint)
        endpoint.batches.clear()
        endpoint.ready = True
        async with session("openai", endpoint, tmp_path) as opened:
            with pytest.raises(
                ModelCallError, match="batch_0 of 3 calls, which is paid for, cannot be coll"
            ) as e:
                await opened.scores()
            assert e.value.fatal
            assert isinstance(e.value.__cause__, LostRepliesError)
        assert endpoint.count == 0
        async with session("openai", endpoint, tmp_path, accept_loss=True) as accepting:
            await accepting.scores()
        assert endpoint.count == 3

    run(main(server.begin(ready=False)))


def test_a_journal_without_batches_gets_a_table_of_them(server: BatchEndpoint, tmp_path: Path) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint, tmp_path) as opened:
            await opened.score(0, kind="act")
        with closing(sqlite3.connect(tmp_path / "r.sqlite")) as database, database:
            database.execute("drop table batches")
        async with session("openai", endpoint, tmp_path) as later:
            await later.score(0, kind="act")
            await later.score(1)
            assert later.gateway.replayed == 1
        assert len(rows(tmp_path)) == 1

    run(main(server.begin()))


# What does not come back


@pytest.mark.parametrize(
    ("vendor", "ending", "said"),
    [
        ("openai", "completed", "is over; 1 of its 3 calls have no reply"),
        ("openai", "expired", "ended as expired; 1 of its 3 calls have no reply"),
        ("openai", "cancelled", "ended as cancelled; 1 of its 3 calls have no reply"),
        ("openai", "failed", "ended as failed: Too many.; 3 of its 3 calls have no reply"),
        ("anthropic", "expired", "is over; 1 of its 3 calls have no reply"),
        ("anthropic", "canceled", "is over; 1 of its 3 calls have no reply"),
    ],
)
def test_calls_without_a_reply_go_on_as_ordinary_ones_and_that_is_said(
    server: BatchEndpoint, vendor: str, ending: str, said: str, tmp_path: Path
) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session(vendor, endpoint, tmp_path) as opened:
            replies = await opened.scores()
            assert len(opened.told) == 1
            assert said in opened.told[0]
            assert "at the full price" in opened.told[0]
        left = 3 if ending == "failed" else 1
        assert endpoint.count == left
        assert sum(reply.cost or 0 for reply in replies) == pytest.approx((left + (3 - left) / 2) * FULL)
        assert [bool(reply.batch) for reply in replies].count(True) == 3 - left

    run(main(server.begin(ending=ending, unanswered=lambda number: number == 1)))


def text(vendor: str, said: str) -> Answered:
    """A reply with this text."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
    if vendor == "openai":
        return {"model": "m-2025", "choices": [choice], "usage": usage}
    return {
        "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": said}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 7, "output_tokens": 3},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spoiled", "ordinary", "rejected"),
    [
        (lambda vendor: text(vendor, "Seven."), 1, 1),
        (lambda vendor: text(vendor, ""), 1, 1),
        (lambda _vendor: {"nonsense": True}, 1, 0),
        (lambda _vendor: "", 1, 0),
        (lambda _vendor: Fault(400, "The prompt is odd."), 0, 0),
    ],
    ids=["not JSON", "empty", "no completion", "no result", "refused"],
)
@pytest.mark.parametrize("vendor", VENDORS)
def test_an_unusable_reply_of_a_batch_is_asked_for_again_by_an_ordinary_call(
    server: BatchEndpoint, vendor: str, spoiled: Callable[[str], Answered], ordinary: int, rejected: int
) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session(vendor, endpoint) as opened:
            came = await asyncio.gather(*map(opened.score, range(3)), return_exceptions=True)
            failed = [one for one in came if isinstance(one, BaseException)]
            assert endpoint.count == ordinary
            assert len(failed) == 1 - ordinary
            assert all("The prompt is odd." in str(one) for one in failed)
            assert opened.gateway.calls == 3 + ordinary
            paid = 2 / 2 + ordinary + rejected / 2
            assert opened.gateway.cost == pytest.approx(paid * FULL)
        assert len(endpoint.batches) == 1

    def spoil(number: int, answer: Answered) -> Answered:
        return spoiled(vendor) if number == 1 else answer

    run(main(server.begin(spoil=spoil)))


def test_a_refused_spelling_is_learned_and_goes_into_another_batch(server: BatchEndpoint) -> None:
    def spoil(_number: int, answer: Answered) -> Answered:
        if server.batched[-1]["response_format"]["type"] == "json_schema":
            return Fault(400, "response_format json_schema is not supported")
        return text("openai", '{"value": 7}')

    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint) as opened:
            replies = await opened.scores()
            assert {reply.form for reply in replies} == {"json_object"}
            assert any("json_object" in one for one in opened.told)
        assert [len(one.calls) for one in endpoint.batches] == [3, 3]
        assert endpoint.count == 0

    run(main(server.begin(spoil=spoil)))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_server_without_a_batch_api_ends_the_session_before_anything_is_sent(
    server: BatchEndpoint, vendor: str, tmp_path: Path
) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session(vendor, endpoint, tmp_path) as opened:
            with pytest.raises(
                BatchRefusedError, match="A batch of 3 calls was refused, and none of them"
            ) as e:
                await opened.scores()
            assert "leave out --batch" in explain(e.value)
            assert opened.gateway.calls == 0
        assert endpoint.count == 0
        assert rows(tmp_path) == []

    run(main(server.begin(refuse_batch=lambda _number: Fault(404, "Not Found"))))


def test_trouble_while_a_batch_is_created_is_waited_out(server: BatchEndpoint) -> None:
    troubles = [Fault(500), Fault(429)]

    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint) as opened:
            await opened.scores()
            assert opened.told == []
        assert [len(one.calls) for one in endpoint.batches] == [3]

    run(main(server.begin(refuse_batch=lambda _number: troubles.pop() if troubles else None)))


# The budget, waiting and stopping


def test_the_budget_holds_half_the_price_of_a_batch(server: BatchEndpoint) -> None:
    price = Price(1.0, 10.0)

    async def main(endpoint: BatchEndpoint) -> None:
        budget = Budget(max_cost=1.0, price=lambda _request: price)
        async with session("openai", endpoint, budget=budget) as opened:
            asked = asyncio.ensure_future(opened.score(0))
            while not endpoint.looks:
                await asyncio.sleep(0.002)
            worst = budget.worst_case(Request(({"role": "user", "content": "Score 0."},), max_tokens=768))
            held = budget.held.cost
            assert worst.cost / 2 < held < worst.cost
            endpoint.ready = True
            await asked
            assert budget.held.cost == 0
            assert budget.spent.cost == pytest.approx(FULL / 2)

    run(main(server.begin(ready=False)))


def test_calls_that_the_budget_holds_back_do_not_hold_back_the_batch(server: BatchEndpoint) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        one = Budget(max_tokens=10**9).worst_case(
            Request(({"role": "user", "content": "Score 0."},), response_format=SCORE, max_tokens=768)
        )
        async with session("openai", endpoint, budget=Budget(max_tokens=one.tokens * 2)) as opened:
            await opened.scores(4)
        assert len(endpoint.batches) > 1
        assert len(endpoint.batched) == 4

    run(main(server.begin()))


def test_a_session_says_what_batches_it_waits_for_and_for_how_long(server: BatchEndpoint) -> None:
    now = [1000.0]

    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint, wall=lambda: now[0]) as opened:
            asked = asyncio.ensure_future(opened.scores())
            while not endpoint.looks:
                await asyncio.sleep(0.002)
            now[0] += 185
            waiting = opened.gateway.waiting()
            assert waiting is not None
            assert waiting_line(waiting) == "waiting: 1 batch of 3 calls for 3 min 05 s, 0 answered"
            endpoint.ready = True
            await asked
            assert opened.gateway.waiting() is None

    run(main(server.begin(ready=False)))


def test_a_stopped_session_leaves_its_batch_open_and_says_so(server: BatchEndpoint, tmp_path: Path) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint, tmp_path) as opened:
            asked = asyncio.ensure_future(opened.scores())
            while not endpoint.looks:
                await asyncio.sleep(0.002)
            assert opened.gateway.open_batches == "1 batch of 3 calls stays open"
            opened.gateway.halt()
            with pytest.raises(StoppedError):
                await asked
            assert opened.told == [
                "1 batch of 3 calls stays open at openai:m: rerun the same command to collect it."
            ]
        endpoint.ready = True
        async with session("openai", endpoint, tmp_path) as later:
            await later.scores()
        assert len(endpoint.batches) == 1
        assert endpoint.count == 0

    run(main(server.begin(ready=False)))


def test_a_batch_is_looked_at_less_and_less_often(server: BatchEndpoint) -> None:
    async def main(endpoint: BatchEndpoint) -> None:
        async with session("openai", endpoint) as opened:
            asked = asyncio.ensure_future(opened.score(0))
            while endpoint.looks < 20:
                await asyncio.sleep(0.002)
            endpoint.ready = True
            await asked
            looks = [nap for nap in opened.naps if nap]
            assert looks[-1] == max(looks) == 60.0

    run(main(server.begin(ready=False)))
