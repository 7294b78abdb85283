"""Records whose every text tries to steer the terminal, through every command that shows records."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ModelCallError
from harness.gateway.calls import Reply, Request
from tests.support.instruments import DESIGN, first_lines, sound
from tests.support.records import write_file
from tests.support.sessions import SMALL, Lab, _Way
from tests.support.terminal import Command, command

EVIL = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202e\u2066\r\u200b\u2028\ud800\x7f\x00"
KEPT = {"type", "status", "kind", "started", "ended", "timestamp", "provider", "sha256"}
"""What the reader of records, or the time of an event, depends on."""


def hostile(value: Any, key: str = "") -> Any:
    """``value`` with every text in it, keys of free mappings too, made hostile."""
    if isinstance(value, str):
        return value if key in KEPT else value + EVIL
    if isinstance(value, Mapping):
        free = key in ("calls", "group_settings", "settings", "details")
        return {name + EVIL * free: hostile(one, name) for name, one in value.items()}
    return [hostile(one, key) for one in value] if isinstance(value, list | tuple) else value


def hostile_record(record: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = hostile(record)
    place = [f"{name}{record[name]}" for name in ("rep", "panel", "proposal")]
    return made | {"trial": "/".join([made["experiment"], made["group"], *place]), "rep": record["rep"]}


def hostile_line(line: Mapping[str, Any]) -> dict[str, Any]:
    return hostile({**line, "design": DESIGN.to_metadata()})


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run of two arms, its names hostile too, and one line that cannot be read."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results\x1b[31m"
    folder.mkdir()
    for line in first_lines():
        mine = [hostile_record(one) for one in sound() if one["group"] == line["group"]]
        path = write_file(folder / f"a\x1b[2J{line['group']}.jsonl", hostile_line(line), mine)
        path.write_bytes(path.read_bytes() + b'{"type": "\x1b]0;x\x07' + b"\n")
    return folder


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command(monkeypatch, capsys)


def steering(text: str) -> set[str]:
    """The characters in ``text`` that no terminal may get, by code point."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return {f"U+{ord(one):04X}" for one in text if one not in "\n\t" and unicodedata.category(one) in kinds}


COMMANDS = [
    ("check", "R"),
    ("analyse", "R"),
    ("analyse", "R", "--format", "md"),
    ("analyse", "R", "--json"),
    ("analyse", "R", "--run", f"none{EVIL[:-1]}".replace("\ud800", "")),
    ("consistency", "R", "--with", "R"),
    ("consistency", "R", "--with", "R", "--json"),
    ("power", "R", "--metric", "no\x1b[31m", "--effect", "1"),
    ("report", "R", "--out", "r\x1b[31m.html"),
    ("report", "R", "--out", "r.md"),
    ("merge", "F"),
    ("query", "select * from trials", "--results", "R"),
    ("query", "select * from scores", "--results", "R", "--format", "csv"),
    ("query", "select * from experiments", "--results", "R", "--format", "json"),
    ("query", "select '\x1b[31m' as \"\x1b[32m\"", "--results", "R"),
    ("query", "select nothing\x1b[31m", "--results", "R"),
    ("bundle", "--results", "R", "--out", "b.zip"),
    ("db", "build", "--results", "R"),
    ("plan", "check", "R"),
    ("variants", "R"),
    ("replay", "R"),
    ("review", "export", "R", "--out", "sheets", "--key", "k\x1b[31m.json"),
    ("review", "show", "R"),
    ("review", "show", "R", "--run", "no\x1b[31m"),
    ("rescore", "R", "--judge-model", "no\x1b[31m:such"),
    ("table1", "--artifacts", "R"),
    ("list", "no\x1b[31m.py"),
    ("study", "list", "--root", "R"),
    ("study", "status", "no\x1b[31m"),
    ("check", "gone\x1b[31m"),
    ("check", "--no-such\x1b[31m"),
    ("no-such\x1b[31m",),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: ascii(" ".join(words)))
def test_no_text_of_records_steers_the_terminal(
    harness: Command, results: Path, words: tuple[str, ...]
) -> None:
    files = [str(path) for path in sorted(results.glob("*.jsonl"))]
    given = [
        one
        for word in words
        for one in (files if word == "F" else ["results\x1b[31m" if word == "R" else word])
    ]
    said = harness(*given)
    assert not steering(said.out + said.err)
    assert said.code in (0, 1, 4), said
    assert "Traceback" not in said.err
    assert said.out + said.err


def test_a_report_shows_control_characters_and_is_valid_text(harness: Command, results: Path) -> None:
    harness("report", results, "--out", "r.html")
    harness("report", results, "--out", "r.md")
    for name in ("r.html", "r.md"):
        text = Path(name).read_bytes().decode()
        assert not steering(text), name
        assert "0;owned" in text


def test_json_of_hostile_records_is_the_same_data(harness: Command, results: Path) -> None:
    said = harness("query", "select distinct metric from scores", "--results", results, "--format", "json")
    names = {row["metric"] for row in json.loads(said.out)}
    assert all("\x1b]0;owned\x07\x1b[31m" in name for name in names)


def test_a_session_shows_nothing_that_a_model_says_raw(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write(SMALL.replace('proposals=({"thing"', 'proposals=({"id": "bike", "thing"'))
    complete = _Way.complete

    async def hostile(self: Any, request: Request, *, trial: str, occurrence: int) -> Reply:
        if "Treatment" in trial:
            raise ModelCallError(f"server said {EVIL}")
        reply = await complete(self, request, trial=trial, occurrence=occurrence)
        return replace(reply, model=f"gpt{EVIL}", fingerprint=EVIL)

    monkeypatch.setattr(_Way, "complete", hostile)
    result = lab.run("--junitxml=j.xml", "--report=r.html", "-rA", "-v")
    assert result.ret == 1
    shown = "\n".join([*result.outlines, *result.errlines])
    assert "server said" in shown
    assert not steering(shown)
    from xml.etree import ElementTree

    ElementTree.parse(lab.path / "j.xml")
    assert not steering((lab.path / "r.html").read_bytes().decode())
