"""SQL over the records: it answers, it only looks, and a mistake is one clear message."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import ConfigurationError, HarnessError
from harness.reports.data import build_database, query
from harness.reports.data.rendering import harmless, shown
from tests.support.journal_files import AS_SENT, ASKED, stored, write_journal
from tests.support.lazy_modules import LazyModule
from tests.support.records import SMALL, finished, metadata, trials, write_file

duckdb = LazyModule("duckdb")

TRIALS = list(trials(SMALL))
HOSTILE = "=cmd|' /C calc'!A0 \x1b[2J\x1b]0;owned\x07 [red]‮'; drop table trials; -- \ud83d \x00 " + "x" * 3000


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    for group in SMALL.groups:
        records = [finished(one, SMALL) for one in TRIALS if one.cell.group == group]
        records[0]["samples"][0]["justification"] = HOSTILE
        write_file(folder / f"{group}.jsonl", metadata(group), records)
    return folder


def cli(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["harness", *words])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_an_aggregate(results: Path) -> None:
    found = query(results, 'select "group", count(*) n, avg(value) m from scores group by all order by all')
    assert found.columns == ("group", "n", "m")
    assert [row[:2] for row in found.rows] == [("Control", 32), ("Treatment", 32)]
    assert not found.more


def test_views_are_joined_by_trial(results: Path) -> None:
    sql = "select count(*) from scores s join trials t using (run_id, trial) where t.accepted and s.metric = 'Fluency'"
    assert query(results, sql).rows == ((32,),)
    assert query(results, "select sum(calls) from call_counts where kind = 'act'").rows == ((32,),)


def test_events_are_the_transcripts_of_the_trials_that_count(tmp_path: Path) -> None:
    def event(place: int, **more: Any) -> dict[str, Any]:
        texts = {
            "person": "",
            "kind": "stimulus",
            "type": "CONVERSATION",
            "content": f"{place}",
            "source": "",
        }
        return {"step": 1, "target": "", **texts, **more}

    said = [
        event(0),
        event(1, type="TOOL_CALL", person="agent", target="look_up", content=HOSTILE),
        "no event",
    ]
    earlier = finished(TRIALS[0], SMALL) | {"transcript": said}
    later = finished(TRIALS[0], SMALL) | {
        "transcript": [event(9)],
        "attempt": 2,
        "ended": "2030-01-01T00:00:00Z",
    }
    without = finished(TRIALS[1], SMALL) | {"transcript": None}
    write_file(tmp_path / "a.jsonl", metadata(TRIALS[0].cell.group), [later, earlier, without])
    found = query(tmp_path, "select trial, place, person, type, target, content from events order by place")
    assert [row[:5] for row in found.rows] == [
        (TRIALS[0].id, 0, None, "CONVERSATION", None),
        (TRIALS[0].id, 1, "agent", "TOOL_CALL", "look_up"),
    ]
    assert found.rows[1][5].startswith("=cmd") and found.rows[0][5] == "0"


def test_a_limit_leaves_rows_out_and_says_so(results: Path) -> None:
    found = query(results, "select * from scores", limit=3)
    assert (len(found.rows), found.more) == (3, True)
    assert not query(results, "select * from trials", limit=16).more


@pytest.mark.parametrize(
    "sql", ["describe trials", "summarize scores", "explain select 1", "from experiments", "show tables"]
)
def test_whatever_only_looks_is_allowed(results: Path, sql: str) -> None:
    assert query(results, sql).rows


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("drop view trials", "DROP statement; expected a select"),
        ("create table x as select 1", "CREATE statement"),
        ("copy (select 1) to 'out.csv'", "COPY statement"),
        ("attach 'x.db'", "ATTACH statement"),
        ("install httpfs", "LOAD statement"),
        ("set lock_configuration = false", "SET statement"),
        ("select 1; select 2", "2 statements; expected one"),
        ("", "0 statements; expected one"),
        ("select * from read_csv('/etc/passwd')", "Permission Error"),
        ("select * from read_text('/etc/hostname')", "Permission Error"),
        ("select * from glob('/*')", "Permission Error"),
        ("select * from 'https://example.com/x.csv'", "was not understood"),
        ("select * from nothing", "Table with name nothing does not exist"),
        ("select group from scores", 'write "group" in double quotes'),
        ("select valeu from scores", 'Candidate bindings: "value"'),
        ("select '\ud800'", "half a surrogate pair"),
    ],
)
def test_a_mistake_or_more_than_a_look_is_one_message(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        query(results, sql)
    assert text in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]


def test_variables_of_the_program_are_no_tables(results: Path) -> None:
    secret = [1, 2, 3]
    with pytest.raises(ConfigurationError, match="secret"):
        query(results, "select * from secret")
    assert secret


def test_hostile_text_is_data(results: Path) -> None:
    found = query(results, "select justification from scores where justification is not null")
    assert [row[0] for row in found.rows] == [HOSTILE.replace("\ud83d", "\\ud83d")] * 2
    table = shown(found, "table", 80)
    assert "\x1b" not in table and "\x07" not in table and "‮" not in table
    assert "[red]" in table
    assert max(map(len, table.splitlines())) <= 80
    assert shown(found, "csv", 80).splitlines()[1].startswith("\"'=cmd") or "'=cmd" in shown(found, "csv", 80)
    assert json.loads(shown(found, "json", 80))[0]["justification"] == found.rows[0][0]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        ("\t=1", "'\t=1"),
        (" =1", "' =1"),
        ("＝1", "'＝1"),
        ("a=1", "a=1"),
        (-1, -1),
        (None, None),
        ("", ""),
        (float("nan"), None),
        (["=1"], '["=1"]'),
        ("\r=1", "'\r=1"),
    ],
)
def test_no_cell_is_a_formula(value: Any, cell: Any) -> None:
    assert harmless(value) == cell


def test_many_columns_are_shown_as_lines(results: Path) -> None:
    text = shown(query(results, "select * from trials limit 2"), "table", 80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[0].startswith("experiment ")


def test_json_has_no_number_that_json_lacks(results: Path) -> None:
    found = query(
        results, "select 'nan'::double a, 'infinity'::double b, date '2026-01-02' c, [1, 2] d, {'x': 1} e"
    )
    assert json.loads(shown(found, "json", 80)) == [
        {"a": None, "b": None, "c": "2026-01-02", "d": [1, 2], "e": {"x": 1}}
    ]


def test_the_command(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / "Control.jsonl"
    path.write_bytes(path.read_bytes() + b"{torn")
    sql = 'select "group", avg(value) mean from scores group by all order by all'
    assert cli(monkeypatch, "query", sql, "--results", str(results), "--format", "csv") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "group,mean"
    assert "the last line is torn" in said.err
    assert cli(monkeypatch, "query", sql, "--results", str(results), "--limit", "1") == 0
    said = capsys.readouterr()
    assert "Control" in said.out and "Treatment" not in said.out
    assert "the first 1 rows; more with --limit" in said.err


def test_a_mistake_in_the_command_is_exit_code_4(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(monkeypatch, "query", "selct 1", "--results", str(results)) == 4
    said = capsys.readouterr()
    assert said.err.startswith("ERROR: The query was not understood. Parser Error")
    assert "Traceback" not in said.err and not said.out
    assert cli(monkeypatch, "query", "select 1", "--results", str(results / "none")) == 4


def test_calls_come_from_the_journal_with_request_and_reply(results: Path) -> None:
    assert query(results, "select count(*) from calls").rows == ((0,),)
    write_journal(results / "journal" / "r1.sqlite", "Hello \ud83d")
    write_journal(results / "journal" / "other.sqlite")
    found = query(
        results,
        "select run_id, trial, kind, person, seconds, answered, characters, cost, verdict from calls",
    )
    assert [row[:6] for row in found.rows] == [("r1", TRIALS[0].id, "act", "Ada", 0.25, "m-1")]
    assert found.rows[0][7:] == (0.5, "accepted")
    assert query(results, 'select "group", role from calls').rows == (("Control", "player"),)
    request, reply = query(results, "select request, reply from calls").rows[0]
    assert json.loads(request) == ASKED
    assert reply == "Hello \\ud83d"


def test_a_request_that_went_out_in_another_form_is_shown_as_it_was_sent(results: Path) -> None:
    write_journal(results / "journal" / "r1.sqlite", sent=stored(AS_SENT))
    ((request,),) = query(results, "select request from calls").rows
    assert json.loads(request) == AS_SENT


def test_a_default_output_limit_is_shown_with_the_request_that_it_was_sent_with(results: Path) -> None:
    write_journal(results / "journal" / "r1.sqlite", sent=stored(AS_SENT), limit=1024)
    ((request,),) = query(results, "select request from calls").rows
    assert json.loads(request) == {"max_tokens": 1024, **AS_SENT}


def test_a_damaged_journal_stops_only_who_asks_for_it(results: Path) -> None:
    (results / "journal").mkdir()
    (results / "journal" / "r1.sqlite").write_bytes(b"no database" * 100)
    assert query(results, "select count(*) from trials").rows == ((16,),)
    with pytest.raises(HarnessError, match=r"The journal .* cannot be read"):
        query(results, "select * from calls")


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        names = [row[0] for row in connection.execute("show tables").fetchall()]
        return {name: connection.execute(f"select * from {name}").fetchall() for name in names}


def test_the_database_has_the_replications_tables(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "db" / "tables.duckdb"
    counts = build_database(results, out)
    assert counts == {"tt_experiments": 1, "tt_metric_samples": 64, "tt_metric_stats": 6}
    first = contents(out)
    assert list(first) == sorted(counts)
    build_database(results, out)
    assert contents(out) == first
    assert [path.name for path in out.parent.iterdir()] == ["tables.duckdb"]


def test_the_databases_numbers_are_the_artifacts(results: Path, tmp_path: Path) -> None:
    import harness.stats as stats
    from harness.records import merge

    (artifact,) = merge(sorted(results.glob("*.jsonl")), tmp_path / "x.json", stats=stats)
    published = json.loads(artifact.read_bytes())["experiments"]
    out = tmp_path / "tables.duckdb"
    build_database(results, out)
    with duckdb.connect(str(out), read_only=True) as connection:
        for group, block in published.items():
            for metric, values in block["results"].items():
                where = 'where "group" = ? and metric = ?'
                got = connection.execute(
                    f"select value from tt_metric_samples {where} order by number", [group, metric]
                ).fetchall()
                assert [row[0] for row in got] == values
        tests = published["Control"]["statistical_test_results_vs_others"]["Treatment"]
        for metric, test in tests.items():
            row = connection.execute(
                f"select p, difference, n from tt_metric_stats {where}", ["Treatment", metric]
            )
            assert row.fetchone() == (test["p_value"], test["mean_difference"], test["treatment_sample_size"])


def test_the_database_is_rebuilt_never_added_to(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "tables.duckdb"
    build_database(results, out)
    (results / "Treatment.jsonl").unlink()
    assert build_database(results, out)["tt_metric_samples"] == 32
    assert len(contents(out)["tt_metric_samples"]) == 32


def test_another_file_is_not_overwritten(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "precious.csv"
    out.write_text("a,b\n1,2\nand more")
    with pytest.raises(ConfigurationError, match="is not a DuckDB file"):
        build_database(results, out)
    assert out.read_text().startswith("a,b")
    other = tmp_path / "other.sqlite"
    sqlite3.connect(other).execute("create table x (y)").connection.close()
    with pytest.raises(ConfigurationError, match="is not a DuckDB file"):
        build_database(results, other)
    with pytest.raises(ConfigurationError, match="is a folder"):
        build_database(results, tmp_path)


def test_db_build_says_what_it_wrote(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(monkeypatch, "db", "build", "--results", str(results)) == 0
    assert "tt_metric_samples: 64 rows" in capsys.readouterr().out
    assert (results / "tables.duckdb").exists()
