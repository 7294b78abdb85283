"""Import of EDSL's surveys and agents, from hand-written data, and from the real package where it is installed."""

from __future__ import annotations

import contextlib
import gzip
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import ConfigurationError, ImportedQuestionnaire, import_survey, load_population
from harness.questionnaires.imports.edsl import from_edsl

END = "EndOfSurvey"
STAY = {
    "question_name": "stay",
    "question_type": "multiple_choice",
    "question_text": "Stay?",
    "question_options": ["yes", "no"],
}
MOOD = {
    "question_name": "mood",
    "question_type": "likert_five",
    "question_text": "Content?",
    "question_options": ["never", "rarely", "at times", "often", "always"],
}
HOME = {
    "question_name": "home",
    "question_type": "yes_no",
    "question_text": "At home?",
    "question_options": ["No", "Yes"],
}
WHY = {"question_name": "why", "question_type": "free_text", "question_text": "Why {{ stay.answer }}?"}


def survey(questions: Sequence[Mapping[str, Any]], *rules: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    always = [
        {"current_q": at, "expression": "True", "next_q": at + 1, "priority": -1, "before_rule": False}
        for at in range(len(questions))
    ]
    return {
        "questions": list(questions),
        "memory_plan": {"data": {}},
        "rule_collection": {"rules": [*always, *rules]},
        "edsl_class_name": "Survey",
        **parts,
    }


def jump(current: int, expression: str, target: int | str, *, before: bool = False) -> dict[str, Any]:
    return {
        "current_q": current,
        "expression": expression,
        "next_q": target,
        "priority": 0,
        "before_rule": before,
    }


def read(*arguments: Any, **parts: Any) -> ImportedQuestionnaire:
    return from_edsl(survey(*arguments, **parts), "s.json")


TYPES = {
    "multiple choice": (STAY, {"type": "choice", "options": ["yes", "no"]}),
    "numbers as options": ({**STAY, "question_options": [1, 2]}, {"type": "choice", "options": ["1", "2"]}),
    "check box": (
        {**STAY, "question_type": "checkbox", "min_selections": 1, "max_selections": 2},
        {"type": "multiple_choice", "options": ["yes", "no"], "least": 1, "most": 2},
    ),
    "top k": (
        {**STAY, "question_type": "top_k", "min_selections": 1, "max_selections": 1},
        {"type": "multiple_choice", "options": ["yes", "no"], "least": 1, "most": 1},
    ),
    "linear scale, ends labelled": (
        {
            "question_type": "linear_scale",
            "question_options": [1, 2, 3],
            "option_labels": {"1": "low", "3": "high"},
        },
        {"type": "likert", "points": 3, "labels": ["low", "high"]},
    ),
    "linear scale from 0": (
        {"question_type": "linear_scale", "question_options": [0, 1, 2]},
        {"type": "numeric", "least": 0, "most": 2, "whole": True},
    ),
    "five points": (MOOD, {"type": "likert", "points": 5, "labels": MOOD["question_options"]}),
    "number": (
        {"question_type": "numerical", "min_value": 0, "max_value": 9.5},
        {"type": "numeric", "least": 0, "most": 9.5},
    ),
    "rank": (
        {**STAY, "question_type": "rank", "num_selections": 2},
        {"type": "ranking", "options": ["yes", "no"]},
    ),
    "budget": (
        {**STAY, "question_type": "budget", "budget_sum": 40},
        {"type": "allocation", "options": ["yes", "no"], "total": 40},
    ),
    "matrix": (
        {
            "question_type": "matrix",
            "question_items": ["a", "b"],
            "question_options": [1, 2, 3],
            "option_labels": {},
        },
        {"type": "matrix", "rows": ["a", "b"], "points": 3},
    ),
    "matrix of words": (
        {"question_type": "matrix", "question_items": ["a"], "question_options": ["low", "mid", "high"]},
        {"type": "matrix", "rows": ["a"], "points": 3, "labels": ["low", "mid", "high"]},
    ),
    "yes or no": (HOME, {"type": "yes_no"}),
    "free text": ({"question_type": "free_text"}, {"type": "free_text"}),
}


@pytest.mark.parametrize(("question", "item"), TYPES.values(), ids=TYPES)
def test_a_type_becomes_an_item(question: dict[str, Any], item: dict[str, Any]) -> None:
    found = read([{**question, "question_name": "q", "question_text": "Q?"}])
    assert not found.left_out and not found.changed and found.survey
    assert found.data["items"] == [{"name": "q", "question": "Q?", **item}]
    assert (found.data["ask"], found.data["memory"]) == ("separately", False)


LEFT_OUT = {
    "a list": ({"question_type": "list"}, "the question type list has no counterpart"),
    "a scenario": (
        {**WHY, "question_text": "{{ scenario.x }}?"},
        "its text has {{ scenario.x }}, which is filled in elsewhere",
    ),
    "options of a scenario": (
        {**STAY, "question_options": "{{ scenario.options }}"},
        "its question_options are filled in elsewhere ('{{ scenario.options }}')",
    ),
    "a partial rank": (
        {**STAY, "question_type": "rank", "num_selections": 1},
        "it ranks some of its options; expected all of them",
    ),
    "an answer that comes later": (
        {**WHY, "question_text": "{{ stay.answer }}"},
        "stay is not carried, or comes later",
    ),
}


@pytest.mark.parametrize(("question", "reason"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_cannot_be_carried_is_named_with_its_reason(question: dict[str, Any], reason: str) -> None:
    found = read([{**question, "question_name": "q"}, STAY])
    assert [str(one) for one in found.left_out] == [f"q: {reason}"]
    assert [item["name"] for item in found.data["items"]] == ["stay"]


RULES = {
    "skip": (
        jump(1, "{{ stay.answer }} == 'yes'", 2, before=True),
        [None, "not (stay == 'yes')", None, None],
    ),
    "older form": (jump(1, "stay == 'yes'", 2, before=True), [None, "not (stay == 'yes')", None, None]),
    "jump": (jump(0, "stay.answer == 'no'", 3), [None, *["not (stay == 'no')"] * 2, None]),
    "stop": (jump(1, "{{ home.answer }} == 'No'", END), [None, None, *["not (home == 'no')"] * 2]),
    "words of a scale": (
        jump(2, "{{ mood.answer }} in ['never', 'rarely']", END),
        [None, None, None, "not (mood in [1, 2])"],
    ),
}


@pytest.mark.parametrize(("rule", "conditions"), RULES.values(), ids=RULES)
def test_a_rule_becomes_conditions(rule: dict[str, Any], conditions: list[str | None]) -> None:
    found = read([STAY, HOME, MOOD, WHY], rule)
    assert [item.get("when") for item in found.data["items"]] == conditions
    assert found.survey and not found.changed


def test_a_rule_of_a_question_that_may_be_skipped_holds_only_where_it_was_asked() -> None:
    skip, stop = jump(1, "stay == 'yes'", 2, before=True), jump(1, "home == 'No'", END)
    found = read([STAY, HOME, MOOD], skip, stop)
    assert found.data["items"][2]["when"] == "not ((not (stay == 'yes')) and (home == 'no'))"


@pytest.mark.parametrize(
    "expression",
    ["{{ agent.age }} > 30", "__import__('os').getcwd() == stay", "len(stay) > 1", "x ==", "True or True"],
)
def test_a_rule_that_is_not_plain_is_named_and_never_run(expression: str) -> None:
    found = read([STAY, HOME], jump(0, expression, END))
    assert all("when" not in item for item in found.data["items"])
    assert str(found.changed[0]).startswith(f"stay: its rule {expression!r} is not carried: ")


def test_memory_instructions_and_random_options_are_carried() -> None:
    hello = {"name": "hello", "text": "Be frank.", "edsl_class_name": "Instruction"}
    full = {"data": {"home": {"prior_questions": ["stay"]}}}
    found = read([hello, STAY, HOME], memory_plan=full, questions_to_randomize=["stay"])
    assert (found.data["introduction"], found.data["memory"]) == ("Be frank.", True)
    assert found.data["items"][0]["shuffle"] is True and not found.changed


def package(path: Path, folder: str, order: str, parts: Sequence[Any], **more: Any) -> Path:
    numbers = [f"{number:06d}" for number in range(1, len(parts) + 1)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({order: numbers[::-1], **more.pop("manifest", {})}))
        for number, part in zip(numbers, parts, strict=True):
            archive.writestr(f"{folder}/{number}.json", json.dumps(part))
        for name, part in more.items():
            archive.writestr(f"metadata/{name}.json", json.dumps(part))
    return path


def test_saved_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(survey([STAY, HOME])))
    (tmp_path / "s.json.gz").write_bytes(gzip.compress(json.dumps(survey([STAY, HOME])).encode()))
    manifest = {"edsl_class_name": "Survey"}
    package(tmp_path / "s.ep", "questions", "question_order", [HOME, STAY], manifest=manifest)
    found = [import_survey(tmp_path / name).data for name in ("s.json", "s.json.gz", "s.ep")]
    assert found[0] == found[1] == found[2] and len(found[0]["items"]) == 2


AGENTS = {
    "agent_list": [
        {
            "name": "Ada",
            "traits": {"age": 34, "name": "Ada L."},
            "instruction": "Be brief.",
            "edsl_version": "1",
        },
        {"traits": {"age": 61}, "codebook": {"age": "Age in years"}, "edsl_class_name": "Agent"},
        {
            "traits": {"age": 20, "town": "Leeds"},
            "traits_presentation_template": "I am {{ age }}, of {{town}}.",
        },
    ],
    "edsl_class_name": "AgentList",
}


def test_agents_become_personas_with_all_that_their_prompt_had(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(AGENTS))
    people = load_population(tmp_path / "a.json").personas
    assert [one.specification for one in people] == [
        {"name": "Ada", "age": 34, "instruction": "Be brief."},
        {"name": "agent-0002", "age": 61, "codebook": {"age": "Age in years"}},
        {"name": "agent-0003", "age": 20, "town": "Leeds", "description": "I am 20, of Leeds."},
    ]
    assert people[0].attributes["age"] == 34


def test_a_package_of_agents_has_what_they_share(tmp_path: Path) -> None:
    shared = {"edsl_class_name": "AgentList", "instruction": "Be brief.", "codebook": None}
    path = package(
        tmp_path / "a.ep",
        "agents",
        "agent_order",
        [{"traits": {"age": 2}}, {"traits": {"age": 1}}],
        manifest=shared,
    )
    people = load_population(path).personas
    assert [one.attributes for one in people] == [
        {"age": 1, "instruction": "Be brief."},
        {"age": 2, "instruction": "Be brief."},
    ]


FAULTY_AGENTS = {
    "code": (
        {"traits": {}, "dynamic_traits_function_name": "f"},
        "agent 1: 'dynamic_traits_function_name' has no counterpart",
    ),
    "no traits": ({"name": "Ada"}, "agent 1: has no traits; expected an agent as EDSL saves it."),
    "a template with code": (
        {"traits": {"age": 1}, "traits_presentation_template": "{% if age %}old{% endif %}"},
        "is more than text with traits in braces",
    ),
}


@pytest.mark.parametrize(("agent", "message"), FAULTY_AGENTS.values(), ids=FAULTY_AGENTS)
def test_an_agent_that_cannot_be_carried_is_refused(
    tmp_path: Path, agent: dict[str, Any], message: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"agent_list": [agent]}))
    with pytest.raises(ConfigurationError) as raised:
        load_population(tmp_path / "a.json")
    assert message in str(raised.value)


