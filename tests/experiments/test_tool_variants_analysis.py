"""The answer of a run: a planted effect, none, ties, ceilings, failures, parts; and that n counts scenarios."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks import examine
from harness.experiments.tool_variants.analysis import VariantsAnalysis, analyse
from harness.experiments.tool_variants.decision import RULE, Adoption, decide, simplicity
from harness.experiments.tool_variants.experiment import tool_variants
from harness.experiments.tool_variants.rendering import answer_json, answer_parts
from harness.experiments.tool_variants.run_checks import examine as own
from harness.experiments.tool_variants.run_records import read_run
from harness.experiments.tool_variants.variants import BASELINE, VARIANTS
from harness.model import Level
from harness.reports.parts import as_markdown, as_text
from harness.stats.results import Estimate, Interval
from tests.support.tool_runs import Turn, filed_run, planted, told

LONG = {group.name: group.settings["tools"] for group in tool_variants().groups}


def answer(folder: Path, turn: Turn, **more: Any) -> VariantsAnalysis:
    """As ``harness variants`` has it: with the instrument's checks."""
    run = filed_run(folder, turn, **more)
    return analyse(read_run(run), examine(run, own=own))


def test_a_planted_effect_is_found_and_adopted(tmp_path: Path) -> None:
    found = answer(tmp_path, planted(0.5))
    (one,) = found.comparisons
    assert one.primary.n == 20 and one.primary.unit == "scenarios"
    assert one.primary.p is not None and one.primary.p < 0.001
    assert one.decision.choice is Adoption.ADOPT, one.decision
    assert (
        one.spread.interval is not None
        and 0.2 < one.spread.interval.low < 0.5 < one.spread.interval.high + 0.2
    )
    assert "applike is better by" in one.decision.because[0]


def test_a_planted_harm_is_rejected(tmp_path: Path) -> None:
    (one,) = answer(tmp_path, planted(-0.45, base=0.75)).comparisons
    assert one.decision.choice is Adoption.REJECT
    assert "worse by" in one.decision.because[0]


def test_no_effect_is_no_finding(tmp_path: Path) -> None:
    (one,) = answer(tmp_path, planted(0.0)).comparisons
    assert one.primary.p is not None and one.primary.p > 0.05
    assert one.decision.choice is Adoption.REVISIT
    assert "neither a difference of 0.1 nor a tie is shown" in one.decision.because[0]


def test_none_is_seldom_taken_for_one(tmp_path: Path) -> None:
    """Of 40 runs without an effect the exact test at .05 may reject 6 at most (binomial, P = .986)."""
    rejected = 0
    for seed in range(40):
        turn = planted(0.0, seed=seed)
        differences = [
            sum(turn("applike", s, r) - turn("baseline", s, r) for r in (1, 2, 3)) / 3 for s in range(20)
        ]
        from harness.stats.sign_flip import sign_flip

        p = sign_flip(differences).p
        rejected += p is not None and p < 0.05
    assert rejected <= 6


def test_n_is_scenarios_however_many_repetitions_there_are(tmp_path: Path) -> None:
    """F11: three equal repetitions are one scenario each, and p stays what one repetition gives."""

    def alike(variant: str, scenario: int, rep: int) -> bool:
        return planted(0.4)(variant, scenario, 1)

    once, thrice = (told(tmp_path / str(reps), alike, reps=reps) for reps in (1, 3))
    (one,), (three,) = analyse(once).comparisons, analyse(thrice).comparisons
    assert one.primary == three.primary
    assert one.spread == three.spread
    calls = [(each.n, each.p) for each in (one.beside[1], three.beside[1])]
    assert calls[0][0] * 3 == calls[1][0] and calls[0][1] > calls[1][1], "Fisher takes copies for evidence"


