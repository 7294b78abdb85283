"""Where settings come from: the command line, ``HARNESS_*`` variables and ``[tool.harness]``, in this order of rank."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, did_you_mean, raise_if_any
from harness.gateway.local.server import SLOTS as LOCAL_SLOTS
from harness.model import option_problems
from harness.model.output_limits import merged_limits
from harness.runtime.env_file import read_env_file
from harness.runtime.settings import Settings, setting_fields
from harness.text_files import read_text

PREFIX = "HARNESS_"
OTHER_VARIABLES = frozenset({"EXTROPY_PYTHON"})
"""Variables with our prefix that are not settings."""
SIMILARITY = 0.8
"""From here on, an unknown variable is taken for a misspelt one of ours, otherwise for another program's."""
FILE = "pyproject.toml"
LISTED = " docs/settings.md lists all keys."
LIMIT_OF = "max_tokens."
"""Begins the name of the output limit of one kind of call."""
COMMAND_LINE, ENVIRONMENT, SCRIPT = "command line", "environment", "harness.run"
NUMBER = re.compile(r"[-+]?([\d.]+(e[-+]?\d+)?|inf|nan)")
CONSTANTS: Mapping[str, str] = {"True": "true", "False": "false", "None": "null"}


@dataclass(frozen=True)
class SettingSource:
    """The values of one source, by field, and how each is written there, for messages.

    ``name`` is recorded, ``sign`` separates a name and its value. Relative paths start at ``folder``.
    """

    name: str
    values: Mapping[str, object]
    written: Mapping[str, str]
    sign: str
    folder: Path | None = None

    def shown(self, field: str) -> str:
        """The setting and its value as the user wrote them."""
        value = self.values[field]
        value = ",".join(map(str, value)) if isinstance(value, list) else value
        text = str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")
        text = text if isinstance(value, bool) or NUMBER.fullmatch(text) else f"{value!r:.120}"
        return f"{self.written[field]}{self.sign}{text}"


def command_line(values: Mapping[str, object], folder: Path | None = None) -> SettingSource:
    """Options by field; ``None``, ``False`` and an empty list leave one out."""
    given = {name: one for name, one in values.items() if one is not None and one is not False and one != []}
    return SettingSource(
        COMMAND_LINE, given, {name: f"--{one.flag}" for name, one in setting_fields().items()}, " ", folder
    )


def script(options: Mapping[str, object], folder: Path) -> SettingSource:
    """Keyword arguments of ``harness.run``; ``None`` counts only for a setting that can be unset."""
    known = setting_fields()
    former = {one.former: name for name, one in known.items() if one.former}
    values = {former.get(name, name): value for name, value in options.items()}
    for name in values:
        if name not in known:
            raise TypeError(
                f"harness.run() got an unexpected keyword argument {name!r}.{did_you_mean(name, known)}"
            )
    given = {name: value for name, value in values.items() if value is not None or known[name].optional}
    return SettingSource(SCRIPT, given, {name: name for name in known}, "=", folder)


def environment(environ: Mapping[str, str] = os.environ) -> SettingSource:
    """``HARNESS_MODEL`` and the like; an empty one is not set. Raises `ConfigurationError` for a misspelt name."""
    names = {
        PREFIX + each.upper(): field
        for field, one in setting_fields().items()
        for each in (one.name, one.former)
        if each
    }
    values, problems = {}, []
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or not value.strip():
            continue
        if variable in names:
            values[names[variable]] = value.strip()
        elif variable.removeprefix(PREFIX) not in OTHER_VARIABLES and (near := _misspelt(variable, names)):
            problems.append(f"{variable}: unknown variable. Did you mean {near}?")
    raise_if_any(problems)
    written = {name: variable for variable, name in names.items() if variable in environ}
    return SettingSource(ENVIRONMENT, values, written, "=")


def _misspelt(variable: str, known: Iterable[str]) -> str | None:
    """The variable of ours that was probably meant."""
    names = [name.removeprefix(PREFIX) for name in known]
    from difflib import get_close_matches  # slow to import, and needed for a mistake alone

    near = get_close_matches(variable.removeprefix(PREFIX), names, 1, SIMILARITY)
    return PREFIX + near[0] if near else None


def settings_file(start: Path) -> SettingSource:
    """The nearest pyproject.toml with a table ``[tool.harness]``, from ``start`` upwards; empty without one.

    Raises `ConfigurationError`.
    """
    tables = ((folder, _table(folder / FILE)) for folder in (start, *start.parents))
    folder, table = next(((folder, table) for folder, table in tables if table is not None), (start, {}))
    where, problems = f"{folder / FILE}: [tool.harness]", []
    names = {
        name: one for one in setting_fields().values() for name in (one.field, one.name, one.former) if name
    }
    values: dict[str, object] = {}
    written: dict[str, str] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in names:
            problems.append(f"{where} {key}: unknown key.{did_you_mean(name, names) or LISTED}")
        elif names[name].once:
            problems.append(
                f"{where} {key}: is for a single session; expected it as --{names[name].flag} or in the variable "
                f"{PREFIX}{names[name].name.upper()}."
            )
        elif names[name].field in values:
            problems.append(
                f"{where} {key}: is given twice; expected one of {written[names[name].field]} and {key}."
            )
        else:
            values[names[name].field], written[names[name].field] = value, f"{where} {key}"
    raise_if_any(problems)
    return SettingSource(FILE, values, written, " = ", folder)


