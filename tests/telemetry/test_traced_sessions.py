"""Whole sessions beside LangSmith and Sentry: what they are sent, and that nothing they do changes a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ModelCallError
from tests.plugin.test_own_play import OWN
from tests.support.recorder import Recorder, recording
from tests.support.sessions import CALLS_PER_TRIAL, Lab

KEY = "lsv2_pt_0123456789abcdef_fake"
PAYMENTS = """
import pytest
from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.experiment import payments


@pytest.mark.experiment(payments(PaymentsConfig(history_days=2, samples=2, max_iterations=2), markets=1))
def test_payments(cell):
    cell.run()
"""
UNLUCKY = "small/Control/rep1/panel0/proposal1"


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    with recording() as made:
        trace(made, monkeypatch)
        yield made


def variables(recorder: Recorder) -> dict[str, str]:
    return {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_API_KEY": KEY,
        "LANGSMITH_ENDPOINT": recorder.url,
        "SENTRY_DSN": recorder.dsn,
    }


def trace(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send the sessions of this test to ``recorder``."""
    for name, value in variables(recorder).items():
        monkeypatch.setenv(name, value)


def fail_once(lab: Lab) -> None:
    """The first two calls of one trial fail, so that its first try does."""
    seen: Counter[str] = Counter()

    async def before(trial: str, _number: int) -> None:
        seen[trial] += 1
        if trial == UNLUCKY and seen[trial] <= 2:
            raise ModelCallError("the model is out of order")

    lab.watched.before = before


def roots(recorder: Recorder) -> list[tuple[Any, ...]]:
    """Experiment, group, rep and attempt of each trace, with the number of its trials and calls."""
    runs = recorder.runs().values()
    found = []
    for root in (run for run in runs if "parent_run_id" not in run):
        kinds = Counter(run["run_type"] for run in runs if run["trace_id"] == root["id"] and run is not root)
        about = root["extra"]["metadata"]
        key = (about["experiment"], about["group"], about["rep"], about["attempt"])
        found.append((*key, kinds["chain"], kinds["llm"]))
    return sorted(found)


def test_every_repetition_is_a_trace_with_its_trials_and_calls(lab: Lab, recorder: Recorder) -> None:
    assert lab.run("--count", "2").ret == 0
    assert roots(recorder) == [
        ("small", group, rep, 1, 2, 2 * CALLS_PER_TRIAL)
        for group in ("Control", "Treatment")
        for rep in (1, 2)
    ]
    assert Counter(one["score"] for one in recorder.feedback() if one["key"] == "rep") == {1: 2, 2: 2}
    assert Counter(one["key"] for one in recorder.feedback()) == {"rep": 4, "Courtesy": 4}
    transactions = recorder.items("transaction")
    assert Counter(one["tags"]["rep"] for one in transactions) == {"1": 2, "2": 2}
    assert [len(one["spans"]) for one in transactions] == [2] * 4
    assert sum(len(item["items"]) for item in recorder.items("span")) == 8 * CALLS_PER_TRIAL


def test_a_rerun_is_a_trace_of_its_own_with_the_trials_that_were_left(lab: Lab, recorder: Recorder) -> None:
    fail_once(lab)
    result = lab.run("--reruns", "2")
    assert result.parseoutcomes()["rerun"] == 1
    control, again, treatment = roots(recorder)
    assert control[:5] == ("small", "Control", 1, 1, 2)
    assert again[:5] == ("small", "Control", 1, 2, 1)
    assert treatment == ("small", "Treatment", 1, 1, 2, 2 * CALLS_PER_TRIAL)
    errors = [run["error"] for run in recorder.runs().values() if "error" in run]
    assert any("the model is out of order" in error for error in errors)
    (event,) = recorder.items("event")
    assert event["tags"] | {"run_id": ""} == {
        "experiment": "small",
        "group": "Control",
        "rep": "1",
        "attempt": "1",
        "run_id": "",
        "trial": UNLUCKY,
    }
    assert event["exception"]["values"][0]["type"] == "ModelCallError"


def test_a_run_that_goes_on_says_which_calls_were_replayed(lab: Lab, recorder: Recorder) -> None:
    fail_once(lab)
    lab.run()
    before = len(recorder.runs())
    lab.run()
    later = list(recorder.runs().values())[before:]
    llm = [run["extra"]["metadata"] for run in later if run["run_type"] == "llm"]
    assert [("usage_metadata" in about) for about in llm] == [not about["replayed"] for about in llm]


def test_scores_are_those_of_the_artifact(lab: Lab, recorder: Recorder) -> None:
    lab.run()
    groups = lab.artifact()["experiments"]
    means = {name: sum(one["results"]["Courtesy"]) / 4 for name, one in groups.items()}
    names = {run["id"]: run["extra"]["metadata"]["group"] for run in recorder.runs().values()}
    scores = {names[one["run_id"]]: one["score"] for one in recorder.feedback() if one["key"] == "Courtesy"}
    assert scores == pytest.approx(means)


