"""Pairwise comparisons in sessions: blind, in both orders, counted, resumed, and not claimed of a biased judge."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.kills import CountingEndpoint, Sessions

import harness
from harness.errors import ModelCallError
from tests.support.sessions import SMALL, Lab

QUESTION = "Which of the two conversations is more polite?"
PREFERRED = SMALL.replace(
    'metrics=(Proposition("Courtesy", "The person stays courteous."),)',
    f'metrics=(Proposition("Courtesy", "The person stays courteous."), Preference("politer", "{QUESTION}"))',
).replace("Persona, Proposition", "Persona, Preference, Proposition")
TREATED = PREFERRED.replace(
    'Group("Treatment")', 'Group("Treatment", instructions="Be warm to everyone you meet.")'
)
TRIAL_CALLS, COMPARE_CALLS = 16, 4


def compared(lab: Lab) -> list[dict[str, Any]]:
    paths = sorted(lab.results.glob("*_compared_*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def results(lab: Lab) -> list[dict[str, Any]]:
    return [line for line in compared(lab) if line["type"] == "comparison"]


def answering(preferred: str) -> Any:
    """The rehearsal's replies, but ``preferred`` to every comparison."""
    return lambda trial, text: json.dumps({"reason": "So.", "preferred": preferred}) if "~" in trial else text


def warmly(lab: Lab, trial: str, text: str) -> str:
    """Treatment speaks warmly, and the judge prefers what is warm."""
    if "~" in trial:
        first = str(lab.watched.requests[-1].messages[-1]["content"]).partition("# Conversation B")[0]
        return json.dumps({"reason": "Warmer.", "preferred": "A" if "Dear friend" in first else "B"})
    return text.replace('"content": "', '"content": "Dear friend, ') if "/Treatment/" in trial else text


@pytest.fixture
def asked(lab: Lab) -> Lab:
    lab.write(TREATED)
    return lab


def test_each_block_is_compared_in_both_orders_without_a_word_of_the_arms(asked: Lab) -> None:
    result = asked.run()
    result.assert_outcomes(passed=2)
    sent = [r for t, r in zip(asked.watched.calls, asked.watched.requests, strict=True) if "~" in t]
    texts = ["\n".join(str(message["content"]) for message in request.messages) for request in sent]
    assert len(texts) == COMPARE_CALLS and all(QUESTION in text for text in texts)
    assert not [text for text in texts for word in ("Control", "Treatment", "Be warm") if word in text]
    shown_first = {text.partition("# Conversation B")[0] for text in texts}
    assert len(shown_first) == COMPARE_CALLS, "each conversation is shown first once"
    for line in results(asked):
        assert [answer["first"] for answer in line["answers"]] == ["Control", "Treatment"]
        for answer in line["answers"]:
            other = {"Control": "Treatment", "Treatment": "Control"}[answer["first"]]
            assert answer["arm"] == {"A": answer["first"], "B": other, "tie": None}[answer["preferred"]]


def test_a_judge_that_always_says_a_fails_the_position_check_and_nothing_is_claimed(asked: Lab) -> None:
    asked.watched.rewrite = answering("A")
    result = asked.run()
    meta = asked.meta()
    (check,) = [one for one in meta["instrument"]["checks"] if one["name"] == "position"]
    assert (check["level"], check["number"]) == ("FAIL", 1.0)
    (found,) = meta["preferences"]
    assert found["position"] == {"decided": 4, "first": 4, "level": "FAIL"}
    assert [(one["rate"], one["p"], one["preferred"], one["contradicted"]) for one in found["pairs"]] == [
        (0.5, None, None, 2)
    ]
    result.stdout.fnmatch_lines(["*No preference is claimed: the judge follows the order.*"])


def test_an_arm_that_is_always_preferred_wins_every_block(asked: Lab) -> None:
    asked.watched.rewrite = lambda trial, text: warmly(asked, trial, text)
    asked.run("--concurrency=1")
    (pair,) = asked.meta()["preferences"][0]["pairs"]
    assert (pair["won"], pair["tied"], pair["lost"], pair["rate"]) == (2, 0, 0, 1.0)
    assert pair["p"] == 0.5 and pair["preferred"] is None, "two blocks cannot give a smaller p"


def test_comparisons_are_counted_in_usage_and_estimate(asked: Lab) -> None:
    asked.run()
    assert asked.meta()["usage"]["calls"]["compare"] == COMPARE_CALLS
    result = asked.run("--estimate")
    result.stdout.fnmatch_lines(["*Control*Treatment*comparisons*total*", "*compare *0*0*4*4*"])


def test_arms_may_run_in_different_sessions(asked: Lab) -> None:
    asked.run("-k", "Treatment")
    assert not results(asked)
    (missing,) = [one for one in asked.meta()["instrument"]["checks"] if one["name"] == "comparisons"]
    assert missing["level"] == "WARN" and "the trial of Control did not finish" in missing["message"]
    asked.run("-k", "Control")
    assert len(results(asked)) == 2 and len(asked.artifacts) == 1
    assert harness.load(asked.results).comparisons.score.notna().all()


def test_a_budget_stops_comparisons_and_the_same_command_makes_the_rest(asked: Lab) -> None:
    result = asked.run(f"--max-calls={TRIAL_CALLS + 1}", "--concurrency=1")
    assert result.ret == 6
    assert len(asked.watched.calls) == TRIAL_CALLS + 1
    asked.run().assert_outcomes(passed=2)
    assert len(asked.watched.calls) == TRIAL_CALLS + COMPARE_CALLS, "nothing is asked twice"
    assert len(results(asked)) == 2
    asked.run("--no-summary")
    assert len(asked.artifacts) == 2, "the run is finished, so that another begins"


