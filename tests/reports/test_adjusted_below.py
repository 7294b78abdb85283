"""An adjusted p below its p, which Dunnett's pooled error can give, is explained in every place that shows it."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.model import Trial
from harness.records import Design
from harness.reports.primary_answer import answer_lines
from tests.support.records import finished, metadata, trials, write_file

DESIGN = Design(("Control", "A", "Loud"), ("tact",), (), tuple((f"p{n}",) for n in range(6)), 1, 2)
WHY = "its error is pooled over all groups, so it can be below p"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose Loud arm varies more than the others, so that its own p is larger than the pooled one."""
    rng = random.Random(5)

    def value(trial: Trial, _: str, __: str | None) -> float:
        loud = trial.cell.group == "Loud"
        return rng.gauss(5 + trial.panel + 1.5 * loud, 2.0 if loud else 1.5)

    for group in DESIGN.groups:
        first = metadata(group, design=DESIGN) | {"provider": "openai", "settings": {"provider": "openai"}}
        records = [finished(trial, DESIGN, value) for trial in trials(DESIGN, groups=[group])]
        write_file(tmp_path / "results" / f"exp_3_{group}_run1_x.jsonl", first, records)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_summary_analysis_report_and_json_explain_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        with pytest.raises(SystemExit):
            main()
        return capsys.readouterr().out

    (analysed,) = json.loads(shown("analyse", "results", "--json"))
    loud = next(one for one in analysed["comparisons"] if one["treatment"] == "Loud")
    assert loud["p_adjusted"] < loud["primary"]["p"]
    assert WHY in loud["adjustment"]
    assert WHY in " ".join(answer_lines(analysed))
    assert WHY in " ".join(shown("analyse", "results").split())
    for name in ("report.md", "report.html"):
        shown("report", "results", "--out", name)
        text = (folder / name).read_text()
        assert text.count(WHY) >= 2, f"{name}: once in the verdict's sentence, once below the table"
