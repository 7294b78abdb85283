"""Shuffles the words of a transcript, so that a judge that reads it finds no sense in it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from harness.model import Event


def shuffle_words(transcript: Sequence[Event], seed: str) -> tuple[Event, ...]:
    """``transcript`` with the words of all actions in random order, across actions; a control for scores.

    Every action keeps its place, its person and its number of words, and an utterance is the same wherever it is
    recorded. Requests, inserted thoughts and results of tools stay as they are.

    >>> said = [Event(1, "Ada", "action", "TALK", "Ten euros."), Event(1, "Bo", "action", "TALK", "Far too much!")]
    >>> [event.content for event in shuffle_words(said, "1")]
    ['euros. Far', 'Ten much! too']
    """
    actions = dict.fromkeys(one.content for one in transcript if one.kind == "action")
    words = [word for content in actions for word in content.split()]
    random.Random(seed).shuffle(words)
    rest = iter(words)
    shuffled = {content: " ".join(next(rest) for _ in content.split()) for content in actions}
    return tuple(replace(one, content=shuffled.get(one.content, one.content)) for one in transcript)