def _table(path: Path) -> Mapping[str, Any] | None:
    if not path.is_file():
        return None
    try:
        table = tomllib.loads(read_text(path, str(path))).get("tool", {}).get("harness")
    except (tomllib.TOMLDecodeError, AttributeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: is not valid TOML: {error}.") from None
    if table is not None and not isinstance(table, dict):
        raise ConfigurationError(f"{path}: tool.harness = {table!r:.80}; expected a table, [tool.harness].")
    return table


def resolve(
    given: SettingSource,
    start: Path,
    results: Path = Path("results"),
    environ: MutableMapping[str, str] = os.environ,
) -> Settings:
    """The settings ``given``, then the environment's, then those of the file found from ``start``, then defaults.

    ``results`` is the default folder of results. A file of variables that is named fills in what ``environ`` lacks.
    Raises `ConfigurationError` with everything that is wrong.
    """
    fill_environment(given, environ)
    sources, problems = [given], list[str]()
    for read in (partial(environment, environ), partial(settings_file, start)):
        try:
            sources.append(read())
        except ConfigurationError as error:
            problems += error.problems
    settings = Settings(results_dir=results)
    try:
        settings = override(settings, *reversed(sources))
    except ConfigurationError as error:
        problems += error.problems
    raise_if_any(problems)
    return settings


def fill_environment(given: SettingSource, environ: MutableMapping[str, str]) -> None:
    """Add the variables of the file that ``given``, or ``environ``, names to ``environ``, where it lacks them.

    Raises `ConfigurationError`.
    """
    setting = setting_fields()["env_file"]
    named = given.values.get("env_file") or environ.get(f"{PREFIX}ENV_FILE")
    path = setting.read(named, given.folder if "env_file" in given.values else None) if named else None
    for name, value in (read_env_file(path) if path else {}).items():
        environ.setdefault(name, value)


def override(base: Settings, *sources: SettingSource) -> Settings:
    """``base`` with the values of ``sources``, each of which overrides those before it.

    Fields of ``model_options`` are combined one by one. Raises `ConfigurationError` with everything that is wrong.
    """
    values: dict[str, Any] = {"model_options": dict(base.model_options)}
    origins, problems = dict(base.origins), list[str]()
    for source in sources:
        for name, raw in source.values.items():
            try:
                if name == "model_options":
                    own = read_model_options(raw, source.written[name])
                    if "max_tokens" in own:
                        own["max_tokens"] = merged_limits(values[name].get("max_tokens"), own["max_tokens"])
                    values[name] |= own
                else:
                    values[name] = setting_fields()[name].read(raw, source.folder)
            except ValueError as error:
                problems.append(f"{source.shown(name)}: expected {error}.")
            except ConfigurationError as error:
                problems += error.problems
            origins[name] = source.name
    if values.get("temperature", base.temperature) is not None and "temperature" in values["model_options"]:
        problems.append("temperature is given twice, also among the model options; expected it once.")
    raise_if_any(problems)
    settings = replace(base, **values, origins=origins)
    if settings.model.partition(":")[0] == "local" and "concurrency" not in origins:
        settings = replace(settings, concurrency=LOCAL_SLOTS)
    if settings.report == Path():  # the option without a file
        settings = replace(settings, report=settings.results_dir / "report.html")
    return settings


def read_model_options(given: object, owner: str = "model_options") -> dict[str, Any]:
    """Request fields from a mapping, ``NAME=VALUE`` texts, or a text with a JSON object or a ``NAME=VALUE`` per line.

    A VALUE is JSON where it can be read as JSON, else text. Raises `ConfigurationError` with every fault.

    >>> read_model_options(["top_p=0.9", "reasoning_effort=low", "stop=null"])
    {'top_p': 0.9, 'reasoning_effort': 'low', 'stop': None}
    >>> read_model_options(["max_tokens=800", "max_tokens.score_person=200"])
    {'max_tokens': {'*': 800, 'score_person': 200}}
    """
    if isinstance(given, str):
        read = _json_or_text(given)
        given = read if isinstance(read, dict) else given.splitlines()
    if not isinstance(given, list | tuple):
        raise_if_any(option_problems(owner, given))
        return dict(given)  # type: ignore[call-overload,no-any-return]
    options: dict[str, Any] = {}
    problems: list[str] = []
    limits: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=") if isinstance(text, str) else ("", "", "")
        kind = name.removeprefix(LIMIT_OF) if name.startswith(LIMIT_OF) else ""
        if not equals or not value:
            problems.append(f"{owner} {text!r:.120}: expected NAME=VALUE, such as top_p=0.9.")
        elif name in options or kind in limits:
            problems.append(f"{owner} {name!r:.80} is given twice; expected once.")
        elif kind:
            limits[kind] = _json_or_text(value)
        else:
            options[name] = _json_or_text(value)
            if value in CONSTANTS:
                problems.append(f"{owner} {text!r:.120}: write {name}={CONSTANTS[value]}, as in JSON.")
    if limits:
        options["max_tokens"] = merged_limits(options.get("max_tokens"), limits)
    problems += option_problems(owner, options)
    raise_if_any(problems)
    return options


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
