"""The options of a session, and the `Settings` that they make with environment and file."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.plugin.option_names import LONG
from harness.runtime.setting_sources import command_line, override, resolve
from harness.runtime.settings import Setting, Settings, setting_fields

if TYPE_CHECKING:
    from harness.plugin.dry_run import DryRun


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the long forms alone: a name that another plugin or a conftest may want is left to it."""
    for setting in setting_fields().values():
        group = parser.getgroup(
            f"harness: {setting.section}",
            f"experiments (harness): {setting.section}; with -m experiment the short names work too",
        )
        help = f"--{setting.flag}: {setting.help}" + (
            f" (default: {shown})" if (shown := setting.default_text) else ""
        )
        group.addoption(LONG + setting.flag, help=help.replace("%", "%%"), **_attributes(setting))
        if setting.former:
            former = LONG + setting.former.replace("_", "-")
            group.addoption(former, help=argparse.SUPPRESS, **_attributes(setting))


def _attributes(setting: Setting) -> dict[str, Any]:
    """How argparse reads the option; ``None`` where it is not given."""
    found: dict[str, Any] = {"dest": dest(setting.field), "default": None}
    if setting.kind is bool:
        return found | {"action": "store_true"}
    found["metavar"] = setting.metavar
    if setting.kind is dict or setting.rates:
        return found | {"action": "append"}
    if setting.field == "report":
        return found | {"nargs": "?", "const": ""}
    return found | {"type": str if setting.typed is Path else setting.typed}


def dest(field: str) -> str:
    """Under which name pytest keeps the option of a field."""
    return f"harness_{field}"


def settings_of(config: pytest.Config, launched: Settings | None = None) -> Settings:
    """The session's settings; ``launched`` are those of the front end that started it, if one did.

    Raises `ConfigurationError` with everything that is wrong.
    """
    given = {name: config.getoption(dest(name)) for name in setting_fields()}
    source = command_line(given, config.invocation_params.dir)
    if launched is not None:
        settings = override(launched, source)
    else:
        settings = resolve(source, config.rootpath, results=config.rootpath / "results")
    settings = settings.with_sources()
    if settings.report is not None:
        from harness.reports import check_target

        check_target(settings.report)
    return settings


def rehearsal_of(config: pytest.Config, asked: Settings) -> DryRun | None:
    """What makes this session a rehearsal, if ``--estimate`` does. Raises `ConfigurationError`."""
    if not asked.estimate:
        return None
    from harness.plugin.dry_run import DryRun

    folder = tempfile.TemporaryDirectory(prefix="harness-estimate-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    return DryRun(asked, Path(folder.name))
