"""What a base model writes instead of an answer: every kind of call records a failure, and nothing is made up.

`tests/data/base_model_replies.json` has one reply of Gemma 3 270M, a model without instruction tuning, to a request of
each kind, made without a grammar and cut after 48 tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.gateway import providers
from harness.gateway.calls import Reply, Request
from harness.gateway.rehearsal.provider import RehearsalProvider
from tests.support.sessions import Lab

REPLIES: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "data" / "base_model_replies.json").read_text("utf-8")
)

SESSION = """
import pytest
from harness import (
    Correction, Dialogue, Experiment, Extraction, Group, Intervention, Likert, Measure, Mode, Persona, Preference,
    Proposition, Script, Survey,
)
from harness.experiments.cooperation.experiment import cooperation_game
from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.experiment import payments

people = (Persona("Ada", {"occupation": "trader"}), Persona("Bo", {"occupation": "teacher"}))
talk = Experiment(
    name="talk",
    population=people,
    groups=(
        Group(
            "Control",
            correction=Correction(9, max_attempts=1),
            interventions=(Intervention("slow", "I could be quicker.", textual="The person has said little."),),
        ),
        Group("Treatment"),
    ),
    script=Script(
        task="Agree a price for {thing}.",
        proposals=({"thing": "a bike"},),
        consolidation="Sum up which offers were made.",
        extraction=Extraction(
            objective="Each offer.", situation="Two people haggle.", fields=("person", "price"), root="offers",
            metric="offers",
        ),
    ),
    metrics=(
        Proposition("Courtesy", "The person stays courteous."),
        Proposition("Peace", "The group stays calm.", about="panel"),
        Preference("politer", "Which conversation is more polite?"),
    ),
    modes={"full": Mode(reps=1, steps=2)},
)
chat = Experiment(
    name="chat",
    groups=(Group("Control"),),
    script=Script("", proposals=({"thing": "a lamp"},)),
    metrics=(Proposition("Patience", "The person stays patient."), Measure("turns"), Measure("goal_reached")),
    modes={"full": Mode(reps=1, steps=2)},
    play=Dialogue("Get your money back.", user=people[:1], until="The agent has promised the refund."),
)
ask = Experiment(
    name="ask", population=people, groups=(Group("Control"),),
    survey=Survey(items=(Likert("trust", "How far do you trust the council?"),)),
)
banks = payments(PaymentsConfig(banks=("BANK_A", "BANK_B"), max_iterations=1), markets=1)
game = cooperation_game(2, rounds=1, conditions={"baseline": ""})


@pytest.mark.experiment(EXPERIMENT)
def test_it(cell):
    cell.run()
"""

TARGETS = [
    ("talk", "turn", {"Courtesy", "Peace", "offers"}),
    ("talk", "score", {"Courtesy", "Peace"}),
    ("talk", "check", set()),
    ("talk", "extraction", {"offers"}),
    ("talk", "preference", {"politer"}),
    ("chat", "message", {"Patience", "turns", "goal_reached"}),
    ("chat", "score", {"Patience"}),
    ("chat", "check", {"Patience", "turns", "goal_reached"}),
    ("ask", "survey", {"trust"}),
]
"""An experiment, the name of the schema whose requests the base model answers, and the metrics that depend on it."""


class Rambling:
    """The rehearsal, but the base model's replies, in rotation, to requests with the schema ``target``."""

    name, model = "rambling", "rambling-1"

    def __init__(self, target: str) -> None:
        self._target, self._rehearsal, self.answered = target, RehearsalProvider(0), 0

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        schema = (request.response_format or {}).get("json_schema", {}).get("name", "")
        if self._target in ("", schema):
            self.answered += 1
            texts = list(REPLIES.values())
            return Reply(texts[self.answered % len(texts)])
        return await self._rehearsal.complete(request, trial=trial, occurrence=occurrence)

    async def aclose(self) -> None:
        await self._rehearsal.aclose()


def play(lab: Lab, monkeypatch: pytest.MonkeyPatch, experiment: str, target: str) -> Rambling:
    model = Rambling(target)
    monkeypatch.setitem(providers._factories, "rambling", lambda *_, **__: model)
    lab.write(SESSION.replace("EXPERIMENT", experiment))
    result = lab.run(model="rambling")
    assert result.ret in (0, 1), "finished, or failed as a case does"
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert model.answered, "it was asked"
    return model


def lines(lab: Lab) -> list[dict[str, Any]]:
    """All lines of records but the first of each file."""
    found = [
        json.loads(line) for path in lab.results.glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    return [one for one in found if not str(one.get("type", "")).endswith("metadata")]


@pytest.mark.parametrize(("experiment", "target", "metrics"), TARGETS)
def test_a_base_models_reply_is_a_recorded_failure(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, experiment: str, target: str, metrics: set[str]
) -> None:
    model = play(lab, monkeypatch, experiment, target)
    found = lines(lab)
    failed = [one for one in found if str(one["type"]).endswith("failure")]
    assert all("no acceptable reply" in one["reason"] for one in failed)
    rejected = sum(len(one.get("rejections", ())) for one in found)
    if target != "preference":
        assert rejected == model.answered, (
            "each of its replies is recorded with the reason why it was not used"
        )
    for sample in (sample for one in found for sample in one.get("samples", ())):
        assert (sample["value"] is None) == bool(sample["reason"]), "missing, and why; never a default"
        assert sample["value"] is None or sample["metric"] not in metrics
    assert target != "preference" or "comparison_failure" in [one["type"] for one in found]
    assert not [one for one in found if one["type"] == "comparison" and target == "preference"]


def test_a_bank_that_rambles_keeps_its_policy(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    play(lab, monkeypatch, "banks", "policy")
    for one in lines(lab):
        for turn in one["turns"]:
            assert turn["proposal"] is None and turn["accepted"] is False and len(turn["faults"]) == 3


def test_a_player_that_rambles_has_made_no_choice(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    play(lab, monkeypatch, "game", "")
    (one,) = lines(lab)
    assert (one["decisions"], one["decisions_asked"]) == (0, 2)
    samples = {sample["metric"]: sample for sample in one["samples"]}
    for metric in ("cooperation_rate", "mean_score"):
        assert samples[metric]["value"] is None and samples[metric]["reason"], (
            "no choice, so no score of 0 either"
        )
