"""Two ways to write the same parts."""

from __future__ import annotations

import pytest

from harness.reports.parts import WIDTH, Heading, Items, Table, as_markdown, as_text, fits

GRID = Table(("metric", "diff."), (("fluency", "+0.50"), ("a|b", "−0.10")))


def test_text() -> None:
    assert as_text([Heading("exp_3"), Heading("More", 2), "A paragraph.", GRID, Items(("one", "two"))]) == (
        "exp_3\n=====\n\nMore\n----\n\nA paragraph.\n\nmetric   diff.\nfluency  +0.50\na|b      −0.10\n\n- one\n- two\n"
    )


def test_markdown() -> None:
    assert as_markdown([Heading("exp_3"), Heading("More", 2), GRID, Items(("one",))]) == (
        "## exp_3\n\n### More\n\n| metric  | diff. |\n| ------- | ----: |\n| fluency | +0.50 |\n| a\\|b    | −0.10 |\n"
        "\n- one\n"
    )


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("<script>", "\\<script>"),
        ("p <.001", "p <.001"),
        ("a < b", "a < b"),
        ("*[x](y)*`z`", "\\*\\[x\\](y)\\*\\`z\\`"),
        ("two\nlines", "two lines"),
        ("exp_2_1", "exp_2_1"),
    ],
)
def test_names_are_no_markup(name: str, wanted: str) -> None:
    assert as_markdown([name]) == f"{wanted}\n"


def test_columns_draw_nearer_before_a_table_is_too_wide() -> None:
    def wide(length: int) -> Table:
        return Table(("a", "b", "c"), (("x" * length, "1", "2"),))

    assert fits(wide(74)) and as_text([wide(74)]).splitlines()[1] == "x" * 74 + "  1  2"
    assert fits(wide(76)) and as_text([wide(76)]).splitlines()[1] == "x" * 76 + " 1 2"
    assert not fits(wide(77))


def test_paragraphs_and_items_are_wrapped() -> None:
    lines = as_text(["word " * 60, Items(("word " * 60,))]).splitlines()
    assert max(map(len, lines)) <= WIDTH and lines[-1].startswith("  word")
