"""``harness analyse`` and ``harness consistency`` from the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.model import Trial
from harness.records import Design
from tests.support.published import june_artifacts
from tests.support.records import SMALL, finished, metadata, some_value, trials, write_file
from tests.support.terminal import Command, command

RUN = "20260101T000000-aaaaaa"


@pytest.fixture
def analyse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command(monkeypatch, capsys, "analyse")


@pytest.fixture
def consistency(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command(monkeypatch, capsys, "consistency")


def records(folder: Path, run: str = RUN, *, design: Design = SMALL, shift: int = 0) -> Path:
    """A rehearsed run of exp_3: every trial, Treatment's scores higher by ``shift``."""

    def value(trial: Trial, metric: str, person: str | None) -> int:
        return some_value(trial, metric, person) % 7 + shift * (trial.cell.group == "Treatment")

    for group in design.groups:
        lines = [finished(trial, design, value) | {"run_id": run} for trial in trials(design, groups=[group])]
        write_file(folder / f"exp_3_{group}_{run}.jsonl", metadata(group, design=design, run_id=run), lines)
    return folder


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_each_run_of_a_folder_has_its_table(analyse: Command, tmp_path: Path) -> None:
    records(tmp_path), records(tmp_path, "20260102T000000-bbbbbb")
    said = analyse(tmp_path)
    assert said.code == 0, said.err
    for run in (RUN, "20260102T000000-bbbbbb"):
        assert f"exp_3, {run}\n" in said.out
    assert said.out.count("REHEARSAL") == 2
    assert max(map(len, said.out.splitlines())) <= 80
    one = analyse(tmp_path, "--run", RUN, "--exp", "exp_3")
    assert f"exp_3, {RUN}\n" in one.out and "bbbbbb" not in one.out
    assert analyse(tmp_path / f"exp_3_Control_{RUN}.jsonl").code == 0


def test_events_are_counted_with_an_exact_test(analyse: Command, tmp_path: Path) -> None:
    records(tmp_path, shift=3)
    assert "counted" not in analyse(tmp_path).out
    metric = SMALL.metrics[-1]
    said = analyse(tmp_path, "--counts", f"{metric}>=5")
    assert said.code == 0 and max(map(len, said.out.splitlines())) <= 80
    (one,) = json.loads(analyse(tmp_path, "--counts", f"{metric}>=5", "--json").out)[0]["counts"]
    control, treatment = (f"{count['events']} of {count['of']}" for count in one["counts"])
    assert f"{metric} >= 5 {control} {treatment} " in squeezed(said.out)
    assert f"{one['test']['method']}: unit {one['test']['unit']}; claimed for" in squeezed(said.out)
    wrong = analyse(tmp_path, "--counts", "Charm>3")
    assert wrong.code == 4 and "unknown metric 'Charm'" in wrong.err and "Traceback" not in wrong.err


def test_json_and_markdown_of_records(analyse: Command, tmp_path: Path) -> None:
    records(tmp_path, shift=1)
    content = json.loads(analyse(tmp_path, "--json").out)
    assert [one["source"] for one in content] == [RUN]
    assert content[0]["groups"]["Control"]["Fluency"]["n"] == 16
    assert "| metric" in analyse(tmp_path, "--format", "md").out


@pytest.mark.parametrize(
    ("experiment", "metric", "row"),
    [
        ("exp_1", "persona_adherence", "−0.91 −1.08 to −0.75 −11.96 19 <.001"),
        ("exp_1", "divergence", "−0.47 −1.10 to +0.15 −1.58 19 .130"),
        ("exp_2_1", "divergence", "−1.42 −2.69 to −0.14 −2.44 11 .033"),
        ("exp_2_2", "ideas_qty", "+5.33"),
        ("exp_3", "persona_adherence", "+0.47 +0.15 to +0.79 3.21 11 .008"),
    ],
)
def test_published_artifacts(analyse: Command, experiment: str, metric: str, row: str) -> None:
    said = analyse("--artifacts", june_artifacts(), "--exp", experiment)
    assert said.code == 0, said.err
    assert max(map(len, said.out.splitlines())) <= 80
    assert "reconstructed from the order of samples" in squeezed(said.out)
    lines = [squeezed(line) for line in said.out.splitlines()]
    assert any(line.startswith(f"{metric} ") and row in line for line in lines), said.out


@pytest.mark.parametrize(("experiment", "count"), [("exp_1", "39 of 40"), ("exp_2_1", "20 of 24")])
def test_a_short_list_is_undefined_with_its_reason(analyse: Command, experiment: str, count: str) -> None:
    said = squeezed(analyse("--artifacts", june_artifacts(), "--exp", experiment).out)
    assert f"ideas_qty: {count} samples in Treatment." in said
    assert "Undefined for ideas_qty: paired t on block differences: the places" in said


