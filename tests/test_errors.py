"""Errors below the front ends name no option, survive a process boundary, and each hint is spelled by its front end."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness.errors as errors
from harness.errors import (
    BudgetExhaustedError,
    HarnessError,
    LostRepliesError,
    ModelCallError,
    RunInUseError,
    UnknownPriceError,
    UnwritableError,
    expected_one_of,
)
from harness.plugin.hints import HINTS, explain, keyword, option, refused, study_option
from harness.runtime.settings import setting_fields
from tests.test_layers import LAYER, PACKAGE, name_of, part_of

OPTION = re.compile(r"(?<![\w(-])--[a-z][a-z-]+")
EXCEPT = {
    "harness/runtime/provenance.py",  # runs git
    "harness/experiments/population/extropy/simulation.py",  # runs extropy-run
    "harness/runtime/settings.py",  # declares the options
    "harness/gateway/local/packages.py",  # has options of pip
}


def lower_modules() -> Iterator[Path]:
    top = max(LAYER.values())
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE.parent).as_posix()
        if LAYER[part_of(name_of(path))] < top and "/commands/" not in place and place not in EXCEPT:
            yield path


def test_no_text_below_the_front_ends_names_an_option() -> None:
    found = [
        f"{path.relative_to(PACKAGE.parent)}:{node.lineno}: {node.value[:80]!r}"
        for path in lower_modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and OPTION.search(node.value)
    ]
    assert not found, "\n".join(found)


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    tree = (errors.__doc__ or "").split("::\n")[1]
    drawn = {
        match[2]: len(match[1])
        for line in tree.splitlines()
        if (match := re.match(r"(\W*)(\w+Error)", line)) and "(in `" not in line
    }
    classes = {
        name: len(kind.__mro__)
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, HarnessError)
    }
    assert drawn.keys() == classes.keys()
    depth = len(HarnessError.__mro__)
    assert {name: 4 + 4 * (length - depth) for name, length in classes.items()} == drawn


@pytest.mark.parametrize(
    "error",
    [
        BudgetExhaustedError("used up.", "max_calls"),
        RunInUseError("r1", "77"),
        UnknownPriceError("gpt-0"),
        ModelCallError("m", fatal=True, retry_after=2.0),
    ],
)
def test_an_error_keeps_text_fields_and_cause_in_another_process(error: HarnessError) -> None:
    error.__cause__ = LostRepliesError("gone.")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    assert isinstance(again.__cause__, LostRepliesError)


@pytest.mark.parametrize(
    ("error", "spell", "text"),
    [
        (UnwritableError("Full."), option, "Full. Or choose another folder with --results-dir."),
        (UnwritableError("Full."), study_option, "Full. Or choose another folder with --studies-dir."),
        (UnwritableError("Full."), keyword, "Full. Or choose another folder with results_dir=."),
        (
            BudgetExhaustedError("Used up.", "max_cost"),
            option,
            "Used up. Set a larger limit with --max-cost.",
        ),
        (
            BudgetExhaustedError("Used up.", "max_calls"),
            keyword,
            "Used up. Set a larger limit with max_calls=.",
        ),
        (HarnessError("Nothing to add."), option, "Nothing to add."),
    ],
)
def test_a_hint_is_in_the_words_of_the_front_end(error: HarnessError, spell: object, text: str) -> None:
    assert explain(error, spell) == text  # type: ignore[arg-type]


def test_an_error_gets_the_hint_of_what_caused_it() -> None:
    error = ModelCallError("No price.", fatal=True)
    error.__cause__ = UnknownPriceError("x")
    assert (
        explain(error)
        == "No price. Give its price with --prices, or limit --max-calls or --max-tokens instead."
    )


def test_every_setting_of_a_hint_is_one() -> None:
    named: set[str] = set()

    def note(name: str) -> str:
        named.add(name)
        return name

    for kind in HINTS:
        error = kind.__new__(kind)
        error.__dict__["limit"] = "max_cost"
        explain(error, note)
    refused(note)
    assert named - {"force"} <= setting_fields().keys()  # force is an option of one command
    assert (option("base_url"), option("force")) == ("--model-base-url", "--force")


def test_of_many_names_the_nearest_alone_is_shown() -> None:
    many = [f"name{number}" for number in range(40)]
    assert expected_one_of("nane7", many) == "did you mean 'name7'?"
    assert expected_one_of("other", ["a", "b"]) == "expected one of a, b."
    assert expected_one_of("x", []) == "expected one of (none)."
