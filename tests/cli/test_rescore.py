"""``harness rescore``: scores given again from the record, paid once, told apart from trials."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from harness.cli import main
from harness.errors import ModelCallError
from harness.gateway import providers
from harness.records import files_of_run, runs_in_files
from tests.support.sessions import LIGHT, SMALL, Lab, Watched

BIGGER = SMALL.replace('{"thing": "a lamp"}', ", ".join(f'{{"thing": "thing {n}"}}' for n in range(9)))
WORDS = ("rescore", "results", "--path=test_small.py", "--judge-model=judge")


class Said(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(name="judge", model="judge-1")
    monkeypatch.setitem(providers._factories, "judge", watched.factory)
    return watched


@pytest.fixture
def command(lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``harness`` with some words, in the lab's folder and this process."""

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
        sys.modules.pop("test_small", None)
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return Said(int(left.value.code or 0), *capsys.readouterr())

    return run


def results(lab: Lab) -> list[dict[str, Any]]:
    paths = sorted((lab.results / "rescored").glob("*.jsonl"))
    return [json.loads(text) for path in paths for text in path.read_text().splitlines()]


def test_a_share_is_scored_again_by_another_judge(lab: Lab, judge: Watched, command: Command) -> None:
    lab.write(BIGGER)
    lab.run()
    played = len(lab.watched.calls)
    asked = {str(one.messages) for one in lab.watched.requests if "Claim about" in str(one.messages)}
    said = command(*WORDS, "--share=0.3")
    assert said.code == 0, said.err
    assert len(lab.watched.calls) == played, "nothing is played again"
    assert len(judge.calls) == 2 * 3 * 2, "two arms, three of ten blocks, two people"
    assert {str(one.messages) for one in judge.requests} <= asked, "the judge sees what the first one saw"
    assert "6 of 6 chosen trials scored again" in said.out
    assert re.search(r"Courtesy +12 ", said.out) and "of two judges" in " ".join(said.out.split())
    first, *lines = results(lab)
    assert first["type"] == "rescore_metadata" and first["judge"]["model"] == "judge-1"
    assert {(one["group"], one["proposal"]) for one in lines} == {
        (group, one["proposal"]) for one in lines for group in ("Control", "Treatment")
    }, "the same blocks in both arms"
    assert all(isinstance(sample["original"], int) for one in lines for sample in one["samples"])


def test_the_figures_are_those_of_the_pairs_on_record(lab: Lab, judge: Watched, command: Command) -> None:
    from harness.stats.reliability import reliability

    lab.run()
    command(*WORDS, "--share=1")
    pairs = [
        (sample["original"], sample["value"]) for one in results(lab) for sample in one.get("samples", ())
    ]
    expected = reliability([a for a, _ in pairs], [b for _, b in pairs])
    (path,) = (lab.results / "rescored").glob("*.json")
    found = json.loads(path.read_text())["metrics"]["Courtesy"]
    assert (found["n"], found["shift"]) == (8, pytest.approx(expected.shift))
    assert found["agreement"]["value"] == pytest.approx(expected.agreement.value)
    assert found["kappa"]["value"] == pytest.approx(expected.kappa.value)


def test_the_same_judge_asked_again_is_repeatability(lab: Lab, command: Command) -> None:
    lab.run()
    said = command("rescore", "results", "--path=test_small.py", "--model=watched", "--share=1")
    assert said.code == 0 and "of one judge's repeatability" in " ".join(said.out.split())
    assert max(len(line) for line in said.out.splitlines() if not line.startswith("Written:")) <= 80


def test_no_one_takes_the_new_scores_for_trials(lab: Lab, judge: Watched, command: Command) -> None:
    lab.run()
    (run_id,) = {line["run_id"] for line in lab.lines()}
    before, files = lab.artifact(), files_of_run(lab.results, "small", run_id)
    command(*WORDS)
    assert files_of_run(lab.results, "small", run_id) == files
    everything = sorted(lab.results.rglob("*.jsonl"))
    assert len(everything) == len(files) + 2, "the new scores, and the looks at results"
    (run,) = runs_in_files(everything)
    assert len(run.outcomes) == 4 and not any(file.problems for file in run.files)
    assert command("merge", *map(str, everything)).code == 0
    assert lab.artifact() == before


