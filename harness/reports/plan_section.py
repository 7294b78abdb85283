"""A run compared with its locked plan."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from harness.model.contrast import CONTROL, contrasts_in_words
from harness.model.roles import EMBEDDING, ROLES
from harness.reports.parts import WIDTH


def answered_by_role(roles: Mapping[str, Mapping[str, int]]) -> str:
    """Who answered which role with how many replies, the roles in the order of a conversation.

    >>> answered_by_role({"judge": {"anthropic:c": 8}, "player": {"openai:a": 4, "openai:b": 4}})
    'player openai:a (4), openai:b (4); judge anthropic:c (8)'
    """
    known = [role for role in ROLES if role in roles] + [role for role in roles if role not in ROLES]
    return "; ".join(
        f"{role} " + ", ".join(f"{model} ({replies:,})" for model, replies in roles[role].items())
        for role in known
    )


def plan_lines(meta: Mapping[str, Any]) -> Iterator[str]:
    """The sentences of `plan_sentences` in lines of at most 80 columns."""
    for sentence in plan_sentences(meta):
        yield from textwrap.wrap(sentence, WIDTH, subsequent_indent="  ")


def plan_sentences(meta: Mapping[str, Any]) -> Iterator[str]:
    """Sentences from a meta file: exploratory or not, the plan and deviations from it, looks, and the judge."""
    plan = meta.get("plan")
    if meta.get("exploratory"):
        yield "EXPLORATORY: beyond or without a locked plan."
    if plan is not None:
        n = plan["n"]
        yield (
            f"Plan {plan['sha256'][:12]}, locked {plan['locked'][:16]}: {n['trials_per_arm']} trials per arm, "
            f"primary {', '.join(plan['primary_metrics'])}{_contrasts(plan)}, smallest effect of interest "
            f"{plan['sesoi']:g}."
        )
        yield from (f"DEVIATION: {one}." for one in plan["deviations"])
        if not plan["deviations"]:
            yield "No deviation from the plan."
    if meta.get("looks"):
        planned = f" of {plan['looks']} planned" if plan is not None else ""
        yield f"Looks at this run's results so far: {meta['looks']}{planned}."
    roles = (meta.get("usage") or {}).get("roles") or {}
    if len({model for role, asked in roles.items() if role != EMBEDDING for model in asked}) > 1:
        yield f"{'Rehearsed replies' if meta.get('rehearsal') else 'Replies'} by role: {answered_by_role(roles)}."
    if roles:  # records of earlier versions have none
        return
    judge = next(
        (line for line in (meta.get("groups") or {}).values() if line and line.get("judge_model")), None
    )
    if judge is not None:
        yield f"Judge: {judge['judge_provider']}:{judge['judge_model']}; personas: {judge['model']}."


def _contrasts(plan: Mapping[str, Any]) -> str:
    """The contrasts of a plan, unless each group is compared with the first."""
    planned = plan.get("contrasts", CONTROL)
    return "" if planned == CONTROL else f", contrasts {contrasts_in_words(planned)}"
