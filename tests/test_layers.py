"""The layer table of the design, held against every import of the package."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.extras import EXTRAS, extra_of
from tests.support.sessions import environment

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "harness"
LAYERS = (
    {"addresses", "console", "entry_points", "errors", "extras", "model", "text_files", "user_code"},
    {"personas", "gateway", "records", "stats", "telemetry"},
    {"engines", "checks", "guests", "reports", "runner"},
    {"runtime", "experiments", "batches"},
    {"plugin", "cli", "api", "__init__"},
)
LAYER = {part: number for number, parts in enumerate(LAYERS) for part in parts}
STRANGERS = 1
"""The layer whose packages do not import each other; elsewhere neighbours may."""
SDKS = {"openai", "anthropic", "httpx2", "langsmith", "sentry_sdk", "dask"}
HEAVY = (
    "anthropic", "duckdb", "httpx2", "jsonschema", "matplotlib", "nbformat", "numpy", "openai", "pydantic", "rich",
    "scipy", "sqlite3", "starlette", "typer", "uvicorn",
)  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def part_of(module: str) -> str:
    """The layer's name for a dotted module of ours: its second part; the package itself is ``__init__``.

    A guest's commands belong to the command line.
    """
    parts = module.split(".")
    if parts[1:2] == ["experiments"] and parts[3:4] == ["commands"]:
        return "cli"
    return parts[1] if len(parts) > 1 else "__init__"


class WithoutTypes(ast.NodeTransformer):
    """Takes out what only a type checker imports."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        only_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if only_types else self.generic_visit(node)


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module imported in ``tree``, however deep, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a module belongs"
            assert node.module is not None
            yield node.module, node.lineno
            if node.module == "harness":
                yield from ((f"harness.{alias.name}", node.lineno) for alias in node.names)


@functools.cache
def all_imports(*, types: bool = True) -> tuple[tuple[str, str, str], ...]:
    """(our module, what it imports, where it stands); without ``types`` what happens when it runs."""
    return tuple(
        (name_of(path), imported, f"{path.relative_to(ROOT)}:{line}: imports {imported}")
        for path in modules()
        for tree in [ast.parse(path.read_text("utf-8"))]
        for imported, line in imports(tree if types else WithoutTypes().visit(tree))
    )


def inner() -> Iterator[tuple[str, str, str]]:
    for module, imported, place in all_imports():
        if imported.split(".")[0] == "harness" and imported != "harness":
            yield module, imported, place


def test_every_package_has_a_layer() -> None:
    assert {part_of(name_of(path)) for path in modules()} <= LAYER.keys()


def test_imports_point_down() -> None:
    assert not [
        place
        for module, imported, place in inner()
        if LAYER[part_of(module)] < LAYER.get(part_of(imported), 0)
    ]


def test_packages_of_the_first_layer_do_not_know_each_other() -> None:
    assert not [
        place
        for module, imported, place in inner()
        if part_of(module) != part_of(imported)
        and LAYER[part_of(module)] == LAYER.get(part_of(imported)) == STRANGERS
    ]


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("harness.experiments", ("harness.runtime", "harness.plugin", "harness.cli", *SDKS)),
        (
            "harness.engines",
            ("harness.records", "harness.stats", "harness.gateway.gateway", "harness.gateway.providers"),
        ),
        ("harness.reports", ("harness.gateway", "harness.engines", "harness.personas")),
        ("harness.gateway.gateway", tuple(SDKS)),
    ],
)
def test_what_a_part_must_not_know(module: str, never: tuple[str, ...]) -> None:
    assert not [
        place
        for ours, imported, place in all_imports()
        if f"{ours}.".startswith(f"{module}.")
        and not (module == "harness.experiments" and part_of(ours) == "cli")
        and f"{imported}.".startswith(tuple(f"{name}." for name in never))
    ]


def test_only_the_plugin_imports_pytest() -> None:
    private = ("pytest", "_pytest", "pluggy", "xdist", "pytest_repeat", "pytest_rerunfailures")
    found = {part_of(module) for module, imported, _ in all_imports() if imported.split(".")[0] in private}
    assert found <= {"plugin"}


def test_pytests_private_parts_are_needed_in_one_module() -> None:
    users = {module for module, imported, _ in all_imports() if imported.split(".")[0] == "_pytest"}
    assert users <= {"harness.plugin.internals"}


@pytest.mark.parametrize("sdk", sorted(SDKS))
def test_a_vendors_sdk_stands_in_one_file(sdk: str) -> None:
    users = {module for module, imported, _ in all_imports(types=False) if imported.split(".")[0] == sdk}
    assert len(users) <= 1


def test_layer_zero_needs_the_standard_library_alone() -> None:
    foreign = {imported.split(".")[0] for module, imported, _ in all_imports() if LAYER[part_of(module)] == 0}
    assert foreign - {"harness"} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    "code",
    [
        "import harness",
        "import harness, harness.plugin",
        "from harness import Experiment, Group, Script, Proposition, Measure, Persona, Mode, Correction",
        "import harness.guests; harness.guests.guests()",
    ],
)
def test_heavy_libraries_are_not_loaded_at_the_start(code: str) -> None:
    ask = f"{code}; import sys; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_a_session_without_experiments_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text(
        f"import sys\ndef test_plain(): assert not set({HEAVY!r}) & set(sys.modules), sys.modules.keys()\n"
        "def test_ours(): assert 'harness.runtime.session' not in sys.modules\n"
    )
    light = [f"-pno:{name}" for name in ("langsmith_plugin", "hypothesispytest", "anyio", "cacheprovider")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *light],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_core_imports_no_library_of_an_extra() -> None:
    optional = {library for libraries in EXTRAS.values() for library in libraries}
    assert not [
        place
        for module, imported, place in all_imports(types=False)
        if (library := imported.split(".")[0]) in optional
        and library not in EXTRAS.get(extra_of(module) or "", ())
    ]


def test_there_are_no_drawers_for_this_and_that() -> None:
    assert not [
        path.name for path in modules() if path.stem in ("utils", "helpers", "misc", "common", "base")
    ]
