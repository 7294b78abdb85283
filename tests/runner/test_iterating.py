"""The loop: the order of what is told, what an outage counts as, and what is immutable."""

from __future__ import annotations

import asyncio
import copy
import io
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigurationError
from harness.model.frozen import frozen
from harness.runner import BaseExperimentRunner, ExperimentResult, ExperimentState, IterationRecord
from harness.runner.convergence import Convergence, trend_p
from harness.runner.iteration import Decision
from harness.runner.output import JSONLOutput, Outputs, RichOutput, SilentOutput, dollars
from harness.runner.result import Reason


class Told(SilentOutput):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def on_experiment_start(self, experiment_name: str) -> None:
        self.events.append(("start", experiment_name))

    def on_iteration_start(self, iteration: int) -> None:
        self.events.append(("iteration", iteration))

    def on_agent_optimized(self, agent_id: str, accepted: bool, delta: int | None = None) -> None:
        self.events.append(("agent", agent_id, accepted, delta))

    def on_iteration_complete(self, iteration: int, metrics: dict[str, Any]) -> None:
        self.events.append(("complete", iteration, metrics["total_cost"]))

    def on_convergence(self, reason: str) -> None:
        self.events.append(("convergence", reason))

    def on_experiment_complete(self, result: Any) -> None:
        self.events.append(("end", result))


class Halving(BaseExperimentRunner):
    """Each agent's cost halves at its turn until it is 100; ``failing`` (iteration, agent) have no proposal."""

    def __init__(
        self, *, failing: set[tuple[int, str]] = frozenset(), broken: int | None = None, **how: Any
    ) -> None:
        policies = how.pop("policies", {"A": {"cost": 400}, "B": {"cost": 200}})
        super().__init__("halving", policies, max_iterations=how.pop("max_iterations", 20), **how)
        self.failing, self.broken = failing, broken

    async def decide(self, iteration: int, agent: str, policies: Mapping[str, Any]) -> Decision:
        if iteration == self.broken:
            raise RuntimeError("the simulator is broken")
        if (iteration, agent) in self.failing:
            return Decision(False, failure="no answer")
        cost = policies[agent]["cost"]
        better = max(100, cost // 2)
        return Decision(better < cost, {"cost": better}, cost - better)

    async def evaluate(self, iteration: int, policies: Mapping[str, Any]) -> Mapping[str, int]:
        return {agent: policy["cost"] for agent, policy in policies.items()}


def test_everything_is_told_in_order() -> None:
    told = Told()
    result = asyncio.run(Halving(output=told, convergence=Convergence(window=1)).run())
    assert told.events[:-1] == [
        ("start", "halving"),
        ("iteration", 1), ("agent", "A", True, 200), ("agent", "B", True, 100), ("complete", 1, 300),
        ("iteration", 2), ("agent", "A", True, 100), ("agent", "B", False, 0), ("complete", 2, 200),
        ("iteration", 3), ("agent", "A", False, 0), ("agent", "B", False, 0), ("complete", 3, 200),
        ("convergence", "stability_reached"),
    ]  # fmt: skip
    assert told.events[-1] == ("end", result)
    assert (result.converged, result.num_iterations, result.final_costs) == (True, 3, {"A": 100, "B": 100})
    assert result.best is not None and result.best.iteration == 2 and result.last is not None
    assert result.last.iteration == 3


def test_the_end_is_told_when_a_run_breaks_too() -> None:
    told = Told()
    with pytest.raises(RuntimeError):
        asyncio.run(Halving(output=told, broken=2).run())
    assert told.events[-1] == ("end", None)


def test_the_state_advances_meanwhile() -> None:
    seen: list[tuple[int, int]] = []

    class Watching(Told):
        def on_agent_optimized(self, agent_id: str, accepted: bool, delta: int | None = None) -> None:
            state = runner.get_current_state()
            seen.append((state.current_iteration, state.policies["A"]["cost"]))

    runner = Halving(output=Watching(), convergence=Convergence(window=1))
    assert runner.get_current_state().current_iteration == 0
    asyncio.run(runner.run())
    assert seen == [(1, 200), (1, 200), (2, 100), (2, 100), (3, 100), (3, 100)]
    assert runner.get_current_state().is_converged


def test_each_iteration_is_saved_after_its_decisions_and_before_it_is_told() -> None:
    told = Told()
    saved: list[tuple[IterationRecord, int]] = []
    runner = Halving(output=told, save=lambda record: saved.append((record, len(told.events))))
    asyncio.run(runner.run())
    first, heard = saved[0]
    assert first.accepted_changes == {"A": True, "B": True} and heard == 4
    assert told.events[heard][0] == "complete"


def test_a_handler_that_raises_is_heard_no_more_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SilentOutput):
        def on_iteration_start(self, iteration: int) -> None:
            raise OSError("no terminal")

    told = Told()
    result = asyncio.run(Halving(output=Outputs([Broken(), told])).run())
    assert result.converged and told.events[-1] == ("end", result)
    assert [record.message for record in caplog.records] == [
        "Broken raised OSError: no terminal; it is disabled."
    ]


