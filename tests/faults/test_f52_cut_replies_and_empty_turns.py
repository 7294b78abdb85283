"""F52: a reply that was cut by a limit, or a turn of nothing, counts as behaviour."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.gateway import providers
from harness.gateway.calls import Reply, Request
from harness.gateway.rehearsal.provider import RehearsalProvider
from tests.support.sessions import Lab

Change = Callable[[str, str, Reply], Reply]
"""The name of the schema, the system prompt and the rehearsal's reply → the model's reply."""
SAID = "Ten euros and not a cent more."


class Model:
    """The rehearsal model, but for what ``change`` makes of its replies."""

    name, model = "odd", "odd-1"

    def __init__(self, change: Change) -> None:
        self._change, self._rehearsal = change, RehearsalProvider(0)

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        reply = await self._rehearsal.complete(request, trial=trial, occurrence=occurrence)
        schema = (request.response_format or {}).get("json_schema", {}).get("name", "")
        return self._change(schema, str(request.messages[0]["content"]), reply)

    async def aclose(self) -> None:
        await self._rehearsal.aclose()


def play(lab: Lab, monkeypatch: pytest.MonkeyPatch, change: Change) -> pytest.RunResult:
    monkeypatch.setitem(providers._factories, "odd", lambda *_, **__: Model(change))
    lab.write()
    return lab.run(model="odd")


def cut_turns_of_ada(schema: str, system: str, reply: Reply) -> Reply:
    if schema == "turn" and system.startswith("You are Ada."):
        text = json.dumps({"actions": [{"type": "TALK", "content": SAID, "target": ""}]})
        return Reply(text, finish_reason="length")
    return reply


def test_a_turn_that_was_cut_is_a_recorded_failure_even_if_it_parses(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert play(lab, monkeypatch, cut_turns_of_ada).ret == 1
    failures = lab.lines(kind="trial_failure")
    assert len(failures) == 4
    for one in failures:
        assert "cut at the length limit" in one["reason"]
        assert {rejected["kind"] for rejected in one["rejections"]} == {"act"}
    assert SAID not in json.dumps(lab.lines(kind="trial_result"))
    assert not lab.lines(kind="trial_result"), "no transcript has a turn made of it"


def cut_scores(schema: str, system: str, reply: Reply) -> Reply:
    return replace(reply, finish_reason="length") if schema == "score" else reply


def test_a_score_that_was_cut_is_missing_or_fails_its_trial(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert play(lab, monkeypatch, cut_scores).ret == 1
    assert [sample for one in lab.lines(kind="trial_result") for sample in one["samples"]] == []
    failures = lab.lines(kind="trial_failure")
    assert len(failures) == 4 and all("cut at the length limit" in one["reason"] for one in failures)


def test_a_turn_without_a_list_of_actions_is_a_recorded_failure(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(schema: str, system: str, reply: Reply) -> Reply:
        return Reply(json.dumps({"actions": []})) if schema == "turn" else reply

    assert play(lab, monkeypatch, nothing).ret == 1
    assert not lab.lines(kind="trial_result")
    assert all("against its schema" in one["reason"] for one in lab.lines(kind="trial_failure"))


@pytest.mark.parametrize("kind", ["TALK", "DONE"])
def test_a_turn_of_blanks_is_empty_and_the_person_is_not_scored(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    judged: list[str] = []

    def blank_turns_of_ada(schema: str, system: str, reply: Reply) -> Reply:
        if schema == "turn" and system.startswith("You are Ada."):
            return Reply(json.dumps({"actions": [{"type": kind, "content": "  \n", "target": ""}]}))
        if schema == "score":
            judged.append(reply.text)
        return reply

    play(lab, monkeypatch, blank_turns_of_ada)
    trials = lab.lines(kind="trial_result")
    assert len(trials) == 4
    for one in trials:
        did = [event for event in one["transcript"] if event["kind"] == "action" and event["person"] == "Ada"]
        assert [event["type"] for event in did] == ["DONE"]
        scores = {sample["person"]: sample for sample in one["samples"]}
        assert scores["Ada"]["value"] is None and "nothing to score" in scores["Ada"]["reason"]
        assert scores["Bo"]["value"] is not None
    assert len(judged) == 4, "the judge scores Bo alone"
    checks = {(one["name"], one["about"]): one for one in lab.meta()["instrument"]["checks"]}
    empty = checks["empty turns", "Control"]
    assert (empty["level"], empty["number"]) == ("FAIL", 0.5), "two of four turns"
