"""Which failed calls are sent again, and after how long: exponential backoff with full jitter."""

from __future__ import annotations

import random

from harness.errors import ConfigurationError, ModelCallError
from harness.gateway.waiting import LONGEST_WAIT


class RetryPolicy:
    """The pause before a retry, or the end of retrying.

    ``retry_after`` distinguishes failures. ``0.0`` is an unusable reply (empty, truncated, invalid), which is sampled
    again at once, ``max_replies`` times in all. A larger number is trouble on the way (408, 409, 429, 5xx, a time-out,
    no connection), which costs only time: ``max_attempts`` in all, with a pause whose window doubles from ``first`` to
    ``longest`` seconds. ``None`` can only fail again. A server's hint above ``longest_wait`` seconds ends retrying.

    The waits are those of "full jitter" (M. Brooker, Exponential Backoff And Jitter, AWS 2015). Three lines of our
    own, because tenacity's ``wait_random_exponential`` draws from the process's `random`, and ours is an argument.
    """

    def __init__(
        self,
        max_attempts: int = 10,
        rng: random.Random | None = None,
        *,
        max_replies: int = 4,
        first: float = 1.0,
        longest: float = 60.0,
        longest_wait: float = LONGEST_WAIT,
    ) -> None:
        for name, value in (("max_attempts", max_attempts), ("max_replies", max_replies)):
            if value < 1:
                raise ConfigurationError(f"{name}={value}; expected 1 or more.")
        self.max_attempts = max_attempts
        self.max_replies = max_replies
        self._rng = rng or random.Random()
        self.longest_wait = longest_wait
        self._first, self._longest = first, longest

    def pause(self, error: ModelCallError, attempt: int, *, answered: bool = True) -> float | None:
        """Seconds before the next attempt, ``None`` to give up.

        ``attempt`` counts from 0 the failures of this call *of the same kind* as ``error`` (see `is_reply`), so that
        trouble on the way does not use up the tries of the reply. A server's hint is a floor under the pause.
        ``answered`` says whether the session has had any reply.
        """
        hint = error.retry_after
        if error.fatal or hint is None or attempt + 1 >= self.tries(error, answered=answered):
            return None
        if hint > self.longest_wait:
            return None
        if is_reply(error):
            return 0.0
        return hint + self._rng.uniform(0.0, self._window(attempt))

    def tries(self, error: ModelCallError, *, answered: bool = True) -> int:
        """How often a call that fails with ``error`` is tried in all."""
        if is_reply(error):
            return self.max_replies
        if error.first_tries is not None and not answered:
            return min(error.first_tries, self.max_attempts)
        return self.max_attempts

    def _window(self, attempt: int) -> float:
        return float(min(self._longest, self._first * 2 ** min(attempt, 60)))


def is_reply(error: ModelCallError) -> bool:
    """Whether an unusable reply came, so that there is nothing to wait for."""
    return error.retry_after == 0.0
