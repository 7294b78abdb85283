"""The page for reviewers in a real browser: walked through by keyboard, read back after a reload, and saved."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.reports.review import DIMENSIONS, import_scores, review_of
from harness.reports.review.score_import import sent_and_key
from tests.reports.test_report_browser import CONTRAST
from tests.support.browser import chromium, opened, requests, until
from tests.support.reports import HOSTILE
from tests.support.reviews import exported, run_for_review

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.slow]
ITEMS = 6


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """A page of its own for each test, and so a memory of its own in the browser."""
    run = run_for_review(tmp_path / "results", provider="rehearsal", reps=1)
    assert exported(run, tmp_path / "out", reviewer="Ada Lovelace").items == ITEMS
    return tmp_path / "out" / "review.html"


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver, duration=0).send_keys(*keys).perform()


def text(driver: Any, name: str) -> str:
    found: str = driver.execute_script("return document.getElementById(arguments[0]).textContent", name)
    return found


def reopened(driver: Any, page: Path, place: str) -> None:
    """Load the page again until it stands at ``place``: a busy browser may be late to hand its memory over."""
    for _ in range(3):
        opened(driver, page)
        if text(driver, "place").startswith(place):
            return
    raise AssertionError(text(driver, "place"))


def chosen(driver: Any) -> list[str]:
    found: list[str] = driver.execute_script(
        "return [...document.querySelectorAll('#scores input:checked')].map(one => one.value)"
    )
    return found


def focused(driver: Any) -> str:
    found: str = driver.execute_script(
        "return document.activeElement.id || document.activeElement.name || ''"
    )
    return found


def downloads(driver: Any, folder: Path) -> None:
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})


def arrived(folder: Path, ending: str) -> Path:
    deadline = time.monotonic() + 20
    while not (found := list(folder.glob(f"*.{ending}"))):
        assert time.monotonic() < deadline, f"no .{ending} came"
        time.sleep(0.02)
    return found[0]


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)])
def test_it_shows_without_an_error_a_request_or_a_sideways_scroll(
    driver: Any, sheet: Path, width: int, dark: bool
) -> None:
    opened(driver, sheet, width=width, dark=dark)
    assert driver.get_log("browser") == []
    assert requests(driver) == [sheet.as_uri()]
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert text(driver, "place") == f"Transcript 1 of {ITEMS}"
    assert "Rehearsal" in driver.execute_script("return document.querySelector('.banner').textContent")
    press(driver, "1", "2")
    assert driver.execute_script(CONTRAST) == []


def test_all_items_are_scored_by_keyboard_alone_and_saved(driver: Any, sheet: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    opened(driver, sheet)
    downloads(driver, tmp_path)
    for number in range(1, ITEMS + 1):
        assert text(driver, "place") == f"Transcript {number} of {ITEMS}"
        press(driver, "3", "2", "1" if number == 2 else "2", "3")
        assert chosen(driver) == ["3", "2", "1" if number == 2 else "2", "3"]
        assert focused(driver) == ("next" if number < ITEMS else "save-json")
        press(driver, Keys.ENTER)
    assert text(driver, "told") == f"All {ITEMS} scored: save them"
    path = arrived(tmp_path, "json")
    saved = json.loads(path.read_text("utf-8"))
    assert path.name == f"scores_{saved['export']}_Ada-Lovelace.json"
    assert (saved["reviewer"], len(saved["items"]), saved["rehearsal"]) == ("Ada Lovelace", ITEMS, True)
    assert sorted(one["ambiguity_handling"] for one in saved["items"]) == [1, 2, 2, 2, 2, 2]
    sent, key = sent_and_key(path, tmp_path / "results" / "review-key.json")
    from tests.support.reviews import read_back

    run = read_back(tmp_path / "results")
    assert import_scores(sent, key, run).added.new == ITEMS
    outcome = review_of(run)
    assert outcome.complete and outcome.reviewers == ("Ada Lovelace",)
    assert sum(arm.passed for arm in outcome.arms) == ITEMS - 1
    assert driver.get_log("browser") == []


def test_keys_move_take_back_and_leave_notes_alone(driver: Any, sheet: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    opened(driver, sheet)
    press(driver, "n")
    assert text(driver, "place").startswith("Transcript 2")
    press(driver, "p", "p")
    assert text(driver, "place").startswith("Transcript 1")
    press(driver, "1", "1")
    assert chosen(driver) == ["1", "1"] and focused(driver) == "ambiguity_handling"
    driver.execute_script("document.querySelector('[name=parameter_quality]:checked').focus()")
    press(driver, "0")
    assert chosen(driver) == ["1"]
    press(driver, "e", "n 1 2 3")
    assert focused(driver) == "notes" and chosen(driver) == ["1"]
    assert driver.execute_script("return document.getElementById('notes').value") == "n 1 2 3"
    press(driver, Keys.ESCAPE, "2", "2", "2")
    assert chosen(driver) == ["1", "2", "2", "2"]
    press(driver, "u")
    assert text(driver, "place").startswith("Transcript 2")
    assert text(driver, "told") == f"1 of {ITEMS} scored"


def test_a_reload_keeps_progress_and_another_export_does_not_have_it(
    driver: Any, sheet: Path, tmp_path: Path
) -> None:
    opened(driver, sheet)
    press(driver, "3", "3", "3", "3", "n", "2", "1", "e", "unsure")
    until(driver, "return Object.values(localStorage).some(one => one.includes('unsure'))", 20)
    reopened(driver, sheet, "Transcript 2")
    assert chosen(driver) == ["2", "1"]
    assert driver.execute_script("return document.getElementById('notes').value") == "unsure"
    assert text(driver, "told") == f"1 of {ITEMS} scored"
    other = run_for_review(tmp_path / "other", reps=1)
    exported(other, tmp_path / "other-out")
    opened(driver, tmp_path / "other-out" / "review.html")
    assert chosen(driver) == [] and text(driver, "told") == f"0 of {ITEMS} scored"


def test_nonsense_in_the_browsers_memory_does_no_harm(driver: Any, sheet: Path) -> None:
    opened(driver, sheet)
    content = json.loads(driver.execute_script("return document.getElementById('content').textContent"))
    name, item = f"harness-review:{content['export']}", content["items"][0]["id"]
    odd = {
        "at": 99,
        "scores": {item: {"naturalness": "<b>", "tool_selection": 7, "parameter_quality": 2}},
        "notes": 3,
    }
    for kept in ("{", "null", json.dumps(odd)):
        driver.execute_script("localStorage.setItem(arguments[0], arguments[1])", name, kept)
        opened(driver, sheet)
        assert text(driver, "place").startswith("Transcript 1")
    for _ in range(3):  # a busy browser may be late to hand its memory over
        if chosen(driver):
            break
        opened(driver, sheet)
    assert chosen(driver) == ["2"]


def test_what_is_scored_in_part_is_left_out_and_said_and_notes_are_no_formulas(
    driver: Any, sheet: Path, tmp_path: Path
) -> None:
    opened(driver, sheet)
    downloads(driver, tmp_path)
    press(driver, "3", "3", "3", "3", "e", '=HYPERLINK("x","y")')
    driver.execute_script("document.activeElement.blur()")
    press(driver, "n", "1")
    driver.execute_script("document.getElementById('save-csv').click()")
    path = arrived(tmp_path, "csv")
    with path.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["notes"] == '\'=HYPERLINK("x","y")'
    assert [row[name] for name in DIMENSIONS] == ["3"] * 4
    assert text(driver, "saved").endswith(
        f"1 transcripts; {ITEMS - 1} are left, of which scored in part and not in the file: 2."
    )


def test_nothing_is_saved_without_a_name(driver: Any, tmp_path: Path) -> None:
    exported(run_for_review(tmp_path / "results", reps=1), tmp_path / "out")
    opened(driver, tmp_path / "out" / "review.html")
    downloads(driver, tmp_path / "out")
    driver.execute_script("document.getElementById('save-json').click()")
    assert "Who scored?" in text(driver, "saved") and focused(driver) == "reviewer"
    press(driver, "Ben")
    assert chosen(driver) == []
    driver.execute_script("document.getElementById('save-json').click()")
    assert json.loads(arrived(tmp_path / "out", "json").read_text())["reviewer"] == "Ben"


def test_hostile_transcripts_run_nothing_and_are_read_as_they_are(driver: Any, tmp_path: Path) -> None:
    def answer(variant: str, scenario: int, rep: int) -> tuple[str, list[dict[str, Any]]]:
        text = HOSTILE[(scenario * 2 + rep) % (len(HOSTILE) - 1)]
        tool = "schedule_task" if variant == "baseline" else "calendar_create_event"
        return text, [
            {"name": tool, "args": {"title": text, "when": text, "start": text}},
            {"name": text, "args": {}},
        ]

    run = run_for_review(tmp_path / "results", answer, only=(0, 1, 2, 3, 4))
    exported(run, tmp_path / "out", reviewer='"><script>window.__pwned = 9</script>')
    page = tmp_path / "out" / "review.html"
    opened(driver, page)
    shown = set()
    for _ in range(20):
        shown.add(text(driver, "reply"))
        press(driver, "n")
    assert {
        '<img src=x onerror="window.__pwned = 3">',
        "</script><script>window.__pwned = 2</script>",
    } <= shown
    assert driver.execute_script("return window.__pwned ?? null") is None
    assert (
        driver.execute_script("return document.querySelectorAll('img, iframe, svg, main script').length") == 0
    )
    assert driver.get_log("browser") == []
    assert requests(driver) == [page.as_uri()]


def test_every_control_has_a_name_and_is_reached_by_tab(driver: Any, sheet: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    opened(driver, sheet)
    nameless = (
        "return [...document.querySelectorAll('input,select,textarea')].filter(c => !c.labels.length).length"
    )
    assert driver.execute_script(nameless) == 0
    seen = []
    for _ in range(15):
        press(driver, Keys.TAB)
        seen.append(focused(driver))
    wanted = ["reviewer", "go", *DIMENSIONS, "notes", "next", "open", "save-json", "save-csv"]
    assert list(dict.fromkeys(name for name in seen if name in wanted)) == wanted
