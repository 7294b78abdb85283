"""Import of XLSForm: what is carried, and that all else is named with its reason."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import ConfigurationError, ImportedQuestionnaire, import_survey
from harness.model.survey.conditions import items_in
from harness.questionnaires.imports.draft import DraftItem, NotCarriedError
from harness.questionnaires.imports.xlsform import from_xlsform
from harness.questionnaires.imports.xpath import bounds_of, condition_of

CHOICES = [
    {"list_name": "yn", "name": "1", "label": "Yes"},
    {"list_name": "yn", "name": "2", "label": "No"},
    {"list_name": "drinks", "name": "tea", "label": "tea"},
    {"list_name": "drinks", "name": "milk", "label": "milk"},
]
FIRST = [
    {"type": "select_one yn", "name": "works", "label": "Do you work?"},
    {"type": "select_multiple drinks", "name": "drinks", "label": "What do you drink?"},
    {"type": "integer", "name": "age", "label": "How old are you?"},
]


def read(
    *rows: dict[str, str], choices: Sequence[dict[str, str]] = CHOICES, **sheets: Any
) -> ImportedQuestionnaire:
    return from_xlsform({"survey": list(rows), "choices": list(choices), **sheets}, "f.xlsx")


TYPES = {
    "select_one": (
        {"type": "select_one yn"},
        {"type": "choice", "options": ["Yes", "No"], "values": {"Yes": "1", "No": "2"}},
    ),
    "select one": (
        {"type": "select one yn"},
        {"type": "choice", "options": ["Yes", "No"], "values": {"Yes": "1", "No": "2"}},
    ),
    "names that are the labels": (
        {"type": "select_one drinks"},
        {"type": "choice", "options": ["tea", "milk"]},
    ),
    "select_multiple": (
        {"type": "select_multiple drinks"},
        {"type": "multiple_choice", "options": ["tea", "milk"]},
    ),
    "random order": (
        {"type": "select_one drinks", "parameters": "randomize=true, seed=1"},
        {"type": "choice", "options": ["tea", "milk"], "shuffle": True},
    ),
    "select all that apply": (
        {"type": "select all that apply from drinks"},
        {"type": "multiple_choice", "options": ["tea", "milk"]},
    ),
    "rank": ({"type": "rank drinks"}, {"type": "ranking", "options": ["tea", "milk"]}),
    "integer": (
        {"type": "integer", "constraint": ". >= 18 and . < 100"},
        {"type": "numeric", "least": 18, "most": 99, "whole": True},
    ),
    "decimal": ({"type": "decimal", "constraint": ". <= 2.5"}, {"type": "numeric", "most": 2.5}),
    "range": (
        {"type": "range", "parameters": "start=0 end=10 step=1"},
        {"type": "numeric", "least": 0, "most": 10, "whole": True},
    ),
    "text": ({"type": "text"}, {"type": "free_text"}),
}


@pytest.mark.parametrize(("row", "item"), TYPES.values(), ids=TYPES)
def test_a_type_becomes_an_item(row: dict[str, str], item: dict[str, Any]) -> None:
    found = read({"name": "q", "label": "Q?", **row})
    assert not found.left_out and not found.changed and found.survey
    assert found.data["items"] == [{"name": "q", "question": "Q?", **item}]


LEFT_OUT = {
    "geopoint": ({"type": "geopoint"}, "the type geopoint has no counterpart"),
    "device data": ({"type": "start"}, "start is recorded by the device and is not a question"),
    "calculate": ({"type": "calculate", "calculation": "${age} * 2"}, "calculate is not a question"),
    "options of earlier answers": (
        {"type": "select_one yn", "choice_filter": "x = ${age}"},
        "its choice_filter makes the options depend on earlier answers",
    ),
    "options in a file": (
        {"type": "select_one_from_file a.csv"},
        "the type select_one_from_file a.csv has no counterpart",
    ),
    "an unknown reference": (
        {"type": "text", "label": "${nobody}?"},
        "nobody is not carried, or comes later",
    ),
    "disabled": ({"type": "text", "disabled": "yes"}, "it is disabled"),
    "a name that was used": ({"type": "text", "name": "age"}, "an earlier question has the same name"),
}


@pytest.mark.parametrize(("row", "reason"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_cannot_be_carried_is_named_with_its_reason(row: dict[str, str], reason: str) -> None:
    found = read(*FIRST, {"name": "q", "label": "Q?", "\0line": "9", **row})
    assert [str(one) for one in found.left_out] == [f"{row.get('name', 'q')} (row 9): {reason}"]
    assert len(found.data["items"]) == 3


def test_a_repeat_is_left_out_as_a_whole() -> None:
    found = read(
        *FIRST,
        {"type": "begin_repeat", "name": "child", "label": "Children"},
        {"type": "text", "name": "child_name", "label": "Name?", "\0line": "6"},
        {"type": "end repeat"},
        {"type": "text", "name": "last", "label": "Anything else?"},
    )
    reason = "it is in the repeat child, and repeats have no counterpart"
    assert [str(one) for one in found.left_out] == [f"child_name (row 6): {reason}"]
    assert found.data["items"][-1]["name"] == "last"


RELEVANT = {
    "${works} = '1'": "works == 'Yes'",
    "${works} = 1": "works == 'Yes'",
    "${works} != '2'": "works != 'No'",
    "selected(${drinks}, 'tea')": "'tea' in drinks",
    "${works} = ‘1’": "works == 'Yes'",
    "not(selected(${drinks}, 'tea'))": "not ('tea' in drinks)",
    "${age} >= 18 and ${works} = '1'": "(age >= 18) and (works == 'Yes')",
    "18 < ${age} or (${works} = '2')": "(age > 18) or (works == 'No')",
}


@pytest.mark.parametrize(("relevant", "condition"), RELEVANT.items())
def test_a_relevant_becomes_a_condition(relevant: str, condition: str) -> None:
    found = read(*FIRST, {"type": "text", "name": "q", "label": "Q?", "relevant": relevant})
    assert found.data["items"][3]["when"] == condition
    assert found.survey.items[3].when == condition and not found.changed


NOT_PLAIN = {
    "count-selected(${drinks}) > 1": "it has 'count-selected' where a value is expected",
    "${works} > 1": "it compares the options of works by >",
    "${works} = '7'": "works has no option with the code '7'",
    "${nobody} = 1": "nobody is not carried, or comes later",
    "${age} + 1 = 2": "the expression '${age} + 1 = 2' is more than comparisons",
    "${age} >= 18 and": "the expression breaks off",
    "(" * 60: "the expression is too long",
}


@pytest.mark.parametrize(("relevant", "reason"), NOT_PLAIN.items())
def test_a_relevant_that_is_not_plain_is_named(relevant: str, reason: str) -> None:
    found = read(*FIRST, {"type": "text", "name": "q", "label": "Q?", "relevant": relevant, "\0line": "5"})
    assert "when" not in found.data["items"][3]
    assert [str(one) for one in found.changed] == [
        f"q (row 5): it is asked of everyone, without its relevant: {reason}"
    ]


def test_a_note_under_a_condition_that_is_not_plain_is_left_out() -> None:
    note = {"type": "note", "name": "n", "label": "Imagine.", "relevant": "regex(${age}, '1')", "\0line": "5"}
    found = read(*FIRST, note, {"type": "text", "name": "q", "label": "Q?"})
    assert str(found.left_out[0]).startswith("n (row 5): its relevant cannot be carried: ")
    assert found.data["items"][3]["question"] == "Q?" and not found.changed


def test_a_group_gives_its_condition_to_its_questions() -> None:
    found = read(
        *FIRST,
        {"type": "begin_group", "name": "job", "relevant": "${works} = '1'"},
        {"type": "text", "name": "job_name", "label": "Which job?"},
        {"type": "integer", "name": "hours", "label": "Hours?", "relevant": "${age} > 20"},
        {"type": "end_group"},
        {"type": "text", "name": "last", "label": "Else?"},
    )
    conditions = [item.get("when") for item in found.data["items"][3:]]
    assert conditions == ["works == 'Yes'", "(works == 'Yes') and (age > 20)", None]


def test_earlier_answers_hints_and_notes_are_read() -> None:
    found = read(
        {"type": "note", "name": "hello", "label": "<b>Hello.</b>"},
        *FIRST,
        {"type": "text", "name": "why", "label": "You said ${works}. Why?", "hint": "In a sentence."},
    )
    assert found.data["introduction"] == "Hello."
    assert found.data["items"][3]["question"] == "You said {works}. Why?\nIn a sentence."


def test_one_language_is_read_and_the_others_named() -> None:
    rows = [
        {"type": "text", "name": "q", "label::English (en)": "Why?", "label::Français (fr)": "Pourquoi ?"}
    ]
    found = read(*rows, settings=[{"default_language": "Français (fr)"}])
    assert found.data["items"][0]["question"] == "Pourquoi ?"
    assert [str(one) for one in found.changed] == [
        "labels: they are in English (en), Français (fr); those in Français (fr) are read"
    ]


def test_constraints_that_are_more_than_bounds_and_fields_for_other_answers_are_named() -> None:
    found = read(
        {"type": "integer", "name": "even", "label": "Even?", "constraint": ". mod 2 = 0", "\0line": "2"},
        {"type": "select_one yn or_other", "name": "o", "label": "O?", "\0line": "3"},
    )
    assert [str(one) for one in found.changed] == [
        "even (row 2): its constraint '. mod 2 = 0' is not carried: it is more than bounds",
        "o (row 3): the option Other has a field for text there; it is carried without it",
    ]
    assert found.data["items"][1]["options"] == ["Yes", "No", "Other"]


FORM = """survey,,,,
,type,name,label,relevant
,select_one yn,works,Do you work?,
,text,job,"Which job, exactly?",${works} = 'y'
choices,,,,
,list_name,name,label,
,yn,y,Yes,
,yn,n,No,
"""


def test_a_form_in_one_csv_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "form.csv"
    path.write_text(FORM)
    found = import_survey(path)
    assert [item["name"] for item in found.data["items"]] == ["works", "job"]
    assert found.data["items"][1]["when"] == "works == 'Yes'" and not found.left_out and not found.changed


def test_a_workbook_is_read(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "Survey"
    for row in (
        ["type", "name", "label"],
        [],
        ["select_one yn", "works", "Do you work?"],
        ["geopoint", "home", "Where?"],
    ):
        book.active.append(row)
    choices = book.create_sheet("choices")
    for row in (["list_name", "name", "label"], ["yn", 1, "Yes"], ["yn", 2.0, "No"]):
        choices.append(row)
    book.save(tmp_path / "form.xlsx")
    found = import_survey(tmp_path / "form.xlsx")
    assert found.data["items"][0]["values"] == {"Yes": "1", "No": "2"}
    assert [str(one) for one in found.left_out] == ["home (row 4): the type geopoint has no counterpart"]


BAD = {
    "a missing list": (
        FORM.replace(",yn,y", ",yesno,y").replace(",yn,n", ",yesno,n"),
        "works (row 3) uses the list 'yn', which the sheet choices does not have; expected one of yesno.",
    ),
    "no choices at all": (
        FORM.partition("choices")[0],
        "uses the list 'yn', which the sheet choices does not have",
    ),
    "no survey sheet": (
        "a,b\n1,2\n",
        "is not an XLSForm; expected a sheet named survey with the columns type, name",
    ),
    "nothing that is carried": (
        "survey,,\n,type,name\n,geopoint,home\n",
        "XLSForm: no question can be carried",
    ),
    "an open quote": ('survey,,\n,type,"name\n', "line 2: is not CSV"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_faulty_form_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "form.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        import_survey(path)
    assert message in str(raised.value) and len(raised.value.problems) == 1


def test_a_file_that_is_not_a_workbook_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    (tmp_path / "form.xlsx").write_text("type,name\n")
    with pytest.raises(ConfigurationError, match="is not an Excel workbook"):
        import_survey(tmp_path / "form.xlsx")


PARTS = st.sampled_from(
    [
        "${age}",
        "${works}",
        "${drinks}",
        "'1'",
        "18",
        "=",
        "!=",
        ">=",
        "<",
        " and ",
        " or ",
        "not(",
        "selected(",
        ",",
        "(",
        ")",
        ". ",
        "'",
        "+",
    ]
)
ITEMS = {
    "age": DraftItem({"name": "age", "type": "numeric"}),
    "works": DraftItem({"name": "works", "type": "choice"}, {"1": "Yes"}),
    "drinks": DraftItem({"name": "drinks", "type": "multiple_choice"}, {"1": "tea"}, many=True),
}


@given(st.lists(PARTS, max_size=14).map("".join) | st.text(max_size=20))
@settings(max_examples=150, deadline=None)
def test_an_expression_is_a_condition_that_is_readable_or_named(expression: str) -> None:
    with contextlib.suppress(NotCarriedError):
        condition = condition_of(expression, lambda name: ITEMS[name] if name in ITEMS else missing())
        assert set(items_in(condition)) <= set(ITEMS)
    with contextlib.suppress(NotCarriedError):
        bounds_of(expression, whole=True)


def missing() -> DraftItem:
    raise NotCarriedError("not carried")
