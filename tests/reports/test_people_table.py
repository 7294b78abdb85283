"""Who took part, from the records alone: attributes, weights and sampling, in frames, queries and the analysis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import Experiment, Group, Likert, Mode, Persona, Proposition, Script, Survey, load_population
from harness.records import datasets, record_files
from harness.records.people import FOLDER, people_of
from harness.records.read_problems import collected
from harness.reports.data import query
from harness.reports.data.people import column_names

ROWS = [
    {"name": f"P{n}", "region": ("North", "North", "South")[n % 3], "age": 20 + n, "panel": "x"}
    for n in range(12)
]


def survey(**changes: Any) -> Experiment:
    people = load_population(ROWS, describe=["age"]).sample(6, by="region", seed=1)
    declared: dict[str, Any] = {
        "name": "trust",
        "population": people.rake({"region": {"North": 0.5, "South": 0.5}}),
        "groups": (Group("plain"), Group("hopeful", instructions="You feel hopeful today.")),
        "survey": Survey(items=[Likert("trust", "How far do you trust the council?", points=5)]),
    }
    return Experiment(**{**declared, **changes})


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "results"
    assert harness.run(survey(), results_dir=folder, quiet=True).exit_code == 0
    return folder


def test_each_person_is_a_row_with_attributes_and_weight(results: Path) -> None:
    people = harness.load(results).people
    assert list(people.columns) == [
        "experiment", "run_id", "rehearsal", "group", "person", "weight", "region", "age", "panel",
    ]  # fmt: skip
    assert len(people) == 6 and people.group.isna().all()
    assert set(people.region) == {"North", "South"} and people.age.dtype.kind == "i"
    assert people[people.region == "South"].weight.sum() == pytest.approx(3)


def test_answers_have_the_attributes_of_their_personas(results: Path) -> None:
    frames = harness.load(results)
    known = frames.people.set_index("person")
    assert len(frames.answers) == 12
    for row in frames.answers.itertuples():
        assert row.region == known.region[row.person] and row.weight == known.weight[row.person]
        assert row.panel_attribute == "x" and isinstance(row.panel, int)
    assert {"region", "age", "weight"} <= set(frames.answers_wide.columns)


def test_a_query_joins_people(results: Path) -> None:
    found = query(
        results,
        "select region, count(*) from answers join people using (run_id, person) group by all order by 1",
    )
    assert found.rows == (("North", 8), ("South", 4))


def test_the_analysis_knows_weights_and_the_frame(results: Path) -> None:
    (data,) = datasets(record_files([results]))
    assert data.respondents.attributes["region"].keys() == data.respondents.weights.keys()
    assert sum(data.respondents.weights.values()) == pytest.approx(6)
    sampling = data.respondents.sampling
    assert sampling is not None
    assert (sampling.size, sampling.strata, sampling.source) == (12, "region", "12 people in rows")


@pytest.mark.parametrize("method", ["quotas", "slice", "everyone"])
def test_no_claim_reaches_a_frame_that_people_were_not_drawn_from_at_random(
    tmp_path: Path, method: str
) -> None:
    people = load_population(ROWS)
    chosen = {
        "quotas": lambda: people.sample(quotas={"region": {"North": 2, "South": 2}}),
        "slice": lambda: people.sample(6)[:4],
        "everyone": lambda: people,
    }
    harness.run(survey(population=chosen[method]()), results_dir=tmp_path, quiet=True)
    (data,) = datasets(record_files([tmp_path]))
    assert data.respondents.sampling is None


def test_people_that_are_lost_are_reported(results: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    shutil.rmtree(copy / FOLDER)
    with collected() as problems:
        (data,) = datasets(record_files([copy]))
    assert problems.lost and "attributes and weights of the people of a run" in str(next(iter(problems)))
    assert data.respondents.weights == {}
    assert len(harness.load(copy).people) == 6


def test_arms_with_people_of_their_own_have_rows_by_arm(tmp_path: Path) -> None:
    other = (Persona("P0", {"age": 99, "region": "West"}), Persona("New", {"age": 1}))
    arms = (Group("plain"), Group("hopeful", population=other))
    done = harness.run(survey(groups=arms), results_dir=tmp_path, quiet=True)
    people = done.answers.set_index(["group", "person"])
    assert people.region["hopeful", "P0"] == "West" and people.age["hopeful", "New"] == 1
    table = harness.load(tmp_path).people
    assert set(table.group) == {"plain", "hopeful"} and len(table) == 8
    (data,) = datasets(record_files([tmp_path]))
    assert data.between is False


def test_columns_of_attributes_never_collide() -> None:
    assert column_names(["run_id", "Person", "age", "AGE", ""]) == {
        "run_id": "run_id_attribute",
        "Person": "Person_attribute",
        "age": "age",
        "AGE": "AGE_attribute",
        "": "attribute",
    }


def test_a_changed_file_starts_another_run(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    lines = "".join(f"P{n},{20 + n}\n" for n in range(4))
    path.write_text(f"name,age\n{lines}")
    runs = []
    for more in ("", "Q,50\n"):
        path.write_text(f"name,age\n{lines}{more}")
        people = load_population(path)
        experiment = survey(population=people, modes={"full": Mode(people=4)})
        runs.append(harness.run(experiment, results_dir=tmp_path / "results", quiet=True))
    assert len({one.run_id for one in runs}) == 2
    assert [one.exit_code for one in runs] == [0, 0]


def test_the_people_of_a_run_are_kept_for_a_judge(tmp_path: Path) -> None:
    from harness.personas.population import kept_person, restored_person

    people = load_population(ROWS, describe=["age"]).rake({"region": {"North": 0.5, "South": 0.5}})
    again = [restored_person(kept_person(one), "rows") for one in people]
    restored = harness.Population(again, "rows")
    assert restored.sha256 == people.sha256
    assert [replace(one, source="") for one in restored] == [replace(one, source="") for one in people]


def test_runs_without_attributes_have_people_without_them(tmp_path: Path) -> None:
    talk = Experiment(
        name="talk",
        population=(Persona("Ada", {}), Persona("Bo", {})),
        groups=(Group("a"),),
        script=Script("Talk about trust."),
        metrics=(Proposition("Kind", "The person is kind."),),
        modes={"full": Mode(steps=1)},
    )
    harness.run(talk, results_dir=tmp_path, quiet=True)
    assert not (tmp_path / FOLDER).exists()
    people = harness.load(tmp_path).people
    assert list(people.person) == ["Ada", "Bo"] and set(people.weight) == {1.0}
    assert people_of(tmp_path, []) == {}
