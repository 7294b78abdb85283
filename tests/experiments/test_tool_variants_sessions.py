"""Whole sessions of the study: its files, its parts, its faults, a storm, and Anthropic's API on loopback."""

from __future__ import annotations

import ast
import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ExitCode
from harness.experiments.tool_variants.scenarios import SCENARIOS
from harness.experiments.tool_variants.variants import APPLIKE, BASELINE
from tests.support.anthropic_endpoint import AnthropicEndpoint
from tests.support.endpoint import FakeEndpoint, Fault
from tests.support.sessions import Lab, environment, load

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "experiments"
STUDY = (CASES / "test_tool_variants.py").read_text()
PLANTED = """
from dataclasses import replace
import pytest
from harness.experiments.tool_variants.experiment import tool_variants

made = tool_variants()
planted = replace(made, settings={**made.settings, "zero_persona": made.settings["zero_persona"] + %r})


@pytest.mark.experiment(planted)
def test_planted(cell):
    cell.run()
"""


@pytest.fixture
def study(lab: Lab) -> Lab:
    lab.write(STUDY)
    return lab


def files(lab: Lab) -> dict[str, list[dict[str, Any]]]:
    found = sorted(lab.results.glob("*.jsonl"))
    return {path.name: [json.loads(line) for line in path.read_text().splitlines()] for path in found}


def test_exactly_120_cases_are_collected_in_this_repository() -> None:
    marking = [path for path in sorted((ROOT / "tests").rglob("*.py")) if _marks(path)]
    assert len(marking) >= 4  # the rest of the repository collects no case, and takes long to import
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "experiment", "-k", "tool_variants", "--count", "3",
         "--collect-only", "-q", "-p", "no:cacheprovider", *marking],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    cases = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(cases) == len(set(cases)) == 120
    assert all(
        line.startswith("tests/experiments/test_tool_variants.py::test_tool_variants[") for line in cases
    )


def _marks(path: Path) -> bool:
    """Whether ``path`` has ``pytest.mark.experiment`` in its own code; a text that it writes does not count."""
    text = path.read_text()
    return "mark.experiment" in text and any(
        isinstance(node, ast.Attribute) and ast.unparse(node) == "pytest.mark.experiment"
        for node in ast.walk(ast.parse(text))
    )


def test_six_files_of_one_line_of_metadata_and_twenty_of_results(study: Lab) -> None:
    result = study.run("--count=3", model="rehearsal")
    result.assert_outcomes(passed=120)
    found = files(study)
    names = Counter(
        re.fullmatch(r"tool_variants_(\w+)_run(\d)_\d{8}T?-?\d{6}\w*\.jsonl", name).groups() for name in found
    )  # type: ignore[union-attr]
    assert names == {(variant, str(rep)): 1 for variant in ("baseline", "applike") for rep in (1, 2, 3)}
    for first, *rest in found.values():
        variant = {"baseline": BASELINE, "applike": APPLIKE}[first["variant"]]
        assert first["type"] == "run_metadata" and first["tools"] == variant.schemas()
        assert (first["model"], first["temperature"]) == ("rehearsal-1", 0.2)
        assert {
            "rep",
            "fixed_timestamp",
            "zero_persona",
            "tools_sha256",
            "git_commit",
            "decision",
        } <= first.keys()
        assert sorted(one["scenario_id"] for one in rest) == sorted(one.id for one in SCENARIOS)
        for one in rest:
            assert one["type"] == "scenario_result" and one["run_id"] == first["run_id"]
            assert (one["variant"], one["rep"]) == (first["variant"], first["rep"])
            assert one["response_text"].strip() or one["tool_calls"]
            assert one["tokens_total"] == one["tokens_in"] + one["tokens_out"] and one["stop_reason"]
            assert {"category", "prompt", "latency", "attempts", "outcome"} <= one.keys()
    assert len({first["run_id"] for first, *_ in found.values()}) == 1
    checks = {(one["name"], one["about"]): one["level"] for one in study.meta()["instrument"]["checks"]}
    assert checks["complete", ""] == "PASS"
    assert {about for name, about in checks if name == "ceiling"} == {one.category for one in SCENARIOS}
    result.stdout.fnmatch_lines(["baseline: 3 tools", "applike: 4 tools"])
    result.stdout.no_fnmatch_line("*correction off*")


