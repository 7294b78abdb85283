"""Which run a session belongs to."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import harness.stats
from harness.addresses import without_secrets
from harness.errors import ConfigurationError, HarnessError, LostRepliesError
from harness.records import Design, Run, RunRegistry, WriterPool, files_of_run, fingerprint, merge
from harness.records.registry.recovery import describe
from tests.support.records import SMALL, finished, trials

SETTINGS = {"model": "gpt-4o", "script": {"sha256": "aa", "source": "notebook"}, "seed": 1}
CONTROL = {"Control": {"correction": None}}
TREATMENT = {"Treatment": {"correction": {"quality_threshold": 5}}}
Session = Callable[..., Run]


def clock() -> datetime:
    return datetime(2025, 11, 20, 17, 41, tzinfo=UTC)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """One session's work on one run: open it, perhaps finish it, and end."""
    numbers = count(1)

    def work(
        settings: Any = SETTINGS,
        groups: Any = CONTROL,
        reps: int = 2,
        *,
        finish: bool = False,
        **options: Any,
    ) -> Run:
        with RunRegistry(tmp_path, clock, lambda: f"{next(numbers):06x}") as registry:
            run = registry.open("exp_3", settings, groups, reps, **options)
            if finish:
                registry.finish(run.id)
            return run

    return work


def test_a_first_run(session: Session) -> None:
    run = session()
    assert run.id == "20251120T174100-000001"
    assert (run.experiment, run.status, run.joined) == ("exp_3", "open", False)
    assert run.created == "2025-11-20T17:41:00+00:00"
    assert run.fingerprint == fingerprint(SETTINGS)


def test_an_open_run_is_joined_with_its_groups_and_the_most_reps(session: Session) -> None:
    first, second = session(reps=5), session(groups=TREATMENT, reps=2)
    assert (second.id, second.joined) == (first.id, True)
    assert dict(second.groups) == {**CONTROL, **TREATMENT}
    assert second.reps == 5
    assert session(reps=7).reps == 7


def test_a_finished_run_is_followed_by_a_new_one(session: Session) -> None:
    first = session(finish=True)
    assert session().id != first.id


def test_the_newest_open_run_is_joined(session: Session) -> None:
    session()
    newest = session(fresh=True)
    assert session().id == newest.id


@pytest.mark.parametrize(
    ("settings", "groups"),
    [
        ({**SETTINGS, "model": "gpt-4.1"}, CONTROL),
        ({**SETTINGS, "new": None}, CONTROL),
        (SETTINGS, {"Control": {"correction": {"quality_threshold": 5}}}),
    ],
)
def test_other_settings_are_another_run(session: Session, settings: Any, groups: Any) -> None:
    first = session()
    second = session(settings, groups)
    assert (second.id != first.id, second.joined) == (True, False)


def test_the_order_of_keys_is_no_difference(session: Session) -> None:
    assert session(dict(reversed(SETTINGS.items()))).id == session().id


def test_fresh_begins_one_run_for_all_groups_of_a_session(tmp_path: Path) -> None:
    with RunRegistry(tmp_path, clock) as earlier:
        old = earlier.open("exp_3", SETTINGS, CONTROL, 1)
    with RunRegistry(tmp_path, clock) as registry:
        first = registry.open("exp_3", SETTINGS, CONTROL, 1, fresh=True)
        second = registry.open("exp_3", SETTINGS, TREATMENT, 1, fresh=True)
    assert first.id == second.id != old.id


def test_another_experiment_is_another_run(session: Session, tmp_path: Path) -> None:
    first = session()
    with RunRegistry(tmp_path, clock) as registry:
        assert registry.open("exp_1", SETTINGS, CONTROL, 1).id != first.id
        assert [run.experiment for run in registry.runs()] == ["exp_3", "exp_1"]
        assert len(registry.runs("exp_1")) == 1


def test_resume_joins_a_run_by_its_id_even_a_finished_one(session: Session) -> None:
    first = session(finish=True)
    session()
    again = session(resume=first.id)
    assert (again.id, again.status, again.joined) == (first.id, "open", True)


