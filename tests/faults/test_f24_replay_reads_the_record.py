"""F24: replay re-runs code instead of reading the record. Here what is printed again is what the record says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.terminal import command

from harness.experiments.payments import market, settlement
from harness.runner.iteration import BaseExperimentRunner
from tests.support.sessions import Lab

CASE = """
import pytest
from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.experiment import payments


@pytest.mark.experiment(payments(PaymentsConfig(history_days=2, samples=2, max_iterations=2, window=5), markets=1))
def test_payments(cell):
    cell.run()
"""


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("something was run again")


def test_a_changed_record_is_replayed_as_it_stands(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.write(CASE)
    lab.run("--count=1", "-k", "Control")
    calls = len(lab.watched.calls)
    replay = command(monkeypatch, capsys, "replay")
    for place, name in ((market, "costs"), (settlement, "settle"), (BaseExperimentRunner, "run")):
        monkeypatch.setattr(place, name, refuse)
    capsys.readouterr()
    before = replay(lab.results).out
    (path,) = lab.results.glob("*.jsonl")
    _change(path)
    after = replay(lab.results).out
    assert "$123,456.78" not in before and "BANK_A: accepted, saves $123,456.78" in after
    assert len(before.splitlines()) == len(after.splitlines()) and len(lab.watched.calls) == calls


def _change(path: Path) -> None:
    """Let the record say that the first proposal saved a sum that no run could have found."""
    first, record = (json.loads(line) for line in path.read_text().splitlines())
    event = next(one for one in record["events"] if one["event"] == "agent_optimized")
    event |= {"accepted": True, "delta": 12_345_678}
    path.write_text("".join(json.dumps(one) + "\n" for one in (first, record)))
