"""F48: calls made around the gateway are reported, and their replies are not called a rehearsal's."""

from __future__ import annotations

import pytest

from tests.support.endpoint import FakeEndpoint
from tests.support.sessions import Lab

PLAY = """
import json, os, urllib.request
import pytest
from harness import Experiment, Group, Measure, Play, Sample, Script, TrialResult


async def play(plan, client):
    {how}
    return TrialResult(plan.trial, (Sample("length", float(len(text))),))

around = Experiment(
    name="around",
    groups=(Group("a"), Group("b")),
    script=Script("", proposals=({{"id": "one"}}, {{"id": "two"}})),
    metrics=(Measure("length"),),
    play=Play(play, deterministic=False),
)


@pytest.mark.experiment(around)
def test_around(cell):
    cell.run()
"""
AROUND = """body = json.dumps({"model": "m", "messages": []}).encode()
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    text = json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"]"""
THROUGH = """reply = await client.openai().chat.completions.create(
        model="default", messages=[{"role": "user", "content": "Hello."}]
    )
    text = reply.choices[0].message.content"""


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")
    with FakeEndpoint() as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        yield served


def test_an_arm_whose_calls_go_around_is_named_and_not_called_a_rehearsal(
    lab: Lab, endpoint: FakeEndpoint
) -> None:
    lab.write(PLAY.format(how=AROUND))
    result = lab.run(model="rehearsal")
    assert len(endpoint.requests) == 4, "a real server answered"
    said = " ".join(result.stdout.str().split())
    assert "REHEARSAL without a call: no result below comes from rehearsed replies." in said
    assert "replies were generated offline" not in said
    for arm in "ab":
        assert (
            f"WARN calls, {arm}: no call of {arm} went through the gateway: unbudgeted and unrecorded" in said
        )
    assert said.count("that model answered, not the rehearsal") == 2
    assert not lab.meta()["evidence"]


def test_the_client_that_a_play_is_given_cannot_go_around(lab: Lab, endpoint: FakeEndpoint) -> None:
    pytest.importorskip("openai")
    lab.write(PLAY.format(how=THROUGH))
    result = lab.run(model="rehearsal")
    assert endpoint.requests == [], (
        "a rehearsal reaches no server, whatever key and address the environment has"
    )
    assert "REHEARSAL: replies were generated offline" in result.stdout.str()
    used = [one["usage"]["calls"] for one in lab.lines(kind="trial_result")]
    assert [sum(one.values()) for one in used] == [1, 1, 1, 1]
    result = lab.run("--max-calls=2", "--concurrency=1", "--fresh", model="openai:m")
    assert len(endpoint.requests) == 2 and result.ret == 6, "its calls count towards the budget"
