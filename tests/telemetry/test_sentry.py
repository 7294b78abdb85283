"""What the real Sentry SDK sends of a session, read on a server of our own."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from harness.telemetry import from_environment
from harness.telemetry.events import CaseEnded, CaseStarted, Happening, SessionEnded, TrialEnded, TrialStarted
from tests.support.happenings import CONTROL, PROMPT, REPLY, at, call, session, trial_id
from tests.support.lazy_modules import LazyModule
from tests.support.recorder import Recorder, recording

sentry_sdk = LazyModule("sentry_sdk")


def tell(
    recorder: Recorder, events: Iterable[Happening], timeout: float = 10, *, content: bool = False
) -> list[str]:
    """The warnings of a session whose observer is Sentry."""
    warnings: list[str] = []
    observers = from_environment({"SENTRY_DSN": recorder.dsn}, sentry_content=content, warn=warnings.append)
    for event in events:
        observers.handle(event)
    observers.close(timeout)
    return warnings


@pytest.fixture(scope="module")
def sent() -> Recorder:
    """All that was sent of the whole session, without content."""
    with recording() as recorder:
        assert tell(recorder, session()) == []
        return recorder


def transactions(sent: Recorder) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["tags"]["group"], one["tags"]["attempt"]): one for one in sent.items("transaction")}


def calls(sent: Recorder) -> list[dict[str, Any]]:
    """The calls' spans, their attributes as plain values."""
    spans = [span for item in sent.items("span") for span in item["items"]]
    return [
        {**span, "attributes": {key: one["value"] for key, one in span["attributes"].items()}}
        for span in spans
    ]


def test_there_is_a_transaction_per_case_and_a_rerun_is_one_of_its_own(sent: Recorder):
    found = transactions(sent)
    assert set(found) == {("Control", "1"), ("Treatment", "1"), ("Treatment", "2")}
    control = found["Control", "1"]
    assert control["transaction"] == "exp_3 Control"
    assert control["tags"] | {"status": ""} == {
        "experiment": "exp_3",
        "group": "Control",
        "rep": "2",
        "attempt": "1",
        "run_id": "run-1",
        "status": "",
    }
    assert control["contexts"]["trace"]["op"] == "harness.case"
    assert control["contexts"]["scores"] == {"Fluency": 7.0, "ideas_qty": 3.5}
    assert (control["start_timestamp"], control["timestamp"]) == (
        "2025-06-01T12:00:00.000000Z",
        "2025-06-01T12:00:05.000000Z",
    )
    status = {key: one["contexts"]["trace"]["status"] for key, one in found.items()}
    assert status == {
        ("Control", "1"): "ok",
        ("Treatment", "1"): "internal_error",
        ("Treatment", "2"): "ok",
    }
    assert len({one["contexts"]["trace"]["trace_id"] for one in found.values()}) == 3


def test_trials_are_spans_of_their_own_case(sent: Recorder):
    for (group, _), one in transactions(sent).items():
        trace = one["contexts"]["trace"]
        for span in one["spans"]:
            assert span["op"] == "harness.trial"
            assert span["description"].startswith(f"exp_3/{group}/rep2/")
            assert (span["trace_id"], span["parent_span_id"]) == (trace["trace_id"], trace["span_id"])
    assert [len(one["spans"]) for one in transactions(sent).values()] == [2, 2, 1]


