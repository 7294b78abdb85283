"""``harness study build`` amid kills, full disks, failing models and files that are broken: one clear error each."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.kills import CountingEndpoint

from harness.batches.batch_plan import start_study
from harness.batches.study_layout import Study
from harness.errors import ModelCallError
from harness.experiments.population.build.pipeline import write_example
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.records import atomic
from tests.support.builds import TOLD, Bench, copied, kept, started, whole

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that has nothing yet, ``talk``, and the example, ``town``."""
    root = tmp_path_factory.mktemp("begun") / "runs"
    for name in ("talk", "town"):
        start_study(Study(root, name))
    write_example(Study(root, "town"))
    return root


@pytest.fixture
def bench(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Bench:
    """Both studies, and no key."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    copied(begun, tmp_path / "runs")
    return Bench(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a build comes to that nobody kills."""
    folder = tmp_path_factory.mktemp("undisturbed")
    build = started(folder, "init", "talk")
    build.communicate(timeout=60)
    build = started(folder, "build", "talk", *TOLD, PYTHONHASHSEED="1")
    said, _ = build.communicate(timeout=60)
    assert build.returncode == 0, said
    return kept(folder / "runs" / "talk")


@pytest.mark.parametrize(
    "kill",
    ["call 4", "put 3", "record 4", "gates 3"],
    ids=[
        "amid calls",
        "before a file is placed",
        "before its record",
        "before its gates are kept",
    ],
)
def test_killed_and_resumed_it_comes_to_the_same_bytes(
    bench: Bench, undisturbed: dict[str, str], kill: str
) -> None:
    """Under another PYTHONHASHSEED than the one that nobody killed."""
    killed = started(bench.folder, "build", "talk", *TOLD, kill=kill, PYTHONHASHSEED="2")
    said, _ = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, said
    assert kept(bench.study("talk")) != undisturbed
    went_on = bench.build(name="talk")
    assert went_on.code == 0, went_on.out + went_on.err
    assert kept(bench.study("talk")) == undisturbed
    assert bench.calls == (
        4 if kill == "call 4" else bench.calls
    )  # 7 in all, 3 of them answered before the kill
    assert not list((bench.study("talk") / ".build" / "new").iterdir())


def test_a_person_s_change_after_a_kill_is_not_overwritten(bench: Bench) -> None:
    assert bench.build(name="town").code == 0
    bench.edit("specs/network-config/network.yaml", "avg_degree: 12", "avg_degree: 8")
    killed = started(bench.folder, "build", "town", kill="put 1")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    network = bench.study() / "network.json"
    mended = network.read_bytes() + b"\n"
    network.write_bytes(mended)
    said = bench.build()
    assert said.code == 4
    assert "network.json was edited by hand" in said.err
    assert network.read_bytes() == mended


def failing(patch: pytest.MonkeyPatch, code: int, after: int) -> None:
    """Writing fails with the errno ``code`` after so many files of a study."""
    write, left = atomic._write_durably, [after]

    def fail(path: Path, content: bytes) -> None:
        if path.name.startswith(".heartbeat"):
            return
        left[0] -= 1
        if left[0] < 0:
            raise OSError(code, os.strerror(code))
        write(path, content)

    patch.setattr(atomic, "_write_durably", fail)


@pytest.mark.parametrize("after", [0, 2, 9])
def test_a_full_disk_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    (bench.study() / "pipeline.yaml").write_text("size: 60\nseed: 42\n")
    copied(bench.study(), bench.study("plain"))
    with monkeypatch.context() as patch:
        failing(patch, errno.ENOSPC, after)
        said = bench.build()
    assert said.code == 1
    assert said.err.count("ERROR") == 1
    assert "No space left on device" in said.err
    assert bench.build().code == 0
    assert bench.build(name="plain").code == 0
    assert kept(bench.study()) == kept(bench.study("plain"))


def test_a_read_only_file_system_is_said_with_the_way_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, errno.EROFS, 0)
    said = bench.build("--threshold", "4")
    assert said.code == 4
    assert said.err.count("ERROR") == 1
    assert "pipeline.yaml: Read-only file system" in said.err
    assert "--studies-dir" in said.err


# What ends a build that asks a model


