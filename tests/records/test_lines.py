"""What the record of a trial says."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from types import MappingProxyType

from harness.model import (
    Cell,
    CorrectionEvent,
    Event,
    Persona,
    Sample,
    Script,
    Trial,
    TrialFailure,
    TrialPlan,
    TrialResult,
    Usage,
)
from harness.records import trial_line

TRIAL = Trial(Cell("exp_3", "Control", 2), panel=1, proposal=0)
PLAN = TrialPlan(
    trial=TRIAL,
    personas=(Persona("Ada", {}), Persona("Ben", {})),
    script=Script(task="talk"),
    proposal=MappingProxyType({"theme": "abortion"}),
    steps=3,
    correction=None,
    interventions=(),
    metrics=(),
    seed=1,
)
MOMENT = datetime(2025, 11, 20, 17, 41, tzinfo=UTC)
COORDINATES = {
    "run_id": "r1",
    "trial": "exp_3/Control/rep2/panel1/proposal0",
    "experiment": "exp_3",
    "group": "Control",
    "rep": 2,
    "panel": 1,
    "proposal": 0,
    "people": ["Ada", "Ben"],
    "proposal_fields": {"theme": "abortion"},
}
ENDING = {
    "usage": {
        "calls": {"act": 3},
        "tokens_in": 10,
        "tokens_out": 2,
        "cost": None,
        "cost_reason": None,
        "models": [],
    },
    "paid": {
        "calls": {"act": 3},
        "tokens_in": 10,
        "tokens_out": 2,
        "cost": None,
        "cost_reason": None,
        "models": [],
    },
    "calls_replayed": 0,
    "refusals": 0,
    "rejections": [],
    "replies": {},
    "attempt": 1,
    "started": "2025-11-20T17:41:00.000000+00:00",
    "ended": "2025-11-20T17:41:00.000000+00:00",
    "duration": 1.5,
}


def line(outcome: TrialResult | TrialFailure) -> dict[str, object]:
    usage = Usage(MappingProxyType({"act": 3}), 10, 2)
    return trial_line(
        outcome, PLAN, run_id="r1", usage=usage, attempt=1, started=MOMENT, ended=MOMENT, duration=1.5
    )


def test_a_finished_trial() -> None:
    result = TrialResult(
        TRIAL,
        samples=(Sample("Fluency", 7, "Ada", justification="clear"), Sample("n", math.nan)),
        transcript=(Event(0, "Ada", "action", "TALK", "Hello", target="Ben"),),
        extraction={"opinions": []},
        corrections=(CorrectionEvent(1, "Ada", (("a", 3.0), ("b", 6.0)), 1),),
        interventions=(MappingProxyType({"step": 4}),),
    )
    assert line(result) == {
        "type": "trial_result",
        **COORDINATES,
        "status": "finished",
        "samples": [
            {"metric": "Fluency", "person": "Ada", "value": 7, "reason": None, "justification": "clear"},
            {
                "metric": "n",
                "person": None,
                "value": None,
                "reason": "the value was nan, which is not a valid JSON number",
                "justification": None,
            },
        ],
        "transcript": [
            {
                "step": 0,
                "person": "Ada",
                "kind": "action",
                "type": "TALK",
                "content": "Hello",
                "source": "",
                "target": "Ben",
            }
        ],
        "extraction": {"opinions": []},
        "corrections": [{"step": 1, "person": "Ada", "attempts": [["a", 3.0], ["b", 6.0]], "kept": 1}],
        "interventions": [{"step": 4}],
        **ENDING,
    }
    json.dumps(line(result), allow_nan=False)


def test_a_failed_trial() -> None:
    failure = line(TrialFailure(TRIAL, "no reply after 5 attempts", "ModelCallError"))
    assert failure == {
        "type": "trial_failure",
        **COORDINATES,
        "status": "failed",
        "reason": "no reply after 5 attempts",
        "kind": "ModelCallError",
        **ENDING,
    }


def test_a_later_try_says_what_all_tries_were_paid_for_and_which_replies_were_of_no_use() -> None:
    failure = TrialFailure(TRIAL, "no reply", "ModelCallError")
    rejection = {"kind": "act", "person": "Ada", "step": 1, "attempt": 0, "reason": "empty", "text": ""}
    written = trial_line(
        failure,
        PLAN,
        run_id="r1",
        usage=Usage({"act": 1}, 2, 3, 0.5),
        attempt=2,
        started=MOMENT,
        ended=MOMENT,
        duration=1.5,
        paid=Usage({"act": 4}, 20, 30, 0.75),
        calls_replayed=3,
        refusals=1,
        rejections=[rejection],
    )
    unknown = {"cost_reason": None, "models": []}
    assert written["usage"] == {**unknown, "calls": {"act": 1}, "tokens_in": 2, "tokens_out": 3, "cost": 0.5}
    assert written["paid"] == {
        **unknown,
        "calls": {"act": 4},
        "tokens_in": 20,
        "tokens_out": 30,
        "cost": 0.75,
    }
    assert (written["calls_replayed"], written["refusals"], written["rejections"]) == (3, 1, [rejection])
