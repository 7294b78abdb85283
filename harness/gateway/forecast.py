"""What a call is taken to need under a limit of tokens per minute until its reply says what it took."""

from __future__ import annotations

from harness.gateway.budget import COMPLETION_BOUND, prompt_bound
from harness.gateway.calls import Reply, Request

EXPECTED_REPLY = 2_048
"""Tokens that a reply is taken to have until enough are known, where the request states no limit."""

ENOUGH = 20
"""Replies from which the densest prompt and the longest reply are taken to be known."""


class Forecast:
    """The tokens to reserve for a call: an upper bound before the first reply, then the maximum seen so far.

    Upper bounds throughout (a token per byte, the longest allowed reply) would leave 10 to 35 % of the limit unused,
    because calls take far less and hold their reservation while in flight. If a reply exceeds its forecast, the excess
    is charged to the window when it arrives, and later forecasts include it.
    """

    def __init__(self, tpm: int) -> None:
        self._tpm = tpm
        self._replies = self._longest = 0
        self._densest = 0.0  # tokens per unit of `prompt_bound`

    def tokens(self, request: Request) -> int:
        """Prompt and reply; more than the limit only for a call that is never to be sent under it."""
        size = prompt_bound(request)
        least = size // 3 + self._reply(request, EXPECTED_REPLY)
        if least > self._tpm:
            return least
        if not self._replies:
            wanted = size + self._reply(request, COMPLETION_BOUND)
        elif self._replies < ENOUGH:
            wanted = max(int(size * self._densest) + self._reply(request, self._longest), least)
        else:
            reply = self._longest if request.messages else 0
            limit = reply if request.max_tokens is None else request.max_tokens
            wanted = int(size * self._densest) + min(reply, limit)
        return min(wanted, self._tpm)

    def learn(self, request: Request, reply: Reply) -> None:
        """Take up what a call took, where its provider says that."""
        if reply.tokens_in and request.messages:
            self._replies += 1
            self._longest = max(self._longest, reply.tokens_out)
            self._densest = max(self._densest, reply.tokens_in / prompt_bound(request))

    def _reply(self, request: Request, unstated: int) -> int:
        if not request.messages:
            return 0  # texts to embed are not answered in words
        return unstated if request.max_tokens is None else max(0, request.max_tokens)
