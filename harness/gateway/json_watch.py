"""Notice a server that ignores the response format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from harness.gateway.calls import Provider, Reply, Request
from harness.gateway.requests.response_formats import asks_for_json

NO_JSON = 8
"""Replies without acceptable JSON, from the start, after which a session warns: those of two calls."""


class JsonWatch:
    """Warns once per model that has not written acceptable JSON yet. ``hint`` says what to do, if anything."""

    def __init__(self, notify: Callable[[str], None], hint: Callable[[], str]) -> None:
        self._notify, self._hint = notify, hint
        self._no_json = Counter[int]()  # replies to requests for JSON, by the provider's id
        self._json_seen: set[int] = set()  # ids of the providers that have written acceptable JSON

    def note(self, provider: Provider, request: Request, reply: Reply, fault: str) -> None:
        """Note a new ``reply`` of ``provider`` to ``request``, with its ``fault`` if it has one."""
        if reply.refusal or not asks_for_json(request) or id(provider) in self._json_seen:
            return
        self._no_json[id(provider)] += 1
        if not fault:
            self._json_seen.add(id(provider))
        elif self._no_json[id(provider)] == NO_JSON:
            hint = self._hint()
            self._notify(
                f"Model {provider.name}:{provider.model}: none of its first {NO_JSON} replies to requests for JSON is "
                f"acceptable; the last was {fault}. The server may ignore the response format"
                f"{f': {hint}' if hint else ''}."
            )
