"""The values that stand for options in other data are kept, checked, and seen by no model."""

from __future__ import annotations

import pytest

from harness import Choice, ConfigurationError, Experiment, Group, MultipleChoice, Numeric, Persona, Survey

CODED = {"yes": "1", "no": "2"}


@pytest.mark.parametrize("kind", [Choice, MultipleChoice])
def test_values_do_not_identify_a_run(kind: type[Choice]) -> None:
    plain = kind("stay", "Will you stay?", options=("yes", "no"))
    coded = kind("stay", "Will you stay?", options=("yes", "no"), values=CODED)
    assert coded.declared == plain.declared
    assert dict(coded.values) == CODED


def test_a_bound_of_zero_identifies_a_run() -> None:
    assert Numeric("rent", "Rent?", least=0).declared != Numeric("rent", "Rent?").declared


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"yess": "1"}, "'yess' is not an option; expected one of yes, no. Did you mean 'yes'?"),
        ({"yes": 1}, "values['yes']=1; expected text, such as '1'."),
        ({"yes": "1", "no": "1"}, "values: '1' is declared 2 times; expected once."),
        ("1", "values='1'; expected a mapping"),
    ],
)
def test_a_wrong_value_is_refused(values: object, fault: str) -> None:
    item = Choice("stay", "Will you stay?", options=("yes", "no"), values=values)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as raised:
        Experiment(
            name="e",
            population=(Persona("Ada", {"age": 30}),),
            groups=(Group("a"), Group("b")),
            survey=Survey(items=[item]),
        )
    assert fault in str(raised.value)
