"""Win rates, position bias and strengths from pairwise comparisons, against known answers and by simulation."""

from __future__ import annotations

import math
from random import Random

import pytest

from harness.model import Dataset, Judgement, Level
from harness.stats.bradley_terry import Vote, bradley_terry
from harness.stats.preferences import _binomial, analyse_preferences, clopper_pearson, position_bias, win_rate

pytest.importorskip("scipy")


def judged(
    *answers: tuple[str, str] | None, arms: tuple[str, str] = ("Control", "Treatment")
) -> list[Judgement]:
    """One comparison per block."""
    return [
        Judgement("politer", "Which?", arms, 1, 0, block, one, None if one else "the trial did not finish")
        for block, one in enumerate(answers)
    ]


def analysed(judgements: list[Judgement], **more: object) -> object:
    groups = ("Control", "Treatment", "Third")
    dataset = Dataset("small", groups, (), (), "r1", judgements=tuple(judgements), **more)  # type: ignore[arg-type]
    return analyse_preferences(dataset)[0]


WON, LOST, TIED, FIRST = ("B", "A"), ("A", "B"), ("tie", "tie"), ("A", "A")


@pytest.mark.parametrize(
    ("answers", "score"),
    [(WON, 1.0), (LOST, 0.0), (TIED, 0.5), (FIRST, 0.5), (("B", "tie"), 0.75), (("tie", "B"), 0.25)],
)
def test_a_comparison_scores_by_both_orders(answers: tuple[str, str], score: float) -> None:
    assert judged(answers)[0].score == score


def test_the_p_of_a_win_rate_is_exact() -> None:
    found = win_rate(judged(*[WON] * 8))
    assert (found.rate, found.p, found.won) == (1.0, 2 / 2**8, 8)
    found = win_rate(judged(*[WON] * 6, LOST))
    assert found.p == pytest.approx(2 * (1 + 7) / 2**7)
    assert win_rate(judged(*[TIED] * 6)).reason == "each block is even, so there is nothing to test"


def test_reps_of_a_block_count_as_one_unit() -> None:
    reps = [Judgement("politer", "Which?", ("a", "b"), rep, 0, 0, WON) for rep in range(1, 21)]
    found = win_rate(reps)
    assert (found.made, found.blocks, found.p) == (20, 1, 1.0)


@pytest.mark.parametrize(("wins", "n"), [(0, 5), (3, 10), (7, 8), (20, 20)])
def test_the_interval_is_clopper_and_pearson_s(wins: int, n: int) -> None:
    from scipy.stats import binomtest

    theirs = binomtest(wins, n).proportion_ci(0.95, "exact")
    ours = clopper_pearson(wins / n, n, 0.95)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize(
    ("answers", "level"),
    [
        ([FIRST] * 2, Level.FAIL),
        ([("B", "B")] * 2, Level.FAIL),
        ([WON, LOST, WON, TIED], Level.PASS),
        ([FIRST, WON, WON], Level.PASS),
        ([FIRST] * 10 + [WON] * 25, Level.WARN),
        ([FIRST], Level.WARN),
    ],
)
def test_position_bias_is_told_from_a_preference(answers: list[tuple[str, str]], level: Level) -> None:
    assert position_bias(judged(*answers)).level is level


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (3, 10), (10, 10), (33, 50)])
def test_chance_is_told_by_the_exact_binomial(successes: int, n: int) -> None:
    from scipy.stats import binomtest

    assert _binomial(successes, n) == pytest.approx(binomtest(successes, n).pvalue)


def test_a_judge_that_follows_the_order_supports_no_claim() -> None:
    biased = judged(*[("tie", "A")] * 20)
    found = analysed(biased)
    assert found.pairs[0].p < 0.001 and found.pairs[0].preferred is None  # type: ignore[attr-defined]
    fair = analysed(judged(*[WON] * 20))
    assert fair.pairs[0].preferred == "Treatment"  # type: ignore[attr-defined]


def test_a_mixed_run_has_no_test_of_preferences() -> None:
    found = analysed(judged(*[WON] * 20), mixed=("the model changed",))
    assert found.pairs[0].p is None and found.pairs[0].preferred is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("arm", ["Control", "Treatment"])
