"""simulation.db: the state of a simulation in SQLite, so that it can resume after a crash with the same result.

The thoughts of a chunk are one transaction, the end of a step another; no essential state is in memory only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from harness.errors import HarnessError
from harness.experiments.population.simulation.state import (
    NEVER,
    AgentStates,
    EarlierThought,
    ReasoningFailure,
    Summary,
    Thought,
)
from harness.model import Usage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS agent_states (
    agent_id TEXT PRIMARY KEY, place INTEGER NOT NULL, aware INTEGER NOT NULL, exposure_count INTEGER NOT NULL,
    fresh_count INTEGER NOT NULL, hop INTEGER NOT NULL, last_reasoning_timestep INTEGER NOT NULL,
    reasoning_count INTEGER NOT NULL, position INTEGER NOT NULL, sentiment REAL, conviction REAL,
    will_share INTEGER NOT NULL, thought_json TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS exposures (
    id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, timestep INTEGER NOT NULL, channel TEXT NOT NULL,
    source_agent_id TEXT, credibility REAL NOT NULL);
CREATE TABLE IF NOT EXISTS memory_traces (
    agent_id TEXT NOT NULL, timestep INTEGER NOT NULL, sentiment REAL, conviction REAL, summary TEXT NOT NULL,
    PRIMARY KEY (agent_id, timestep)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shared_to (
    tie INTEGER PRIMARY KEY, source_agent_id TEXT NOT NULL, target_agent_id TEXT NOT NULL, timestep INTEGER NOT NULL,
    position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reasonings (
    timestep INTEGER NOT NULL, place INTEGER NOT NULL, thought_json TEXT, failure TEXT, refused INTEGER NOT NULL,
    PRIMARY KEY (timestep, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunks (
    timestep INTEGER NOT NULL, chunk INTEGER NOT NULL, usage_json TEXT NOT NULL,
    PRIMARY KEY (timestep, chunk)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS timestep_summaries (
    timestep INTEGER PRIMARY KEY, summary_json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS simulation_metadata (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

Found = Mapping[int, Thought | ReasoningFailure]


class Store:
    """The database of one simulation; ``path`` ``None``: in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._what = f"Simulation {path}"
        with self._explained():
            self._db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise HarnessError(
                f"{self._what}: cannot be used ({error}); check disk space and permissions."
            ) from None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Translate damaged content into `HarnessError`."""
        try:
            yield
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise HarnessError(
                f"{self._what}: is damaged ({type(error).__name__}: {error!s:.100}); expected what a simulation "
                "wrote. Put it back, or use another folder."
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Checkpoint everything into one file."""
        with self._explained():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.close()

    # Metadata

    def get(self, key: str) -> Any:
        """The value of ``key``, or ``None``."""
        with self._explained():
            row = self._db.execute("SELECT value FROM simulation_metadata WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, **values: Any) -> None:
        """Set these in one transaction."""
        with self._transaction() as db:
            _put(db, values)

    # Within a step

    def keep_chunk(self, step: int, chunk: int, found: Found, usage: Usage) -> None:
        """Save a finished chunk."""
        rows = [(step, place, *_reasoning_row(one)) for place, one in found.items()]
        with self._transaction() as db:
            db.executemany("INSERT INTO reasonings VALUES (?, ?, ?, ?, ?)", rows)
            db.execute(
                "INSERT INTO chunks VALUES (?, ?, ?)",
                (step, chunk, json.dumps(_usage(usage), sort_keys=True)),
            )

    def chunks(self, step: int) -> set[int]:
        """The finished chunks of ``step``."""
        with self._explained():
            return {
                row[0] for row in self._db.execute("SELECT chunk FROM chunks WHERE timestep = ?", (step,))
            }

    def reasonings(self, step: int) -> dict[int, Thought | ReasoningFailure]:
        """The thoughts in ``step`` by index, sorted."""
        query = (
            "SELECT place, thought_json, failure, refused FROM reasonings WHERE timestep = ? ORDER BY place"
        )
        with self._explained():
            rows = self._db.execute(query, (step,)).fetchall()
        return {
            row[0]: Thought(**json.loads(row[1])) if row[1] else ReasoningFailure(row[2], bool(row[3]))
            for row in rows
        }

    def usages(self) -> list[dict[str, Any]]:
        """The usage of each chunk, in order."""
        with self._explained():
            rows = self._db.execute("SELECT usage_json FROM chunks ORDER BY timestep, chunk").fetchall()
        return [json.loads(row[0]) for row in rows]

    # Between steps

    def finish_step(
        self,
        state: AgentStates,
        ids: Sequence[str],
        summary: Summary,
        exposures: Sequence[tuple[Any, ...]],
        shares: Sequence[tuple[Any, ...]],
        **metadata: Any,
    ) -> None:
        """Save a finished step with all its changes."""
        step = summary.timestep
        with self._transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO agent_states VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                _state_rows(state, ids),
            )
            db.executemany(
                "INSERT INTO exposures (agent_id, timestep, channel, source_agent_id, credibility) VALUES (?,?,?,?,?)",
                exposures,
            )
            db.executemany("INSERT OR REPLACE INTO shared_to VALUES (?, ?, ?, ?, ?)", shares)
            now = np.flatnonzero(state.last == step).tolist()
            traces = [
                (ids[p], m.timestep, m.sentiment, m.conviction, m.summary)
                for p in now
                for m in state.memories[p]
            ]
            db.executemany("DELETE FROM memory_traces WHERE agent_id = ?", [(ids[p],) for p in now])
            db.executemany("INSERT INTO memory_traces VALUES (?, ?, ?, ?, ?)", traces)
            db.execute("INSERT INTO timestep_summaries VALUES (?, ?)", (step, json.dumps(asdict(summary))))
            _put(db, metadata)

    def summaries(self) -> list[Summary]:
        """The summaries of finished steps."""
        with self._explained():
            rows = self._db.execute(
                "SELECT summary_json FROM timestep_summaries ORDER BY timestep"
            ).fetchall()
        return [Summary(**json.loads(row[0])) for row in rows]

    def state(self, ids: Sequence[str], ties: int) -> AgentStates:
        """The state at the end of the last step that is done. Raises `ValueError` where an agent is missing."""
        state = AgentStates.initial(len(ids), ties)
        places = {name: place for place, name in enumerate(ids)}
        with self._explained():
            rows = self._db.execute("SELECT * FROM agent_states ORDER BY place").fetchall()
            shared = self._db.execute("SELECT tie, position FROM shared_to").fetchall()
            traces = self._db.execute("SELECT * FROM memory_traces ORDER BY agent_id, timestep").fetchall()
        if len(rows) != (len(ids) if self.get("next_timestep") else 0):
            raise ValueError(f"{len(rows):,} of {len(ids):,} agents")
        for row in rows:
            _fill(state, row)
        state.told_as[:] = NEVER
        for tie, position in shared:
            state.told_as[tie] = position
        for agent, *memory in traces:
            state.memories[places[agent]] = (*state.memories[places[agent]], EarlierThought(*memory))
        return state


