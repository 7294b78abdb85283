"""Reading microdata: CSV, Parquet, SPSS and Stata files, and what is wrong with them in one error."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigurationError
from harness.humans import load_humans, proposed, read_microdata
from harness.humans.binding import Binding
from harness.humans.dataset import Humans, binned, humans_named
from harness.model import Allocation, Choice, Likert, Matrix, MultipleChoice, Numeric, Ranking
from tests.support.lazy_modules import LazyModule
from tests.support.people import microdata

pyreadstat = LazyModule("pyreadstat")
pd = LazyModule("pandas")

TRUST = Likert(
    "trust", "How far do you trust the council?", labels=("not at all", "completely"), opt_out=("don't know",)
)
STAY = Choice("stay", "Will you stay?", options=("yes", "no"))
RENT = Numeric("rent", "What rent is fair?", least=0, most=5000)
ITEMS = (TRUST, STAY, RENT)


@pytest.fixture
def sav(tmp_path: Path) -> Path:
    pytest.importorskip("pyreadstat")
    frame = pd.DataFrame(
        {
            "V1": [1.0, 5, 8, 9, None],
            "V2": [1.0, 2, 1, 2, 1],
            "W": [1.0, 2, 1, 1, 0.5],
            "NAME": ["a", "b", "c", "d", "e"],
        }
    )
    pyreadstat.write_sav(
        frame, str(tmp_path / "x.sav"),
        column_labels={"V1": "How far do you trust the council?"},
        variable_value_labels={
            "V1": {1: "Not at all", 5: "Completely", 8: "Don't know", 9: "refused"}, "V2": {1: "Yes", 2: "No"}
        },
        missing_ranges={"V1": [8, 9]},
    )  # fmt: skip
    return tmp_path / "x.sav"


def test_user_missing_codes_of_spss_are_missing_with_their_label_and_opt_outs_are_answers(sav: Path) -> None:
    found = load_humans(
        sav, ITEMS, {"trust": "V1", "stay": "V2"}, weight="W", source="a survey", licence="CC0"
    )
    assert found.answers == {
        "trust": (1, 5, "don't know", None, None),
        "stay": ("yes", "no", "yes", "no", "yes"),
    }
    assert found.missing["trust"] == {"refused": 1, "no answer": 1}
    assert found.weights == (1, 2, 1, 1, 0.5)


def test_stata_files_and_parquet_are_read_as_csv_is(tmp_path: Path) -> None:
    pytest.importorskip("pyreadstat")
    frame = pd.DataFrame({"V1": [1.0, 4], "V2": [1.0, 2]})
    pyreadstat.write_dta(frame, str(tmp_path / "x.dta"), variable_value_labels={"V2": {1: "yes", 2: "no"}})
    pd.DataFrame({"V1": [1, 4], "V2": ["yes", "no"]}).to_parquet(tmp_path / "y.parquet")
    microdata(tmp_path / "z.csv", {"V1": [1, 4], "V2": ["yes", "no"]})
    for name in ("x.dta", "y.parquet", "z.csv"):
        found = load_humans(tmp_path / name, ITEMS, {"trust": "V1", "stay": "V2"})
        assert found.answers == {"trust": (1, 4), "stay": ("yes", "no")}, name


def test_only_mapped_columns_are_kept_and_a_saved_file_reads_back(sav: Path, tmp_path: Path) -> None:
    made = load_humans(
        sav, ITEMS, {"trust": "V1"}, attributes={"stay": "V2"}, source="a survey", licence="CC0"
    )
    path = made.save(tmp_path / "results")
    assert '"NAME"' not in path.read_text()
    assert '"W"' not in path.read_text()
    read = humans_named(tmp_path / "results")
    assert (read.answers, read.attributes, read.file, read.licence) == (
        made.answers, made.attributes, made.file, "CC0"
    )  # fmt: skip
    assert read.attributes["stay"] == ("Yes", "No", "Yes", "No", "Yes")


def test_items_of_several_parts_are_answered_by_a_column_for_each(tmp_path: Path) -> None:
    options = ("roads", "parks")
    items = (
        MultipleChoice("m", "?", options=options), Ranking("r", "?", options=options),
        Allocation("a", "?", options=options, total=10), Matrix("x", "?", rows=options, points=3),
    )  # fmt: skip
    path = microdata(
        tmp_path / "x.csv",
        {"m1": [1, "", ""], "m2": ["no", 1, ""], "r1": [2, 1, 1], "r2": [1, 2, 1], "a1": [4, 5, 1], "a2": [6, 5, 1],
         "x1": [3, "", 1], "x2": [1, 2, ""]},
    )  # fmt: skip
    binding = {
        f"{one}[{option}]": f"{one}{place}" for one in "mrax" for place, option in enumerate(options, 1)
    }
    found = load_humans(path, items, binding)
    assert found.answers["m"] == (["roads"], ["parks"], None)
    assert found.answers["r"] == (["parks", "roads"], ["roads", "parks"], None)
    assert found.answers["a"] == ({"roads": 4, "parks": 6}, {"roads": 5, "parks": 5}, None)
    assert found.answers["x"] == (
        {"roads": 3, "parks": 1},
        {"roads": None, "parks": 2},
        {"roads": 1, "parks": None},
    )
    assert found.missing["a"] == {"the amounts add up to 2; expected 10": 1}
    assert found.missing["r"] == {"two options have the same rank": 1}


def test_a_proposed_binding_file_is_a_matter_of_editing(sav: Path, tmp_path: Path) -> None:
    text = proposed(read_microdata(sav), ITEMS)
    (tmp_path / "b.yaml").write_text(
        text.replace("column: null", "column: V2\n    recode: {1: yes, 2: no}", 1)
    )
    bound = Binding.read(tmp_path / "b.yaml")
    assert bound.weight == "W"
    assert bound.items["trust"].columns == {"": "V1"}
    assert bound.items["trust"].missing == {"8": "Don't know", "9": "refused"}
    assert bound.items["stay"].recode == {"1": "yes", "2": "no"}
    assert "rent" not in bound.items


def test_bins_make_subgroups_of_numbers(tmp_path: Path) -> None:
    path = microdata(tmp_path / "x.csv", {"trust": [1, 2], "age": [29, 70]})
    (tmp_path / "b.yaml").write_text(
        "attributes:\n  age: {column: age, bins: [30, 65]}\nitems: {trust: trust}\n"
    )
    found = load_humans(path, ITEMS, tmp_path / "b.yaml")
    assert [binned(one, found.bins["age"]) for one in found.attributes["age"]] == ["below 30", "65 or more"]


BAD = [
    ({"trust": "V3"}, {}, "Item 'trust': x.csv has no column 'V3'; expected one of V1, V2, W"),
    ({"trst": "V1"}, {}, "Item 'trst': the survey has none; expected one of trust, stay, rent. Did you mean 'trust'?"),
    ({"stay": "V1"}, {}, r"Item 'stay': column 'V1' of x.csv has values that are not answers to it: 1 \(1 time\), 5"),
    ({"trust": "V2"}, {}, "'V2' .* not answers to it: no .*; expected 1 to 5, or a label of the scale"),
    ({"trust": "V1"}, {"weight": "W"}, r"'W' of x.csv is negative, missing .* 2 of 3 people \(row 2: -1, row 3: None"),
    ({"trust": "V1"}, {"arm": "V2", "groups": ["plain", "warm"]},
     "column 'V2' of x.csv has no, yes; expected .*plain, warm"),
    ({"trust[roads]": "V1"}, {}, "Item 'trust': is answered by one column"),
    ({"trust": "V1"}, {"attributes": {"age": "AGE"}}, "Attribute 'age': x.csv has no column 'AGE'"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "options", "message"), BAD)
def test_a_wrong_binding_is_one_clear_error(
    tmp_path: Path, columns: dict[str, str], options: dict[str, object], message: str
) -> None:
    path = microdata(tmp_path / "x.csv", {"V1": [1, 5, 2], "V2": ["yes", "no", "no"], "W": [1, -1, ""]})
    with pytest.raises(ConfigurationError, match=message):
        load_humans(path, ITEMS, columns, **options)  # type: ignore[arg-type]


def test_every_fault_of_a_binding_is_named_at_once(tmp_path: Path) -> None:
    path = microdata(tmp_path / "x.csv", {"V1": [1, 7], "W": [1, -1]})
    with pytest.raises(ConfigurationError) as caught:
        load_humans(path, ITEMS, {"trust": "V1", "sty": "V1"}, weight="W")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"a,b\n1,2\n3\n", "row 3 has 1 cells; expected 2.*cut off"),
        ("x.csv", b"a,a\n1,2\n", "has 2 columns 'a'"),
        ("x.csv", b"", "is empty"),
        ("x.csv", b"a,b\n", "has no respondents"),
        ("x.csv", b'a,b\n"1,2\n', "is not CSV as read here"),
        ("x.csv", b"a\nM\xfcller\n", "expected text in UTF-8"),
        ("x.sav", b"$FL2@(#) torn", "cannot be read as sav"),
        ("x.dta", b"nothing", "cannot be read as dta"),
        ("x.parquet", b"PAR1torn", "cannot be read as parquet"),
        ("x.docx", b"", "not a file of microdata by its name"),
    ],
)
def test_a_torn_or_foreign_file_is_one_clear_error(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    if name.endswith((".sav", ".dta")):
        pytest.importorskip("pyreadstat")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        read_microdata(tmp_path / name)


@pytest.mark.parametrize(
    "harm", [lambda text: text[:-40], lambda text: text.replace('"trust":', '"trst":', 1)]
)
def test_a_torn_file_beside_the_results_is_one_clear_error(tmp_path: Path, harm: object) -> None:
    made = load_humans(microdata(tmp_path / "x.csv", {"V1": [1, 2]}), ITEMS, {"trust": "V1"})
    path = made.save(tmp_path)
    path.write_text(harm(path.read_text()))  # type: ignore[operator]
    with pytest.raises(ConfigurationError, match=r"x\.json: is not"):
        Humans.read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("itmes: {}", "has 'itmes'; expected one of"),
        ("items: {}", "binds no items"),
        ("items: {trust: {colum: V1}}", "items: trust: has 'colum'"),
        ("items: {trust: {column: V1, recode: 3}}", "recode and missing"),
        ("items: {trust: V1}\nattributes: {age: {column: a, bins: [3, 1]}}", "rising numbers"),
        ("weight: 3\nitems: {trust: V1}", "weight: 3; expected text"),
    ],
)
def test_a_wrong_binding_file_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "b.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        Binding.read(tmp_path / "b.yaml")
