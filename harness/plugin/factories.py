"""The concrete parts: which gateway and which engines there are. Each is imported when it is first used."""

from __future__ import annotations

import os
from collections.abc import Callable

from harness.engines import Engine
from harness.errors import ConfigurationError
from harness.gateway.calls import Provider
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.retry import RetryPolicy
from harness.plugin.limits import make_budget, make_limits
from harness.runtime.coordinator import Parts
from harness.runtime.settings import CHECKOUT_VARIABLE, Settings
from harness.telemetry import Observers, from_environment

ENGINES = ("embedded", "tinytroupe")
HINTS = {
    "timeout": "--timeout SECONDS allows longer",
    "temperature": "set another with --temperature, or leave it out with --model-option temperature=null",
    "seed": "run without --provider-seed",
    "response_format": "ask for JSON in another way with --response-format",
    "tools": "choose a model that supports tools",
    "*": "set another value, or leave it out, with --model-option NAME=VALUE or where the experiment declares it",
}
"""What a user of the command line changes, by the field of a request that a server refuses."""

WAITING_PER_PROCESSOR = 8
"""Worker processes per processor when the model takes its time: each costs some 60 MB and waits most of it."""


SPARE_SECONDS = 30.0
"""What a provider that limits its calls itself has beyond that limit, to say what went wrong."""


def parts() -> Parts:
    """The parts that pytest, the command line and `harness.run` use."""
    return Parts(gateway=make_gateway, engine=make_engine, observers=make_observers)


def make_gateway(settings: Settings) -> Gateway:
    """The gateway to the model that was asked for. Raises `ConfigurationError` for an unknown one or a missing key."""
    from harness.gateway.prices import charged, find_prices
    from harness.gateway.providers import make_provider
    from harness.gateway.requests.response_formats import CHOICES

    prices = find_prices(settings.prices)
    provider = make_provider(settings.model, seed=settings.seed, base_url=settings.base_url)
    judge = make_judge(settings, provider)
    for one in filter(None, (provider, judge)):
        if hasattr(one, "configure"):
            one.configure(timeout=settings.timeout, form=CHOICES[settings.response_format], hints=HINTS)
    gateway = Gateway(
        provider,
        judge=judge,
        concurrency=settings.concurrency,
        temperature=settings.temperature,
        budget=make_budget(settings, [provider, *([judge] if judge else [])], prices),
        limits=make_limits(settings),
        retry=RetryPolicy(longest_wait=settings.max_wait, longer=" (--max-wait SECONDS allows longer)"),
        provider_seed=settings.provider_seed,
        longest=settings.timeout + SPARE_SECONDS,
        price=lambda reply, asked: charged(reply, asked or provider.model, prices),
        journal=Journal(settings.results_dir / "journal", accept_loss=settings.accept_lost_journal),
    )
    gateway.json_hint = HINTS["response_format"]
    return gateway


def make_judge(settings: Settings, player: Provider) -> Provider | None:
    """The model that scores, where it is another than the one that plays. Raises `ConfigurationError`."""
    from harness.gateway.providers import make_provider

    if settings.judge_model is None:
        return None
    judge = make_provider(settings.judge_model, seed=settings.seed, base_url=settings.judge_base_url)
    return None if _place(judge) == _place(player) else judge


def _place(provider: Provider) -> tuple[str, str, str | None]:
    return provider.name, provider.model, getattr(provider, "base_url", None)


def make_observers(settings: Settings, warn: Callable[[str], None]) -> Observers:
    """LangSmith and Sentry, where their own environment variables ask for them."""
    return from_environment(sentry_content=settings.sentry_content, warn=warn)


def make_engine(name: str, settings: Settings) -> Engine:
    """The engine called ``name``. Raises `ConfigurationError` for an unknown one or a missing checkout."""
    if name == "embedded":
        from harness.engines.embedded import EmbeddedEngine

        return EmbeddedEngine()
    if name == "tinytroupe":
        from harness.engines.tinytroupe import TinyTroupeEngine

        if settings.checkout is None:
            raise ConfigurationError(
                f"--engine tinytroupe: {CHECKOUT_VARIABLE} is not set; expected the path of a checkout of "
                "microsoft/TinyTroupe. Set it, or use --engine embedded."
            )
        return TinyTroupeEngine(
            settings.checkout, workers=workers(settings), temperature=settings.temperature
        )
    raise ConfigurationError(f"--engine {name!r}: no such engine; expected one of {', '.join(ENGINES)}.")


def workers(settings: Settings) -> int:
    """Processes for an engine that needs them: one per processor, more where replies are awaited."""
    processors = os.cpu_count() or 1
    if settings.workers is not None or {settings.model, settings.judge_model} <= {"rehearsal", None}:
        return settings.workers or processors
    return min(WAITING_PER_PROCESSOR * processors, settings.concurrency or WAITING_PER_PROCESSOR * processors)
