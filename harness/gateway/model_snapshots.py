"""Distinguish dated snapshots of models from aliases that a vendor may redirect at any time."""

from __future__ import annotations

import re

_DATE = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8})$")
_SHORT_DATE = re.compile(r"-(0[1-9]|1[0-2])([0-2]\d|3[01])(-preview)?$")  # gpt-3.5-turbo-0125
_VERSION = re.compile(r"-v\d+(:\d+)?$|-0\d\d$")
"""How names of fixed versions end at Amazon Bedrock (-v1:0) and Google (-001)."""
MAKERS = ("anthropic", "azure", "openai", "openrouter")
"""Providers that sell models of others' or their own making, by names that may be aliases."""

_CLAUDE = re.compile(r"claude-[a-z]+-(\d+)(?:-(\d{1,2}))?$")


def is_undated(model: str) -> bool:
    """Whether ``model`` (with or without its provider) is an alias of whatever its maker serves on the day.

    From the 4.6 generation on, Claude's names without a date are fixed versions themselves
    (platform.claude.com/docs, "Model IDs and versioning").
    """
    name = bare(model)
    fixed = any(pattern.search(name) for pattern in (_DATE, _SHORT_DATE, _VERSION))
    if name.startswith("rehearsal") or fixed:
        return False
    claude = _CLAUDE.fullmatch(name)
    return claude is None or (int(claude[1]), int(claude[2] or 0)) < (4, 6)


def undated_warning(model: str) -> str:
    """The sentence for a run with an undated model."""
    return (
        f"Model {model!r} is an alias without a date: its maker may serve another model under this name tomorrow, "
        "and a later run would not be comparable. The record names the snapshot that answered; prefer that name."
    )


def split_address(spec: str) -> tuple[str, str | None]:
    """A spec without its address, and the address.

    >>> split_address("openai:qwen3@http://localhost:8000/v1")
    ('openai:qwen3', 'http://localhost:8000/v1')
    >>> split_address("openai:qwen3")
    ('openai:qwen3', None)
    """
    found = re.fullmatch(r"(.*?)@(https?://.*)", spec)
    return (found[1], found[2]) if found else (spec, None)


def bare(model: str) -> str:
    """The maker's own name of the model: ``openrouter:openai/gpt-4o`` and ``openai:gpt-4o`` are ``gpt-4o``."""
    model, _ = split_address(model)
    provider, _, rest = model.partition(":")
    name = rest if provider in MAKERS else model  # the colon in mistral:7b belongs to the name
    maker, slash, inner = name.rpartition("/")
    if slash and maker == "anthropic":
        return inner.replace(".", "-")  # OpenRouter writes claude-sonnet-4.5
    return inner if slash and maker == "openai" else name


def undated(model: str) -> str:
    """``model`` without its date, if it has one: the name that its price is usually listed under."""
    return _DATE.sub("", bare(model))
