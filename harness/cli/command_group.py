"""Commands whose help has sections, and groups of them that installed packages extend."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from harness.console import warn
from harness.entry_points import COMMANDS, claims, described, load, origin, sole
from harness.errors import ConfigurationError, HarnessError


class SectionedCommand(TyperCommand):
    """A command whose help lists options by section; plain text, wrapped and never cut."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for one in self.get_params(ctx):
            if (record := one.get_help_record(ctx)) is not None:
                if one.param_type_name == "argument":
                    sections.setdefault("arguments", []).append((record[0].partition(" <")[0], record[1]))
                else:
                    sections.setdefault(getattr(one, "rich_help_panel", None) or "options", []).append(record)
        first = ("options", "arguments")
        for name in sorted(sections, key=lambda name: -first.index(name) if name in first else 1):
            with formatter.section(name[:1].upper() + name[1:]):
                formatter.write_dl(sections[name])


class PlainGroup(TyperGroup):
    """A group whose help shows the first paragraph of each command in full."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, one.get_short_help_str(1_000)) for name, one in found if one and not one.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class CommandApp(typer.Typer):
    """A `typer.Typer` whose help is plain text."""

    def __init__(self, **options: Any) -> None:
        plain = {
            "add_completion": False,
            "pretty_exceptions_enable": False,
            "rich_markup_mode": None,
            "cls": PlainGroup,
        }
        super().__init__(**{**plain, "no_args_is_help": True, **options})

    def command(  # type: ignore[override]
        self, name: str | None = None, **options: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """As in typer."""
        return super().command(name, **{"cls": SectionedCommand, **options})


class CommandGroup(PlainGroup):
    """Commands of this package and, after them, those that others register in the entry points `COMMANDS`.

    An entry point's name is the command's, or ``study.NAME`` for a command of ``harness study``; its value is a
    function or a `typer.Typer`.
    A registered command is imported when it runs and for the list of commands. A broken one stays in the list and says
    why when it runs; one with a name of this package is left out with a warning.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Names, without importing any of them."""
        return [*self.commands, *(name for name in self._registered() if name not in self.commands)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The command, imported now if it is a registered one; ``None`` for an unknown name."""
        own, points = self.commands.get(cmd_name), self._registered().get(cmd_name, ())
        if own is not None:
            for point in points:
                warn(f"{origin(point)} also registers the command {cmd_name!r}; it is left out.")
            return own
        if not points:
            return None
        try:
            return _made(cmd_name, sole(points))
        except HarnessError as error:
            return _unavailable(cmd_name, error)

    def _registered(self) -> dict[str, Any]:
        """Entry points by the name that their command has in this group."""
        found = claims(COMMANDS)
        if self.name:
            prefix = f"{self.name}."
            return {name.removeprefix(prefix): one for name, one in found.items() if name.startswith(prefix)}
        groups = tuple(f"{name}." for name, own in self.commands.items() if isinstance(own, CommandGroup))
        return {name: one for name, one in found.items() if not name.startswith(groups)}


def _made(name: str, point: EntryPoint) -> Any:
    value = load(point)
    holder = CommandApp()
    if isinstance(value, typer.Typer):
        holder.add_typer(value, name=name)
    elif callable(value):
        holder.command(name)(value)
    else:
        raise ConfigurationError(
            f"{described(point)}: gave a {type(value).__name__}; expected a function or a typer.Typer."
        )
    return get_group(holder).commands[name]


def _unavailable(name: str, error: HarnessError) -> Any:
    holder = CommandApp()

    @holder.command(
        name,
        help=f"Not available: {error}",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def refuse() -> None:
        raise error

    return get_group(holder).commands[name]
