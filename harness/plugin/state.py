"""What the plugin keeps for one pytest session."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from harness.console import visible
from harness.errors import ConfigurationError, ExitCode, HarnessError
from harness.model import Cell, Experiment
from harness.plugin.hints import Spell, explain, option
from harness.plugin.option_names import foreign_names

if TYPE_CHECKING:
    from harness.guests import Experiments
    from harness.plugin.dry_run import DryRun
    from harness.plugin.estimate import ExperimentEstimate
    from harness.plugin.hooks import Hooks
    from harness.plugin.signals import Interruption
    from harness.runtime.cells import CellOutcome, CellRun
    from harness.runtime.coordinator import Coordinator, Parts
    from harness.runtime.runs import Conclusion
    from harness.runtime.session import Session
    from harness.runtime.settings import Settings


@dataclass
class PluginState:
    """The state of one session.

    ``wanted`` are the experiments of a marker without arguments; ``None``: every registered one. ``coordinator`` is
    ``None`` in an xdist worker. ``prepared`` are cases started ahead of their turn, ``outcomes`` cases that ended,
    ``one_by_one`` says why a case was not started ahead, ``conclusions`` are the runs' files, ``faults`` invalid
    requests. ``--estimate`` has a ``rehearsal`` with its ``estimates``. ``report`` says in a line whether the report
    was written. ``brief`` leaves successful runs out of the summary. ``spell`` writes a setting's name in messages.
    ``launched`` are the settings of the front end that started pytest, if one did.
    """

    config: pytest.Config
    wanted: Sequence[Experiment | str] | None = None
    coordinator: Coordinator | None = None
    session: Session | None = None
    prepared: dict[str, CellRun] = field(default_factory=dict)
    outcomes: dict[str, tuple[Cell, CellOutcome]] = field(default_factory=dict)
    one_by_one: dict[str, str] = field(default_factory=dict)
    conclusions: list[Conclusion] = field(default_factory=list)
    faults: dict[str, None] = field(default_factory=dict)
    rehearsal: DryRun | None = None
    estimates: list[ExperimentEstimate] = field(default_factory=list)
    report: str | None = None
    brief: bool = False
    spell: Spell = option
    launched: Settings | None = None
    interruption: Interruption | None = None
    _settings: Settings | None = None
    _registered: Experiments | None = None

    @property
    def settings(self) -> Settings:
        """The session's settings. Raises `ConfigurationError`."""
        if self._settings is None:
            from harness.plugin.options import rehearsal_of, settings_of

            self._settings = settings_of(self.config, self.launched)
            self.rehearsal = rehearsal_of(self.config, self._settings)
            if self.rehearsal is not None:
                self._settings = self.rehearsal.settings
        return self._settings

    def parts(self) -> Parts:
        """The concrete parts of the session."""
        from harness.plugin.factories import parts

        return parts(self.hooks.observers()) if self.rehearsal is None else self.rehearsal.parts()

    def end_at_a_signal(self) -> None:
        """Let signals end the session, until pytest is unconfigured. An xdist worker keeps its own way."""
        from harness.plugin.signals import Interruption

        def halt() -> int:
            coordinator = self.coordinator
            if coordinator is None or not coordinator.started:
                return 0
            coordinator.stop(HarnessError("The session was interrupted."), ExitCode.INTERRUPTED)
            return coordinator.gateway.in_flight

        def open_batches() -> str:
            coordinator = self.coordinator
            started = coordinator is not None and coordinator.started
            return coordinator.gateway.open_batches if coordinator is not None and started else ""

        if invitation_of(self.config) is None:
            self.interruption = Interruption(halt, open_batches)
            self.interruption.install()
            self.config.add_cleanup(self.interruption.restore)

    @functools.cached_property
    def hooks(self) -> Hooks:
        """The hooks that other plugins and conftests implement."""
        from harness.plugin.hooks import Hooks

        return Hooks(self.config)

    def registered(self) -> Experiments:
        """The experiments of every guest, read on first use. Raises `ConfigurationError`."""
        if self._registered is None:
            from harness.guests import registered

            self._registered = registered(self.settings.sources)
        return self._registered

    def experiments(self, wanted: Sequence[object]) -> Iterator[Experiment]:
        """The experiments that a marker names: given as objects, by name, or by their guest's name.

        Without any, those that the command line or `harness.run` asked for, else every registered one. Raises
        `ConfigurationError`.
        """
        from harness.guests import find

        for one in wanted or (self.wanted if self.wanted is not None else tuple(self.registered())):
            if isinstance(one, Experiment):
                yield one
            elif isinstance(one, str):
                yield from find(one, self.registered())
            else:
                raise ConfigurationError(
                    f"@pytest.mark.experiment({one!r}): expected an Experiment or the name of a registered one."
                )


WORKER = "harness"
"""Our key in the data that xdist passes to a worker and back."""


def invitation_of(config: pytest.Config) -> dict[str, str] | None:
    """How an xdist worker reaches the coordinator; ``None`` in any other process."""
    invitation: dict[str, str] | None = getattr(config, "workerinput", {}).get(WORKER)
    return invitation


def refuse(config: pytest.Config, problems: Iterable[str]) -> None:
    """Report ``problems`` from a worker to the process that started it."""
    config.workeroutput[WORKER] = list(problems)  # type: ignore[attr-defined]


def error_text(config: pytest.Config, text: str) -> str:
    """``text`` for the terminal, with the long form of each option whose short name another plugin has."""
    return visible("\n".join(filter(None, (text, foreign_names(config, text)))))


def message_of(config: pytest.Config, error: HarnessError) -> str:
    """The error's text, with the option that is a way out, or the keyword of `harness.run`."""
    return error_text(config, explain(error, state_of(config).spell))


KEY = pytest.StashKey[PluginState]()


def state_of(config: pytest.Config) -> PluginState:
    """The plugin's state of this pytest session."""
    if KEY not in config.stash:
        config.stash[KEY] = PluginState(config)
    return config.stash[KEY]
