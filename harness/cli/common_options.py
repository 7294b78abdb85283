"""Options that several commands have, declared once: settings, the results folder, and what to print of which runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

import typer

from harness.errors import ConfigurationError, raise_if_any
from harness.runtime.setting_sources import command_line, resolve
from harness.runtime.settings import Setting, Settings, setting_fields

RESULTS, ALIAS = "results", "_alias"

CALL_SETTINGS = (
    *("call_timeout", "call_timeout_total", "connect_timeout", "first_token_timeout", "env_file"),
    *("max_cost", "max_calls", "max_tokens", "prices", "batch"),
)
"""Settings of every command that calls models: how long a call may take, and what the calls may cost."""


class TextFormat(StrEnum):
    """How a command prints its tables."""

    TEXT = "text"
    MD = "md"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, sorted by key.")]
Format = Annotated[TextFormat, typer.Option(help="Print text of 80 columns, or Markdown.")]
Experiments = Annotated[
    list[str] | None, typer.Option("--exp", metavar="NAME", help="Only this experiment; may be repeated.")
]
Count = Annotated[int | None, typer.Option(min=1, metavar="N", help="Repetitions, in place of the mode's.")]
Reruns = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Repeat a case with unfinished trials up to N times.")
]
TestFile = Annotated[
    Path | None, typer.Option("--path", metavar="FILE", help="Test file that declares the experiment.")
]
OneRun = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="The run's id, if there are several.")
]
Runs = Annotated[
    list[str] | None, typer.Option("--run", metavar="RUN", help="Only this run; may be repeated.")
]
NewestRuns = Annotated[
    list[str] | None,
    typer.Option("--run", metavar="RUN", help="Use this run instead of the newest; may be repeated."),
]
Command = Callable[..., Any]


def with_settings(*names: str, **helps: str) -> Callable[[Command], Command]:
    """Give a command the options of these fields of `Settings`, and their values as its argument ``settings``.

    ``helps`` replaces the help of some, where the command means something more special.
    What is not given comes from the environment, then from the file that is found from the command's ``path`` (a test
    file or folder) or the current folder, then from the default. A mistake anywhere is a `ConfigurationError`.
    """
    known = setting_fields()
    chosen = [replace(known[name], help=helps.get(name, known[name].help)) for name in (*names, *helps)]
    parameters = [one for setting in chosen for one in _parameters(setting)]

    def settings(given: dict[str, Any], others: dict[str, Any]) -> Settings:
        said = {name: value for name, value in given.items() if value is not None and value is not False}
        values, path = {name.removesuffix(ALIAS): value for name, value in said.items()}, others.get("path")
        return settings_here(values, path if isinstance(path, Path) else None)

    return lambda command: expanded(command, "settings", parameters, settings)


def settings_here(given: dict[str, Any] | None = None, path: Path | None = None) -> Settings:
    """The settings of a command; ``path`` is the user's test file or folder, if any. Raises `ConfigurationError`."""
    start = Path.cwd() / (path or "")
    return resolve(command_line(given or {}), start if start.is_dir() else start.parent)


def with_results(*, files: bool = True, hidden: Sequence[str] = ()) -> Callable[[Command], Command]:
    """Give a command ``--results-dir`` and, with ``files``, record files by position, as its argument ``results``.

    ``results`` is a list of folders and files where the command declares a list, else a single one; not given, it is
    ``None`` where the command allows that, else the settings' folder. ``hidden`` are older spellings.
    """

    def decorate(command: Command) -> Command:
        declared = _annotation(command, inspect.signature(command).parameters[RESULTS])
        several, optional = "list" in str(declared), NoneType in get_args(declared)
        kind: Any = list[Path] | None if several else Path | None
        repeated = "; may be repeated" if several else ""
        option = typer.Option(
            "--results-dir", metavar="DIR", show_default=False,
            help=f"Folder of results{repeated}.  [default: results, or results_dir of the settings]",
        )  # fmt: skip
        parameters = [parameter("results_dir", kind, option)]
        parameters += [
            parameter(f"results_{number}", kind, typer.Option(name, hidden=True))
            for number, name in enumerate(hidden)
        ]
        if files:
            what = (
                "Record files (JSONL), instead of a whole folder." if several else "One record file (JSONL)."
            )
            argument = typer.Argument(metavar="FILE", help=what, show_default=False)
            parameters.insert(0, parameter(RESULTS, kind, argument))

        def results(given: dict[str, Any], _: dict[str, Any]) -> Any:
            named = [value for value in given.values() if value]
            if len(named) > 1:
                raise ConfigurationError(
                    "Results are named twice; expected either --results-dir DIR or files."
                )
            if optional and not named:
                return None
            if named:
                found = named[0]
            else:
                default = settings_here().results_dir
                found = [default] if several else default
            raise_if_any(
                f"{path}: no such file or folder; expected results of a run."
                for path in (found if several else [found])
                if not path.exists()
            )
            return found

        return expanded(command, RESULTS, parameters, results)

    return decorate


def with_options(name: str, declared: type) -> Callable[[Command], Command]:
    """Give a command the fields of the dataclass ``declared`` as options, and an instance as its argument ``name``."""
    hints = get_type_hints(declared, include_extras=True)
    options = [
        inspect.Parameter(
            one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name]
        )
        for one in fields(declared)
    ]
    return lambda command: expanded(command, name, options, lambda given, _: declared(**given))


def expanded(
    command: Command,
    name: str,
    parameters: Sequence[inspect.Parameter],
    make: Callable[[dict[str, Any], dict[str, Any]], Any],
) -> Command:
    """``command`` with ``parameters`` in place of its parameter ``name``, whose value ``make`` gets from theirs."""
    signature = inspect.signature(command)

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        own = {one.name: given.pop(one.name) for one in parameters}
        return command(**given, **{name: make(own, given)})

    def spelt_out() -> Iterator[inspect.Parameter]:
        for one in signature.parameters.values():
            yield from parameters if one.name == name else [one.replace(annotation=_annotation(command, one))]

    ordered = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in spelt_out()]
    run.__signature__ = signature.replace(parameters=ordered)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in ordered}
    return run


def _annotation(command: Command, one: inspect.Parameter) -> Any:
    """The type of a parameter; its name where it is imported for type checkers only."""
    if not isinstance(one.annotation, str):
        return one.annotation
    try:
        return eval(one.annotation, inspect.unwrap(command).__globals__)
    except NameError:
        return one.annotation


def _parameters(setting: Setting) -> Iterator[inspect.Parameter]:
    """The option of a setting and, hidden, its other spelling."""
    kind: Any = {bool: bool, dict: list[str] | None}.get(setting.kind, setting.typed | None)
    if setting.kind is Path:
        kind = Path | None
    if setting.rates:
        kind = list[str] | None
    default = f"  [default: {setting.default_text}]" if setting.default_text else ""
    more: dict[str, Any] = {"show_default": False, "metavar": setting.metavar or None}
    if setting.choices:
        more["autocompletion"] = lambda incomplete: [
            one for one in setting.choices if one.startswith(incomplete)
        ]
    shown = typer.Option(
        f"--{setting.flag}", help=setting.help + default, rich_help_panel=setting.section, **more
    )
    yield parameter(setting.field, kind, shown)
    other = setting.former or (setting.field if setting.field != setting.name else "")
    if other:
        hidden = typer.Option("--" + other.replace("_", "-"), hidden=True)
        yield parameter(f"{setting.field}{ALIAS}", kind, hidden)


def parameter(name: str, kind: Any, option: Any, default: Any = None) -> inspect.Parameter:
    """A parameter of a command."""
    default = False if kind is bool else default
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )
