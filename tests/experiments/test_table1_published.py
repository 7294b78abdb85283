"""Published artifacts become datasets: names, places, and what cannot be known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigurationError, HarnessError
from harness.experiments.table1.metric_names import names, normalised
from harness.experiments.table1.published_samples import published_datasets
from harness.experiments.table1.settings import EXP_3, TABLE
from harness.model import Dataset
from tests.support.published import copied, june_artifacts


@pytest.fixture
def published() -> dict[str, Dataset]:
    return {one.experiment: one for one in published_datasets(june_artifacts())}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("Hard Persona Adherence", "persona_adherence"),
        ("Persona Adherence", "persona_adherence"),
        ("Self-consistency", "self_consistency"),
        ("Fluency", "fluency"),
        ("Task Completion", "task_completion"),
        ("ideas_qty", "ideas_qty"),
        (" Divergence ", "divergence"),
        ("Offene Fragen (ü)", "offene_fragen_ü"),
    ],
)
def test_names(given: str, wanted: str) -> None:
    assert normalised(given) == wanted


def test_names_that_would_fall_together_stay() -> None:
    both = ("Hard Persona Adherence", "Persona Adherence", "Fluency")
    assert names(both) == {both[0]: both[0], both[1]: both[1], "Fluency": "fluency"}


def test_the_four_experiments_in_their_order(published: dict[str, Dataset]) -> None:
    assert list(published) == ["exp_1", "exp_2_1", "exp_2_2", "exp_3"]
    for one in published.values():
        assert one.groups == ("Control", "Treatment")
        assert one.coordinates == "reconstructed" and not one.rehearsal
        assert {"persona_adherence", "self_consistency", "fluency", "divergence"} < set(one.metrics)
    assert "ideas_qty" in published["exp_1"].metrics and "ideas_qty" not in published["exp_3"].metrics


@pytest.mark.parametrize(
    ("name", "panels", "proposals", "reps", "people"),
    [("exp_1", 4, 5, 2, 20), ("exp_2_1", 3, 4, 2, 12), ("exp_2_2", 3, 4, 2, 12), ("exp_3", 4, 3, 2, 20)],
)
def test_designs(
    published: dict[str, Dataset], name: str, panels: int, proposals: int, reps: int, people: int
) -> None:
    seen = list(published[name].of("fluency", "Control"))
    assert {one.block for one in seen} == {(i, j) for i in range(panels) for j in range(proposals)}
    assert {one.rep for one in seen} == set(range(1, reps + 1))
    assert len({one.person for one in seen}) == people
    assert len({one.trial for one in seen}) == panels * proposals * reps
    assert {one.person for one in published[name].of("divergence")} == {None}


def test_places_follow_from_the_order_panel_proposal_rep_person(published: dict[str, Dataset]) -> None:
    raw = json.loads((june_artifacts() / EXP_3.artifact).read_bytes())
    values = raw["experiments"]["Treatment"]["results"]["Self-consistency"]
    at = {
        (one.panel, one.proposal, one.rep, one.person): one.value
        for one in published["exp_3"].of("self_consistency", "Treatment")
    }
    for panel, proposal, rep, seat in [(0, 0, 1, 0), (0, 0, 2, 3), (1, 2, 1, 4), (3, 2, 2, 4)]:
        place = ((panel * 3 + proposal) * 2 + rep - 1) * 5 + seat
        assert at[panel, proposal, rep, f"person {panel * 5 + seat + 1}"] == values[place]


def test_the_worked_example_comes_out_of_the_places(published: dict[str, Dataset]) -> None:
    from scipy import stats

    def mean_by(key: str, group: str) -> list[float]:
        seen: dict[Any, list[float]] = {}
        for one in published["exp_3"].of("persona_adherence", group):
            assert one.value is not None
            seen.setdefault(getattr(one, key), []).append(one.value)
        return [sum(values) / len(values) for _, values in sorted(seen.items())]

    pairs = {key: (mean_by(key, "Treatment"), mean_by(key, "Control")) for key in ("person", "block")}
    assert stats.ttest_ind(*pairs["person"], equal_var=False).pvalue == pytest.approx(0.0986, abs=1e-4)
    assert stats.ttest_rel(*pairs["person"]).pvalue == pytest.approx(0.0163, abs=1e-4)
    assert stats.ttest_rel(*pairs["block"]).pvalue == pytest.approx(0.0083, abs=1e-4)


@pytest.mark.parametrize(("name", "there", "expected"), [("exp_1", 39, 40), ("exp_2_1", 20, 24)])
def test_a_short_list_has_values_but_no_places(
    published: dict[str, Dataset], name: str, there: int, expected: int
) -> None:
    short = published[name]
    assert len(short.values("ideas_qty", "Treatment")) == there
    assert short.missing("ideas_qty", "Treatment") == expected - there
    seen = list(short.of("ideas_qty", "Treatment"))
    assert len(seen) == expected and {one.value for one in seen} == {None}
    assert {one.reason for one in seen} == {
        f"the artifact lists {there} samples for {expected} places, so which value belongs here is unknown"
    }
    assert set(short.unplaced) == {("ideas_qty", "Treatment")}
    assert short.missing("ideas_qty", "Control") == 0


def own(folder: Path, run: str, name: str = "exp_3", **changes: Any) -> None:
    """An artifact of ours: two panels of one, one proposal, two reps; rep 2 of panel 0 unfinished in Treatment."""
    values = {"Control": [1, 2, 3, 4], "Treatment": [5, 7, 8]}
    metric = "Hard Persona Adherence"
    artifact = {"experiments": {group: {"results": {metric: seen}} for group, seen in values.items()}}
    meta = {
        "run_id": run,
        "rehearsal": True,
        "design": {
            "groups": list(values),
            "metrics": [metric],
            "person_metrics": [metric],
            "panels": [["Ada"], ["Bo"]],
            "proposals": 1,
            "reps": 2,
        },
        "trials": {"outstanding": {"Treatment": [{"trial": f"{name}/Treatment/rep2/panel0/proposal0"}]}},
        "missing_samples": [],
        **changes,
    }
    (folder / f"{name}_{run}.json").write_text(json.dumps(artifact), "utf-8")
    (folder / f"{name}_{run}.meta.json").write_text(json.dumps(meta), "utf-8")


def test_our_own_artifact_says_itself_what_is_missing(tmp_path: Path) -> None:
    own(tmp_path, "20260101T000000-aaaaaa")
    (mine,) = published_datasets(tmp_path)
    assert (mine.coordinates, mine.rehearsal, mine.source) == ("recorded", True, "20260101T000000-aaaaaa")
    places = {
        (one.rep, one.person): (one.value, one.reason) for one in mine.of("persona_adherence", "Treatment")
    }
    assert places == {
        (1, "Ada"): (5, None),
        (2, "Ada"): (None, "the trial did not finish"),
        (1, "Bo"): (7, None),
        (2, "Bo"): (8, None),
    }
    assert not mine.unplaced


def test_a_sample_that_the_meta_file_names_leaves_its_place_free(tmp_path: Path) -> None:
    gap = {
        "metric": "Hard Persona Adherence",
        "group": "Treatment",
        "trial": "exp_3/Treatment/rep1/panel1/proposal0",
        "person": "Bo",
        "reason": "no number in the reply",
    }
    own(tmp_path, "20260101T000000-aaaaaa", missing_samples=[gap], trials={"outstanding": {}})
    (mine,) = published_datasets(tmp_path)
    seen = [(one.value, one.reason) for one in mine.of("persona_adherence", "Treatment")]
    assert seen == [(5, None), (7, None), (None, "no number in the reply"), (8, None)]


def test_of_several_runs_the_newest_or_the_one_asked_for(tmp_path: Path) -> None:
    for run in ("20260102T000000-bbbbbb", "20260101T000000-aaaaaa"):
        own(tmp_path, run)
    assert [one.source for one in published_datasets(tmp_path)] == ["20260102T000000-bbbbbb"]
    asked = published_datasets(tmp_path, runs=["20260101T000000-aaaaaa"])
    assert [one.source for one in asked] == ["20260101T000000-aaaaaa"]
    with pytest.raises(ConfigurationError, match=r"Run 'x': no artifact .* 20260101T000000-aaaaaa, 2026"):
        published_datasets(tmp_path, runs=["x"])
    with pytest.raises(ConfigurationError, match="both of exp_3"):
        published_datasets(tmp_path, runs=["20260101T000000-aaaaaa", "20260102T000000-bbbbbb"])


def test_other_files_of_a_folder_are_let_be(tmp_path: Path) -> None:
    own(tmp_path, "20260101T000000-aaaaaa")
    for name in ("exp_3_other_20260101T000000-aaaaaa.json", "notes.json", "exp_3_draft.json"):
        (tmp_path / name).write_text("{", "utf-8")
    assert len(published_datasets(tmp_path)) == 1


def _first(content: dict[str, Any]) -> dict[str, Any]:
    results: dict[str, Any] = content["experiments"]["Control"]["results"]
    return results


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON: line 1, column 2"),
        ("[" * 100_000, "is nested too deep"),
        ("[]", "expected a JSON object, not a list"),
        ("{}", "has no 'experiments'"),
        ('{"experiments": {"Control": 7}}', "group 'Control' has no 'results'"),
        (
            '{"experiments": {"Control": {"results": {"Fluency": 7}}}}',
            "expected a list of numbers, not a int",
        ),
        ('{"experiments": {"C": {"results": {"Fluency": [1, "7"]}}}}', "sample 1 is '7'; expected a number"),
        ('{"experiments": {"C": {"results": {"Fluency": [NaN]}}}}', "sample 0 is nan; expected a number"),
        ('{"experiments": {"C": {"results": {"Fluency": [], "fluency": []}}}}', "has fluency twice"),
    ],
)
def test_what_cannot_be_read_is_one_message(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / TABLE[0].artifact).write_text(text, "utf-8")
    with pytest.raises(HarnessError) as error:
        published_datasets(tmp_path)
    assert said in str(error.value) and TABLE[0].artifact in str(error.value)


def test_a_folder_that_is_not_there_or_has_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder"):
        published_datasets(tmp_path / "nowhere")
    with pytest.raises(HarnessError, match="has no artifact of Table 1"):
        published_datasets(tmp_path)


def test_a_meta_file_of_another_kind(tmp_path: Path) -> None:
    own(tmp_path, "20260101T000000-aaaaaa", trials=[])
    with pytest.raises(HarnessError, match="does not list missing values"):
        published_datasets(tmp_path)


def test_a_list_that_is_too_long_has_no_places_either(tmp_path: Path) -> None:
    def one_more(name: str, content: dict[str, Any]) -> None:
        if name == EXP_3.artifact:
            _first(content)["Fluency"].append(7)

    longer = published_datasets(copied(tmp_path / "copy", one_more))[-1]
    assert ("fluency", "Control") in longer.unplaced
    assert longer.missing("fluency", "Control") == 0 and len(longer.values("fluency", "Control")) == 121


def test_a_checkout_finds_its_own_folder(tmp_path: Path) -> None:
    copied(tmp_path / "publications" / "paper_artifacts_june-2025")
    assert len(published_datasets(tmp_path)) == 4
