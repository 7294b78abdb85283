"""Questionnaires in YAML, JSON and CSV: what is written reads back equal, and each fault is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import (
    Allocation,
    Choice,
    ConfigurationError,
    FreeText,
    Likert,
    Matrix,
    MultipleChoice,
    Numeric,
    Ranking,
    Survey,
    YesNo,
    load_survey,
    save_survey,
)
from harness.model import Item
from harness.model.survey.items import KINDS
from harness.questionnaires.checking import fields_of, kinds
from harness.questionnaires.checking import settings as survey_settings
from harness.questionnaires.csv_file import csv_text, parse_csv
from harness.questionnaires.survey_data import data_of, survey_of
from harness.records.strict_yaml import parsed_yaml, yaml_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
OPTIONS = st.lists(TEXT, min_size=2, max_size=4, unique=True).map(tuple)
NUMBER = st.integers(-(10**20), 10**20) | st.floats(-1e9, 1e9, allow_nan=False)


def labelled(points: int) -> st.SearchStrategy[tuple[str, ...] | None]:
    return (
        st.none()
        | st.lists(TEXT, min_size=2, max_size=2).map(tuple)
        | (st.lists(TEXT, min_size=points, max_size=points).map(tuple))
    )


def bounds(numbers: list[float]) -> tuple[float, float]:
    return min(numbers), max(numbers)


@st.composite
def items(draw: st.DrawFn, name: str) -> Item:
    common = {
        "question": draw(TEXT).replace("{", "("),
        "opt_out": draw(st.just(()) | st.just(("don't know",))),
    }
    options, points, shuffle = draw(OPTIONS), draw(st.integers(2, 6)), draw(st.booleans())
    values = draw(st.just({}) | st.just({one: f"{number}" for number, one in enumerate(options)}))
    least, most = bounds(draw(st.lists(NUMBER, min_size=2, max_size=2, unique=True)))
    return draw(
        st.sampled_from(
            [
                Likert(name, points=points, labels=draw(labelled(points)), **common),
                Choice(name, options=options, shuffle=shuffle, values=values, **common),
                MultipleChoice(name, options=options, least=1, most=2, values=values, **common),
                YesNo(name, **common),
                Numeric(name, least=least, most=most, unit=draw(st.just("") | TEXT), whole=shuffle, **common),
                Ranking(name, options=options, shuffle=shuffle, **common),
                Allocation(name, options=options, total=points, **common),
                Matrix(name, rows=options, points=points, labels=draw(labelled(points)), **common),
                FreeText(
                    name,
                    categories=dict.fromkeys(options, draw(st.just("") | TEXT)),
                    longest=points,
                    **common,
                ),
            ]
        )
    )


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    first = draw(st.just(Likert("a", "A?")))
    later = [draw(items(f"item_{number}")) for number in range(draw(st.integers(1, 3)))]
    return Survey(
        items=(first, *later, YesNo("z", "Z?", when="a >= 4")),
        introduction=draw(st.none() | TEXT),
        ask=draw(st.sampled_from(["together", "separately"])),
        memory=draw(st.booleans()),
        shuffle_items=draw(st.booleans()),
    )


@given(surveys())
@settings(max_examples=60, deadline=None)
def test_what_is_written_reads_back_equal(survey: Survey) -> None:
    problems = list(survey.problems(""))
    if problems:  # an option may equal an opt-out
        return
    data = data_of(survey)
    assert survey_of(parsed_yaml(yaml_text(data).encode(), "", yes_is_text=True), "") == survey
    assert survey_of(parse_csv(csv_text(data).encode(), "")[0], "") == survey


EVERY = Survey(
    items=[
        Likert("trust", "How far?", labels=("no", "yes")),
        Choice("stay", "Stay?", options=("yes", "no"), values={"yes": "1", "no": "2"}, shuffle=True),
        MultipleChoice("why", "Why?", options=("a | b", "c = d", " e\\ "), least=1, when="stay == 'no'"),
        Numeric("age", "Age, {stay}?", least=0, most=120, whole=True, unit="years"),
        FreeText("text", "Words?\nTwo lines.", categories={"good": "praise | thanks", "bad": ""}),
    ],
    introduction="Hello.\n\nPlease answer.",
    ask="separately",
    memory=False,
)


@pytest.mark.parametrize("name", ["q.yaml", "q.yml", "q.json", "q.csv"])
def test_a_saved_survey_loads_equal(tmp_path: Path, name: str) -> None:
    assert load_survey(save_survey(EVERY, tmp_path / name)) == EVERY


def test_the_schema_has_every_field_of_every_item_and_of_the_survey() -> None:
    assert set(kinds()) == set(KINDS)
    for kind, item in KINDS.items():
        assert set(fields_of(kind)) == {*item.FIELDS, "type"}
    code = {
        "record_type",
        "case_per_trial",
        "check",
        "examine",
        "answer",
        "files",
        "deterministic",
        "transcript",
    }
    assert set(survey_settings()) == set(Survey.FIELDS) - code - {"items", "fixed_model"}


def test_yes_and_no_are_texts_without_quotes(tmp_path: Path) -> None:
    path = tmp_path / "q.yaml"
    path.write_text("questionnaire: 1\nitems:\n- {name: a, type: choice, question: A?, options: [yes, no]}\n")
    assert load_survey(path).items[0].choices == ("yes", "no")


def test_a_table_of_a_spreadsheet_in_another_country_is_read(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_bytes("\ufeffname;type;question;options;shuffle\r\na;choice;Où?;ici | là;WAHR\r\n".encode())
    with pytest.raises(ConfigurationError, match="line 2: item 'a', shuffle: 'WAHR'; expected true or false"):
        load_survey(path)
    path.write_bytes("\ufeffname;type;question;options;shuffle\r\na;choice;Où?;ici | là;TRUE\r\n".encode())
    assert load_survey(path).items == (Choice("a", "Où?", options=("ici", "là"), shuffle=True),)


HEAD = "questionnaire: 1\nitems:\n"
CSV_HEAD = "name,type,question,options\n"
FAULTS = {
    "an item without options": (
        "q.yaml",
        HEAD + "- name: stay\n  type: choice\n  question: Stay?\n",
        "line 3: item 'stay': has no options; expected at least two, such as options: [yes, no].",
    ),
    "an item with one option": (
        "q.yaml",
        HEAD + "- name: stay\n  type: choice\n  question: Stay?\n  options: [yes]\n",
        "line 6: item 'stay', options: ['yes']; expected at least 2.",
    ),
    "two items of one name": (
        "q.yaml",
        HEAD + "- {name: a, type: yes_no, question: A?}\n- {name: a, type: yes_no, question: B?}\n",
        "line 4: item 'a' is declared 2 times; expected once.",
    ),
    "an unknown type": (
        "q.yaml",
        HEAD + "- name: a\n  type: likret\n  question: A?\n",
        "line 4: item 'a', type: 'likret'; expected one of … Did you mean 'likert'?",
    ),
    "no type": (
        "q.yaml",
        HEAD + "- name: a\n  question: A?\n",
        "line 3: item 'a': has no type; expected one of likert,",
    ),
    "an unknown key of an item": (
        "q.yaml",
        HEAD + "- name: a\n  type: likert\n  question: A?\n  point: 7\n",
        "line 6: item 'a': unknown key 'point'; expected one of … Did you mean 'points'?",
    ),
    "an unknown key of the file": (
        "q.yaml",
        "questionnaire: 1\nintroductoin: Hello.\nitems:\n- {name: a, type: yes_no, question: A?}\n",
        "line 2: unknown key 'introductoin'; … Did you mean 'introduction'?",
    ),
    "another version": (
        "q.yaml",
        "questionnaire: 2\nitems:\n- {name: a, type: yes_no, question: A?}\n",
        "line 1: questionnaire: 2 is not a version that is read here; expected 1.",
    ),
    "a condition on a later item": (
        "q.yaml",
        HEAD
        + "- {name: a, type: yes_no, question: A?, when: b == 'yes'}\n- {name: b, type: yes_no, question: B?}\n",
        "line 3: item 'a': when=\"b == 'yes'\": item 'b' comes later, or is this one; expected an earlier item.",
    ),
    "numbers as options": (
        "q.yaml",
        HEAD + "- {name: a, type: choice, question: A?, options: [1, two]}\n",
        "line 3: item 'a', options, number 1: 1; expected text (in quotes, where it looks like a number",
    ),
    "text that is not YAML": ("q.yaml", "items: [", "q.yaml: is not YAML as read here: line 2"),
    "an empty file": ("q.yaml", "", "is not a questionnaire; expected the keys questionnaire and items."),
    "a survey of another tool": (
        "q.json",
        '{"SurveyElements": []}',
        "is a file of Qualtrics; expected a questionnaire",
    ),
    "a file of another tool": (
        "q.qsf",
        "{}",
        "is a file of another tool; expected a questionnaire in YAML or CSV.",
    ),
    "a torn CSV row": (
        "q.csv",
        CSV_HEAD + "a,choice,A?,yes | no\nb,choice\n",
        "line 3: the row has 2 cells, and the header 4; expected as many.",
    ),
    "an open quote": (
        "q.csv",
        CSV_HEAD + 'a,choice,"A?,yes | no\n',
        "line 2: is not CSV: unexpected end of data; expected each opening quote to be closed.",
    ),
    "a CSV of something else": (
        "q.csv",
        "id,age\n1,30\n",
        "line 1: is not a questionnaire: no column name, type, question",
    ),
    "an XLSForm": (
        "q.csv",
        "survey,,\n,type,name\n",
        "is an XLSForm; expected a questionnaire. Import it first",
    ),
    "two columns of one name": (
        "q.csv",
        "name,type,question,question\na,yes_no,A?,B?\n",
        "line 1: two columns are called 'question'; expected each once.",
    ),
    "an unknown column": (
        "q.csv",
        "name,type,question,option\n",
        "line 1: unknown column 'option'; did you mean 'options'?",
    ),
    "an unknown type in CSV": (
        "q.csv",
        CSV_HEAD + "a,choise,A?,yes | no\n",
        "line 2: item 'a', type: 'choise'; … Did you mean 'choice'?",
    ),
    "a field of another type in CSV": (
        "q.csv",
        CSV_HEAD + "a,likert,A?,yes | no\n",
        "line 2: item 'a': unknown key 'options'; expected one of name, type,",
    ),
    "an unknown setting in CSV": (
        "q.csv",
        CSV_HEAD + "askk,setting,separately,\na,yes_no,A?,\n",
        "line 2: unknown key 'askk'; … Did you mean 'ask'?",
    ),
}


@pytest.mark.parametrize(("name", "text", "message"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_named_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_survey(path)
    assert all(part in str(raised.value) for part in message.split(" … "))
    assert len(raised.value.problems) == 1


def test_a_survey_with_code_is_not_saved(tmp_path: Path) -> None:
    survey = Survey(items=[YesNo("a", "A?")], check=lambda experiment: ())
    with pytest.raises(ConfigurationError, match="Survey: check cannot be saved in a questionnaire file"):
        save_survey(survey, tmp_path / "q.yaml")


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"ends in '.txt'; expected .yaml, .yml, .json or .csv"):
        save_survey(EVERY, tmp_path / "q.txt")


@given(st.text(max_size=60) | st.text('name,type\n";|\\= questionr:-[]{}1', max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        content = text.encode()
    except UnicodeEncodeError:
        return
    for read in (lambda: parse_csv(content, "q")[0], lambda: parsed_yaml(content, "q", yes_is_text=True)):
        with pytest.raises(ConfigurationError):
            survey_of(read(), "q")
