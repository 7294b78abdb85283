"""What `harness analyse` and the report add for answers of one persona each, from records to words and figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.model import Scale, Trial
from harness.records import Design, dataset_of, record_files, runs_in_files
from harness.records.people import keep_people
from harness.reports import write_report
from harness.reports.answer_tables import answer_parts
from harness.reports.figures import bins_of
from harness.reports.parts import as_text
from harness.reports.tables import analysis_parts
from harness.stats import analyse
from tests.support import records

PEOPLE = 24
QUESTION = "How far do you trust the council?"
ITEMS = [
    {"type": "likert", "name": "trust", "question": QUESTION, "points": 5, "labels": ["not at all", "completely"]},
    {"type": "matrix", "name": "safe", "question": "How safe is …", "rows": ["home"], "points": 5,
     "labels": ["very unsafe", "unsafe", "so so", "safe", "very safe"]},
    {"type": "yes_no", "name": "stay", "question": "Will you stay?"},
]  # fmt: skip
METRICS = [
    {"name": "trust", "function": None, "scale": [1, 5], "label": QUESTION},
    {"name": "safe[home]", "function": None, "scale": [1, 5], "label": "How safe is … home"},
    {"name": "stay", "function": None, "scale": [0, 1], "label": "Will you stay?"},
]
NAMES = tuple(str(one["name"]) for one in METRICS)
POPULATION = {
    "source": "people.csv",
    "sha256": "5" * 64,
    "people_file": True,
    "sampling": [{"method": "stratified", "size": PEOPLE, "frame": 900, "seed": 1, "by": ["region"]}],
}


def answer(trial: Trial, metric: str, _: str | None) -> int:
    number = (
        trial.panel * 7 + len(metric) * 3 + 2 * (trial.cell.group == "hopeful") * (trial.panel % 3 > 0)
    ) % 5
    return int(number > 2) if metric == "stay" else 1 + number


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The records of a survey of sampled people with attributes and weights."""
    people = tuple((f"P{number}",) for number in range(PEOPLE))
    plan = Design(("plain", "hopeful"), NAMES, NAMES, people, 1, 1)
    kept = [
        {
            "name": f"P{number}",
            "weight": 1.0 + number % 2,
            "attributes": {"region": "north" if number % 4 else "south", "id": f"#{number}"},
        }
        for number in range(PEOPLE)
    ]
    keep_people(tmp_path, POPULATION, kept)
    for group in plan.groups:
        settings: dict[str, Any] = {"metrics": METRICS, "play": {"survey": ITEMS, "ask": "together"}}
        first = records.metadata(group, design=plan, **settings) | {
            "population": POPULATION,
            "provider": "openai",
        }
        lines = [records.finished(trial, plan, answer) for trial in plan.trials("exp_3", group)]
        records.write_file(tmp_path / f"exp_3_{group}_run1.jsonl", first, lines)
    return tmp_path


def test_scales_words_people_and_sampling_come_from_the_records(folder: Path) -> None:
    (run,) = runs_in_files(record_files([folder]))
    data = dataset_of(run)
    assert data.individual and data.person_of(3) == "P3"
    assert data.scales["trust"] == Scale(1, 5, QUESTION, {1: "not at all", 5: "completely"})
    assert data.scales["safe[home]"].points[3] == "so so"
    assert data.scales["stay"].points == {0: "no", 1: "yes"}
    assert data.respondents.weights["P1"] == 2 and data.respondents.attributes["region"]["P0"] == "south"
    assert data.respondents.sampling is not None
    assert data.respondents.sampling.source == "900 people in people.csv"


def text_of(folder: Path) -> str:
    (run,) = runs_in_files(record_files([folder]))
    data = dataset_of(run)
    return " ".join(as_text(analysis_parts(analyse(data), data)).split())


def test_the_analysis_names_unit_claim_weights_and_family(folder: Path) -> None:
    text = text_of(folder)
    assert (
        "paired t on persona differences, weighted; unit: personas; claimed for the population that" in text
    )
    assert (
        "(proportionally stratified random sample; 900 people in people.csv), as this model plays it" in text
    )
    assert "effective n 22 (Kish); 2 strata" in text
    assert "adj.: Holm over 3 items." in text


def test_the_analysis_shows_shares_ranks_and_subgroups(folder: Path) -> None:
    text = text_of(folder)
    assert "5 (completely)" in text and "3 (so so) or more" in text
    assert "answered higher under hopeful" in text
    assert "region: north 18" in text
    assert "Holm over 3 tests of treatment × attribute" in text
    assert "Attributes without groups to compare are left out: id." in text


def test_designs_of_panels_have_none_of_it(folder: Path) -> None:
    (run,) = runs_in_files(record_files([folder]))
    data = replace(dataset_of(run), panels=tuple((f"P{n}", f"Q{n}") for n in range(PEOPLE)))
    assert list(answer_parts(analyse(data), data.scales)) == []


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_the_report_has_the_items_words_and_the_attributes(folder: Path, name: str) -> None:
    write_report([folder], folder / name)
    text = (folder / name).read_text("utf-8")
    assert QUESTION in text and "Treatment × attribute" in text and "region: north" in text
    assert "24 personas × 1 repetition" in text
    if name.endswith("html"):
        assert "not at" in text and "completely" in text  # below the axis
        assert "hopeful − plain on trust by region" in text


def test_figures_reach_from_end_to_end_of_the_items_scale() -> None:
    bins, labels = bins_of([2, 3, 3], Scale(1, 5, points={1: "never", 5: "always"}))
    assert [low for low, _ in bins] == [1, 2, 3, 4, 5]
    assert labels == ["1\nnever", "2", "3", "4", "5\nalways"]


def test_of_a_long_scale_only_the_ends_have_words() -> None:
    points = {float(point): f"word {point}" for point in range(11)}
    _, labels = bins_of([2, 3, 3], Scale(0, 10, points=points))
    assert [label for label in labels if "\n" in label] == ["0\nword 0", "10\nword 10"]


def test_values_beyond_a_scale_are_drawn_too() -> None:
    bins, _ = bins_of([7, 3], Scale(1, 5))
    assert (bins[0][0], bins[-1][0]) == (1, 7)


def test_attributes_that_cannot_be_tested_are_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.stats.moderation.FEWEST", 50)
    text = text_of(folder)
    assert "Not tested: region (needs two levels with 50 personas or more, and spread; there are 0)." in text
    assert "Welch's F" not in text


def test_effects_of_items_on_different_scales_are_drawn_in_percent_of_the_scale(folder: Path) -> None:
    write_report([folder], folder / "report.html")
    text = (folder / "report.html").read_text("utf-8")
    assert "Differences are in percent of each item" in text and "hopeful − plain, % of the scale" in text
