"""A session that selects nothing says at its end where the experiment is that was meant."""

from __future__ import annotations

import pytest

from harness.plugin.suggestions import named
from tests.support.sessions import Lab

NAMES = ["table1", "exp_1", "exp_2_1", "exp_3", "exp_31", "tool_variants", "payments"]


@pytest.mark.parametrize(
    ("keyword", "found"),
    [
        ("exp_3", ["exp_3"]),
        ("exp_3 and Control", ["exp_3"]),
        ("exp", ["exp_1", "exp_2_1", "exp_3", "exp_31"]),
        ("Tool_Variants", ["tool_variants"]),
        ("toolvariants", ["tool_variants"]),
        ("payment or exp_1", ["exp_1"]),
        ("nothing", []),
        ("not or and", []),
        ("", []),
        ("((", []),
    ],
)
def test_the_words_of_an_expression_name_experiments(keyword: str, found: list[str]) -> None:
    assert list(named(keyword, NAMES)) == found


@pytest.fixture
def empty(lab: Lab) -> Lab:
    (lab.path / "test_small.py").unlink()
    return lab


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ("-k", "tool_variants", "--count=3"),
            "tool_variants comes with an installed package. Run it with: harness run --exp tool_variants --count 3",
        ),
        (
            ("-k", "tool_variants and weather"),
            "*Run it with: harness run --exp tool_variants -k 'tool_variants and weather'",
        ),
        (("-k", "exp_2"), "exp_2_1, exp_2_2 come with*: harness run --exp exp_2_1 --exp exp_2_2"),
        ((), "No experiment of this folder was selected. harness list shows*"),
    ],
)
def test_an_empty_folder_points_to_the_packaged_experiments(
    empty: Lab, options: tuple[str, ...], line: str
) -> None:
    result = empty.run(*options)
    assert result.ret == 5
    result.stdout.fnmatch_lines([line])


def test_nothing_is_suggested_where_something_was_selected(lab: Lab) -> None:
    result = lab.run("-k", "small")
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*installed package*")


def test_a_session_whose_files_are_all_skipped_says_why(empty: Lab) -> None:
    empty.write('import pytest\n\npytest.skip("no checkout here", allow_module_level=True)\n')
    empty.run().stdout.fnmatch_lines(["test_small.py: Skipped: no checkout here"])
