"""Ask agents for strategies and decisions. A failed call is a missing value, never a default."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from harness.errors import ModelCallError, StoppedError
from harness.experiments.cooperation.prompts import MAX_WORDS, choice_in, plainly
from harness.experiments.cooperation.rounds import PlayerDecision, ReplyCost, Strategy
from harness.experiments.cooperation.society import OptionNames
from harness.gateway.calls import CallSite, Message, ModelClient, Reply, Request

LONGEST = 2000
"""Kept characters of a strategy: a hundred words, unless they are extremely long."""
SHOWN = 200
"""Kept characters of a decision's reply; the journal has all."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failed:
    """The call failed, for ``reason``."""

    reason: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Makes the agents' calls through a trial's client, at the trial's ``temperature``."""

    client: ModelClient
    temperature: float | None

    async def strategy(
        self, agent: str, number: int, messages: Iterable[Message], options: OptionNames, known: str | None
    ) -> Strategy:
        """The agent's strategy for a round. ``known`` is the reason if it failed in an earlier session."""
        reply = Failed(known) if known else await self._ask(messages, CallSite("strategy", agent, number))
        if isinstance(reply, Failed):
            return Strategy(agent, None, missing="failed", reason=reply.reason)
        if reply.refusal:
            reason = "the model declined"
            return Strategy(agent, None, missing="refused", reason=reason, bill=_bill(reply))
        words = reply.text.split()
        text = " ".join(words[:MAX_WORDS]) if len(words) > MAX_WORDS else reply.text.strip()
        text = text[:LONGEST]
        return Strategy(agent, text, plainly(text, options), len(words), bill=_bill(reply))

    async def decision(
        self, site: CallSite, messages: Iterable[Message], options: OptionNames, known: str | None
    ) -> PlayerDecision:
        """One choice. Only the first reply counts."""
        reply = Failed(known) if known else await self._ask(messages, site, max_replies=1)
        if isinstance(reply, Failed):
            return PlayerDecision(None, "failed", reason=reply.reason)
        said = reply.text[:SHOWN]
        if reply.refusal:
            return PlayerDecision(None, "refused", said, "the model declined", _bill(reply))
        choice = choice_in(reply.text, options)
        if choice is None:
            wanted = " or ".join(options.names)
            return PlayerDecision(None, "unparseable", said, f"expected one word, {wanted}", _bill(reply))
        return PlayerDecision(choice, None, said, bill=_bill(reply))

    async def _ask(
        self, messages: Iterable[Message], site: CallSite, max_replies: int | None = None
    ) -> Reply | Failed:
        request = Request(tuple(messages), temperature=self.temperature)
        try:
            return await self.client.complete(request, site, max_replies=max_replies)
        except StoppedError:
            raise  # not the agent's failure
        except ModelCallError as error:
            if error.fatal:
                raise
            return Failed(str(error))


def _bill(reply: Reply) -> ReplyCost:
    return ReplyCost(reply.cost, reply.cost_reason)


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all concurrently and wait for all, since their replies are paid for; then raise a failure, if any."""
    results = await asyncio.gather(*work, return_exceptions=True)
    failures = [one for one in results if isinstance(one, BaseException)]
    if failures:
        raise min(failures, key=lambda one: isinstance(one, StoppedError))
    return [one for one in results if not isinstance(one, BaseException)]
