"""F40: two shares in one table have different denominators. Here: segments, and means of variants that lost values."""

from __future__ import annotations

import json

import pytest

from harness.batches.batch_report import means_table
from harness.batches.deliverables import finish
from harness.batches.variant_outcomes import Mean, Stability
from harness.errors import ConfigurationError
from tests.support.studies import Bench, bench

__all__ = ["bench"]


def test_segments_of_two_denominators_are_no_deliverable(bench: Bench) -> None:
    made = bench.declare()
    bench.run(made)
    segments = [{"name": "young", "value": 0.5, "n": 20}, {"name": "old", "value": 0.4, "n": 30}]
    one = {"metric": "length", "unit": "agents", "total": 40, "segments": segments}
    folder = bench.study.batch(made.batch_id).variant("vr-chunk-size-2-s0").results
    (folder / "segments.json").write_text(json.dumps([{"name": name, **one} for name in ("age", "town")]))
    with pytest.raises(ConfigurationError, match="n add up to 50 of 40 agents; expected one denominator"):
        finish(bench.study, made, single_seed_caveat="One.")


def test_a_mean_of_fewer_values_shows_its_own_denominator() -> None:
    means = (Mean("a", 0, "vr-steps-1-s0", 0.5, 6, 6), Mean("b", 0, "vr-steps-2-s0", 0.5, 4, 6))
    table = means_table([Stability("share", "plain", means, (), None, None)])
    assert [row[-1] for row in table.rows] == ["6 of 6", "4 of 6"]
