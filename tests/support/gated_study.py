"""A small sound study, file by file, for gates to pass; tests break it in one place."""

from __future__ import annotations

import copy
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.experiments.population.gates import checks_of, load_profile, load_schema_map
from harness.experiments.population.gates.material import StudyFiles
from harness.experiments.population.gates.subject import GateSubject
from harness.model import Check, Level

SIZE = 200
Study = dict[str, Any]


def attribute(name: str, kind: str, distribution: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    sampling = {"strategy": "independent", "distribution": distribution} | more.pop("sampling", {})
    return {"name": name, "type": kind, "description": f"The {name}.", "sampling": sampling} | more


def spec(size: int = SIZE) -> dict[str, Any]:
    return {
        "meta": {"description": "People of a town", "size": size},
        "attributes": [
            attribute("age", "int", {"type": "uniform", "min": 0, "max": 90}),
            attribute(
                "sex",
                "categorical",
                {"type": "categorical", "options": ["female", "male"], "weights": [0.5, 0.5]},
            ),
            attribute(
                "region",
                "categorical",
                {"type": "categorical", "options": ["north", "south", "west"], "weights": [0.5, 0.3, 0.2]},
            ),
            attribute(
                "rooms",
                "int",
                {"type": "categorical", "options": ["1", "2", "3+"], "weights": [0.25, 0.5, 0.25]},
            ),
            attribute("owner", "boolean", {"type": "boolean", "probability_true": 0.4}),
            attribute("renter", "boolean", {"type": "boolean", "probability_true": 0.4}),
            attribute(
                "employed",
                "boolean",
                {"type": "boolean", "probability_true": 0.5},
                sampling={
                    "strategy": "conditional",
                    "modifiers": [{"when": "age < 16", "probability_override": 0.0}],
                },
            ),
        ],
    }


def agents(size: int = SIZE) -> list[dict[str, Any]]:
    return [
        {
            "_id": f"agent_{number:05d}",
            "age": number * 91 // size,
            "sex": ("female", "male")[number % 2],
            "region": "north" if number % 10 < 5 else "south" if number % 10 < 8 else "west",
            "rooms": (1, 2, 2, 3)[number % 4],
            "owner": number % 10 in (0, 3, 5, 8),
            "renter": number % 10 in (1, 4, 6, 9),
            "employed": number * 91 // size >= 16 and number % 2 == 0,
        }
        for number in range(size)
    ]


def edges(size: int = SIZE, reach: int = 3) -> list[dict[str, Any]]:
    rows = [(one, (one + step) % size) for one in range(size) for step in range(1, reach + 1)]
    rows += [(one, (one + size // 2) % size) for one in range(0, size // 2, 7)]
    return [
        {
            "source": f"agent_{one:05d}",
            "target": f"agent_{other:05d}",
            "weight": 0.5,
            "type": "friend",
            "bidirectional": True,
            "influence_weight": {"source_to_target": 0.5, "target_to_source": 0.5},
        }
        for one, other in rows
    ]


def scenario() -> dict[str, Any]:
    return {
        "meta": {"name": "bus_fares", "description": "Fares rise", "population_spec": "population.yaml",
                 "agents_file": "agents.json", "network_file": "network.json"},
        "event": {"type": "policy_change", "content": "Bus fares rise by a third.", "source": "town",
                  "credibility": 0.9, "ambiguity": 0.1, "emotional_valence": -0.4},
        "seed_exposure": {
            "channels": [{"name": "radio", "description": "News", "reach": "broadcast"}],
            "rules": [{"channel": "radio", "when": "age >= 18", "probability": 0.3, "timestep": 0}],
        },
        "interaction": {"primary_model": "direct_conversation", "description": "Talk"},
        "spread": {"share_probability": 0.2, "share_modifiers": [{"when": "age > 60", "multiply": 0.5}]},
        "outcomes": {"suggested_outcomes": [
            {"name": "protest_intent", "type": "categorical", "description": "What they do",
             "options": ["march", "petition", "accept"]},
            {"name": "anger", "type": "float", "description": "How angry", "range": [-1.0, 1.0]},
        ]},
        "simulation": {"max_timesteps": 5, "timestep_unit": "day", "stop_conditions": ["exposure_rate > 0.95"]},
    }  # fmt: skip


def persona() -> dict[str, Any]:
    names = [one["name"] for one in spec()["attributes"]]
    return {
        "population_description": "People of a town",
        "intro_template": "I am {age} years old.",
        "treatments": [{"attribute": name, "treatment": "concrete", "group": "me"} for name in names],
        "groups": [{"name": "me", "label": "About me", "attributes": names}],
        "phrasings": {
            "boolean": [
                {"attribute": name, "true_phrase": f"{name}: yes", "false_phrase": f"{name}: no"} for name in names[4:]
            ],
            "categorical": [
                {"attribute": "sex", "phrases": {"female": "I am a woman.", "male": "I am a man."}},
                {"attribute": "region", "phrases": {one: f"{one}." for one in ("north", "south", "west")}},
            ],
            "concrete": [{"attribute": "age", "template": "I am {value}."}],
        },
    }  # fmt: skip


def states(size: int = SIZE) -> list[dict[str, Any]]:
    found = []
    for row in agents(size):
        number = int(row["_id"][6:])
        aware = number % 4 < 3
        position = ("march", "petition", "accept")[number % 3] if aware else None
        final = {
            "agent_id": row["_id"], "aware": aware, "exposure_count": int(aware),
            "last_reasoning_timestep": 1 if aware else -1, "position": position,
            "sentiment": -0.5 if aware else None, "conviction": 0.5 if aware else None, "will_share": aware,
            "outcomes": {"protest_intent": position, "anger": 0.25} if aware else {},
        }  # fmt: skip
        attributes = {key: value for key, value in row.items() if key != "_id"}
        found.append(
            {
                "agent_id": row["_id"],
                "attributes": attributes,
                "final_state": final,
                "reasoning_count": int(aware),
            }
        )
    return found


def results(size: int = SIZE) -> dict[str, Any]:
    final = [one["final_state"] for one in states(size) if one["final_state"]["aware"]]
    shares = {
        name: sum(one["position"] == name for one in final) / len(final)
        for name in ("march", "petition", "accept")
    }
    steps = [{"timestep": step, "exposure_rate": 0.15 * (step + 1), "agents_reasoned": 30, "agents_failed": 0,
              "new_exposures": 30} for step in range(5)]  # fmt: skip
    return {
        "meta.json": {"scenario_name": "bus_fares", "population_size": size, "model": "rehearsal", "seed": 1,
                      "stopped_reason": "max_timesteps_reached", "total_reasoning_calls": 300,
                      "cost": {"estimated_usd": 0.9}},
        "by_timestep.json": steps,
        "outcome_distributions.json": {
            "protest_intent": shares,
            "anger": {"mean": 0.25, "std": 0.0, "min": 0.25, "max": 0.25, "count": len(final)},
        },
        "agent_states.json": states(size),
    }  # fmt: skip


def schema() -> dict[str, Any]:
    return {
        "fields": {"age": "age", "sex": "sex"},
        "required": ["age", "sex", "region"],
        "bounds": {"age": {"min": 0, "max": 100}},
        "exclusive": [{"name": "one home", "fields": ["owner", "renter"]}],
        "hard": [{"name": "children do not work", "when": "age < 16", "then": "not employed"}],
        "soft": [{"name": "half of adults work", "when": "age >= 16", "then": "employed",
                  "rate": 0.5, "tolerance": 0.05}],
        "priors": [
            {"field": "region", "shares": {"north": 0.5, "south": 0.3, "west": 0.2}, "source": "register"},
            {"field": "sex", "given": "age >= 16", "shares": {"female": 0.5, "male": 0.5}},
        ],
    }  # fmt: skip


def study() -> Study:
    """Name of a file → its content."""
    base = spec()
    base["attributes"] = base["attributes"][:6]
    return {
        "base.yaml": base,
        "population.yaml": spec(),
        "agents.json": {"meta": {"count": SIZE, "seed": 1}, "agents": agents()},
        "network.json": {"meta": {"agent_count": SIZE, "edge_count": len(edges())}, "edges": edges()},
        "population.persona.yaml": persona(),
        "scenario.yaml": scenario(),
        "estimate.json": {"pass1_calls": 150, "pass2_calls": 150, "total_cost": 1.0},
        "schema.yaml": schema(),
        **{f"results/{name}": content for name, content in results().items()},
    }


def write(folder: Path, files: Study) -> Path:
    """Write ``files``; text and bytes as they are, anything else as YAML or JSON. Streams are added."""
    sound, written = _sound()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        same = name in sound and content == sound[name]
        path.write_bytes(written[name] if same else _bytes(name, content))
    if (folder / "results").is_dir():
        write_streams(folder / "results")
    return folder


@cache
def _sound() -> tuple[Study, dict[str, bytes]]:
    files = study()
    return files, {name: _bytes(name, content) for name, content in files.items()}


def _bytes(name: str, content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    return (
        yaml.dump(content, Dumper=yaml.CSafeDumper) if name.endswith("yaml") else json.dumps(content)
    ).encode()


def write_streams(folder: Path) -> None:
    event = {"timestep": 0, "event_type": "seed_exposure", "agent_id": "agent_00000", "details": {}}
    timeline = folder / "timeline.jsonl"
    if not timeline.exists():
        timeline.write_text(f"{json.dumps(event)}\n" * 3)
    if not (folder / "simulation.db").exists():
        with closing(sqlite3.connect(folder / "simulation.db")) as database:
            database.execute("PRAGMA synchronous = OFF")
            for table in ("agent_states", "exposures", "timeline", "timestep_summaries"):
                database.execute(f"CREATE TABLE {table} (id INTEGER)")
            database.commit()


def checked(
    folder: Path, gate: str, break_it: Callable[[Study], Any] | None = None, profile: str = "generic-all-ages"
) -> list[Check]:
    """What ``gate`` says of the study after ``break_it`` has had its way."""
    files = copy.deepcopy(_sound()[0])
    if break_it is not None:
        break_it(files)
    write(folder, files)
    schema_path = folder / "schema.yaml"
    mapping = load_schema_map(schema_path) if schema_path.exists() else None
    return checks_of(gate, GateSubject(StudyFiles(folder), load_profile(profile), mapping))


def bad(checks: list[Check]) -> set[tuple[str, str]]:
    """(level, name) of each check that does not pass."""
    return {(str(one.level), one.name) for one in checks if one.level is not Level.PASS}