def test_the_cap_is_no_convergence() -> None:
    told = Told()
    result = asyncio.run(Halving(output=told, max_iterations=2).run())
    assert (result.converged, result.convergence_reason) == (False, Reason.MAX_ITERATIONS)
    assert not [event for event in told.events if event[0] == "convergence"]


def test_an_outage_is_no_stability() -> None:
    out = {(iteration, agent) for iteration in range(4, 30) for agent in "AB"}
    result = asyncio.run(Halving(failing=out, convergence=Convergence(window=3)).run())
    assert (result.converged, result.convergence_reason) == (False, Reason.PROPOSER_OUTAGE)
    assert result.num_iterations == 6
    assert result.iteration_history[-1].failures == {"A": "no answer", "B": "no answer"}
    assert not any(result.iteration_history[-1].accepted_changes.values())


def test_iterations_with_a_failure_do_not_count_towards_stability() -> None:
    result = asyncio.run(Halving(failing={(3, "A"), (4, "B")}, convergence=Convergence(window=2)).run())
    assert result.converged and result.num_iterations == 6


def test_a_rejected_proposal_changes_nothing() -> None:
    runner = Halving(policies={"A": {"cost": 100, "more": [1, {"x": 2}]}}, convergence=Convergence(window=1))
    before = pickle.dumps(runner.get_current_state().policies)
    asyncio.run(runner.run())
    assert pickle.dumps(runner.get_current_state().policies) == before


def test_nothing_nested_can_be_changed() -> None:
    policy = {"A": {"levels": [1, 2], "by": {"day": 5}}}
    state = ExperimentState("x", policies=policy)
    record = IterationRecord(1, {"A": 5}, {"A": True}, policies=policy)
    policy["A"]["by"]["day"] = 6
    for held in (state.policies, record.policies):
        assert held["A"]["by"] == {"day": 5}
        for change in (
            lambda held=held: held["A"]["by"].update(day=7),
            lambda held=held: held.__setitem__("B", {}),
            lambda held=held: held["A"].pop("by"),
            lambda held=held: held["A"].__delitem__("by"),
            lambda held=held: held["A"]["by"].setdefault("x", 1),
            lambda held=held: held.clear(),
        ):
            with pytest.raises(TypeError, match="cannot be changed"):
                change()
        with pytest.raises(AttributeError):
            held["A"]["levels"].append(3)
    with pytest.raises(TypeError):
        record.costs_per_agent["A"] = 1  # type: ignore[index]


def test_frozen_data_travels_like_plain_data() -> None:
    held = frozen({"a": [{"b": 1}]})
    assert json.dumps(held) == '{"a": [{"b": 1}]}'
    assert pickle.loads(pickle.dumps(held)) == held == copy.deepcopy(held)
    assert {**held, "c": 1} == {"a": ({"b": 1},), "c": 1}


@pytest.mark.parametrize("cost", [1.0, True, -1, "5", None, 10.5])
def test_costs_are_whole_cents(cost: Any) -> None:
    for make in (
        lambda: IterationRecord(1, {"BANK_A": cost}, {}),
        lambda: ExperimentResult("x", 1, False, "max_iterations", {"BANK_A": cost}, 1.0),
    ):
        with pytest.raises(
            ConfigurationError, match=r"the cost of BANK_A is .*; expected whole cents"
        ) as caught:
            make()
        assert repr(cost) in str(caught.value)


