"""The request fields of a cell's calls, from the settings that identify its run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.gateway.requests.model_options import CallOptions
from harness.model import Cell
from harness.runtime.runs import OpenRun, RunBook
from harness.runtime.settings import Settings

CELL = Cell("talk", "Treatment", 1)


def options(session: Settings, settings: dict[str, Any], arm: dict[str, Any]) -> CallOptions:
    anything: Any = SimpleNamespace()
    book = RunBook(session, anything, {})
    groups = {"Treatment": {"model_options": arm} if arm else {}}
    book._of_cell[CELL] = OpenRun(anything, "talk", anything, settings, groups)
    return book.call_options(CELL)


def test_what_is_sent_is_what_identifies_the_run() -> None:
    settings = {"engine": "embedded", "temperature": 0.5, "model_options": {"top_p": 0.9}}
    found = options(Settings(temperature=0.5), settings, {"top_p": 0.1})
    assert found == CallOptions(
        {"temperature": 0.5, "top_p": 0.9}, {"top_p": 0.1}, judge={"temperature": 0.5}
    )


@pytest.mark.parametrize(
    ("session", "arm", "replaced"),
    [
        (Settings(), {}, {"model", "top_p", "temperature"}),
        (Settings(temperature=0.5), {}, {"model", "top_p"}),
        (Settings(temperature=0.5), {"temperature": 0.1}, {"model", "top_p", "temperature"}),
    ],
)
def test_declared_fields_replace_the_defaults_that_an_engine_puts_into_each_request(
    session: Settings, arm: dict[str, Any], replaced: set[str]
) -> None:
    settings = {"engine": "tinytroupe", "temperature": 0.5, "model_options": {"top_p": 0.9}}
    assert options(session, settings, arm).replaced == replaced
