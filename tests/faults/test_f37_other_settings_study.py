"""F37: a run is resumed under other settings without a word. Here: what the environment says of the model's address."""

from __future__ import annotations

import pytest

from harness.errors import ConfigurationError
from harness.model import Mode
from tests.support.studies import Bench, bench, contents, experiment

__all__ = ["bench"]


def test_another_address_of_the_model_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    made = bench.declare(options={"model": "openai:gpt-5-mini"})
    before = contents(bench.study.folder)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8/v1")
    with pytest.raises(ConfigurationError, match=r"base_url: 'http://127.0.0.1:9/v1' then, .*:8/v1' now"):
        bench.run(made)
    assert contents(bench.study.folder) == before


def test_a_run_of_other_settings_in_the_registry_of_runs_is_not_gone_on_with(bench: Bench) -> None:
    made = bench.declare()
    bench.run(made, "--mode=full")
    bench.experiment = experiment(modes={"full": Mode(reps=2, steps=2)})
    with pytest.raises(ConfigurationError, match="steps: 1 then, 2 now"):
        bench.run(made)