def test_two_sessions_in_the_same_second_overwrite_nothing(
    study: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.runtime.coordinator.session_timestamp", lambda _: "20260311T093000")
    for _ in range(2):
        study.run("--fresh", "--count=1", "-k", "sanity", model="rehearsal").assert_outcomes(passed=6)
    found = files(study)
    stem = "tool_variants_{}_run1_20260311T093000{}.jsonl"
    assert set(found) == {stem.format(name, end) for name in ("baseline", "applike") for end in ("", "-2")}
    runs = {name: first["run_id"] for name, (first, *_) in found.items()}
    assert len(set(runs.values())) == 2
    assert all(len(lines) == 4 for lines in found.values())


def test_a_part_is_a_run_of_its_own_labelled_and_decides_nothing(study: Lab) -> None:
    part = study.run("--count=3", "-k", "tool_variants and ambiguous", model="rehearsal")
    part.assert_outcomes(passed=36)
    part.stdout.fnmatch_lines(["  WARN whole: a part: 6 of 20 scenarios; it decides*"])
    assert study.meta()["design"]["only"] == [3, 4, 5, 6, 7, 8]
    study.run("--count=1", model="rehearsal").assert_outcomes(passed=40)
    assert sorted(Counter(first["run_id"] for first, *_ in files(study).values()).values()) == [2, 6]
    told = study.command("variants", "results", "--run", next(load(path)["run_id"] for path in metas(study)))
    assert "PART: a part: 6 of 20 scenarios (ambiguous)" in told.stdout.replace("\n", " ")
    assert "REFUSED" in told.stdout
    checked = study.command("check", "results")
    assert "PASS complete: 40 of 40 turns" in checked.stdout and "WARN whole: a part:" in checked.stdout


def metas(lab: Lab) -> list[Path]:
    """Meta files, that of a part first."""
    return sorted(lab.results.glob("*.meta.json"), key=lambda path: load(path)["design"].get("only") is None)


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (
            " Prefer schedule_task.",
            "the system prompt names 'schedule_task', a tool of 'baseline'; leave it out.",
        ),
        (" It was Monday, 2026-03-10.", "the prompt says Monday, 2026-03-10, which is a Tuesday."),
    ],
)
def test_a_planted_fault_stops_the_session_before_its_first_call(lab: Lab, planted: str, said: str) -> None:
    lab.write(PLANTED % planted)
    result = lab.run()
    output = " ".join((result.stdout.str() + result.stderr.str()).split())
    assert result.ret == ExitCode.USAGE
    assert output.count(said) == 1, output
    assert "Traceback" not in output
    assert not lab.watched.calls and not list(lab.results.glob("*.jsonl"))


