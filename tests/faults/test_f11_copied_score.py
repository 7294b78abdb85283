"""F11: one score is copied to every repetition, so that n is inflated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import ConfigurationError
from harness.reports.review import DIMENSIONS, import_scores, review_of
from harness.reports.review.score_import import scenarios_of, sent_and_key
from tests.support.reviews import exported, keys, reviewed, run_for_review


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text(json.dumps({"type": "review_scores", "reviewer": "Ada", "items": rows}))
    return path


def test_scores_per_scenario_are_refused(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results", reps=3)
    done = exported(run, tmp_path / "out")
    scenarios = sorted(set(scenarios_of(run).values()))
    rows = [{"item": name, **dict.fromkeys(DIMENSIONS, 3)} for name in scenarios]
    sent, key = sent_and_key(written(tmp_path / "scores.json", rows), done.key)
    with pytest.raises(ConfigurationError) as refused:
        import_scores(sent, key, run)
    assert len(refused.value.problems) == len(scenarios) == 3
    assert "is a scenario; expected an item, which is one transcript" in str(refused.value)
    assert not list((tmp_path / "results").glob("*_review_*"))


def test_a_sheet_with_a_row_per_scenario_is_refused(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results", reps=3)
    done = exported(run, tmp_path / "out")
    (tmp_path / "s.csv").write_text(f"scenario,{','.join(DIMENSIONS)}\nsanity:dentist,3,3,3,3\n")
    with pytest.raises(ConfigurationError, match=r"no column item; .* a row per transcript"):
        sent_and_key(tmp_path / "s.csv", done.key)


def test_one_repetitions_scores_do_not_stand_for_the_others(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results", reps=3)
    done = exported(run, tmp_path / "out")
    first = [item for item, trial in keys(done.key)[0]["items"].items() if "/rep1/" in trial]
    rows = [{"item": item, **dict.fromkeys(DIMENSIONS, 3)} for item in first]
    sent, key = sent_and_key(written(tmp_path / "scores.json", rows), done.key)
    told = import_scores(sent, key, run)
    assert (told.added.new, told.left) == (6, 12)
    outcome = review_of(run)
    assert not outcome.complete and outcome.missing == {"Ada": 12} and outcome.arms == ()


def test_n_counts_scenarios_however_many_repetitions_there_are(tmp_path: Path) -> None:
    sizes = []
    for reps in (1, 4):
        run = run_for_review(tmp_path / f"results{reps}", reps=reps)
        reviewed(run, tmp_path / f"out{reps}", "Ada")
        outcome = review_of(run)
        assert [(arm.passed, arm.reviewed) for arm in outcome.arms] == [(3 * reps, 3 * reps)] * 2
        sizes.append(outcome.differences[0].passing.n)
    assert sizes == [3, 3]
