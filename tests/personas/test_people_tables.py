"""Populations from tables: what becomes of columns, the same people from every format, and one error per fault."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import ConfigurationError, Experiment, Group, Persona, Proposition, Script, load_population
from harness.engines.embedded.prompts import describe
from harness.model import attributes_of
from harness.personas import population_of

ROWS = [
    {"name": "Ada", "age": 34, "region": "North", "score": 0.5},
    {"name": "Bo", "age": 51, "region": "South", "score": 1.25},
    {"name": "Cleo", "age": None, "region": "North", "score": None},
]
CSV = "name,age,region,score\nAda,34,North,0.5\nBo,51,South,1.25\nCleo,,North,\n"


def csv_file(folder: Path, content: str | bytes = CSV, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def fault(source: Any, **arguments: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_population(source, **arguments)
    assert len(caught.value.problems) == 1
    return str(caught.value)


def lines_file(folder: Path) -> Path:
    return csv_file(folder, "".join(json.dumps(row) + "\n" for row in ROWS), "people.jsonl")


def parquet_file(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(ROWS), folder / "people.parquet")
    return folder / "people.parquet"


def feather_file(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.feather as feather

    feather.write_feather(pa.Table.from_pylist(ROWS), folder / "people.feather")
    return folder / "people.feather"


def parquet_folder(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for number, rows in enumerate((ROWS[:2], ROWS[2:])):
        schema = pa.Table.from_pylist(ROWS).schema
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / f"part-{number}.parquet")
    return folder


def pandas_frame(_: Path) -> Any:
    return pytest.importorskip("pandas").DataFrame(ROWS)


def polars_frame(_: Path) -> Any:
    return pytest.importorskip("polars").DataFrame(ROWS)


def dataset(_: Path) -> Any:
    return pytest.importorskip("datasets").Dataset.from_list(ROWS)


def dataset_folder(folder: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)}).save_to_disk(folder / "saved")
    return folder / "saved"


SOURCES: list[Callable[[Path], Any]] = [
    csv_file,
    lambda folder: csv_file(folder, CSV.replace(",", ";").replace("\n", "\r\n")),
    lambda folder: csv_file(folder, CSV.replace(",", "\t"), "people.tsv"),
    lambda folder: csv_file(folder, CSV.encode("utf-8-sig")),
    lambda folder: csv_file(folder, CSV.encode("utf-16")),
    lambda folder: csv_file(folder, json.dumps(ROWS), "people.json"),
    lines_file,
    parquet_file,
    feather_file,
    parquet_folder,
    lambda _: ROWS,
    pandas_frame,
    polars_frame,
    dataset,
    dataset_folder,
]


@pytest.mark.parametrize("source", SOURCES)
def test_every_format_gives_the_same_people(tmp_path: Path, source: Callable[[Path], Any]) -> None:
    given = source(tmp_path)
    people = load_population(given)
    assert [one.name for one in people] == ["Ada", "Bo", "Cleo"]
    assert people.attributes == {
        "Ada": {"age": 34, "region": "North", "score": 0.5},
        "Bo": {"age": 51, "region": "South", "score": 1.25},
        "Cleo": {"age": None, "region": "North", "score": None},
    }
    assert people[2].specification == {"name": "Cleo", "region": "North"}
    assert (people.file_sha256 is not None) == isinstance(given, Path)


def test_a_prompt_shows_the_columns_in_their_order_or_those_named(tmp_path: Path) -> None:
    path = csv_file(tmp_path)
    shown = describe(load_population(path)[0]).splitlines()
    assert shown == ["- Name: Ada", "- Age: 34", "- Region: North", "- Score: 0.5"]
    some = load_population(path, describe=["region", "age"])
    assert describe(some[0]).splitlines() == ["- Name: Ada", "- Region: North", "- Age: 34"]
    assert attributes_of(some[0])["score"] == 0.5


def test_a_template_writes_the_description(tmp_path: Path) -> None:
    people = load_population(csv_file(tmp_path), description="{name} lives in the {region}. {{sic}}")
    assert people[1].specification == {"name": "Bo", "description": "Bo lives in the South. {sic}"}
    assert attributes_of(people[1]) == {"age": 51, "region": "South", "score": 1.25}


def test_people_without_names_are_numbered_by_their_row(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "age\n30\n40\n")
    assert [one.name for one in load_population(path)] == ["person-0001", "person-0002"]
    assert [one.name for one in load_population(csv_file(tmp_path), name=None)][:1] == ["person-0001"]


def test_columns_are_mapped_to_name_weight_and_attributes(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,w,Alter,plz\n7,0.5,30,01067\n8,1.5,-9,80331\n")
    people = load_population(path, name="id", weight="w", rename={"Alter": "age"}, missing=["-9"])
    assert [one.name for one in people] == ["7", "8"]
    assert people.weights == (0.5, 1.5)
    assert people.attributes["7"] == {"age": 30, "plz": "01067"}
    assert people.attributes["8"]["age"] is None
    assert "w" not in people[0].specification


def test_the_hash_of_the_file_and_what_no_prompt_shows_are_part_of_the_hash(tmp_path: Path) -> None:
    path = csv_file(tmp_path)
    first = load_population(path, describe=["age"])
    assert first.sha256 == load_population(path, describe=["age"]).sha256
    path.write_text(CSV + "Dan,20,East,1\n")
    longer = load_population(path, describe=["age"])[:3]
    assert longer == first[:] and longer.sha256 != first.sha256
    path.write_text(CSV.replace("South", "West"))
    other = load_population(path, describe=["age"])
    assert [one.specification for one in other] == [one.specification for one in first]
    rows = [dict(one.specification) for one in first]
    assert (
        load_population(rows).sha256
        != load_population(list(other)).sha256
        != load_population(list(first)).sha256
    )


def test_personas_in_code_keep_the_hash_that_they_had() -> None:
    ada = Persona("Ada", {"age": 34})
    assert load_population([ada]).sha256 == "dc87b953275962df6c63dbdc7d760eca6c24dc436e6176a6d0453e3687867994"
    shown = Persona("Ada", {"age": 34}, attributes={"age": 34})
    hidden = Persona("Ada", {"age": 34}, attributes={"region": "North"})
    assert load_population([shown]).sha256 == load_population([ada]).sha256
    assert load_population([hidden]).sha256 != load_population([ada]).sha256


def test_an_experiment_takes_a_population_or_the_path_of_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    for source in ("people.csv", Path("people.csv"), load_population("people.csv")):
        experiment = Experiment(
            name="talk",
            population=source,
            groups=(Group("a"),),
            script=Script("Talk."),
            metrics=(Proposition("P", "The person talks."),),
        )
        people = population_of(experiment)
        assert (len(people), people.source) == (3, "people.csv")
        assert people.file_sha256 is not None


FAULTS: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "duplicate columns": (
        "name,age,Age\nAda,1,2\n",
        {},
        "columns 2 and 3 are both called 'Age'; expected each name once. Rename one.",
    ),
    "a column without a name": (
        ",name\n0,Ada\n",
        {},
        "column 1 has no name; expected one. Name it, or take it out.",
    ),
    "a torn row": (
        'name,age\nAda,1\n"Bo\nB",2\nCleo\nDan,4\n',
        {},
        "line 5: 1 cell; expected 2, as in the header.",
    ),
    "a quote that is never closed": ('name,age\nAda,1\n"Bo,2\nCleo,3\n', {}, "line 3: is not CSV ("),
    "another encoding": (
        "name\nAda\nRené\n".encode("latin-1"),
        {},
        "line 3, byte 13: 0xe9 is not UTF-8; expected text in UTF-8. Save it again in UTF-8, or name its encoding: "
        "with encoding='cp1252' the line reads 'René'.",
    ),
    "mixed encodings": (
        "name\nZoë\n".encode() + "René\n".encode("latin-1"),
        {},
        "line 3, byte 14: 0xe9 is not UTF-8, while line 2 has letters in UTF-8: the file mixes encodings.",
    ),
    "an unknown encoding": (CSV, {"encoding": "utf8x"}, "encoding='utf8x' is unknown"),
    "nothing": ("", {}, "is empty; expected a header and a row per person."),
    "a header alone": ("name,age\n", {}, "has no rows; expected a row per person."),
    "a field of a template that is not there": (
        CSV,
        {"description": "{nme} is {age}."},
        "'nme' is not a column; expected one of name, age, region, score. Did you mean 'name'?",
    ),
    "a template with a format": (CSV, {"description": "{age:>3}"}, "{age} has a format"),
    "a template with an attribute": (CSV, {"description": "{name.__class__}"}, "is not a column"),
    "a template with a brace": (CSV, {"description": "{name"}, "expected text with columns in braces"),
    "a template without its value": (
        CSV,
        {"description": "{age}"},
        "line 4: has no age, which the description",
    ),
    "duplicate names": (
        "name\nAda\nBo\nAda\nBo\n",
        {},
        "column 'name' has 'Ada' in line 2 and again in line 4 (and 1 more such rows); expected every name once.",
    ),
    "a person without a name": ("name,age\nAda,1\n,2\n", {}, "column 'name' is empty in line 3;"),
    "a name that steers a terminal": ("name\nA\x1bda\n", {}, "line 2: name 'A\\x1bda' has U+001B"),
    "an unknown column": (
        CSV,
        {"weight": "scor"},
        "weight='scor': no such column; expected one of name, age",
    ),
    "an unknown description": (CSV, {"describe": ["aeg"]}, "describe='aeg': no such column"),
    "an unknown column to rename": (CSV, {"rename": {"Ages": "old"}}, "rename='Ages': no such column"),
    "an unknown stratum": (
        CSV,
        {"sample": 2, "by": "regoin"},
        "by names 'regoin'; expected one of name, age",
    ),
    "a weight below 0": ("name,w\nAda,-1\n", {"weight": "w"}, "line 2: w=-1; expected a weight"),
    "weights of 0": ("name,w\nAda,0\n", {"weight": "w"}, "every w is 0"),
    "a sample that is too large": (
        CSV,
        {"sample": 4},
        "a sample of 4 from 3 people; expected at most all of them.",
    ),
    "a sample of none": (CSV, {"sample": 0}, "a sample of 0; expected a number of people, 1 or more."),
}


@pytest.mark.parametrize(("content", "arguments", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_of_a_table_is_one_error_that_says_where(
    tmp_path: Path, content: str | bytes, arguments: dict[str, Any], message: str
) -> None:
    path = csv_file(tmp_path, content)
    told = fault(path, **arguments)
    assert told.startswith(str(path))
    assert message in told


def test_a_bad_line_of_json_is_named(tmp_path: Path) -> None:
    path = csv_file(tmp_path, '{"name": "Ada"}\n{"name": "Bo"\n', "people.jsonl")
    assert "line 2: is not JSON" in fault(path)
    path.write_text('{"name": "Ada"}\n\n[1]\n')
    assert "line 3: holds [1]; expected an object" in fault(path)


def test_a_damaged_parquet_file_is_one_error(tmp_path: Path) -> None:
    path = csv_file(tmp_path, b"PAR1 not really", "people.parquet")
    assert "cannot be read" in fault(path)
    whole = parquet_file(tmp_path)
    whole.write_bytes(whole.read_bytes()[:-40])
    assert "cannot be read" in fault(whole)
    assert "No such file" in fault(tmp_path / "nowhere.csv")
    assert "nowhere.parquet" in fault(tmp_path / "nowhere.parquet")


def test_a_dataset_with_splits_needs_one_named(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    both = datasets.DatasetDict({name: datasets.Dataset.from_list(ROWS) for name in ("train", "test")})
    assert "has several splits; expected one of train, test." in fault(both)
    assert "split='tset' is unknown" in fault(both, split="tset")
    assert len(load_population(both, split="test")) == 3


@pytest.mark.parametrize("source", [7, None, {"name": ["Ada"]}, ["Ada"]])
def test_what_is_no_population_is_one_error(source: Any) -> None:
    assert "expected " in fault(source)


def test_a_frame_with_two_columns_of_one_name_or_mixed_types_is_one_error() -> None:
    pandas = pytest.importorskip("pandas")
    assert "columns 1 and 2 are both called 'a'" in fault(pandas.DataFrame([[1, 2]], columns=["a", "a"]))
    assert "one type per column" in fault(pandas.DataFrame({"x": [1, "y"]}))


def test_arguments_of_tables_are_refused_elsewhere() -> None:
    assert "are for tables" in fault([Persona("Ada", {})], describe=["age"])
    assert "are for tables" in fault("usa_general", encoding="utf-8")


def test_sampled_agents_and_agent_files_come_in_by_the_same_door(tmp_path: Path) -> None:
    agents = {"meta": {"seed": 1}, "agents": [{"_id": "a1", "age": 30}, {"_id": "a2", "age": 40}]}
    drawn = load_population(csv_file(tmp_path, json.dumps(agents), "agents.json"))
    assert drawn.attributes == {"a1": {"age": 30}, "a2": {"age": 40}}
    known = load_population("usa_general")
    assert load_population("usa_general", sample=3, seed=2).personas == known.sample(3, seed=2).personas
    assert "age" in attributes_of(known[0])


BIG = """
import sys
from pathlib import Path
import harness

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

