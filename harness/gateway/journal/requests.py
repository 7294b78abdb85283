"""Read the sent requests of a run from its journal."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import HarnessError
from harness.gateway.journal.checks import read_only
from harness.gateway.requests.call_kinds import role_of_kind
from harness.model.roles import PLAYER

T = TypeVar("T")
_SELECT = """
select kind, person, step, site_attempt, sent, seconds, text, asked, body, {more} from replies
join requests on requests.digest = replies.digest where trial = ? order by replies.rowid
"""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request and the text of its reply.

    ``sent`` is in seconds since 1970, ``seconds`` what the reply took. ``role`` is whose model it went to.
    """

    kind: str
    person: str
    step: int
    attempt: int
    sent: float
    seconds: float
    reply: str
    model: str
    body: Sequence[Any]
    role: str = PLAYER

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.body[0]
        return found

    @property
    def options(self) -> dict[str, Any]:
        """Everything beside messages and model: format, temperature, limit, and the other fields of the request."""
        return _options(self.body[2:])

    def lines(self) -> Iterator[str]:
        """The request as text: its messages, then its other fields, each as JSON."""
        for message in self.messages:
            yield f"[{message.get('role')}]"
            content = message.get("content")
            if content is not None or message.keys() <= {"role", "content"}:
                text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
                yield from text.splitlines()
            for name in sorted(message.keys() - {"role", "content"}):
                yield f"[{name}] {json.dumps(message[name], ensure_ascii=False, sort_keys=True)}"
        for name, value in sorted(self.options.items()):
            yield f"[{name}] {json.dumps(value, ensure_ascii=False, sort_keys=True)}"

    @property
    def place(self) -> str:
        """What the call was for: its kind, person and step."""
        step = f"step {self.step}" if self.step >= 0 else ""
        return ", ".join(filter(None, (self.kind, self.person, step)))


class SentRequests:
    """The journal at ``path``, read-only, also during its run; empty without a file."""

    @classmethod
    def of_run(cls, results: Path, run_id: str) -> SentRequests:
        """The journal of a run in the folder ``results``."""
        return cls(results / "journal" / f"{run_id}.sqlite")

    def __init__(self, path: Path) -> None:
        self.path = path

    def __bool__(self) -> bool:
        return self.path.is_file()

    def of(self, trial: str) -> list[SentRequest]:
        """The requests of one trial, in the order in which their replies came. Raises `HarnessError`."""
        columns = self._read("pragma table_info(replies)", (), lambda rows: [name for _, name, *_ in rows])
        query = _SELECT.format(
            more="more" if "more" in columns else "null"
        )  # version 0.1.0 has no such column
        return self._read(query, (trial,), lambda rows: list(_requests(rows)))

    def trials(self) -> list[str]:
        """The ids of all trials that made a call, in order. Raises `HarnessError`."""
        return self._read(
            "select distinct trial from replies order by trial",
            (),
            lambda rows: [str(one[0]) for one in rows],
        )

    def _read(self, query: str, values: tuple[str, ...], read: Callable[[list[Any]], T]) -> T:
        try:
            with closing(read_only(self.path)) as connection:
                connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
                return read(connection.execute(query, values).fetchall())
        except (sqlite3.Error, zlib.error, ValueError) as error:
            raise HarnessError(f"The journal {self.path} cannot be read: {error}.") from error


def request_text(body: bytes, limit: int | None = None) -> str:
    """A stored request as readable JSON: model, messages, and every other field that was sent.

    ``limit`` is the default output limit that it was sent with. Raises `zlib.error` or `ValueError` where it is
    damaged.
    """
    messages, model, *rest = json.loads(zlib.decompress(body))
    default = {} if limit is None else {"max_tokens": limit}
    return json.dumps({"model": model, "messages": messages, **default, **_options(rest)}, ensure_ascii=False)


def _options(rest: Sequence[Any]) -> dict[str, Any]:
    """The fields of a request beside messages and model that were set."""
    response_format, temperature, max_tokens, extra = rest
    named = {"response_format": response_format, "temperature": temperature, "max_tokens": max_tokens}
    return {name: value for name, value in {**named, **extra}.items() if value is not None}


def _requests(rows: Sequence[Sequence[Any]]) -> Iterator[SentRequest]:
    for kind, person, step, attempt, sent, seconds, reply, model, body, more in rows:
        text = reply.decode("utf-8", "backslashreplace") if isinstance(reply, bytes) else str(reply)
        content = json.loads(zlib.decompress(body))
        role = (json.loads(more) if more else {}).get("role") or role_of_kind(str(kind))
        yield SentRequest(
            str(kind), str(person or ""), int(step), int(attempt), sent, seconds, text, model, content, role
        )
