"""The model's probabilities of the options of an item, from the log probabilities of the first token of its reply."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.engines.survey.answers import Status, SurveyAnswer
from harness.errors import RefusedError, RejectedError, UnacceptableReplyError
from harness.gateway.calls import CallSite, Message, ModelClient, Reply, Request
from harness.model.survey.item import Item

LEAST_COVERED = 0.5
"""The probability that the options must have together; below it the model was about to say something else."""
ALTERNATIVES = 20
"""Tokens whose log probabilities are asked for; the most that OpenAI's API gives."""
_AROUND = " \t\n\"'`*().:[]"


async def ask_probabilities(
    client: ModelClient,
    messages: Sequence[Message],
    site: CallSite,
    item: Item,
    tokens: Mapping[str, Any],
    position: int,
) -> tuple[SurveyAnswer, str]:
    """The probable answers to ``item``, which ``tokens`` stand for, and the most probable token as the reply.

    The value is the most probable answer, the numbers are expectations over all that have one. Raises `ModelCallError`,
    also where the provider gives no log probabilities.
    """
    options = {"logprobs": True, "top_logprobs": ALTERNATIVES}
    request = Request(messages=messages, max_tokens=1, extra=options)
    try:
        reply = await client.complete(request, site)
    except (UnacceptableReplyError, RejectedError, RefusedError) as error:
        return SurveyAnswer(
            item, "missing", reason=getattr(error, "reason", "") or str(error), position=position
        ), ""
    found = shares(reply, tokens)
    covered = sum(found.values())
    if covered < LEAST_COVERED:
        reason = (
            f"the options cover {covered:.0%} of the first token's probability; expected {LEAST_COVERED:.0%}."
        )
        return SurveyAnswer(item, "missing", reason=reason, position=position, covered=_rounded(covered)), ""
    scaled = {token: share / covered for token, share in found.items()}
    best = max(scaled, key=lambda token: scaled[token])
    status: Status = "opt out" if item.is_opt_out(tokens[best]) else "answered"
    answer = SurveyAnswer(
        item,
        status,
        tokens[best],
        position=position,
        probabilities={str(tokens[token]): _rounded(share) for token, share in scaled.items()},
        covered=_rounded(covered),
        numbers=expectations(item, {tokens[token]: share for token, share in scaled.items()}),
    )
    return answer, best


def shares(reply: Reply, tokens: Mapping[str, Any]) -> dict[str, float]:
    """Token → its probability as the first of ``reply``; spellings of one, such as ``" B"`` and ``"b"``, add up."""
    content = (reply.logprobs or {}).get("content")
    first = content[0] if isinstance(content, list) and content and isinstance(content[0], Mapping) else {}
    listed = first.get("top_logprobs")
    found = dict.fromkeys(tokens, 0.0)
    for one in listed if isinstance(listed, list) and listed else [first]:
        word, logprob = (one.get("token"), one.get("logprob")) if isinstance(one, Mapping) else (None, None)
        if not isinstance(word, str) or not isinstance(logprob, int | float) or not logprob <= 0:
            continue
        plain = word.strip(_AROUND).upper()
        if plain in found:
            found[plain] += math.exp(logprob)
    return found


def expectations(item: Item, probabilities: Mapping[Any, float]) -> dict[str, float | None]:
    """Metric → its expectation over the answers that have a number; ``None`` where only opt-outs are likely.

    Opt-outs are left out and the rest scaled to 1, as answers that opt out are left out of a mean.
    """
    with_number = {value: share for value, share in probabilities.items() if not item.is_opt_out(value)}
    total = sum(with_number.values())
    found: dict[str, float | None] = {}
    for metric in item.measures:
        parts = [share * (item.numbers(value)[metric.name] or 0.0) for value, share in with_number.items()]
        found[metric.name] = sum(parts) / total if total > 0 else None
    return found


def _rounded(share: float) -> float:
    return round(min(share, 1.0), 6)
