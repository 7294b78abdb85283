"""How values and conditions of agents read as text."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import ConfigurationError
from harness.experiments.population.formats.persona import Teller, personas_of
from tests.support.populations import people


@pytest.mark.parametrize("spec", [".2d", ".1", ",.3", ".2"])
@pytest.mark.parametrize("value", [7, 7.25, True, None, "seven"])
def test_every_format_that_is_taken_can_be_written(spec: str, value: Any) -> None:
    phrased = {"attribute": "x", "template": "I have {value}.", "format_spec": spec}
    config = {
        "intro_template": "I am.",
        "groups": [{"name": "g", "label": "Me", "attributes": ["x"]}],
        "phrasings": {"concrete": [phrased]},
    }
    try:
        wanted = personas_of(config, frozenset({"x"}))
    except ConfigurationError as error:
        assert spec in str(error)
        return
    assert "I have" in Teller(wanted, people(1, x=[7])).tell({"x": value})


@pytest.mark.parametrize(
    ("value", "said"),
    [(True, "I do."), (False, "I don't."), ("no", "x: no"), ("true", "x: true"), (None, "x: None")],
)
def test_a_text_is_not_told_as_true(value: Any, said: str) -> None:
    phrased = {"attribute": "x", "true_phrase": "I do.", "false_phrase": "I don't."}
    config = {"intro_template": "I am.", "phrasings": {"boolean": [phrased]}}
    config["groups"] = [{"name": "g", "label": "Me", "attributes": ["x"]}]
    assert said in Teller(personas_of(config, frozenset({"x"})), people(1, x=[True])).tell({"x": value})
