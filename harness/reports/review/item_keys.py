"""Which item is which transcript: kept in a file of its own, which no reviewer gets."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, HarnessError
from harness.records import write_atomic
from harness.text_files import read_json

NAME = "review-key.json"
_TYPE = "review_key"
_WARNING = "Whoever has this file can tell the arms of a blind review. Keep it from reviewers."


@dataclass(frozen=True)
class Key:
    """The key of one export. ``items`` maps the ids on the sheet to trials; all of it hangs on ``secret``."""

    secret: str
    experiment: str
    run_id: str
    reviewer: str = ""
    items: Mapping[str, str] = field(default_factory=dict)

    @property
    def export(self) -> str:
        """The id of the export, which stands on its sheets."""
        return self._of("export")

    def item(self, trial: str) -> str:
        """The id of ``trial`` on the sheet. It begins with a letter, so that no spreadsheet takes it for a number."""
        return self._of(f"item/{trial}")

    def shuffled(self, trials: Iterable[str]) -> list[str]:
        """The order on the sheet."""
        return sorted(trials, key=lambda trial: self._of(f"order/{trial}"))

    def _of(self, what: str) -> str:
        digest = hmac.new(
            self.secret.encode(), what.encode("utf-8", "surrogatepass"), hashlib.sha256
        ).hexdigest()
        return f"r{digest[:12]}"


def secret_of(run_id: str, reviewer: str, seed: int | None) -> str:
    """A fresh secret; with a ``seed`` the same one each time for that run and reviewer."""
    if seed is None:
        return secrets.token_hex(32)
    return hashlib.sha256(f"{seed}/{run_id}/{reviewer}".encode()).hexdigest()


def read_keys(path: Path) -> dict[str, Key]:
    """Export id → key. Raises `HarnessError` when ``path`` is no key file."""
    content = read_json(path, f"Key {path}", expected=f"the {NAME} of an export")
    try:
        if content["type"] != _TYPE:
            raise KeyError("type")
        found = [Key(**{**one, "items": dict(one["items"])}) for one in content["exports"]]
    except (KeyError, TypeError, ValueError) as error:
        raise HarnessError(
            f"{path} is no key of a review ({error}); expected the {NAME} of an export."
        ) from error
    return {one.export: one for one in found}


def add_key(path: Path, key: Key) -> None:
    """Put ``key`` beside those that ``path`` has; an export made again replaces itself. Raises `HarnessError`."""
    keys = {**(read_keys(path) if path.exists() else {}), key.export: key}
    content: dict[str, Any] = {
        "type": _TYPE,
        "warning": _WARNING,
        "exports": [vars(one) for one in keys.values()],
    }
    write_atomic(path, content)
    path.chmod(0o600)


def keep_apart(out: Path, key: Path, records: Path) -> None:
    """Raise `ConfigurationError` when key or records stand in ``out``, the folder that reviewers are given."""
    given = out.resolve()
    for what, place in (("the key", key), ("the records", records)):
        if place.resolve().is_relative_to(given):
            raise ConfigurationError(
                f"{out}: {what} would stand in it ({place}) and tell the arms; expected a folder apart."
            )
