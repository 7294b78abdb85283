from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from support.requests import ask

from harness.gateway.model_snapshots import is_undated, undated_warning
from harness.gateway.requests.seeds import derived_seed, seeded


@pytest.mark.parametrize(
    ("model", "undated"),
    [
        ("openai:gpt-4o-mini", True),
        ("gpt-4o-mini-2024-07-18", False),
        ("openai:gpt-4o-mini-2024-07-18", False),
        ("gpt-3.5-turbo-0125", False),
        ("gpt-4-0613", False),
        ("gpt-5.6-luna", True),
        ("openrouter:openai/gpt-4o", True),
        ("openrouter:openai/gpt-4o-2024-08-06", False),
        ("anthropic:claude-haiku-4-5", True),
        ("anthropic:claude-haiku-4-5-20251001", False),
        ("claude-haiku-4-5@20251001", False),
        ("claude-3-opus-latest", True),
        ("anthropic:claude-sonnet-4-6", False),
        ("anthropic:claude-opus-5", False),
        ("openrouter:anthropic/claude-sonnet-4.6", False),
        ("openai:llama3.1:8b", True),
        ("azure:my-deployment", True),
        ("bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0", False),
        ("amazon.nova-lite-v1:0", False),
        ("vertex:gemini-2.5-flash", True),
        ("vertex:gemini-2.0-flash-001", False),
        ("rehearsal", False),
        ("rehearsal:50ms", False),
        ("rehearsal-1", False),
    ],
)
def test_which_names_are_aliases(model: str, undated: bool) -> None:
    assert is_undated(model) is undated


def test_the_warning_names_the_model_and_the_way_out() -> None:
    said = undated_warning("openai:gpt-4o-mini")
    assert said.startswith("Model 'openai:gpt-4o-mini' is an alias without a date")
    assert "prefer that name" in said


def test_a_seed_is_a_function_of_base_trial_and_occurrence_alone() -> None:
    assert derived_seed(7, "e/A/rep1/panel0/proposal0") == 764736002
    module = "harness.gateway.requests.seeds"
    code = f"from {module} import derived_seed; print(derived_seed(7, 'e/A/rep1/panel0/proposal0'))"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert fresh.stdout.strip() == "764736002"
    seeds = {
        derived_seed(base, f"e/{arm}/rep{rep}", time)
        for base in range(5)
        for arm in "AB"
        for rep in range(20)
        for time in range(5)
    }
    assert len(seeds) == 1000 and all(0 <= seed < 2**31 for seed in seeds)


def test_a_seed_is_put_where_the_provider_reads_it_and_the_digest_stays() -> None:
    request = replace(ask("x", extra={"top_p": 0.5}), digest="of what was asked")
    sent = seeded(request, 7, "t", 0)
    assert sent.extra == {"top_p": 0.5, "seed": derived_seed(7, "t", 0)}
    assert sent.digest == request.digest and request.extra == {"top_p": 0.5}
    assert seeded(request, None, "t", 0) is request


@pytest.mark.parametrize(("base", "start"), [(None, 3), (7, 7)])
def test_a_seed_of_foreign_code_is_never_passed_on_as_it_is(base: int | None, start: int) -> None:
    request = ask("x", extra={"seed": 3})
    assert seeded(request, base, "t", 1).extra["seed"] == derived_seed(start, "t", 1)