def call(body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    """Words, or a call of the first tool, by turns."""
    if number % 2:
        return {"content": f"Which day do you mean? ({number})"}
    tool = body["tools"][0]["function"]
    key = "when" if "when" in tool["parameters"]["properties"] else "start"
    made = {"name": tool["name"], "arguments": json.dumps({"title": "x", key: "2026-03-12T15:00"})}
    return {"content": None, "tool_calls": [{"id": f"c{number}", "type": "function", "function": made}]}


def test_a_storm_of_429_and_garbage_ends_with_all_120_recorded(study: Lab) -> None:
    rng, happened = random.Random(5), Counter[str]()

    def fault(number: int) -> Fault | None:
        kind = next((kind for kind, below in KINDS if rng.random() < below), "good")
        happened[kind] += 1
        return {
            "429": Fault(429, "slow down", headers={"retry-after": "0.02"}),
            "garbage": Fault(200, body='{"id": "x", "choices": [{'),
        }.get(kind)

    def message(body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        empty = random.Random(number).random() < 0.05
        happened["empty"] += empty
        return {"content": "", "tool_calls": None} if empty else call(body, number)

    with FakeEndpoint(fault, message) as endpoint:
        result = study.run(
            "--count=3", "--concurrency=40", f"--model-base-url={endpoint.url}", model="openai:storm"
        )
    result.assert_outcomes(passed=120)
    assert min(happened["429"], happened["garbage"], happened["empty"]) >= 3, happened
    lines = [one for _, *rest in files(study).values() for one in rest]
    assert len(lines) == 120 and {one["type"] for one in lines} == {"scenario_result"}
    assert all(one["response_text"].strip() or one["tool_calls"] for one in lines)
    assert any(one["attempts"] > 1 for one in lines)
    checks = {one["name"]: one["level"] for one in study.meta()["instrument"]["checks"]}
    assert checks["complete"] == "PASS"


KINDS = (("429", 0.2), ("garbage", 0.07))


def test_an_endless_silence_is_recorded_as_such_and_not_dropped(study: Lab) -> None:
    study.watched.text = ""
    result = study.run("--count=1", "-k", "sanity")
    result.assert_outcomes(failed=6)
    lines = [one for _, *rest in files(study).values() for one in rest]
    assert Counter(one["type"] for one in lines) == {"trial_failure": 6}
    told = study.command("variants", "results").stdout
    assert re.search(r"empty +3 of 3 +3 of 3", told) and re.search(r"failed +0 of 3 +0 of 3", told)
    assert "3 turns had empty replies only" in " ".join(told.split())


def test_anthropics_api_gets_the_tools_and_the_temperature_and_its_blocks_are_calls(study: Lab) -> None:

    def message(body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        tool = body["tools"][0]
        key = "when" if "when" in tool["input_schema"]["properties"] else "start"
        made = {"title": "x", key: "2026-03-12T15:00"}
        block = {"type": "tool_use", "id": f"t{number}", "name": tool["name"], "input": made}
        return {"content": [block], "stop_reason": "tool_use"}

    with AnthropicEndpoint(message=message) as endpoint:
        result = study.run(
            "--count=1",
            "-k",
            "sanity",
            f"--model-base-url={endpoint.url}",
            model="anthropic:claude-haiku-4-5",
        )
    result.assert_outcomes(passed=6)
    assert len(endpoint.requests) == 6
    for seen in endpoint.requests:
        body = seen.body
        assert (body["model"], body["temperature"]) == ("claude-haiku-4-5", 0.2)
        names = [tool["name"] for tool in body["tools"]]
        assert names in ([tool.name for tool in variant.tools] for variant in (BASELINE, APPLIKE))
        assert "It is Wednesday, 2026-03-11, 09:30." in body["system"]
    for first, *rest in files(study).values():
        assert (first["provider"], first["model"], first["temperature"]) == (
            "anthropic",
            "claude-haiku-4-5",
            0.2,
        )
        outcomes = {one["scenario_id"]: one["outcome"] for one in rest}
        assert outcomes["sanity:dentist"] == "acted"
        assert {one["stop_reason"] for one in rest} == {"tool_calls"} and not any(
            one["response_text"] for one in rest
        )
        assert all(one["tool_calls"][0]["args"]["title"] == "x" for one in rest)


def test_cases_in_workers_and_a_merge_are_examined_by_the_experiments_name(study: Lab) -> None:
    session = study.start("-n2", "-p", "xdist", "--count=1", "--model=rehearsal", "-k", "sanity or negative")
    output, _ = session.communicate()
    assert "14 passed" in output, output
    assert "WARN whole: a part: 7 of 20" in output and "PASS" not in output
    (artifact,) = study.artifacts
    expected = artifact.with_suffix(".meta.json").read_bytes()
    artifact.with_suffix(".meta.json").unlink()
    done = study.command("merge", *(str(path) for path in study.results.glob("*.jsonl")))
    assert done.returncode == 0, done.stderr
    assert artifact.with_suffix(".meta.json").read_bytes() == expected
