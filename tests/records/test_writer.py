"""Record files: nothing overwritten, nothing half-written, every line with the OS when `write` returns."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.errors import HarnessError, UnwritableError
from harness.records import JSONLWriter, WriterPool, stream


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_metadata_comes_first_and_each_line_is_there_at_once(tmp_path: Path) -> None:
    writer = JSONLWriter(tmp_path / "a.jsonl", metadata={"type": "run_metadata"})
    assert lines(writer.path) == [{"type": "run_metadata"}]
    writer.write({"z": 1, "a": "größer"})
    assert writer.path.read_text().splitlines()[1] == '{"z": 1, "a": "größer"}'
    writer.close()
    writer.close()


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    names = [JSONLWriter(directory=tmp_path, name="a.jsonl").path.name for _ in range(3)]
    assert names == ["a.jsonl", "a-2.jsonl", "a-3.jsonl"]


def test_a_name_is_generated(tmp_path: Path) -> None:
    assert JSONLWriter(directory=tmp_path / "new").path.suffix == ".jsonl"


def test_a_record_after_the_end_is_an_error(tmp_path: Path) -> None:
    writer = JSONLWriter(tmp_path / "a.jsonl")
    writer.close()
    with pytest.raises(HarnessError, match=r"a\.jsonl is closed"):
        writer.write({})


@pytest.mark.parametrize(
    ("value", "written", "reason"),
    [
        (math.nan, None, "nan is not a valid JSON number"),
        (-math.inf, None, "-inf is not a valid JSON number"),
        (object(), None, "a object is not JSON data"),
        (b"x", None, "a bytes is not JSON data"),
    ],
)
def test_what_json_cannot_hold_is_none_with_a_reason(
    tmp_path: Path, value: object, written: object, reason: str
) -> None:
    with JSONLWriter(tmp_path / "a.jsonl") as writer:
        writer.write({"deep": [{"x": value}], "kept": 1})
    assert lines(writer.path) == [{"deep": [{"x": written}], "kept": 1, "not_written": {"deep[0].x": reason}}]


def test_hostile_text_stays_one_line_and_comes_back(tmp_path: Path) -> None:
    text = 'a\nb\r\u2028\u0085\x00"}\\ud800 \ud800 \U0001f600'
    with JSONLWriter(tmp_path / "a.jsonl") as writer:
        writer.write({"text": text})
        writer.write({"second": True})
    assert list(stream(writer.path)) == [{"text": text}, {"second": True}]


def test_endless_nesting_is_cut(tmp_path: Path) -> None:
    nest: list[object] = []
    nest.append(nest)
    with JSONLWriter(tmp_path / "a.jsonl") as writer:
        writer.write({"nest": nest, "kept": 1})
    assert next(stream(writer.path))["kept"] == 1


@pytest.mark.parametrize(
    ("code", "way_out"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "quota is used up"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "no permission"),
    ],
)
def test_a_place_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, way_out: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(HarnessError, match=way_out) as caught:
        JSONLWriter(tmp_path / "a.jsonl")
    assert str(tmp_path / "a.jsonl") in str(caught.value)
    assert isinstance(caught.value, UnwritableError)


def test_a_file_in_the_way_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(HarnessError, match="a file is in the way"):
        JSONLWriter(directory=tmp_path / "results", name="a.jsonl")
    with pytest.raises(HarnessError, match="a file is in the way"):
        JSONLWriter(directory=tmp_path / "results" / "deeper", name="a.jsonl")


FULL = """
import resource, sys
from pathlib import Path
from harness.errors import HarnessError, UnwritableError
from harness.records import JSONLWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
writer = JSONLWriter(Path(sys.argv[1]), metadata={"type": "run_metadata"})
for number in range(100):
    try:
        writer.write({"number": number, "text": "x" * 90})
    except HarnessError as error:
        print(number, error)
        break
writer.write({"small": 1})
"""


def test_a_disk_that_fills_up_leaves_only_whole_lines(tmp_path: Path) -> None:
    """A real limit on the file's size cuts a write short: the part written is taken back."""
    path = tmp_path / "a.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    number, message = done.stdout.split(maxsplit=1)
    assert "the file reached the size limit" in message
    assert len(lines(path)) == 1 + int(number) + 1


