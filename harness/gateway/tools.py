"""Tools for agents without a framework: a model's tool calls become calls of Python functions, and results go back.

pydantic makes the schemas from type hints and docstrings, and validates arguments. A mistake of the model
goes back to it as an error in place of a result: it costs no trial.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from harness.errors import ConfigurationError, HarnessError, ModelCallError
from harness.gateway.calls import CallSite, Message, ModelClient, Reply, Request
from harness.gateway.replies.tool_arguments import ToolCall
from harness.user_code import UserCodeError, guarded, runner, shown

MAX_ROUNDS = 5
"""Rounds of tool calls that a model may take before it has to answer in words."""
SITE = CallSite("agent")
"""Where calls are made unless the play says otherwise."""
UNKNOWN = "(unknown)"
"""What calls of tools that do not exist are counted under: the name is the model's."""


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A function that a model may call. ``declaration`` is what requests have under ``tools``."""

    name: str
    function: Callable[..., Any]
    declaration: Mapping[str, Any]

    async def call(self, arguments: Mapping[str, Any]) -> str:
        """The result as text: JSON, unless it is text already. Raises what the function raises."""
        from pydantic import validate_call
        from pydantic_core import to_json

        checked = validate_call(self.function)
        if inspect.iscoroutinefunction(self.function):
            result = await guarded(checked(**arguments), self.function, "The tool")
        else:
            result = await runner.get().call(partial(checked, **arguments), what="The tool")
        if inspect.isawaitable(result):
            result = await guarded(result, self.function, "The tool")
        return result if isinstance(result, str) else to_json(result, fallback=str).decode()


def tool_of(function: Callable[..., Any]) -> FunctionTool:
    """The tool that ``function`` is: its name, its docstring, and a schema of its arguments.

    Raises `ConfigurationError` for a function whose arguments cannot be given by name, or have no schema.
    """
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic.errors import PydanticUndefinedAnnotation

    name = getattr(function, "__name__", "")
    if not callable(function) or not name.isidentifier():
        raise ConfigurationError(f"Tool {function!r:.80}; expected a function with a name.")
    adapter: Any = TypeAdapter
    try:
        schema = adapter(function).json_schema()
    except (PydanticUserError, PydanticUndefinedAnnotation, TypeError, NameError) as error:
        raise ConfigurationError(
            f"Tool {name!r}: its arguments have no JSON schema ({str(error).splitlines()[0]:.200}); "
            "expected type hints of plain data, dataclasses or pydantic models."
        ) from None
    if schema.get("type") != "object":
        raise ConfigurationError(
            f"Tool {name!r}: a model gives arguments by name; expected none by position alone."
        )
    described = {"description": inspect.getdoc(function)} if inspect.getdoc(function) else {}
    declared = {"type": "function", "function": {"name": name, **described, "parameters": schema}}
    return FunctionTool(name, function, declared)


async def run_tools(
    client: ModelClient,
    request: Request,
    site: CallSite = SITE,
    *,
    tools: Iterable[Callable[..., Any]],
    max_rounds: int = MAX_ROUNDS,
    counts: Counter[tuple[str, str]] | None = None,
) -> Reply:
    """The model's answer to ``request``, after the functions that it calls have run, in at most ``max_rounds`` rounds.

    The calls of one reply run one after another, in its order. Unreadable or invalid arguments, an unknown tool and
    whatever a tool raises go back to the model as an error. After the last round the model may call no more tools.
    ``counts`` gets the number of ``calls`` and ``errors`` by tool.

    Raises `ConfigurationError` for tools that cannot be declared, and `ModelCallError` as `ModelClient.complete` does,
    also where a tool itself calls a model.
    """
    known = _by_name([tool_of(function) for function in tools])
    counts = Counter() if counts is None else counts
    if "tools" in request.extra:
        raise ConfigurationError("The request has tools in extra; expected them in tools= alone.")
    if max_rounds < 1:
        raise ConfigurationError(f"max_rounds={max_rounds}; expected 1 or more.")
    messages, choice = list(request.messages), request.extra.get("tool_choice")
    declared = [tool.declaration for tool in known.values()]
    for number in range(max_rounds + 1):
        wish = "none" if number == max_rounds else choice if number == 0 else None  # a demand holds once
        extra = {name: value for name, value in request.extra.items() if name != "tool_choice"}
        extra |= {"tools": declared} | ({} if wish is None else {"tool_choice": wish})
        reply = await client.complete(
            replace(request, messages=tuple(messages), extra=extra, digest=""), site
        )
        if not reply.tool_calls or number == max_rounds:
            break
        messages.append(_said(reply))
        for call, written in zip(reply.calls, reply.tool_calls, strict=True):
            content = await _result(known, call, counts)
            messages.append({"role": "tool", "tool_call_id": written["id"], "content": content})
    return reply


def _by_name(tools: Iterable[FunctionTool]) -> dict[str, FunctionTool]:
    found: dict[str, FunctionTool] = {}
    for tool in tools:
        if tool.name in found:
            raise ConfigurationError(f"Tool {tool.name!r} is given twice; expected each name once.")
        found[tool.name] = tool
    if not found:
        raise ConfigurationError("No tools are given; expected at least one function.")
    return found


def _said(reply: Reply) -> Message:
    return {"role": "assistant", "content": reply.text or None, "tool_calls": list(reply.tool_calls)}


async def _result(known: Mapping[str, FunctionTool], call: ToolCall, counts: Counter[tuple[str, str]]) -> str:
    """The result of one call, or what was wrong with it."""
    tool = known.get(call.name)
    name = tool.name if tool else UNKNOWN
    counts[name, "calls"] += 1
    if tool is None:
        fault = f"there is no tool {call.name[:80]!r}; known: {', '.join(known)}"
    elif call.arguments is None:
        fault = call.fault
    else:
        try:
            return await tool.call(call.arguments)
        except ModelCallError:
            raise  # of a model that the tool asks: without that reply, the trial cannot be finished
        except Exception as error:
            fault = _fault(error)
    counts[name, "errors"] += 1
    return f"Error: {fault}"


def _fault(error: Exception) -> str:
    """What the model reads of an exception."""
    from pydantic import ValidationError

    raised = error.__cause__ if isinstance(error, UserCodeError) and error.__cause__ else error
    if isinstance(raised, ValidationError):
        faults = raised.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in faults[:5]
        )
    return str(raised) if isinstance(raised, HarnessError) else shown(raised)
