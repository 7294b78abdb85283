"""Agents that call models by an SDK, by httpx or in another program: each call belongs to its trial."""

from __future__ import annotations

import json
import ssl
from collections import Counter

import pytest

from harness.errors import ExitCode
from harness.gateway.sdk_clients import SdkClients
from tests.support.sessions import Lab

HEAD = """
import asyncio, json, sys
import pytest
from harness import Experiment, Group, Measure, Play, Sample, Script, TrialResult

async def play(plan, client):
    text = await agent(f"{plan.arm['tone']}: {plan.proposal['id']}", client)
    return TrialResult(plan.trial, (Sample("length", float(len(text))),))

experiment = Experiment(
    name="agents",
    groups=(Group("plain", settings={"tone": "plainly"}), Group("rude", settings={"tone": "rudely"})),
    script=Script("", proposals=({"id": "one"}, {"id": "two"})),
    metrics=(Measure("length"),),
    play=Play(play),
)

@pytest.mark.experiment(experiment)
def test_agents(cell):
    cell.run()

def words(prompt):
    return [{"role": "user", "content": prompt}]
"""

AGENTS = {
    "openai": """
async def agent(prompt, client):
    async with client.openai() as sdk:
        first = await sdk.chat.completions.create(model="m", messages=words(prompt))
        second = await sdk.responses.create(model="m", input=prompt)
        return first.choices[0].message.content + second.output_text
""",
    "openai in a thread": """
def blocking(prompt, sdk):
    with sdk, sdk.chat.completions.stream(model="m", messages=words(prompt)) as stream:
        return stream.get_final_completion()

async def agent(prompt, client):
    one = await asyncio.to_thread(blocking, prompt, client.openai_sync())
    two = await asyncio.to_thread(blocking, prompt, client.openai_sync())
    return one.choices[0].message.content + two.choices[0].message.content
""",
    "anthropic": """
async def agent(prompt, client):
    async with client.anthropic() as sdk:
        replies = [await sdk.messages.create(model="m", max_tokens=99, messages=words(prompt)) for _ in "ab"]
    return "".join(reply.content[0].text for reply in replies)
""",
    "httpx": """
async def agent(prompt, client):
    import httpx2

    async with httpx2.AsyncClient(transport=client.httpx_transport()) as http:
        body = {"messages": words(prompt)}
        headers = {"authorization": "Bearer sk-of-somebody"}
        url = "https://api.openai.com/v1/chat/completions"
        answers = [(await http.post(url, json=body, headers=headers)).json() for _ in "ab"]
    return "".join(answer["choices"][0]["message"]["content"] for answer in answers)
""",
    "another program": """
PROGRAM = '''
import json, sys, urllib.request
url, token, prompt = sys.argv[1:]
body = json.dumps({"messages": [{"role": "user", "content": prompt}]}).encode()
for _ in "ab":
    asked = urllib.request.Request(f"{url}/chat/completions", body, {"Authorization": f"Bearer {token}"})
    print(json.load(urllib.request.urlopen(asked))["choices"][0]["message"]["content"])
'''

async def agent(prompt, client):
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, client.base_url, client.token, prompt, stdout=asyncio.subprocess.PIPE
    )
    return (await program.communicate())[0].decode()
""",
}


@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)
def test_an_agent_s_calls_are_counted_journaled_and_replayed(lab: Lab, agent: str) -> None:
    lab.write(HEAD + agent)
    assert lab.run("--max-calls=6", "--concurrency=1").ret == ExitCode.BUDGET
    assert len(lab.watched.calls) == 6, "the budget holds"
    lab.run().assert_outcomes(passed=2)
    assert len(lab.watched.calls) == 8, "replies that were paid for are not asked for again"
    assert set(Counter(lab.watched.calls).values()) == {2}
    prompts = {json.dumps(list(request.messages)) for request in lab.watched.requests}
    assert len(prompts) == 4 and {one.model for one in lab.watched.requests} <= {"m", "watched-1"}
    assert not lab.meta()["partial"]


@pytest.mark.parametrize(("scheme", "verified"), [("http", ssl.CERT_NONE), ("https", ssl.CERT_REQUIRED)])
def test_certificates_are_loaded_for_an_encrypted_gateway_alone(
    scheme: str, verified: ssl.VerifyMode
) -> None:
    """They take 20 ms per client, on the event loop."""

    class Clients(SdkClients):
        token, base_url = "t", f"{scheme}://127.0.0.1:1/v1"

    for transport in (Clients().httpx_transport(), Clients().httpx_sync_transport()):
        assert transport._pool._ssl_context.verify_mode == verified


def test_a_synchronous_client_on_the_event_loop_is_refused_and_does_not_hang(lab: Lab) -> None:
    lab.write(
        HEAD
        + """
async def agent(prompt, client):
    return client.openai_sync().responses.create(model="m", input=prompt).output_text
"""
    )
    lab.run("-k", "plain").stdout.fnmatch_lines(["*A synchronous client was used on the event loop*"])


def test_what_the_gateway_says_is_heard_although_the_sdk_says_less(lab: Lab) -> None:
    lab.write(HEAD + AGENTS["openai"])
    lab.watched.text = ""
    result = lab.run("-k", "plain")
    result.stdout.fnmatch_lines(["*no acceptable reply in 4 attempts*"])
