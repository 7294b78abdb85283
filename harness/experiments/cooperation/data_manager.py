"""The folder of one trial: each file is written atomically, and a resumed session finds it again.

Only the process that runs the trial writes to its folder.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, HarnessError
from harness.experiments.cooperation.results import GameResult
from harness.records import write_atomic, write_whole
from harness.records.json_safe import differences, plain, shown, to_line
from harness.records.writer import explained, make_directory
from harness.text_files import read_json

MANIFEST = "manifest.json"
RESULTS, PARTIAL, ERRORS = "experiment_results.json", "partial_results.json", "experiment_errors.log"
LONGEST = 2000
"""Kept characters of an error."""
_MOMENT = re.compile(r"(\d{8})T(\d{6})")


def folder_name(run_id: str) -> str:
    """``exp_YYYYMMDD_HHMMSS``: the start (UTC) of the run, also in later sessions that resume it."""
    found = _MOMENT.match(run_id)
    return f"exp_{found[1]}_{found[2]}" if found else f"exp_{re.sub(r'[^A-Za-z0-9]', '_', run_id)}"


class DataManager:
    """Writes and reads the files in ``folder``; create it with `open`. Raises `HarnessError` for unusable files."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any], now: Callable[[], datetime]) -> None:
        self.folder, self.manifest = folder, manifest
        self._now = now
        self._errors: list[bytes] = []
        with suppress(FileNotFoundError):
            self._errors = (folder / ERRORS).read_bytes().splitlines(keepends=True)

    @classmethod
    def open(
        cls,
        results: Path,
        run_id: str,
        trial: str,
        configuration: Mapping[str, Any],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> DataManager:
        """Open the folder of a trial, or create it.

        The first trial of a run to begin gets ``exp_YYYYMMDD_HHMMSS``, the next ``exp_YYYYMMDD_HHMMSS-2``, and so on;
        `MANIFEST` names the trial of each. Raises `HarnessError`, and changes nothing, if the folder has another
        configuration.
        """
        make_directory(results)
        name, number = folder_name(run_id), 1
        wanted = plain(configuration)[0]
        while True:
            folder = results / (name if number == 1 else f"{name}-{number}")
            if not folder.exists():
                manifest = {
                    "run_id": run_id,
                    "trial": trial,
                    "experiment_id": folder.name,
                    "start_time": _iso(now()),
                    "configuration": wanted,
                }
                if _create(folder, manifest):
                    return cls(folder, manifest, now)
            found = _manifest(folder)
            if (found.get("run_id"), found.get("trial")) == (run_id, trial):
                _check_configuration(folder, found.get("configuration"), wanted)
                return cls(folder, found, now)
            number += 1

    # Rounds

    def save_strategies(self, number: int, data: Mapping[str, Any]) -> None:
        self._save_round("strategies", number, data)

    def save_games(self, number: int, data: Mapping[str, Any]) -> None:
        self._save_round("games", number, data)

    def save_summary(self, number: int, data: Mapping[str, Any]) -> None:
        self._save_round("summary", number, data)

    def save_ids(self, number: int, agents: Sequence[str], ids: Sequence[str]) -> None:
        """Save the agent behind each anonymous id; in a separate file, so that all others can be shown."""
        self._save_round(
            "anonymous", number, {"round": number, "agents": dict(zip(ids, agents, strict=True))}
        )

    def failed_calls(self, number: int) -> tuple[Mapping[str, str], Mapping[tuple[str, str], str]]:
        """Calls that failed in a round that an earlier session finished: they stay failed in a resumed game.

        Returns agents whose strategy failed, and pairs (agent, opponent) whose decision failed, each with the reason.
        Both are empty for an unfinished round, whose calls the resumed game makes again.
        """
        games, strategies = self._round("games", number), self._round("strategies", number)
        if games is None or strategies is None:
            return {}, {}
        try:
            lost = {
                one["agent"]: one["reason"] for one in strategies["strategies"] if one["missing"] == "failed"
            }
            missed = {
                (game["players"][side], game["players"][1 - side]): game["reasons"][side]
                for game in games["games"]
                for side in (0, 1)
                if game["missing"][side] == "failed"
            }
        except (KeyError, TypeError, IndexError) as error:
            path = self._path("games", number)
            raise HarnessError(f"{path}: {error!r}; expected the games of a round, unchanged.") from error
        return lost, missed

    def _path(self, kind: str, number: int) -> Path:
        return self.folder / "rounds" / f"{kind}_r{number}.json"

    def _save_round(self, kind: str, number: int, data: Mapping[str, Any]) -> None:
        write_atomic(self._path(kind, number), {**data, "timestamp": _iso(self._now())})

    def _round(self, kind: str, number: int) -> Any:
        path = self._path(kind, number)
        return _read(path) if path.exists() else None

    # The whole

    def save_partial(self, result: GameResult) -> None:
        """Save the finished rounds."""
        write_atomic(self.folder / PARTIAL, asdict(result))

    def save_results(self, result: GameResult) -> None:
        """Save the whole game."""
        write_atomic(self.folder / RESULTS, asdict(result))

    @property
    def identity(self) -> dict[str, str]:
        """The fields of a `GameResult` that identify it, with its times."""
        return {
            "experiment_id": self.folder.name,
            "start_time": self.manifest["start_time"],
            "end_time": _iso(self._now()),
        }

    def log_error(self, what: str, error: BaseException | str, **context: Any) -> None:
        """Append a JSON line to `ERRORS`: time, subject, error and context."""
        kind = "" if isinstance(error, str) else type(error).__name__
        self.log_errors([{"what": what, "kind": kind, "error": str(error)[:LONGEST], **context}])

    def log_errors(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Append ``lines`` to `ERRORS`, except those that an earlier session already logged."""
        known = {_without_time(line) for line in self._errors}
        stamped = [to_line({"timestamp": _iso(self._now()), **line}) for line in lines]
        new = [line for line in stamped if _without_time(line) not in known]
        if new:
            self._errors += new
            write_whole(self.folder / ERRORS, b"".join(self._errors))


def _without_time(line: bytes) -> bytes:
    return line.partition(b", ")[2]


def _create(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Create the folder with its manifest, atomically; false if another process was faster."""
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    make_directory(made / "rounds")
    write_atomic(made / MANIFEST, manifest)
    try:
        with explained(folder, "create the directory"):
            try:
                made.rename(folder)
            except OSError:
                if not folder.exists():
                    raise
                return False
        return True
    finally:
        if made.exists():
            shutil.rmtree(made, ignore_errors=True)


def _manifest(folder: Path) -> Mapping[str, Any]:
    """The folder's manifest; empty if it has none."""
    path = folder / MANIFEST
    if not path.exists():
        return {}
    found = _read(path)
    return found if isinstance(found, Mapping) else {}


def _read(path: Path) -> Any:
    try:
        return read_json(path, str(path))
    except ConfigurationError as error:
        raise HarnessError(f"{error} Restore it, or start a new run.") from error


def _check_configuration(folder: Path, then: Any, now: Any) -> None:
    changed = differences(then, now)
    if changed:
        text = "; ".join(f"{key}: {shown(old)} then, {shown(new)} now" for key, (old, new) in changed.items())
        raise HarnessError(
            f"{folder} has another configuration: {text}. It was left unchanged. "
            "Restore the configuration, or start a new run."
        )


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