def test_the_worked_example_stands_below_the_published_debate_alone(analyse: Command, tmp_path: Path) -> None:
    said = squeezed(analyse("--artifacts", june_artifacts(), "--exp", "exp_3").out)
    for text in (
        "Worked example, persona_adherence",
        "Welch on 240 raw scores (p = .015, as published)",
        "Welch on persona means (p = .099)",
        "Pairing by persona (p = .016)",
        "12 differences, t(11) = 3.21, p = .008",
    ):
        assert text in said
    assert "Worked example" not in analyse("--artifacts", june_artifacts(), "--exp", "exp_2_2").out
    assert "Worked example" not in analyse(records(tmp_path)).out


def test_a_new_result_beside_the_published_one(consistency: Command, tmp_path: Path) -> None:
    said = consistency(records(tmp_path), "--with", june_artifacts())
    assert said.code == 0, said.err
    lines = [squeezed(line) for line in said.out.splitlines()]
    assert any(line.startswith("fluency ") for line in lines), "names pair once they are normalised"
    assert "REHEARSAL" in said.out and max(map(len, said.out.splitlines())) <= 80


def test_the_published_samples_against_themselves_are_a_computation(consistency: Command) -> None:
    said = consistency(june_artifacts(), "--with", june_artifacts(), "--json")
    content = json.loads(said.out)
    assert [one["experiment"] for one in content] == ["exp_1", "exp_2_1", "exp_2_2", "exp_3"]
    verdicts = {verdict["verdict"] for one in content for verdict in one["verdicts"]}
    assert verdicts == {"computation reproduced"}


def test_hard_and_plain_adherence_are_one_metric(consistency: Command, tmp_path: Path) -> None:
    hard = Design(
        ("Control", "Treatment"),
        ("Hard Persona Adherence",),
        ("Hard Persona Adherence",),
        (("A",), ("B",)),
        2,
        2,
    )
    plain = Design(hard.groups, ("Persona Adherence",), ("Persona Adherence",), hard.panels, 2, 2)
    new, old = tmp_path / "new", tmp_path / "old"
    new.mkdir(), old.mkdir()
    said = consistency(records(new, design=hard), "--with", records(old, design=plain, shift=3), "--json")
    (one,) = json.loads(said.out)
    assert [verdict["metric"] for verdict in one["verdicts"]] == ["persona_adherence"]


def test_of_several_runs_the_newest_is_compared(consistency: Command, tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    new.mkdir(), old.mkdir()
    records(new), records(new, "20260102T000000-bbbbbb")
    records(old, shift=1)
    assert json.loads(consistency(new, "--with", old, "--json").out)[0]["new"] == "20260102T000000-bbbbbb"
    assert json.loads(consistency(new, "--with", old, "--json", "--run", RUN).out)[0]["new"] == RUN


MISTAKES = {
    "no such file or folder": ("nowhere",),
    "no artifact of Table 1": ("{empty}", "--with", "{here}"),
    "No records in": ("{empty}",),
    "no records in": ("{here}", "--exp", "other"),
    "Run 'x': no records": ("{here}", "--run", "x"),
    "expected one of them": ("{here}", "--artifacts", "{here}"),
    "expected a margin above 0": ("{here}", "--with", "{here}", "--delta", "0"),
    "TINYTROUPE_REPO_DIR names no": ("{here}", "--with", "published"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_one_message_and_exit_4(
    analyse: Command, consistency: Command, tmp_path: Path, message: str
) -> None:
    here, empty = tmp_path / "here", tmp_path / "empty"
    here.mkdir(), empty.mkdir()
    records(here)
    words = [word.format(here=here, empty=empty) for word in MISTAKES[message]]
    said = (consistency if "--with" in words else analyse)(*words)
    assert said.code == 4 and said.out == "", said.out
    assert said.err.startswith("ERROR: ") and message in said.err and "Traceback" not in said.err


def test_a_verdict_and_a_check_are_looks_too(
    analyse: Command,
    consistency: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    new, earlier = records(tmp_path / "new"), records(tmp_path / "earlier", "20250101T000000-cccccc")
    for path in (*new.glob("*.jsonl"), *earlier.glob("*.jsonl")):
        path.write_text(path.read_text().replace("rehearsal", "openai"))
    assert consistency(new, "--with", earlier).code == 0
    assert command(monkeypatch, capsys, "check")(new).code == 0
    rows = [json.loads(line) for line in (new / "plans" / "looks.jsonl").read_text().splitlines()]
    assert [(row["how"], row["look_run"]) for row in rows] == [("consistency", RUN), ("check", RUN)]
    assert (earlier / "plans" / "looks.jsonl").exists()