def test_a_comparison_that_failed_is_made_by_the_next_session(asked: Lab) -> None:
    async def fail(trial: str, _: int) -> None:
        if "~" in trial and "proposal0" in trial:
            raise ModelCallError("down")

    asked.watched.before = fail
    asked.run()
    assert [line["type"] for line in compared(asked)].count("comparison_failure") == 1
    asked.watched.before = None
    asked.run()
    assert len(results(asked)) == 2 and len(asked.artifacts) == 1


def test_a_play_without_a_transcript_leaves_missing_comparisons_with_the_reason(lab: Lab) -> None:
    lab.write(
        f"""
import pytest
from harness import Experiment, Group, Measure, Play, Preference, Sample, Script, TrialResult

async def play(plan, client):
    return TrialResult(plan.trial, (Sample("words", float(len(plan.arm["tone"]))),))

silent = Experiment(
    name="silent",
    groups=(Group("Control", settings={{"tone": "plain"}}), Group("Treatment", settings={{"tone": "warm"}})),
    script=Script("", proposals=({{"q": "one"}},)),
    metrics=(Measure("words"), Preference("politer", "{QUESTION}")),
    play=Play(play),
)

@pytest.mark.experiment(silent)
def test_silent(cell):
    cell.run()
"""
    )
    lab.run()
    (line,) = results(lab)
    assert {answer["preferred"] for answer in line["answers"]} == {None}
    assert "no conversation is on record in Control and Treatment" in line["answers"][0]["reason"]
    assert lab.meta()["preferences"][0]["pairs"][0]["reason"] == "no comparison was made"


def test_words_of_an_arm_that_the_judge_read_are_counted(lab: Lab) -> None:
    lab.write(TREATED)
    lab.watched.rewrite = lambda trial, text: (
        text.replace('"content": "', '"content": "I shall be: Be warm to everyone you meet. ')
        if "/Treatment/" in trial and '"actions"' in text
        else text
    )
    lab.run("-k", "Treatment")
    lab.run("-k", "Control")
    assert [line.get("revealed") for line in results(lab)] == [["Treatment"]] * 2
    (check,) = [one for one in lab.meta()["instrument"]["checks"] if one["name"] == "blind"]
    assert check["level"] == "WARN"


@pytest.mark.slow
def test_a_session_killed_among_its_comparisons_pays_for_none_twice(lab: Lab) -> None:
    lab.write(TREATED)
    with CountingEndpoint(0.005) as endpoint:
        sessions = Sessions(endpoint, lab.path, ("-m", "experiment", "--concurrency=1"))
        undisturbed = sessions.finish(lab.path / "undisturbed")
        whole = endpoint.count
        assert whole == TRIAL_CALLS + COMPARE_CALLS
        assert sessions.kill_at(lab.path / "killed", TRIAL_CALLS + 3)
        assert sessions.finish(lab.path / "killed") == undisturbed
        assert endpoint.count - whole <= whole + 1, "what was in flight, at most"


@pytest.mark.slow
def test_workers_leave_comparisons_to_the_process_that_started_them(lab: Lab) -> None:
    pytest.importorskip("xdist")
    lab.write(TREATED)
    session = lab.start("-n", "2", "--model=rehearsal")
    output, _ = session.communicate()
    assert session.returncode == 0, output
    assert len(results(lab)) == 2


def test_a_preference_needs_two_arms_and_a_question() -> None:
    from harness import Experiment, Group, Persona, Preference, Script
    from harness.errors import ConfigurationError

    with pytest.raises(ConfigurationError) as caught:
        Experiment(
            name="alone",
            groups=(Group("Control"),),
            script=Script("Talk."),
            metrics=(Preference("politer", ""),),
            population=(Persona("Ada", {}),),
        )
    assert "question=''; expected a name" in str(caught.value)
    with pytest.raises(ConfigurationError, match="compares arms, and there is one group"):
        Experiment(
            name="alone",
            groups=(Group("Control"),),
            script=Script("Talk."),
            metrics=(Preference("politer", QUESTION),),
            population=(Persona("Ada", {}),),
        )


def test_the_report_claims_the_preference_and_asks_about_it(asked: Lab) -> None:
    asked.write(
        TREATED.replace('{"thing": "a lamp"}', ", ".join(f'{{"thing": "lamp {n}"}}' for n in range(7)))
    )
    asked.watched.rewrite = lambda trial, text: warmly(asked, trial, text)
    result = asked.run("--concurrency=1", "--report=r.md")
    result.stdout.fnmatch_lines(["*Preferred (adjusted p below .05): Treatment to Control.*"])
    text = (asked.path / "r.md").read_text()
    assert "differ from Control on 1 metric and 1 pairwise comparison?" in text
    verdict = text.partition("Verdict")[2].partition("####")[0]
    assert "politer: Preferred (adjusted p below .05): Treatment to Control." in verdict


def test_another_question_is_another_run_and_the_session_says_so(asked: Lab) -> None:
    asked.run(f"--max-calls={TRIAL_CALLS}", "--no-summary")
    asked.write(TREATED.replace("more polite?", "kinder?"))
    result = asked.run("--no-summary")
    result.stdout.fnmatch_lines(
        ["*differs in:", "*preferences.politer.question: *polite?' then, *kinder?' now"]
    )