def test_a_metadata_line_that_cannot_be_written_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(HarnessError, match="the disk is full"):
        JSONLWriter(tmp_path / "a.jsonl", metadata={"type": "run_metadata"})
    assert list(tmp_path.iterdir()) == []


def test_threads_share_a_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take a line in pieces; another thread's line never comes between them."""
    write = os.write
    interval = sys.getswitchinterval()
    monkeypatch.setattr(os, "write", lambda file, data: write(file, bytes(data)[:20]))
    sys.setswitchinterval(1e-6)
    writer = JSONLWriter(tmp_path / "a.jsonl")
    start = threading.Barrier(8)

    def work(who: int) -> None:
        start.wait()
        for number in range(50):
            writer.write({"who": who, "number": number, "text": "x" * 500})

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert len(list(stream(writer.path))) == 400


def test_the_pool_opens_a_file_per_cell_with_its_metadata(tmp_path: Path) -> None:
    def more(cell: object) -> dict[str, object]:
        return {"run_id": "of this experiment", "cell": str(cell)}

    with WriterPool("r", "abc", results_dir=tmp_path, timestamp="T", metadata=more) as pool:
        first = pool.get("exp_3", "Control", 1)
        assert pool.get("exp_3", "Control", 1) is first
        pool.get("exp_3", "Treatment", 2)
        assert [path.name for path in pool.files] == [
            "exp_3_Control_run1_T.jsonl",
            "exp_3_Treatment_run2_T.jsonl",
        ]
    assert lines(first.path) == [
        {
            "type": "run_metadata",
            "run_id": "of this experiment",
            "git_commit": "abc",
            "experiment": "exp_3",
            "group": "Control",
            "rep": 1,
            "cell": "exp_3-Control-1",
        }
    ]


def test_a_second_session_in_the_same_second_overwrites_nothing(tmp_path: Path) -> None:
    pools = [WriterPool("r", None, results_dir=tmp_path, timestamp="T") for _ in range(2)]
    names = [pool.get("e", "Control", 1).path.name for pool in pools]
    assert names == ["e_Control_run1_T.jsonl", "e_Control_run1_T-2.jsonl"]


def test_a_name_cannot_leave_the_directory(tmp_path: Path) -> None:
    pool = WriterPool("r", None, results_dir=tmp_path / "results", timestamp="T")
    assert pool.get("../../e", "a/b", 1).path.parent == tmp_path / "results"


def test_close_all_closes_every_file_and_reports_the_first_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = WriterPool("r", None, results_dir=tmp_path, timestamp="T")
    writers = [pool.get("e", "Control", rep) for rep in (1, 2)]

    def fails(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(HarnessError, match="run1_T"):
        pool.close_all()
    for writer in writers:
        with pytest.raises(HarnessError, match="is closed"):
            writer.write({})


def test_a_session_may_have_more_cells_than_open_files(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits on open files are POSIX's")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(entry.name) for entry in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 64, before[1]))
    try:
        with WriterPool("r1", None, results_dir=tmp_path, timestamp="20250602T120000") as pool:
            for rep in range(1, 301):
                pool.get("exp", "Control", rep).write({"type": "trial_result"})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert len(list(tmp_path.iterdir())) == 300


@pytest.mark.parametrize("how", ["removed", "replaced", "cut"])
def test_a_file_that_another_process_takes_away_is_noticed_at_the_next_record(
    tmp_path: Path, how: str
) -> None:
    writer = JSONLWriter(tmp_path / "a.jsonl", metadata={"type": "run_metadata"})
    if how == "cut":
        writer.path.write_bytes(b"")
    else:
        kept = tmp_path / "kept"
        writer.path.rename(kept)  # its inode stays taken, so that the new file has another
        writer.path.write_bytes(kept.read_bytes()) if how == "replaced" else None
    with pytest.raises(HarnessError, match=rf"a\.jsonl was {how}.* during the run; .* are lost"):
        writer.write({"n": 1})
