"""Folding agrees with Python, and refuses what it does not understand."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from harness.experiments.table1.literals import Hole, Unreadable, constant, fold, integer, template, text
from harness.model import render

VALUES = {"theme": "Waiting", "objective": "{braces} and 'quotes'", "n": "\n"}

literals = st.text(max_size=12).map(repr)
adjacent = st.lists(literals, min_size=2, max_size=3).map(" ".join)
plain = st.text(
    st.characters(exclude_characters="{}'\\\"", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=8
)
pieces = st.one_of(
    plain,
    st.sampled_from(
        ["{{", "}}", "{theme}", "{objective!s}", "{n}", '{"inner"}', '{f"{theme}"}', '{"a" + theme}']
    ),
)
fstrings = st.lists(pieces, max_size=6).map(lambda parts: "f'" + "".join(parts) + "'")
expressions = st.recursive(
    st.one_of(literals, adjacent, fstrings),
    lambda inner: st.tuples(inner, inner).map(lambda two: f"({two[0]} + {two[1]})"),
    max_leaves=12,
)


def parsed(source: str) -> ast.expr:
    return ast.parse(source, mode="eval").body


@given(expressions)
def test_folding_equals_python(source: str) -> None:
    parts = fold(parsed(source))
    ours = "".join(VALUES[part.name] if isinstance(part, Hole) else part for part in parts)
    assert ours == eval(source, {"__builtins__": {}}, VALUES)


@given(st.lists(st.one_of(literals, adjacent), min_size=1, max_size=8))
def test_text_of_a_sum_equals_python(terms: list[str]) -> None:
    source = " + ".join(terms)
    assert text(parsed(source)) == eval(source, {"__builtins__": {}})


@given(fstrings)
def test_a_filled_template_equals_python(source: str) -> None:
    values = {"theme": "Waiting", "objective": "Ideas", "n": "\n"}
    try:
        found = template(parsed(source), {name: f"the_{name}" for name in values})
    except Unreadable:
        # Literal braces around a name; the ambiguity has a test of its own.
        reject()
    filled = render(found, {f"the_{name}": value for name, value in values.items()})
    assert filled == eval(source, {"__builtins__": {}}, values)


def test_a_long_sum_needs_no_deep_stack() -> None:
    node: ast.expr = ast.Constant("x")
    for _ in range(20_000):
        node = ast.BinOp(node, ast.Add(), ast.Constant("x"))
    assert text(node) == "x" * 20_001


@pytest.mark.parametrize(
    "source",
    ["'a' * 3", "'a' % b", "f()", "f'{x:>3}'", "f'{x!r}'", "f'{x.y}'", "f'{g(x)}'", "1", "b'a'", "'a' + 1"],
)
def test_what_is_not_a_text_is_refused(source: str) -> None:
    with pytest.raises(Unreadable, match="expected"):
        fold(parsed(source))


@pytest.mark.parametrize("source", ["f'{other}'", "'{theme}'", "f'{{theme}}'", "'{' + 'theme' + '}'"])
def test_an_ambiguous_template_is_refused(source: str) -> None:
    with pytest.raises(Unreadable):
        template(parsed(source), {"theme": "theme"})


@pytest.mark.parametrize("source", ["True", "'5'", "5.0", "None", "-x", "5 + 1"])
def test_what_is_not_a_whole_number_is_refused(source: str) -> None:
    with pytest.raises(Unreadable):
        integer(parsed(source))


def test_a_constant_is_taken_as_it_stands() -> None:
    assert [constant(parsed(source)) for source in ("7", "True", "None", "'x'")] == [7, True, None, "x"]