@pytest.mark.parametrize(
    ("converged", "reason", "said"),
    [
        (True, "max_iterations", "converged, for max_iterations"),
        (True, "proposer_outage", "converged, for proposer_outage"),
        (False, "stability_reached", "not converged, for stability_reached"),
        (True, "looks fine", "expected one of"),
    ],
)
def test_a_result_cannot_contradict_itself(converged: bool, reason: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ExperimentResult("x", 1, converged, reason, {}, 1.0)


def test_a_failure_is_never_an_acceptance() -> None:
    with pytest.raises(ConfigurationError, match="never an acceptance"):
        IterationRecord(1, {"A": 1}, {"A": True}, failures={"A": "timed out"})
    with pytest.raises(ValueError, match="accepted=False"):
        Decision(True, failure="timed out")


@pytest.mark.parametrize(
    ("costs", "window", "tolerance", "reached"),
    [
        ([5, 5], 2, 0.0, False), ([5, 5, 5], 2, 0.0, True), ([9, 5, 5, 5], 2, 0.0, True), ([5, 5, 6], 2, 0.0, False),
        ([100, 101, 100], 2, 0.01, True), ([100, 102, 100], 2, 0.01, False),
        ([0, 0], 1, 0.0, True), ([], 1, 0.0, False),
    ],
)  # fmt: skip
def test_stability(costs: list[int], window: int, tolerance: float, reached: bool) -> None:
    found = Convergence("stability", window, tolerance).reached(costs)
    assert found == (Reason.STABILITY_REACHED if reached else None)


@pytest.mark.parametrize(
    ("costs", "reached"),
    [
        ([1000, 1001, 999, 1000, 1002], True),
        ([1000] * 5, True),
        ([900, 1000, 1001, 999, 1000, 1002], False),  # 11 % above the best
        ([1000, 1100, 900, 1000, 1050], False),  # varies too much
        ([1000, 1001, 1002, 1003, 1004, 1005], False),  # a trend
    ],
)
def test_bootstrap_mode(costs: list[int], reached: bool) -> None:
    window = min(5, len(costs) - 1) if costs[-1] == 1005 else 4
    found = Convergence("bootstrap", window).reached(costs)
    assert found == (Reason.BOOTSTRAP_CONVERGED if reached else None)


def test_the_trend_test_is_mann_and_kendalls() -> None:
    assert trend_p([3, 3, 3]) == 1.0
    assert trend_p([1, 2, 3, 4]) == pytest.approx(2 / 24)  # exact: 2 of the 24 orders are as extreme


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"window": 0}, "window=0"), ({"window": 2.5}, "window=2.5"), ({"window": True}, "window=True"),
        ({"mode": "hope"}, "mode='hope'"), ({"tolerance": -0.1}, "tolerance=-0.1"),
        ({"mode": "bootstrap", "window": 2}, "show no trend"),
    ],
)  # fmt: skip
def test_odd_rules(how: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Convergence(**how)


@pytest.mark.parametrize(
    "how", [{"policies": {}}, {"max_iterations": 0}, {"patience": 0}, {"max_iterations": 1.5}]
)
def test_odd_runs(how: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="expected"):
        Halving(**how)


def test_what_a_person_sees() -> None:
    text = io.StringIO()
    asyncio.run(
        Halving(
            output=RichOutput(text, width=80), convergence=Convergence(window=1), failing={(1, "B")}
        ).run()
    )
    lines = text.getvalue().splitlines()
    assert lines[:5] == [
        "halving",
        "Iteration 1",
        "  A: accepted, saves $2.00",
        "  B: no proposal",
        "  total $4.00 (A $2.00, B $2.00)",
    ]
    assert lines[-2:] == [
        "Converged: stability reached.",
        "Best: iteration 2, $2.00. Last: iteration 3, $2.00.",
    ]
    assert "  B: rejected, saves $0.00" in lines and all(len(line) <= 80 for line in lines)


def test_what_is_cut_off_says_so() -> None:
    text = io.StringIO()
    with pytest.raises(RuntimeError):
        asyncio.run(Halving(output=RichOutput(text), broken=1).run())
    assert text.getvalue().splitlines()[-1] == "Cut off; nothing is claimed."


def test_a_file_of_events(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    asyncio.run(Halving(output=JSONLOutput(path), max_iterations=1).run())
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["event"] for event in events] == [
        "experiment_start", "iteration_start", "agent_optimized", "agent_optimized", "iteration_complete",
        "experiment_complete",
    ]  # fmt: skip
    assert events[-1]["result"]["convergence_reason"] == "max_iterations"


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "$0.00"), (123450, "$1,234.50"), (-5, "-$0.05"), (None, "–")]
)
def test_dollars(cents: int | None, text: str) -> None:
    assert dollars(cents) == text
