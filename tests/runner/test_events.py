"""One stream: what is kept is what was told, and can be told again word for word."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.runner import BaseExperimentRunner, RichOutput
from harness.runner.convergence import Convergence
from harness.runner.events import EventStream, result_data, result_from, tell
from harness.runner.iteration import Decision
from harness.runner.output import OutputHandlerProtocol, SilentOutput


class Halving(BaseExperimentRunner):
    """Costs halve down to 100; ``silent`` agents have no proposal, ``broken`` is the iteration that breaks."""

    def __init__(
        self, output: OutputHandlerProtocol, *, silent: str = "", broken: int = 0, most: int = 20
    ) -> None:
        policies = {"A": {"cost": 400}, "B": {"cost": 200}}
        super().__init__(
            "halving", policies, max_iterations=most, convergence=Convergence(window=2), output=output
        )
        self.silent, self.broken = silent, broken

    async def decide(self, iteration: int, agent: str, policies: Mapping[str, Any]) -> Decision:
        if iteration == self.broken:
            raise HarnessError("broken")
        if agent in self.silent:
            return Decision(False, failure="no answer")
        cost = policies[agent]["cost"]
        return Decision(cost > 100, {"cost": max(100, cost // 2)}, cost - max(100, cost // 2))

    async def evaluate(self, iteration: int, policies: Mapping[str, Any]) -> Mapping[str, int]:
        return {agent: policy["cost"] for agent, policy in policies.items()}


ENDS = [{}, {"silent": "A", "most": 4}, {"silent": "AB"}, {"most": 1}, {"broken": 2}]


def ran(**how: Any) -> tuple[EventStream, str]:
    """The stream of a run, and what its console showed."""
    console = io.StringIO()
    stream = EventStream([RichOutput(console)])
    try:
        asyncio.run(Halving(stream, **how).run())
    except HarnessError:
        assert how.get("broken")
    return stream, console.getvalue()


@pytest.mark.parametrize("how", ENDS)
def test_what_was_recorded_prints_what_was_shown(how: dict[str, Any]) -> None:
    stream, shown = ran(**how)
    again = io.StringIO()
    for event in json.loads(json.dumps(stream.events)):
        tell(event, RichOutput(again))
    assert again.getvalue() == shown and shown.count("\n") >= 3


def test_a_result_survives_as_plain_data() -> None:
    stream = EventStream()
    result = asyncio.run(Halving(stream).run())
    assert result_from(json.loads(json.dumps(result_data(result)))) == result


def test_a_handler_that_raises_does_not_cost_the_record() -> None:
    class Broken(SilentOutput):
        def on_iteration_start(self, iteration: int) -> None:
            raise OSError("no terminal")

    stream = EventStream([Broken()])
    asyncio.run(Halving(stream).run())
    assert [event["event"] for event in stream.events] == [event["event"] for event in ran()[0].events]


@pytest.mark.parametrize(
    "event",
    [
        {"event": "surprise"},
        {"event": "iteration_complete", "iteration": 1, "metrics": 5},
        17,
        {},
        {"event": "convergence"},
        {"event": "experiment_complete", "result": {"x": 1}},
    ],
)
def test_an_event_that_is_none_is_named(event: Any) -> None:
    with pytest.raises(HarnessError, match="cannot be read"):
        tell(event, RichOutput(io.StringIO()))
