"""The foreign package of docs/extending.md, installed as pip would: each of its entry points and hooks works."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.sessions import Lab

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extending.md"
BLOCK = re.compile(r"```(?:python|toml)\n(.*?)```", re.DOTALL)


def page_files() -> dict[str, str]:
    """File name → its text, for each block of the page; a Python block begins with its name."""
    blocks: list[str] = BLOCK.findall(PAGE.read_text("utf-8"))
    named = {block.partition("\n")[0].removeprefix("# "): block for block in blocks[1:]}
    return {"pyproject.toml": blocks[0], **named}


@pytest.fixture
def acme(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A folder in which the package is importable and its distribution is found."""
    files, site = page_files(), lab.path / "site"
    points = tomllib.loads(files.pop("pyproject.toml"))["project"]["entry-points"]
    lines = [
        line
        for group, values in points.items()
        for line in (f"[{group}]", *(f"{k} = {v}" for k, v in values.items()))
    ]
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(lines))
    for name, text in files.items():
        path = site / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(site))
    return lab


def test_a_projects_conftest_can_register_the_provider_of_the_page(lab: Lab) -> None:
    provider = page_files()["acme/provider.py"]
    register = 'from harness.gateway.providers import register\n\nregister("parrot", parrot)\n'
    assert "    " + register.replace("\n\n", "\n\n    ").strip() in PAGE.read_text("utf-8")
    (lab.path / "conftest.py").write_text(f"{provider}\n{register}")
    done = lab.command("run", "test_small.py", "--model", "parrot:grey")
    assert done.returncode == 0, done.stdout + done.stderr
    (first, *_) = lab.lines(kind="run_metadata")
    assert (first["provider"], first["model"]) == ("parrot", "grey")


def test_an_experiment_a_provider_an_engine_and_hooks_of_another_package_make_a_run(acme: Lab) -> None:
    (acme.path / "site" / "conftest.py").rename(acme.path / "conftest.py")
    acme.write("import pytest\n\n\n@pytest.mark.experiment('greeting')\ndef test_it(cell):\n    cell.run()\n")
    done = acme.command("run", "test_small.py", "--model", "parrot:loud", "--engine", "monologue")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "See seen.txt for 1 runs." in done.stdout and "HOOK FAILED" not in done.stdout
    meta, first = acme.meta(), acme.lines(kind="run_metadata")[0]
    assert (first["engine"], first["provider"], first["model"]) == ("monologue", "parrot", "loud")
    assert meta["usage"]["calls"] == {"act": 8}
    (retried,) = [one for one in meta["instrument"]["checks"] if one["name"] == "retried"]
    assert retried["level"] == "PASS"
    seen = (acme.path / "seen.txt").read_text().splitlines()
    assert seen[0] == "greeting: loud started"
    assert sum(line.endswith(": finished") for line in seen) == 4
    assert re.fullmatch(r"greeting_.*\.json from 2 files", seen[-1])
    words = acme.command("words", "results")
    assert re.fullmatch(r"greeting plain \d+\ngreeting other \d+\n", words.stdout), words.stderr


def test_a_registered_experiment_and_its_engine_are_listed(acme: Lab) -> None:
    listed = acme.command("list", "--engine", "monologue")
    assert listed.returncode == 0, listed.stderr
    assert "greeting  (" in listed.stdout and "plain      4 model calls" in listed.stdout


def test_a_batch_varies_an_experiment_of_another_packages_kind(acme: Lab) -> None:
    (acme.path / "casual.greeting").write_text("Say hello in {language}.\n")
    assert acme.command("study", "init", "hello").returncode == 0
    done = acme.command("study", "sweep", "hello", "--path", "casual.greeting", "--axis", "steps", "1", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(acme.path.glob("runs/hello/batches/*/variants/vr-steps-*-s0/results/*.meta.json"))) == 2


def test_an_experiment_that_two_packages_register_names_both(acme: Lab) -> None:
    other = acme.path / "site" / "copycat-2.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: copycat\nVersion: 2.0\n")
    (other / "entry_points.txt").write_text("[harness.experiments]\ncopycat = acme.experiments:Acme\n")
    refused = acme.command("list")
    assert refused.returncode == 4
    assert (
        "Experiment 'greeting' is registered by 'acme.experiments:Acme' of acme 1.0 and by "
        "'acme.experiments:Acme' of copycat 2.0; expected unique names." in refused.stderr
    )


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import not_there\n", " raised ModuleNotFoundError: No module named 'not_there'."),
        (
            "import harness\nharness.Measure('m', 3)\nharness.Mode(reps=1, sizes=3)\n",
            ": Mode: ",
        ),
    ],
)
def test_a_package_whose_experiments_cannot_be_imported_costs_no_others(
    acme: Lab, module: str, said: str
) -> None:
    (acme.path / "site" / "acme" / "experiments.py").write_text(module)
    listed = acme.command("list")
    assert listed.returncode == 0 and "exp_3  (" in listed.stdout and "greeting" not in listed.stdout
    assert listed.stderr.startswith(f"WARNING: Entry point acme = acme.experiments:Acme of acme 1.0{said}")
    assert listed.stderr.endswith(" Its experiments are left out.\n") and listed.stderr.count("\n") == 1
    asked = acme.command("run", "--exp", "greeting")
    assert asked.returncode == 4 and "Unknown experiment 'greeting'" in asked.stdout + asked.stderr


def test_a_package_that_fails_to_say_what_was_published_costs_no_report(acme: Lab) -> None:
    with (acme.path / "site" / "acme" / "experiments.py").open("a") as file:
        file.write("\n    def published(self, experiment, metrics):\n        return metrics[99]\n")
    assert acme.command("run", "--exp", "greeting").returncode == 0
    done = acme.command("report", "--out", "report.md")
    assert done.returncode == 0 and (acme.path / "report.md").is_file()
    assert "The package of experiments 'acme' raised IndexError" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "words", "said"),
    [
        (
            "engine.py",
            ["run", "--exp", "exp_3", "--fast", "--engine", "monologue"],
            "Entry point monologue = acme.engine:FACTORY of acme 1.0 raised ",
        ),
        (
            "provider.py",
            ["run", "--exp", "exp_3", "--fast", "--model", "parrot"],
            "Entry point parrot = acme.provider:parrot of acme 1.0 raised ",
        ),
    ],
)
def test_a_broken_entry_point_names_its_distribution(
    acme: Lab, file: str, words: list[str], said: str
) -> None:
    (acme.path / "site" / "acme" / file).write_text("import not_there\n")
    refused = acme.command(*words)
    assert refused.returncode == 4
    assert f"{said}ModuleNotFoundError: No module named 'not_there'" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
