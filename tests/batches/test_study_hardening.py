"""``harness study`` in careless and in hostile hands: nothing is counted twice, forged by one edit, or a traceback."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.batches.registry import Registry, RegistryRow
from harness.batches.study_layout import Study
from harness.batches.variant_outcomes import refuse_incomparable
from harness.cli import main
from harness.cli.study_session import Sessions
from harness.errors import ConfigurationError
from harness.experiments.population.gates.subject import GateSubject, failed
from harness.model import Check, Level
from harness.runtime.settings import Settings
from tests.support.sessions import LIGHT
from tests.support.studies import Bench, contents
from tests.support.towns import NAME, begin

pytestmark = pytest.mark.slow

SWEEP = ("sweep", NAME, "--axis", "threshold", "1", "3", "--confidence", "2", "--seed", "7")
PLAIN = ("sweep", NAME, "--confidence", "2")
STRICT = """
name: strict
thresholds: {call_failures: {warn: 0, fail: 0}}
"""

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study without batches, for tests to copy."""
    return begin(tmp_path_factory.mktemp("begun"), agents=20).root


@pytest.fixture(scope="module")
def done(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a batch that is finished, for tests to copy."""
    folder = tmp_path_factory.mktemp("done")
    shutil.copytree(begun, folder / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
        patch.chdir(folder)
        assert _code(patch, "study", *SWEEP) == 0
        assert _code(patch, "study", "finish", NAME) == 0
    return folder / "runs"


def _code(patch: pytest.MonkeyPatch, *words: str) -> int:
    patch.setattr("sys.argv", ["harness", *words])
    try:
        main()
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def _copied(source: Path, folder: Path, patch: pytest.MonkeyPatch) -> Study:
    patch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
    patch.chdir(folder)
    shutil.copytree(source, folder / "runs", symlinks=True)
    return Study(folder / "runs", NAME)


@pytest.fixture
def study(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    return _copied(begun, tmp_path, monkeypatch)


@pytest.fixture
def finished(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    return _copied(done, tmp_path, monkeypatch)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Say:
    """``harness study`` in this process: its exit code, what it printed and what it complained of."""

    def said(*words: str) -> tuple[int, str, str]:
        code = _code(monkeypatch, "study", *words)
        return code, *capfd.readouterr()

    return said


def batch_of(study: Study) -> Path:
    (found,) = (study.folder / "batches").iterdir()
    return found


def variant_of(study: Study, name: str = "vr-threshold-1-s7") -> Path:
    return batch_of(study) / "variants" / name


# Disks


def test_a_disk_that_is_full_after_a_session_is_no_refusal(
    study: Study, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 4 would say that nothing was run; the same command goes on and asks nothing again."""
    write = os.write

    def full(file: int, data: bytes) -> int:
        if b",success," in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    with monkeypatch.context() as patch:
        patch.setattr("harness.batches.registry.os.write", full)
        code, _, complaint = say(*PLAIN)
    assert code == 1 and "No space left on device" in complaint and "harness study run town b" in complaint
    assert study.rows.read_text().count("\n") == 1
    code, told, _ = say("run", NAME)
    assert code == 0 and told.count("  success  ") == 2 and "test session starts" not in told
    assert say("audit", NAME)[0] == 0


def test_without_hard_links_copies_do(study: Study, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_arguments: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("harness.batches.study_layout.os.link", none)
    assert say(*PLAIN)[0] == 0 and say("finish", NAME)[0] == 0 and say("promote", NAME)[0] == 0
    assert say("audit", NAME)[0] == 0


# What is asked


REFUSED = [
    (("--axis", "seed", "1", "01"), "Axis 'seed': '01'; expected whole numbers from 0, such as 7"),
    (("--axis", "seed", "1", "2", "--confidence", "5"), "expected neither --confidence nor --seed"),
    (("--axis", "seed", "1", "2", "--seed", "7"), "expected neither --confidence nor --seed"),
    (("--axis", "people", "1", "3"), "Axis 'people': has no effect on the agents"),
    (("--axis", "threshold", "1", "--max-calls", "-5"), "--max-calls -5: expected 1 or more"),
    (("--axis", "threshold", "1", "--max-cost", "nan"), "--max-cost nan: expected more than 0"),
    (("--axis", "threshold", "1", "--concurrency", "many"), "--concurrency 'many': expected a whole number"),
    (("--axis", "--confidence", "2"), "Axis '': expected one of"),
]


@pytest.mark.parametrize(("words", "expected"), REFUSED, ids=[" ".join(words) for words, _ in REFUSED])
def test_what_cannot_be_is_refused_before_a_batch_is_declared(
    study: Study, say: Say, words: tuple[str, ...], expected: str
) -> None:
    before = contents(study.folder)
    code, told, complaint = say("sweep", NAME, *words)
    assert (code, told) == (4, "") and expected in complaint
    assert complaint.count("ERROR") == 1 and "--axis :" not in complaint
    assert contents(study.folder) == before


def test_a_limit_reaches_its_session_to_the_last_digit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Settings] = []

    def launch(request: Any, **_: Any) -> int:
        given.append(request.settings)
        return 0

    monkeypatch.setattr("harness.plugin.launch.launch", launch)
    limits: dict[str, Any] = {"max_tokens": 1_234_567, "max_calls": 10_000_001, "max_cost": 1234.56789}
    Sessions(tmp_path / "heartbeat.txt", Settings(**limits))([], {}, tmp_path)
    assert {name: getattr(given[0], name) for name in limits} == limits


# What is compared


def test_a_batch_named_twice_counts_once(finished: Study, say: Say) -> None:
    name = batch_of(finished).name
    code, told, complaint = say("compare", NAME, name, name)
    assert (code, told) == (4, "") and f"{name} is named 2 times" in complaint


def test_one_variant_of_two_batches_is_no_second_seed(finished: Study, say: Say) -> None:
    assert say("sweep", NAME, "--axis", "threshold", "3", "--confidence", "2", "--seed", "7")[0] == 0
    first, second = finished.batch_ids()
    code, told, complaint = say("compare", NAME, first, second)
    assert (code, told) == (4, "") and "vr-threshold-3-s7 is in" in complaint and second in complaint


def test_variants_are_chosen_from_the_batch_that_has_them(finished: Study, say: Say) -> None:
    assert say("sweep", NAME, "--axis", "threshold", "2", "--confidence", "2", "--seed", "7")[0] == 0
    first, second = finished.batch_ids()
    chosen = ("vr-threshold-1-s7", "vr-threshold-2-s7", "vr-threshold-2-s7")
    options = [word for name in chosen for word in ("--variant", name)]
    code, told, complaint = say("compare", NAME, first, second, *options)
    assert code == 0, complaint
    assert re.findall(r"aware +simulation +(threshold \d) +(\d)", told) == [
        ("threshold 1", "1"),
        ("threshold 2", "1"),
    ]
    code, _, complaint = say("compare", NAME, first, second, "--variant", "vr-threshold-9-s7")
    assert code == 4 and "has no variant 'vr-threshold-9-s7'" in complaint


def test_what_only_one_batch_varies_is_the_same_in_both(bench: Bench) -> None:
    """Of a batch that varies the rate, the model that all its variants share is no axis."""
    models = replace(bench.declare(), axes=("model",), config={"model": "small", "rate": None})
    rates = replace(models, batch_id="b20261120-1300-rate-v01", axes=("rate",))
    refuse_incomparable([models, rates])
    with pytest.raises(ConfigurationError, match="config, model: 'small' and 'large'"):
        refuse_incomparable([models, replace(rates, config={"model": "large", "rate": None})])


# What is promoted


@pytest.fixture
def failing(study: Study, say: Say, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study with a batch whose gate G6 FAILs by a profile of its own, all variants a success, and its report."""

    def demanding(subject: GateSubject) -> Iterator[Check]:
        subject.material.json("results/meta.json")
        strict = subject.limits.call_failures.fail == 0
        yield failed("dynamics", "too dull") if strict else Check("dynamics", Level.PASS, "well")

    monkeypatch.setattr("harness.experiments.population.gates.checks.simulate.check", demanding)
    (study.specs / "pop" / "strict.yaml").write_text(STRICT)
    assert say(*PLAIN, "--gate-profile", "specs/pop/strict.yaml")[0] == 1
    assert study.rows.read_text().count(",success,") == 2
    say("finish", NAME)
    code, _, complaint = say("promote", NAME)
    assert code == 4 and "G6 dynamics FAILs" in complaint
    return study


def _manifest(before: str, after: str) -> Callable[[Study], None]:
    def edit(study: Study) -> None:
        path = batch_of(study) / "manifest.yaml"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    return edit


def _softened(study: Study) -> None:
    path = study.specs / "pop" / "strict.yaml"
    path.write_text(STRICT.replace("fail: 0", "fail: 1").replace("warn: 0", "warn: 1"))


def _other_rules(study: Study) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for variant in (batch_of(study) / "variants").iterdir():
            assert _code(patch, "gates", str(variant)) == 0


def _no_simulation(study: Study) -> None:
    path = batch_of(study) / "manifest.yaml"
    path.write_text(re.sub(r"^path: .*$", "path: null", path.read_text(), flags=re.MULTILINE))
    _other_rules(study)


EDITS: dict[str, Callable[[Study], None]] = {
    "another profile in the manifest": _manifest("specs/pop/strict.yaml", "generic-all-ages"),
    "the profile's own file": _softened,
    "gates by other rules": _other_rules,
    "no simulation, and gates by other rules": _no_simulation,
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_no_edit_promotes_what_a_gate_fails(failing: Study, say: Say, edit: Callable[[Study], None]) -> None:
    edit(failing)
    say("finish", NAME, "--rewrite")
    code, _, complaint = say("promote", NAME)
    assert code == 4 and ("was changed" in complaint or "FAIL" in complaint or "declared" in complaint)
    assert not failing.latest.exists()


def test_a_variant_that_left_the_manifest_is_missed(finished: Study, say: Say) -> None:
    path = batch_of(finished) / "manifest.yaml"
    kept, _, rest = path.read_text().partition("- id: vr-threshold-3-s8")
    path.write_text(kept + "".join(re.split(r"(?m)^(?=\S)", rest)[1:]))
    for words in (("finish", NAME), ("promote", NAME), ("run", NAME)):
        code, _, complaint = say(*words)
        assert code == 4 and "manifest" in complaint, words
    assert say("audit", NAME)[0] == 1
    assert not finished.latest.exists()


def test_results_that_no_run_placed_are_no_results(finished: Study, say: Say) -> None:
    results = variant_of(finished) / "results"
    (results / "files.json").write_text("{}\n")
    code, _, complaint = say("promote", NAME)
    assert code == 4 and "results/agent_states.json (and 7 more) is not in files.json" in complaint
    code, told, _ = say("audit", NAME)
    assert code == 1 and "more) is not in files.json: no run of the batch put it there" in told


def test_results_without_their_hashes_are_placed_anew(finished: Study, say: Say) -> None:
    """Without them no gate would look again, and any results/gates.json would do."""
    (variant_of(finished) / "results" / "files.json").unlink()
    for words in (("finish", NAME, "--rewrite"), ("promote", NAME)):
        code, _, complaint = say(*words)
        assert (
            code == 4
            and "vr-threshold-1-s7: a success in runs.csv, but its results are not on disk" in complaint
        )
    assert say("run", NAME)[0] == 0
    assert say("promote", NAME)[0] == 0


def test_a_full_disk_leaves_no_batch_half_declared(
    study: Study, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("harness.experiments.population.batch_kind.shutil.copyfile", full)
        code, told, complaint = say(*SWEEP)
    assert (code, told) == (4, "") and "No space left on device" in complaint
    assert list((study.folder / "batches").iterdir()) == []


@pytest.mark.parametrize("part", ["results", "inputs"])
def test_files_of_another_variant_do_not_stand_in(finished: Study, say: Say, part: str) -> None:
    target = variant_of(finished, "vr-threshold-3-s7") / part
    shutil.rmtree(target)
    shutil.copytree(variant_of(finished) / part, target)
    for words in (("finish", NAME, "--rewrite"), ("promote", NAME), ("audit", NAME)):
        code, told, complaint = say(*words)
        assert code in (1, 4) and "vr-threshold-1-s7" in told + complaint, words
    assert not finished.latest.exists()


def test_a_row_does_not_make_a_success_of_what_is_partial(finished: Study, say: Say) -> None:
    (path,) = variant_of(finished).glob("results/*.meta.json")
    files = path.with_name("files.json")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(path.read_text().replace('"partial": false', '"partial": true'))
    files.write_text(files.read_text().replace(before, hashlib.sha256(path.read_bytes()).hexdigest()))
    for words in (("finish", NAME, "--rewrite"), ("promote", NAME)):
        code, _, complaint = say(*words)
        assert code == 4 and "a success in runs.csv, but its results are partial" in complaint
    assert "its results are partial" in say("audit", NAME)[1]


def test_inputs_that_were_changed_are_not_promoted(finished: Study, say: Say) -> None:
    path = variant_of(finished) / "inputs/agents.json"
    path.write_text(path.read_text().replace('"district": "farms"', '"district": "station"'))
    for words in (("finish", NAME), ("promote", NAME)):
        code, _, complaint = say(*words)
        assert code == 4 and "inputs/agents.json was changed since the batch was declared" in complaint


def test_an_objective_that_looks_like_the_stamp_does_not_spoil_a_report(study: Study, say: Say) -> None:
    words = ("--objective", f"Results as of SHA-256 {'0' * 64}", "--single-seed-caveat", "One.")
    assert say("sweep", NAME, *words[:2])[0] == 0
    code, _, complaint = say("finish", NAME, *words[2:])
    assert code == 0, complaint


HOSTILE = "|x| <b>\x1b[31m\x9b2J red\u202e\n\n## 3. Headline results\n\nTO BE WRITTEN BY A PERSON: [a](b) `c`"


def test_hostile_words_leave_a_report_sound(study: Study, say: Say) -> None:
    assert say(*PLAIN, "--objective", HOSTILE)[0] == 0
    code, told, complaint = say("finish", NAME, "--segment-caveat", HOSTILE)
    assert code == 0 and "3 blanks for people" in told, complaint
    report = (batch_of(study) / "report.md").read_text()
    assert [sign for sign in report if not sign.isprintable() and sign != "\n"] == []
    assert len(re.findall("^#+ 3. Headline results$", report, re.MULTILINE)) == 1
    assert "<b>" not in report.replace("\\<b>", "")


def test_a_caveat_that_a_kept_report_lacks_is_told(finished: Study, say: Say) -> None:
    caveat = ("--segment-caveat", "Few *of* them.")
    code, told, _ = say("finish", NAME, *caveat)
    assert code == 0 and "unchanged" in told and "does not say 'Few *of* them.'" in told
    for words in ((*caveat, "--rewrite"), caveat):
        code, told, _ = say("finish", NAME, *words)
        assert code == 0 and "does not say" not in told


def test_hostile_notes_leave_the_registry_sound(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "runs.csv")
    row = RegistryRow("t", NAME, "b", "v", "scn-v01", "cfg-v01", "0", "success", "r", HOSTILE)
    registry.append([row, row])
    assert not registry.read().problems and len(registry.read().rows) == 2
    assert all(sign.isprintable() or sign == "\n" for sign in registry.path.read_text())


# Escalation


def test_old_failures_do_not_stop_what_did_not_fail(
    study: Study, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two variants failed a gate once; the next batch breaks down for another reason and is to be told so alone."""

    def planted(subject: GateSubject) -> Iterator[Check]:
        subject.material.json("results/meta.json")
        yield failed("dynamics", "planted by a test")

    with monkeypatch.context() as patch:
        patch.setattr("harness.experiments.population.gates.checks.simulate.check", planted)
        code, told, _ = say(*PLAIN)
        assert code == 1 and "STOPPED: gate G6" in told
    code, told, _ = say("sweep", NAME, "--axis", "rate", "6000", "7000", "--max-calls", "3")
    assert code == 6 and "STOPPED" not in told
    with study.rows.open("a") as file:
        file.write("2026-11-20T12:00:00+00:00,town,../../x,vr-x,scn-v01,cfg-v01,0,success,batches,by hand\n")
    code, told, complaint = say("run", NAME)
    assert code == 0 and "STOPPED" not in told, told + complaint


# Broken files

DEEP = "[" * 5000 + "]" * 5000
BROKEN = ["", "{}", "null", '["x", 1, null, {"a": NaN}]', DEEP, None]
PLACES = ["results/files.json", "results/gates.json", "inputs/settings.json", "results/*.meta.json"]
COMMANDS = [("compare", NAME), ("status", NAME, "BATCH"), ("audit", NAME), ("promote", NAME), ("run", NAME)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("content", BROKEN, ids=lambda one: repr(one)[:12])
def test_a_broken_file_is_one_error_and_no_traceback(
    finished: Study, say: Say, place: str, content: str | None
) -> None:
    (path,) = variant_of(finished).glob(place)
    path.unlink()
    path.mkdir() if content is None else path.write_text(content)
    for words in COMMANDS:
        told = [batch_of(finished).name if word == "BATCH" else word for word in words]
        code, _, complaint = say(*told)  # whatever is raised but a `HarnessError` ends the test
        assert code in (0, 1, 4) and complaint.count("ERROR") == (code == 4), (words, complaint)


@pytest.mark.parametrize(
    "place", ["results/population.*run1*.jsonl", "results/files.json", "inputs/agents.json"]
)
def test_a_link_to_itself_is_one_error(finished: Study, say: Say, place: str) -> None:
    (path,) = variant_of(finished).glob(place)
    path.unlink()
    path.symlink_to(path)
    for words in (("compare", NAME), ("finish", NAME), ("promote", NAME), ("audit", NAME), ("status", NAME)):
        code, _, complaint = say(*words)
        assert code in (0, 1, 4) and complaint.count("ERROR") == (code == 4), (words, complaint)


def test_a_schema_map_that_links_to_itself_is_one_error(study: Study, say: Say) -> None:
    (study.specs / "pop" / "map.yaml").symlink_to("map.yaml")
    code, _, complaint = say(*SWEEP, "--schema-map", "specs/pop/map.yaml")
    assert code == 4 and complaint.count("ERROR") == 1


@pytest.mark.parametrize("content", [b"", bytes(range(256)), None])
def test_a_heartbeat_that_cannot_be_read_keeps_no_status_back(
    finished: Study, say: Say, content: bytes | None
) -> None:
    path = batch_of(finished) / ".session/heartbeat.txt"
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    code, told, _ = say("status", NAME, batch_of(finished).name)
    assert code == 0 and told.count("success") == 4


def test_a_batch_without_a_manifest_keeps_no_other_from_being_seen(finished: Study, say: Say) -> None:
    """So it is after a kill while a batch is declared."""
    (finished.folder / "batches/b20990101-0000-late-v01").mkdir()
    whole = finished.batch_ids()[0]
    code, told, complaint = say("status", NAME)
    assert code == 1 and f"{whole}  scn-v01 cfg-v01  4 of 4 done" in told, complaint
    assert "b20990101-0000-late-v01  its manifest cannot be read" in told
    assert say("promote", NAME)[0] == 0


def test_a_batch_of_another_study_is_refused(finished: Study, say: Say) -> None:
    finished.folder.rename(finished.folder.with_name("village"))
    for words in (("run", "village"), ("finish", "village"), ("promote", "village")):
        code, _, complaint = say(*words)
        assert code == 4 and "study: 'town'; it is in the folder of 'village'" in complaint


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("session: {}", "session: {evil: 1}", "session.evil: no such field"),
        ("session: {}", "session: {rpm: [1]}", "session.rpm"),
        ("session: {}", "session: {count: true}", "session.count"),
    ],
)
def test_options_of_sessions_are_a_closed_vocabulary(
    study: Study, say: Say, before: str, after: str, said: str
) -> None:
    assert say(*SWEEP, "--plan-only")[0] == 0
    _manifest(before, after)(study)
    code, _, complaint = say("run", NAME)
    assert code == 4 and said in complaint


def test_a_study_that_was_moved_goes_on(study: Study, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    assert say(*SWEEP, "--max-calls", "40")[0] == 6
    other = study.root.parent / "other"
    other.mkdir()
    shutil.move(study.root, other / "runs")
    monkeypatch.chdir(other)
    code, told, complaint = say("run", NAME)
    assert code == 0 and study.name in told, told + complaint
    assert "4 of 4 done" in say("status", NAME)[1]
    assert say("audit", NAME)[0] == 0
