"""Requests that are repeated until the reply is usable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from harness.errors import ModelCallError, RejectedError
from harness.gateway.calls import CallSite, Message, ModelClient, Request

T = TypeVar("T")


class Unusable(ValueError):
    """A well-formed reply that cannot be used. The text says why."""


class NoUsableReply(ModelCallError):
    """No reply to a request was usable. ``reason`` is what was wrong with the last one."""

    def __init__(self, message: str, reason: str) -> None:
        self.reason = reason
        super().__init__(message)


async def ask(
    client: ModelClient,
    messages: Sequence[Message],
    schema: Mapping[str, Any],
    site: CallSite,
    read: Callable[[Any], T],
    *,
    max_rejections: int = 3,
    accepts: Mapping[str, Any] | None = None,
) -> T:
    """Send a request and ``read`` the reply's data, up to ``max_rejections`` times while ``read`` raises `Unusable`.

    ``accepts`` is a wider schema than the one that is asked for, of replies that ``read`` can use.

    Requests of an interrupted session count, so that a resumed trial ends like an uninterrupted one. Raises
    `NoUsableReply` after that, and the client's `ModelCallError`.
    """
    request, wrong = Request(messages=messages, response_format=schema, accepts=accepts), ""
    for _ in range(max_rejections):
        try:
            reply = await client.complete(request, site, max_rejections=max_rejections)
        except RejectedError as spent:
            wrong = str(spent)
            break
        try:
            return read(reply.data)
        except Unusable as fault:
            wrong = str(fault)
            client.reject(reply, wrong)
    who = f" of {site.person}" if site.person else ""
    raise NoUsableReply(
        f"{site.kind}{who} at step {site.step}: {wrong} Asked {max_rejections} time(s).", wrong
    )


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all concurrently, wait for all, and raise the first failure in the given order (a fatal one first).

    Waiting for all keeps paid replies: the rerun of a failed trial finds them in the journal.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise min(failures, key=lambda failure: not getattr(failure, "fatal", False))
    return [result for result in results if not isinstance(result, BaseException)]
