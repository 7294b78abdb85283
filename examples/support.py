"""The experiment of every example: a shop's support agent in two arms, over the same twenty customers.

An example is a play that gives `Desk`'s tools to an agent. All else is here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from harness import Experiment, Group, Measure, Play, Sample, Script, TrialPlan, TrialResult

Reason = Literal["late", "broken", "wrong item"]

POLICY = (
    "You answer the customers of a shop, in at most three sentences. Refund an order only if it arrived broken, if it "
    "is not what was ordered, or if it is more than fourteen days late."
)
QUICK = "Answer at once if you can."
CAREFUL = "Look an order up before you refund it or say anything about it."

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
    {"id": f"order-{number}", "order": str(number), "question": f"{says} Order {number}."}
    for number, (_, _, says, _) in enumerate(ORDERS, 1001)
)


class Desk:
    """What the agent of one trial can do. ``used`` lists each tool call with its result."""

    def __init__(self, plan: TrialPlan) -> None:
        self.instructions = f"{POLICY} {plan.arm['rule']}"
        self.question = plan.proposal["question"]
        self.used: list[dict[str, str]] = []
        self._plan = plan

    def find_order(self, order: str) -> str:
        """Look up an order by its number: what was bought, and what happened to it."""
        found = dict(enumerate(ORDERS, 1001)).get(int(order) if order.isdecimal() else 0)
        result = f"Order {order}: {found[0]}, {found[1]}." if found else f"There is no order {order[:20]!r}."
        return self._note("find_order", order, result)

    def refund_order(self, order: str, reason: Reason) -> str:
        """Refund an order by its number."""
        return self._note("refund_order", order, f"Order {order[:20]} is refunded: {reason}.")

    def call(self, name: str, arguments: str | dict[str, Any]) -> str:
        """Use a tool as a model asks for it, for agents without a framework."""
        given = json.loads(arguments) if isinstance(arguments, str) else arguments
        tools: dict[str, Callable[..., str]] = {"find_order": self.find_order, "refund_order": self.refund_order}
        return tools[name](**given)

    def result(self, answer: str) -> TrialResult:
        """The trial's result, of the agent's last words and the tools that it used."""
        names = [one["tool"] for one in self.used]
        due = ORDERS[self._plan.trial.proposal][3]
        hasty = "refund_order" in names and "find_order" not in names[: names.index("refund_order")]
        values = {
            "tool_calls": len(names),
            "right_decision": ("refund_order" in names) == due,
            "hasty_refund": hasty,
            "words": len(answer.split()),
        }
        samples = tuple(Sample(name, float(value)) for name, value in values.items())
        return TrialResult(self._plan.trial, samples, details={"answer": answer, "tools": self.used})

    def _note(self, tool: str, order: str, result: str) -> str:
        self.used.append({"tool": tool, "order": order, "result": result})
        return result


_ORDER = {"type": "string", "description": "the order's number"}
_REASON = {"type": "string", "enum": ["late", "broken", "wrong item"]}
TOOLS = (
    {
        "name": "find_order",
        "description": Desk.find_order.__doc__,
        "parameters": {"type": "object", "properties": {"order": _ORDER}, "required": ["order"]},
    },
    {
        "name": "refund_order",
        "description": Desk.refund_order.__doc__,
        "parameters": {
            "type": "object",
            "properties": {"order": _ORDER, "reason": _REASON},
            "required": ["order", "reason"],
        },
    },
)
"""`Desk`'s tools as models are shown them, for agents without a framework."""


def experiment(name: str, play: Any) -> Experiment:
    """The two arms over the twenty customers, each trial run by ``play``."""
    return Experiment(
        name=name,
        groups=(
            Group("Quick", settings={"rule": QUICK}),
            Group("Careful", settings={"rule": CAREFUL}),
        ),
        script=Script("", proposals=SCENARIOS),
        metrics=tuple(Measure(each) for each in ("tool_calls", "right_decision", "hasty_refund", "words")),
        play=Play(play),
    )
