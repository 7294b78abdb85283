"""Which statements would run, and what a name is at the end."""

from __future__ import annotations

import ast

import pytest

from harness.experiments.table1.flow import live, statements, truth
from harness.experiments.table1.literals import Unreadable
from harness.experiments.table1.search import assigned, assignments, calls, one_call


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("full_mode", True),
        ("not full_mode", False),
        ("limit is not None", True),
        ("nothing is not None", False),
        ("nothing is None", True),
        ("runner.get_active_experiment() == 'Control'", True),
        ("runner.get_active_experiment() != 'Control'", False),
        ("runner.get_active_experiment() in ['Treatment', 'Control']", True),
        ("not full_mode and runner.unknown()", False),
        ("full_mode and runner.unknown()", None),
        ("full_mode or runner.unknown()", True),
        ("runner.unknown()", None),
        ("not runner.unknown()", None),
        ("stranger", None),
        ("limit > 3", None),
        ("full_mode == stranger", None),
    ],
)
def test_truth(test: str, expected: bool | None) -> None:
    names = {"full_mode": True, "limit": 3, "nothing": None, "get_active_experiment": "Control"}
    assert truth(ast.parse(test, mode="eval").body, names) is expected


SOURCE = """
full_mode = True
if full_mode:
    limit = 4
else:
    limit = None
if limit is not None:
    people = people[:limit]
for person in people:
    if runner.get_active_experiment() == "Control":
        person.it.on = False
    elif runner.get_active_experiment() == "Treatment":
        person.it.on = True
    # person.it.on = "commented out"
"""


@pytest.mark.parametrize(
    ("full_mode", "group", "on", "people"),
    [(True, "Control", "False", 1), (False, "Treatment", "True", 0)],
)
def test_only_what_would_run_counts(full_mode: bool, group: str, on: str, people: int) -> None:
    running = live(statements(3, ast.parse(SOURCE)), group, full_mode=full_mode)
    assert ast.unparse(assigned(running, "it.on").value) == on
    assert len(assignments(running, "people")) == people


def test_heads_of_compound_statements_are_searched_and_bodies_counted_once() -> None:
    source = (
        "for i in first():\n    with second():\n        try:\n            third()\n"
        "        finally:\n            third()"
    )
    found = list(statements(0, ast.parse(source)))
    assert [len(calls(found, name)) for name in ("first", "second", "third")] == [1, 1, 2]
    with pytest.raises(Unreadable, match=r"2 calls of third\(…\) \(cells 0, 0\); expected one"):
        one_call(found, "third")
