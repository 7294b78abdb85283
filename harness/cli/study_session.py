"""The sessions of a batch, as the command line starts them: which experiment and options, how much is left to spend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.addresses import refuse_secrets
from harness.batches.axes import Options
from harness.batches.batch_kind import ANY, kind_of
from harness.batches.manifest import Manifest
from harness.batches.study_layout import Batch
from harness.cli.study_app import IDENTIFYING, SESSION
from harness.errors import ExitCode
from harness.model import Experiment
from harness.runtime.setting_sources import SettingSource, override
from harness.runtime.settings import Settings, setting_fields

if TYPE_CHECKING:
    from harness.runtime.runs import Conclusion

BUDGETS = ("max_cost", "max_calls", "max_tokens")
MANIFEST = "manifest"
"""Where identifying settings come from in a batch's sessions."""


def identifying(settings: Settings, count: int | None = None) -> dict[str, Any]:
    """The options of a batch's manifest: those that identify its runs and were given.

    Raises `ConfigurationError` for an address that may hold a key.
    """
    refuse_secrets(base_url=settings.base_url, judge_base_url=settings.judge_base_url)
    given = {name: getattr(settings, name) for name in IDENTIFYING if name in settings.origins}
    named = given | {"count": count}
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in named.items()
        if value is not None and value != {}
    }


def settings_of(options: Options, session: Settings | None = None) -> Settings:
    """The settings of a session: those of the manifest, and of ``session`` those that identify no run.

    Raises `ConfigurationError`.
    """
    session = session or Settings()
    free = (*SESSION, "accept_lost_journal", "max_wait", "function_timeout", "play_timeout", "workers")
    kept = {name: getattr(session, name) for name in free}
    origins = {name: session.origins[name] for name in free if name in session.origins}
    values = {name: value for name, value in options.items() if name in setting_fields()}
    source = SettingSource(MANIFEST, values, {name: f"{MANIFEST}: {name}" for name in values}, " = ")
    return override(Settings(**kept, origins=origins), source)


def find_experiment(name: str | None, path: Path | None, notebooks: Path | None = None) -> Experiment:
    """A registered experiment, or the one of that name in a file that declares some.

    Raises `ConfigurationError`.
    """
    from harness.cli.listing import experiment_named
    from harness.runtime.settings import find_checkout, find_sources

    kind = kind_of(path)
    if path is not None and kind is not ANY:
        return kind.experiment(path, name)
    return experiment_named(name, path, find_sources(notebooks, find_checkout()))


def experiment_of(manifest: Manifest, batch: Batch) -> Experiment:
    """The current experiment of a batch."""
    path = batch.folder / manifest.path if manifest.path else None
    return find_experiment(manifest.experiment, path, settings_of(manifest.session).notebooks)


def facts(options: Options) -> Mapping[str, Any]:
    """What a session of these options adds to its runs' identity. Raises `ConfigurationError`."""
    from harness.plugin.factories import session_facts

    return session_facts(settings_of(options))


@dataclass
class Sessions:
    """Starts the sessions of a batch one after another. What one spent, the next has less.

    ``settings`` are those of the batch's command, ``reruns`` and ``further`` are pytest's options.
    """

    heartbeat: Path
    settings: Settings
    reruns: int | None = None
    further: Sequence[str] = ()
    spent: dict[str, float] = field(default_factory=dict)

    def __call__(
        self, experiments: Sequence[Experiment], options: Options, folder: Path
    ) -> tuple[int, Sequence[Conclusion]]:
        from harness.plugin.heartbeat import Heartbeat
        from harness.plugin.hints import study_option
        from harness.plugin.launch import LaunchRequest, launch

        left = {
            name: limit - self.spent.get(name, 0)
            for name in BUDGETS
            if (limit := getattr(self.settings, name))
        }
        if any(value <= 0 for value in left.values()):
            return int(ExitCode.BUDGET), ()
        limits: dict[str, Any] = {
            name: value if name == "max_cost" else int(value) for name, value in left.items()
        }
        settings = replace(settings_of(options, self.settings), **limits, results_dir=folder.resolve())
        watch = Heartbeat(self.heartbeat, f"{len(experiments)} variants", lambda: datetime.now(UTC))
        request = LaunchRequest(
            list(experiments), beside=[watch], brief=True, spell=study_option, settings=settings
        )
        code = launch(
            request, options={"--count": options.get("count"), "--reruns": self.reruns}, further=self.further
        )
        if watch.last is not None:
            self._count("max_calls", watch.last.calls)
            self._count("max_tokens", watch.last.tokens)
            self._count("max_cost", watch.cost or 0)
        return code, request.conclusions

    def _count(self, name: str, value: float) -> None:
        self.spent[name] = self.spent.get(name, 0) + value
