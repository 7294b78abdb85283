"""F40: two shares in one table have different denominators. Here each stands with its own; unequal ones are told."""

from __future__ import annotations

import re

from harness.checks import check_lines, described, examine
from harness.model import Level
from harness.plugin.summary import table
from tests.support.instruments import filed, scored, sound, the


def test_unequal_n_in_one_row_is_a_warning() -> None:
    lost = {one["trial"] for one in sound() if one["group"] == "Treatment" and one["panel"] == 0}
    records = scored(sound(), "Divergence", lambda one, _: None if one["trial"] in lost else 3 + one["rep"])
    found = the(filed(records), "denominators", "Divergence")
    assert (found.level, found.number, found.message) == (
        Level.WARN,
        0.5,
        "N = 12 in Control, 6 in Treatment",
    )
    assert the(filed(records), "denominators", "Fluency").level is Level.PASS


def test_every_share_of_the_checks_that_counts_names_what_it_is_of() -> None:
    counting = {"missing, unequal", "unparseable", "refusals", "refusals asked away", "identical replies"}
    found = [check for check in examine(filed(sound())) if check.name in counting]
    assert {check.name for check in found} == counting
    assert all(re.search(r"\d of \d+", check.message) for check in found)


def test_every_mean_of_the_summary_has_its_n() -> None:
    groups = {"Control": {"n": 12, "mean": 5.0}, "Treatment": {"n": 6, "mean": 5.5}}
    (_, row) = table({"Divergence": {"groups": groups, "difference": {"Treatment": 0.5}}})
    assert re.findall(r"\((\d+)\)", row) == ["12", "6"]


def test_lines_fit_a_terminal() -> None:
    run = filed(sound())
    assert max(map(len, check_lines(described(run, examine(run)), all_of_them=True))) <= 80