def answering(monkeypatch: pytest.MonkeyPatch, number: int, instead: Callable[[], Any]) -> None:
    """The model's answer of that number is ``instead``."""
    answer, asked = RehearsalProvider.complete, []

    async def complete(rehearsal: RehearsalProvider, *arguments: Any, **named: Any) -> Any:
        asked.append(1)
        if len(asked) == number:
            return instead() or await answer(rehearsal, *arguments, **named)
        return await answer(rehearsal, *arguments, **named)

    monkeypatch.setattr(RehearsalProvider, "complete", complete)


def test_a_failing_model_is_exit_code_1_and_it_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ModelCallError("The model is gone.", fatal=True)

    with monkeypatch.context() as patch:
        answering(patch, 3, fail)
        said = bench.build(*TOLD, name="talk")
    assert (said.code, said.err.count("ERROR")) == (1, 1)
    assert "The model is gone." in said.err
    assert "the same command resumes it" in said.err
    assert (bench.study("talk") / "base.yaml").exists()
    assert "ended early" in (bench.study("talk") / ".build" / "heartbeat.txt").read_text()
    assert bench.build(name="talk").code == 0


def test_ctrl_c_is_exit_code_2(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        answering(monkeypatch, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
        said = bench.build(*TOLD, name="talk")
    finally:
        signal.signal(signal.SIGINT, before)
    assert said.code == 2
    assert "Interrupted. The same command resumes it." in said.err


def test_a_budget_is_exit_code_6_and_it_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with CountingEndpoint(0.0) as endpoint:
        model = ("--model", "openai:gpt-4o-mini", "--base-url", endpoint.url)
        stopped = bench.build(*TOLD, *model, "--max-cost", "0.001", name="talk")
        assert stopped.code == 6, stopped.out + stopped.err
        assert stopped.err.count("ERROR") == 1
        assert endpoint.count == 0  # the worst case of one call is above that
        assert bench.build(name="talk").code == 0
        assert endpoint.count == 7
    records = json.loads((bench.study("talk") / ".stages.json").read_bytes())["stages"]
    assert (records["spec"]["model"], records["spec"]["rehearsal"]) == ("openai:gpt-4o-mini", False)


def test_without_a_key_nothing_runs(bench: Bench) -> None:
    before = whole(bench.folder)
    said = bench.build(*TOLD, "--model", "openai:gpt-5", name="talk")
    assert said.code == 4
    assert "OPENAI_API_KEY" in said.err
    assert whole(bench.folder) == before
    assert bench.build("--model", "openai:gpt-5").code == 0  # all of it is written by hand


# Files that are broken


def file(name: str, old: str, new: str) -> Callable[[Bench], None]:
    return lambda bench: bench.edit(name, old, new)


def text(name: str, content: str) -> Callable[[Bench], None]:
    return lambda bench: (bench.study() / name).write_text(content, "utf-8") and None


def gone(name: str) -> Callable[[Bench], None]:
    return lambda bench: (bench.study() / name).unlink()


def nothing(_bench: Bench) -> None:
    pass


def folder(name: str) -> Callable[[Bench], None]:
    def made(bench: Bench) -> None:
        (bench.study() / name).unlink(missing_ok=True)
        (bench.study() / name).mkdir()

    return made


POPULATION, NETWORK = "specs/pop/population.yaml", "specs/network-config/network.yaml"
PERSONA, SCENARIO = "specs/persona/population.persona.yaml", "specs/scenario/scenario.yaml"
BROKEN: list[tuple[Callable[[Bench], None], tuple[str, ...], str]] = [
    (text("pipeline.yaml", "seed: [\n"), (), "pipeline.yaml: is not YAML"),
    (text("pipeline.yaml", "seed: 1\nseed: 2\n"), (), "occurs twice"),
    (text("pipeline.yaml", "seeds: 1\n"), (), "seeds: unknown; expected only the keys that docs/operations.md lists"),
    (text("pipeline.yaml", "seed: many\nsize: 0\n"), (), "size=0"),
    (text("pipeline.yaml", "gate_profile: martian\n"), (), "martian"),
    (text("pipeline.yaml", "schema_map: ../../map.yaml\n"), (), "expected a path below the study"),
    (text("pipeline.yaml", "gate_profile: ../map.yaml\n"), (), "expected a path below the study"),
    (folder("pipeline.yaml"), (), "pipeline.yaml: is not a regular file"),
    (nothing, ("--steps", "4"), "steps is not read while there is specs/scenario/scenario.yaml"),
    (nothing, ("--population", "x", "--event", "y"), "event is not read"),
    (nothing, ("--size", "-3"), "size=-3"),
    (nothing, ("--population", " "), "population=' '"),
    (nothing, ("--schema-map", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
    (nothing, ("--prices", "nowhere.json"), "nowhere.json"),
    (nothing, ("--base-url", "https://me:hush@x.org/v1"), "~bb7c66da@x.org/v1' has a part that may be a key"),
    (nothing, ("--population", "a\udcff"), "unable to parse raw data as a unicode string"),
    (gone("specs/pop/base.yaml"), (), "Stage spec: neither a text nor a file"),
    (gone(SCENARIO), (), "Stage scenario: neither a text nor a file"),
    (file("specs/pop/base.yaml", "size: 800", "size: many"), (), "meta.size='many'"),
    (file("specs/pop/base.yaml", "name: age", "name: born"), (), "depends_on names 'age'"),
    (file(POPULATION, "name: openness", "name: closeness"), (), "lacks openness of runs/town/specs/pop/base.yaml"),
    (file(NETWORK, "avg_degree: 12", "avg_degree: .nan"), (), "avg_degree"),
    (file(NETWORK, "  district:", "  distrikt:"), (), "'distrikt' is not an attribute"),
    (file(PERSONA, "{age}", "{aeg}"), (), "aeg"),
    (file(SCENARIO, "when: age >= 40", "when: aeg >= 40"), (), "aeg"),
    (file(SCENARIO, "max_timesteps: 6", "max_timesteps: 6\n  max_timesteps: 7"), (), "occurs twice"),
    (folder(SCENARIO), (), "scenario.yaml: is not a regular file"),
    (file("specs/pop/schema-map.yaml", "fields: {age: age}", "felds: {age: age}"), (), "felds: unknown"),
    (text(".stages.json", "{}"), (), ".stages.json: stages: missing"),
    (text(".stages.json", '{"stages": {"../x": {}}}'), (), ".stages.json"),
    (text(".stages.json", "torn"), (), "Do not edit that file"),
    (text(".build", ""), (), "Could not create the directory runs/town/.build"),
    (text("agents.json", "{}"), (), "agents.json is there, and no build made it"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words", "said"), BROKEN)
def test_one_error_and_nothing_is_touched(
    bench: Bench, change: Callable[[Bench], None], words: tuple[str, ...], said: str
) -> None:
    change(bench)
    before = whole(bench.folder)
    built = bench.build(*words)
    assert (built.code, built.out) == (4, "")
    assert said in built.err
    assert built.err.count("ERROR") == 1
    assert "hush" not in built.err
    assert whole(bench.folder) == before


def test_all_faults_at_once(bench: Bench) -> None:
    bench.edit("specs/pop/base.yaml", "size: 800", "size: many")
    bench.edit(NETWORK, "avg_degree: 12", "avg_degree: -1")
    (bench.study() / SCENARIO).unlink()
    said = bench.build("--schema-map", "nowhere.yaml").err
    assert all(part in said for part in ("size='many'", "avg_degree=-1", "Stage scenario", "nowhere.yaml"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../town", "Study '../town': expected lower-case letters"),
        ("Town", "Study 'Town': expected lower-case"),
        ("nowhere", "expected a study begun with: harness study init nowhere"),
    ],
)
def test_a_study_that_is_none(bench: Bench, name: str, said: str) -> None:
    before = whole(bench.folder.parent)
    built = bench.build(name=name)
    assert built.code == 4
    assert said in built.err
    assert whole(bench.folder.parent) == before


def test_without_text_or_file_it_says_what_there_could_be(bench: Bench) -> None:
    said = bench.build(name="talk")
    assert said.code == 4
    assert all(
        f"Stage {stage}: neither a text nor a file" in said.err for stage in ("spec", "extend", "scenario")
    )
    assert "--population TEXT" in said.err
    assert "runs/talk/specs/scenario/scenario.yaml" in said.err
    assert "harness study init talk can write an example" in said.err
    assert not (bench.study("talk") / "pipeline.yaml").exists()


def test_the_example_is_written_over_nothing(bench: Bench) -> None:
    before = whole(bench.folder)
    said = bench.run("init", "town", "--example")
    assert said.code == 4
    assert "specs/pop/base.yaml" in said.err
    assert whole(bench.folder) == before