def test_the_original_tests_stand_beside_it_and_say_what_they_are(tmp_path: Path) -> None:
    (one,) = analyse(told(tmp_path, planted(0.3))).comparisons
    bootstrap, fisher = one.beside
    assert {bootstrap.note, fisher.note} == {"treats calls as independent"}
    assert (bootstrap.unit, bootstrap.n, fisher.n) == ("calls", 120, 120)
    assert (
        bootstrap.interval is not None
        and bootstrap.interval.low < bootstrap.difference < bootstrap.interval.high
    )
    again = analyse(told(tmp_path / "again", planted(0.3))).comparisons[0].beside
    assert again == one.beside, "seeded"


def test_bca_is_scipys() -> None:
    """Skewed data, on which the plain percentile interval is another."""
    import numpy as np
    from scipy import stats

    from harness.experiments.tool_variants.call_level_tests import bootstrap

    first, later = [0.0] * 57 + [1.0] * 3, [0.0] * 40 + [1.0] * 9

    def expected(method: str) -> tuple[float, float]:
        found = stats.bootstrap(
            (np.array(first), np.array(later)),
            lambda a, b, axis: b.mean(axis=axis) - a.mean(axis=axis),
            n_resamples=9999,
            method=method,
            rng=np.random.default_rng(42),
        ).confidence_interval
        return found.low, found.high

    limits = bootstrap(first, later).interval
    assert limits is not None
    assert (limits.low, limits.high) == pytest.approx(expected("BCa"))
    assert (limits.low, limits.high) != pytest.approx(expected("percentile"))


def test_fisher_is_the_textbooks() -> None:
    from harness.experiments.tool_variants.call_level_tests import fisher

    tea = fisher([1, 0, 0, 0], [0, 1, 1, 1])
    assert tea.p == pytest.approx(34 / 70), "Fisher (1935): 3 of 4 cups"


def test_small_categories_are_described_and_not_tested(tmp_path: Path) -> None:
    (one,) = analyse(told(tmp_path, planted(0.3))).comparisons
    assert [each.test for each in one.categories] == [None] * 5
    assert [each.scenarios for each in one.categories] == [3, 6, 4, 4, 3]
    assert all(count.of == 3 * each.scenarios for each in one.categories for count in each.counts)


def test_constant_data_give_no_interval_and_no_p(tmp_path: Path) -> None:
    def half(variant: str, scenario: int, rep: int) -> bool:
        return scenario % 2 == 0

    (one,) = analyse(told(tmp_path, half)).comparisons
    assert (one.primary.p, one.spread.interval) == (None, None)
    assert one.primary.reason and one.spread.reason
    assert (
        one.decision.choice is Adoption.REJECT
        and "a tie, so the simpler variant wins, baseline" in one.decision.because[0]
    )


def test_a_tie_at_the_ceiling_decides_nothing(tmp_path: Path) -> None:
    run = filed_run(tmp_path, lambda *_: True)
    checks = examine(run, own=own)
    (one,) = analyse(read_run(run), checks).comparisons
    assert one.decision.choice is Adoption.REFUSED and "saturation" in one.decision.because[0]
    (alone,) = analyse(read_run(run)).comparisons
    assert (
        alone.decision.choice is Adoption.REVISIT and "cannot distinguish them" in alone.decision.because[0]
    )
    for each in one.beside:
        assert each.p is None and each.interval is None and each.reason


def test_a_rehearsal_a_part_and_a_hole_decide_nothing(tmp_path: Path) -> None:
    def but_one(variant: str, scenario: int, rep: int) -> bool | None:
        return None if (variant, scenario, rep) == ("applike", 3, 2) else planted(0.5)(variant, scenario, rep)

    for name, turn, more, said in (
        ("rehearsal", planted(0.5), {"provider": "rehearsal"}, "a rehearsal"),
        ("part", planted(0.5), {"only": range(3, 9)}, "a part: 6 of 20 scenarios (ambiguous)"),
        ("hole", but_one, {}, "1 of 120 turns have no reply"),
    ):
        found = analyse(told(tmp_path / name, turn, **more))
        (one,) = found.comparisons
        assert one.decision.choice is Adoption.REFUSED
        assert any(said in reason for reason in one.decision.because), one.decision
    assert found.part is None


