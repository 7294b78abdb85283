"""A recorded run beside people's answers: from records to verdicts, text, JSON and the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.cli import main
from harness.errors import ConfigurationError, HarnessError
from harness.humans import load_humans
from harness.humans.comparison import compare_run, compared
from harness.model import Allocation, Choice, Item, Likert, Numeric
from harness.reports import write_report
from harness.reports.human_comparison import comparison_json
from harness.stats.human_comparison.comparison import NO_BETTER, OPEN, WITHIN
from tests.support.people import microdata, survey_run

TRUST = Likert("trust", "How far do you trust the council?", opt_out=("don't know",))
STAY = Choice("stay", "Will you stay?", options=("yes", "no", "perhaps"))
RENT = Numeric("rent", "What rent is fair?", least=0, most=1000, unit="euros")
ITEMS = (TRUST, STAY, RENT)


def answers(
    n: int, seed: int, chances: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1, 0.0)
) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "trust": int(rng.choice(5, p=chances)) + 1,
            "stay": str(rng.choice(["yes", "no", "perhaps"], p=[0.7, 0.2, 0.1])),
            "rent": round(rng.normal(600, 80)),
        }
        for _ in range(n)
    ]


def people(path: Path, n: int = 400, **more: Any) -> harness.Humans:
    rows = answers(n, 1)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    file = microdata(path / "people.csv", {**columns, **more.pop("columns", {})})
    return load_humans(file, ITEMS, {name: name for name in rows[0]}, **more)


def test_answers_from_peoples_own_distribution_are_within_the_ceiling_and_others_are_not(
    tmp_path: Path,
) -> None:
    run = survey_run(
        tmp_path, ITEMS, {"like": answers(80, 2), "unlike": answers(80, 3, (0.0, 0.1, 0.2, 0.3, 0.4))}
    )
    found = compared(run, people(tmp_path), draws=300)
    assert {found.verdicts[item, "like"] for item in ("trust", "stay", "rent")} == {WITHIN}
    assert found.verdicts["trust", "unlike"] == NO_BETTER
    text = str(found)
    assert "The distance is total variation" in " ".join(text.split())
    assert "Of 6 comparisons: 5 within the ceiling, 1 no better than baseline." in " ".join(text.split())


def test_nothing_is_claimed_for_a_rehearsal(tmp_path: Path) -> None:
    run = survey_run(tmp_path, ITEMS, {"plain": answers(80, 2)}, provider="rehearsal")
    found = compared(run, people(tmp_path), draws=100)
    assert set(found.verdicts.values()) == {None}
    text = " ".join(str(found).split())
    assert "Nothing is claimed, and no verdict is given." in text
    assert "comparisons:" not in text
    assert comparison_json(found)["rehearsal"]


def test_a_small_local_model_is_marked_as_such(tmp_path: Path) -> None:
    file = {"file": "tiny.gguf", "sha256": "b179c9523d0e6a0f", "bytes": 98_362_432, "parameters": 134_515_008}
    run = survey_run(
        tmp_path, ITEMS, {"plain": answers(40, 2)}, provider="local", model="tiny", model_file=file
    )
    assert "say little about larger models" in " ".join(
        str(compared(run, people(tmp_path), draws=100)).split()
    )


def test_skipped_missing_and_opted_out_answers_are_counted_apart(tmp_path: Path) -> None:
    given = answers(20, 2)
    given[0]["trust"] = {"status": "skipped", "reason": "stay == 'no'"}
    given[1]["trust"] = {"status": "missing", "reason": "9 is not on the scale"}
    given[2]["trust"] = {"status": "opt out", "value": "don't know"}
    run = survey_run(tmp_path, ITEMS, {"plain": given})
    side = compare_run(run, people(tmp_path), draws=50).items[0].model
    assert (side.n, side.missing) == (17, 1)
    assert side.opted_out == pytest.approx(1 / 18)


def test_probabilities_of_options_are_weights_of_one_person(tmp_path: Path) -> None:
    shares = {"yes": 0.5, "no": 0.25, "perhaps": 0.25}
    given = [{"stay": {"status": "answered", "value": "yes", "probabilities": shares}}] * 12
    run = survey_run(tmp_path, ITEMS, {"plain": given})
    side = next(one for one in compare_run(run, people(tmp_path), draws=50).items if one.item == "stay").model
    assert side.n == 12
    assert side.effective_n == pytest.approx(12)
    assert side.shares[0] == pytest.approx((0.5, 0.25, 0.25))


def test_weights_of_personas_and_people_are_used(tmp_path: Path) -> None:
    given = answers(40, 2)
    for place, row in enumerate(given):
        row["trust"] = 1 if place < 20 else 2
    run = survey_run(tmp_path, ITEMS, {"plain": given}, weights=[3.0] * 20 + [1.0] * 20)
    data = people(tmp_path, weight="w", columns={"w": [1, 3] * 200})
    item = compare_run(run, data, draws=50).items[0]
    assert item.model.shares[0][:2] == pytest.approx((0.75, 0.25))
    assert item.people.effective_n == pytest.approx(1600 / 5 * 1.0, rel=0.01)


def test_subgroups_and_effects_are_compared_where_both_sides_have_them(tmp_path: Path) -> None:
    run = survey_run(
        tmp_path, ITEMS, {"plain": answers(60, 2), "warm": answers(60, 3, (0.1, 0.2, 0.2, 0.3, 0.2))},
        attributes=[{"region": ["north", "south"][number % 2], "age": number} for number in range(60)],
    )  # fmt: skip
    arms = ["plain", "warm"] * 200
    data = people(
        tmp_path, arm="arm", groups=["plain", "warm"], attributes=["region", "age"],
        columns={"arm": arms, "region": ["North", "South"] * 200, "age": list(range(400))},
    )  # fmt: skip
    whole = compared(run, data, draws=50)
    said, found = " ".join(str(whole).split()), whole.found
    assert "by region are not compared: no value is shared" in said
    assert "by age are not compared: people have 400 values of it; expected 12 at most, or bins" in said
    assert {one.item for one in found.effects} == {"trust", "stay", "rent"}
    assert [one.people.n for one in found.items] == [200] * 6
    assert not found.subgroups  # North is not north, and an age without bins has too many values
    data = people(tmp_path, attributes={"region": "region"}, columns={"region": ["north", "south"] * 200})
    found = compare_run(run, data, draws=50)
    assert {one.subgroup for one in found.subgroups} == {"region: north", "region: south"}
    assert found.effects == ()


def test_too_few_personas_are_not_decided_with_the_reason(tmp_path: Path) -> None:
    run = survey_run(tmp_path, ITEMS, {"plain": answers(6, 2)})
    found = compare_run(run, people(tmp_path), draws=50)
    assert {(one.verdict, one.reason) for one in found.items} == {(OPEN, "6 personas; a verdict needs 10")}


def test_an_item_that_changed_since_it_was_bound_is_refused(tmp_path: Path) -> None:
    changed: tuple[Item, ...] = (Likert("trust", "How far?", points=7),)
    run = survey_run(tmp_path, changed, {"plain": [{"trust": 3}] * 12})
    with pytest.raises(ConfigurationError, match="'trust': its answers in run r1 differ"):
        compare_run(run, people(tmp_path))


def test_data_on_other_items_or_none_are_refused(tmp_path: Path) -> None:
    run = survey_run(
        tmp_path, (Allocation("a", "?", options=("x", "y")),), {"plain": [{"a": {"x": 50, "y": 50}}] * 3}
    )
    with pytest.raises(ConfigurationError, match="people answered no item of trust"):
        compare_run(run, people(tmp_path))
    with pytest.raises(HarnessError, match="has no human data"):
        harness.load(tmp_path).compare_with()


def test_commands_and_python_give_the_same_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    survey_run(tmp_path / "results", ITEMS, {"plain": answers(40, 2)})
    people(tmp_path)
    monkeypatch.chdir(tmp_path)
    maps = [f"--map={name}={name}" for name in ("trust", "stay", "rent")]
    assert called(monkeypatch, "add", "people.csv", *maps, "--source", "made up", "--licence", "CC0") == 0
    said = capsys.readouterr().out
    assert "people: 400 people. Source: made up." in said
    assert called(monkeypatch, "compare", "trust", "--json") == 0
    (data,) = json.loads(capsys.readouterr().out)
    found = harness.load("results").compare_with()
    assert [one["distances"] for one in data["items"]] == [dict(one.distances) for one in found.found.items]
    assert data["people"]["licence"] == "CC0"
    assert called(monkeypatch, "compare") == 0
    assert capsys.readouterr().out == str(found)
    assert called(monkeypatch, "map", "people.csv", "--out", "b.yaml") == 0
    assert called(monkeypatch, "add", "people.csv", "--binding", "b.yaml", "--name", "again") == 0
    assert set(harness.load("results").humans) == {"people", "again"}
    capsys.readouterr()
    assert called(monkeypatch, "compare") == 4
    assert "several human data" in capsys.readouterr().err
    assert called(monkeypatch, "add", "people.csv") == 4
    assert "either --map" in capsys.readouterr().err


def called(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["harness", "humans", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_report_shows_people_and_personas_side_by_side(tmp_path: Path) -> None:
    budget = Allocation("budget", "Divide <100> points.", options=("roads", "parks", "<b>schools"))
    items = (*ITEMS, budget)
    given = [row | {"budget": {"roads": 20, "parks": 30, "<b>schools": 50}} for row in answers(20, 2)]
    survey_run(tmp_path, items, {"plain": given})
    file = microdata(
        tmp_path / "people.csv",
        {**{name: [row[name] for row in answers(60, 1)] for name in ("trust", "stay", "rent")},
         "b1": [10] * 60, "b2": [60] * 60, "b3": [30] * 60},
    )  # fmt: skip
    columns = {"budget[roads]": "b1", "budget[parks]": "b2", "budget[<b>schools]": "b3"}
    load_humans(file, items, {"trust": "trust", "stay": "stay", "rent": "rent", **columns}).save(tmp_path)
    write_report([tmp_path], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    section = page[page.index('id="run-1-people"') : page.index('id="run-1-effects"')]
    assert section.count("<figure") == 4
    assert "<b>schools" not in section
    assert "no better than baseline" in section
    assert "variance beside people" in page[page.index('id="run-1-instrument"') :]
    write_report([tmp_path], tmp_path / "r.md")
    assert "Beside people: people" in (tmp_path / "r.md").read_text()


def test_a_report_says_what_is_wrong_with_human_data_and_goes_on(tmp_path: Path) -> None:
    survey_run(tmp_path, ITEMS, {"plain": answers(12, 2)})
    (tmp_path / "humans").mkdir()
    (tmp_path / "humans" / "x.json").write_text("{")
    write_report([tmp_path], tmp_path / "r.md")
    assert "No comparison with people: " in (tmp_path / "r.md").read_text()
