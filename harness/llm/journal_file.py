"""The journal of one run in SQLite: every reply, whether it was accepted, and the request that it answers."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from harness.errors import HarnessError
from harness.llm.acceptance import MAX_CHARACTERS
from harness.llm.calls import Reply, Site
from harness.llm.samples import Kept, Verdict

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
_MORE = ("usage", "usage_fault", "thoughts")
"""Fields of a reply that came later: the column ``more`` has those that are not empty, as JSON."""
_COLUMNS = (*_KEY, *_CONTENT, "seal", "verdict", "reason", "more")
# Columns have no type, so that each value comes back as it went in.
_SCHEMA = f"""
create table if not exists replies ({", ".join(_COLUMNS)}, unique ({", ".join(_KEY)}));
create table if not exists requests (digest text primary key, body blob not null) without rowid;
"""
_INSERT = f"insert or replace into replies ({', '.join(_COLUMNS)}) values ({', '.join('?' * len(_COLUMNS))})"
_REJECT = f"update replies set verdict = ?, reason = ? where {' and '.join(f'{name} = ?' for name in _KEY)}"
_LOAD = f"select {', '.join(_COLUMNS)} from replies where trial = ? order by rowid"
_VERDICTS = frozenset(get_args(Verdict))

Entry = tuple[str, Kept, str]
"""A trial's id, a reply of it, and its request as canonical JSON; empty where only the verdict has changed."""


class _DamagedError(sqlite3.DatabaseError):
    """The file is readable, but its own check finds damage."""


class JournalFile:
    """``path`` as a journal, created when not there. Used by one thread at a time.

    A damaged file is set aside with a warning; what is here then is new and empty. Raises `HarnessError` where the
    place cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._requests: set[str] = set()
        self._connection: sqlite3.Connection | None = None
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._heal(self._open)
            self.trials = self._heal(self._trials)

    def write(self, entries: Iterable[Entry]) -> None:
        """All of ``entries`` in one transaction, on disk on return. Raises `HarnessError`."""
        with self._explained():
            self._heal(lambda: self._write(list(entries)))

    def load(self, trial: str) -> list[Kept]:
        """The replies of a trial, oldest first. Those that are damaged are left out, with a warning."""
        with self._explained():
            rows = self._heal(lambda: self._db.execute(_LOAD, (trial,)).fetchall())
        kept = [one for row in rows if (one := _kept(row)) is not None]
        if len(kept) < len(rows):
            _warn(
                f"{self._path}: {len(rows) - len(kept)} replies of {trial} are damaged; they are asked for again."
            )
        return kept

    def close(self) -> None:
        """Close the file; its write-ahead log is folded in."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None, "the journal is closed"
        return self._connection

    def _open(self) -> None:
        existed = self._path.exists()
        self._connection = sqlite3.connect(
            self._path, timeout=10, isolation_level=None, check_same_thread=False
        )
        # Text that is no UTF-8 is damaged, which its seal shows; it must not make the other rows unreadable.
        self._db.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        if existed and (found := self._db.execute("pragma quick_check(1)").fetchone()[0]) != "ok":
            raise _DamagedError(" ".join(found.split()))
        self._db.executescript(_SCHEMA)
        if "more" not in {name for _, name, *_ in self._db.execute("pragma table_info(replies)")}:
            self._db.execute("alter table replies add column more")  # a journal of 0.1.0

    def _trials(self) -> set[str]:
        return {trial for (trial,) in self._db.execute("select distinct trial from replies")}

    def _write(self, entries: list[Entry]) -> None:
        new = {one.digest: body for _, one, body in entries if body and one.digest not in self._requests}
        packed = [(digest, zlib.compress(body.encode(), 1)) for digest, body in new.items()]
        self._db.execute("begin immediate")
        with self._db:
            self._db.executemany("insert or ignore into requests values (?, ?)", packed)
            for trial, one, body in entries:  # in order: a reply comes before its rejection
                if body:
                    self._db.execute(_INSERT, _row(trial, one))
                else:
                    self._db.execute(_REJECT, (one.verdict, _plain(one.reason), *_key(trial, one)))
        self._requests.update(new)

    def _heal(self, work: Any) -> Any:
        """What ``work`` gives; where the file turns out to be damaged, on a new file in its place."""
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._set_aside(error)
            self._open()
            return work()

    def _set_aside(self, error: Exception) -> None:
        self.close()
        self._requests.clear()
        number = 1
        while (aside := self._path.with_name(f"{self._path.name}.corrupt-{number}")).exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        _warn(
            f"The journal {self._path} is damaged ({error}); it was set aside as {aside.name}. Finished trials are "
            "not touched; the calls of unfinished ones are sent anew."
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise HarnessError(
                f"The journal {self._path} cannot be written: {error}. Without it a reply could be paid for twice, so "
                "nothing more is sent. Free some space or choose another place with --results-dir, and run again."
            ) from error


def _key(trial: str, one: Kept) -> tuple[Any, ...]:
    site = one.site
    person = _plain(site.person)
    return trial, site.kind, person, site.step, site.attempt, one.digest, one.occurrence, one.draw


def _row(trial: str, one: Kept) -> tuple[Any, ...]:
    reply = one.reply
    content = (
        *(one.attempt, one.sent, one.seconds, one.asked, _plain(reply.model), _plain(reply.fingerprint)),
        *(_plain(reply.finish_reason), _plain(reply.text[: MAX_CHARACTERS + 1]), _tools(reply)),
        *(int(reply.refusal), reply.tokens_in, reply.tokens_out, reply.tokens_cached, reply.tokens_written),
        *(reply.cost, reply.cost_reason),
    )
    row = (*_key(trial, one), *content)
    more = {name: value for name in _MORE if (value := getattr(reply, name))}
    written = json.dumps(more) if more else None
    return (*row, _seal(row, written), one.verdict, _plain(one.reason), written)


def _kept(row: tuple[Any, ...]) -> Kept | None:
    """The reply that ``row`` holds; ``None`` when it is not as it was written."""
    *content, seal, verdict, reason, more = row
    if seal != _seal(tuple(content), more) or verdict not in _VERDICTS:
        return None
    has = {name: _text(value) for name, value in zip(_COLUMNS, content, strict=False)}
    reply = Reply(
        has["text"],
        model=has["answered"],
        tool_calls=json.loads(has["tool_calls"]),
        refusal=bool(has["refusal"]),
        **{name: has[name] for name in ("fingerprint", "finish_reason", *_CONTENT[10:])},
        **(json.loads(more) if more else {}),
    )
    site = Site(has["kind"], has["person"], has["step"], has["site_attempt"])
    place = (has["digest"], has["occurrence"], has["draw"], has["attempt"])
    return Kept(site, *place, reply, verdict, _text(reason), has["asked"], has["sent"], has["seconds"])


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


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return isinstance(error, _DamagedError) or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)
