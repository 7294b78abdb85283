"""F02, as a session of pytest shows it: a rerun puts nothing into the artifact twice."""

from __future__ import annotations

import pytest

from harness.errors import ModelCallError
from tests.support.sessions import SMALL, Lab


@pytest.mark.parametrize(
    "options", [("--reruns=3",), ("--reruns=3", "--setup-show"), ("--reruns=3", "--count=2")]
)
def test_samples_of_a_rerun_case_are_counted_once(lab: Lab, options: tuple[str, ...]) -> None:
    plain = lab.run("--seed=5", *options[1:])
    assert plain.ret == 0
    failures = iter(range(3))

    async def before(trial: str, number: int) -> None:
        if trial.endswith("proposal0") and next(failures, None) is not None:
            raise ModelCallError("out of order")

    lab.watched.before = before
    result = lab.run("--seed=5", *options)
    assert result.parseoutcomes()["rerun"] >= 1
    assert result.ret == 0
    undisturbed, rerun = lab.artifacts
    assert rerun.read_bytes() == undisturbed.read_bytes()


def test_a_test_that_runs_its_cell_twice_plays_it_once(lab: Lab) -> None:
    lab.write(
        SMALL.replace(
            "cell.run()", "first, second = cell.run(), cell.run()\n    assert first.cell == second.cell"
        )
    )
    lab.run().assert_outcomes(passed=2)
    assert len(lab.watched.calls) == 16
    assert lab.meta()["trials"]["attempts"] == 4


def test_a_case_that_fails_for_its_own_reasons_is_rerun_without_a_call(lab: Lab) -> None:
    lab.write(SMALL.replace("cell.run()", "cell.run()\n    assert False"))
    lab.run("--reruns=2").assert_outcomes(failed=2)
    assert len(lab.watched.calls) == 16
    assert lab.meta()["partial"] is False