def test_a_pair_is_not_tested_where_a_treatment_reached_no_request(arm: str) -> None:
    others = judged(*[WON] * 20, arms=("Rest", "Third"))
    found = analysed([*judged(*[WON] * 20), *others], undelivered={arm: "settings: in no request"})
    lost, kept = found.pairs  # type: ignore[attr-defined]
    assert (lost.p, lost.interval, lost.preferred) == (None, None, None)
    assert lost.reason == f"{arm}: settings: in no request" and lost.rate == 1.0
    assert kept.p is not None and kept.preferred == "Third"
    assert found.strengths == (), "they rest on all pairs"  # type: ignore[attr-defined]


def test_missing_comparisons_are_counted_by_reason() -> None:
    found = analysed(judged(WON, None, None))
    assert found.missing == {"the trial did not finish": 2}  # type: ignore[attr-defined]
    assert found.pairs[0].made == 1 and found.pairs[0].planned == 3  # type: ignore[attr-defined]


def simulated(rng: Random, blocks: int, reps: int, spread: float) -> list[Vote]:
    strengths, ties = {"a": 0.0, "b": 0.7, "c": -0.4}, 0.6
    votes: list[Vote] = []
    for block in range(blocks):
        own = {arm: one + rng.gauss(0, spread) for arm, one in strengths.items()}
        for _ in range(reps):
            for one, other in (("b", "a"), ("c", "a"), ("c", "b")):
                first, second = math.exp(own[one]), math.exp(own[other])
                weights = (first, second, ties * math.sqrt(first * second))
                votes.append((one, other, rng.choices((1.0, 0.0, 0.5), weights)[0], (block, 0)))
    return votes


def test_strengths_of_davidson_s_model_are_recovered() -> None:
    strengths, note = bradley_terry(simulated(Random(1), 200, 20, 0.0), ["a", "b", "c"])
    assert note == ""
    found = {one.arm: one for one in strengths}
    assert found["a"].strength == 0
    assert found["b"].strength == pytest.approx(0.7, abs=4 * found["b"].se)  # type: ignore[operator]
    assert found["c"].strength == pytest.approx(-0.4, abs=4 * found["c"].se)  # type: ignore[operator]
    assert found["b"].se == pytest.approx(0.03, abs=0.02)


def test_two_arms_have_the_log_odds_of_their_wins() -> None:
    votes: list[Vote] = [("b", "a", 1.0, (n, 0)) for n in range(15)]
    votes += [("b", "a", 0.0, (n, 0)) for n in range(15, 20)]
    strengths, _ = bradley_terry(votes, ["a", "b"])
    assert strengths[1].strength == pytest.approx(math.log(3), abs=1e-4)
    # The sandwich of one vote a block is the binomial's own error, by G / (G − 1).
    assert strengths[1].se == pytest.approx(math.sqrt(1 / 15 + 1 / 5) * math.sqrt(20 / 19), rel=1e-3)


def test_errors_grow_with_what_blocks_have_in_common() -> None:
    alike = bradley_terry(simulated(Random(2), 40, 20, 0.0), ["a", "b", "c"])[0][1].se
    apart = bradley_terry(simulated(Random(2), 40, 20, 1.0), ["a", "b", "c"])[0][1].se
    assert alike is not None and apart is not None and apart > 1.5 * alike


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ([], "no comparison was made"),
        ([("b", "a", 0.5, (0, 0))], "every answer is a tie"),
        ([("b", "a", 1.0, (0, 0))], "never won or tied against"),
    ],
)
def test_strengths_that_do_not_exist_have_a_reason(votes: list[Vote], reason: str) -> None:
    found, note = bradley_terry(votes, ["a", "b"])
    assert found == () and reason in note


def test_few_blocks_give_strengths_without_errors() -> None:
    strengths, note = bradley_terry(simulated(Random(3), 4, 30, 0.0), ["a", "b", "c"])
    assert [one.se for one in strengths] == [None] * 3
    assert note == "no standard errors: they need 10 blocks or more; there are 4"
