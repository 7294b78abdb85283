"""What a persona's specification reads like."""

from __future__ import annotations

import asyncio

from support.clients import FakeClient
from support.plans import plan

from harness.engines.embedded import EmbeddedEngine
from harness.engines.embedded.prompts import be, describe
from harness.engines.embedded.schemas import extraction, turn
from harness.model import Persona


def test_a_specification_is_read_as_indented_lists() -> None:
    specification = {
        "name": "Ana {Lima}",
        "country_of_residence": None,
        "occupation": {"title": "Nurse", "description": ""},
        "traits": ["kind", "tired"],
        "relationships": [{"name": "Emil", "description": "a brother", "since": None}],
        "likes": {"c", "a", "b"},
        "routines": {"morning": ["runs"]},
        "skills": [],
    }
    assert describe(Persona("Ana {Lima}", specification)) == "\n".join(
        [
            "- Name: Ana {Lima}",
            "- Occupation:",
            "  - Title: Nurse",
            "- Traits:",
            "  - kind",
            "  - tired",
            "- Relationships:",
            "  - name: Emil; description: a brother",
            "- Likes:",
            "  - a",
            "  - b",
            "  - c",
            "- Routines:",
            "  - Morning:",
            "    - runs",
        ]
    )


def test_braces_in_a_specification_stay_as_they_are() -> None:
    assert "{name} {0} {}" in be("Ana", "{name} {0} {}", ("Bo",), 8)


def test_someone_alone_is_told_so() -> None:
    assert "You are alone in a room." in be("Ana", "", (), 8)


def test_schemas_are_strict() -> None:
    for form in (turn(("Bo",)), extraction("ideas", ("name",))):
        schema = form["json_schema"]["schema"]
        assert form["json_schema"]["strict"] is True
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])


def test_no_arm_is_named_to_any_model() -> None:
    client = FakeClient()
    asyncio.run(EmbeddedEngine().run(plan(), client))
    assert not any("Control" in str(request.messages) for request, _ in client.calls)
