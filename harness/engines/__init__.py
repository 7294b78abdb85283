"""Layer 2: what simulates personas.

A package registers an engine with an entry point in the group ``harness.engines``, which has the engine's name. Its
value is an `EngineFactory`, or only a function (or class) that takes the settings and returns an `Engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harness.entry_points import ENGINES, described, find, load
from harness.errors import ConfigurationError
from harness.gateway.calls import ModelClient
from harness.model import TrialPlan, TrialResult
from harness.user_code import attempt


@runtime_checkable
class Engine(Protocol):
    """Runs one trial to its end. Packaged: ``embedded`` (ours, asynchronous) and ``tinytroupe``."""

    @property
    def name(self) -> str:
        """The name by which it is selected."""

    @property
    def needs_server(self) -> bool:
        """Whether trials reach the model through the gateway's HTTP server instead of ``client.complete``."""

    @property
    def trials_at_once(self) -> int | None:
        """How many trials it can run at a time; ``None`` for any number."""

    async def run(self, plan: TrialPlan, client: ModelClient) -> TrialResult:
        """Run the trial. Every model call goes through ``client`` or its HTTP server.

        Raises `ModelCallError` when a call that the trial needs got no acceptable reply.
        """

    async def aclose(self) -> None:
        """End worker processes and release resources."""


class EngineSettings(Protocol):
    """The settings of a session that engines read."""

    @property
    def model(self) -> str: ...
    @property
    def judge_model(self) -> str | None: ...
    @property
    def temperature(self) -> float | None: ...
    @property
    def seed(self) -> int: ...
    @property
    def concurrency(self) -> int | None: ...
    @property
    def workers(self) -> int | None: ...
    @property
    def checkout(self) -> Path | None: ...


Calls = Mapping[str, int]
"""Call kind → number of model calls."""


@dataclass(frozen=True, kw_only=True)
class EngineFactory:
    """How an engine is made, and what is known of it before it runs.

    Fields:
        make: returns the engine. Raises `ConfigurationError` when something that it needs is missing.
        code: the class or function whose code determines requests, for the run's fingerprint; default: ``make``.
        expected_calls: the least and the most calls of one trial, for estimates; default: not known, shown as 0.
        arm_fields: which of ``instructions`` and ``memory_limit`` of a `harness.Group` it carries out; an arm that
            declares another one is refused before the first call. Default: none.
    """

    make: Callable[[EngineSettings], Engine]
    code: Callable[..., Any] | None = None
    expected_calls: Callable[[TrialPlan], tuple[Calls, Calls]] | None = None
    arm_fields: frozenset[str] = frozenset()


@cache
def engine_factory(name: str) -> EngineFactory:
    """The factory registered as ``name``. Raises `ConfigurationError` for an unknown or a broken one."""
    point = find(ENGINES, name, "Engine")
    value = load(point)
    if isinstance(value, EngineFactory):
        return value
    if not callable(value):
        raise ConfigurationError(
            f"{described(point)} is a {type(value).__name__}; expected an EngineFactory or a function."
        )
    return EngineFactory(make=value)


def make_engine(name: str, settings: EngineSettings) -> Engine:
    """The engine registered as ``name``. Raises `ConfigurationError` as `engine_factory` and its ``make`` do."""
    make, point = engine_factory(name).make, find(ENGINES, name, "Engine")
    engine = attempt(described(point), lambda: make(settings))
    if not isinstance(engine, Engine):
        made, members = type(engine).__name__, "name, needs_server, trials_at_once, run and aclose"
        raise ConfigurationError(f"{described(point)} made a {made}; expected an engine with {members}.")
    return engine