BAD = {
    "no questions": (
        "s.json",
        {"edsl_class_name": "Survey"},
        "is not a survey of EDSL; expected the JSON that its to_dict",
    ),
    "another JSON": (
        "s.json",
        {"a": 1},
        "is JSON, and not a survey that is read here; expected a Qualtrics survey",
    ),
    "agents": ("s.json", AGENTS, "holds agents of EDSL; expected a survey. Load them with load_population."),
    "another file": ("s.docx", {}, "the file name ends in '.docx'; expected a Qualtrics survey"),
    "nothing that is carried": (
        "s.json",
        survey([{**STAY, "question_type": "list"}]),
        "EDSL survey: no question can be carried; expected at least one. stay: the question type list",
    ),
}


@pytest.mark.parametrize(("name", "data", "message"), BAD.values(), ids=BAD)
def test_a_file_without_a_survey_is_refused(tmp_path: Path, name: str, data: Any, message: str) -> None:
    (tmp_path / name).write_text(json.dumps(data))
    with pytest.raises(ConfigurationError) as raised:
        import_survey(tmp_path / name)
    assert message in str(raised.value) and len(raised.value.problems) == 1


@pytest.mark.parametrize("content", [b"PK\x03\x04 torn", b"\x1f\x8b torn", b""])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.ep").write_bytes(content)
    for load in (import_survey, load_population):
        with pytest.raises(ConfigurationError):
            load(tmp_path / "s.ep")


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.just([])
    | st.just({})
    | st.just(["a", "b"])
)


