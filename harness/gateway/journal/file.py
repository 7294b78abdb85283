"""The journal of one run in SQLite: every reply, whether it was accepted, and the request that it answers."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

from harness.console import warn
from harness.errors import HarnessError, LostRepliesError, UnwritableError
from harness.gateway.calls import CallSite, Reply
from harness.gateway.journal.batches import JournaledBatch
from harness.gateway.journal.checks import (
    SUFFIXES,
    LogMark,
    beside,
    fault_of,
    free,
    identity,
    is_damage,
    set_aside,
)
from harness.gateway.journal.replay import JournaledReply, Verdict
from harness.gateway.replies.acceptance import MAX_CHARACTERS
from harness.gateway.requests.call_kinds import role_of_kind

_KEY = ("trial", "kind", "person", "step", "site_attempt", "digest", "occurrence", "draw")
_CONTENT = (
    *(
        "attempt",
        "sent",
        "seconds",
        "asked",
        "answered",
        "fingerprint",
        "finish_reason",
        "text",
        "tool_calls",
    ),
    *("refusal", "tokens_in", "tokens_out", "tokens_cached", "tokens_written", "cost", "cost_reason"),
)
_MORE = ("logprobs", "usage", "usage_fault", "thoughts", "form", "sent_digest", "limit", "batch")
"""Fields of a reply that came later: the column ``more`` has those that are not empty, as JSON."""
_COLUMNS = (*_KEY, *_CONTENT, "seal", "verdict", "reason", "more")
# Columns have no type, so that each value comes back as it went in.
_SCHEMA = f"""
create table if not exists replies ({", ".join(_COLUMNS)}, unique ({", ".join(_KEY)}));
create table if not exists requests (digest text primary key, body blob not null) without rowid;
create table if not exists run (about text);
create table if not exists lost (trial text primary key) without rowid;
create table if not exists batches (key text primary key, content text not null, id text not null);
"""
_INSERT = f"insert or replace into replies ({', '.join(_COLUMNS)}) values ({', '.join('?' * len(_COLUMNS))})"
_REJECT = f"update replies set verdict = ?, reason = ? where {' and '.join(f'{name} = ?' for name in _KEY)}"
_LOAD = f"select {', '.join(_COLUMNS)} from replies where trial = ? order by rowid"
_VERDICTS = frozenset(get_args(Verdict))

_FIRST_COLUMNS = tuple(name for name in _COLUMNS if name != "more")
"""What the journals of version 0.1.0 have."""

Entry = tuple[str, JournaledReply, str, str]
"""A trial's id, a reply of it, and its request as canonical JSON; empty where only the verdict has changed.

