"""An estimate says what a session then takes, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.cli import main
from harness.engines.tinytroupe import check
from harness.errors import ConfigurationError
from tests.support.sessions import CALLS_PER_TRIAL, LIGHT, SMALL, Lab

pytestmark = pytest.mark.slow

EXP_3 = """
import pytest

@pytest.mark.experiment("exp_3")
def test_exp_3(cell):
    cell.run()
"""
CORRECTED = SMALL.replace('Group("Treatment")', 'Group("Treatment", Correction(quality_threshold=6))')
TINY = """
import pytest
from harness import Correction, Experiment, Group, Mode, Persona, Proposition, Script

tiny = Experiment(
    name="tiny",
    population=tuple(Persona(name, {"occupation": "trader", "age": 40}) for name in ("Ada Byron", "Bo Ek")),
    groups=(Group("Control"), Group("Treatment", Correction(quality_threshold=7, max_attempts=2))),
    script=Script(introduction="Introduce yourselves.", task="Agree on {thing}.", proposals=({"thing": "a bicycle"},)),
    metrics=(Proposition("Courtesy", "The person stays courteous."),),
    modes={"full": Mode(reps=1, steps=2)},
)

@pytest.mark.experiment(tiny)
def test_tiny(cell):
    cell.run()
"""


class Said(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Said]
Estimated = Callable[..., dict[str, Any]]


@pytest.fixture
def estimate(lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``harness estimate --json`` with some words, in the lab's folder."""

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["harness", "estimate", *words, "--json"])
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
        sys.modules.pop("test_small", None)
        capsys.readouterr()  # what was said before
        with pytest.raises(SystemExit) as left:
            main()
        return Said(int(left.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def estimated(estimate: Command) -> Estimated:
    """The only estimate that it gives."""

    def run(*words: str) -> dict[str, Any]:
        said = estimate(*words)
        assert said.code == 0, said.out + said.err
        (found,) = json.loads(said.out)["estimates"]
        assert isinstance(found, dict)
        return found

    return run


def calls_of(estimate: dict[str, Any]) -> dict[str, Any]:
    return {group["name"]: group["calls"] for group in estimate["groups"]}


def calls_made(lab: Lab) -> dict[str, dict[str, int]]:
    """Calls by kind and group, from the records of all sessions."""
    made: dict[str, Counter[str]] = {}
    for line in lab.lines(kind="trial_result"):
        made.setdefault(line["group"], Counter()).update(line["usage"]["calls"])
    return {group: dict(counted) for group, counted in made.items()}


def tokens_read(lab: Lab, group: str) -> int:
    return sum(line["usage"]["tokens_in"] for line in lab.lines(group, kind="trial_result"))


def test_it_is_what_a_session_of_exp_3_then_takes(lab: Lab, estimated: Estimated) -> None:
    lab.write(EXP_3)
    found = estimated("--exp", "exp_3", "--fast", "--count", "1", "--seed", "7")
    lab.run("--mode=fast", "--count=1", "--seed=7", model="rehearsal").assert_outcomes(passed=2)
    assert calls_of(found) == calls_made(lab)
    assert {group["name"]: group["rehearsed"]["tokens_in"] for group in found["groups"]} == {
        group: tokens_read(lab, group) for group in ("Control", "Treatment")
    }


def test_the_range_is_that_of_the_list(lab: Lab, estimated: Estimated) -> None:
    lab.write(CORRECTED)
    listed = lab.command("list", "test_small.py").stdout
    for group in estimated("test_small.py")["groups"]:
        least, most = group["least"]["calls"], group["most"]["calls"]
        assert f" {least}{'' if least == most else f' to {most}'} model calls" in listed


def test_figures_by_hand(lab: Lab, estimated: Estimated) -> None:
    """Two trials an arm: 2 turns of 250 tokens and 2 scores of 120 each, at $0.15 and $0.60 a million."""
    found = estimated("test_small.py", "--model", "openai:gpt-4o-mini", "--rpm", "4", "--concurrency", "1")
    control, treatment = found["groups"]
    assert control["calls"] == {"act": 4, "score_person": 4}
    told = control["rehearsed"]
    assert (told["calls"], told["tokens_out"]) == (8, 4 * 250 + 4 * 120)
    assert told["dollars"] == pytest.approx((told["tokens_in"] * 0.15 + told["tokens_out"] * 0.60) / 1e6)
    assert told["minutes"] == 8 / 4  # the limit per minute is narrower than 8 × 3 s one by one
    assert found["total"]["rehearsed"]["calls"] == 16
    assert found["total"]["rehearsed"]["dollars"] == pytest.approx(
        told["dollars"] + treatment["rehearsed"]["dollars"]
    )
    assert found["faults"] == []


def test_both_prices_are_shown_where_a_batch_is_cheaper(lab: Lab, estimated: Estimated) -> None:
    """Replies alone have a price, so that a turn of 250 tokens is full, and a score of 120 half in a batch."""
    price = {"input": 0, "output": 1000}
    (lab.path / "mine.json").write_text(json.dumps({"mine": price, "groq:mine": price}))
    words = ("test_small.py", "--prices", "mine.json", "--model")
    found = estimated(*words, "anthropic:mine")["total"]["rehearsed"]
    assert found["dollars"] == pytest.approx(8 * 0.250 + 8 * 0.120)
    assert found["batched"] == pytest.approx(8 * 0.250 + 8 * 0.060)
    elsewhere = estimated(*words, "groq:mine")["total"]["rehearsed"]
    assert elsewhere["batched"] == elsewhere["dollars"] == found["dollars"]


@pytest.mark.parametrize(
    ("words", "minutes"),
    [
        (("--concurrency=1",), 16 * 3 / 60),
        (("--concurrency=1", "--seconds-per-call=6"), 16 * 6 / 60),
        (("--concurrency=unlimited",), 16 * 3 / 60 / 8),  # 4 trials × 2 people
        (("--rpm=2",), 8.0),
    ],
)
def test_minutes_are_those_of_the_narrowest_limit(
    lab: Lab, estimated: Estimated, words: tuple[str, ...], minutes: float
) -> None:
    assert estimated("test_small.py", *words)["total"]["rehearsed"]["minutes"] == pytest.approx(minutes)


def test_tokens_per_minute_count(lab: Lab, estimated: Estimated) -> None:
    total = estimated("test_small.py", "--tpm", "10")["total"]["rehearsed"]
    assert total["minutes"] == (total["tokens_in"] + total["tokens_out"]) / 10


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("openai:nobody-knows", "no price is known for 'openai:nobody-knows'"),
        ("rehearsal", "no model was named"),
    ],
)
def test_an_unknown_price_is_null_with_its_reason(
    lab: Lab, estimated: Estimated, model: str, reason: str
) -> None:
    found = estimated("test_small.py", "--model", model)
    assert found["price"] is None
    assert reason in found["price_reason"]
    amounts = [
        one[name]["dollars"] for one in (*found["groups"], found["total"]) for name in ("least", "most")
    ]
    assert set(amounts) == {None}
    said = lab.bare("-m", "experiment", "--estimate", f"--model={model}")
    said.stdout.fnmatch_lines(["price *unknown*unknown*unknown", "Price unknown: *"])


