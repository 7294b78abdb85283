"""Agents as personas, for any other experiment here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError
from harness.experiments.population.formats.agents import read_agents
from harness.experiments.population.formats.files import write_json
from harness.experiments.population.formats.persona import Teller, read_personas
from harness.model import Persona

NAMED = "name"
"""An attribute of this name is the persona's name; else it is the agent's ``_id``."""


def survey_personas(
    agents: Path, personas: Path | None = None, *, first: int | None = None
) -> tuple[Persona, ...]:
    """The ``first`` agents (``None``: all) of the file ``agents``, told by the phrasings in ``personas``, if any.

    Give them to an experiment as its ``population``. Raises `ConfigurationError`.
    """
    drawn = read_agents(agents)
    if first is not None and not 1 <= first <= len(drawn):
        raise ConfigurationError(f"Agents {agents}: first={first}; expected 1 to {len(drawn):,}.")
    config = None if personas is None else read_personas(personas, frozenset(drawn.columns))
    teller = Teller(config, drawn) if config else None
    rows = drawn.rows()[:first]
    return tuple(_persona(row, teller, str(agents)) for row in rows)


def export_personas(
    agents: Path, folder: Path, personas: Path | None = None, *, first: int | None = None
) -> int:
    """Write a persona file per agent into ``folder``, whose path then is a population's; gives their number.

    Raises `HarnessError`.
    """
    everybody = survey_personas(agents, personas, first=first)
    for number, one in enumerate(everybody):  # a number, not a name: names come from a file
        content = {"type": "TinyPerson", "persona": dict(one.specification)}
        write_json(folder / f"{number:0{len(str(len(everybody)))}d}.agent.json", content)
    return len(everybody)


def _persona(row: Mapping[str, Any], teller: Teller | None, source: str) -> Persona:
    attributes = {name: value for name, value in row.items() if not name.startswith("_") and name != NAMED}
    name = str(row.get(NAMED) or row["_id"])
    told = {"persona": teller.tell(row)} if teller else {}
    return Persona(name, {"name": name, **told, **attributes}, source=source, attributes=attributes)