path = Path(sys.argv[1])
with path.open("w") as file:
    file.write("id,age,region\\n")
    for number in range(200_000):
        file.write(f"p{number},{number % 70 + 18},{'North' if number % 3 else 'South'}\\n")
small = path.with_name("small.csv")
small.write_text("id,region\\np1,North\\n")
harness.load_population(small)
before = peak()
people = harness.load_population(path, sample=500, seed=1, name="id", by="region")
print(len(people), people.sampling[0].frame, peak() - before)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads the peak of memory as Linux tells it"
)
def test_a_large_file_is_sampled_and_not_held_in_memory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BIG, str(tmp_path / "big.csv")], capture_output=True, text=True, check=True
    )
    size, frame, kilobytes = map(int, done.stdout.split())
    assert (size, frame) == (500, 200_000)
    assert kilobytes < 12_000  # all rows as Python objects take 60,000 and more


def test_a_torn_row_far_down_is_named_also_when_sampling(tmp_path: Path) -> None:
    rows = "".join(f"p{number},{number}\n" for number in range(20_000))
    path = csv_file(tmp_path, f"name,age\n{rows}torn\n{rows}")
    assert "line 20,002: 1 cell;" in fault(path, sample=5)


CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(cells=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6), delimiter=st.sampled_from(",;\t|"))
def test_what_a_csv_writer_wrote_is_read_back(
    tmp_path: Path, cells: list[tuple[str, str]], delimiter: str
) -> None:
    import csv

    path = tmp_path / "p.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("one", "two"), *cells])
    people = load_population(path, delimiter=delimiter)
    found = [tuple(str(value) for value in one.values()) for one in people.attributes.values()]
    assert len(found) == len(cells)
    for row, (one, two) in zip(found, cells, strict=True):
        for value, written in zip(row, (one, two), strict=True):
            assert value == (written or "None") or float(value) == float(written)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(content=st.binary(max_size=80), name=st.sampled_from(["p.csv", "p.jsonl", "p.json"]))
def test_no_bytes_escape_as_another_error(tmp_path: Path, content: bytes, name: str) -> None:
    path = csv_file(tmp_path, content, name)
    try:
        assert load_population(path)
    except ConfigurationError as error:
        assert str(path) in str(error)
