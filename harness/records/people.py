"""The people of a run, kept beside its records: attributes and weights for the analysis, descriptions for a judge.

One file per population, ``people/HASH.ndjson``: a line about the population, then a line per person. The hash is the
one in the first line of each record file, so arms with different people have different files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.model import Participant, SampleDesign
from harness.records.atomic import write_whole
from harness.records.json_safe import to_line
from harness.records.read_problems import Problem, note
from harness.records.writer import safe_name

FOLDER = "people"
VERSION = 1
_RANDOM = {"simple": "simple random sample", "stratified": "proportionally stratified random sample"}
KEY = "people_file"
"""In the ``population`` of a metadata line: whether its people were kept."""


def path_of(results_dir: Path, sha256: str) -> Path:
    """Where the people whose hash is ``sha256`` are kept."""
    return results_dir / FOLDER / f"{safe_name(sha256)}.ndjson"


def keep_people(
    results_dir: Path, population: Mapping[str, Any], people: Iterable[Mapping[str, Any]]
) -> None:
    """Keep ``people`` (name, weight, attributes, specification), once per ``population['sha256']``.

    Raises `HarnessError` when they cannot be written: an analysis would lack their weights.
    """
    path = path_of(results_dir, str(population["sha256"]))
    if not path.exists():
        header = {"type": "population", "version": VERSION, **population}
        write_whole(path, b"".join(map(to_line, (header, *people))))


def kept_people(results_dir: Path, sha256: str) -> list[Mapping[str, Any]] | None:
    """The lines about people with that hash; ``None`` where they are missing or cannot be read."""
    with suppress(OSError, ValueError):
        lines = path_of(results_dir, sha256).read_bytes().splitlines()
        header, *rows = (json.loads(line) for line in lines)
        if header.get("type") == "population" and all("name" in row for row in rows):
            return rows
    return None


def people_of(
    results_dir: Path, metadata: Sequence[Mapping[str, Any]]
) -> dict[str, Mapping[str, Participant]]:
    """Group → name → participant, from the metadata lines of a run; arms with the same people share one mapping.

    Empty for arms whose people have no attributes. Kept people that cannot be read are reported as lost.
    """
    known: dict[str, Mapping[str, Participant]] = {}
    found: dict[str, Mapping[str, Participant]] = {}
    for line in metadata:
        population = line.get("population")
        if not isinstance(population, Mapping) or not population.get(KEY):
            continue
        mark = str(population.get("sha256"))
        if mark not in known:
            known[mark] = {one.name: one for one in _participants(results_dir, mark)}
        if known[mark]:
            found.setdefault(str(line.get("group")), known[mark])
    return found


def _participants(results_dir: Path, sha256: str) -> Iterator[Participant]:
    rows = kept_people(results_dir, sha256)
    if rows is None:
        path = path_of(results_dir, sha256)
        text = "attributes and weights of the people of a run; missing or unreadable. Restore the file"
        note([Problem(path, 0, False, text)], lost=True)
        return
    for row in rows:
        weight = row.get("weight", 1.0)
        yield Participant(str(row["name"]), row.get("attributes") or {}, float(weight))


def sample_design(metadata: Sequence[Mapping[str, Any]]) -> SampleDesign | None:
    """How the people of a run were drawn at random from a larger population; ``None`` where they were not.

    Quotas and slices are choices, so that no claim reaches the frame; weights change nothing about it.
    """
    for line in metadata:
        population = line.get("population")
        if not isinstance(population, Mapping) or not population.get("sampling"):
            continue
        draws = [step for step in population["sampling"] if step["method"] != "raked"]
        if not draws or any(step["method"] not in _RANDOM for step in draws):
            return None
        strata = list(draws[-1].get("by") or ())
        return SampleDesign(
            method=_RANDOM[draws[-1]["method"]],
            source=f"{draws[0]['frame']:,} people in {Path(str(population['source'])).name}",
            size=draws[0]["frame"],
            strata=strata[0] if len(strata) == 1 else None,
        )
    return None