def test_resume_refuses_other_settings_and_names_each(session: Session) -> None:
    run = session()
    changed = {**SETTINGS, "model": "gpt-4.1", "script": {"sha256": "bb", "source": "notebook"}}
    with pytest.raises(ConfigurationError) as caught:
        session(changed, {"Control": {"correction": {"quality_threshold": 5}}}, resume=run.id)
    assert str(caught.value) == (
        f"Run {run.id} of exp_3 was started with other settings:\n"
        "  model: 'gpt-4o' then, 'gpt-4.1' now\n"
        "  script.sha256: 'aa' then, 'bb' now\n"
        "  group Control: correction: None then, (not set) now\n"
        "  group Control: correction.quality_threshold: (not set) then, 5 now\n"
        "Restore them."
    )


@pytest.mark.parametrize("change", [{"new": None}, {"seed": 1.0}, {"seed": True}, {"seed": "1"}])
def test_resume_refuses_even_a_slight_difference(session: Session, change: dict[str, Any]) -> None:
    run = session()
    with pytest.raises(ConfigurationError, match="other settings"):
        session({**SETTINGS, **change}, resume=run.id)


def test_resume_of_a_run_that_is_not_there(session: Session) -> None:
    run = session()
    with pytest.raises(ConfigurationError, match=f"Run 'gone' of exp_3 is not in .* one of {run.id}"):
        session(resume="gone")


def test_resume_and_fresh_contradict(session: Session) -> None:
    with pytest.raises(ConfigurationError, match="contradict"):
        session(resume="x", fresh=True)


def test_finishing_a_run_that_is_not_there(tmp_path: Path) -> None:
    with (
        RunRegistry(tmp_path, clock) as registry,
        pytest.raises(ConfigurationError, match=r"one of \(none\)"),
    ):
        registry.finish("gone")


def test_the_same_second_and_token_are_two_runs(tmp_path: Path) -> None:
    with RunRegistry(tmp_path, clock, lambda: "aa") as registry:
        ids = [registry.open(name, SETTINGS, CONTROL, 1).id for name in ("exp_1", "exp_2", "exp_3")]
    assert ids == ["20251120T174100-aa", "20251120T174100-aa-2", "20251120T174100-aa-3"]


def test_two_live_sessions_cannot_share_a_run(tmp_path: Path) -> None:
    with RunRegistry(tmp_path, clock) as one, RunRegistry(tmp_path, clock) as two:
        run = one.open("exp_3", SETTINGS, CONTROL, 1)
        assert one.open("exp_3", SETTINGS, TREATMENT, 1).id == run.id
        with pytest.raises(HarnessError, match=f"another session .process {os.getpid()}"):
            two.open("exp_3", SETTINGS, CONTROL, 1)
        assert two.open("exp_3", SETTINGS, CONTROL, 1, fresh=True).id != run.id


