"""A headless Chromium, where the machine has one."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def paths() -> tuple[str | None, str | None]:
    """Chromium and its driver, as Debian names them, or as others do."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A selenium driver with a fresh profile; skips the test, saying why, where there is no browser."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (extra [dev])")
    browser, driver = paths()
    if browser is None or driver is None:
        pytest.skip("no chromium and chromedriver here (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield started
    finally:
        started.quit()


def opened(driver: Any, page: Path, *, width: int = 1400, dark: bool = False, seconds: float = 20) -> None:
    """Show ``page`` and wait until its first transcript stands there. What was logged before is forgotten."""
    for name, metrics in (
        ("setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}),
        ("setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]}),
    ):  # fmt: skip
        driver.execute_cdp_cmd(f"Emulation.{name}", metrics)
    driver.get_log("browser"), driver.get_log("performance")
    driver.get(page.as_uri())
    until(driver, "return document.documentElement.dataset.ready === 'yes'", seconds)


def until(driver: Any, script: str, seconds: float = 20) -> None:
    """Wait until ``script`` is true in the page."""
    deadline = time.monotonic() + seconds
    while not driver.execute_script(script):
        assert time.monotonic() < deadline, f"never came true: {script}"
        time.sleep(0.02)


def requests(driver: Any) -> list[str]:
    """Every address that the page asked for since it was opened."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
