"""The page in a real browser: it shows, asks for nothing, runs nothing of a model's, and works by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.reports import write_report
from tests.support.browser import chromium, opened, requests, until
from tests.support.reports import DESIGN, HOSTILE, write_run

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.slow]
SMALL = replace(DESIGN, panels=(("Ada", "Ben"),), proposals=2, reps=2)
REMARK = "A quite ordinary remark about lamps."


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def tame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tame")
    write_report(
        write_run(folder, texts=(REMARK, "Another."), provider="rehearsal", design=SMALL), folder / "r.html"
    )
    return folder / "r.html"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names and texts that mean harm, in transcripts that are packed because they are large."""
    folder = tmp_path_factory.mktemp("hostile")
    design = replace(
        SMALL, metrics=("Fluency", HOSTILE[1], HOSTILE[3]), panels=((HOSTILE[0], HOSTILE[3]),), reps=1
    )
    write_report(write_run(folder, texts=HOSTILE, design=design), folder / "r.html")
    return folder / "r.html"


def text_of(driver: Any, selector: str) -> str:
    content: str = driver.execute_script(
        "return document.querySelector(arguments[0])?.textContent ?? ''", selector
    )
    return content


def pick(driver: Any, name: str, value: str) -> None:
    """Choose in a list of the reader, and wait for the trial."""
    driver.execute_script(
        "const [name, value] = arguments, list = document.getElementById('pick-' + name);"
        "document.getElementById('trial').replaceChildren();"
        "list.value = value; list.dispatchEvent(new Event('change'));",
        name, value,
    )  # fmt: skip
    until(driver, "return !!document.getElementById('trial-title')")


def search(driver: Any, words: str) -> str:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    field = driver.find_element(By.ID, "query")
    field.clear()
    field.send_keys(words, Keys.ENTER)
    until(driver, f"return document.documentElement.dataset.searched === {words!r}")
    return text_of(driver, "#found-status")


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (400, True)])
def test_it_shows_without_an_error_a_request_or_a_sideways_scroll(
    driver: Any, tame: Path, width: int, dark: bool
) -> None:
    opened(driver, tame, width=width, dark=dark)
    assert driver.get_log("browser") == []
    assert requests(driver) == [tame.as_uri()]
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert REMARK in text_of(driver, "#trial")
    sizes = driver.execute_script(
        "return [...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().width)"
    )
    assert sum(size > 100 for size in sizes) >= 7


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(driver: Any, tame: Path, dark: bool) -> None:
    """WCAG's contrast, of every text that is seen: at least 4.5."""
    opened(driver, tame, dark=dark)
    driver.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert driver.execute_script(CONTRAST) == []


CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
};
const over = (top, below) => below.map((value, n) => n < 3 ? top[n] * top[3] + value * (1 - top[3]) : 1);
const ground = (one) => {
  const layers = [];
  for (let at = one; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
};
const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
  .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
const bad = [];
for (const one of document.body.querySelectorAll("*")) {
  if (!one.checkVisibility() || ![...one.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
  if (["SCRIPT", "STYLE"].includes(one.tagName) || one.disabled || one.textContent === "REHEARSAL") continue;
  if (one.closest(".banner")) continue;  // its stripes are an image; both are as light
  const below = ground(one), style = getComputedStyle(one);
  const ink = over(rgba(one.closest("svg") ? style.fill : style.color), below);
  const [high, low] = [light(ink), light(below)].sort((a, b) => b - a);
  const ratio = (high + .05) / (low + .05);
  if (ratio < 4.5) bad.push([one.tagName, one.className.baseVal ?? one.className, one.textContent.slice(0, 40), ratio]);
}
return bad;
"""


def test_headings_descend_by_one_and_controls_have_names(driver: Any, tame: Path) -> None:
    opened(driver, tame)
    levels = driver.execute_script(
        "return [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    nameless = "return [...document.querySelectorAll('input,select')].filter(c => !c.labels.length).length"
    assert driver.execute_script(nameless) == 0
    landmarks = (
        "return ['header', 'nav', 'main', 'footer'].map(name => document.querySelectorAll(name).length)"
    )
    assert driver.execute_script(landmarks) == [1, 1, 1, 1]


def test_every_control_is_reached_by_tab_and_shows_its_focus(driver: Any, tame: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    opened(driver, tame)
    wanted = {"query", "pick-run", "pick-group", "pick-rep", "pick-trial", "next"}
    seen: list[str] = []
    for _ in range(8):
        ActionChains(driver, duration=0).send_keys(Keys.TAB).perform()
        focused = driver.execute_script(
            "const e = document.activeElement;"
            "return [e.id || e.className || e.tagName, getComputedStyle(e).outlineStyle]"
        )
        seen.append(focused[0])
        assert focused[1] == "solid"
    assert seen[0] == "skip"
    driver.execute_script("document.querySelector('#run-1-provenance summary').focus()")
    for _ in range(30):
        ActionChains(driver, duration=0).send_keys(Keys.TAB).perform()
        seen.append(driver.execute_script("return document.activeElement.id"))
        if wanted <= set(seen):
            break
    assert wanted <= set(seen)
    before = text_of(driver, "#trial-title")
    driver.execute_script("document.getElementById('next').focus()")
    ActionChains(driver, duration=0).send_keys(Keys.ENTER).perform()
    until(driver, f"return document.getElementById('trial-title').textContent !== {before!r}")


def test_a_trial_shows_what_was_corrected_and_where_an_intervention_fired(driver: Any, tame: Path) -> None:
    opened(driver, tame)
    pick(driver, "group", "Treatment")
    text = text_of(driver, "#trial")
    assert f"TALK: rough {REMARK}" in text
    attempts = driver.execute_script(
        "return [...document.querySelectorAll('.attempts strong')].map(s => s.textContent)"
    )
    assert attempts == ["Score 3, sent back", "Score 7, kept"]
    assert "intervention nudge put a thought" in text_of(driver, ".event.intervened")
    assert "it was late" in text_of(driver, ".event.intervened")
    kinds = driver.execute_script(
        "return [...document.querySelectorAll('#trial .event')].map(e => e.classList[1])"
    )
    assert kinds[:3] == ["heard", "corrected", "thought"]
    hidden = "return [...document.querySelectorAll('#trial .event.thought')].every(e => !e.checkVisibility())"
    assert "end of turn" in text
    assert driver.execute_script(hidden.replace("thought", "other"))
    assert not driver.execute_script(hidden)
    driver.execute_script("document.querySelector('[data-shows=thought]').click()")
    assert driver.execute_script(hidden)


def test_a_trial_shows_the_calls_of_tools(driver: Any, tmp_path: Path) -> None:
    files = write_run(tmp_path, texts=("a lamp",), design=SMALL)
    for file in files:
        file.write_text(file.read_text().replace("TALK", "TOOL_CALL"))
    write_report(files, tmp_path / "r.html")
    opened(driver, tmp_path / "r.html")
    pick(driver, "group", "Treatment")
    visible = (
        "return [...document.querySelectorAll('#trial .event.tool')].filter(e => e.checkVisibility()).length"
    )
    assert driver.execute_script(visible) > 0
    driver.execute_script("document.querySelector('[data-shows=tool]').click()")
    assert driver.execute_script(visible) == 0


def test_search_finds_in_every_trial_and_opens_the_place(driver: Any, tame: Path) -> None:
    opened(driver, tame)
    assert search(driver, "rough A QUITE ordinary") == "4 matches for “rough A QUITE ordinary” in 8 trials."
    assert text_of(driver, "#found mark").lower() == "rough a quite ordinary"
    driver.execute_script("document.querySelector('#found button').click()")
    until(driver, "return !!document.querySelector('#trial .hit')")
    assert "Treatment" in text_of(driver, "#trial-title")
    assert driver.execute_script("return document.querySelector('.hit details').open")
    assert driver.execute_script("return document.activeElement.id") == "trial"
    assert search(driver, "a.*(b") == "0 matches for “a.*(b” in 8 trials."
    search(driver, "remark")
    assert driver.execute_script("return document.querySelectorAll('#found li').length") == 20
    driver.execute_script("document.getElementById('more').click()")
    assert driver.execute_script("return document.querySelectorAll('#found li').length") == 24


def test_hostile_texts_run_nothing_ask_for_nothing_and_are_read_as_they_are(
    driver: Any, hostile: Path
) -> None:
    opened(driver, hostile)
    for group in ("Control", "Treatment"):
        pick(driver, "group", group)
        for trial in driver.execute_script(
            "return [...document.getElementById('pick-trial').options].map(o => o.value)"
        ):
            pick(driver, "trial", trial)
            driver.execute_script(
                "document.querySelectorAll('#trial details').forEach(one => one.open = true)"
            )
    assert search(driver, "__pwned") == "44 matches for “__pwned” in 4 trials."
    shown = set(
        driver.execute_script(
            "return [...document.querySelectorAll('#trial .event > div > .text')]"
            ".map(e => e.textContent.toWellFormed())"
        )
    )
    for text in HOSTILE[:-1]:
        assert text.replace("\ud800", "\ufffd") in shown
    driver.execute_script("document.querySelector('.cut').click()")
    longest = (
        "return Math.max(...[...document.querySelectorAll('.event .text')].map(e => e.textContent.length))"
    )
    assert driver.execute_script(longest) == 1_000_000
    assert driver.execute_script("return window.__pwned ?? null") is None
    assert (
        driver.execute_script(
            "return document.querySelectorAll('img, iframe, object, #trial svg, #trial script').length"
        )
        == 0
    )
    assert driver.get_log("browser") == []
    assert requests(driver) == [hostile.as_uri()]
