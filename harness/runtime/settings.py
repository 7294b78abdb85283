"""The settings of one session, wherever they were said: pytest's options, the command line, or a script."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, raise_if_any
from harness.gateway.waiting import LONGEST_WAIT
from harness.guests import Sources
from harness.model import option_problems
from harness.text_files import named_path

FUNCTION_SECONDS, PLAY_SECONDS = 60.0, 600.0
"""How long a user's function may take, and a user's play may go on without a model call."""

CHECKOUT_VARIABLE = "TINYTROUPE_REPO_DIR"
NOTEBOOKS_IN_CHECKOUT = Path("publications", "paper_artifacts_june-2025")


CALL_TIMEOUT = 120.0
"""Seconds that one model call may take where nothing else is asked for."""

RESPONSE_FORMATS = ("auto", "schema", "object", "prompt")
"""How replies in JSON are asked for: by JSON schema, as a JSON object, in the prompt; ``auto`` finds what works."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session was asked for.

    ``mode`` ``None`` means each experiment's own default. ``concurrency`` is the number of model calls in flight,
    ``rpm`` and ``tpm`` are calls and tokens per minute, ``max_cost`` (US dollars), ``max_calls`` and ``max_tokens``
    what the session may spend; ``None`` is no limit, none of them belongs to a run's identity. ``provider_seed`` is
    what each sample's own seed at the provider is derived from, ``prices`` a file of the user's own prices.
    ``judge_model`` scores what the model plays; ``None``: the same model does. ``exploratory`` lets a session go beyond
    a locked plan, labelled so. ``accept_lost_journal`` lets it send calls again whose paid replies are lost.
    ``temperature`` ``None`` leaves it to the provider. ``model_options`` are further request fields of the model's
    calls. ``workers`` is the number of processes of an engine that needs them. ``checkout`` is a TinyTroupe checkout,
    ``sources`` where studies read their words from. ``function_timeout`` is how long a user's function may take,
    ``play_timeout`` how long a user's play may go on without a model call, in seconds; ``max_wait`` is how long a
    session waits when a server asks for it.
    """

    mode: str | None = None
    engine: str = "embedded"
    model: str = "rehearsal"
    base_url: str | None = None
    judge_model: str | None = None
    judge_base_url: str | None = None
    temperature: float | None = None
    model_options: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = CALL_TIMEOUT
    max_wait: float = LONGEST_WAIT
    response_format: str = "auto"
    seed: int = 0
    provider_seed: int | None = None
    prices: Path | None = None
    concurrency: int | None = 16
    rpm: int | None = None
    tpm: int | None = None
    max_cost: float | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    workers: int | None = None
    results_dir: Path = field(default_factory=lambda: Path("results"))
    out: Path | None = None
    checkout: Path | None = None
    sources: Sources = field(default_factory=Sources)
    resume: str | None = None
    fresh: bool = False
    accept_lost_journal: bool = False
    exploratory: bool = False
    sentry_content: bool = False
    function_timeout: float = FUNCTION_SECONDS
    play_timeout: float = PLAY_SECONDS

    @property
    def trial_window(self) -> int | None:
        """How many trials may run at once. One call in flight per trial at least, so never more than the calls."""
        return self.concurrency


def parse_concurrency(text: str) -> int | None:
    """``unlimited`` or a whole number from 1. Raises `ConfigurationError`."""
    if text == "unlimited":
        return None
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    raise ConfigurationError(f"--concurrency {text!r}: expected a whole number from 1, or 'unlimited'.")


def parse_model_options(texts: Iterable[str], temperature: float | None = None) -> dict[str, Any]:
    """Request fields from ``NAME=VALUE`` texts; a value is JSON where it can be read as JSON, else text.

    Raises `ConfigurationError` with every fault. ``temperature`` is the session's: it cannot be named twice.

    >>> parse_model_options(["top_p=0.9", "reasoning_effort=low", "stop=null"])
    {'top_p': 0.9, 'reasoning_effort': 'low', 'stop': None}
    """
    options: dict[str, Any] = {}
    problems: list[str] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value:
            problems.append(f"--model-option {text!r:.120}: expected NAME=VALUE, such as top_p=0.9.")
        elif name in options:
            problems.append(f"--model-option {name!r:.80} is given twice; expected once.")
        else:
            options[name] = _json_or_text(value)
            if value in _PYTHON_CONSTANTS:
                problems.append(
                    f"--model-option {text!r:.120}: write {name}={_PYTHON_CONSTANTS[value]}, as in JSON."
                )
    problems += option_problems("--model-option", options)
    if temperature is not None and "temperature" in options:
        problems.append("--model-option temperature and --temperature are both given; expected one of them.")
    raise_if_any(problems)
    return options


_PYTHON_CONSTANTS: Mapping[str, str] = {"True": "true", "False": "false", "None": "null"}


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def call_problems(timeout: float, response_format: str) -> list[str]:
    """What is wrong with the settings of a single call."""
    problems = []
    if not 0 < timeout < float("inf"):
        problems.append(f"--timeout {timeout:g}: expected more than 0 seconds.")
    if response_format not in RESPONSE_FORMATS:
        problems.append(
            f"--response-format {response_format!r:.80}: expected one of {', '.join(RESPONSE_FORMATS)}."
        )
    return problems


def call_timeout(seconds: float | None, response_format: str = "auto") -> float:
    """How long a call may take where ``seconds`` is asked for; ``None``: the usual.

    Raises `ConfigurationError` for that, or a ``response_format``, that cannot be.
    """
    timeout = CALL_TIMEOUT if seconds is None else seconds
    raise_if_any(call_problems(timeout, response_format))
    return timeout


def bound_problems(**bounds: float | None) -> list[str]:
    """What is wrong with limits and budgets, named as the settings are; ``None`` is none at all."""
    return [
        f"--{name.replace('_', '-')} {value}: expected {'more than 0' if name == 'max_cost' else '1 or more'}."
        for name, value in bounds.items()
        if value is not None and not 0 < value < float("inf")
    ]


def find_checkout(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The TinyTroupe checkout that the environment names, if any. Raises `ConfigurationError` if it is no folder."""
    value = environ.get(CHECKOUT_VARIABLE, "").strip()
    if not value:
        return None
    path = named_path(value)
    if not path.is_dir():
        raise ConfigurationError(
            f"{CHECKOUT_VARIABLE}={value}: no such folder; expected a checkout of microsoft/TinyTroupe. "
            "Unset the variable to use the packaged script and populations."
        )
    return path.resolve()


def find_sources(option: str | None, checkout: Path | None, *, accept_differences: bool = False) -> Sources:
    """Where words come from: the folder that the option names, else the checkout's June-2025 folder, else ours.

    Raises `ConfigurationError` when what was named is not there.
    """
    if option is not None:
        path = named_path(option)
        if not path.is_dir():
            raise ConfigurationError(
                f"--notebooks {option}: no such folder; expected one with the experiments' .ipynb files."
            )
        return Sources(path.resolve(), whole=False, accept_differences=accept_differences)
    if checkout is None:
        return Sources()
    path = checkout / NOTEBOOKS_IN_CHECKOUT
    if not path.is_dir():
        raise ConfigurationError(
            f"{CHECKOUT_VARIABLE}={checkout}: it has no {NOTEBOOKS_IN_CHECKOUT}; expected a checkout with the "
            "paper's notebooks. Name another folder with --notebooks, or unset the variable."
        )
    return Sources(path, accept_differences=accept_differences)
