"""Outcomes by scenario × repetition × variant: in the page, in Markdown, and in a browser that opens them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.reports import select, write_report
from harness.reports.outcome_grid import classes, grid
from harness.runtime.play_checks import own_answers, own_checks
from tests.support.browser import chromium, opened, requests, until
from tests.support.reports import write_run
from tests.support.tool_runs import planted, write_tool_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


def but_one(variant: str, scenario: int, rep: int) -> bool | None:
    return None if (variant, scenario, rep) == ("applike", 2, 3) else planted(0.4)(variant, scenario, rep)


def test_every_planned_turn_has_its_place(tmp_path: Path) -> None:
    (told,) = select(
        write_tool_run(tmp_path, but_one, failure={"reason": "out", "kind": "ModelCallError"})
    ).reports
    found = grid(told)
    assert found is not None
    assert (found.groups, found.reps, len(found.rows)) == (("baseline", "applike"), 3, 20)
    row = found.rows[2]
    assert (row.scenario, row.category, len(row.places)) == ("sanity:agenda", "sanity", 6)
    assert (row.places[5].outcome, row.places[5].good) == ("failed", None)
    for number, one in enumerate(found.rows):
        for rep in (1, 2, 3):
            assert one.places[rep - 1].good is bool(but_one("baseline", number, rep))
    rows = {name: counts for name, *counts in classes(found).table.rows}
    assert rows["failed"] == ["0 of 60", "1 of 60"]
    assert [count.split(" of ")[1] for count in rows["appropriate"]] == ["60", "59"]


def test_other_runs_have_none(tmp_path: Path) -> None:
    (told,) = select(write_run(tmp_path)).reports
    assert grid(told) is None
    write_report(write_run(tmp_path / "again"), tmp_path / "r.html")
    assert 'class="turns"' not in (tmp_path / "r.html").read_text()


def test_a_part_says_so(tmp_path: Path) -> None:
    paths = write_tool_run(tmp_path, planted(0.4), only=[0, 1, 2])
    write_report(paths, tmp_path / "r.html")
    write_report(paths, tmp_path / "r.md")
    assert "Partial run: 3 of 20 scenarios." in (tmp_path / "r.html").read_text()
    text = (tmp_path / "r.md").read_text()
    assert re.search(r"\| appropriate +\| +\d of 9", text) and "| sanity:dentist " in text


def test_the_studys_own_answer_stands_in_page_and_markdown(tmp_path: Path) -> None:
    paths = write_tool_run(tmp_path, planted(0.5))
    for name in ("r.html", "r.md"):
        write_report(paths, tmp_path / name, own=own_checks(), answers=own_answers())
        text = (tmp_path / name).read_text()
        assert "applike against baseline: ADOPT" in text and "treats calls as independent" in text
    assert 'id="run-1-answer"' in (tmp_path / "r.html").read_text()
    assert re.search(r"\| exact sign-flip \| +20 \|", (tmp_path / "r.md").read_text())


def test_a_fault_in_an_own_answer_leaves_the_report(tmp_path: Path) -> None:
    def broken(*_: Any) -> list[Any]:
        raise KeyError("margin")

    write_report(write_tool_run(tmp_path, planted(0.5)), tmp_path / "r.md", answers=broken)
    assert "own part failed: KeyError: 'margin'" in (tmp_path / "r.md").read_text()


def test_a_place_opens_its_transcript(driver: Any, tmp_path: Path) -> None:
    write_run(tmp_path, run_id="r0")  # another experiment above it: its place among runs counts
    paths = [*tmp_path.glob("exp_3*.jsonl"), *write_tool_run(tmp_path, planted(0.4))]
    write_report(paths, tmp_path / "r.html")
    opened(driver, tmp_path / "r.html")
    links = driver.execute_script("return document.querySelectorAll('.turns a').length")
    assert links == 120
    driver.execute_script(
        'document.querySelector(\'.turns a[data-group=applike][data-rep="2"][data-proposal="4"]\').click()'
    )
    until(driver, "return document.getElementById('trial-title')?.textContent.includes('proposal 5')")
    title = driver.execute_script("return document.getElementById('trial-title').textContent")
    assert "tool_variants, applike, repetition 2" in title
    shown = driver.execute_script("return document.getElementById('trial').textContent")
    assert "Set up lunch with Marek" in shown
    assert driver.get_log("browser") == []
    assert requests(driver) == [(tmp_path / "r.html").as_uri()]
