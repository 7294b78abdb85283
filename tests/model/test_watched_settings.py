"""Settings that note which of them were read."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from harness.model.frozen import FrozenDict
from harness.model.watched_settings import WatchedSettings, never_read, unread_sentence

SETTINGS = {"tone": "warm", "instruction": "Be brief."}


def by_pattern(arm: WatchedSettings) -> None:
    match arm:
        case {"tone": _}:
            pass


@pytest.mark.parametrize(
    "read",
    [
        lambda arm: arm["tone"],
        lambda arm: arm.get("tone"),
        lambda arm: "tone" in arm,
        lambda arm: "{tone}".format_map(arm),
        lambda arm: "%(tone)s" % arm,  # noqa: UP031
        by_pattern,
    ],
)
def test_what_was_not_read_is_known(read: Callable[[WatchedSettings], Any]) -> None:
    arm = WatchedSettings(SETTINGS)
    read(arm)
    assert arm.unread == ("instruction",)


@pytest.mark.parametrize(
    "read",
    [
        dict,
        list,
        lambda arm: dict(**arm),
        lambda arm: {**arm},
        lambda arm: [value for value in arm.values()],  # noqa: C416
        lambda arm: arm.items(),
        lambda arm: arm.copy(),
        lambda arm: arm == SETTINGS,
        lambda arm: arm | {},
        lambda arm: {} | arm,
        json.dumps,
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        str,
        hash,
        len,
        lambda _: None,
    ],
)
def test_whatever_sees_everything_or_leaves_no_trace_raises_no_alarm(
    read: Callable[[WatchedSettings], Any],
) -> None:
    arm = WatchedSettings(SETTINGS)
    read(arm)
    assert arm.unread == ()


def test_they_are_what_they_were() -> None:
    arm = WatchedSettings(SETTINGS)
    assert dict(arm) == arm == SETTINGS
    assert isinstance(arm, dict) and bool(arm)
    assert {arm: 1}[FrozenDict(SETTINGS)] == 1  # type: ignore[index]
    assert type(pickle.loads(pickle.dumps(arm))) is FrozenDict
    with pytest.raises(TypeError, match="frozen"):
        arm["tone"] = "cold"  # type: ignore[index]


def test_a_setting_counts_as_unread_where_no_trial_read_it() -> None:
    trials = [{"plan.arm['a']": "", "plan.arm['b']": "bb"}, {"plan.arm['b']": "bb"}]
    assert never_read(trials) == {"plan.arm['b']": "bb"}
    assert never_read([*trials, {}]) == never_read([]) == {}
    assert unread_sentence(never_read(trials), 1).startswith(
        "plan.arm['b'] was read in none of 1 finished trial, "
    )
