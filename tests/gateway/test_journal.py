"""The journal on disk: what it holds, what it survives, and what it never holds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.requests import SCORE, ask

from harness.errors import ConfigurationError, HarnessError, LostRepliesError, ModelCallError, RefusedError
from harness.gateway.budget import Budget
from harness.gateway.calls import CallSite, Reply, Request, Vectors
from harness.gateway.gateway import Gateway
from harness.gateway.journal import file as journal_file
from harness.gateway.journal.journal import Journal
from harness.gateway.journal.replay import JournaledReply
from harness.gateway.prices import Price, charged, price_of
from harness.gateway.retry import RetryPolicy
from harness.gateway.trial_client import TrialClient

SITE = CallSite("act", "Ada", 1)
GOOD = '{"reasoning": "r", "justification": "j", "value": 7}'


class Counting:
    """Answers from a list, the last one for ever; counts."""

    name, model = "counting", "counting-1"

    def __init__(self, *answers: Reply | Exception) -> None:
        self.answers, self.asked = answers or (Reply("ok"),), 0

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        self.asked += 1
        return [[0.1, 1e-17] for _ in texts]

    async def aclose(self) -> None: ...


Work = Callable[[TrialClient], Awaitable[Any]]


def played(
    folder: Path,
    provider: Counting,
    work: Work,
    *,
    run: str = "run",
    trial: str = "t",
    attempt: int = 1,
    **more: Any,
) -> Any:
    """What ``work`` gives in a session of its own."""

    async def main() -> Any:
        gateway = Gateway(provider, journal=Journal(folder), **more)
        try:
            return await work(gateway.open_trial(trial, run, attempt))
        finally:
            await gateway.aclose()

    return asyncio.run(main())


async def one(client: TrialClient) -> Reply:
    return await client.complete(ask("x"), SITE)


def rows(folder: Path, sql: str, run: str = "run") -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / f"{run}.sqlite")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_a_reply_is_served_again_whole_to_its_own_trial_and_run_only(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    reply = Reply(
        "fine \ud83d \x00 ü",
        model="m-2025-01-01",
        finish_reason="tool_calls",
        tokens_in=5,
        tokens_out=3,
        tool_calls=[call],
        fingerprint="fp",
        tokens_cached=2,
        tokens_written=1,
        cost=0.25,
        cost_reason=None,
    )
    provider = Counting(reply)
    first = played(tmp_path, provider, one)
    again = played(tmp_path, provider, one)
    assert (provider.asked, again) == (1, first)
    assert again == replace(reply, call=first.call, text="fine \ufffd \x00 ü", mended=True)
    for elsewhere in ({"run": "other"}, {"trial": "t2"}):
        played(tmp_path, provider, one, **elsewhere)
    assert provider.asked == 3


def test_what_is_written_down(tmp_path: Path) -> None:
    provider = Counting(Reply("nonsense", tokens_in=4), Reply(GOOD, model="m", tokens_in=5, tokens_out=2))
    request = ask("You are Ada.", "Score it.", response_format=SCORE)
    played(
        tmp_path, provider, lambda client: client.complete(request, SITE), wall=lambda: 1e9, clock=lambda: 5.0
    )
    columns = (
        "trial, kind, person, step, site_attempt, occurrence, draw, attempt, sent, seconds, asked, answered"
    )
    columns += ", finish_reason, text, tokens_in, tokens_out, cost, verdict"
    common = ("t", "act", "Ada", 1, 0, 0)
    assert rows(tmp_path, f"select {columns} from replies") == [
        (*common, 0, 1, 1e9, 0.0, "counting-1", "", "stop", "nonsense", 4, 0, None, "unacceptable"),
        (*common, 1, 1, 1e9, 0.0, "counting-1", "m", "stop", GOOD, 5, 2, None, "accepted"),
    ]
    (reason,) = rows(tmp_path, "select reason from replies where verdict = 'unacceptable'")[0]
    assert reason.startswith("not JSON")
    ((digest, body),) = rows(tmp_path, "select digest, body from requests")
    assert json.loads(zlib.decompress(body))[0] == request.messages
    assert rows(tmp_path, "select distinct digest from replies") == [(digest,)]


def test_an_embedding_is_asked_for_once(tmp_path: Path) -> None:
    provider = Counting()
    vectors = [played(tmp_path, provider, lambda client: client.embed(["a", "b"], "small")) for _ in range(2)]
    assert vectors == [[[0.1, 1e-17], [0.1, 1e-17]]] * 2
    assert provider.asked == 1


def test_embeddings_are_counted_with_tokens_and_cost_over_sessions_too(tmp_path: Path) -> None:
    class Telling(Counting):
        async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
            return Vectors(await super().embed(texts, model), model=model, tokens_in=50_000)

    async def paid(client: TrialClient) -> Any:
        await client.embed(["a", "b"], "text-embedding-3-small")
        usage = client.paid()
        return dict(usage.calls), usage.tokens_in, usage.cost, usage.cost_reason

    provider = Telling()
    for _ in range(2):
        found = played(tmp_path, provider, paid, price=charged, budget=Budget(max_cost=1, price=listed))
        assert found == ({"embedding": 1}, 50_000, pytest.approx(0.001), None)
    assert provider.asked == 1


def listed(request: Request) -> Price | None:
    return price_of(request.model)


def test_a_reply_is_on_disk_before_its_trial_has_it(tmp_path: Path) -> None:
    async def look(client: TrialClient) -> list[tuple[Any, ...]]:
        await one(client)
        return rows(tmp_path, "select text from replies")

    assert played(tmp_path, Counting(), look) == [("ok",)]
    assert rows(tmp_path, "pragma journal_mode") == [("wal",)]


def test_it_is_written_with_the_fullest_care(tmp_path: Path) -> None:
    file = journal_file.JournalFile(tmp_path / "run.sqlite")
    assert file._db.execute("pragma synchronous").fetchone() == (2,)
    file.close()


def test_what_comes_together_is_committed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    write = journal_file.JournalFile.write

    def counted(self: Any, entries: Any) -> None:
        listed = list(entries)
        commits.append(len(listed))
        write(self, listed)

    monkeypatch.setattr(journal_file.JournalFile, "write", counted)

    async def many(client: TrialClient) -> None:
        await asyncio.gather(*(client.complete(ask(str(number)), SITE) for number in range(50)))

    played(tmp_path, Counting(), many, concurrency=None)
    assert sum(commits) == 50 and len(commits) <= 3


def test_what_an_engine_rejects_is_never_served_again(tmp_path: Path) -> None:
    async def choosy(client: TrialClient) -> str:
        reply = await one(client)
        if reply.text == "first":
            client.reject(reply, "not like this")
            reply = await one(client)
        return f"{reply.text}, {client.rejections[0]['reason']}, {len(client.rejections)}"

    provider = Counting(Reply("first"), Reply("second"), Reply("third"))
    assert played(tmp_path, provider, choosy) == "second, not like this, 1"
    assert played(tmp_path, provider, choosy) == "second, not like this, 1"
    assert provider.asked == 2
    assert rows(tmp_path, "select text, verdict, reason from replies") == [
        ("first", "rejected", "not like this"),
        ("second", "accepted", ""),
    ]


def test_a_rejection_that_is_the_last_word_of_a_session_is_kept(tmp_path: Path) -> None:
    async def reject(client: TrialClient) -> None:
        client.reject(await one(client), "no")

    played(tmp_path, Counting(Reply("first")), reject)
    assert played(tmp_path, Counting(Reply("second")), one).text == "second"


def test_attempts_go_on_after_a_cut_and_begin_anew_after_a_failure(tmp_path: Path) -> None:
    """Four attempts: two before the session was cut, two after; the next try of the trial has four of its own."""

    class Cut(Counting):
        async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
            if self.asked == 2:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(0)
            return await super().complete(request, trial=trial, occurrence=occurrence)

    with pytest.raises(asyncio.CancelledError):
        played(tmp_path, Cut(Reply("")), one)
    provider = Counting(Reply(""))
    for _ in range(2):  # the second time nothing is left to ask in this try
        with pytest.raises(ModelCallError, match="no acceptable reply in 4 attempts"):
            played(tmp_path, provider, one)
        assert provider.asked == 2
    with pytest.raises(ModelCallError, match="in 4 attempts"):
        played(tmp_path, provider, one, attempt=2)
    assert provider.asked == 6


def test_a_failed_send_is_no_sample(tmp_path: Path) -> None:
    asked: list[int] = []

    class Noting(Counting):
        async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
            asked.append(occurrence)
            return await super().complete(request, trial=trial, occurrence=occurrence)

    async def sleep(_: float) -> None: ...

    busy = ModelCallError("busy", retry_after=1.0)
    played(tmp_path, Noting(busy, busy, Reply("ok")), one, sleep=sleep)
    assert len(asked) == 3 and len(set(asked)) == 1
    assert rows(tmp_path, "select count(*) from replies") == [(1,)]


def test_a_refusal_is_kept_and_never_asked_away(tmp_path: Path) -> None:
    provider = Counting(Reply("I would rather not.", refusal=True), Reply(GOOD))
    wanted = ask("x", response_format=SCORE)

    async def twice(client: TrialClient) -> tuple[list[str], int, int]:
        said = []
        for _ in range(2):
            with pytest.raises(RefusedError, match="refused by the model: 'I would") as caught:
                await client.complete(wanted, SITE)
            said.append(str(caught.value))
        return said, client.refusals, len(client.rejections)

    first = played(tmp_path, provider, twice)
    assert played(tmp_path, provider, twice) == first
    assert played(tmp_path, provider, twice, attempt=2) == first
    assert provider.asked == 1
    assert rows(tmp_path, "select refusal, verdict from replies") == [(1, "accepted")]
    filtered = Counting(Reply("", finish_reason="content_filter"))
    reply = played(tmp_path, filtered, one, trial="t2")
    assert (reply.refusal, reply.text, filtered.asked) == (True, "", 1)


def test_what_has_become_unacceptable_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(tmp_path, Counting(Reply("short")), one)
    monkeypatch.setattr("harness.gateway.replies.acceptance.MAX_CHARACTERS", 4)
    assert played(tmp_path, Counting(Reply("new")), one).text == "new"


# Damage and trouble


async def many(client: TrialClient) -> list[str]:
    return [(await client.complete(ask(str(number)), SITE)).text for number in range(40)]


@pytest.mark.parametrize("at", ["everything", "the head", "the middle"])
def test_a_damaged_journal_sends_nothing_until_the_user_gives_it_up(tmp_path: Path, at: str) -> None:
    played(tmp_path, Counting(Reply("x" * 3000)), many)
    path = tmp_path / "run.sqlite"
    content = bytearray(path.read_bytes())
    place = {
        "everything": slice(0, None),
        "the head": slice(0, 40),
        "the middle": slice(4096, len(content), 64),
    }[at]
    content[place] = b"\xa5" * len(content[place])
    path.write_bytes(content)
    provider = Counting(Reply("y"))
    for _ in range(2):
        with pytest.raises(LostRepliesError, match=r"run\.sqlite is damaged"):
            played(tmp_path, provider, many)
    assert (provider.asked, path.read_bytes()) == (0, content)
    journal_file.JournalFile(path, replace=True).close()
    assert played(tmp_path, provider, many) == ["y"] * 40
    assert (tmp_path / "run.sqlite.corrupt-1").read_bytes() == content


CRASH = """
import os, signal, sys
from pathlib import Path
from harness.gateway.calls import Reply, CallSite
from harness.gateway.journal.file import JournalFile
from harness.gateway.journal.replay import JournaledReply
file = JournalFile(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    site = CallSite("act", "Ada", number)
    file.write([("t", JournaledReply(site, f"{number:064}", 0, 0, 1, Reply("x" * 3000)), "[]", "")])
os.kill(os.getpid(), signal.SIGKILL)
"""


def crashed(path: Path, replies: int) -> None:
    """Leave the journal as a killed session does."""
    subprocess.run([sys.executable, "-c", CRASH, str(path), str(replies)], check=False, timeout=60)
    assert Path(f"{path}-wal").stat().st_size


@pytest.mark.parametrize("replies", [1, 1500])
@pytest.mark.parametrize("gone", [("-wal",), ("-wal", "-shm")], ids=" ".join)
def test_a_log_that_was_deleted_after_a_crash_is_a_loss(
    tmp_path: Path, gone: tuple[str, ...], replies: int
) -> None:
    path = tmp_path / "run.sqlite"
    crashed(path, replies)
    for suffix in gone:
        Path(f"{path}{suffix}").unlink()
    for _ in range(2):
        with pytest.raises(LostRepliesError, match=r"lacks its write-ahead log run\.sqlite-wal"):
            journal_file.JournalFile(path)


def test_another_journals_log_is_refused_and_not_folded_in(tmp_path: Path) -> None:
    for name in ("run", "other"):
        path = tmp_path / name / f"{name}.sqlite"
        described = CRASH.replace("sys.argv[1])", f'sys.argv[1]), about=\'{{"id": "{name}"}}\'')
        subprocess.run([sys.executable, "-c", described, str(path), "3"], check=False, timeout=60)
    log = tmp_path / "run" / "run.sqlite-wal"
    log.write_bytes((tmp_path / "other" / "other.sqlite-wal").read_bytes())
    before = (tmp_path / "run" / "run.sqlite").read_bytes()
    with pytest.raises(LostRepliesError, match="belongs to run other"):
        journal_file.JournalFile(tmp_path / "run" / "run.sqlite", expected=True)
    assert (tmp_path / "run" / "run.sqlite").read_bytes() == before


@pytest.mark.parametrize("then", ["nothing", "index deleted", "folded in by another program"])
def test_a_crash_alone_is_no_loss(tmp_path: Path, then: str) -> None:
    path = tmp_path / "run.sqlite"
    crashed(path, 2)
    if then == "index deleted":
        Path(f"{path}-shm").unlink()
    elif then == "folded in by another program":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("select count(*) from replies").fetchone()
        assert not Path(f"{path}-wal").exists()
    file = journal_file.JournalFile(path, expected=True)
    assert len(file.load("t")) == 2
    file.close()
    assert [one.name for one in tmp_path.iterdir()] == ["run.sqlite"]


@pytest.mark.parametrize(
    "loss", ["deleted", "emptied", "without its log", "another run's", "without a table"]
)
def test_a_journal_that_is_expected_and_not_whole_is_lost(tmp_path: Path, loss: str) -> None:
    path = tmp_path / "run.sqlite"
    file = journal_file.JournalFile(path, about='{"id": "run"}')
    kept = JournaledReply(SITE, "d" * 64, 0, 0, 1, Reply("text"))
    file.write([("t", kept, "[]", "")])
    file.close()
    if loss == "deleted":
        path.unlink()
    elif loss == "emptied":
        path.write_bytes(b"")
    elif loss == "without its log":
        (tmp_path / "run.sqlite-shm").write_bytes(b"")
    elif loss == "another run's":
        path = path.rename(tmp_path / "other.sqlite")
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("drop table replies")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(LostRepliesError, match="journal"):
        journal_file.JournalFile(path, expected=True)
    assert sorted(tmp_path.iterdir()) == before
    file = journal_file.JournalFile(path, expected=True, replace=True)
    assert file.trials == set()
    file.close()


@pytest.mark.parametrize("how", ["removed", "folder removed", "replaced", "log removed"])
def test_a_journal_that_vanishes_while_it_is_written_is_saved_again_and_ends_the_session(
    tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "journal"
    path = folder / "run.sqlite"

    async def vanish(client: TrialClient) -> None:
        await client.complete(ask("0"), SITE)
        if how == "folder removed":
            shutil.rmtree(folder)
        elif how == "log removed":
            (folder / "run.sqlite-wal").unlink()
        else:
            path.unlink()
            path.write_bytes(b"") if how == "replaced" else None
        with pytest.raises(
            ModelCallError,
            match=r"(replaced|removed|log) during the run\. All its replies are kept",
        ) as caught:
            await client.complete(ask("1"), SITE)
        assert caught.value.fatal

    with contextlib.suppress(HarnessError):  # what is still in its place is told at the end too
        played(folder, Counting(Reply("zero"), Reply("one")), vanish)
    if how == "replaced":
        (folder / "run.sqlite.rescued-1").replace(path)
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    assert rows(folder, "select text from replies order by rowid") == [("zero",), ("one",)]


def test_a_damaged_reply_is_asked_about_and_costs_only_itself(tmp_path: Path) -> None:
    async def two(client: TrialClient) -> list[str]:
        return [(await client.complete(ask(str(number)), SITE)).text for number in range(2)]

    played(tmp_path, Counting(Reply("the one"), Reply("the other")), two)
    path = tmp_path / "run.sqlite"
    path.write_bytes(path.read_bytes().replace(b"the one", b"the \xffne"))
    with pytest.raises(ModelCallError, match="1 damaged replies of t") as caught:
        played(tmp_path, Counting(), two)
    assert caught.value.fatal
    file = journal_file.JournalFile(path, accept_loss=True)
    with pytest.warns(RuntimeWarning, match="1 damaged replies of t; their calls are sent again"):
        assert [kept.reply.text for kept in file.load("t")] == ["the other"]
    file.close()


def test_a_full_disk_stops_the_run_and_what_was_answered_is_written_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = [True]
    write = journal_file.JournalFile._write

    def refuse(self: Any, entries: Any) -> None:
        if full[0]:
            raise sqlite3.OperationalError("database or disk is full")
        write(self, entries)

    monkeypatch.setattr(journal_file.JournalFile, "_write", refuse)

    async def fails(client: TrialClient) -> None:
        with pytest.raises(
            ModelCallError, match=r"cannot be written: database or disk is full.*Free some space"
        ) as e:
            await one(client)
        assert e.value.fatal
        full[0] = False

    played(tmp_path, Counting(), fails)
    provider = Counting(Reply("another"))
    assert played(tmp_path, provider, one).text == "ok"
    assert provider.asked == 0


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match=r"The journal .*run\.sqlite cannot be written"):
        Journal(tmp_path / "file").open("run")


@pytest.mark.parametrize("run", ["", "../up", "a/b", "x" * 101, ".hidden"])
def test_a_run_id_never_leads_elsewhere(tmp_path: Path, run: str) -> None:
    with pytest.raises(ConfigurationError, match="Run id"):
        Journal(tmp_path).open(run)
    assert list(tmp_path.iterdir()) == []


def test_a_flood_of_a_reply_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(ModelCallError, match="longer than 1,000,000"):
        played(tmp_path, Counting(Reply("x" * 3_000_000)), one, retry=RetryPolicy(max_replies=1))
    assert rows(tmp_path, "select length(text) from replies") == [(1_000_001,)]


def test_what_is_loaded_is_what_was_written(tmp_path: Path) -> None:
    file = journal_file.JournalFile(tmp_path / "run.sqlite")
    reply = Reply("text", tool_calls=[], cost=None, cost_reason="unknown")
    kept = JournaledReply(
        SITE, "d" * 64, 2, 1, 3, reply, "unacceptable", "a reason \udc80", "asked", 1.5, 0.25
    )
    file.write([("t", kept, "[]", "")])
    file.close()
    again = journal_file.JournalFile(tmp_path / "run.sqlite")
    assert (again.trials, again.load("t")) == ({"t"}, [kept])
    again.close()


def test_a_journal_of_the_first_version_is_read_and_gets_the_later_fields(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    file = journal_file.JournalFile(path)
    file.write([("t", JournaledReply(SITE, "d" * 64, 0, 0, 1, Reply("old", tokens_in=3)), "[]", "")])
    file.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("alter table replies drop column more")
    file = journal_file.JournalFile(path, expected=True)
    new = Reply("new", usage='{"total_tokens": "7"}', usage_fault="total tokens as a text")
    file.write([("t", JournaledReply(SITE, "e" * 64, 0, 0, 1, new), "[]", "")])
    replies = [kept.reply for kept in file.load("t")]
    file.close()
    assert [(reply.text, reply.usage, reply.usage_fault) for reply in replies] == [
        ("old", "", ""),
        ("new", new.usage, new.usage_fault),
    ]