@pytest.mark.parametrize("mode", ["ok", "refuse", "500", "hang"])
def test_the_artifact_is_the_same_whatever_their_servers_do(
    lab: Lab, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.telemetry.observers.FLUSH_SECONDS", 0.5)
    lab.run("--fresh")
    with recording(mode) as recorder:
        trace(recorder, monkeypatch)
        result = lab.run("--fresh")
    assert result.ret == 0
    untraced, traced = (path.read_bytes() for path in lab.artifacts)
    assert traced == untraced
    output = result.stdout.str()
    assert output.count("LangSmith: ") == output.count("Sentry: ") == (0 if mode == "ok" else 1)


def test_no_key_reaches_a_body_a_file_or_the_terminal(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    said = ""
    for mode in ("ok", "500"):
        with recording(mode) as recorder:
            trace(recorder, monkeypatch)
            result = lab.run("--fresh", "-v", "--log-level=DEBUG", "-rA")
            said += (
                result.stdout.str() + result.stderr.str() + recorder.everything().decode("utf-8", "replace")
            )
    files = b"".join(path.read_bytes() for path in lab.results.rglob("*") if path.is_file())
    assert KEY not in said and KEY.encode() not in files
    assert KEY[:9] not in said


def test_langsmiths_own_pytest_plugin_does_not_reach_our_cases(lab: Lab) -> None:
    """It loads by itself where the SDK is installed: beside it our cases are sent once, by us, and rerun as ever."""
    with recording() as recorder:
        process = lab.start("-p", "langsmith.pytest_plugin", "--reruns=1", **variables(recorder))
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert {one.path for one in recorder.sent} == {
        "/runs/multipart",
        "/feedback",
        "/sessions",
        "/info",
        "/api/42/envelope/",
    }
    assert [root[:4] for root in roots(recorder)] == [
        ("small", "Control", 1, 1),
        ("small", "Treatment", 1, 1),
    ]


def test_without_a_key_the_sdks_plugin_tries_nothing_and_says_nothing(lab: Lab) -> None:
    process = lab.start("-p", "langsmith.pytest_plugin")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "langsmith" not in output.partition("collected")[2].lower()


def test_only_a_session_with_variables_loads_an_sdk(lab: Lab) -> None:
    lab.write(
        conftest="""
        import sys
        def pytest_sessionfinish():
            print("SDKS", sorted({"langsmith", "sentry_sdk"} & set(sys.modules)))
        """
    )
    process = lab.start("-q", "-s")
    output, _ = process.communicate(timeout=60)
    assert "SDKS []" in output


def test_a_case_of_an_own_play_has_its_arm_and_what_it_is_about(lab: Lab, recorder: Recorder) -> None:
    lab.write(OWN.replace('"prompt": kind}', '"prompt": kind * 20, "category": kind}'))
    assert lab.run().ret == 0
    cases = [run["extra"]["metadata"] for run in recorder.runs().values() if "parent_run_id" not in run]
    found = sorted((one["tone"], one["category"], one["case"], one["rep"]) for one in cases)
    assert found == [
        (tone, kind, f"{kind}:one", 1) for tone in ("plainly", "rudely") for kind in ("map", "poem", "sum")
    ]
    assert all(one["run_id"] and "prompt" not in one for one in cases)
    feedback = Counter((one["key"], one.get("value") or one.get("score")) for one in recorder.feedback())
    assert feedback["tone", "plainly"] == feedback["tone", "rudely"] == 3
    assert feedback["rep", 1] == 6


def test_every_case_of_the_tool_study_has_variant_run_rep_and_category(lab: Lab, recorder: Recorder) -> None:
    lab.write((Path(__file__).parents[1] / "experiments" / "test_tool_variants.py").read_text())
    assert lab.run("--count=2", "-k", "sanity", model="rehearsal").ret == 0
    cases = [run["extra"]["metadata"] for run in recorder.runs().values() if "parent_run_id" not in run]
    found = Counter((one["variant"], one["rep"], one["category"]) for one in cases)
    assert found == {(name, rep, "sanity"): 3 for name in ("baseline", "applike") for rep in (1, 2)}
    assert len({one["run_id"] for one in cases}) == 1 and len({one["case"] for one in cases}) == 3
    feedback = Counter((one["key"], one.get("value", one.get("score"))) for one in recorder.feedback())
    assert feedback["variant", "baseline"] == feedback["variant", "applike"] == 6
    assert feedback["rep", 1] == feedback["rep", 2] == 6
    assert {key for key, _ in feedback} == {"variant", "rep", "appropriate", "tokens"}


def test_a_trace_tells_of_an_optimisation_run_what_its_record_does(lab: Lab, recorder: Recorder) -> None:
    lab.write(PAYMENTS)
    assert lab.run("--count=1").ret == 0
    records = {one["trial"]: one["events"] for one in lab.lines(kind="optimisation_result")}
    sent = [
        run["outputs"]["events"] for run in recorder.runs().values() if "events" in run.get("outputs", {})
    ]
    assert len(records) == 2 and sorted(map(str, sent)) == sorted(map(str, records.values()))
