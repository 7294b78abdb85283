"""The quick way of reading gives what the patient one gives, of sound lines and of broken ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness.stats
from harness.checks import CheckRunner
from harness.errors import HarnessError
from harness.model import (
    Answering,
    CorrectionEvent,
    Event,
    Persona,
    Sample,
    Script,
    Trial,
    TrialPlan,
    TrialResult,
    Usage,
)
from harness.records import merge, trial_line
from harness.records.json_safe import to_line
from harness.records.reader import Lean, read
from harness.records.record_schemas import UNLIKE, Examined, FinishedTrialRecord, Tabled, decoder
from harness.reports.data.columns import TABLES
from harness.reports.data.tables import read_tables
from tests.support.records import SMALL, metadata, trials

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ALL = list(trials(SMALL))


def line(trial: Trial) -> dict[str, Any]:
    """The record of ``trial`` as a session writes it."""
    people = SMALL.panels[trial.panel]
    samples = tuple(
        Sample(metric, trial.proposal + 1, person, None, "Because of\u2026")
        for metric in SMALL.metrics
        for person in SMALL.expected(trial.panel, metric)
    )
    gone = Sample(samples[-1].metric, None, samples[-1].person, "refused: no")
    events = (Event(1, people[0], "action", "TALK", "I have never been asked " * 9, people[0]),)
    corrected = (CorrectionEvent(1, people[0], (("No", 4.0), ("Yes", 6.0)), 1),)
    result = TrialResult(trial, (*samples[:-1], gone), events, {"ideas": ["one"]}, corrected)
    plan = TrialPlan(
        trial, tuple(Persona(one, {}) for one in people), Script(""), {"theme": "T"}, 5, None, (), (), 0
    )
    usage = Usage({"act": 3}, 900, 80, 0.01, None, (Answering("m", None, 3),))
    times = {"started": BEGAN, "ended": BEGAN, "duration": 1.5}
    return trial_line(result, plan, run_id="r1", usage=usage, attempt=1, **times)  # type: ignore[arg-type]


LINES = [to_line(line(trial)) for trial in ALL]


@pytest.mark.parametrize("shape", [FinishedTrialRecord, Examined, Tabled])
def test_a_line_as_a_session_writes_it_has_the_shape(shape: type[FinishedTrialRecord]) -> None:
    assert decoder(shape)(LINES[0]).trial == ALL[0].id


@pytest.mark.parametrize(
    "change",
    [
        {"note": "of my own"},
        {"type": "other"},
        {"status": "failed"},
        {"rep": True},
        {"rep": 1.0},
        {"rep": 2**70},
        {"trial": None},
        {"samples": [{"metric": "Fluency", "person": "Ada", "value": True, "reason": None}]},
        {"usage": None},
    ],
)
def test_a_line_with_anything_odd_has_not(change: dict[str, Any]) -> None:
    with pytest.raises(UNLIKE):
        decoder(FinishedTrialRecord)(to_line(line(ALL[0]) | change))


def test_broken_utf_8_in_what_is_passed_over_is_seen(tmp_path: Path) -> None:
    broken = LINES[0].replace("\u2026".encode(), b"\xff\xfe")
    path = tmp_path / "a.jsonl"
    path.write_bytes(to_line(metadata()) + broken + LINES[1])
    file = read(path, keep=Lean())
    assert [problem.line for problem in file.problems] == [2]
    assert [record["trial"] for record in file.sections[0].records] == [ALL[1].id]


def test_a_transcript_that_is_no_transcript_is_read(tmp_path: Path) -> None:
    odd = line(ALL[0])
    odd["transcript"][0]["kind"], odd["transcript"][0]["source"] = "stimulus", []
    (tmp_path / "a.jsonl").write_bytes(to_line(metadata()) + to_line(odd))
    assert _examined(tmp_path)[0]


def test_samples_in_columns_are_the_samples() -> None:
    record = line(ALL[0])
    wanted = [{key: one[key] for key in ("metric", "person", "value", "reason")} for one in record["samples"]]
    kept = Lean()(record)["samples"]
    assert list(kept) == wanted and kept[-1] == wanted[-1] and kept[1:3] == wanted[1:3]
    assert len(kept) == len(wanted)


ODD = st.recursive(
    st.sampled_from(
        [
            None,
            True,
            0,
            1.0,
            -0.0,
            2**53 + 1,
            2**63,
            -(2**63),
            2**64,
            10**30,
            1e300,
            float("nan"),
            float("inf"),
        ]
    )
    | st.sampled_from(
        ["", "finished", "failed", "trial_result", "run_metadata", "Ada", "a\ud800", "\u00e9\n"]
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["metric", "value", "calls", "model"]), inner, max_size=2)
    ),
    max_leaves=4,
)
BITS = st.sampled_from(
    [
        b"\xff",
        b"\xc3",
        b"\n",
        b"{",
        b"}",
        b'"',
        b",",
        b"NaN",
        b"1e999",
        b"\\ud800",
        b" ",
        b"0",
        b"-",
        b"\x00",
        b"[" * 90,
    ]
)
Mutation = Callable[[dict[str, Any]], bytes]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A line with a field of it, at any depth, replaced, lost, added or given twice; or with bytes in or out."""
    record = json.loads(draw(st.sampled_from(LINES[:4])))
    how = draw(st.sampled_from(["value", "value", "value", "lost", "twice", "bytes", "cut"]))
    place, key = draw(st.sampled_from(list(_places(record))))
    raw = json.dumps(record).encode()
    if how == "lost":
        del place[key]
    elif how == "twice" and isinstance(key, str):
        given = f"{json.dumps(key)}: {json.dumps(place[key])}"
        again = f"{json.dumps(key)}: {json.dumps(draw(ODD))}"
        pair = draw(st.permutations([given, again]))
        return json.dumps(record).replace(given, ", ".join(pair), 1).encode() + b"\n"
    elif how in ("bytes", "cut"):
        at = draw(st.integers(0, len(raw)))
        return (
            raw[:at]
            + (draw(BITS) + raw[at:] if how == "bytes" else raw[at + draw(st.integers(0, 9)) :])
            + b"\n"
        )
    else:
        place[key if draw(st.booleans()) or isinstance(key, int) else "added"] = draw(ODD)
    return json.dumps(record).encode() + b"\n"


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in list(items):
        yield value, key
        if isinstance(part, dict | list):
            yield from _places(part)


def _merged(folder: Path, **more: Any) -> Any:
    paths = sorted(folder.glob("*.jsonl"))
    try:
        (artifact,) = merge(paths, folder / "out", stats=harness.stats, **more)
    except HarnessError as error:
        return str(error)
    return artifact.read_bytes(), artifact.with_suffix(".meta.json").read_bytes()


def _examined(folder: Path) -> Any:
    return _merged(folder, examine=CheckRunner())


def _tabled(folder: Path) -> Any:
    tables = read_tables(folder)
    names = [name for name in TABLES if name != "calls"]
    return [repr(tables.named(name).to_pylist()) for name in names], tables.problems


@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("ways", [_merged, _examined, _tabled])
@given(lines=st.lists(mutated(), min_size=1, max_size=3))
def test_both_ways_give_the_same(
    tmp_path_factory: pytest.TempPathFactory, ways: Callable[[Path], Any], lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("records")
    content = to_line(metadata()) + b"".join(LINES[2:6]) + b"".join(lines) + b"".join(LINES[6:])
    (folder / "a.jsonl").write_bytes(content)
    quick = ways(folder)
    with patch("harness.records.reader._quick", lambda keep: lambda raw: None):
        patient = ways(folder)
    assert quick == patient
