"""Asking a model until its answer is of use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from harness.errors import ModelCallError, RejectedError
from harness.gateway.calls import CallSite, Message, ModelClient, Request

T = TypeVar("T")


class Unusable(ValueError):
    """A reply that was well formed and yet of no use. The text says what was wrong with it."""


class NoUsableReply(ModelCallError):
    """Every reply to one question was of no use."""


async def ask(
    client: ModelClient,
    messages: Sequence[Message],
    schema: Mapping[str, Any],
    site: CallSite,
    read: Callable[[Any], T],
    *,
    max_rejections: int = 3,
) -> T:
    """Ask, and ``read`` the answer's data; ask again, up to ``max_rejections`` times, while ``read`` raises `Unusable`.

    The asks of a session that was cut off in this try of the trial count: a resumed trial ends as an undisturbed one.
    Raises `NoUsableReply` after that, and lets the client's `ModelCallError` through.
    """
    request, wrong = Request(messages=messages, response_format=schema), ""
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
    raise NoUsableReply(f"{site.kind}{who} at step {site.step}: {wrong} Asked {max_rejections} time(s).")


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all concurrently, wait for all, and raise the first failure in the given order (a fatal one first).

    All are waited for, as their replies are paid for: what a failed trial has asked, its rerun has at hand.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise min(failures, key=lambda failure: not getattr(failure, "fatal", False))
    return [result for result in results if not isinstance(result, BaseException)]
