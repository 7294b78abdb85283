"""The layer table of the design, held against every import of the package."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from harness.extras import EXTRAS, extra_of
from tests.support.sessions import environment

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "harness"
LAYERS = (
    {"addresses", "console", "entry_points", "errors", "extras", "model", "text_files", "user_code"},
    {"personas", "gateway", "records", "stats", "telemetry"},
    {"engines", "checks", "guests", "humans", "questionnaires", "reports", "runner"},
    {"runtime", "experiments", "batches"},
    {"plugin", "cli", "api", "__init__"},
)
LAYER = {part: number for number, parts in enumerate(LAYERS) for part in parts}
STRANGERS = 1
"""The layer whose packages do not import each other; elsewhere neighbours may."""
SDKS = {"anthropic", "boto3", "botocore", "dask", "google", "httpx2", "langsmith", "openai", "sentry_sdk"}
PYTESTS = {"pytest", "_pytest", "pluggy", "xdist", "pytest_repeat", "pytest_rerunfailures"}
HEAVY = (
    "anthropic", "boto3", "duckdb", "httpx2", "jsonschema", "matplotlib", "nbformat", "numpy", "openai", "pydantic",
    "pydantic_ai", "rich", "scipy", "sqlite3", "starlette", "typer", "uvicorn",
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


def test_every_package_has_a_layer() -> None:
    assert {part_of(name_of(path)) for path in modules()} <= LAYER.keys()


def layer_of(module: str) -> int | None:
    """The layer of a module of ours; ``None`` for another library. A guest's commands belong to the outermost."""
    if module.split(".")[0] != "harness" or module == "harness":
        return None
    if guest_of(module) and module.split(".")[3:4] == ["commands"]:
        return LAYER["cli"]
    return LAYER.get(part_of(module))


def guest_of(module: str) -> str | None:
    """The guest that a module belongs to."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["harness", "experiments"] and len(parts) > 2 else None


def points_up(module: str, imported: str) -> bool:
    ours, theirs = layer_of(module), layer_of(imported)
    return ours is not None and theirs is not None and ours < theirs


def strangers_meet(module: str, imported: str) -> bool:
    same_layer = layer_of(module) == layer_of(imported) == STRANGERS
    return same_layer and part_of(module) != part_of(imported)


def names_a_guest(module: str, imported: str) -> bool:
    """What the kernel, or another guest, has of a guest comes by entry points."""
    return guest_of(imported) not in (None, guest_of(module))


def guest_reaches_in(module: str, imported: str) -> bool:
    """A guest has the layers below it and what its entry points need of `harness.batches`; its commands have all."""
    own = guest_of(module) is not None and layer_of(module) == LAYER["experiments"]
    return own and (part_of(imported) == "runtime" or imported.split(".")[0] in SDKS)


def pytest_outside_the_plugin(module: str, imported: str) -> bool:
    return imported.split(".")[0] in PYTESTS and part_of(module) != "plugin"


def knows_too_much(module: str, imported: str) -> bool:
    """Parts that must not know some of what lies below them."""
    never = {
        "harness.engines": (
            "harness.records",
            "harness.stats",
            "harness.gateway.gateway",
            "harness.gateway.providers",
        ),
        "harness.reports": (  # of the gateway they read the journal only
            "harness.gateway.gateway",
            "harness.gateway.providers",
            "harness.gateway.server",
            "harness.engines",
            "harness.personas",
        ),
        "harness.gateway.gateway": tuple(SDKS),
    }
    return any(
        f"{module}.".startswith(f"{ours}.") and f"{imported}.".startswith(tuple(f"{one}." for one in theirs))
        for ours, theirs in never.items()
    )


RULES = (
    points_up,
    strangers_meet,
    names_a_guest,
    guest_reaches_in,
    pytest_outside_the_plugin,
    knows_too_much,
)


@pytest.mark.parametrize("rule", RULES)
def test_no_import_breaks_a_rule(rule: Callable[[str, str], bool]) -> None:
    assert not [place for module, imported, place in all_imports() if rule(module, imported)]


@pytest.mark.parametrize(
    ("rule", "module", "imported"),
    [
        (points_up, "harness.model.design", "harness.records.merge"),
        (points_up, "harness.runtime.plan", "harness.plugin.options"),
        (points_up, "harness.experiments.payments.config", "harness.cli.app"),
        (strangers_meet, "harness.gateway.gateway", "harness.records.merge"),
        (names_a_guest, "harness.cli.report", "harness.experiments.table1"),
        (names_a_guest, "harness.experiments.payments.config", "harness.experiments.table1.table"),
        (guest_reaches_in, "harness.experiments.payments.config", "harness.runtime.plan"),
        (guest_reaches_in, "harness.experiments.payments.config", "openai"),
        (pytest_outside_the_plugin, "harness.runtime.plan", "_pytest.config"),
        (knows_too_much, "harness.engines.embedded.judge", "harness.records"),
    ],
)
def test_each_rule_finds_an_import_that_breaks_it(
    rule: Callable[[str, str], bool], module: str, imported: str
) -> None:
    assert rule(module, imported)


def circles(imported_by: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Modules that import each other, however indirectly."""
    import networkx

    graph = networkx.DiGraph([(one, other) for one, others in imported_by.items() for other in others])
    return [found for found in networkx.strongly_connected_components(graph) if len(found) > 1]


def test_modules_import_each_other_in_no_circle() -> None:
    ours = {name_of(path) for path in modules()}
    found: dict[str, set[str]] = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                names = whole & ours or {str(node.module)}
            else:
                continue
            found.setdefault(name_of(path), set()).update(names & ours - {name_of(path)})
    assert not circles(found)


def test_a_circle_over_three_modules_is_found() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["a", "d"]}) == [{"a", "b", "c"}]


def test_every_class_has_a_name_of_its_own() -> None:
    names = Counter(
        node.name
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert not {name for name, times in names.items() if times > 1}


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