HOLDS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from harness.records import RunRegistry
registry = RunRegistry(Path(sys.argv[1]), lambda: datetime(2025, 11, 20, tzinfo=UTC))
print(registry.open("exp_3", {}, {}, 1).id, flush=True)
sys.stdin.read()
"""


def test_a_dead_session_holds_nothing(tmp_path: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], text=True, **pipes) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        with RunRegistry(tmp_path, clock) as registry:
            with pytest.raises(HarnessError, match=f"process {process.pid}"):
                registry.open("exp_3", {}, {}, 1)
            process.kill()
            process.wait()
            assert registry.open("exp_3", {}, {}, 1).id == run_id


def test_settings_that_are_not_data_have_no_fingerprint() -> None:
    with pytest.raises(ConfigurationError, match=r"Settings of the run: a\.b: a object is not JSON data"):
        fingerprint({"a": {"b": object()}})


@pytest.mark.parametrize(
    "same", [({"a": 1, "b": (1, 2)}, {"b": [1, 2], "a": 1}), ({"s": {3, 1}}, {"s": {1, 3}})]
)
def test_equal_settings_have_equal_fingerprints(same: tuple[Any, Any]) -> None:
    assert fingerprint(same[0]) == fingerprint(same[1])


@pytest.mark.parametrize("damage", ["not a database", "torn"])
def test_a_damaged_registry_is_set_aside_with_a_warning(
    session: Session, tmp_path: Path, damage: str
) -> None:
    for number in range(40):
        session({"n": number, "text": "x" * 500})
    path = tmp_path / "runs.sqlite"
    whole = path.read_bytes()
    damaged = b"garbage" * 1000 if damage == "not a database" else whole[: len(whole) // 2]
    path.write_bytes(damaged)
    with pytest.warns(
        RuntimeWarning, match=r"runs\.sqlite cannot be used .* set aside as runs\.sqlite\.corrupt-1"
    ):
        session()
    assert (tmp_path / "runs.sqlite.corrupt-1").read_bytes() == damaged
    path.write_bytes(damaged)
    with pytest.warns(RuntimeWarning, match="corrupt-2"):
        session()


def test_a_lost_registry_is_made_anew_from_the_record_files(session: Session, tmp_path: Path) -> None:
    done, half = session(), session(fresh=True, reps=4)
    for run, groups in ((done, ["Control", "Treatment"]), (half, ["Control"])):
        first = {"fingerprint": run.fingerprint, "settings": SETTINGS, "group_settings": {"correction": None}}
        design = (
            SMALL if run is done else SMALL.joined([Design.from_metadata({**SMALL.to_metadata(), "reps": 4})])
        )
        with WriterPool(
            run.id,
            None,
            results_dir=tmp_path,
            timestamp="T",
            metadata=lambda cell, first=first, design=design: {**first, "design": design.to_metadata()},
        ) as pool:
            for trial in trials(SMALL, groups=groups):
                writer = pool.get(trial.cell.experiment, trial.cell.group, trial.cell.rep)
                writer.write(finished(trial, SMALL) | {"run_id": run.id})
        merge(files_of_run(tmp_path, "exp_3", run.id), stats=harness.stats)
    (tmp_path / "foreign.jsonl").write_text('{"run_id": "x", "settings": {}}\n')
    (tmp_path / "runs.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.warns(RuntimeWarning, match=r"rebuilt from the record files .*\(runs: 2\)"):
        again = session()
    assert (again.id, again.joined, again.reps) == (half.id, True, 4)
    with RunRegistry(tmp_path, clock) as registry:
        assert [(run.id, run.status) for run in registry.runs()] == [(done.id, "finished"), (half.id, "open")]


KEYED = "https://gateway.example/k3Yq7vT3mXw9Lb/v1"


def test_a_run_whose_address_was_kept_with_a_key_is_joined_and_keeps_none(
    session: Session, tmp_path: Path
) -> None:
    earlier = session({**SETTINGS, "base_url": KEYED})
    now = {**SETTINGS, "base_url": without_secrets(KEYED)}
    assert session(now).id == session(now, resume=earlier.id).id == earlier.id
    assert b"k3Yq7vT3mXw9Lb" not in (tmp_path / "runs.sqlite").read_bytes()
    assert session({**SETTINGS, "base_url": without_secrets(KEYED.replace("k3", "k4"))}).id != earlier.id


UNREADABLE = {
    "bad JSON": "update runs set settings = '{'",
    "JSON of another kind": "update runs set groups = '[]'",
    "text that is not UTF-8": "update runs set settings = cast(x'ff' as text)",
    "an unknown status": "update runs set status = 'paused'",
    "reps that are no number": "update runs set reps = 'many'",
    "a missing column": "alter table runs drop column groups",
    "a missing table": "drop table runs",
    "a newer schema": "pragma user_version = 99",
    "another application's tables": "drop table runs; create table notes (text)",
}


def described(tmp_path: Path, run: Run, *, replies: bool = True) -> None:
    """Leave the journal of ``run``, with or without a reply."""
    folder = tmp_path / "journal"
    folder.mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(folder / f"{run.id}.sqlite")) as connection:
        connection.execute("create table replies (trial)")
        connection.execute("create table run (about text)")
        connection.execute("insert into run values (?)", (describe(run),))
        if replies:
            connection.execute("insert into replies values ('t')")
        connection.commit()


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE)
def test_a_registry_that_only_sqlite_can_read_is_set_aside_and_rebuilt(
    session: Session, tmp_path: Path, change: str
) -> None:
    run = session(groups={**CONTROL, **TREATMENT}, reps=3)
    described(tmp_path, run)
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.sqlite")) as connection:
        connection.executescript(change)
    said: list[str] = []
    with RunRegistry(tmp_path, clock, say=said.append) as registry:
        again = registry.open("exp_3", SETTINGS, CONTROL, 1)
    assert (again.id, again.joined, again.reps, set(again.groups)) == (
        run.id,
        True,
        3,
        {"Control", "Treatment"},
    )
    aside = tmp_path / "runs.sqlite.corrupt-1"
    if change == UNREADABLE["a missing table"]:  # an empty database holds nothing to keep
        assert "was missing or empty; it was rebuilt" in said[0] and not aside.exists()
    else:
        assert "cannot be used" in said[0] and aside.exists()


@pytest.mark.parametrize("loss", ["deleted", "emptied"])
def test_a_registry_that_is_gone_is_rebuilt_from_journals_and_said(
    session: Session, tmp_path: Path, loss: str
) -> None:
    run, path = session(), tmp_path / "runs.sqlite"
    described(tmp_path, run)
    path.unlink() if loss == "deleted" else path.write_bytes(b"")
    with pytest.warns(
        RuntimeWarning, match=r"runs\.sqlite was missing or empty; it was rebuilt .*\(runs: 1\)"
    ):
        assert session().id == run.id


def test_what_a_kill_leaves_before_the_first_reply_is_no_loss(session: Session, tmp_path: Path) -> None:
    """An empty registry file; a journal without a reply, whose run never reached the registry."""
    run = session()
    described(tmp_path, run, replies=False)
    (tmp_path / "journal" / f"{run.id[:-1]}2.sqlite").write_bytes(b"")
    (tmp_path / "runs.sqlite").write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not session().joined


def test_paid_replies_of_a_run_that_nothing_describes_are_asked_about_until_answered(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "20251120T174100-0000aa.sqlite")) as connection:
        connection.execute("create table replies (trial)")
        connection.execute("insert into replies values ('exp_3/Control/rep1/panel0/proposal0')")
        connection.commit()
    for _ in range(2):
        with pytest.raises(
            LostRepliesError, match=r"0000aa\.sqlite holds paid replies of a run that no record"
        ):
            RunRegistry(tmp_path, clock)
        assert not (tmp_path / "runs.sqlite").exists()
    RunRegistry(tmp_path, clock, accept_loss=True).close()
    RunRegistry(tmp_path, clock).close()


def test_a_run_is_prepared_before_the_registry_has_it(tmp_path: Path) -> None:
    def fail(run: Run) -> None:
        raise HarnessError(f"no place for {run.experiment}")

    with RunRegistry(tmp_path, clock) as registry:
        with pytest.raises(HarnessError, match="no place for exp_3"):
            registry.open("exp_3", SETTINGS, CONTROL, 1, prepare=fail)
        assert registry.runs() == ()


def test_a_registry_that_vanishes_under_a_session_keeps_its_runs(tmp_path: Path) -> None:
    said: list[str] = []
    with RunRegistry(tmp_path, clock, say=said.append) as registry:
        run = registry.open("exp_3", SETTINGS, CONTROL, 1)
        (tmp_path / "runs.sqlite").unlink()
        registry.finish(run.id)
        assert [(one.id, one.status) for one in registry.runs()] == [(run.id, "finished")]
    assert len(said) == 1


def test_a_busy_registry_is_not_taken_for_damage(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session()
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0}))
    holder = connect(tmp_path / "runs.sqlite", isolation_level=None)
    holder.execute("begin exclusive")
    with pytest.raises(HarnessError, match=r"cannot be used: database is locked.*another folder"):
        session()
    holder.close()
    assert session().joined


def test_a_directory_in_the_way_of_the_registry(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite").mkdir()
    with pytest.raises(HarnessError, match="unable to open database file"):
        RunRegistry(tmp_path, clock)
