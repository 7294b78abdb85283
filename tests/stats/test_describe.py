"""The summary table's numbers."""

from harness.stats import describe, summarise


def test_a_group_in_one_line() -> None:
    assert describe([2, 4], expected=3) == {"n": 2, "mean": 3.0, "std": 2**0.5, "missing": 1}


def test_no_samples_have_no_mean() -> None:
    assert describe([]) == {"n": 0, "mean": None, "std": None, "missing": None}


def test_groups_are_compared_with_the_first() -> None:
    groups = {"Control": {"m": [1, 3]}, "A": {"m": [5]}, "B": {"m": []}}
    row = summarise(groups, ["m"], {"Control": {"m": 2}, "A": {"m": 2}, "B": {"m": 2}})["m"]
    assert row["difference"] == {"A": 3.0, "B": None}
    assert [row["groups"][name]["missing"] for name in groups] == [0, 1, 2]


def test_a_metric_that_nobody_has() -> None:
    assert summarise({"Control": {}}, ["m"])["m"]["groups"]["Control"]["n"] == 0
