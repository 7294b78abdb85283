"""runs.csv: nothing is lost, nothing torn, damage is named and set aside."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.batches import registry
from harness.batches.registry import HEADER, Registry, RegistryRow, VariantStatus
from harness.errors import ConfigurationError, HarnessError, UnwritableError
from tests.support.sessions import environment

pytestmark = pytest.mark.slow

WRITER = """
import os, sys
from pathlib import Path
from harness.batches import registry
from harness.batches.registry import Registry, RegistryRow

def in_two_parts(file, data, write=os.write):
    return write(file, data[:9]) + write(file, data[9:])

registry.os.write = in_two_parts  # as a slow disk might: only the lock keeps others out
registry = Registry(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    name = f"{sys.argv[2]}-{number}"
    registry.append([RegistryRow("t", "s", "b", name, "scn-v01", "cfg-v01", "1", "success", "d", 'a "b", c')])
"""


def row(variant: str = "vr-steps-1-s1", **changes: str) -> RegistryRow:
    parts = {"timestamp": "t", "study": "s", "batch_id": "b", "scenario_rev": "scn-v01", "config_rev": "cfg-v01",
             "seed": "1", "status": "success", "results_dir": "d"}  # fmt: skip
    return RegistryRow(variant_id=variant, **{**parts, **changes})


@pytest.fixture
def rows(tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "registry" / "runs.csv")
    made.create()
    return made


def test_twenty_processes_lose_and_tear_nothing(rows: Registry) -> None:
    words = [sys.executable, "-c", WRITER, str(rows.path)]
    writers = [subprocess.Popen([*words, str(n), "100"], env=environment()) for n in range(20)]
    assert [writer.wait(120) for writer in writers] == [0] * 20
    content = rows.read()
    assert not content.problems
    assert [one.variant_id for one in content.rows if one.variant_id.startswith("7-")] == [
        f"7-{n}" for n in range(100)
    ]
    assert len({one.variant_id for one in content.rows}) == len(content.rows) == 2000
    assert rows.path.read_text().count(",".join(HEADER)) == 1


@given(st.text(max_size=60), st.text(max_size=30))
def test_any_text_comes_back_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, notes: str, variant: str
) -> None:
    made = Registry(tmp_path_factory.mktemp("registry") / "runs.csv")
    made.append([row(variant, notes=notes), row("second")])
    content = made.read()
    assert not content.problems
    assert [one.variant_id for one in content.rows][1:] == ["second"]
    if variant.isprintable() and notes.isprintable():
        assert content.rows[0] == row(variant, notes=notes)


def test_a_torn_line_is_set_aside_and_said(rows: Registry) -> None:
    rows.append([row("one")])
    with rows.path.open("ab") as file:
        file.write(b"t,s,b,tw")
    (problem,) = rows.read().problems
    assert "line 3: torn ('t,s,b,tw')" in problem
    with pytest.warns(RuntimeWarning, match=r"its last line was torn .* set aside as runs\.csv\.torn-1"):
        rows.append([row("three")])
    assert [one.variant_id for one in rows.read().rows] == ["one", "three"]
    assert rows.path.with_name("runs.csv.torn-1").read_bytes() == b"t,s,b,tw"
    assert not rows.read().problems


def test_lines_that_are_no_rows_are_named_and_left(rows: Registry) -> None:
    rows.append([row("one")])
    with rows.path.open("ab") as file:
        file.write(b"only,three,fields\nt,s,b,v,scn-v01,cfg-v01,1,triumph,d,\n")
    rows.append([row("two")])
    content = rows.read()
    assert [one.variant_id for one in content.rows] == ["one", "two"]
    assert content.problems == (
        f"runs.csv line 3: 3 fields; expected 10: {', '.join(HEADER)}.",
        "runs.csv line 4: status 'triumph'; expected one of success, partial, failed, stopped, interrupted.",
    )


def test_the_words_of_status_are_closed(rows: Registry) -> None:
    with pytest.raises(ConfigurationError, match="Status 'done': expected one of success, partial"):
        rows.append([row(status="done"), row()])
    assert rows.read().rows == ()
    rows.append([row(status=str(status)) for status in VariantStatus])
    assert len(rows.read().rows) == len(VariantStatus)


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "no permission")],
)
def test_a_disk_that_takes_nothing_is_one_error_and_loses_nothing(
    rows: Registry, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    rows.append([row("one")])
    before = rows.path.read_bytes()

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(registry.os, "write", refuse)
        with pytest.raises(HarnessError, match=said) as error:
            rows.append([row("two")])
    assert isinstance(error.value, UnwritableError)
    assert rows.path.read_bytes() == before
    rows.append([row("two")])
    assert len(rows.read().rows) == 2


def test_a_row_of_which_only_half_is_taken_is_taken_back(
    rows: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.append([row("one")])
    before, write = rows.path.read_bytes(), os.write
    with monkeypatch.context() as broken:
        broken.setattr(registry.os, "write", lambda file, data: write(file, data[:10]))
        with pytest.raises(HarnessError, match="only a part of the row was taken"):
            rows.append([row("two")])
    assert rows.path.read_bytes() == before
