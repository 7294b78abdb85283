"""The error of a batch that is asked for otherwise than it can be had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.errors import ConfigurationError


class RequestError(ConfigurationError):
    """What was asked for is refused, and other ``options`` would be accepted: parameter → its value, or what it takes.

    Front ends add how their users say so.
    """

    def __init__(self, problems: Iterable[str], options: Mapping[str, str]) -> None:
        self.options = dict(options)
        super().__init__(*problems)