@given(st.sampled_from([one for one, _ in TYPES.values()]), st.data())
@settings(max_examples=80, deadline=None)
def test_a_damaged_question_is_read_or_refused_in_words(
    question: dict[str, Any], data: st.DataObject
) -> None:
    named = {"question_name": "q", "question_text": "Q?", **question}
    broken = {**named, data.draw(st.sampled_from(sorted(named))): data.draw(VALUES)}
    with contextlib.suppress(ConfigurationError):
        assert read([broken]).survey


def test_the_real_package_and_its_files_are_read(tmp_path: Path) -> None:
    edsl = pytest.importorskip("edsl", reason="EDSL is not installed")
    questions = pytest.importorskip("edsl.questions")
    made = edsl.Survey(
        [
            questions.QuestionMultipleChoice(
                question_name="stay", question_text="Stay?", question_options=["yes", "no"]
            ),
            questions.QuestionYesNo(question_name="home", question_text="At home?"),
            questions.QuestionLinearScale(
                question_name="mood",
                question_text="Content?",
                question_options=[1, 2, 3],
                option_labels={1: "no", 3: "yes"},
            ),
            questions.QuestionNumerical(
                question_name="age", question_text="Age?", min_value=0, max_value=120
            ),
            questions.QuestionFreeText(question_name="why", question_text="Why {{ stay.answer }}?"),
        ]
    )
    made = made.add_skip_rule("home", "{{ stay.answer }} == 'yes'").add_stop_rule(
        "mood", "{{ mood.answer }} > 2"
    )
    (tmp_path / "s.json").write_text(json.dumps(made.to_dict()))
    made.save(str(tmp_path / "saved"))
    live = import_survey(made)
    assert not live.left_out and not live.changed
    assert [item["type"] for item in live.data["items"]] == [
        "choice",
        "yes_no",
        "likert",
        "numeric",
        "free_text",
    ]
    assert [item.get("when") for item in live.data["items"]] == [
        *(None, "not (stay == 'yes')", None), *["not (mood > 2)"] * 2
    ]  # fmt: skip
    saved = next(path for path in tmp_path.iterdir() if path.name.startswith("saved"))
    assert import_survey(tmp_path / "s.json").data == import_survey(saved).data == live.data
    agents = edsl.AgentList(
        [edsl.Agent(name="Ada", traits={"age": 34}), edsl.Agent(name="Bo", traits={"age": 61})]
    )
    (tmp_path / "a.json").write_text(json.dumps(agents.to_dict()))
    for found in (load_population(tmp_path / "a.json"), load_population(agents)):
        assert [one.specification for one in found.personas] == [
            {"name": "Ada", "age": 34},
            {"name": "Bo", "age": 61},
        ]
