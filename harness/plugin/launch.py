"""Start pytest for the command line and `harness.run`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.console import visible
from harness.errors import ExitCode, expected_one_of
from harness.model import Experiment
from harness.plugin.hints import Spell, option
from harness.plugin.selection import Case, case_of
from harness.plugin.state import state_of
from harness.runtime.runs import Conclusion
from harness.runtime.settings import Settings

if TYPE_CHECKING:
    from harness.plugin.estimate import ExperimentEstimate

CASES = Path(__file__).with_name("cases.py")
REWRITE = "Module already imported so cannot be rewritten; harness"
"""A warning to silence: this package has no assertions to rewrite."""


@dataclass
class LaunchRequest:
    """A plugin that carries a request into the session, and its results out of it.

    ``wanted`` are the experiments of markers that name none; ``only`` and ``group`` leave out all other cases.
    ``own_cases``: the cases are in this package, not in a file of the user's. ``beside`` are more plugins;
    ``brief`` and ``spell`` are as in `PluginState`, ``settings`` the session's; ``None``: those that pytest finds.
    """

    wanted: Sequence[Experiment | str] | None = None
    only: Sequence[str] = ()
    group: str | None = None
    own_cases: bool = False
    beside: Sequence[object] = ()
    brief: bool = False
    spell: Spell = option
    settings: Settings | None = None
    conclusions: list[Conclusion] = field(default_factory=list)
    estimates: list[ExperimentEstimate] = field(default_factory=list)
    collected: dict[str, Experiment] = field(default_factory=dict)

    def pytest_configure(self, config: pytest.Config) -> None:
        if getattr(config.option, "numprocesses", None):
            raise pytest.UsageError(
                "-n: leave it out; harness plays in one process, where trials overlap all the same. For worker "
                "processes use pytest -m experiment -n N."
            )
        state = state_of(config)
        state.wanted, state.brief, state.spell = self.wanted, self.brief, self.spell
        state.launched = self.settings
        state.conclusions, state.estimates = self.conclusions, self.estimates

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and self.own_cases:
            reporter.showfspath = False  # the path of this package's file tells a user nothing

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        cases = [case for item in items if (case := case_of(item)) is not None]
        self.collected.update({case.experiment.name: case.experiment for case in cases})
        if not state_of(config).faults:
            self._refuse_unknown()
        kept = [item for item in items if (case := case_of(item)) is None or self._wants(case)]
        if len(kept) < len(items):
            config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
            items[:] = kept

    def _wants(self, case: Case) -> bool:
        return (not self.only or case.experiment.name in self.only) and self.group in (None, case.group)

    def _refuse_unknown(self) -> None:
        groups = [group.name for one in self.collected.values() for group in one.groups]
        asked = [("exp", "experiment", name, list(self.collected)) for name in self.only]
        asked += [("group", "group", self.group, groups)] if self.group is not None else []
        for setting, kind, name, known in asked:
            if name not in known:
                raise pytest.UsageError(
                    visible(
                        f"--{setting} {name!r}: no such {kind}; {expected_one_of(name, dict.fromkeys(known))}"
                    )
                )


def launch(
    request: LaunchRequest,
    path: Path | None = None,
    *,
    options: Mapping[str, object] | None = None,
    further: Sequence[str] = (),
) -> int:
    """Run the experiments of ``request``, or those in the test file or folder ``path``; pytest's exit code.

    ``options`` are pytest's and its other plugins', by their full names; ``None`` leaves one out. What ``further``
    holds goes to pytest as it is. Without ``path`` no configuration file and no conftest of the current folder takes
    part.
    """
    # pytest would list every folder above the file, which takes longer than a small session: look at its own alone.
    places = ["--rootdir", str(Path.cwd()), "--confcutdir", str(CASES.parent)]
    own = [str(CASES), "-c", os.devnull, *places, "--noconftest", "--no-header"]
    args = [str(path)] if path is not None else own
    request.own_cases = path is None
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        args += ["-p", "harness.plugin", "-p", "pytest_repeat", "-p", "pytest_rerunfailures"]
    args += ["-p", "no:cacheprovider", "-W", f"ignore:{REWRITE}:pytest.PytestAssertRewriteWarning"]
    given = [f"{name}={value}" for name, value in (options or {}).items() if value is not None]
    code = pytest.main([*args, "-m", "experiment", *given, *further], plugins=[request, *request.beside])
    return int(code) if code != pytest.ExitCode.NO_TESTS_COLLECTED else int(ExitCode.NO_CASES)
