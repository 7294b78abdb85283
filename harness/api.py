"""Experiments from a script or a notebook: the same code path as pytest's."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, get_type_hints

from harness.errors import ExitCode, HarnessError
from harness.model import Experiment
from harness.runtime.settings import RunOptions, setting_fields
from harness.text_files import read_json

if TYPE_CHECKING:
    import pandas as pd

    from harness.humans import Humans
    from harness.humans.comparison import PeopleComparison
    from harness.reports.data.frames import Frames


@dataclass(frozen=True)
class Results:
    """What a run left. ``exit_code`` is 0 when every case passed; paths are ``None`` without an artifact."""

    experiment: str
    run_id: str
    exit_code: int
    artifact_path: Path | None
    records: tuple[Path, ...]
    meta: Mapping[str, Any] = field(repr=False)

    @property
    def artifact(self) -> Mapping[str, Any]:
        """The artifact, as in the file. Raises `HarnessError` when there is none."""
        if self.artifact_path is None:
            raise HarnessError(
                f"Run {self.run_id} of {self.experiment} left no artifact; see its exit code and output."
            )
        content: Mapping[str, Any] = read_json(self.artifact_path, str(self.artifact_path))
        return content

    @property
    def answers(self) -> pd.DataFrame:
        """The answers to a survey, one row each, with the attributes of the personas: `harness.load`'s ``answers``."""
        return self._frames.answers

    @property
    def answers_wide(self) -> pd.DataFrame:
        """The same with one row per persona, arm and repetition, and a column for each item."""
        return self._frames.answers_wide

    def compare_with(
        self, humans: Humans | str | None = None, *, seed: int = 0, draws: int = 1000
    ) -> PeopleComparison:
        """Compare the answers to a survey with people's: given, or by their name beside the results.

        Print it for the text of ``harness humans compare``. Raises `HarnessError` where the run is not a survey.
        """
        return self._frames.compare_with(humans, seed=seed, draws=draws)

    @cached_property
    def _frames(self) -> Frames:
        from harness.reports.data import load

        if not self.records:
            raise HarnessError(
                f"Run {self.run_id} of {self.experiment} left no records; see its exit code and output."
            )
        return load(self.records[0].parent, runs=[self.run_id])

    def values(self, group: str, metric: str) -> list[float]:
        """The samples of a metric in a group, in the artifact's order; empty when there are none."""
        results = self.artifact["experiments"].get(group, {}).get("results", {})
        return list(results.get(metric, ()))


def run(
    experiment: Experiment | str,
    *,
    count: int | None = None,
    reruns: int = 0,
    quiet: bool = False,
    **settings: Unpack[RunOptions],
) -> Results:
    """Run one experiment, given or by its registered name, and return what it left.

    ``count`` overrides the mode's repetitions, ``reruns`` repeats cases with unfinished trials, ``quiet`` prints
    nothing. The settings are listed below; ``model_options`` is a mapping of request fields, and ``concurrency=None``
    means no limit. Other settings come from HARNESS_* variables, ``[tool.harness]`` in pyproject.toml, or defaults.
    Relative paths are of the current folder. ``exit_code`` is 6 when a budget stopped the run and 7 when the server
    asked for a longer wait; call again to resume.

    Raises `HarnessError` when nothing could be run; failed trials do not raise, they are in ``exit_code``.
    """
    from harness.plugin.hints import keyword
    from harness.plugin.launch import LaunchRequest, launch
    from harness.runtime.setting_sources import resolve, script

    here = Path.cwd()
    request = LaunchRequest(
        [experiment], spell=keyword, settings=resolve(script(settings, here), here, here / "results")
    )
    options = {"--count": count, "--reruns": reruns or None}
    code = launch(request, options=options, further=["-qq", "--no-header", "--no-summary"] * quiet)
    if not request.conclusions:
        raise HarnessError(
            f"Nothing was run (exit code {ExitCode(code).name}); the reason is in the output above."
        )
    done = request.conclusions[0]
    return Results(done.experiment, done.run_id, code, done.artifact, done.records, done.meta)


def _spell_out_settings() -> None:
    """Give ``help(harness.run)`` every keyword, with its type, default and meaning."""
    signature, hints, known = inspect.signature(run), get_type_hints(RunOptions), setting_fields()
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=known[name].default, annotation=hints[name]
        )
        for name in hints
        if name in known
    ]
    kept = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    run.__signature__ = signature.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    described = (f"{one.name}: {known[one.name].help}" for one in added)
    lines = (
        textwrap.fill(text, 112, initial_indent=" " * 8, subsequent_indent=" " * 12) for text in described
    )
    run.__doc__ = "\n".join([f"{(run.__doc__ or '').rstrip()}\n\n    Settings:", *lines, ""])


_spell_out_settings()
