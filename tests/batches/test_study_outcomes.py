"""What may be compared, and how results vary between values of the axis and between seeds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.batches.manifest import Manifest
from harness.batches.variant_outcomes import (
    _shares,
    levels_of,
    outcomes,
    refuse_incomparable,
    refuse_uneven,
    stability,
    without,
)
from harness.errors import ConfigurationError, HarnessError
from harness.model import Mode
from harness.records.run_comparison import joined_dataset
from harness.stats import analyse
from tests.support.studies import Bench, experiment


def test_means_and_spreads_by_hand(bench: Bench) -> None:
    made = bench.declare(seeds=(0, 4))
    bench.run(made)
    plain, rude = stability(outcomes(bench.study, made))
    # A trial scores proposal + rep + 10 × chunk size + seed: means 1 + 1.5 + 20 or 30 + 0 or 4.
    assert [(mean.variant_id, mean.value, mean.n, mean.expected) for mean in plain.means] == [
        ("vr-chunk-size-2-s0", 22.5, 6, 6),
        ("vr-chunk-size-2-s4", 26.5, 6, 6),
        ("vr-chunk-size-3-s0", 32.5, 6, 6),
        ("vr-chunk-size-3-s4", 36.5, 6, 6),
    ]
    assert [(s.level, s.seeds, s.mean, s.low, s.high) for s in plain.spreads] == [
        ("chunk-size 2", 2, 24.5, 22.5, 26.5),
        ("chunk-size 3", 2, 34.5, 32.5, 36.5),
    ]
    assert plain.spreads[0].sd == pytest.approx(8**0.5)
    # Sums of squares: 4 × 5² = 100 between levels, 4 × 2² = 16 within.
    assert plain.of_variant == pytest.approx(100 / 116)
    assert plain.of_seed == pytest.approx(16 / 116)
    assert (rude.group, rude.of_seed) == ("rude", plain.of_seed)


def test_values_of_the_axis_are_tested_block_by_block_with_their_seeds_pooled(bench: Bench) -> None:
    made = bench.declare(seeds=(0, 4))
    bench.run(made)
    levels = levels_of(outcomes(bench.study, made))
    assert [(level.name, len(level.runs)) for level in levels] == [("chunk-size 2", 2), ("chunk-size 3", 2)]
    data = joined_dataset(levels)
    assert data.groups == (
        "plain in chunk-size 2", "plain in chunk-size 3", "rude in chunk-size 2", "rude in chunk-size 3"
    )  # fmt: skip
    assert {one.rep for one in data.of("length", data.groups[0])} == {1, 2, 3, 4}
    found = analyse(data, with_secondary=False)
    assert [one.contrast for one in found.comparisons] == [
        "plain in chunk-size 3 − plain in chunk-size 2", "rude in chunk-size 3 − rude in chunk-size 2"
    ]  # fmt: skip
    # A trial scores proposal + rep + 10 × chunk size + seed, so the difference is 10 in every block.
    assert [one.primary.difference for one in found.comparisons] == pytest.approx([10, 10])
    assert [one.name for one in found.contrasts] == ["rude − plain: chunk-size 3 − chunk-size 2"]


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        ({"a": [1.0], "b": [2.0]}, "one seed per value of the axis"),
        ({"a": [1.0, 2.0]}, "one value of the axis alone"),
        ({"a": [1.0, 1.0], "b": [1.0, 1.0]}, "all means are equal"),
        ({"a": [], "b": []}, "fewer than two means"),
        ({"a": [1.0], "b": []}, "fewer than two means"),
    ],
)
def test_a_share_that_is_not_defined_says_why(levels: dict[str, list[float]], reason: str) -> None:
    of_variant, of_seed, said = _shares(levels)
    assert (of_variant, of_seed) == (None, None)
    assert reason in said


def test_a_batch_that_is_not_done_is_not_compared(bench: Bench) -> None:
    made = bench.declare()
    with pytest.raises(HarnessError, match="vr-chunk-size-2-s0, vr-chunk-size-3-s0 are not a success yet"):
        outcomes(bench.study, made)


def test_batches_that_differ_in_the_axis_alone(bench: Bench) -> None:
    one, other = bench.declare(), bench.declare(("chunk-size", ["7"]))
    refuse_incomparable([one, other])
    bench.experiment = experiment(settings={"chunk_size": 5, "place": "Oslo"})
    third = bench.declare(config_rev="cfg-v02")
    refuse_incomparable([one, third])


def test_batches_that_differ_in_more_are_refused_and_it_is_said_in_what(bench: Bench) -> None:
    one = bench.declare(seeds=(0, 1))
    bench.experiment = experiment(
        settings={"chunk_size": 2, "place": "Rome"}, modes={"full": Mode(reps=3, steps=1)}
    )
    other = bench.declare(scenario_rev="scn-v02", config_rev="cfg-v02", seeds=(5, 6))
    with pytest.raises(ConfigurationError) as refused:
        refuse_incomparable([one, other])
    both = f"{one.batch_id} and {other.batch_id}"
    assert refused.value.problems[1:] == (
        f"{both}: scenario, own.place: 'Oslo' and 'Rome'.",
        f"{both}: config, reps: 2 and 3.",
        f"{both}: seed policy, seeds: '0, 1' and '5, 6'.",
    )


def test_variants_under_other_seeds_are_refused(bench: Bench) -> None:
    made = bench.declare(seeds=(0, 1))
    bench.run(made)
    found = outcomes(bench.study, made, ["vr-chunk-size-2-s0", "vr-chunk-size-3-s1"])
    with pytest.raises(ConfigurationError, match=r"chunk-size 3: seeds \[1\]; chunk-size 2: seeds \[0\]"):
        refuse_uneven(found)


@pytest.mark.parametrize(
    ("axis", "gone"),
    [("model", {"model", "provider"}), ("rate", {"rate"}), ("threshold", {"corrections"}), ("seed", set())],
)
def test_what_an_axis_takes_out_of_a_config(axis: str, gone: set[str]) -> None:
    config = {
        "model": "x",
        "provider": "y",
        "rate": 1,
        "corrections": {},
        "steps": 3,
        "axes": {"chunk_size": 1},
    }
    assert without(config, [axis]).keys() == config.keys() - gone
    assert without(config, ["chunk-size"])["axes"] == {}


def test_another_experiment_is_another_matter(bench: Bench) -> None:
    one = bench.declare()
    other: Manifest = replace(one, experiment="loud")
    with pytest.raises(ConfigurationError, match="experiment quiet and loud"):
        refuse_incomparable([one, other])
