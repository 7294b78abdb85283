"""``harness prompts``: the exact requests of an experiment's first calls, made offline."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.app import app
from harness.cli.commands import Exp, File, OneGroup, launch_request
from harness.cli.common_options import AsJson, with_settings
from harness.console import echo, echo_json, visible
from harness.errors import ConfigurationError, ExitCode, expected_one_of
from harness.runtime.settings import Settings, without_role_models

if TYPE_CHECKING:
    from harness.gateway.journal.requests import SentRequest

Requests = Mapping[str, Mapping[str, Sequence["SentRequest"]]]
"""Experiment → group → the first requests of its first trial."""


@app.command()
@with_settings(
    *("mode", "engine", "notebooks", "accept_differences", "seed", "temperature", "model_options"),
)
def prompts(
    settings: Settings,
    path: File = None,
    exp: Exp = None,
    group: OneGroup = None,
    calls: Annotated[int, typer.Option(min=1, metavar="N", help="Show the first N calls of a trial.")] = 3,
    diff: Annotated[
        tuple[str, str] | None, typer.Option(metavar="GROUP GROUP", help="Show how two groups differ.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what a model would be sent: the first calls of each group's first trial, made offline."""
    found = _rehearsed(launch_request(path, exp, group, settings), path, calls)
    if as_json:
        echo_json(
            {
                one: {arm: [_plain(r) for r in sent] for arm, sent in arms.items()}
                for one, arms in found.items()
            }
        )
    elif diff is not None:
        for experiment, arms in found.items():
            echo("\n".join(_difference(experiment, arms, *diff)))
    else:
        for experiment, arms in found.items():
            for arm, sent in arms.items():
                echo("\n".join(_shown(f"{experiment}, {arm}", sent)))


def _rehearsed(request: Any, path: Path | None, calls: int) -> Requests:
    """Run the session with the offline model in a folder that is thrown away, and read its journals."""
    from harness.gateway.journal.requests import SentRequests
    from harness.plugin.launch import launch

    said = io.StringIO()
    with TemporaryDirectory(prefix="harness-prompts-") as folder:
        request.settings = replace(
            request.settings, model="rehearsal", base_url=None, judge_base_url=None, **without_role_models(),
            results_dir=Path(folder),
        )  # fmt: skip
        with contextlib.redirect_stdout(said):
            code = launch(request, path, options={"--count": 1}, further=["--no-summary"])
        found: dict[str, dict[str, Sequence[SentRequest]]] = {}
        for conclusion in request.conclusions:
            journal = SentRequests.of_run(Path(folder), conclusion.run_id)
            for trial in journal.trials() if journal else ():
                _, arm, _ = trial.split("/", 2)
                arms = found.setdefault(conclusion.experiment, {})
                if arm not in arms:
                    arms[arm] = sorted(journal.of(trial), key=lambda one: one.sent)[:calls]
    if not found:
        echo(said.getvalue(), err=True, end="")
        raise typer.Exit(code or int(ExitCode.NO_CASES))
    return {name: _in_order(arms, request.collected.get(name)) for name, arms in found.items()}


def _in_order(
    arms: Mapping[str, Sequence[SentRequest]], experiment: Any
) -> Mapping[str, Sequence[SentRequest]]:
    """The arms in the order of their declaration."""
    declared = [group.name for group in experiment.groups] if experiment is not None else list(arms)
    return dict(sorted(arms.items(), key=lambda item: declared.index(item[0]) if item[0] in declared else -1))


def _plain(request: SentRequest) -> dict[str, Any]:
    place = {"kind": request.kind, "person": request.person, "step": request.step}
    return {**place, "model": request.model, "messages": request.messages, **request.options}


def _lines(request: SentRequest) -> Iterator[str]:
    """The request as text, with its model where arm or request name one."""
    from harness.gateway.rehearsal.provider import MODEL

    if request.model != MODEL:
        yield f"[model] {request.model}"
    yield from request.lines()


def _shown(title: str, sent: Sequence[SentRequest]) -> Iterator[str]:
    yield f"{title}: {len(sent)} call{'s' * (len(sent) != 1)}"
    for number, request in enumerate(sent, 1):
        yield f"\n--- call {number}: {visible(request.place)}"
        yield from map(visible, _lines(request))
    yield ""


def _difference(
    experiment: str, arms: Mapping[str, Sequence[SentRequest]], one: str, other: str
) -> Iterator[str]:
    for name in (one, other):
        if name not in arms:
            raise ConfigurationError(
                f"--diff {name!r}: no such group of {experiment}, or none of its trials made a call; "
                f"{expected_one_of(name, arms)}"
            )
    for number, (a, b) in enumerate(zip(arms[one], arms[other], strict=False), 1):
        titles = [f"{arm}, call {number}: {sent.place}" for arm, sent in ((one, a), (other, b))]
        first, second = list(_lines(a)), list(_lines(b))
        lines = list(unified_diff(first, second, titles[0], titles[1], lineterm="", n=2))
        yield from map(visible, lines or [f"{titles[0]}: the same in both groups"])
