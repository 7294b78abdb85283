"""Connections to the gateway's HTTP server, which cannot be held open for nothing.

uvicorn waits for a request's headers as long as the sender likes, and keeps any number of connections. Here headers
have a time limit, and connections that showed no valid token give way, oldest first, when there are too many: they
must not use up what holders of a token need.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""From the connection, or a later request's first byte, to the end of the headers."""

MOST_STRANGERS = 256
"""Connections without a valid token that are kept, once each had `GRACE` seconds."""

GRACE = 1.0


class ConnectionGuard:
    """The connections that showed no valid token yet, oldest first. ``protocol`` is for `uvicorn.Config`."""

    def __init__(
        self,
        header_seconds: float = HEADER_SECONDS,
        most_strangers: int = MOST_STRANGERS,
        grace: float = GRACE,
    ) -> None:
        self.header_seconds = header_seconds
        self._most, self._grace = most_strangers, grace
        self._limit = max(most_strangers, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._strangers: dict[GuardedConnection, float] = {}
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def protocol(self) -> type[asyncio.Protocol]:
        """A class of connections that this guard watches."""
        return type("GuardedConnection", (GuardedConnection,), {"guard": self})

    def admit(self, connection: GuardedConnection) -> None:
        """A connection was made. Where file descriptors run short, the oldest stranger goes at once."""
        self._strangers[connection] = connection.loop.time()
        if len(self._strangers) > self._limit:
            next(iter(self._strangers)).drop()
        self._plan_sweep(connection.loop)

    def forget(self, connection: GuardedConnection) -> None:
        """It showed a valid token, or is closed."""
        self._strangers.pop(connection, None)

    def _plan_sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._sweep is None and len(self._strangers) > self._most:
            self._sweep = loop.call_later(self._grace, self._drop_oldest, loop)

    def _drop_oldest(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweep = None
        excess = len(self._strangers) - self._most
        for connection, since in list(self._strangers.items())[: max(excess, 0)]:
            if since + self._grace <= loop.time():
                connection.drop()
        self._plan_sweep(loop)


class GuardedConnection(H11Protocol):
    """A connection of uvicorn's with a time limit on headers. A request finds it as ``request.state.connection``."""

    guard: ConnectionGuard

    def __init__(self, *, app_state: dict[str, Any], **more: Any) -> None:
        super().__init__(**more, app_state={**app_state, "connection": self})
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.guard.admit(self)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self.guard.forget(self)
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._watch()
        else:
            self._unwatch()

    def welcome(self) -> None:
        """A request on it had a valid token."""
        self.guard.forget(self)

    def drop(self) -> None:
        """Close at once, whatever is under way."""
        self.guard.forget(self)
        self.transport.abort()

    def _watch(self) -> None:
        """Give the headers that are to come their time; more bytes of them give no more."""
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.guard.header_seconds, self.drop)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