Then the request as it was sent, where that was in another form.
"""


class JournalFile:
    """``path`` as a journal, created when not there. Used by one thread at a time.

    ``about`` describes the run, as JSON, for a registry that has to be rebuilt. A file that is ``expected`` is lost
    when it is missing or empty. Raises `LostRepliesError`, with nothing changed, where paid replies may be lost, and
    `HarnessError` where the place cannot be used. ``replace`` sets aside what is there; with ``accept_loss`` single
    replies that are damaged are left out of what is loaded.
    """

    def __init__(
        self,
        path: Path,
        *,
        about: str = "",
        expected: bool = False,
        replace: bool = False,
        accept_loss: bool = False,
    ) -> None:
        self._path, self._accept_loss, self._mark = path, accept_loss, LogMark(path)
        self._requests: set[str] = set()
        self._connection: sqlite3.Connection | None = None
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            if replace:
                set_aside(path)
            elif fault := fault_of(path, _FIRST_COLUMNS, expected=expected):
                raise LostRepliesError(f"The journal {path} {fault}.")
            if not path.exists():
                _create(path)
            self._open()
            if about:
                self._describe(about)
            self.trials = self._trials()

    @property
    def lost(self) -> set[str]:
        """Trials whose replies the user has given up."""
        with self._explained():
            return {trial for (trial,) in self._db.execute("select trial from lost")}

    def give_up(self, trials: Collection[str]) -> None:
        """Note that the replies of ``trials`` are lost and that the user knows."""
        with self._explained(), self._transaction():
            self._db.executemany("insert or ignore into lost values (?)", [(trial,) for trial in trials])

    def write(self, entries: Iterable[Entry]) -> None:
        """All of ``entries`` in one transaction, on disk on return.

        Raises `HarnessError`, also where the file was removed or replaced meanwhile; all replies are then saved again.
        """
        with self._explained():
            self._write(list(entries))
            if identity(self._path) != self._identity:  # SQLite writes on into a file that was removed
                self._rescue()
            self._mark.set()

    def load(self, trial: str) -> list[JournaledReply]:
        """The replies of a trial, oldest first. Raises `LostRepliesError` for damaged ones that were not accepted."""
        with self._explained():
            rows = self._db.execute(_LOAD, (trial,)).fetchall()
        kept = [one for row in rows if (one := _kept(row)) is not None]
        if len(kept) < len(rows):
            damaged = f"The journal {self._path} holds {len(rows) - len(kept)} damaged replies of {trial}"
            if not self._accept_loss:
                raise LostRepliesError(f"{damaged}.")
            _warn(f"{damaged}; their calls are sent again.")
        return kept

    def batches(self) -> list[JournaledBatch]:
        """The batches of the run, oldest first. Raises `LostRepliesError` for damaged ones that were not accepted."""
        with self._explained():
            rows = self._db.execute("select key, content, id from batches order by rowid").fetchall()
        try:
            return [JournaledBatch.read(*row) for row in rows]
        except ValueError as error:
            damaged = f"The journal {self._path} has damaged entries of batches ({error})"
            if not self._accept_loss:
                raise LostRepliesError(f"{damaged}.") from None
            _warn(f"{damaged}; their calls are sent again.")
            return []

    def keep_batch(self, batch: JournaledBatch) -> None:
        """Write a batch, or its id; on disk on return. Raises `HarnessError`."""
        row = (batch.key, batch.text(), batch.id)
        with self._explained():
            with self._transaction():
                self._db.execute(
                    "insert into batches values (?, ?, ?) on conflict (key) do update set id = excluded.id",
                    row,
                )
            self._mark.set()

    def drop_batch(self, key: str) -> None:
        """Forget a batch that was never created. Raises `HarnessError`."""
        with self._explained():
            with self._transaction():
                self._db.execute("delete from batches where key = ?", (key,))
            self._mark.set()

    def request(self, digest: str) -> str:
        """A request as canonical JSON; empty if it is not there or cannot be read."""
        with self._explained():
            row = self._db.execute("select body from requests where digest = ?", (digest,)).fetchone()
        with suppress(zlib.error, ValueError):
            return "" if row is None else zlib.decompress(row[0]).decode()
        return ""

    def close(self) -> None:
        """Close the file; its write-ahead log is folded in."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            with suppress(OSError):
                self._mark.clear()

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None, "the journal is closed"
        return self._connection

    def _open(self) -> None:
        self._connection = sqlite3.connect(
            self._path, timeout=10, isolation_level=None, check_same_thread=False
        )
        # Text that is not UTF-8 is damaged, which its seal shows; it must not make other rows unreadable.
        self._db.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(_SCHEMA)
        if "more" not in {name for _, name, *_ in self._db.execute("pragma table_info(replies)")}:
            self._db.execute("alter table replies add column more")  # a journal of 0.1.0
        self._identity = identity(self._path)

    def _describe(self, about: str) -> None:
        with self._transaction():
            self._db.execute("delete from run")
            self._db.execute("insert into run values (?)", (about,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        with self._db:
            yield

    def _trials(self) -> set[str]:
        return {trial for (trial,) in self._db.execute("select distinct trial from replies")}

    def _write(self, entries: list[Entry]) -> None:
        bodies = {one.digest: body for _, one, body, _ in entries if body}
        bodies |= {one.reply.sent_digest: spelled for _, one, _, spelled in entries if spelled}
        new = {digest: body for digest, body in bodies.items() if digest not in self._requests}
        packed = [(digest, zlib.compress(body.encode(), 1)) for digest, body in new.items()]
        with self._transaction():
            self._db.executemany("insert or ignore into requests values (?, ?)", packed)
            for trial, one, body, _ in entries:  # in order: a reply comes before its rejection
                if body:
                    self._db.execute(_INSERT, _row(trial, one))
                else:
                    self._db.execute(_REJECT, (one.verdict, _plain(one.reason), *_key(trial, one)))
        self._requests.update(new)

    def _rescue(self) -> None:
        """Save every reply in a new file, then raise `HarnessError`: someone else changes these files."""
        now = identity(self._path)
        replaced = bool(now) and now[:2] != self._identity[:2]
        what = "replaced" if replaced else "left without its write-ahead log" if now else "removed"
        target = free(self._path, "rescued") if replaced else self._path
        temporary = beside(self._path, ".tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(temporary)) as copy:
                self._db.backup(copy)
            self.close()
            for suffix in () if replaced else SUFFIXES[1:]:  # a log alone would be taken for the new file's
                beside(self._path, suffix).unlink(missing_ok=True)
            temporary.replace(target)
            self._open()
        except (sqlite3.Error, OSError) as error:
            raise HarnessError(
                f"The journal {self._path} was {what} during the run, and its replies could not be saved "
                f"again: {error}. Nothing more is sent. Replies of unfinished trials are lost."
            ) from error
        raise HarnessError(
            f"The journal {self._path} was {what} during the run. All its replies are kept: they were saved "
            f"as {target.name}. Nothing more is sent. "
            + (f"Put {target.name} in its place, then rerun" if replaced else "Rerun")
            + " the same command to resume."
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.DatabaseError) and is_damage(error):
                raise LostRepliesError(f"The journal {self._path} is damaged ({error}).") from error
            raise UnwritableError(
                f"The journal {self._path} cannot be written: {error}. Without it a reply could be paid for twice, so "
                "nothing more is sent. Free some space, then rerun the same command to resume."
            ) from error


def _key(trial: str, one: JournaledReply) -> tuple[Any, ...]:
    site = one.site
    person = _plain(site.person)
    return trial, site.kind, person, site.step, site.attempt, one.digest, one.occurrence, one.draw


def _row(trial: str, one: JournaledReply) -> tuple[Any, ...]:
    reply = one.reply
    content = (
        *(one.attempt, one.sent, one.seconds, one.asked, _plain(reply.model), _plain(reply.fingerprint)),
        *(_plain(reply.finish_reason), _plain(reply.text[: MAX_CHARACTERS + 1]), _tools(reply)),
        *(int(reply.refusal), reply.tokens_in, reply.tokens_out, reply.tokens_cached, reply.tokens_written),
        *(reply.cost, reply.cost_reason),
    )
    row = (*_key(trial, one), *content)
    more = {name: value for name in _MORE if (value := getattr(reply, name))}
    more |= {
        name: value for name, value in (("role", _own_role(one.site)), ("answerer", one.answerer)) if value
    }
    written = json.dumps(more) if more else None
    return (*row, _seal(row, written), one.verdict, _plain(one.reason), written)


def _own_role(site: CallSite) -> str:
    """The role of a call, where it is not that of its kind."""
    return "" if site.role == role_of_kind(site.kind) else site.role


def _kept(row: tuple[Any, ...]) -> JournaledReply | None:
    """The reply in ``row``; ``None`` if it was altered."""
    *content, seal, verdict, reason, more = row
    if seal != _seal(tuple(content), more) or verdict not in _VERDICTS:
        return None
    has = {name: _text(value) for name, value in zip(_COLUMNS, content, strict=False)}
    further = json.loads(more) if more else {}
    role, answerer = further.pop("role", ""), further.pop("answerer", "")
    reply = Reply(
        has["text"],
        model=has["answered"],
        tool_calls=json.loads(has["tool_calls"]),
        refusal=bool(has["refusal"]),
        **{name: has[name] for name in ("fingerprint", "finish_reason", *_CONTENT[10:])},
        **further,
    )
    site = CallSite(has["kind"], has["person"], has["step"], has["site_attempt"], role)
    place = (has["digest"], has["occurrence"], has["draw"], has["attempt"])
    return JournaledReply(
        site, *place, reply, verdict, _text(reason), has["asked"], has["sent"], has["seconds"], answerer
    )


def _seal(row: tuple[Any, ...], more: str | None = None) -> bytes:
    """A checksum: SQLite notices damage to its own structure, but not to a text."""
    row = (*row, more) if more else row
    return hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _tools(reply: Reply) -> str:
    return json.dumps([dict(call) for call in reply.tool_calls]) if reply.tool_calls else "[]"


def _plain(value: str | None) -> str | bytes | None:
    """Text as SQLite can hold it: half a surrogate pair, which models do send, only as bytes."""
    if value is None or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def _text(value: Any) -> Any:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def _create(path: Path) -> None:
    """Create an empty journal atomically, so that an incomplete one was damaged later."""
    temporary = beside(path, ".tmp")
    temporary.unlink(missing_ok=True)
    with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
        connection.executescript(f"pragma journal_mode = wal; pragma synchronous = full; {_SCHEMA}")
    temporary.replace(path)


def _warn(text: str) -> None:
    warn(text)
