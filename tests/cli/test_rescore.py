"""``harness rescore``: scores given again from the record, paid once, told apart from trials."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from harness.cli import main
from harness.errors import ModelCallError
from harness.gateway import providers
from harness.gateway.calls import Reply, Request
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


class Reader:
    """A judge that scores 7 where a sentence of ``known`` stands in the record, and 1 elsewhere."""

    name, model = "judge", "judge-1"

    def __init__(self, known: Sequence[str]) -> None:
        self.known = known

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        text = str(request.messages[-1]["content"])
        value = 7 if any(one in text for one in self.known) else 1
        return Reply(json.dumps({"justification": "j", "value": value}))

    async def aclose(self) -> None: ...


def test_a_judge_that_does_not_read_fails_the_check_of_shuffled_transcripts(
    lab: Lab, judge: Watched, command: Command
) -> None:
    judge.text = json.dumps({"justification": "j", "value": 3})
    lab.run("--judge-model=judge").assert_outcomes(passed=2)
    judge.forget()
    said = command(*WORDS, "--share=1", "--shuffled")
    assert said.code == 0, said.err
    assert len(judge.calls) == 2 * 8, "as recorded, and shuffled"
    out = " ".join(said.out.split())
    assert "4 transcripts were scored again with their words in random order" in out
    assert "FAIL Courtesy: 8 of 8 scores stayed the same" in out
    assert "4 of 4 chosen trials scored again" in out
    checked = " ".join(command("check", "results").out.split())
    assert "FAIL shuffled text, Courtesy: 8 of 8 scores stayed the same" in checked
    report = command("report", "results", "--out=report.html")
    assert report.code == 0 and "shuffled text" in (lab.path / "report.html").read_text("utf-8")
    judge.forget()
    assert command(*WORDS, "--share=1", "--shuffled").code == 0 and not judge.calls, (
        "nothing is paid for twice"
    )


def test_a_judge_that_reads_passes_the_check_of_shuffled_transcripts(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    known: list[str] = []
    monkeypatch.setitem(providers._factories, "judge", lambda *_, **__: Reader(known))
    lab.run().assert_outcomes(passed=2)
    events = [event for line in lab.lines() for event in line.get("transcript", ())]
    known += [event["content"] for event in events if event["kind"] == "action" and event["content"]]
    said = command(*WORDS, "--share=1", "--shuffled")
    assert said.code == 0, said.err
    assert "PASS Courtesy: 0 of 8 scores stayed the same" in " ".join(said.out.split())
    assert "shuffled text" not in command("check", "results").out, "the run's own judge was another"


def test_a_stopped_scoring_of_shuffled_transcripts_resumes(
    lab: Lab, judge: Watched, command: Command
) -> None:
    lab.run()
    first = command(*WORDS, "--share=1", "--shuffled", "--max-calls=11", "--concurrency=1")
    assert first.code == 6 and len(judge.calls) == 11, "one budget for both"
    judge.forget()
    assert command(*WORDS, "--share=1", "--shuffled").code == 0
    assert len(judge.calls) == 16 - 11


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


TABLE = """from pathlib import Path
from harness import load_population

Path("people.csv").write_text("name,age\\nAda,34\\nBo,51\\nCleo,28\\n")
people = load_population("people.csv", description="{name} is {age}.", sample=2, seed=1)
"""
DECLARED = 'population=(Persona("Ada", {"occupation": "trader"}), Persona("Bo", {"occupation": "teacher"})),'


def test_people_of_a_table_that_is_gone_are_those_kept_with_the_run(
    lab: Lab, judge: Watched, command: Command
) -> None:
    assert DECLARED in SMALL
    lab.write(TABLE + SMALL.replace(DECLARED, "population=people,"))
    lab.run()
    (lab.path / "people.csv").unlink()
    (lab.path / "test_small.py").unlink()
    words = ("rescore", "results", "--judge-model=judge")
    said = command(*words)
    assert said.code == 0 and "scored again" in said.out and judge.calls
    (kept,) = lab.results.glob("people/*.ndjson")
    kept.unlink()
    refused = command(*words)
    assert refused.code == 4 and "A judge must see the same personas" in refused.err
