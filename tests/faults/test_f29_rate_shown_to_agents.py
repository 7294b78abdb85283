"""F29: a rate of 1.0 is shown to the agents as "1.0 %". Here one function writes rates, from counts."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.experiments.cooperation.rates import percent
from harness.gateway.calls import Request
from tests.support.cooperation import always, game_of


@pytest.mark.parametrize(
    ("events", "of", "text"),
    [
        (9, 9, "100 % (9 of 9)"),
        (0, 9, "0 % (0 of 9)"),
        (7, 9, "78 % (7 of 9)"),
        (1, 1000, "1 % (1 of 1000)"),
        (999, 1000, "99 % (999 of 1000)"),
        (0, 0, "not known (0 of 0)"),
    ],
)
def test_rates_are_per_cent_of_counts(events: int, of: int, text: str) -> None:
    assert percent(events, of) == text


@given(st.integers(1, 5000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_no_rate_is_off_by_a_hundred(pair: tuple[int, int]) -> None:
    events, of = pair
    shown = int(percent(events, of).split(" %")[0])
    assert abs(shown - 100 * events / of) <= 1
    assert (shown == 100) == (events == of) and (shown == 0) == (events == 0)


@pytest.mark.parametrize(("events", "of"), [(2, 1), (-1, 3)])
def test_what_is_no_share_is_refused(events: int, of: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to"):
        percent(events, of)


@pytest.mark.parametrize("cooperate", [True, False])
def test_in_the_prompts_of_a_population_that_always_does_the_same(tmp_path: Path, cooperate: bool) -> None:
    asked: list[str] = []

    def answer(request: Request) -> str:
        asked.append(str(request.messages[-1]["content"]))
        return str(always(cooperate=cooperate)(request))

    game, _ = game_of(tmp_path, answer)
    asyncio.run(game.play())
    rates = [rate for text in asked for rate in re.findall(r"\S+ % \(\d+ of \d+\)", text)]
    expected = {"100 % (2 of 2)", "100 % (6 of 6)"} if cooperate else {"0 % (0 of 2)", "0 % (0 of 6)"}
    assert set(rates) == expected
    assert len(re.findall("%", "".join(asked))) == len(rates), "no other rate is shown"
