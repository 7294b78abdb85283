"""F18: the shared system prompt names one arm's tool. Here no run begins with such a prompt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.experiments.tool_variants.experiment import tool_variants
from harness.experiments.tool_variants.prompts import system_prompt
from harness.experiments.tool_variants.variants import VARIANTS

NAMES = [tool.name for variant in VARIANTS.values() for tool in variant.tools]


def faults(persona: str) -> list[str]:
    made = tool_variants()
    planted = replace(made, settings={**made.settings, "zero_persona": persona})
    assert made.play is not None and made.play.check is not None
    return list(made.play.check(planted))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["{}", "{}()", "`{}`", "{} ", "use {}, please"])
def test_each_tool_in_each_form_is_found(name: str, form: str) -> None:
    for written in (name, name.upper(), name.replace("_", " "), name.replace("_", "-")):
        assert any(f"names {name!r}" in fault for fault in faults("You help. " + form.format(written)))


def test_all_variants_and_scenarios_get_the_same_prompt_without_a_tool() -> None:
    made = tool_variants()
    prompt = system_prompt(made.settings).lower()
    assert not [name for name in NAMES if name in prompt or name.replace("_", " ") in prompt]
    assert not faults(str(made.settings["zero_persona"]))
    assert not [group.name for group in made.groups if "zero_persona" in group.settings]
