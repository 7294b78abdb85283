"""Import of Qualtrics' surveys: what is carried, and that all else is named with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import ConfigurationError, ImportedQuestionnaire, import_survey
from harness.questionnaires.imports.qsf import from_qsf
from tests.support.qsf import chosen, entered, options, question, survey, when

YES_NO = {"Selector": "SAVR", "SubSelector": "TX", **options("Yes", "No")}


def read(questions: list[dict[str, Any]], **parts: Any) -> ImportedQuestionnaire:
    return from_qsf(survey(questions, **parts), "s.qsf")


def sole(one: dict[str, Any]) -> dict[str, Any]:
    """The item that a question becomes; it must be a valid one."""
    found = read([one])
    assert not found.left_out and found.survey
    return {name: value for name, value in found.data["items"][0].items() if name not in ("name", "question")}


TYPES = {
    "one of several": (
        question(1, "MC", Selector="SAVR", RecodeValues={"1": "7", "2": "8"}, **options("Yes", "No")),
        {"type": "choice", "options": ["Yes", "No"], "values": {"Yes": "7", "No": "8"}},
    ),
    "a drop-down in random order": (
        question(
            1, "MC", Selector="DL", Randomization={"Type": "All", "TotalRandSubset": ""}, **options("a", "b")
        ),
        {"type": "choice", "options": ["a", "b"], "shuffle": True},
    ),
    "in the order of the questionnaire": (
        question(1, "MC", Selector="SAHR", **{**options("a", "b"), "ChoiceOrder": ["2", 1]}),
        {"type": "choice", "options": ["b", "a"]},
    ),
    "several": (
        question(
            1,
            "MC",
            Selector="MAVR",
            Validation={"Settings": {"MinChoices": "1", "MaxChoices": "2"}},
            **options("a", "b", "c"),
        ),
        {"type": "multiple_choice", "options": ["a", "b", "c"], "least": 1, "most": 2},
    ),
    "net promoter score": (
        question(1, "MC", Selector="NPS", Choices={}),
        {"type": "numeric", "least": 0, "most": 10, "whole": True},
    ),
    "text": (question(1, "TE", Selector="ML"), {"type": "free_text"}),
    "a number": (
        question(
            1,
            "TE",
            Selector="SL",
            Validation={
                "Settings": {
                    "ContentType": "ValidNumber",
                    "ValidNumber": {"Min": "18", "Max": "99", "NumDecimals": "0"},
                }
            },
        ),
        {"type": "numeric", "least": 18, "most": 99, "whole": True},
    ),
    "a matrix": (
        question(
            1,
            "Matrix",
            Selector="Likert",
            SubSelector="SingleAnswer",
            Answers={"1": {"Display": "low"}, "2": {"Display": "mid"}, "3": {"Display": "high"}},
            AnswerOrder=[1, 2, 3],
            **options("police", "press"),
        ),
        {"type": "matrix", "rows": ["police", "press"], "points": 3, "labels": ["low", "mid", "high"]},
    ),
    "a slider": (
        question(
            1,
            "Slider",
            Selector="HSLIDER",
            Configuration={"CSSliderMin": 0, "CSSliderMax": 100},
            **options("warmth"),
        ),
        {"type": "numeric", "least": 0, "most": 100, "whole": True},
    ),
    "a ranking": (
        question(1, "RO", Selector="DND", **options("a", "b")),
        {"type": "ranking", "options": ["a", "b"]},
    ),
    "a constant sum": (
        question(
            1, "CS", Selector="VRTL", Validation={"Settings": {"ChoiceTotal": "50"}}, **options("a", "b")
        ),
        {"type": "allocation", "options": ["a", "b"], "total": 50},
    ),
}


@pytest.mark.parametrize(("one", "item"), TYPES.values(), ids=TYPES)
def test_a_type_becomes_an_item(one: dict[str, Any], item: dict[str, Any]) -> None:
    assert sole(one) == item


LEFT_OUT = {
    "an unknown type": (
        question(2, "HeatMap", Selector="Image"),
        "the question type HeatMap/Image has no counterpart",
    ),
    "a matrix of texts": (
        question(2, "Matrix", Selector="TE", SubSelector="Short"),
        "the question type Matrix/TE/Short has no counterpart",
    ),
    "one option": (question(2, "MC", Selector="SAVR", **options("a")), "it has 1 option; a question needs 2"),
    "options without text": (
        question(2, "MC", Selector="SAVR", **options("a", "<img src='x.png'>")),
        "an option has no text (a picture?)",
    ),
    "options of another question": (
        question(
            2, "MC", Selector="SAVR", DynamicChoices={"Locator": "q://QID1/ChoiceGroup/SelectedChoices"}
        ),
        "its options are those chosen in another question",
    ),
    "a text under a condition that is not plain": (
        question(2, "DB", "Imagine.", Selector="TB", **when({"LogicType": "EmbeddedField"})),
        "its display logic cannot be carried: its logic depends on EmbeddedField, not on an earlier answer",
    ),
    "equal options": (
        question(2, "MC", Selector="SAVR", **options("a", "<b>a</b>")),
        "two of its options have the same text, 'a'",
    ),
    "a sum without a total": (
        question(2, "CS", Selector="VRTL", **options("a", "b")),
        "its amounts need not add up to a total; expected one that must (ChoiceTotal)",
    ),
    "embedded data in its text": (
        question(2, "TE", "Hello ${e://Field/name}", Selector="SL"),
        "its text has the piped field ${e://Field/name}, which has no counterpart",
    ),
    "a text under a condition": (
        question(2, "DB", "Imagine.", Selector="TB", **when(chosen(1, 1))),
        "a text shown under a condition; put it into the question it belongs to",
    ),
}


@pytest.mark.parametrize(("one", "reason"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_cannot_be_carried_is_named_with_its_reason(one: dict[str, Any], reason: str) -> None:
    found = read([question(1, "MC", **YES_NO), one])
    assert [str(note) for note in found.left_out] == [f"Q2 (QID2): {reason}"]
    assert [item["name"] for item in found.data["items"]] == ["Q1"]


AGE = question(
    2,
    "TE",
    Selector="SL",
    Validation={"Settings": {"ContentType": "ValidNumber", "ValidNumber": {"Min": "0", "Max": ""}}},
)
CONDITIONS = {
    "an option": (when(chosen(1, 1)), "Q1 == 'Yes'"),
    "not an option": (when(chosen(1, 2, "NotSelected")), "Q1 != 'No'"),
    "a number": (when(entered(2, "GreaterThanOrEqual", "18")), "Q2 >= 18"),
    "both": (when(chosen(1, 1), entered(2, "LessThan", "18")), "(Q1 == 'Yes') and (Q2 < 18)"),
    "either": (when(chosen(1, 1), chosen(1, 2), join="Or"), "(Q1 == 'Yes') or (Q1 == 'No')"),
}


@pytest.mark.parametrize(("logic", "condition"), CONDITIONS.values(), ids=CONDITIONS)
def test_display_logic_becomes_a_condition(logic: dict[str, Any], condition: str) -> None:
    found = read([question(1, "MC", **YES_NO), AGE, question(3, "TE", Selector="ML", **logic)])
    assert found.data["items"][2]["when"] == condition
    assert found.survey.items[2].when == condition and not found.changed


def test_display_logic_on_several_choices_asks_for_one_of_them() -> None:
    several = question(1, "MC", Selector="MAVR", **options("tea", "milk"))
    found = read([several, question(2, "TE", Selector="ML", **when(chosen(1, 2)))])
    assert found.data["items"][1]["when"] == "'milk' in Q1"


NOT_PLAIN = {
    "embedded data": (
        {"LogicType": "EmbeddedField"},
        "its logic depends on EmbeddedField, not on an earlier answer",
    ),
    "a later question": (chosen(9, 1), "QID9 is not carried, or comes later"),
    "an option that is not there": (chosen(1, 5), "Q1 has no option with the code '5'"),
    "text that contains something": (
        entered(2, "Contains", "x"),
        "its logic uses Contains, which has no counterpart",
    ),
}


@pytest.mark.parametrize(("expression", "reason"), NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_a_condition_that_is_not_plain_is_named(expression: dict[str, Any], reason: str) -> None:
    found = read([question(1, "MC", **YES_NO), AGE, question(3, "TE", Selector="ML", **when(expression))])
    assert "when" not in found.data["items"][2]
    assert [str(one) for one in found.changed] == [
        f"Q3 (QID3): it is asked of everyone, without its display logic: {reason}"
    ]


def test_and_mixed_with_or_is_not_guessed() -> None:
    logic = when(chosen(1, 1), chosen(1, 2))
    logic["DisplayLogic"]["0"]["2"] = {**chosen(1, 1), "Conjuction": "Or"}
    found = read([question(1, "MC", **YES_NO), question(2, "TE", Selector="ML", **logic)])
    assert "mixes AND with OR" in str(found.changed[0])


def test_skip_logic_becomes_conditions_of_the_questions_it_skips() -> None:
    questions = [
        question(1, "MC", **YES_NO),
        *(question(number, "TE", Selector="ML") for number in (2, 3, 4)),
    ]
    locator = {"ChoiceLocator": "q://QID1/SelectableChoice/2", "Condition": "Selected"}
    to_the_last = {"QID1": {"SkipLogic": [{**locator, "SkipToDestination": "QID4"}]}}
    found = read(questions, skips=to_the_last)
    assert [item.get("when") for item in found.data["items"]] == [None, *["not (Q1 == 'No')"] * 2, None]
    to_the_end = {"QID1": {"SkipLogic": [{**locator, "SkipToDestination": "ENDOFSURVEY"}]}}
    assert [item.get("when") for item in read(questions, skips=to_the_end).data["items"][1:]] == [
        "not (Q1 == 'No')"
    ] * 3


def test_a_branch_gives_its_condition_to_its_blocks() -> None:
    logic = {"0": {"0": chosen(1, 1), "Type": "If"}, "Type": "BooleanExpression"}
    block = {
        "Type": "Standard",
        "Description": "B",
        "ID": "BL_2",
        "BlockElements": [{"Type": "Question", "QuestionID": "QID2"}],
    }
    inner = [{"Type": "Standard", "ID": "BL_2", "FlowID": "FL_4"}]
    flow = [
        {"Type": "Block", "ID": "BL_1", "FlowID": "FL_2"},
        {"Type": "Branch", "FlowID": "FL_3", "BranchLogic": logic, "Flow": inner},
        {"Type": "EmbeddedData", "FlowID": "FL_5"},
    ]
    second = question(2, "TE", Selector="ML")
    found = read([question(1, "MC", **YES_NO), second], trash=("QID2",), flow=flow, blocks=[block])
    assert found.data["items"][1]["when"] == "Q1 == 'Yes'"
    assert [str(one) for one in found.changed] == [
        "flow element FL_5: embedded data are not carried; persona attributes take their place"
    ]


def test_html_names_and_earlier_answers_are_read_as_text() -> None:
    first = question(1, "MC", "<p>Do you&nbsp;<b>drive</b>?</p>", **{**YES_NO, "DataExportTag": "1.2 drive"})
    second = question(2, "TE", "Why ${q://QID1/ChoiceGroup/SelectedChoices}, {sic}?", Selector="ML")
    found = read([first, second])
    assert [item["question"] for item in found.data["items"]] == [
        "Do you drive?",
        "Why {q1_2_drive}, { sic }?",
    ]
    assert [str(one) for one in found.changed] == ["1.2 drive: its name becomes q1_2_drive"]
    assert found.survey.items[1].question.startswith("Why {q1_2_drive}")


def test_texts_introduce_the_survey_or_the_next_question() -> None:
    found = read(
        [
            question(1, "DB", "Welcome.", Selector="TB"),
            question(2, "TE", Selector="ML"),
            question(3, "DB", "Now to work.", Selector="TB"),
            question(4, "TE", "What do you do?", Selector="ML"),
        ]
    )
    assert found.data["introduction"] == "Welcome."
    assert [item["question"] for item in found.data["items"]] == ["?", "Now to work.\n\nWhat do you do?"]


def test_fields_of_a_form_and_sliders_become_items() -> None:
    form = question(1, "TE", "Who are you?", Selector="FORM", **options("First name", "Town"))
    sliders = question(
        2, "Slider", "Warm?", Selector="HSLIDER", Configuration={"CSSliderMax": 10}, **options("A", "B")
    )
    found = read([form, sliders])
    assert [(item["name"], item["question"]) for item in found.data["items"]] == [
        ("Q1_1", "Who are you?\nFirst name"),
        ("Q1_2", "Who are you?\nTown"),
        ("Q2_1", "Warm?\nA"),
        ("Q2_2", "Warm?\nB"),
    ]
    assert len(found.changed) == 2


def test_rows_with_several_answers_become_items() -> None:
    answers = {"Answers": {"1": {"Display": "by day"}, "2": {"Display": "by night"}}, "AnswerOrder": [1, 2]}
    parts = {"Selector": "Likert", "SubSelector": "MultipleAnswer", **answers, **options("bus", "train")}
    found = read([question(1, "Matrix", "When?", **parts)])
    assert [(item["type"], item["question"], item["options"]) for item in found.data["items"]] == [
        ("multiple_choice", "When?\nbus", ["by day", "by night"]),
        ("multiple_choice", "When?\ntrain", ["by day", "by night"]),
    ]


def test_what_is_left_out_is_not_listed_as_changed_too() -> None:
    parts = {
        "Selector": "VRTL",
        "Choices": {"1": {"Display": "a", "TextEntry": "true"}, "2": {"Display": "b"}},
    }
    found = read([question(1, "MC", **YES_NO), question(2, "CS", **parts)])
    assert len(found.left_out) == 1 and not found.changed


def test_unused_questions_are_named() -> None:
    found = read([question(1, "TE", Selector="ML"), question(2, "TE", Selector="ML")], trash=("QID2",))
    assert [str(one) for one in found.left_out] == [
        "Q2 (QID2): it is not in the survey's flow (in the trash?)"
    ]


BAD = {
    "no question that is carried": (
        survey([question(1, "HeatMap")]),
        "Qualtrics QSF: no question can be carried; expected at least one. Q1 (QID1): the question type HeatMap has no",
    ),
    "no question at all": (
        survey([]),
        "Qualtrics QSF: no question can be carried; expected at least one. it has none",
    ),
    "another JSON": ({"a": 1}, "is not a Qualtrics survey; expected JSON with SurveyElements"),
    "elements of another kind": ({"SurveyElements": [1]}, "is not a Qualtrics survey"),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD)
def test_a_file_without_a_questionnaire_is_refused(tmp_path: Path, data: Any, message: str) -> None:
    path = tmp_path / "s.qsf"
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigurationError) as raised:
        import_survey(path)
    assert message in str(raised.value) and len(raised.value.problems) == 1


def test_a_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.qsf").write_text("<html>")
    with pytest.raises(ConfigurationError, match="is not JSON: line 1, column 1"):
        import_survey(tmp_path / "s.qsf")


WHOLE = survey(
    [
        question(number, kind, Selector=one["Payload"].get("Selector", ""), **options("a", "b"))
        for number, (kind, one) in enumerate(
            [(one["Payload"]["QuestionType"], one) for one, _ in TYPES.values()], 1
        )
    ]
)


def damaged(data: Any, where: list[int], value: Any) -> Any:
    """``data`` with one of its parts replaced."""
    if not where or not isinstance(data, dict | list) or not data:
        return value
    keys = list(data) if isinstance(data, dict) else list(range(len(data)))
    key = keys[where[0] % len(keys)]
    part = damaged(data[key], where[1:], value)
    return {**data, key: part} if isinstance(data, dict) else [*data[:key], part, *data[key + 1 :]]


JUNK = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.just([])
    | st.just({})
    | st.just({"0": {"0": 1}})
)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=7), JUNK)
@settings(max_examples=80, deadline=None)
def test_a_damaged_survey_is_read_or_refused_in_words(where: list[int], junk: Any) -> None:
    try:
        found = from_qsf(damaged(WHOLE, where, junk), "s.qsf")
    except ConfigurationError:
        return
    assert found.survey.items
