"""Requests and tokens per minute for the whole session, and pauses that a server asks of everyone.

A sliding window as a log of what was sent when, which is exact, unlike a bucket that leaks (aiolimiter: a burst of
twice the rate fits in a window) or a weighted counter. Why no library: `limits` has a moving window, but reads
``time.time()`` itself and can only say no, so waiting and fairness would be ours; pyrate-limiter takes a clock, but
sleeps by ``asyncio.sleep`` in every caller by itself (no order of arrival, at least 50 ms late), and keeps a list
entry for each token. Neither can correct an entry when the reply says what was used, nor be paused.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from harness.errors import ConfigurationError, OversizedCallError, StoppedError
from harness.gateway.rate_limit_headers import Quota, read_quotas, read_retry_after
from harness.gateway.waiting import LONGEST_WAIT

WINDOW = 60.0
"""Seconds that both limits are meant for."""

MARGIN = 0.5
"""Seconds by which our window is longer: two calls may be on the way to the server for unequal times."""


_NEVER = float("-inf")
SHORTEST_NAP = 0.001
"""Seconds; a wait that rounding left over must not be too short to move the clock."""


@dataclass(eq=False, slots=True)
class Permit:
    """One call that was let through: when, and how many tokens are held for it."""

    at: float
    tokens: int


class Limits:
    """At most ``rpm`` requests and ``tpm`` tokens in any 60 s (``None``: no limit), in order of arrival.

    Limits form a tree: a call within `of` a provider's, or `within` any others, is counted by all of them, and at one
    moment, so that none is ever exceeded. A pause or a quota holds for the calls below it. ``by_provider`` has the
    ``rpm`` and ``tpm`` of providers that have their own.

    `acquire` before each send, retries included, with nothing to wait for between the two; `settle` after it. Lives on
    one event loop. A server's headers may make everyone wait for ``longest_pause`` seconds; what asks for more is taken
    for this. ``clock`` gives seconds that only grow; ``wall`` the seconds since 1970 that some headers speak of.
    """

    def __init__(
        self,
        rpm: int | None = None,
        tpm: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wall: Callable[[], float] = time.time,
        longest_pause: float = LONGEST_WAIT,
        by_provider: Mapping[str, tuple[int | None, int | None]] = MappingProxyType({}),
        within: Limits | None = None,
    ) -> None:
        for name, value in (("rpm", rpm), ("tpm", tpm)):
            if value is not None and value < 1:
                raise ConfigurationError(f"{name}={value}; expected 1 or more, or None for no limit.")
        self.rpm, self.tpm = rpm, tpm
        self._clock, self._sleep, self._wall = clock, sleep, wall
        self._longest_pause = longest_pause
        self._log: deque[Permit] = deque()
        self._tokens = 0  # held by the permits of the log
        self._paused_until = float("-inf")
        self._quotas: dict[str, Quota] = {}
        self._turn = asyncio.Lock()  # wakes its waiters first come, first served
        self._changed = asyncio.Event()
        self._halted = False
        self._held: tuple[str, float] | None = None
        self._by_provider, self._providers = by_provider, dict[str, Limits]()
        self._chain: tuple[Limits, ...] = (self, *(within._chain if within is not None else ()))
        self._below: list[Limits] = []
        if within is not None:
            within._below.append(self)
            self._halted = within._halted

    def of(self, provider: str) -> Limits:
        """The limits of one provider, within these."""
        if provider not in self._providers:
            rpm, tpm = self._by_provider.get(provider, (None, None))
            self._providers[provider] = self.narrowed(rpm, tpm)
        return self._providers[provider]

    def narrowed(self, rpm: int | None = None, tpm: int | None = None) -> Limits:
        """Further limits within these, such as those that one model's server states."""
        clocks: dict[str, Any] = {"clock": self._clock, "sleep": self._sleep, "wall": self._wall}
        return Limits(rpm, tpm, longest_pause=self._longest_pause, within=self, **clocks)

    @property
    def least_tpm(self) -> int | None:
        """The smallest limit of tokens that holds for a call."""
        return min((one.tpm for one in self._chain if one.tpm is not None), default=None)

    async def acquire(self, tokens: int) -> Permit:
        """Wait until a call of at most ``tokens`` tokens (in and out) may be sent, and count it as sent now.

        Pass the permit to `settle`. Raises `OversizedCallError` when the call alone is above ``tpm``, or after `halt`.
        """
        tpm = self.least_tpm
        if tpm is not None and tokens > tpm:
            raise OversizedCallError(
                f"A call of up to {tokens:,} tokens, prompt and reply, can never be sent with a limit of {tpm:,} "
                "tokens per minute; expected a larger limit, or a request with a lower token limit."
            )
        async with self._turn:
            try:
                while (wait := self._wait(tokens)) > 0:
                    self._held = (self._reason(tokens), self._clock() + wait)
                    await self._nap(max(wait, SHORTEST_NAP))
            finally:
                self._held = None
            return self._admit(tokens)

    def holding(self) -> tuple[str, float] | None:
        """Why the next call is held back, and until when on the clock; ``None`` when none is. From any thread."""
        return self._held or next(filter(None, (one.holding() for one in self._below)), None)

    def settle(self, permit: Permit, used: int) -> None:
        """Correct the window: the call took ``used`` tokens, whatever was held for it. 0 when it failed unanswered."""
        for one in self._chain:
            if one._log and permit.at >= one._log[0].at:  # else it has left the window
                one._tokens += used - permit.tokens
        permit.tokens = used
        self._chain[-1]._wake()

    def pause_everyone(self, seconds: float) -> None:
        """Pause all calls for ``seconds`` from now; a longer current pause stays."""
        until = self._clock() + min(seconds, self._longest_pause)
        if until > self._paused_until:
            self._paused_until = until
            self._wake()

    def observe(self, headers: Mapping[str, str]) -> None:
        """Follow the server's own limits in the headers of an answer or an error.

        ``Retry-After`` pauses all calls. If remaining requests or tokens are stated (OpenAI, Anthropic, OpenRouter), no
        more are sent before the stated reset.
        """
        after = read_retry_after(headers, self._wall())
        if after is not None:
            self.pause_everyone(after)
        for name, quota in read_quotas(headers, self._clock(), self._wall(), self._longest_pause).items():
            self._quotas[name] = quota
            self._wake()

    def halt(self) -> None:
        """Raise `ModelCallError` in all waiting and later calls."""
        self._halted = True
        self._changed.set()
        for one in self._below:
            one.halt()

    def _wake(self) -> None:
        """Let everyone who waits here or below look again."""
        self._changed.set()
        for one in self._below:
            one._wake()

    def _admit(self, tokens: int) -> Permit:
        permit = Permit(self._clock(), tokens)
        for one in self._chain:
            if one.rpm is not None or one.tpm is not None:
                one._log.append(permit)
                one._tokens += tokens
            for name, quota in one._quotas.items():
                quota.remaining -= 1 if name == "requests" else tokens
        return permit

    def _wait(self, tokens: int) -> float:
        """Seconds until the call may be sent as things stand; not positive when it may now."""
        if self._halted:
            raise StoppedError("the run stopped before this call was sent.")
        now = self._clock()
        for one in self._chain:
            one._forget(now)
        return max(max(one._moments(tokens).values()) for one in self._chain) - now

    def _reason(self, tokens: int) -> str:
        """Which limit makes a call of ``tokens`` wait, in words: the one that lasts longest."""
        moments: dict[str, float] = {}
        for one in reversed(self._chain):
            moments |= {
                reason: at for reason, at in one._moments(tokens).items() if at > moments.get(reason, _NEVER)
            }
        return max(moments, key=lambda reason: moments[reason])

    def _moments(self, tokens: int) -> dict[str, float]:
        """When each of these limits lets the call pass, by the limit in words."""
        own = " and ".join(
            f"{number:,} {unit} a minute"
            for number, unit in ((self.rpm, "calls"), (self.tpm, "tokens"))
            if number is not None
        )
        moments = {"the server asked for a pause": self._paused_until}
        moments[f"the limit of {own}"] = self._room_at(tokens)
        for name, quota in self._quotas.items():
            if quota.remaining < (1 if name == "requests" else max(1, tokens)):
                moments[f"the server's limit, {name} used up"] = quota.until
        return moments

    def _forget(self, now: float) -> None:
        """Drop what has left the window. The same sum as in `_room_at`, so that no rounding lies between them."""
        while self._log and self._log[0].at + WINDOW + MARGIN <= now:
            self._tokens -= self._log.popleft().tokens
        for name in [name for name, quota in self._quotas.items() if quota.until <= now]:
            del self._quotas[name]

    def _room_at(self, tokens: int) -> float:
        """When so many of the oldest permits will have left the window that the call fits in."""
        requests = 0 if self.rpm is None else len(self._log) + 1 - self.rpm
        excess = 0 if self.tpm is None else self._tokens + tokens - self.tpm
        moment = float("-inf")
        for permit in self._log:
            if requests <= 0 and excess <= 0:
                break
            requests, excess = requests - 1, excess - permit.tokens
            moment = permit.at + WINDOW + MARGIN
        return moment

    async def _nap(self, seconds: float) -> None:
        """Sleep, or less if something changes meanwhile."""
        self._changed.clear()
        naps = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._changed.wait())]
        try:
            await asyncio.wait(naps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for nap in naps:
                nap.cancel()
