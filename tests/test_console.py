"""The door to the terminal: what it shows, and that everything printed passes it."""

from __future__ import annotations

import ast
import io
import json
import logging
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import console
from harness.errors import ConfigurationError
from harness.model import Experiment, Group, Intervention, Measure, Mode, Persona, Proposition, Script

PACKAGE = Path(__file__).resolve().parents[1] / "harness"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("over\rwritten", r"over\rwritten"),
        ("from Windows\r\n", "from Windows\n"),
        ("\x00\x08\x7f\x85", r"\x00\x08\x7f\x85"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("new\u2028line\u2029", r"new\u2028line\u2029"),
        ("\ud83d alone", r"\ud83d alone"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("Zoë 日本語 ü🙂 −0.25 “q”\u00a0x", "Zoë 日本語 ü🙂 −0.25 “q”\u00a0x"),
    ],
)
def test_what_steers_a_terminal_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert console.visible(text) == shown


@given(st.text())
def test_no_control_character_is_left_and_nothing_else_changes(text: str) -> None:
    shown = console.visible(text)
    assert not {sign for sign in shown if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")} - {
        "\n",
        "\t",
    }
    assert console.visible(shown) == shown
    if text.isprintable():
        assert shown == text


def test_a_value_on_one_line_stays_on_it() -> None:
    assert console.on_one_line("PASS\n  FAIL\tx") == r"PASS\n  FAIL\tx"


def test_json_keeps_its_data_and_has_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"name\x7f": "\x1b[31m\u202e\x9b\u2028 é"}
    console.echo_json(data)
    printed = capsys.readouterr().out
    assert json.loads(printed) == data
    assert console.visible(printed) == printed
    assert "é" in printed


def test_what_the_terminal_cannot_write_is_escaped_too() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console.echo("Zoë − \x1b", file=stream)
    assert stream.buffer.getvalue() == b"Zo\\xeb \\u2212 \\x1b\n"  # type: ignore[attr-defined]


def test_log_messages_and_warnings_are_visible(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "harness"):
        console.logger().warning("server said %s", "\x1b[2J")
    assert caplog.messages == [r"server said \x1b[2J"]
    with pytest.warns(RuntimeWarning, match=r"set aside \\x1b"):
        console.warn("set aside \x1b")


def test_what_others_print_on_standard_error_passes_the_door(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    with console.guarded_stderr():
        print("usage: \x1b[31m", file=sys.stderr)
    assert capsys.readouterr().err == "usage: \\x1b[31m\n"


SCRIPT = Script(task="Talk.", proposals=({"thing": "a bike"},))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"metrics": (Proposition("cour\x1btesy", "x"),)}, r"metric 'cour\x1btesy' has U+001B"),
        ({"metrics": (Measure("two\nlines", len),)}, r"metric 'two\nlines' has U+000A"),
        ({"modes": {"fu\u202ell": Mode(reps=1)}}, r"mode 'fu\u202ell' has U+202E"),
        ({"population": (Persona("A\x07da", {}),)}, r"persona 'A\x07da' has U+0007"),
        ({"settings": {"ra\x00te": 1}}, r"setting 'ra\x00te' has U+0000"),
        ({"groups": (Group("A", settings={"x\x85": 1}),)}, r"setting 'x\x85' has U+0085"),
        (
            {"groups": (Group("A", interventions=(Intervention("n\u200b", "Think."),)),)},
            r"intervention 'n\u200b' has U+200B",
        ),
        ({"script": Script(task="x", proposals=({"id": "a\x1b"},))}, r"proposal 'a\x1b' has U+001B"),
        ({"script": Script(task="x", proposals=({"th\x1bing": "a"},))}, r"field of a proposal 'th\x1bing'"),
        ({"groups": (Group("A\x1b"),)}, "expected a name of letters"),
        ({"name": "a\x1b"}, "expected a name of letters"),
    ],
)
def test_a_control_character_in_a_declared_name_is_refused(changes: dict[str, object], fault: str) -> None:
    declared: dict[str, object] = {
        "name": "small",
        "groups": (Group("A"),),
        "script": SCRIPT,
        "population": (Persona("Ada", {}),),
        "metrics": (Measure("remarks", len),),
        "modes": {"full": Mode(reps=1)},
    }
    with pytest.raises(ConfigurationError) as refused:
        Experiment(**(declared | changes))  # type: ignore[arg-type]
    assert fault in str(refused.value)


def test_names_of_other_scripts_are_names() -> None:
    for name in ("علی\u200cرضا", "José 日本", "Ω-3 (mean)"):
        assert not list(console.name_problems("persona", name))


ALLOWED = {
    "runtime/output_capture.py": "prints again, under its case, what a trial itself printed",
    "runtime/session.py": "listens to the root logger",
    "engines/tinytroupe/package.py": "silences the root logger of a worker process",
    "gateway/providers/http_client.py": "keeps keys out of the log of the HTTP library",
    "telemetry/langsmith.py": "filters the log of LangSmith's client",
    "runner/output.py": "has one method that prints, which calls visible()",
    "reports/data/rendering.py": "draws a table into a string",
}
"""Modules that touch a stream or logger themselves, each with its reason."""
PRINTING = {"print", "echo", "secho", "write_line", "write_sep", "section", "warn", "getLogger", "Console"}
ENDING = {"UsageError", "exit", "fail", "skip"}
"""What pytest prints of an exception that we raise."""


def calls(tree: ast.AST) -> Iterator[tuple[str, str, ast.Call]]:
    """Each call in ``tree``: what it is called on (empty: a bare name), the function's name, and the call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield "", node.func.id, node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield ast.unparse(node.func.value), node.func.attr, node


def prints(owner: str, name: str) -> bool:
    """Whether a call of ``name`` on ``owner`` writes to the terminal past the door."""
    if name == "write":
        return owner.startswith(("sys.std", "sys.__std"))
    if not owner:
        return name in ("print", "Console")
    return name in PRINTING and owner not in ("console", "formatter", "self")


def is_shown(call: ast.Call) -> bool:
    """Whether the text that a call is given is a constant or passes `visible`."""
    text = call.args[0] if call.args else None
    if isinstance(text, ast.Call) and isinstance(text.func, ast.Name):
        return text.func.id in ("visible", "error_text", "message_of", "reason_of")
    return text is None or isinstance(text, ast.Constant)


def sources() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))


def test_nothing_is_printed_past_the_door() -> None:
    found = {
        f"{place}:{call.lineno}: {owner}.{name}"
        for place, tree in sources()
        if place != "console.py" and place not in ALLOWED
        for owner, name, call in calls(tree)
        if prints(owner, name)
    }
    assert not found


def test_every_text_with_which_pytest_ends_is_visible() -> None:
    found = {
        f"{place}:{call.lineno}"
        for place, tree in sources()
        for owner, name, call in calls(tree)
        if owner == "pytest" and name in ENDING and not is_shown(call)
    }
    assert not found


def test_modules_that_may_print_are_still_there() -> None:
    assert all((PACKAGE / place).is_file() for place in ALLOWED)
