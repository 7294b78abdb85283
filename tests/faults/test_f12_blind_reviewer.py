"""F12: the "blind" reviewer can see the arm, by a tool's name, a parameter, an id, a file name, or the order."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.experiments.tool_variants.variants import VARIANTS
from harness.reports.review.blinding import MASKED
from tests.support.reviews import betraying, exported, keys, run_for_review

TOOLS = [tool.name for variant in VARIANTS.values() for tool in variant.tools]
PARAMETERS = ["delay_seconds", "recurring", "cron", "18 * *"]


def content(tmp_path: Path) -> dict[str, str]:
    """Every file of an export, where replies and calls name every tool and variant."""
    done = exported(run_for_review(tmp_path / "results", only=None), tmp_path / "out", seed=3)
    assert done.items == 80
    return {path.name: path.read_text("utf-8") for path in (tmp_path / "out").iterdir()}


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return content(tmp_path_factory.mktemp("blind"))


def test_replies_and_calls_do_name_them(tmp_path: Path) -> None:
    """Else nothing would be shown by their absence."""
    assert (
        exported(run_for_review(tmp_path / "results", only=None), tmp_path / "out").hidden == 5 * 80 + 2 * 40
    )
    turns = [betraying(variant, number, 1) for variant in VARIANTS for number in range(4)]
    assert {call["name"] for _, calls in turns for call in calls} == set(TOOLS)


@pytest.mark.parametrize("name", [*TOOLS, *VARIANTS])
def test_no_sheet_names_a_tool_or_a_variant(sheets: dict[str, str], name: str) -> None:
    loose = re.compile(r"[\W_]{0,2}".join(name.split("_")), re.IGNORECASE)
    for file, text in sheets.items():
        assert not loose.search(text), f"{name} stands in {file}"
        assert MASKED in text


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_sheet_names_a_parameter_that_one_variant_alone_has(sheets: dict[str, str], name: str) -> None:
    for file, text in sheets.items():
        assert name not in text, file


def test_ids_file_names_and_repetitions_tell_nothing(sheets: dict[str, str], tmp_path: Path) -> None:
    for text in sheets.values():
        for place in (
            "tool_variants",
            "panel0",
            "proposal",
            "rep1",
            "rep2",
            "_run1",
            "jsonl",
            "scenario_id",
            "r1/",
        ):
            assert place not in text
    page = sheets["review.html"]
    data = json.loads(page.partition('id="content">')[2].partition("</script>")[0])
    assert set(data) == {"export", "rehearsal", "dimensions", "items"}
    assert set(data["items"][0]) == {"id", "asked_at", "prompt", "tests", "reply", "acts", "hidden"}
    assert all(re.fullmatch(r"r[0-9a-f]{12}", item["id"]) for item in data["items"])


def test_the_same_deed_looks_the_same_whichever_variant_did_it(tmp_path: Path) -> None:
    """Every ability, by every variant: after the names are gone, the calls read alike."""
    from harness.experiments.tool_variants.neutral_wording import acts

    line = {"fixed_timestamp": "2026-03-11T09:30:00"}
    for ability in VARIANTS["baseline"].examples:
        told = []
        for variant in VARIANTS.values():
            tool, arguments = variant.examples[ability]
            call = {"name": tool, "args": arguments}
            told.append(acts({"variant": variant.name, "tool_calls": [call]}, line))
        assert all(one == told[0] for one in told), ability


def test_neither_order_nor_ids_can_be_worked_out_without_the_key(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results")
    first, second = (exported(run, tmp_path / name) for name in ("a", "b"))
    assert first.key == second.key
    one, two = (dict(each["items"]) for each in keys(first.key))
    assert not set(one) & set(two)
    order = [
        [
            line.split(",")[0]
            for line in (tmp_path / name / "review.csv").read_text("utf-8-sig").splitlines()[1:]
        ]
        for name in ("a", "b")
    ]
    trials = [
        [each[item] for item in ids if item in each] for each, ids in zip((one, two), order, strict=True)
    ]
    assert sorted(trials[0]) == sorted(trials[1]) and trials[0] != trials[1]
    arms = [trial.split("/")[1] for trial in trials[0]]
    assert arms not in (sorted(arms), sorted(arms, reverse=True))


def test_the_key_is_never_in_the_folder_that_reviewers_get(tmp_path: Path) -> None:
    from harness.errors import ConfigurationError

    run = run_for_review(tmp_path / "results")
    for out, key in (
        (tmp_path / "results", None),
        (tmp_path, None),
        (tmp_path / "out", tmp_path / "out" / "review-key.json"),
        (tmp_path, tmp_path.parent / "review-key.json"),
    ):
        with pytest.raises(ConfigurationError, match=r"would stand in it .* tell the arms"):
            exported(run, out, key=key)
    assert not list(tmp_path.rglob("review*"))
    done = exported(run, tmp_path / "out")
    assert done.key == tmp_path / "results" / "review-key.json"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["review.csv", "review.html"]
    assert done.key.stat().st_mode & 0o077 == 0
