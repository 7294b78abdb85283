"""Conditions over agents: as Python has them row by row, and silent where a value is empty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.experiments.population.gates.checks.leakage import Handed, MeasuredOutcome, leaks, stems
from harness.experiments.population.gates.checks.network import _all_sound, _malformed
from harness.experiments.population.gates.checks.stops import contradictions
from harness.experiments.population.gates.conditions import Unevaluable, judge, rule_compliance
from harness.experiments.population.gates.rules import AgentRules, names_read, rule_problems
from harness.experiments.population.gates.table import column_of

NUMBERS = st.one_of(st.none(), st.integers(-5, 5))
ROWS = st.lists(
    st.fixed_dictionaries({"a": NUMBERS, "b": NUMBERS, "t": st.sampled_from([None, "x", "y"])}), min_size=1
)
SIGNS = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> str:
    kind = draw(
        st.sampled_from(
            ["numbers", "sum", "text", "list", "chain", "not", "and", "or"][: 5 if depth == 0 else 8]
        )
    )
    if kind == "numbers":
        return f"a {draw(SIGNS)} {draw(st.integers(-5, 5))}"
    if kind == "sum":
        return f"a + 2 * b {draw(SIGNS)} {draw(st.integers(-5, 5))}"
    if kind == "text":
        return f"t {draw(st.sampled_from(['==', '!=']))} 'x'"
    if kind == "list":
        return f"t {draw(st.sampled_from(['in', 'not in']))} ['x', 'z']"
    if kind == "chain":
        return f"-2 < a <= {draw(st.integers(-5, 5))}"
    if kind == "not":
        return f"not ({draw(conditions(depth=depth - 1))})"
    return f"({draw(conditions(depth=depth - 1))}) {kind} ({draw(conditions(depth=depth - 1))})"


@given(conditions(), ROWS)
def test_a_condition_means_what_python_means_by_it(text: str, rows: list[dict[str, object]]) -> None:
    columns = {name: column_of([row[name] for row in rows]) for name in ("a", "b", "t")}
    names = [name for name in columns if name in text.replace("not", "").replace("and", "")]
    if any(columns[name].kind == "empty" for name in names):
        return
    found = judge(text, columns, len(rows))
    for number, row in enumerate(rows):
        known = all(row[name] is not None for name in names)
        assert bool(found.defined[number]) is known
        assert bool(found.holds[number]) is (known and bool(eval(text, {}, row)))


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    columns = {"a": column_of([1, 2]), "t": column_of(["x", None])}
    try:
        found = judge(text, columns, 2)
    except Unevaluable:
        return
    assert found.holds.shape == (2,)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "().__class__.__bases__", "[x for x in a]", "lambda: 1", "a.real", "a[0]",
        "f'{a}'", "open('/etc/passwd')", "a := 3", "yield a", "await a", "'x' * 10**9 == t",
        "(" * 5_000 + "a" + ")" * 5_000, "a and " * 2_000 + "a", "a\0", "", "a =", "nobody > 1", "a > t", "t + 1 > 2",
        "a is None", "*a", "{**a}", "exec('a')",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(Unevaluable):
        judge(text, {"a": column_of([1, 2]), "t": column_of(["x", "y"])}, 2)


def test_what_is_empty_counts_neither_way() -> None:
    columns = {"age": column_of([10, 20, None, 30]), "works": column_of([True, True, False, None])}
    found = rule_compliance("age < 18", "not works", columns, 4)
    assert (found.applicable, found.held, found.unknown) == (1, 0, 1)
    found = rule_compliance("age >= 18", "works", columns, 4)
    assert (found.applicable, found.held, found.unknown) == (1, 1, 2)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2.5, None], "number"), ([True, None], "truth"), (["a", None], "text"), ([1, "a"], "mixed"),
        ([True, 1], "mixed"), ([None, None], "empty"), ([[1]], "mixed"), ([{}], "mixed"), ([], "empty"),
    ],
)  # fmt: skip
def test_columns_know_their_kind(values: list[object], kind: str) -> None:
    column = column_of(values)
    assert column.kind == kind
    assert column.known.tolist() == [value is not None for value in values]


def test_a_mixed_column_is_in_no_condition() -> None:
    with pytest.raises(Unevaluable, match="several types"):
        judge("a > 1", {"a": column_of([1, "2"])}, 2)


def test_towers_of_powers_are_cheap() -> None:
    assert judge("9 ** 9 ** 9 ** 9 > a", {"a": column_of([1, 2])}, 2).holds.all()


def test_rules_know_what_they_read() -> None:
    rules = AgentRules.model_validate(
        {
            "bounds": {"a": {"min": 0}},
            "exclusive": [{"name": "x", "fields": ["b", "c"]}],
            "hard": [{"name": "y", "when": "d > 1", "then": "e == 'f'"}],
            "priors": [{"field": "g", "given": "h < 3", "shares": {"i": 1.0}}],
        }
    )
    assert names_read(rules) == set("abcdegh")
    assert list(rule_problems(rules)) == []


@pytest.mark.parametrize(
    ("conditions_", "count"),
    [
        ([], 0), (["convergence"], 0), (["exposure_rate > 0.95"], 0), (["no_state_changes_for > 3"], 0),
        (["average_sentiment < -0.5", "average_sentiment > 0.5"], 0), (["exposure_rate >= 0.9", "convergence"], 0),
        (["exposure_rate > 1"], 1), (["exposure_rate > 1.5"], 1), (["exposure_rate <= 1"], 1),
        (["exposure_rate < 0.9"], 1),
        (["no_state_changes_for > 20"], 1), (["average_sentiment > -0.1", "average_sentiment < 0.1"], 1),
        (["weather == 3"], 1), (["exposure_rate > banana"], 1), (["average_conviction < 0"], 1),
    ],
)  # fmt: skip
def test_stop_conditions_that_contradict(conditions_: list[str], count: int) -> None:
    assert len(list(contradictions(conditions_, 10))) == count


@given(st.lists(st.text(max_size=60), max_size=4), st.integers(1, 10**9))
def test_any_text_can_be_a_stop_condition(texts: list[str], steps: int) -> None:
    assert all(isinstance(one, str) for one in contradictions(texts, steps))


@pytest.mark.parametrize(
    ("outcome", "attribute", "level"),
    [
        ("adoption_intent", "adoption_intent", "FAIL"), ("adoption_intent", "adoptionIntent", "PASS"),
        ("adoption_intent", "intent_to_adopt", "FAIL"), ("adoption_intent", "adopted_before", "WARN"),
        ("adoption_intent", "income", "PASS"), ("sentiment", "sentiment", "FAIL"),
        ("sentiment", "brand_sentiment", "WARN"), ("cancel_plan", "plan_cancellation", "FAIL"),
        ("cancel_decision", "cancel_likelihood", "FAIL"), ("cancel_decision", "cancer_history", "PASS"),
        ("vote_choice", "career_choice", "PASS"), ("vote_choice", "prior_vote", "FAIL"),
    ],
)  # fmt: skip
def test_what_gives_an_outcome_away(outcome: str, attribute: str, level: str) -> None:
    found = list(leaks([MeasuredOutcome(outcome)], [Handed(attribute)]))
    assert [str(one.level) for one in found] == [level]


@given(st.text(), st.text())
def test_any_names_can_be_compared(outcome: str, attribute: str) -> None:
    assert list(leaks([MeasuredOutcome(outcome, (attribute,))], [Handed(attribute, outcome, (outcome,))]))


def test_stems_of_related_words_meet() -> None:
    assert stems("adoption") == stems("adopted") == stems("adopting") == {"adopt"}
    assert np.all([len(one) >= 4 for one in stems("caring uses bring")])


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 2), st.floats(-1, 2), st.text(max_size=2), st.just([])
)
EDGES = st.lists(
    st.one_of(ODD, st.fixed_dictionaries({"source": ODD, "target": ODD, "weight": ODD, "type": ODD}),
              st.just({"source": "a", "target": "b", "weight": 0.5, "type": "x"})),
    max_size=4,
)  # fmt: skip


@given(EDGES)
def test_the_quick_look_at_edges_agrees_with_the_long_one(edges: list[object]) -> None:
    assert _all_sound(edges) is not any(map(_malformed, edges))
