"""F30: the control prompt contains the treatment's text. In the rounds: prompts of all groups are compared."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness.experiments.cooperation.experiment import CONDITIONS
from harness.gateway.calls import Request
from harness.gateway.rehearsal.provider import RehearsalProvider
from tests.support.cooperation import game_of

OTHERS = [group for group in CONDITIONS if group != "baseline"]


def prompts(folder: Path, group: str) -> list[tuple[str, str]]:
    """(system, user) of every call of a game, answered by what it asks last alone, so that all groups play the same."""
    found: list[tuple[str, str]] = []

    def answer(request: Request) -> str:
        system, user = (str(message["content"]) for message in request.messages)
        found.append((system, user))
        return RehearsalProvider(0).answer(Request(request.messages[1:]), trial="t", occurrence=0).text

    game, _ = game_of(folder, answer, group=group)
    asyncio.run(game.play())
    return sorted(found)


@pytest.mark.parametrize("group", OTHERS)
def test_the_prompts_of_two_groups_differ_in_what_the_condition_says_and_nowhere_else(
    tmp_path: Path, group: str
) -> None:
    plain, told = prompts(tmp_path / "one", "baseline"), prompts(tmp_path / "two", group)
    assert len(plain) == len(told) == 18
    without = sorted((system.removesuffix(f"\n{CONDITIONS[group]}"), user) for system, user in told)
    assert without == plain
    assert all(system.count(CONDITIONS[group]) == 1 for system, _ in told)


@pytest.mark.parametrize("group", OTHERS)
def test_no_word_of_a_condition_reaches_another_group(tmp_path: Path, group: str) -> None:
    runs = {" ".join(CONDITIONS[group].split()[start : start + 4]) for start in range(4)}
    for other in CONDITIONS:
        if other != group:
            texts = [text for pair in prompts(tmp_path / other, other) for text in pair]
            assert not any(run in text for run in runs for text in texts)