def test_a_price_of_the_users_own(lab: Lab, estimated: Estimated) -> None:
    (lab.path / "mine.json").write_text('{"nobody-knows": {"input": 1000, "output": 0}}')
    found = estimated("test_small.py", "--model", "openai:nobody-knows", "--prices", "mine.json")
    assert found["price_reason"] is None
    total = found["total"]["rehearsed"]
    assert total["dollars"] == pytest.approx(total["tokens_in"] / 1000)


def test_correction_opens_a_range(lab: Lab, estimated: Estimated) -> None:
    lab.write(CORRECTED)
    control, treatment = estimated("test_small.py", "--mode=long")["groups"]
    assert control["least"] == control["rehearsed"] == control["most"]
    assert treatment["least"]["calls"] < treatment["rehearsed"]["calls"] < treatment["most"]["calls"]
    assert (
        treatment["least"]["tokens_in"] < treatment["rehearsed"]["tokens_in"] < treatment["most"]["tokens_in"]
    )


def test_it_needs_no_key_leaves_nothing_and_sends_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = lab.path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("SENTRY_DSN", "http://key@127.0.0.1:9/1")
    before = sorted(lab.path.rglob("*"))
    result = lab.bare(
        "-m",
        "experiment",
        "--estimate",
        "--model=openai:gpt-4o-mini",
        "--max-calls=1",
        "--out=x.json",
        "--resume=r",
    )
    result.assert_outcomes(passed=2)
    left = {path for path in lab.path.rglob("*") if "__pycache__" not in path.parts}
    assert left == {path for path in before if "__pycache__" not in path.parts}
    assert lab.watched.calls == []


def test_a_session_after_an_estimate_is_as_one_without(lab: Lab) -> None:
    lab.bare("-m", "experiment", "--estimate").assert_outcomes(passed=2)
    result = lab.run()
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*resuming run*")
    assert len(lab.watched.calls) == 4 * CALLS_PER_TRIAL
    assert len(lab.artifacts) == 1


