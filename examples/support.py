"""The experiment of every example: a shop's support agent in two arms, over the same twenty customers.

An example is a play that gives the two tools to an agent and asks the customer's question. All else is here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from harness import Event, Experiment, Group, Measure, Play, Proposition, Script, TrialPlan

Reason = Literal["late", "broken", "wrong item"]

POLICY = (
    "You answer the customers of a shop, in at most three sentences. Refund an order only if it arrived broken, if it "
    "is not what was ordered, or if it is more than fourteen days late."
)
ORDERS = (
    # what was bought, what happened to it, what the customer says, whether a refund is due
    ("a teapot", "delivered, reported broken", "My teapot came in two pieces.", True),
    ("a raincoat", "20 days late", "I have waited three weeks longer than promised.", True),
    ("a desk lamp", "delivered on time", "I do not like the lamp. I want my money back.", False),
    ("a bicycle bell", "sent 2 days ago", "Where is my bell?", False),
    ("a pair of boots", "wrong size sent", "These boots are two sizes too small. I ordered 42.", True),
    ("a cookbook", "3 days late", "You are late. Refund me.", False),
    ("a kettle", "delivered, reported broken", "The kettle leaks at the bottom.", True),
    ("a chess set", "delivered on time", "The box was open, but nothing is missing.", False),
    ("a blanket", "wrong colour sent", "I ordered blue, and this one is green.", True),
    ("a garden hose", "16 days late", "When does the hose arrive? It was due two weeks ago.", True),
    ("a wall clock", "delivered on time", "My neighbour got it cheaper. Pay me the difference.", False),
    ("a backpack", "sent yesterday", "Can you send the backpack to another address?", False),
    ("a mirror", "delivered, reported broken", "There is a crack right across the mirror.", True),
    ("a pillow", "delivered on time", "How do I wash the pillow?", False),
    ("a drill", "30 days late", "I bought a drill elsewhere by now. I want my money back.", True),
    ("a tent", "10 days late", "Our holiday starts on Friday and the tent is not here.", False),
    ("a coffee grinder", "another model sent", "This is the small grinder. I paid for the big one.", True),
    ("a board game", "delivered on time", "We have played it for a month. Can I return it?", False),
    ("a plant pot", "delivered, reported broken", "Only shards in the parcel!", True),
    ("a notebook", "sent 5 days ago", "I have changed my mind. Please cancel.", False),
)  # fmt: skip

SCENARIOS = tuple(
    {"id": f"order-{number}", "question": f"{says} Order {number}."}
    for number, (_, _, says, _) in enumerate(ORDERS, 1001)
)


def instructions(plan: TrialPlan) -> str:
    """The agent's instructions in the arm of ``plan``."""
    return f"{POLICY} {plan.arm['rule']}"


# The tools. Frameworks take the functions; the SDKs alone take `TOOLS` and `call`.


def find_order(order: str) -> str:
    """Look up an order by its number: what was bought, and what happened to it."""
    known = {str(number): found for number, found in enumerate(ORDERS, 1001)}
    if order not in known:
        return f"There is no order {order[:20]!r}."
    bought, happened, _, _ = known[order]
    return f"Order {order}: {bought}, {happened}."


def refund_order(order: str, reason: Reason) -> str:
    """Refund an order by its number."""
    return f"Order {order[:20]} is refunded: {reason}."


_ORDER = {"type": "string", "description": "the order's number"}
_REASON = {"type": "string", "enum": ["late", "broken", "wrong item"]}
TOOLS = (
    {
        "name": "find_order",
        "description": find_order.__doc__,
        "parameters": {"type": "object", "properties": {"order": _ORDER}, "required": ["order"]},
    },
    {
        "name": "refund_order",
        "description": refund_order.__doc__,
        "parameters": {
            "type": "object",
            "properties": {"order": _ORDER, "reason": _REASON},
            "required": ["order", "reason"],
        },
    },
)


def call(name: str, arguments: str | Mapping[str, Any]) -> str:
    """Use a tool as a model asks for it; what is wrong with the call goes back to the model."""
    try:
        given = json.loads(arguments) if isinstance(arguments, str) else arguments
        return {"find_order": find_order, "refund_order": refund_order}[name](**given)
    except (KeyError, TypeError, ValueError) as error:
        return f"The tool could not be used: {type(error).__name__}: {error}"


# The metrics. The gateway makes a trial's transcript from its calls, tools included, whichever framework made them.


def used_tools(transcript: Sequence[Event]) -> list[str]:
    return [event.target for event in transcript if event.type == "TOOL_CALL"]


def right_decision(transcript: Sequence[Event]) -> bool:
    """Whether the agent refunded exactly if a refund is due."""
    due = {scenario["question"]: order[3] for scenario, order in zip(SCENARIOS, ORDERS, strict=True)}
    question = next(event.content for event in transcript if event.content in due)
    return ("refund_order" in used_tools(transcript)) == due[question]


def hasty_refund(transcript: Sequence[Event]) -> bool:
    """Whether the agent refunded before it had looked anything up."""
    return used_tools(transcript)[:1] == ["refund_order"]


METRICS = (
    Proposition("Helpfulness", "The agent settles what the customer asked.", about="agent"),
    Measure("right_decision", right_decision),
    Measure("hasty_refund", hasty_refund),
    Measure("tool_calls", lambda transcript: len(used_tools(transcript))),
)


def experiment(name: str, play: Any, **options: Any) -> Experiment:
    """The two arms over the twenty customers, each trial run by ``play``; ``options`` are those of `Play`."""
    careful = "Look an order up before you refund it or say anything about it."
    return Experiment(
        name=name,
        groups=(
            Group("Quick", settings={"rule": "Answer at once if you can."}),
            Group("Careful", settings={"rule": careful}),
        ),
        script=Script("A shop's agent settles what a customer asks.", proposals=SCENARIOS),
        metrics=METRICS,
        play=Play(play, **options),
    )
