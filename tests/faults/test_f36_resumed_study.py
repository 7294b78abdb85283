"""F36: a resumed run differs from an uninterrupted one. Here: a batch stopped by its budget, amid two variants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.model import Play
from harness.model.outcome import Sample, TrialResult
from tests.support.studies import Bench, bench, outcome

__all__ = ["bench"]


async def ask(plan, client):  # type: ignore[no-untyped-def]
    from harness.gateway.calls import CallSite, Request

    reply = await client.complete(
        Request(messages=[{"role": "user", "content": plan.proposal["id"]}]), CallSite("answer")
    )
    return TrialResult(plan.trial, (Sample("length", float(len(reply.text))),))


def study(root: Path, *stops: int) -> Path:
    made = Bench(root)
    made.experiment = replace(made.experiment, play=Play(ask, lambda _: ({"answer": 1}, {"answer": 1})))
    batch = made.declare(seeds=(0, 1))
    for calls in stops:
        assert made.run(batch, max_calls=float(calls)).code == 6
    assert made.run(batch).code == 0
    return made.study.folder


def test_a_batch_that_was_stopped_three_times_equals_one_that_was_not(bench: Bench, tmp_path: Path) -> None:
    stopped, whole = outcome(study(tmp_path / "a", 3, 10, 17)), outcome(study(tmp_path / "b"))
    for found in (stopped, whole):  # a stop is a row of its own; the last row is how it ended
        for name in [name for name in found if name.startswith("row")]:
            found[name] = found[name][-1:]
    assert stopped == whole
