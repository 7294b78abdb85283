"""``harness study`` at the terminal: from init to a promoted baseline, and one error for each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from tests.support.studies import Bench, command, contents, outcome

pytestmark = pytest.mark.slow

SWEEP = (
    "sweep",
    "races",
    "--path",
    "race.py",
    "--exp",
    "race",
    "--confidence",
    "2",
    "--axis",
    "chunk-size",
    "2",
    "3",
)
CAVEAT = ("--segment-caveat", "One panel.")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert command(tmp_path, "init", "races").stdout == "runs/races\n"
    return tmp_path


def test_from_init_to_a_promoted_baseline(folder: Path) -> None:
    swept = command(folder, *SWEEP)
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert "vr-chunk-size-3-s1  success  12 of 12 trials" in swept.stdout
    study = folder / "runs" / "races"
    (batch,) = (study / "batches").iterdir()
    assert "Registry, manifests and disk agree." in command(folder, "audit", "races").stdout
    compared = command(folder, "compare", "races")
    assert "chunk-size 2" in compared.stdout
    assert "REHEARSAL" in compared.stdout and "EXPLORATORY: no plan names this comparison" in compared.stdout
    assert "in chunk-size 3 − " in compared.stdout and "adj.: Holm over " in compared.stdout
    before = contents(study)
    again = command(folder, "run", "races")
    assert (again.returncode, contents(study)) == (0, before)
    assert "4 of 4 variants were already finished" in again.stdout
    promoted = command(folder, "promote", "races")
    assert promoted.returncode == 4
    assert "no report" in promoted.stderr
    assert command(folder, "finish", "races", *CAVEAT).returncode == 0
    assert command(folder, "promote", "races").returncode == 0
    assert (study / "registry" / "latest.txt").read_text() == f"{batch.name}\n"
    shown = command(folder, "status", "races", batch.name).stdout
    assert f"{batch.name}  scn-v01 cfg-v01  4 of 4 done, baseline" in shown
    assert "stage: 4 variants, ended, exit code 0" in shown


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the sweep comes to that nobody killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    command(folder, "init", "races")
    assert command(folder, *SWEEP).returncode == 0
    return outcome(folder / "runs/races")


@pytest.mark.parametrize("moment", [1, 9, 40])
def test_a_killed_batch_goes_on_to_the_same_end(
    folder: Path, undisturbed: dict[str, Any], moment: int
) -> None:
    """Killed in its first trial, amid the second variant, and near its end (48 trials)."""
    killed = command(folder, *SWEEP, KILL_AT=str(moment))
    assert killed.returncode == -9
    assert (folder / "runs/races/registry/runs.csv").read_text().count("\n") == 1
    went_on = command(folder, "run", "races")
    assert went_on.returncode == 0, went_on.stdout + went_on.stderr
    assert outcome(folder / "runs/races") == undisturbed


def test_a_stop_by_the_budget_is_exit_code_6_and_goes_on(folder: Path) -> None:
    stopped = command(folder, *SWEEP, "--max-calls", "10")
    assert stopped.returncode == 6, stopped.stdout
    rows = (folder / "runs/races/registry/runs.csv").read_text()
    assert ",stopped," in rows
    assert rows.count(",success,") < 4
    assert command(folder, "run", "races").returncode == 0


def test_a_person_who_interrupts_it_finds_that_said_and_can_go_on(folder: Path) -> None:
    interrupted = command(folder, *SWEEP, KILL_AT="9", KILL_WITH="SIGINT")
    assert interrupted.returncode == 2, interrupted.stdout + interrupted.stderr
    rows = (folder / "runs/races/registry/runs.csv").read_text()
    assert ",interrupted," in rows
    went_on = command(folder, "run", "races")
    assert went_on.returncode == 0, went_on.stdout + went_on.stderr
    last = (folder / "runs/races/registry/runs.csv").read_text().splitlines()[-1]
    assert ",success," in last


MISTAKES = [
    (("init", "../races"), "Study '../races': expected lower-case letters"),
    (("run", "nowhere"), "expected a study begun with: harness study init nowhere"),
    (("run", "races"), "Study races has no batches"),
    (("run", "races", "../x"), "Study races has no batches"),
    (("sweep", "races", "--exp", "exp_9", "--axis", "steps", "1"), "Unknown experiment 'exp_9'"),
    (("sweep", "races", "--exp", "table1", "--axis", "steps", "1"), "is a study of several experiments"),
    (("sweep", "races", "--exp", "exp_3", "--axes", "steps", "1"), "unknown option '--axes'"),
    (("sweep", "races", "--exp", "exp_3", "--axis", "mood", "1"), "Axis 'mood': expected one of seed"),
    (
        ("sweep", "races", "--exp", "exp_3", "--axis", "steps", "1", "--axis", "people", "2"),
        "a sweep varies one axis",
    ),
    (("sweep", "races", "--exp", "exp_3", "--model", "openai:gpt-5"), "OPENAI_API_KEY"),
    (("compare", "races"), "has no batches"),
    (("finish", "races"), "has no batches"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES)
def test_one_error_for_each_mistake_and_nothing_touched(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("sys.argv", ["harness", "study", *words])
    here = bench.study.root.parent
    before = contents(here)
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr().err
    assert left.value.code == 4
    assert said in told
    assert told.count("ERROR") == 1
    assert contents(here) == before


def test_what_finish_lacks_is_named_with_the_options_that_give_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.run(bench.declare(("seed", ["0"])))
    monkeypatch.chdir(bench.study.root.parent)
    monkeypatch.setattr("sys.argv", ["harness", "study", "finish", "races"])
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr().err
    assert left.value.code == 4
    assert told.endswith("Option: --single-seed-caveat TEXT\nOption: --segment-caveat TEXT\n")
