"""The key from items to transcripts, in a file that reviewers do not get."""

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
_WARNING = "This file reveals the arms of a blind review. Keep it from reviewers."


@dataclass(frozen=True)
class Key:
    """The key of one export. ``items`` maps the ids on the sheet, which derive from ``secret``, to trials."""

    secret: str
    experiment: str
    run_id: str
    reviewer: str = ""
    items: Mapping[str, str] = field(default_factory=dict)

    @property
    def export(self) -> str:
        """The id of the export, shown on its sheets."""
        return self._of("export")

    def item(self, trial: str) -> str:
        """The id of ``trial`` on the sheet. It begins with a letter, so that spreadsheets keep it as text."""
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
    """A random secret; with a ``seed``, a reproducible one for that run and reviewer."""
    if seed is None:
        return secrets.token_hex(32)
    return hashlib.sha256(f"{seed}/{run_id}/{reviewer}".encode()).hexdigest()


def read_keys(path: Path) -> dict[str, Key]:
    """Export id → key. Raises `HarnessError` if ``path`` is not a key file."""
    content = read_json(path, f"Key {path}", expected=f"the {NAME} of an export")
    try:
        if content["type"] != _TYPE:
            raise KeyError("type")
        found = [Key(**{**one, "items": dict(one["items"])}) for one in content["exports"]]
    except (KeyError, TypeError, ValueError) as error:
        raise HarnessError(
            f"{path} is not the key of a review ({error}); expected the {NAME} of an export."
        ) from error
    return {one.export: one for one in found}


def add_key(path: Path, key: Key) -> None:
    """Add ``key`` to those in ``path``, replacing one of the same export. Raises `HarnessError`."""
    keys = {**(read_keys(path) if path.exists() else {}), key.export: key}
    content: dict[str, Any] = {
        "type": _TYPE,
        "warning": _WARNING,
        "exports": [vars(one) for one in keys.values()],
    }
    write_atomic(path, content)
    path.chmod(0o600)


def keep_apart(out: Path, key: Path, records: Path) -> None:
    """Raise `ConfigurationError` if the key or the records are in ``out``, the folder for reviewers."""
    given = out.resolve()
    for what, place in (("the key", key), ("the records", records)):
        if place.resolve().is_relative_to(given):
            raise ConfigurationError(
                f"{out}: {what} would stand in it ({place}) and tell the arms; expected a folder apart."
            )
