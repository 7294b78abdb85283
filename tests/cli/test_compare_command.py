"""``harness compare``: runs tested against each other as arms are, and refused where their blocks do not match."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from scipy import stats

from harness.cli import main
from harness.model import Trial
from harness.records import Design
from tests.support.records import finished, metadata, trials, write_file

DESIGN = Design(("Control", "Treatment"), ("tact",), (), tuple((f"p{n}",) for n in range(4)), 2, 2)
METRICS = [{"name": "tact", "claim": "The person is tactful.", "about": "panel"}]
Say = Callable[..., tuple[int, str]]
Scores = dict[tuple[str, int, int], float]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """``harness compare`` in a folder of results: exit code, and all that was said."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["harness", "compare", *words])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out + said.err

    return run


def write_run(
    run_id: str, shift: float, design: Design = DESIGN, experiment: str = "exp_3", **changes: Any
) -> Scores:
    """A run below ``results``: its mean score by group, panel and proposal; ``shift`` moves Treatment."""
    rng, means = random.Random(run_id), {}

    def value(trial: Trial, _: str, __: str | None) -> float:
        score = rng.gauss(5 + trial.panel, 1) + shift * (trial.cell.group == "Treatment")
        means.setdefault((trial.cell.group, trial.panel, trial.proposal), []).append(score)
        return score

    for group in design.groups:
        settings = {"metrics": METRICS, "model": "m", "provider": "openai", "script": "s"} | changes.get(
            "settings", {}
        )
        first = metadata(group, design=design, run_id=run_id) | {
            "experiment": experiment,
            "settings": settings,
            "provider": settings["provider"],
            "population": {"sha256": changes.get("people", "0")},
            "script": {
                "words": {"proposals": changes.get("proposals", [{"thing": "a bike"}, {"thing": "a lamp"}])}
            },
        }
        records = [
            finished(trial, design, value) | {"run_id": run_id}
            for trial in trials(design, experiment, [group])
        ]
        write_file(Path(f"results/{experiment}_{group}_{run_id}.jsonl"), first, records)
    return {place: fmean(scores) for place, scores in means.items()}


def blocks(scores: Mapping[tuple[str, int, int], float], group: str) -> list[float]:
    return [scores[group, panel, proposal] for panel, proposal in product(range(4), range(2))]


def test_runs_are_tested_block_by_block_with_one_correction_and_the_difference_is_said_first(
    say: Say,
) -> None:
    one, other = write_run("r1", 0.0), write_run("r2", 2.0, settings={"model": "n"})
    code, said = say("r1", "r2")
    assert code == 0
    assert (
        said.index("- model: 'm' in A, 'n' in B")
        < said.index("EXPLORATORY: no plan names this")
        < said.index("adj.")
    )
    assert "Holm over 3 contrasts." in said
    assert max(map(len, said.splitlines())) <= 80
    code, text = say("r1", "r2", "--json")
    answer = json.loads(text)
    assert (answer["runs"], answer["rehearsal"]) == ({"A": "r1", "B": "r2"}, False)
    found = {each["name"]: each for each in answer["contrasts"]}
    for group in DESIGN.groups:
        test = stats.ttest_rel(blocks(other, group), blocks(one, group))
        assert found[f"{group} in B − {group} in A"]["estimate"]["p"] == pytest.approx(test.pvalue)
    effects = [
        [a - b for a, b in zip(blocks(run, "Treatment"), blocks(run, "Control"), strict=True)]
        for run in (one, other)
    ]
    by = found["Treatment − Control: B − A"]
    assert by["estimate"]["p"] == pytest.approx(stats.ttest_rel(effects[1], effects[0]).pvalue)
    assert by["estimate"]["difference"] == pytest.approx(fmean(effects[1]) - fmean(effects[0]))
    assert {each["adjustment"] for each in found.values()} == {"Holm over 3 contrasts"}


def test_an_arm_whose_treatment_reached_no_request_is_not_tested_against_other_runs(say: Say) -> None:
    write_run("r1", 0.0), write_run("r2", 2.0)
    meta = {"undelivered": {"Treatment": "settings: in no request"}}
    Path("results/exp_3_r2.meta.json").write_text(json.dumps(meta))
    found = {each["name"]: each["estimate"] for each in json.loads(say("r1", "r2", "--json")[1])["contrasts"]}
    assert found["Control in B − Control in A"]["p"] is not None
    for name in ("Treatment in B − Treatment in A", "Treatment − Control: B − A"):
        assert found[name]["p"] is None
        assert found[name]["reason"] == "Treatment in B: settings: in no request"


def test_a_look_is_counted_for_each_run(say: Say) -> None:
    write_run("r1", 0.0), write_run("r2", 0.0)
    say("r1", "r2")
    rows = [json.loads(line) for line in Path("results/plans/looks.jsonl").read_text().splitlines()]
    assert [(row["look_run"], row["how"]) for row in rows] == [("r1", "compare"), ("r2", "compare")]


def test_each_is_compared_with_the_first_or_every_pair_and_seeds_are_no_difference(say: Say) -> None:
    for number in (1, 2, 3):
        write_run(f"r{number}", 0.0, settings={"seed": number})
    code, said = say("r1", "r2", "r3")
    assert code == 0 and "Holm over 6 contrasts" in said and "Control in C − Control in B" not in said
    assert "nothing that is recorded differs between A and C, seeds aside" in said
    _, said = say("r1", "r2", "r3", "--pairs")
    assert "Holm over 9 contrasts" in said and "Control in C − Control in B" in said


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"design": replace(DESIGN, metrics=("wit",))}, "other metrics, tact and wit"),
        ({"settings": {"metrics": [{**METRICS[0], "claim": "Rude."}]}}, "metric tact asks something else"),
        ({"design": replace(DESIGN, panels=(("x",), *DESIGN.panels[1:]))}, "other people take part"),
        ({"people": "1"}, "the people of Control have the same names and other descriptions"),
        ({"design": replace(DESIGN, proposals=1)}, "the proposals differ"),
        ({"proposals": [{"thing": "a bike"}, {"thing": "a car"}]}, "the proposals differ"),
        ({"settings": {"provider": "rehearsal"}}, "one is a rehearsal"),
        ({"design": replace(DESIGN, groups=("Other",))}, "They have no group in common"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused_with_the_reason(
    say: Say, changes: dict[str, Any], reason: str
) -> None:
    write_run("r1", 0.0), write_run("r2", 0.0, **changes)
    code, said = say("r1", "r2")
    assert code == 4 and said.startswith("ERROR: These runs cannot be compared:") and reason in said
    assert not Path("results/plans").exists()


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["r1", "r22"], "Run 'r22': no records in results; expected one of r1, r2. Did you mean 'r2'?"),
        (["r1"], "1 runs are named; expected two or more of r1 (exp_3), r2 (exp_3)."),
        (["r1", "r1"], "Run r1 is named twice; expected each once."),
        ([], "0 runs are named; expected two or more of r1 (exp_3), r2 (exp_3)."),
    ],
)
def test_a_wrong_name_is_one_clear_error(say: Say, names: list[str], problem: str) -> None:
    write_run("r1", 0.0), write_run("r2", 0.0)
    code, said = say(*names)
    assert (code, said) == (4, f"ERROR: {problem}\n")