def _put(db: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    rows = [(key, json.dumps(value, sort_keys=True)) for key, value in values.items()]
    db.executemany("INSERT OR REPLACE INTO simulation_metadata VALUES (?, ?)", rows)


def _reasoning_row(one: Thought | ReasoningFailure) -> tuple[str | None, str | None, int]:
    if isinstance(one, ReasoningFailure):
        return None, one.reason, int(one.refused)
    return orjson.dumps(one).decode(), None, 0


def _usage(usage: Usage) -> dict[str, Any]:
    # the last bits of sums depend on the order of replies
    cost = None if usage.cost is None else round(usage.cost, 12)
    return {
        "calls": dict(sorted(usage.calls.items())),
        "tokens_in": usage.tokens_in,
        "tokens_out": usage.tokens_out,
        "cost": cost,
        "cost_reason": usage.cost_reason,
        "models": [[one.model, one.replies] for one in usage.models],
    }


def _state_rows(state: AgentStates, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    numbers = (
        state.aware.astype(int), state.exposures, state.fresh, state.hop, state.last, state.reasoned, state.position,
    )  # fmt: skip
    floats = ([None if v != v else v for v in one.tolist()] for one in (state.sentiment, state.conviction))
    thoughts = (None if one is None else orjson.dumps(one).decode() for one in state.thoughts)
    columns = (*(one.tolist() for one in numbers), *floats, state.will_share.astype(int).tolist(), thoughts)
    yield from zip(ids, range(len(ids)), *columns, strict=True)


def _fill(state: AgentStates, row: Sequence[Any]) -> None:
    _, place, *numbers, sentiment, conviction, share, thought = row
    columns = (
        state.aware, state.exposures, state.fresh, state.hop, state.last, state.reasoned, state.position,
    )  # fmt: skip
    for column, number in zip(columns, numbers, strict=True):
        column[place] = number
    state.sentiment[place] = np.nan if sentiment is None else sentiment
    state.conviction[place] = np.nan if conviction is None else conviction
    state.will_share[place] = share
    state.thoughts[place] = Thought(**json.loads(thought)) if thought else None
