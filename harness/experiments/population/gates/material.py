"""The files of a study or a variant, as gates read them: each once, a missing or torn one with its reason."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.population.formats.files import M, lenient, read_json, read_yaml
from harness.experiments.population.formats.spec import WHAT, PopulationSpec, problems
from harness.experiments.population.gates.table import AgentTable, table_of

RESULTS = ("meta.json", "by_timestep.json", "outcome_distributions.json", "agent_states.json")
STREAMS = ("timeline.jsonl", "simulation.db")


class Blocked(Exception):
    """A file that a gate needs is unusable, for the reasons in ``problems``, one sentence each."""

    def __init__(self, about: str, *problems: str) -> None:
        super().__init__(*problems)
        self.about, self.problems = about, problems


class StudyFiles:
    """Files under ``directory``, or in its ``inputs`` folder as a variant has them.

    ``read`` names what has been read so far; what is ``hidden`` counts as not there.
    """

    def __init__(self, directory: Path, hidden: Collection[str] = ()) -> None:
        self.directory, self.hidden = directory, frozenset(hidden)
        self.read: set[str] = set()
        self._known: dict[str, Any] = {}
        self._hashes: dict[Path, str] = {}

    def path(self, name: str) -> Path:
        """Where the file ``name`` stands, or should."""
        self.read.add(name)
        places = [self.directory / name, self.directory / "inputs" / name]
        return next((one for one in places if one.is_file()), places[0])

    def has(self, name: str) -> bool:
        path = self.path(name)
        return name not in self.hidden and path.is_file()

    def json(self, name: str) -> Any:
        """What the file holds. Raises `Blocked`."""
        self.read.add(name)
        return self._once(name, lambda: read_json(self._there(name), "File"))

    def population(self, name: str = "population.yaml") -> PopulationSpec:
        """The spec of the population, with the sampling order of the file. Raises `Blocked`."""
        self.read.add(name)
        found: PopulationSpec = self._once(name, lambda: _as_written(self._there(name)))
        return found

    def form(self, name: str, form: type[M], what: str) -> M:
        """The YAML of the file as a ``form``, read leniently. Raises `Blocked`."""
        self.read.add(name)
        found: M = self._once(name, lambda: read_yaml(self._there(name), lenient(form), what))
        return found

    def agents(self) -> AgentTable:
        """The agents of agents.json. Raises `Blocked`."""
        self.read.add("agents.json")
        found: AgentTable = self._once("agents", lambda: table_of(self.json("agents.json")))
        return found

    def hashes(self) -> dict[str, str]:
        """SHA-256, in hex, of each file that has been read; empty for one that is not there."""
        return {
            name: "" if name in self.hidden else self._hash(self.path(name)) for name in sorted(self.read)
        }

    def _there(self, name: str) -> Path:
        path = self.path(name)
        if not self.has(name):
            raise Blocked(name, f"{path}: no such file; expected what its stage writes.")
        return path

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._known:
            try:
                self._known[name] = make()
            except ConfigurationError as error:
                self._known[name] = Blocked(name, *error.problems)
            except Blocked as error:
                self._known[name] = error
        found = self._known[name]
        if isinstance(found, Blocked):
            raise Blocked(found.about, *found.problems)
        return found

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            try:
                with path.open("rb") as file:
                    self._hashes[path] = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                self._hashes[path] = ""
        return self._hashes[path]


def _as_written(path: Path) -> PopulationSpec:
    spec = read_yaml(path, PopulationSpec, WHAT)
    raise_if_any(f"{WHAT} {path}: {fault}" for fault in problems(spec))
    return spec
