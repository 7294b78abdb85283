"""Scores that do not vary with the text: constant within each person, or unmoved by shuffled words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks import examine
from harness.engines.word_shuffle import shuffle_words
from harness.model import Event, Level
from harness.stats.text_sensitivity import ScoredTwice, text_sensitivity
from tests.support.instruments import DESIGN, chance, filed, scored, sound, the

BY_PERSON = {"Ada": 3, "Ben": 7, "Cyd": 3, "Dov": 5}
READ = [
    ScoredTwice(intact, 1, first) for intact, first in zip((7, 8, 6, 7) * 2, (7, 7, 6, 8) * 2, strict=True)
]
NOISE = [ScoredTwice(*(chance("noise", n, part).randint(0, 9) for part in range(3))) for n in range(40)]


def test_scores_that_follow_the_person_alone_warn() -> None:
    records = sound()
    scored(records, "Fluency", lambda _, person: BY_PERSON[str(person)])
    found = the(filed(records), "scores within person", "Fluency")
    assert (found.level, found.number) == (Level.WARN, 0)
    assert "0 of 4 persons" in found.message


def test_one_score_that_varies_with_the_transcript_is_enough() -> None:
    records = sound()
    scored(
        records, "Fluency", lambda one, person: BY_PERSON[str(person)] + (person == "Ada" and one["rep"] == 2)
    )
    assert the(filed(records), "scores within person", "Fluency").level is Level.PASS


def test_equal_scores_of_everyone_are_left_to_the_check_of_saturation() -> None:
    records = sound()
    scored(records, "Fluency", lambda _, __: 3)
    run = filed(records)
    assert the(run, "scores within person", "Fluency").level is Level.PASS
    assert the(run, "saturation", "Fluency").level is Level.FAIL


def test_too_few_scores_of_the_same_person_say_nothing() -> None:
    design = replace(DESIGN, reps=1, proposals=1)
    assert not [
        one for one in examine(filed(sound(design), design=design)) if one.name == "scores within person"
    ]


@pytest.mark.parametrize(
    ("scores", "level", "text"),
    [
        (READ, Level.PASS, "0 of 8 scores stayed the same"),
        (READ[:7], Level.PASS, "too few to judge"),
        ([ScoredTwice(3, 3)] * 8, Level.FAIL, "they do not depend on the text"),
        ([ScoredTwice(n % 5 + 2, n % 5 + 2, 4) for n in range(8)], Level.FAIL, "8 of 8 scores"),
        ([ScoredTwice(3, 3)] * 7, Level.PASS, "too few to judge"),
        ([ScoredTwice(0, 0, 0)] * 8, Level.WARN, "one end of the scale"),
        ([ScoredTwice(9, 9, 9)] * 8, Level.WARN, "one end of the scale"),
        (NOISE, Level.WARN, "scoring again by"),
        ([ScoredTwice(3, 3)] * 8 + [ScoredTwice(3, 4)], Level.PASS, "8 of 9"),
    ],
)
def test_a_judge_is_known_by_its_scores_of_shuffled_words(
    scores: list[ScoredTwice], level: Level, text: str
) -> None:
    found = text_sensitivity(scores)
    assert found.level is level
    assert text in found.message


def test_the_p_value_is_of_the_exact_sign_test() -> None:
    found = text_sensitivity([*READ, ScoredTwice(5, 5, 7), ScoredTwice(5, 5, 5)])
    assert found.p == pytest.approx((9 + 1) / 2**9), "8 of 9 differences are positive, and one is a tie"
    assert text_sensitivity(READ[:8]).noise == pytest.approx(0.5)


def test_shuffled_words_keep_their_number_and_place_and_copies_agree() -> None:
    said = [
        Event(1, "Ada", "stimulus", "CONVERSATION", "Please agree on a price."),
        Event(1, "Ada", "action", "TALK", "I would like twenty euros for this bicycle."),
        Event(
            1, "Bo", "stimulus", "CONVERSATION", "I would like twenty euros for this bicycle.", source="Ada"
        ),
        Event(1, "Bo", "action", "THINK", "Far too much for something that old."),
        Event(1, "Bo", "action", "DONE", ""),
    ]
    found = shuffle_words(said, "seed")
    assert found == shuffle_words(said, "seed") != shuffle_words(said, "another seed")
    assert found[0] == said[0], "what the script says stays"
    assert found[1].content == found[2].content != said[1].content
    assert [len(one.content.split()) for one in found] == [len(one.content.split()) for one in said]
    words = sorted(" ".join((found[1].content, found[3].content)).split())
    assert words == sorted(" ".join((said[1].content, said[3].content)).split())


def rescored(folder: Path, *, own_judge: bool = True, value: Any = 3, shuffled: int | None = 0) -> None:
    """A file of the scores of ten shuffled transcripts, one of them recorded twice."""
    first = {
        "type": "rescore_metadata",
        "rescore_id": "r1-rescored-1",
        "rescored_run": "r1",
        "own_judge": own_judge,
    }
    if shuffled is not None:
        first["shuffled"] = shuffled
    samples = [{"metric": "Fluency", "person": "Ada", "value": value, "original": 3, "intact": 3}]
    lines = [
        {"type": "rescore_result", "rescored_trial": f"t{min(n, 9)}", "samples": samples} for n in range(11)
    ]
    (folder / "rescored").mkdir(parents=True, exist_ok=True)
    (folder / "rescored" / "one.jsonl").write_text("\n".join(map(json.dumps, (first, *lines))), "utf-8")


@pytest.mark.parametrize(("value", "level", "number"), [(3, Level.FAIL, 1.0), (1, Level.PASS, 0.0)])
def test_the_scores_of_shuffled_transcripts_are_a_check_of_the_run(
    tmp_path: Path, value: int, level: Level, number: float
) -> None:
    rescored(tmp_path, value=value)
    found = the(replace(filed(sound()), folder=tmp_path), "shuffled text", "Fluency")
    assert (found.level, found.number) == (level, number)
    assert "of 10 scores" in found.message, "a trial that is recorded twice counts once"


@pytest.mark.parametrize("other", [{"own_judge": False}, {"shuffled": None}])
def test_another_judge_or_an_intact_transcript_says_nothing_of_the_runs_scores(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    rescored(tmp_path, **other)
    checks = examine(replace(filed(sound()), folder=tmp_path))
    assert not [one for one in checks if one.name == "shuffled text"]
