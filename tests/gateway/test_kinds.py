from __future__ import annotations

import pytest
from support.requests import FOREIGN, SCORE, ask

from harness.gateway.calls import Request
from harness.gateway.requests.call_kinds import classify


@pytest.mark.parametrize("kind", FOREIGN)
def test_every_kind_of_tinytroupe_is_told_apart(kind: str) -> None:
    assert classify(FOREIGN[kind]) == kind


def test_what_nobody_knows_is_other() -> None:
    assert classify(ask("x", response_format=SCORE)) == "other"
    assert classify(ask("x", response_format={"type": "json_object"})) == "other"
    assert classify(Request([{"role": "assistant", "content": None}])) == "other"


def test_content_in_parts_is_read() -> None:
    parts = [{"type": "text", "text": "combines them into"}, {"type": "image_url", "image_url": {}}]
    assert classify(Request([{"role": "user", "content": parts}])) == "combine"
