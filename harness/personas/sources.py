"""Finds populations and fragments by name, in a folder or among the packaged ones, or by path."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from harness.errors import ConfigurationError, expected_one_of
from harness.personas.documents import reason

_PACKAGED = Path(__file__).with_name("packaged")
_FRAGMENTS = "fragments"
_FRAGMENT_SUFFIXES = (".agent.fragment.json", ".fragment.json")


def packaged() -> tuple[str, ...]:
    """The names of the packaged populations, sorted."""
    return _population_names(_PACKAGED)


def packaged_fragments() -> tuple[str, ...]:
    """The names of the packaged fragments, sorted."""
    return _fragment_names(_PACKAGED / _FRAGMENTS)


def find_population(source: str | Path, folder: Path | None) -> tuple[Path, list[Path]]:
    """The path of a population, and its persona files sorted by name.

    Raises `ConfigurationError` if there is no such population, or it is empty.
    """
    if _is_path(source):
        place = Path(source)
    else:
        home = _PACKAGED if folder is None else folder / "population"
        _refuse_unknown("Population", str(source), _population_names(home), packaged(), folder)
        place = home / source
    return place, _persona_files(place)


def find_fragment(source: str | Path, folder: Path | None) -> Path:
    """The file of a fragment. Raises `ConfigurationError` for an unknown name."""
    if _is_path(source):
        return Path(source)
    home = _PACKAGED / _FRAGMENTS if folder is None else folder / _FRAGMENTS
    _refuse_unknown("Fragment", str(source), _fragment_names(home), packaged_fragments(), folder)
    candidates = [home / f"{source}{suffix}" for suffix in _FRAGMENT_SUFFIXES]
    return next(path for path in candidates if path.exists())


def label(path: Path) -> str:
    """The name of ``path`` in records: the same on every machine for packaged files."""
    if path.is_relative_to(_PACKAGED):
        return f"packaged:{path.relative_to(_PACKAGED).as_posix()}"
    return str(path)


def entries(directory: Path) -> list[Path]:
    """The entries of ``directory``, sorted by name as Unicode code points, after composing accents.

    File systems list directories in different orders, and some decompose accents; the panels must not depend on
    that. Raises `OSError` when the directory cannot be listed.
    """
    return sorted(directory.iterdir(), key=lambda path: (unicodedata.normalize("NFC", path.name), path.name))


def _persona_files(place: Path) -> list[Path]:
    try:
        found = entries(place)
    except NotADirectoryError:
        return [place]
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"Population {place}: cannot be listed ({reason(error)}); expected a directory of persona files "
            f"(*.agent.json). Check path and permissions, or use a packaged one: {', '.join(packaged())}."
        ) from None
    files = [path for path in found if _is_persona_file(path.name)]
    if not files:
        raise ConfigurationError(
            f"Population {place}: no persona files in it ({len(found)} other entries); expected "
            f"*.agent.json. Put some there, or use a packaged one: {', '.join(packaged())}."
        )
    return files


def _is_persona_file(name: str) -> bool:
    # All JSON counts, not only *.agent.json: refusing a file is better than silently leaving out a person.
    lowered = name.lower()
    return lowered.endswith(".json") and not lowered.endswith(".fragment.json") and not name.startswith(".")


def _is_path(source: str | Path) -> bool:
    if isinstance(source, Path):
        return True
    return "/" in source or os.sep in source or source in {".", ".."} or source.lower().endswith(".json")


def _population_names(home: Path) -> tuple[str, ...]:
    hidden = (".", "_")
    found = (path for path in _entries_if_any(home) if path.name != _FRAGMENTS and path.is_dir())
    return tuple(path.name for path in found if not path.name.startswith(hidden))


def _fragment_names(home: Path) -> tuple[str, ...]:
    names = [path.name for path in _entries_if_any(home)]
    long, short = _FRAGMENT_SUFFIXES
    stems = {name.removesuffix(long).removesuffix(short) for name in names if name.endswith(short)}
    return tuple(sorted(stems))


def _entries_if_any(directory: Path) -> list[Path]:
    try:
        return entries(directory)
    except OSError:
        return []


def _refuse_unknown(
    kind: str, name: str, known: tuple[str, ...], mine: tuple[str, ...], folder: Path | None
) -> None:
    if name in known:
        return
    place = "among the packaged ones" if folder is None else f"in {folder}"
    without = "" if folder is None else f" Packaged, without that folder: {', '.join(mine)}."
    raise ConfigurationError(
        f"{kind} {name!r}: not found {place}; {expected_one_of(name, known)}"
        f"{without} Or give a path, with a {os.sep!r} in it."
    )