def test_what_was_cut_off_goes_on_and_nothing_is_paid_twice(
    lab: Lab, judge: Watched, command: Command
) -> None:
    lab.run()

    async def fail(_trial: str, number: int) -> None:
        if number > 3:
            raise ModelCallError("no more today", fatal=True)

    judge.before = fail
    stopped = command(*WORDS, "--share=1", "--concurrency=1")
    assert stopped.code == 1 and "STOPPED: no more today" in stopped.out
    judge.before = None
    judge.forget()
    said = command(*WORDS, "--share=1")
    assert said.code == 0 and "4 of 4 chosen" in said.out
    assert len(judge.calls) == 8 - 3
    judge.forget()
    before = results(lab)
    assert command(*WORDS, "--share=1").code == 0 and not judge.calls
    assert results(lab) == before, "what is on record is not written again"


def test_a_lost_journal_of_new_scores_is_asked_about(lab: Lab, judge: Watched, command: Command) -> None:
    lab.run()
    assert command(*WORDS, "--share=1", "--max-calls=3").code == 6
    (journal,) = (lab.results / "journal").glob("*-rescored-*.sqlite")
    journal.unlink()
    judge.forget()
    said = command(*WORDS, "--share=1")
    assert (said.code, judge.calls) == (4, [])
    assert "is missing" in said.err and "--accept-lost-journal" in said.err
    assert command(*WORDS, "--share=1", "--accept-lost-journal").code == 0
    journal.unlink()
    judge.forget()
    assert command(*WORDS, "--share=1").code == 0 and not judge.calls, "all is scored"


def test_the_budget_holds(lab: Lab, judge: Watched, command: Command) -> None:
    lab.run()
    said = command(*WORDS, "--share=1", "--max-calls=3")
    assert said.code == 6 and len(judge.calls) == 3 and "STOPPED: The budget" in said.out


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError("odd")])
def test_a_judge_that_raises_costs_one_trials_scores(
    lab: Lab, judge: Watched, command: Command, error: BaseException
) -> None:
    lab.run().assert_outcomes(passed=2)

    async def before(trial: str, number: int) -> None:
        if trial == judge.calls[0]:
            raise error

    judge.before = before
    said = command(*WORDS)
    assert said.code == 1, said
    lines = results(lab)
    (failure,) = [line for line in lines if line["type"] == "rescore_failure"]
    assert type(error).__name__ in failure["reason"]
    assert len([line for line in lines if line["type"] == "rescore_result"]) == 1


def test_a_score_that_cannot_be_read_is_missing_with_its_reason(
    lab: Lab, judge: Watched, command: Command
) -> None:
    lab.run()
    judge.text = json.dumps({"reasoning": "r", "justification": "j", "value": 12})
    said = command(*WORDS, "--share=1")
    assert said.code == 1 and "0 of 4 chosen" in said.out and "NOT SCORED" in said.out


def test_other_personas_are_refused_and_nothing_is_asked(lab: Lab, judge: Watched, command: Command) -> None:
    lab.run()
    lab.write(SMALL.replace('"occupation": "teacher"', '"occupation": "spy"'))
    said = command(*WORDS)
    assert said.code == 4 and not judge.calls
    assert "Population declared of small: the run's had the hash" in said.err and "declared has" in said.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--share=0",), "share 0: expected more than 0"),
        (("--share=1.5",), "share 1.5: expected more than 0"),
        (("--run=nothing",), "--run nothing: 0 runs in results; expected one of"),
        (("--model=other",), "expected --judge-model PROVIDER:MODEL, once"),
        (("--max-calls=0",), "--max-calls 0: expected 1 or more"),
    ],
)
def test_mistakes_are_one_sentence(
    lab: Lab, judge: Watched, command: Command, words: tuple[str, ...], text: str
) -> None:
    lab.run()
    said = command(*WORDS, *words)
    assert said.code == 4 and text in said.err and "Traceback" not in said.err
