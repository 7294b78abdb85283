"""Log probabilities of tokens: which requests ask for them, and which replies lack them."""

from __future__ import annotations

from harness.errors import UnsupportedParameterError
from harness.gateway.calls import Provider, Reply, Request

FIELD = "logprobs"


def asks_for_logprobs(request: Request) -> bool:
    """Whether ``request`` asks for the log probabilities of its reply's tokens.

    >>> asks_for_logprobs(Request((), extra={"logprobs": True, "top_logprobs": 3}))
    True
    """
    return bool(request.extra.get(FIELD))


def refuse_without_logprobs(request: Request, provider: Provider, reply: Reply | None = None) -> None:
    """Raise `UnsupportedParameterError` where ``request`` asks ``provider`` for what it does not give.

    Before the call that is known of some protocols, afterwards by the ``reply``.
    """
    if not asks_for_logprobs(request):
        return
    if reply is None:
        lacking = FIELD in getattr(provider, "no_counterpart", frozenset())
    else:
        lacking = reply.logprobs is None and bool(reply.text) and not reply.refusal and not reply.tool_calls
    if lacking:
        raise UnsupportedParameterError(
            f"Model {provider.name}:{provider.model} gives no log probabilities, for which the request asks "
            f"({FIELD}); leave the field out, or choose another model.",
            FIELD,
            fatal=True,
        )
