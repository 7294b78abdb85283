"""Removes from texts what reveals the arm: names of tools, arms and parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.records import FiledRun

MASKED = "[name hidden]"
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_JOINT = r"[\W_]{0,2}"
_LONGEST = 100
_SHORTEST = 4
"""The length of the shortest word that counts as a hint."""


@dataclass(frozen=True)
class Mask:
    """Replaces every name by `MASKED`, however its parts are joined or capitalised."""

    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, names: Iterable[str], forms: Iterable[str] = ()) -> Mask:
        """``forms`` are regular expressions of texts that reveal as much as a name.

        >>> Mask.of(["list_tasks"]).text("I called listTasks, then list-tasks.")
        ('I called [name hidden], then [name hidden].', 2)
        """
        by_name = sorted({_form(name) for name in names}, key=lambda form: (-len(form), form))
        whole = [rf"(?<![^\W_])(?:{'|'.join(by_name)})(?![^\W_])"] if by_name else []
        every = "|".join([*forms, *whole])
        return cls(re.compile(every, re.IGNORECASE) if every else None)

    def text(self, text: str) -> tuple[str, int]:
        """``text`` without the names, and the number removed."""
        return (text, 0) if self.pattern is None else self.pattern.subn(MASKED, text)


def telling_names(run: FiledRun) -> set[str]:
    """What no sheet may show: the run's arms, their tools, and parameters that are not ordinary words."""
    names = {*run.design.groups, *(str(line["variant"]) for line in run.metadata if line.get("variant"))}
    for function in _functions(run.metadata):
        names.add(str(function.get("name") or ""))
        names |= {one for one in _parameters(function) if _is_made_up(one)}
    for record in (outcome.accepted for outcome in run.outcomes.values() if outcome.accepted):
        calls = record.get("tool_calls")
        called = [one for one in calls if isinstance(one, Mapping)] if isinstance(calls, list) else []
        names |= {name for one in called if _is_made_up(name := str(one.get("name") or ""))}
    return {name for name in names if name}


def hints(run: FiledRun) -> set[str]:
    """Ordinary words in the tool names of only one arm (calendar, task): in a reply they hint at the arm."""
    words: dict[str, set[str]] = {}
    for line in run.metadata:
        own = words.setdefault(str(line.get("group")), set())
        for function in _functions([line]):
            own |= {_stem(word) for word in _PARTS.findall(str(function.get("name") or ""))}
    shared = set.intersection(*words.values()) if words else set()
    return {word for own in words.values() for word in own - shared if len(word) >= _SHORTEST}


def with_endings(words: Iterable[str]) -> Mask:
    """A mask of ordinary words and their plurals."""
    return Mask.of(form for word in words for form in (word, f"{word}s"))


def _functions(metadata: Sequence[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for line in metadata:
        tools = line.get("tools")
        for tool in tools if isinstance(tools, list) else []:
            function = tool.get("function") if isinstance(tool, Mapping) else None
            if isinstance(function, Mapping):
                yield function


def _parameters(function: Mapping[str, Any]) -> list[str]:
    schema = function.get("parameters")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return list(properties) if isinstance(properties, Mapping) else []


def _is_made_up(name: str) -> bool:
    """Whether no sentence would contain it: it has an underscore, or a capital inside."""
    return len(name) <= _LONGEST and ("_" in name or re.search(r"[a-z][A-Z]", name) is not None)


def _form(name: str) -> str:
    parts = _PARTS.findall(name) or [name]
    return _JOINT.join(map(re.escape, parts))


def _stem(word: str) -> str:
    return word.lower().removesuffix("s")
