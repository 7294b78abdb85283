"""Starting pytest for somebody who need not know it: the command line and `harness.run`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.errors import ExitCode
from harness.execution.runs import Conclusion
from harness.model import Experiment
from harness.plugin.selection import case_of
from harness.plugin.state import state_of

CASES = Path(__file__).with_name("cases.py")


@dataclass
class Request:
    """A plugin that carries what was asked for into the session, and what came of it out of it."""

    wanted: Sequence[Experiment | str] | None = None
    group: str | None = None
    conclusions: list[Conclusion] = field(default_factory=list)
    collected: dict[str, Experiment] = field(default_factory=dict)

    def pytest_configure(self, config: pytest.Config) -> None:
        state = state_of(config)
        state.wanted = self.wanted
        state.conclusions = self.conclusions

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            case = case_of(item)
            if case is not None:
                self.collected[case.experiment.name] = case.experiment
        known = list(dict.fromkeys(group.name for one in self.collected.values() for group in one.groups))
        if self.group is not None and self.group not in known:
            raise pytest.UsageError(
                f"--group {self.group!r}: no such group; expected one of {', '.join(known)}."
            )


def launch(request: Request, options: Sequence[str], path: Path | None = None) -> int:
    """Run the experiments of ``request``, or those in the test file or folder ``path``; pytest's exit code.

    Without ``path`` no configuration file and no conftest of the current folder takes part.
    """
    own = [str(CASES), "-c", os.devnull, "--rootdir", str(Path.cwd()), "--noconftest"]
    arguments = [str(path)] if path is not None else own
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        arguments += ["-p", "harness.plugin", "-p", "pytest_repeat", "-p", "pytest_rerunfailures"]
    code = pytest.main(
        [*arguments, "-p", "no:cacheprovider", "-m", "experiment", *options], plugins=[request]
    )
    return int(code) if code != pytest.ExitCode.NO_TESTS_COLLECTED else int(ExitCode.NO_CASES)
