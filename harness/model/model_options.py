"""Model options: request fields that an experiment, an arm or a session adds to its model calls."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness.model.output_limits import limit_problems, merged_limits, without_removed

NO_OPTIONS: Mapping[str, Any] = {}
MAX_DEPTH = 20
"""Levels of nesting in one value."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_CREDENTIAL = re.compile(r"api[-_.]?key|authorization|password|secret|credential", re.IGNORECASE)
_MESSAGES = "the experiment writes the messages; change its script, persona or play"
_TOOLS = "the play that reads the tool calls declares its tools; set it in the play's own requests"
_TRANSPORT = "it is a keyword of an SDK, not a field of the request; give the fields themselves"
_TEXT_ONLY = "replies are read as text"
_FORBIDDEN: Mapping[str, str] = {
    "model": "the session chooses the model",
    **dict.fromkeys(("messages", "input", "prompt", "system", "instructions"), _MESSAGES),
    **dict.fromkeys(("stream", "stream_options"), "replies are read whole"),
    **dict.fromkeys(("n", "best_of"), "each sample is one call; raise the number of repetitions"),
    **dict.fromkeys(
        ("response_format", "output_config", "guided_json", "grammar"),
        "each call sets its own format, and its reply is checked against it",
    ),
    "seed": "one seed for all calls would make repetitions near-copies; set a provider seed, from which each "
    "sample gets its own",
    **dict.fromkeys(("tools", "tool_choice", "functions", "function_call"), _TOOLS),
    **dict.fromkeys(
        ("max_completion_tokens", "max_output_tokens"),
        "write max_tokens; it is sent under the name that the server accepts",
    ),
    **dict.fromkeys(("extra_body", "extra_headers", "extra_query", "headers", "timeout"), _TRANSPORT),
    **dict.fromkeys(("modalities", "audio"), _TEXT_ONLY),
}


def option_problems(owner: str, options: Any) -> Iterable[str]:
    """Every fault of ``options``, one sentence each; ``owner`` begins it (``Group 'Terse' of talk: model_options``).

    A value is JSON data, or ``None``: leave the field out, whatever a lower level says.
    """
    if not isinstance(options, Mapping):
        yield f"{owner}={options!r:.80}; expected a mapping of request fields, such as {{'top_p': 0.9}}."
        return
    for name, value in options.items():
        mine = f"{owner}[{name!r:.80}]"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield f"{mine}: expected a field's name: letters, digits, '_', '.' or '-', at most 64."
        elif name in _FORBIDDEN:
            yield f"{mine}: cannot be set here: {_FORBIDDEN[name]}."
        elif _CREDENTIAL.search(name):
            yield f"{mine}: cannot be set here: options are recorded, and keys come from the environment alone."
        elif value is not None:
            yield from _value_problems(mine, name, value)


def _value_problems(mine: str, name: str, value: Any) -> Iterable[str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name == "temperature" and not (is_number and 0 <= value <= 2):
        yield f"{mine}={value!r:.80}; expected a number from 0 to 2, or null."
    elif name == "max_tokens":
        yield from limit_problems(mine, value)
    elif fault := _json_fault(value, 0):
        yield f"{mine}={value!r:.80} {fault}; expected JSON data: text, finite numbers, true, false, lists, objects."


def _json_fault(value: Any, depth: int) -> str | None:
    if depth > MAX_DEPTH:
        return f"is nested more than {MAX_DEPTH} levels deep"
    if value is None or isinstance(value, bool | int):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not finite"
    if isinstance(value, str):
        return None if _is_unicode(value) else "holds half of a surrogate pair"
    if isinstance(value, list | tuple):
        return next((fault for part in value if (fault := _json_fault(part, depth + 1))), None)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            return "has a key that is not text"
        return next(
            (fault for part in (*value, *value.values()) if (fault := _json_fault(part, depth + 1))), None
        )
    return f"holds a {type(value).__name__}"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def merge_options(*levels: Mapping[str, Any]) -> dict[str, Any]:
    """One set of options from several levels, lowest first: the last level that names a field decides.

    Limits by kind of call are combined kind by kind.

    >>> merge_options({"top_p": 0.9, "max_tokens": 800}, {"top_p": 0.5}, {"max_tokens": None})
    {'top_p': 0.5}
    >>> merge_options({"max_tokens": 800}, {"max_tokens": {"act": 300}})
    {'max_tokens': {'*': 800, 'act': 300}}
    """
    merged: dict[str, Any] = {}
    for level in levels:
        for name, value in level.items():
            merged[name] = merged_limits(merged.get(name), value) if name == "max_tokens" else value
    if "max_tokens" in merged:
        merged["max_tokens"] = without_removed(merged["max_tokens"])
    return {name: _plain(value) for name, value in merged.items() if value is not None}


def _plain(value: Any) -> Any:
    """A copy that is JSON's own types: what is hashed, recorded and sent is one and the same."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value]


def options_in_words(options: Mapping[str, Any]) -> str:
    """Options as a summary shows them.

    >>> options_in_words({"top_p": 0.9, "reasoning_effort": "low", "stop": None})
    'top_p 0.9, reasoning_effort low, no stop'
    """
    return ", ".join(
        f"no {name}"
        if value is None
        else f"{name} {value if isinstance(value, str) else json.dumps(value)}"[:80]
        for name, value in options.items()
    )
