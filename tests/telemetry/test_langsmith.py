"""What the real LangSmith SDK sends of a session, read on a server of our own."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from harness.telemetry import from_environment
from harness.telemetry.events import CaseStarted, Happening, SessionEnded, TrialStarted
from tests.support.happenings import CONTROL, REPLY, at, call, session, trial_id
from tests.support.recorder import PROJECT_ID, Recorder, recording

KEY = "lsv2_pt_0123456789abcdef_fake"


def variables(recorder: Recorder) -> dict[str, str]:
    return {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_API_KEY": KEY,
        "LANGSMITH_ENDPOINT": recorder.url,
        "LANGSMITH_PROJECT": "parity",
    }


def tell(recorder: Recorder, events: Iterable[Happening], timeout: float = 10) -> list[str]:
    """The warnings of a session whose observer is LangSmith."""
    warnings: list[str] = []
    observers = from_environment(variables(recorder), warn=warnings.append)
    for event in events:
        observers.handle(event)
    observers.close(timeout)
    return warnings


@pytest.fixture(scope="module")
def sent() -> Recorder:
    """All that was sent of the whole session."""
    with recording() as recorder:
        assert tell(recorder, session()) == []
        return recorder


def roots(sent: Recorder) -> dict[tuple[str, int], dict[str, Any]]:
    """Root runs by group and attempt."""
    found = [run for run in sent.runs().values() if "parent_run_id" not in run]
    return {(meta(run)["group"], meta(run)["attempt"]): run for run in found}


def children(sent: Recorder, parent: dict[str, Any]) -> list[dict[str, Any]]:
    return [run for run in sent.runs().values() if run.get("parent_run_id") == parent["id"]]


def meta(run: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = run["extra"]["metadata"]
    return metadata


def test_there_is_one_trace_per_case_and_a_rerun_is_one_of_its_own(sent: Recorder):
    assert set(roots(sent)) == {("Control", 1), ("Treatment", 1), ("Treatment", 2)}
    for run in roots(sent).values():
        assert run["name"] == f"exp_3-{meta(run)['group']}-2"
        assert run["run_type"] == "chain"
        assert run["session_name"] == "parity"
        assert run["trace_id"] == run["id"]
        assert (meta(run)["experiment"], meta(run)["rep"], meta(run)["run_id"]) == ("exp_3", 2, "run-1")
        assert run["tags"] == ["exp_3", meta(run)["group"]]


def test_trials_are_children_of_their_own_case_though_cases_overlap(sent: Recorder):
    trials = {key: children(sent, run) for key, run in roots(sent).items()}
    assert {key: sorted(run["name"] for run in runs) for key, runs in trials.items()} == {
        ("Control", 1): ["panel0/proposal0", "panel0/proposal1"],
        ("Treatment", 1): ["panel0/proposal0", "panel0/proposal1"],
        ("Treatment", 2): ["panel0/proposal1"],
    }
    for key, runs in trials.items():
        for run in runs:
            assert meta(run)["trial"].startswith(f"exp_3/{key[0]}/rep2/")
            assert (meta(run)["group"], meta(run)["attempt"]) == key
            assert run["dotted_order"].startswith(roots(sent)[key]["dotted_order"] + ".")
    assert [meta(run)["trial_attempt"] for run in trials["Treatment", 2]] == [2]


def test_calls_are_llm_runs_with_model_messages_and_usage(sent: Recorder):
    (trial,) = children(sent, roots(sent)["Treatment", 2])
    first, second = sorted(children(sent, trial), key=lambda run: run["start_time"])
    assert [run["name"] for run in (first, second)] == ["act", "score_person"]
    for run in (first, second):
        assert run["run_type"] == "llm"
        assert run["inputs"]["messages"][0] == {"role": "system", "content": "Stay in character."}
        assert run["outputs"] == {"messages": [{"role": "assistant", "content": REPLY}]}
        assert meta(run)["ls_model_name"] == "gpt-4o-mini-2024-07-18"
        assert (meta(run)["ls_provider"], meta(run)["ls_temperature"]) == ("openai", 0.7)
        assert (meta(run)["person"], meta(run)["step"]) == ("Ada", 1)
        assert run["trace_id"] == roots(sent)["Treatment", 2]["id"]
    assert meta(second)["usage_metadata"] == {"input_tokens": 120, "output_tokens": 30, "total_tokens": 150}


def test_a_replayed_call_is_marked_and_not_counted_twice(sent: Recorder):
    calls = [run for run in sent.runs().values() if run["run_type"] == "llm"]
    assert Counter((meta(run)["replayed"], "usage_metadata" in meta(run)) for run in calls) == {
        (True, False): 4,
        (False, True): 5,
    }


def test_failures_are_the_runs_errors(sent: Recorder):
    treatment = roots(sent)["Treatment", 1]
    assert treatment["error"] == "1 of 2 trials did not finish."
    assert treatment["outputs"]["outcome"] == "failed"
    (broken,) = [run for run in children(sent, treatment) if "error" in run]
    assert broken["error"].startswith("ModelCallError: no acceptable reply")
    assert [run["error"][:15] for run in children(sent, broken)] == ["ModelCallError:"]
    assert "error" not in roots(sent)["Control", 1]


def test_a_trial_has_its_samples_and_the_reason_of_a_missing_one(sent: Recorder):
    trial = children(sent, roots(sent)["Control", 1])[0]
    assert trial["outputs"]["samples"] == [
        {"metric": "Fluency", "person": "Ada", "value": 7.0, "reason": None},
        {"metric": "ideas_qty", "person": None, "value": None, "reason": "no list"},
    ]
    assert trial["outputs"]["usage"]["tokens_in"] == 240


def test_feedback_has_rep_and_scores_for_the_browsers_filter(sent: Recorder):
    names = {run["id"]: key for key, run in roots(sent).items()}
    assert {(names[one["run_id"]], one["key"], one["score"]) for one in sent.feedback()} == {
        (("Control", 1), "rep", 2),
        (("Control", 1), "Fluency", 7.0),
        (("Control", 1), "ideas_qty", 3.5),
        (("Treatment", 1), "rep", 2),
        (("Treatment", 1), "Fluency", 7.0),
        (("Treatment", 2), "rep", 2),
        (("Treatment", 2), "Fluency", 7.0),
    }
    assert {one["session_id"] for one in sent.feedback()} == {PROJECT_ID}
    assert len(sent.feedback()) == 7


def test_the_session_is_few_requests_and_its_key_stands_in_no_body(sent: Recorder):
    paths = Counter(one.path for one in sent.sent)
    assert paths["/runs/multipart"] <= 2
    assert paths["/info"] == 1
    assert KEY.encode() not in sent.everything()
    assert all(one.headers["x-api-key"] == KEY for one in sent.sent)  # there, and nowhere else


def test_a_project_that_does_not_exist_is_made():
    with recording(project_exists=False) as recorder:
        assert tell(recorder, session()) == []
    made = [json.loads(one.body)["name"] for one in recorder.sent if one.path == "/sessions" and one.body]
    assert made == ["parity"]
    assert len(recorder.feedback()) == 7


def test_what_is_open_at_the_end_is_closed_as_unfinished():
    trial = trial_id(CONTROL, 0)
    events = [
        CaseStarted("c", at(0), CONTROL, "run-1"),
        TrialStarted("c", trial, at(1)),
        SessionEnded(at(2), "The session was interrupted."),
    ]
    with recording() as recorder:
        assert tell(recorder, events) == []
    errors = {run["name"]: run["error"] for run in recorder.runs().values()}
    assert errors == {
        "exp_3-Control-2": "The session was interrupted.",
        "panel0/proposal0": "The trial did not end.",
    }
    assert all("end_time" in run for run in recorder.runs().values())


def test_events_of_a_case_it_never_heard_of_are_let_go():
    events = [TrialStarted("?", "t", at(0)), call("t", 1), call("nobody", 2), *session()]
    with recording() as recorder:
        assert tell(recorder, events) == []
    assert len(recorder.runs()) == 3 + 5 + 9


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("refuse", "LangSmithConnectionError"),
        ("500", "LangSmithAPIError"),
        ("hang", "did not answer in time"),
    ],
)
def test_a_server_in_trouble_is_one_warning_without_a_key(
    mode: str, why: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    with caplog.at_level(logging.DEBUG), recording(mode) as recorder:
        timeout = 0.5 if mode == "hang" else 20
        (warning,) = tell(recorder, session(), timeout)
    assert why in warning
    said = warning + caplog.text + "".join(capfd.readouterr())
    assert KEY[:7] not in said and "Failed to multipart" not in said


def test_a_users_own_use_of_the_sdk_keeps_its_log(caplog: pytest.LogCaptureFixture):
    with recording("500") as recorder:
        tell(recorder, session(), 20)
    logging.getLogger("langsmith.client").warning("of the user's own")
    assert "of the user's own" in caplog.text


def test_the_environment_is_left_as_it_was():
    before = dict(os.environ)
    with recording() as recorder:
        tell(recorder, session())
    assert dict(os.environ) == before
