"""A thousand requests as wrong as they come: the face answers each in order, shows no token, and keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from support.fuzz import FuzzedFace, Sent, requests

pytestmark = pytest.mark.slow

_EVERYTHING = list(HealthCheck)


@pytest.fixture(scope="module")
def face() -> Iterator[FuzzedFace]:
    with FuzzedFace() as running:
        assert running.is_well()
        yield running


@settings(
    max_examples=1000, deadline=None, database=None, derandomize=True, suppress_health_check=_EVERYTHING
)
@given(requests)
def fuzz(face: FuzzedFace, request: Sent) -> None:
    face.check(request)


def test_a_thousand_requests(face: FuzzedFace) -> None:
    before = face.held()
    fuzz(face)
    assert face.is_well()
    after = face.held()
    more = {name: after[name] - before[name] for name in after if after[name] > before[name]}
    assert not more, "what other tests of this process held may have gone meanwhile; nothing may have come"
    assert sum(face.statuses.values()) >= 1000
    assert {200, 400, 401, 404, 405} <= face.statuses.keys(), face.statuses