def test_failures_are_counted_and_shown(tmp_path: Path) -> None:
    def some(variant: str, scenario: int, rep: int) -> bool | None:
        return None if variant == "applike" and scenario == 0 else planted(0.3)(variant, scenario, rep)

    outage = {"reason": "no such model", "kind": "ModelCallError", "rejections": []}
    found = analyse(told(tmp_path / "outage", some, failure=outage))
    later = found.behaviours[1]
    assert str(later.outcomes["failed"]) == "3 of 60" and later.failures == {"no such model": 3}
    assert found.comparisons[0].dropped == ("sanity:dentist",) and found.comparisons[0].primary.n == 19
    text = as_text(answer_parts(found))
    assert "applike: 3 of 3 failed turns: no such model." in text

    silence = {
        "reason": "Call 'answer' of x: no acceptable reply in 5 attempts; expected text, the last reply was empty: ''.",
        "kind": "ModelCallError",
        "rejections": [{"reason": "empty"}, {"reason": "empty (thoughts alone)"}] * 3,
    }
    found = analyse(told(tmp_path / "silence", some, failure=silence))
    later = found.behaviours[1]
    assert (str(later.outcomes["empty"]), str(later.outcomes["failed"])) == ("3 of 60", "0 of 60")
    assert found.comparisons[0].primary.n == 20 and later.silent == 3 and later.appropriate.of == 60
    assert "3 turns had empty replies only" in as_text(answer_parts(found)).replace("\n  ", " ")


def test_a_third_variant_is_compared_with_the_first_and_holm_is_applied(tmp_path: Path) -> None:
    third = replace(BASELINE, name="third")
    experiment = tool_variants({**VARIANTS, "third": third})
    found = analyse(told(tmp_path, planted(0.3), experiment=experiment))
    assert [(one.first, one.variant) for one in found.comparisons] == [
        ("baseline", "applike"),
        ("baseline", "third"),
    ]
    ps = sorted((one.primary.p or 1, one.p_adjusted) for one in found.comparisons)
    assert ps[0][1] == pytest.approx(min(1.0, 2 * ps[0][0]))


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    texts = {
        json.dumps(answer_json(analyse(told(tmp_path / str(number), planted(0.2)))), allow_nan=False)
        for number in range(2)
    }
    assert len(texts) == 1
    content = json.loads(texts.pop())
    assert content["comparisons"][0]["decision"]["choice"] in [*Adoption]


def test_it_is_told_in_80_columns_and_in_markdown(tmp_path: Path) -> None:
    parts = list(answer_parts(answer(tmp_path, planted(0.5))))
    text = as_text(parts)
    assert max(map(len, text.splitlines())) <= 80
    assert "applike against baseline: ADOPT" in text
    assert "treats calls as independent" in text and "counted, not" in text
    assert "| acted" in as_markdown(parts)


T = Estimate("m", "e", "scenarios", 20)


@pytest.mark.parametrize(
    ("difference", "interval", "p", "shares", "choice"),
    [
        (0.3, (0.1, 0.5), 0.01, (0.4, 0.7), Adoption.ADOPT),
        (-0.3, (-0.5, -0.1), 0.01, (0.7, 0.4), Adoption.REJECT),
        (0.08, (0.01, 0.15), 0.01, (0.4, 0.48), Adoption.REVISIT),
        (0.3, (-0.1, 0.7), 0.2, (0.4, 0.7), Adoption.REVISIT),
        (0.01, (-0.05, 0.07), 0.8, (0.6, 0.61), Adoption.REJECT),
        (0.0, None, None, (0.6, 0.6), Adoption.REJECT),
        (0.0, None, None, (0.98, 0.99), Adoption.REVISIT),
        (0.2, None, 1.0, (0.4, 0.6), Adoption.REVISIT),
        (None, None, None, (None, 0.6), Adoption.REVISIT),
    ],
)
def test_the_rule(
    difference: float | None, interval: Any, p: float | None, shares: Any, choice: Adoption
) -> None:
    test = replace(T, difference=difference, interval=interval and Interval(*interval))
    assert decide("applike", "baseline", test, p, shares, LONG, RULE).choice is choice


