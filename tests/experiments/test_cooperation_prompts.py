"""What agents are told and what is read in their answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness.experiments.cooperation.prompts import MAX_WORDS, choice_in, plainly
from harness.experiments.cooperation.society import OptionNames
from harness.gateway.calls import Request
from harness.gateway.rehearsal.provider import RehearsalProvider
from tests.support.cooperation import game_of, is_decision, label

OPTIONS = OptionNames(("RIVER", "MEADOW"), "MEADOW")


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("MEADOW", "C"), ("river", "D"), (" **Meadow**.\n", "C"), ("“RIVER”", "D"), ("`MEADOW`", "C"),
        ("", None), ("yes", None), ("COOPERATE", None), ("not MEADOW", None), ("RIVER or MEADOW", None),
        ("I choose RIVER", None), ("MEADOWS", None), ("MEADOW MEADOW", None), ("RIVERMEADOW", None),
    ],
)  # fmt: skip
def test_a_decision_is_one_of_two_words_or_none(text: str, choice: str | None) -> None:
    assert choice_in(text, OPTIONS) == choice


def test_options_are_told_by_their_meaning() -> None:
    assert (
        plainly("Meadow first, then RIVER; rivers never.", OPTIONS)
        == "cooperate first, then defect; rivers never."
    )


def requests(tmp_path: Path, **more: object) -> list[Request]:
    found: list[Request] = []
    rehearsal = RehearsalProvider(0)

    def answer(request: Request) -> str:
        found.append(request)
        return rehearsal.answer(request, trial="t", occurrence=0).text

    game, _ = game_of(tmp_path, answer, **more)  # type: ignore[arg-type]
    asyncio.run(game.play())
    return found


def test_power_is_known_in_decisions_alone(tmp_path: Path) -> None:
    asked = requests(tmp_path, power={"start": [71.25, 83.5, 142.75]})
    for request in asked:
        text = "\n".join(str(message["content"]) for message in request.messages)
        shown = any(number in text for number in ("71.2", "83.5", "142.8", "Your power is"))
        assert shown == is_decision(request) or (is_decision(request) and "Your power is" in text)
    strategies = [str(one.messages) for one in asked if not is_decision(one)]
    assert len(strategies) == 6 and not any("Your power is" in one for one in strategies)


def test_no_agent_is_called_by_name_and_no_option_gives_itself_away(tmp_path: Path) -> None:
    for request in requests(tmp_path):
        text = str(request.messages).casefold()
        assert "agent_" not in text and "cooperat" not in text and "defect" not in text


def test_rehearsed_strategies_and_decisions_are_of_the_kind_that_is_asked_for(tmp_path: Path) -> None:
    rehearsal = RehearsalProvider(0)
    for request in requests(tmp_path):
        text = rehearsal.answer(request, trial="t", occurrence=0).text
        if is_decision(request):
            assert text in (label(request, cooperate=True), label(request, cooperate=False))
        else:
            assert 10 < len(text.split()) <= MAX_WORDS


def test_equal_questions_of_two_agents_are_two_calls(tmp_path: Path) -> None:
    game, client = game_of(tmp_path, lambda request: "…" if is_decision(request) else "Wait.")
    asyncio.run(game.play())
    assert len(client.sites) == len(set(client.sites)) == 2 * (3 + 6)
    assert {(site.kind, site.step) for site in client.sites} == {
        (kind, step) for kind in ("strategy", "decision") for step in (1, 2)
    }


def test_a_longer_strategy_is_cut_and_counted(tmp_path: Path) -> None:
    long = " ".join(f"w{n}" for n in range(130))
    game, _ = game_of(tmp_path, lambda request: "RIVER" if is_decision(request) else long)
    asyncio.run(game.play())
    kept = game.rounds[0].strategies[0]
    assert kept.words == 130 and kept.text is not None and len(kept.text.split()) == 100
