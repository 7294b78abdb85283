"""F44: refusals are asked again until they vanish. Here a refusal is an answer: kept, named, asked once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.plans import plan

from harness.engines.embedded import EmbeddedEngine
from harness.errors import RefusedError
from harness.gateway.calls import Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.trial_client import TrialClient
from harness.model import Level, TrialResult
from tests.support.instruments import bad, filed, sound
from tests.support.records import failed, trials


class Reluctant(RehearsalProvider):
    """Declines whatever has one of ``words`` in it."""

    def __init__(self, *words: str) -> None:
        super().__init__(1)
        self.words, self.refused = words, Counter[str]()

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        if any(word in str(request.messages) for word in self.words):
            self.refused[request.digest] += 1
            return Reply("I cannot judge that.", refusal=True)
        return await super().complete(request, trial=trial, occurrence=occurrence)

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        return []


def played(provider: Reluctant, folder: Path, attempt: int = 1) -> tuple[TrialResult, TrialClient]:
    async def main() -> tuple[TrialResult, TrialClient]:
        gateway = Gateway(provider, journal=Journal(folder))
        client = gateway.open_trial("t", "run", attempt)
        try:
            return await EmbeddedEngine().run(plan(), client), client
        finally:
            await gateway.aclose()

    return asyncio.run(main())


def test_a_refused_score_is_a_missing_sample_that_says_so(tmp_path: Path) -> None:
    provider = Reluctant("speaks naturally")
    for attempt in (1, 2):  # a rerun of the trial hears the same
        result, client = played(provider, tmp_path, attempt)
        missing = [sample for sample in result.samples if sample.value is None]
        assert [sample.metric for sample in missing] == ["fluency"] * 3
        assert all((sample.reason or "").startswith("refused: ") for sample in missing)
        assert all("I cannot judge that." in (sample.reason or "") for sample in missing)
        assert (client.refusals, client.rejections) == (3, [])
    assert list(provider.refused.values()) == [1, 1, 1]


def test_a_refused_turn_fails_the_trial_with_that_reason(tmp_path: Path) -> None:
    provider = Reluctant("Find new uses")
    with pytest.raises(RefusedError, match="Call 'act' of t: refused by the model: 'I cannot judge that"):
        played(provider, tmp_path)
    assert set(provider.refused.values()) == {1}


def test_a_refusal_that_went_away_when_asked_again_is_found_in_the_records() -> None:
    records = sound()
    one, *others = trials(filed([]).design, groups=["Treatment"])
    vanished = [failed(one, "refused by the model", kind="RefusedError")]
    assert bad(filed([*records, *vanished]))["refusals asked away", ""] is Level.WARN
    vanished += [failed(other, "refused by the model", kind="RefusedError") for other in others[:3]]
    assert bad(filed([*records, *vanished]))["refusals asked away", ""] is Level.FAIL


def test_a_failure_of_another_kind_that_was_tried_again_is_no_refusal() -> None:
    again = [failed(trial, "no reply") for trial in trials(filed([]).design, groups=["Treatment"])]
    assert bad(filed([*sound(), *again])) == {}


def test_refusals_in_one_arm_are_told() -> None:
    records = sound()
    for record in [one for one in records if one["group"] == "Treatment"][:6]:
        record["refusals"] = 1
    assert bad(filed(records)) == {("refusals", "Treatment against Control"): Level.WARN}
