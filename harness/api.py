"""Experiments from a script or a notebook: the same code path as pytest's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ExitCode, HarnessError, raise_if_any
from harness.model import Experiment, option_problems
from harness.text_files import read_json


@dataclass(frozen=True)
class Results:
    """What a run left. ``exit_code`` is 0 when every case passed; paths are ``None`` without an artifact."""

    experiment: str
    run_id: str
    exit_code: int
    artifact_path: Path | None
    records: tuple[Path, ...]
    meta: Mapping[str, Any]

    @property
    def artifact(self) -> Mapping[str, Any]:
        """The artifact, as in the file. Raises `HarnessError` when there is none."""
        if self.artifact_path is None:
            raise HarnessError(
                f"Run {self.run_id} of {self.experiment} left no artifact; see its exit code and output."
            )
        content: Mapping[str, Any] = read_json(self.artifact_path, str(self.artifact_path))
        return content

    def values(self, group: str, metric: str) -> list[float]:
        """The samples of a metric in a group, in the artifact's order; empty when there are none."""
        results = self.artifact["experiments"].get(group, {}).get("results", {})
        return list(results.get(metric, ()))


def run(
    experiment: Experiment | str,
    *,
    mode: str | None = None,
    count: int | None = None,
    engine: str = "embedded",
    model: str = "rehearsal",
    base_url: str | None = None,
    judge_model: str | None = None,
    judge_base_url: str | None = None,
    temperature: float | None = None,
    model_options: Mapping[str, Any] | None = None,
    response_format: str = "auto",
    timeout: float | None = None,
    max_wait: float | None = None,
    seed: int = 0,
    concurrency: int | None = 16,
    rpm: int | None = None,
    tpm: int | None = None,
    max_cost: float | None = None,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    prices: Path | str | None = None,
    provider_seed: int | None = None,
    workers: int | None = None,
    notebooks: Path | str | None = None,
    resume: str | None = None,
    results_dir: Path | str = "results",
    out: Path | str | None = None,
    report: Path | str | None = None,
    reruns: int = 0,
    fresh: bool = False,
    accept_lost_journal: bool = False,
    exploratory: bool = False,
    strict_instrument: bool = False,
    function_timeout: float | None = None,
    play_timeout: float | None = None,
    quiet: bool = False,
) -> Results:
    """Run one experiment, given or by its registered name, and return what it left.

    ``count`` overrides the mode's repetitions; ``concurrency`` is the number of model calls in flight, ``None`` for no
    limit. ``max_cost`` (US dollars), ``max_calls`` and ``max_tokens`` are what this call may spend; stopped by them,
    ``exit_code`` is 6, and the same call again goes on. ``judge_model`` scores in place of ``model``, and
    ``exploratory`` goes beyond a locked plan. ``model_options`` are request fields added to every call of the model
    (``{"top_p": 0.9, "reasoning_effort": "low"}``); ``None`` leaves out one that the experiment sets. ``timeout``
    is how long one call may take, and ``max_wait`` how long to wait when a server asks for it, both in seconds; asked
    to wait longer, the run ends and ``exit_code`` is 7. The rest is as in pytest's options of the same names.

    Raises `HarnessError` when nothing could be run; failed trials do not raise, they are in ``exit_code``.
    """
    from harness.plugin.hints import keyword
    from harness.plugin.launch import LaunchRequest, launch

    raise_if_any(option_problems("model_options", {} if model_options is None else model_options))
    options = {
        "engine": engine,
        "model": model,
        "seed": seed,
        "results_dir": results_dir,
        "concurrency": "unlimited" if concurrency is None else concurrency,
        "mode": mode,
        "--count": count,
        "model_base_url": base_url,
        "judge_model": judge_model,
        "judge_base_url": judge_base_url,
        "temperature": temperature,
        "model_option": [f"{name}={json.dumps(value)}" for name, value in (model_options or {}).items()],
        "response_format": response_format,
        "timeout": timeout,
        "max_wait": max_wait,
        "rpm": rpm,
        "tpm": tpm,
        "max_cost": max_cost,
        "max_calls": max_calls,
        "max_tokens": max_tokens,
        "prices": prices,
        "provider_seed": provider_seed,
        "workers": workers,
        "notebooks": notebooks,
        "resume": resume,
        "function_timeout": function_timeout,
        "play_timeout": play_timeout,
        "out": out,
        "report": report,
        "--reruns": reruns or None,
        "exploratory": exploratory,
        "strict_instrument": strict_instrument,
        "accept_lost_journal": accept_lost_journal,
        "fresh": fresh,
    }
    request = LaunchRequest([experiment], spell=keyword)
    code = launch(request, options, further=["-qq", "--no-header", "--no-summary"] * quiet)
    if not request.conclusions:
        raise HarnessError(
            f"Nothing was run (exit code {ExitCode(code).name}); the reason is in the output above."
        )
    done = request.conclusions[0]
    return Results(done.experiment, done.run_id, code, done.artifact, done.records, done.meta)