def test_calls_are_gen_ai_spans_of_their_trial_in_one_place(sent: Recorder):
    trials = {span["span_id"]: span for one in sent.items("transaction") for span in one["spans"]}
    assert Counter(span["op"] for span in trials.values()) == {"harness.trial": 5}  # no call stands here too
    assert len(calls(sent)) == 9
    assert {span["parent_span_id"] for span in calls(sent)} == set(trials)
    for span in calls(sent):
        attributes = span["attributes"]
        assert span["name"] == "chat gpt-4o-mini"
        assert span["trace_id"] == trials[span["parent_span_id"]]["trace_id"]
        assert span["end_timestamp"] - span["start_timestamp"] == pytest.approx(0.5)
        assert attributes["sentry.op"] == "gen_ai.chat"
        assert attributes["gen_ai.operation.name"] == "chat"
        assert attributes["gen_ai.request.model"] == "gpt-4o-mini"
        assert attributes["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"
        assert attributes["gen_ai.request.temperature"] == 0.7
        assert attributes["harness.person"] == "Ada"


def test_usage_is_that_of_calls_that_were_paid(sent: Recorder):
    usage = Counter(
        (
            span["attributes"]["harness.replayed"],
            span["attributes"].get("gen_ai.usage.input_tokens"),
            span["attributes"].get("gen_ai.usage.output_tokens"),
        )
        for span in calls(sent)
    )
    assert usage == {(True, None, None): 4, (False, 120, 30): 5}


def test_errors_of_trials_are_events_in_their_trace(sent: Recorder):
    (event,) = sent.items("event")
    (error,) = event["exception"]["values"]
    trial = trial_id(transactions_cell(), 1)
    assert error["type"] == "ModelCallError"
    assert event["tags"]["trial"] == trial
    assert event["tags"]["group"] == "Treatment"
    assert event["timestamp"] == "2025-06-01T12:00:04.000000Z"
    (span,) = [one for one in transactions(sent)["Treatment", "1"]["spans"] if one["status"] != "ok"]
    assert event["contexts"]["trace"]["span_id"] == span["span_id"]


def transactions_cell() -> Any:
    from tests.support.happenings import TREATMENT

    return TREATMENT


def test_prompts_and_replies_stay_at_home_unless_asked_for(sent: Recorder):
    assert PROMPT.encode() not in sent.everything()
    assert REPLY.encode() not in sent.everything()
    with recording() as recorder:
        assert tell(recorder, session(), content=True) == []
    (first, *_) = calls(recorder)
    assert PROMPT in first["attributes"]["gen_ai.input.messages"]
    assert REPLY in first["attributes"]["gen_ai.output.messages"]
    (event,) = recorder.items("event")
    assert REPLY in event["exception"]["values"][0]["value"]


def test_the_dsn_stands_in_no_item(sent: Recorder):
    bodies = [*sent.items("transaction"), *sent.items("event"), *sent.items("span")]
    assert "publickey" not in str(bodies)


def test_what_is_open_at_the_end_is_sent_as_unfinished():
    events = [
        CaseStarted("c", at(0), CONTROL, "run-1"),
        TrialStarted("c", trial_id(CONTROL, 0), at(1)),
        call("nobody", 1),
        SessionEnded(at(2), "The session was interrupted."),
    ]
    with recording() as recorder:
        assert tell(recorder, events) == []
    (transaction,) = recorder.items("transaction")
    assert transaction["contexts"]["trace"]["status"] == "internal_error"
    assert [span["status"] for span in transaction["spans"]] == ["cancelled"]


def test_a_case_of_more_calls_than_a_transaction_takes_arrives_whole():
    trial = trial_id(CONTROL, 0)
    events = [CaseStarted("c", at(0), CONTROL, "run-1"), TrialStarted("c", trial, at(0))]
    events += [call(trial, number / 1000) for number in range(2100)]
    events += [TrialEnded("c", trial, at(3)), CaseEnded("c", at(3))]
    with recording() as recorder:
        assert tell(recorder, events, 30) == []
    assert [len(item["items"]) for item in recorder.items("span")] == [1000, 1000, 100]
    assert len(recorder.items("transaction")) == 1


@pytest.mark.parametrize(
    ("mode", "why"), [("refuse", "network"), ("500", "status_500"), ("hang", "did not answer in time")]
)
def test_a_server_in_trouble_is_one_warning(
    mode: str, why: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    with caplog.at_level(logging.INFO), recording(mode) as recorder:
        (warning,) = tell(recorder, session(), 0.5 if mode == "hang" else 20)
    assert why in warning
    assert "publickey" not in warning + caplog.text + "".join(capfd.readouterr())


def test_a_users_own_sentry_goes_on_as_it_was(sent: Recorder):
    del sent  # our client has lived and died in this process
    assert not sentry_sdk.get_client().is_active()
    with recording() as theirs, recording() as ours:
        sentry_sdk.init(dsn=theirs.dsn, traces_sample_rate=1.0, auto_enabling_integrations=False)
        try:
            client, integrations = sentry_sdk.get_client(), set(sentry_sdk.get_client().integrations)
            with sentry_sdk.start_transaction(name="their own", op="test"):
                assert tell(ours, session()) == []
                with sentry_sdk.start_span(op="theirs", name="a span of theirs"):
                    pass
            assert sentry_sdk.get_client() is client
            assert set(client.integrations) == integrations
            sentry_sdk.flush(5)
        finally:
            sentry_sdk.get_client().close()
            sentry_sdk.get_global_scope().set_client(None)
    assert [one["transaction"] for one in theirs.items("transaction")] == ["their own"]
    assert [span["op"] for one in theirs.items("transaction") for span in one["spans"]] == ["theirs"]
    assert not theirs.items("span")
    assert len(ours.items("transaction")) == 3
    assert {one["sdk"]["integrations"] == [] for one in ours.items("transaction")} == {True}
