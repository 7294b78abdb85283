"""The experiment ``tool_variants``: its arms, its one-turn trials, and their records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness.experiments.tool_variants.decision import RULE
from harness.experiments.tool_variants.design_checks import problems
from harness.experiments.tool_variants.outcomes import JudgedTurn, called, judge
from harness.experiments.tool_variants.prompts import ZERO_PERSONA, system_prompt
from harness.experiments.tool_variants.run_records import APPROPRIATE
from harness.experiments.tool_variants.scenarios import FIXED_TIMESTAMP, SCENARIOS, Scenario
from harness.experiments.tool_variants.variants import VARIANTS, ToolVariant
from harness.extras import require
from harness.gateway.calls import CallSite, ModelClient, Reply, Request
from harness.model import (
    Event,
    Experiment,
    Group,
    Measure,
    Mode,
    Play,
    Sample,
    Script,
    TrialPlan,
    TrialResult,
)

if TYPE_CHECKING:
    from harness.model import Check
    from harness.records import FiledRun
    from harness.reports.parts import Part

NAME = "tool_variants"
TEMPERATURE = 0.2
MAX_TOKENS = 1024
TOKENS = "tokens"
SHOWN = 500
"""Characters of thoughts in a record; the journal has all."""

_SCENARIOS = {scenario.id: scenario for scenario in SCENARIOS}


def tool_variants(variants: Mapping[str, ToolVariant] = VARIANTS) -> Experiment:
    """Every variant × every scenario, three repetitions; one case per scenario."""
    return Experiment(
        name=NAME,
        groups=tuple(_arm(variant) for variant in variants.values()),
        script=Script(task="", proposals=tuple(_proposal(scenario) for scenario in SCENARIOS)),
        metrics=(Measure(APPROPRIATE), Measure(TOKENS)),
        modes={"full": Mode(reps=3, steps=1), "fast": Mode(reps=1, steps=1)},
        protocol="scenario",
        settings={"fixed_timestamp": FIXED_TIMESTAMP, "zero_persona": ZERO_PERSONA, "decision": RULE},
        temperature=TEMPERATURE,
        model_options={"max_tokens": MAX_TOKENS},
        play=Play(
            play,
            calls=lambda _plan: ({"answer": 1}, {"answer": 1}),
            record_type="scenario_result",
            case_per_trial=True,
            check=check,
            examine=_examine,
            answer=_answer,
        ),
    )


def _examine(run: FiledRun) -> Iterable[Check]:
    from harness.experiments.tool_variants.run_checks import examine

    return examine(run)


def _answer(run: FiledRun, checks: Sequence[Check]) -> Iterable[Part]:
    from harness.experiments.tool_variants.rendering import run_parts

    return run_parts(run, checks)


def _arm(variant: ToolVariant) -> Group:
    tools = variant.schemas()
    digest = hashlib.sha256(json.dumps(tools, sort_keys=True).encode()).hexdigest()
    return Group(variant.name, settings={"variant": variant.name, "tools": tools, "tools_sha256": digest})


def _proposal(scenario: Scenario) -> dict[str, str]:
    return {
        "id": scenario.id,
        "category": scenario.category,
        "prompt": scenario.prompt,
        "description": scenario.description,
    }


def check(experiment: Experiment) -> Iterable[str]:
    """Every fault of the design, before the first call; cached, because every case asks."""
    require("tools", f"Experiment {experiment.name}")
    if _latest.experiment is not experiment:
        variants = {group.name: VARIANTS[group.name] for group in experiment.groups}
        _latest.faults = tuple(problems(experiment, variants))
        _latest.experiment = experiment
    return _latest.faults


class _Checked:
    experiment: Experiment | None = None
    faults: tuple[str, ...] = ()


_latest = _Checked()


async def play(plan: TrialPlan, client: ModelClient) -> TrialResult:
    """Run one turn: the shared system prompt, the scenario's request, the variant's tools, which are never executed."""
    messages = [
        {"role": "system", "content": system_prompt(plan.settings)},
        {"role": "user", "content": plan.proposal["prompt"]},
    ]
    request = Request(messages, temperature=plan.temperature, extra={"tools": plan.arm["tools"]})
    reply = await client.complete(request, CallSite("answer"))
    scenario, variant = _SCENARIOS[plan.proposal["id"]], VARIANTS[plan.arm["variant"]]
    calls = called(reply.tool_calls)
    now = datetime.fromisoformat(plan.settings["fixed_timestamp"])
    judged = judge(variant, scenario, reply.text, calls, now)
    appropriate = judged.outcome in scenario.accept
    samples = (
        Sample(APPROPRIATE, float(appropriate), justification=judged.why or None),
        Sample(TOKENS, float(reply.tokens_in + reply.tokens_out)),
    )
    transcript = tuple(_transcript(plan.proposal["prompt"], reply.text, calls))
    details = {**_details(plan, reply, calls, judged), "appropriate": appropriate}
    return TrialResult(plan.trial, samples, transcript, details=details)


def _transcript(prompt: str, text: str, calls: list[dict[str, Any]]) -> Iterator[Event]:
    yield Event(1, "", "stimulus", "CONVERSATION", prompt)
    if text.strip():
        yield Event(1, "model", "action", "TALK", text)
    for call in calls:
        yield Event(
            1, "model", "action", "CALL", json.dumps(call["args"], ensure_ascii=False), target=call["name"]
        )


def _details(
    plan: TrialPlan, reply: Reply, calls: list[dict[str, Any]], judged: JudgedTurn
) -> dict[str, Any]:
    return {
        "variant": plan.arm["variant"],
        "scenario_id": plan.proposal["id"],
        "category": plan.proposal["category"],
        "prompt": plan.proposal["prompt"],
        "response_text": reply.text,
        "thoughts": reply.thoughts[:SHOWN] or None,
        "tool_calls": calls,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "tokens_total": reply.tokens_in + reply.tokens_out,
        "latency": reply.seconds,
        "attempts": reply.attempts,
        "stop_reason": reply.finish_reason,
        "refused": reply.refusal,
        "outcome": judged.outcome.value,
        "why": judged.why or None,
        "actions": [
            {"ability": one.ability.value, "at": [at.isoformat(timespec="minutes") for at in one.at]}
            for one in judged.actions
        ],
    }
