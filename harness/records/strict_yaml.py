"""YAML as people write it by hand: read with bounds and without surprises, written without aliases."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from harness.errors import ConfigurationError
from harness.text_files import decoded, read_content

MAX_BYTES = 4_000_000
"""The largest file that is read; one of thousands of parts is well below."""
MAX_DEPTH = 64
"""Lists and named parts within each other. The parser's work for each part grows with what is open around it."""
MAX_DIGITS = 400
"""Of a number; more of them are no figure, and may take hours to read (``1:0:0:…``) or overflow."""

_DIRECTIVE = re.compile(r"^%", re.MULTILINE)
_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")


def read_yaml(path: Path, owner: str) -> Any:
    """The plain data in the file at ``path``; ``owner`` is what messages call it. Raises `ConfigurationError`."""
    return parsed_yaml(read_content(path, owner, MAX_BYTES), owner)


def parsed_yaml(content: bytes, owner: str, *, yes_is_text: bool = False) -> Any:
    """The plain data that ``content`` says: dates stay text, nothing stands twice. Raises `ConfigurationError`.

    With ``yes_is_text``, yes, no, on and off are text, as in YAML 1.2, and only true and false are truth values.
    """
    try:
        text = decoded(content, owner)
        _raise_if_wild(text)
        return yaml.load(text, _CoreLoader if yes_is_text else _Loader)
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigurationError(f"{owner}: is not YAML as read here: {where}{error.problem}.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"{owner}: is not YAML in UTF-8 ({str(error)[:120]}).") from None


def line_of(content: bytes, path: Sequence[str | int]) -> int | None:
    """The line of the part of a YAML file at ``path`` (keys and indices); of the last part found if one is absent."""
    node = yaml.compose(decoded(content, ""), yaml.CSafeLoader)
    line = None if node is None else node.start_mark.line + 1
    for step in path:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = (node.value[step], node.value[step])
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def yaml_text(data: Any) -> str:
    """``data`` as YAML, in its own order."""
    return yaml.dump(
        data, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=100
    )


def _raise_if_wild(text: str) -> None:
    """Refuse what makes a small file large or slow, as far as the parser has come when it shows."""
    if found := _DIRECTIVE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"line {line} begins with %; expected no directives")
    for event, depth in _events(text):
        if isinstance(event, yaml.AliasEvent):
            raise _fault("has an alias (*name); write it out", event)
        if depth > MAX_DEPTH:
            raise _fault(f"is nested more than {MAX_DEPTH} deep; expected a flatter file", event)


def _events(text: str) -> Iterator[tuple[Any, int]]:
    """The parser's steps, each with how many lists and named parts are open after it."""
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        yield event, depth


def _fault(problem: str, place: Any) -> ConstructorError:
    return ConstructorError(None, None, problem, place.start_mark)


class _Loader(yaml.CSafeLoader):
    """No key twice, of which one would be lost; no number of thousands of digits; a date is text."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for place, _ in node.value:
            key: Any = self.construct_object(place, deep=True)
            if not isinstance(key, Hashable):
                raise _fault("a list or named parts as a name; expected a word", place)
            if key in seen:
                raise _fault(f"{key!r:.60} occurs twice", place)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _bounded(construct: Any) -> Any:
    def number(loader: Any, node: Any) -> Any:
        if len(str(node.value)) > MAX_DIGITS:
            raise _fault(f"a number of more than {MAX_DIGITS} digits", node)
        return construct(loader, node)

    return number


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:int", _bounded(yaml.CSafeLoader.construct_yaml_int))
_Loader.add_constructor("tag:yaml.org,2002:float", _bounded(yaml.CSafeLoader.construct_yaml_float))


class _CoreLoader(_Loader):
    """The same, where yes, no, on and off are text."""


_CoreLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_CoreLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|false)$", re.IGNORECASE), list("tTfF")
)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: _Dumper, text: str) -> Any:
    """Unusual line ends are written as escapes, because only those are read back unchanged."""
    style = '"' if _LINE_ENDS.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
