"""The sessions of a batch, as the command line starts them: which experiment and options, how much is left to spend."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.addresses import refuse_secrets
from harness.batches.axes import Options
from harness.batches.batch_kind import ANY, kind_of
from harness.batches.manifest import Manifest
from harness.batches.study_layout import Batch
from harness.errors import ConfigurationError, ExitCode, raise_if_any
from harness.model import Experiment

if TYPE_CHECKING:
    from harness.runtime.runs import Conclusion

OPTIONS = {
    "mode": "mode",
    "count": "--count",
    "engine": "engine",
    "model": "model",
    "base_url": "model_base_url",
    "judge_model": "judge_model",
    "judge_base_url": "judge_base_url",
    "temperature": "temperature",
    "model_options": "model_option",
    "response_format": "response_format",
    "provider_seed": "provider_seed",
    "rpm": "rpm",
    "notebooks": "notebooks",
}
"""Options that identify a batch's runs, by their name in the manifest; the rest may change from session to session."""


def identifying(**named: Any) -> dict[str, Any]:
    """Those that were said. Raises `ConfigurationError` for an address that may hold a key."""
    refuse_secrets(**{name: named.get(name) for name in ("base_url", "judge_base_url")})
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in named.items()
        if value is not None
    }


def find_experiment(name: str | None, path: Path | None, notebooks: str | None = None) -> Experiment:
    """A registered experiment, or the one of that name in a file that declares some.

    Raises `ConfigurationError`.
    """
    from harness.guests import find, registered
    from harness.runtime.settings import find_checkout, find_sources

    kind = kind_of(path)
    if path is not None and kind is not ANY:
        return kind.experiment(path, name)
    if path is not None:
        from harness.cli.listing import _collected

        at_hand = _collected(path)
        if name is None and len(at_hand) == 1:
            return next(iter(at_hand.values()))
        if name is None or name not in at_hand:
            raise ConfigurationError(
                f"--exp {name or 'not given'}: {path} declares {', '.join(at_hand)}; expected one of them."
            )
        return at_hand[name]
    assert name is not None, "a registered experiment is found by its name"
    found = find(name, registered(find_sources(notebooks, find_checkout())))
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise ConfigurationError(
            f"--exp {name!r} is a study of several experiments; expected one of {names}."
        )
    return found[0]


def experiment_of(manifest: Manifest, batch: Batch) -> Experiment:
    """The experiment of a batch, as it is now."""
    path = batch.folder / manifest.path if manifest.path else None
    return find_experiment(manifest.experiment, path, manifest.session.get("notebooks"))


def facts(options: Options) -> Mapping[str, Any]:
    """What a session of these options adds to its runs' identity. Raises `ConfigurationError`."""
    from harness.gateway.providers import make_provider
    from harness.plugin.factories import make_judge
    from harness.runtime.provenance import session_settings
    from harness.runtime.settings import Settings

    settings = Settings(
        model=options.get("model") or "rehearsal",
        base_url=options.get("base_url"),
        judge_model=options.get("judge_model"),
        judge_base_url=options.get("judge_base_url"),
        temperature=options.get("temperature"),
        response_format=options.get("response_format") or "auto",
        provider_seed=options.get("provider_seed"),
    )
    provider = make_provider(settings.model, seed=settings.seed, base_url=settings.base_url)
    return session_settings(settings, provider, make_judge(settings, provider))


def _spelt(name: str, limit: float) -> str:
    """To the last digit; only dollars have parts."""
    return repr(float(limit)) if name == "max_cost" else str(int(limit))


def refuse_limits(named: Mapping[str, Any]) -> None:
    """Raise a `ConfigurationError` for limits of a session that cannot be, before anything is declared or run."""
    from harness.runtime.settings import bound_problems, call_timeout, parse_concurrency

    bounds = {name: named.get(name) for name in ("rpm", "tpm", "max_cost", "max_calls", "max_tokens")}
    raise_if_any(bound_problems(**bounds))
    call_timeout(named.get("timeout"), named.get("response_format") or "auto")
    parse_concurrency(named["concurrency"])


@dataclass
class Sessions:
    """Starts the sessions of a batch one after another. What one spent, the next has less.

    ``limits`` are ``--max-cost``, ``--max-calls`` and ``--max-tokens``; ``further`` are options that identify no run.
    """

    heartbeat: Path
    limits: Mapping[str, float | None]
    further: Mapping[str, Any] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)

    def __call__(
        self, experiments: Sequence[Experiment], options: Options, folder: Path
    ) -> tuple[int, Sequence[Conclusion]]:
        from harness.plugin.heartbeat import Heartbeat
        from harness.plugin.hints import study_option
        from harness.plugin.launch import LaunchRequest, launch

        left = {
            name: limit - self.spent.get(name, 0) for name, limit in self.limits.items() if limit is not None
        }
        if any(value <= 0 for value in left.values()):
            return int(ExitCode.BUDGET), ()
        own = options.get("model_options") or {}
        arguments = {
            **{OPTIONS[name]: value for name, value in options.items()},
            "model_option": [f"{name}={json.dumps(value)}" for name, value in own.items()],
            **{name: _spelt(name, value) for name, value in left.items()},
            "results_dir": folder.resolve(),
            **self.further,
        }
        watch = Heartbeat(self.heartbeat, f"{len(experiments)} variants", lambda: datetime.now(UTC))
        request = LaunchRequest(list(experiments), beside=[watch], brief=True, spell=study_option)
        code = launch(request, arguments)
        if watch.last is not None:
            self._count("max_calls", watch.last.calls)
            self._count("max_tokens", watch.last.tokens)
            self._count("max_cost", watch.cost or 0)
        return code, request.conclusions

    def _count(self, name: str, value: float) -> None:
        self.spent[name] = self.spent.get(name, 0) + value
