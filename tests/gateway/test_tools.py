"""A model's tool calls become calls of functions, and mistakes go back to the model."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from harness.errors import ConfigurationError, ModelCallError
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.tools import run_tools, tool_of
from harness.user_code import FunctionRunner, runner

REQUEST = Request(messages=({"role": "user", "content": "Where is order 7?"},))


@dataclass
class Order:
    number: int
    gift: bool = False


class Address(BaseModel):
    city: str


def look_up(order: Annotated[int, Field(description="its number")], verbose: bool = False) -> dict[str, Any]:
    """Look an order up."""
    return {"order": order, "status": "shipped", "verbose": verbose}


async def send(order: Order, to: Address) -> str:
    """Send an order."""
    return f"{order.number} to {to.city}"


def fails(order: int) -> str:
    raise ValueError(f"no order {order}")


def leaves(order: int) -> str:
    raise SystemExit(order)


async def refused(order: int) -> str:
    raise ModelCallError("the budget is spent")


def call(name: str, arguments: Any, number: int = 0) -> dict[str, Any]:
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": written}}


class Model:
    """Answers with one list of tool calls after another, then in words."""

    token = base_url = ""

    def __init__(self, *rounds: list[dict[str, Any]]) -> None:
        self.rounds, self.requests = list(rounds), list[Request]()

    async def complete(self, request: Request, site: CallSite, **_: Any) -> Reply:
        self.requests.append(request)
        forced = request.extra.get("tool_choice") == "none"
        calls = self.rounds.pop(0) if self.rounds and not forced else []
        return Reply("" if calls else "It is on its way.", tool_calls=calls)

    def reject(self, reply: Reply, reason: str) -> None:
        raise AssertionError

    @property
    def results(self) -> list[str]:
        return [one["content"] for one in self.requests[-1].messages if one["role"] == "tool"]


def run(model: Model, *tools: Callable[..., Any], **more: Any) -> Reply:
    return asyncio.run(run_tools(model, more.pop("request", REQUEST), tools=tools or (look_up, send), **more))


def test_a_tool_is_declared_by_its_hints_and_its_docstring() -> None:
    assert tool_of(look_up).declaration == {
        "type": "function",
        "function": {
            "name": "look_up",
            "description": "Look an order up.",
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "order": {"type": "integer", "description": "its number", "title": "Order"},
                    "verbose": {"type": "boolean", "default": False, "title": "Verbose"},
                },
                "required": ["order"],
            },
        },
    }


def test_calls_run_in_order_and_their_results_go_back() -> None:
    model, counts = (
        Model([call("look_up", {"order": 7}), call("send", SENT, 1)], [call("look_up", {"order": 8}, 2)]),
        (Counter[tuple[str, str]]()),
    )
    assert run(model, counts=counts).text == "It is on its way."
    assert [len(one.messages) for one in model.requests] == [1, 4, 6]
    assert [one["role"] for one in model.requests[-1].messages] == [
        "user", "assistant", "tool", "tool", "assistant", "tool",
    ]  # fmt: skip
    assert [one.get("tool_call_id") for one in model.requests[1].messages[2:]] == ["c0", "c1"]
    assert model.results == [
        '{"order":7,"status":"shipped","verbose":false}',
        "7 to Oslo",
        '{"order":8,"status":"shipped","verbose":false}',
    ]
    assert counts == {("look_up", "calls"): 2, ("send", "calls"): 1}


SENT = {"order": {"number": 7}, "to": {"city": "Oslo"}}
FAULTS: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "broken JSON": (call("look_up", '{"order": 7'), "look_up", "Error: arguments unreadable"),
    "a list": (call("look_up", "[7]"), "look_up", "Error: arguments unreadable"),
    "a wrong type": (
        call("look_up", {"order": "seven"}),
        "look_up",
        "Error: order: Input should be a valid integer",
    ),
    "too much": (call("look_up", {"order": 7, "x": 1}), "look_up", "Error: x: Unexpected keyword argument"),
    "nothing": (call("look_up", ""), "look_up", "Error: order: Missing required argument"),
    "deep inside": (
        call("send", {"order": {}, "to": {"city": 1}}),
        "send",
        "Error: order.number: Field required; to.c",
    ),
    "an unknown tool": (
        call("fly", {}),
        "(unknown)",
        "Error: there is no tool 'fly'; known: look_up, send, fails, le",
    ),
    "a tool that raises": (call("fails", {"order": 7}), "fails", "Error: ValueError: no order 7"),
    "a tool that leaves": (call("leaves", {"order": 7}), "leaves", "Error: SystemExit: 7"),
}


@pytest.mark.parametrize(("asked", "name", "fault"), FAULTS.values(), ids=FAULTS)
def test_what_goes_wrong_goes_back_to_the_model_and_is_counted(
    asked: dict[str, Any], name: str, fault: str
) -> None:
    model, counts = Model([asked, call("look_up", {"order": 7}, 1)]), Counter[tuple[str, str]]()
    assert run(model, look_up, send, fails, leaves, counts=counts).text == "It is on its way."
    wrong, right = model.results
    assert wrong.startswith(fault) and right.startswith('{"order":7')
    assert counts[name, "errors"] == 1 and sum(counts[one] for one in counts if one[1] == "errors") == 1


def test_a_tool_that_does_not_return_is_an_error_too() -> None:
    stop = threading.Event()

    def waits() -> str:
        stop.wait(60)
        return ""

    async def limited(model: Model) -> Reply:
        runner.set(FunctionRunner(0.05))
        return await run_tools(model, REQUEST, tools=(waits,))

    model = Model([call("waits", {})])
    assert asyncio.run(limited(model)).text == "It is on its way."
    stop.set()
    assert "The tool did not return within 0.05 s" in model.results[0]


def test_rounds_are_bounded() -> None:
    model = Model(*[[call("look_up", {"order": 7})]] * 9)
    assert run(model, max_rounds=2).text == "It is on its way."
    assert [one.extra.get("tool_choice") for one in model.requests] == [None, None, "none"]


def test_a_demand_for_a_tool_holds_once() -> None:
    model = Model([call("look_up", {"order": 7})])
    run(model, request=Request(REQUEST.messages, extra={"tool_choice": "required", "top_p": 0.5}))
    assert [one.extra.get("tool_choice") for one in model.requests] == ["required", None]
    assert {one.extra["top_p"] for one in model.requests} == {0.5}


def test_a_model_that_a_tool_asks_and_that_fails_fails_the_trial() -> None:
    with pytest.raises(ModelCallError, match="the budget is spent"):
        run(Model([call("refused", {"order": 7})]), refused)


def by_position(order: int, /) -> None: ...


def without_schema(order: threading.Event) -> None: ...


MISTAKES: Mapping[str, tuple[tuple[Any, ...], Mapping[str, Any], str]] = {
    "no tool": ((), {}, "No tools are given; expected at least one function."),
    "twice": ((look_up, look_up), {}, "Tool 'look_up' is given twice"),
    "no name": ((lambda: 1,), {}, "expected a function with a name"),
    "no function": ((3,), {}, "Tool 3; expected a function with a name"),
    "by position": ((by_position,), {}, "Tool 'by_position': a model gives arguments by name"),
    "no schema": ((without_schema,), {}, "Tool 'without_schema': its arguments have no JSON schema"),
    "no round": ((look_up,), {"max_rounds": 0}, "max_rounds=0; expected 1 or more."),
    "tools twice": (
        (look_up,),
        {"request": Request((), extra={"tools": []})},
        "expected them in tools= alone",
    ),
}


@pytest.mark.parametrize(("tools", "more", "fault"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_before_the_first_call(tools: Any, more: Mapping[str, Any], fault: str) -> None:
    model = Model()
    with pytest.raises(ConfigurationError) as raised:
        asyncio.run(run_tools(model, **{"request": REQUEST, "tools": tools, **more}))
    assert fault in str(raised.value) and not model.requests