def test_a_tie_goes_to_the_simpler_whichever_that_is() -> None:
    assert simplicity(LONG["baseline"]) < simplicity(LONG["applike"])
    tie = replace(T, difference=0.0, interval=Interval(-0.05, 0.05))
    swapped = {"applike": LONG["baseline"], "baseline": LONG["applike"]}
    for tools, choice in ((LONG, Adoption.REJECT), (swapped, Adoption.ADOPT)):
        assert decide("applike", "baseline", tie, 0.9, (0.5, 0.5), tools, RULE).choice is choice
    same = {"applike": LONG["baseline"], "baseline": LONG["baseline"]}
    assert decide("applike", "baseline", tie, 0.9, (0.5, 0.5), same, RULE).choice is Adoption.REJECT


def test_the_rule_stands_in_the_experiment() -> None:
    assert tool_variants().settings["decision"] == RULE


# The checks after a run


def the(folder: Path, turn: Turn, **more: Any) -> dict[tuple[str, str], tuple[Level, float | None]]:
    return {(one.name, one.about): (one.level, one.number) for one in own(filed_run(folder, turn, **more))}


def test_a_whole_run_is_complete(tmp_path: Path) -> None:
    found = the(tmp_path, planted(0.2))
    assert found["complete", ""] == (Level.PASS, 0)
    assert ("whole", "") not in found


def test_a_missing_scenario_is_a_fail(tmp_path: Path) -> None:
    def gap(variant: str, scenario: int, rep: int) -> bool | None:
        return None if (variant, scenario, rep) == ("baseline", 19, 3) else True

    (check,) = [one for one in own(filed_run(tmp_path, gap)) if one.name == "complete"]
    assert check.level is Level.FAIL
    assert check.message.startswith("119 of 120 turns") and "missing: implicit:swimming" in check.message


def test_a_part_is_labelled(tmp_path: Path) -> None:
    (check,) = [one for one in own(filed_run(tmp_path, planted(0.2), only=[3, 4])) if one.name == "whole"]
    assert check.level is Level.WARN and "a part: 2 of 20 scenarios" in check.message


def test_a_category_at_the_ceiling_in_both(tmp_path: Path) -> None:
    def easy(variant: str, scenario: int, rep: int) -> bool:
        return (
            scenario < 3
            or (variant == "baseline" and 3 <= scenario < 9)
            or planted(0.2)(variant, scenario, rep)
        )

    found = the(tmp_path, easy)
    levels = {about: level for (name, about), (level, _) in found.items() if name == "ceiling"}
    assert [about for about, level in levels.items() if level is Level.WARN] == ["sanity"]
    assert len(levels) == 5


def test_outcomes_that_come_out_differently_each_time(tmp_path: Path) -> None:
    def flips(variant: str, scenario: int, rep: int) -> bool:
        return rep == 2 if variant == "applike" else scenario % 2 == 0

    found = the(tmp_path, flips)
    assert found["stable outcomes", "baseline"] == (Level.PASS, 1.0)
    level, share = found["stable outcomes", "applike"]
    assert level is Level.WARN and share == pytest.approx(1 / 3)


def test_one_repetition_tells_nothing_of_stability(tmp_path: Path) -> None:
    assert the(tmp_path, planted(0.2), reps=1)["stable outcomes", "applike"] == (Level.PASS, None)