def test_an_open_run_is_left_as_it_is(lab: Lab, estimated: Estimated) -> None:
    lab.run("-k", "Control", model="rehearsal")
    before = {path: path.read_bytes() for path in lab.results.rglob("*") if path.is_file()}
    found = estimated("test_small.py")
    assert [group["rehearsed"]["calls"] for group in found["groups"]] == [
        8,
        8,
    ]  # whole, whatever is done already
    assert {path: path.read_bytes() for path in lab.results.rglob("*") if path.is_file()} == before


def test_the_same_seed_says_the_same(lab: Lab, estimate: Command) -> None:
    lab.write(CORRECTED)
    words = ("test_small.py", "--model", "openai:gpt-4o-mini")
    first = estimate(*words).out
    assert first == lab.command("estimate", *words, "--json", PYTHONHASHSEED="2").stdout
    assert first != estimate(*words, "--seed", "1").out


def test_it_fits_in_80_columns_and_says_what_it_rests_on(lab: Lab) -> None:
    groups = ", ".join(f'Group("Arm{number}", Correction(max_attempts=5))' for number in range(5))
    lab.write(SMALL.replace('Group("Control"), Group("Treatment")', groups))
    options = ("-q", "--disable-warnings", "-m", "experiment", "--model=openai:gpt-4o-mini", "--count=2")
    result = lab.bare(*options, "--estimate")
    result.assert_outcomes(passed=10)
    assert max(map(len, result.outlines)) <= 80
    result.stdout.fnmatch_lines(
        [
            "*= estimate: small =*",
            "ESTIMATE from a rehearsal: *",
            "* Arm0 *Arm3",
            "calls *",
            "price *$*",
            "  with batches *$*",
            "least to most",
            "* Arm4 *total",
            "Price: $0.15 per million tokens in, $0.6 out in genai-prices *",
            "With batches (--batch): calls that nothing waits for cost half*",
            "Tokens in: the rehearsed prompts' characters / 4*",
            "Tokens out are assumed, a call: act 250,*",
        ]
    )
    result.stdout.no_fnmatch_line("REHEARSAL:*")


def test_selection_count_and_fixtures_take_part(lab: Lab, estimated: Estimated) -> None:
    override = (
        "\n@pytest.fixture\ndef correction():\n    return Correction(quality_threshold=9, max_attempts=2)\n"
    )
    lab.write(SMALL + override)
    found = estimated("test_small.py", "-k", "Treatment", "--count", "3")
    (only,) = found["groups"]
    assert (only["name"], only["trials"], found["reps"]) == ("Treatment", 6, 3)
    assert only["calls"]["quality_check"] > 0
    assert only["most"]["calls"] == 6 * (2 * 3 + 2 * 3 + 2)


def test_cases_that_cannot_be_rehearsed_are_said_and_fail(lab: Lab) -> None:
    functional = (
        'Group("Treatment", interventions=(Intervention("x", "Oh.", functional=lambda person: 1 / 0),))'
    )
    lab.write(SMALL.replace('Group("Treatment")', functional))
    result = lab.bare("-m", "experiment", "--estimate")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["INCOMPLETE: 1 of 2 cells could not be rehearsed to their end."])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--exp", "exp_9"], "Unknown experiment 'exp_9'"),
        (["--exp", "exp_3", "--model", "opnai:x"], "unknown provider 'opnai'"),
        (
            ["--exp", "exp_3", "--seconds-per-call", "0"],
            "--seconds-per-call 0: expected more than 0 seconds.",
        ),
        (["--exp", "exp_3", "--mode", "fst"], "has no mode 'fst'"),
    ],
)
def test_a_mistake_is_one_error_and_exit_code_4(estimate: Command, words: list[str], expected: str) -> None:
    said = estimate(*words)
    assert (said.code, said.out) == (4, "")
    assert expected in said.err
    assert "Traceback" not in said.err


@pytest.mark.tinytroupe
def test_the_real_package_takes_what_its_estimate_says(lab: Lab, estimated: Estimated) -> None:
    checkout = Path(os.environ.get("TINYTROUPE_REPO_DIR") or "nowhere")
    try:
        check(checkout)
    except ConfigurationError as missing:
        pytest.skip(str(missing))
    lab.write(TINY)
    found = estimated("test_small.py", "--engine", "tinytroupe")
    done = lab.command("run", "test_small.py", "--engine", "tinytroupe")
    assert done.returncode == 0, done.stdout + done.stderr
    assert calls_of(found) == calls_made(lab)
    assert {"combine", "quality_check", "minibio"} <= found["total"]["calls"].keys()
