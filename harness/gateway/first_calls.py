"""The first call to a server goes alone, so that what every call would meet is met once, and paid for once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from harness.gateway.calls import Provider

FIRST_ALONE = 2.0
"""Seconds that other calls wait for the first one to a server: a refused key or an unknown model shows by then."""


class FirstCalls:
    """Which providers have answered a call of this session, and which have been sent their first one."""

    def __init__(self) -> None:
        self._answered: set[int] = set()  # ids of providers
        self._first: dict[int, asyncio.Event] = {}  # set when the first call to a provider has ended

    def answered(self, provider: Provider) -> bool:
        """Whether ``provider`` has answered a call: trouble may then pass."""
        return id(provider) in self._answered

    def note_answer(self, provider: Provider) -> None:
        """``provider`` has answered."""
        self._answered.add(id(provider))

    @contextlib.asynccontextmanager
    async def turn(self, provider: Provider) -> AsyncIterator[None]:
        """Enter at once with the first call, with others when that has ended or has taken `FIRST_ALONE` seconds.

        A provider without a server, which has no ``before_send``, is not waited for.
        """
        first = self._first.get(id(provider))
        if self.answered(provider) or not hasattr(provider, "before_send"):
            yield
        elif first is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(first.wait(), FIRST_ALONE)
            yield
        else:
            first = self._first[id(provider)] = asyncio.Event()
            try:
                yield
            finally:
                first.set()
