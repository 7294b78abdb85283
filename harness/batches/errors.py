"""The error of a refused request for a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.errors import ConfigurationError


class RequestError(ConfigurationError):
    """A request is refused, but would be accepted with ``options``: parameter → value, or what it takes.

    Front ends add the options in their own form.
    """

    def __init__(self, problems: Iterable[str], options: Mapping[str, str]) -> None:
        self.options = dict(options)
        super().__init__(*problems)
