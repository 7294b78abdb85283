"""Which edits change the identity of a function, and which do not."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import linecache
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.records.registry.code_store import changes
from harness.runtime.code.identity import HIDDEN, CodeIdentity, CodeReader

METRICS = '''"""Metrics."""
import functools
import json
import os
from statistics import mean

import helpers
from helpers import weigh, WEIGHTS as W
import pieces.words as words

LIMIT = 3
TABLE = {"a": 1}
TABLE["b"] = 2
SEEN = []
RUNS = 0
HERE = os.path.dirname(__file__)
LOADED = json.load(open(os.path.join(HERE, "data.json")))
UNUSED = 1
API_KEY = "sk-1234567890abcdefghij"


class Base:
    factor = 2


class Scale(Base):
    """What is scaled."""

    def __init__(self, by):
        self.by = by

    def __call__(self, said):
        return len(said) * self.by * self.factor


def times(number):
    def decorate(function):
        @functools.wraps(function)
        def wrapped(said):
            return number * function(said)

        return wrapped

    return decorate


@times(2)
def metric(said):
    """How much was said."""
    # so many
    global RUNS
    RUNS += 1
    SEEN.append(len(said))
    unused = [UNUSED for UNUSED in said]
    return min(LIMIT, mean([len(said)])) + TABLE["a"] + weigh(said) + LOADED["x"] + words.count(said) + len(API_KEY)


def late(said):
    from helpers import lazy

    return lazy(said)


scaled = Scale(3)
partial = functools.partial(Scale, 4)
short, long = (lambda said: 1), (lambda said: LIMIT)


class Agent:
    def __init__(self):
        self.tools = {}

    def tool(self, function):
        self.tools[function.__name__] = function
        return function

    def named(self, name):
        return self.tool


agent = Agent()


@agent.tool
def look_up(said):
    """Look it up."""
    return "found"


@agent.named("other")
def ask_around(said):
    return "asked"


def uses_tools(said):
    return agent.tools["look_up"](said)


factor = [6, 8]
scales = [Scale(6), Scale(8)]


def many(said):
    return sum(scale(said) for scale in scales)


def made(number):
    return lambda said: number + helpers.OFFSET
'''
HELPERS = """import re
OFFSET = 1
WEIGHTS = {"talk": 2}
PATTERN = re.compile("a+")

def weigh(said):
    return len(said) * WEIGHTS["talk"]

def lazy(said):
    return deeper(said)

def deeper(said):
    return 5

def unrelated():
    return 0
"""
WORDS = """FEW = 1

def count(said):
    return FEW

def other(said):
    return 2
"""
FILES = {"metrics.py": METRICS, "helpers.py": HELPERS, "pieces/__init__.py": "", "pieces/words.py": WORDS}
FILES["data.json"] = '{"x": 1}'

_folders = itertools.count()
Identify = Callable[..., CodeIdentity]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., ModuleType]]:
    """Writes a small project, with edits as (file, old, new), and loads its module ``metrics``."""
    ours = ("metrics", "helpers", "pieces", "pieces.words")
    before = list(sys.path)

    def load(*edits: tuple[str, str, str], encode: Callable[[str], bytes] = str.encode) -> ModuleType:
        folder = tmp_path / f"at{next(_folders)}"
        for name, text in FILES.items():
            for _, old, new in (edit for edit in edits if edit[0] == name):
                assert old in text
                text = text.replace(old, new)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(encode(text))
        sys.path[:] = [str(folder), *before]
        importlib.invalidate_caches()
        for name in ours:
            sys.modules.pop(name, None)
        return importlib.import_module("metrics")

    yield load
    sys.path[:] = before
    for name in ours:
        sys.modules.pop(name, None)


def of(module: ModuleType, name: str) -> str:
    return CodeReader().identify(getattr(module, name)).sha256


CHANGING = [
    ("metric", "metrics.py", "LIMIT = 3", "LIMIT = 4"),
    ("metric", "metrics.py", "return min(LIMIT", "return max(LIMIT"),
    ("metric", "metrics.py", '["b"] = 2', '["b"] = 3'),
    ("metric", "metrics.py", "@times(2)", "@times(3)"),
    ("metric", "metrics.py", "return number * function(said)", "return number + function(said)"),
    ("metric", "metrics.py", "from statistics import mean", "from statistics import median as mean"),
    ("metric", "helpers.py", '{"talk": 2}', '{"talk": 3}'),
    ("metric", "helpers.py", 'len(said) * WEIGHTS["talk"]', 'WEIGHTS["talk"]'),
    ("metric", "pieces/words.py", "FEW = 1", "FEW = 2"),
    ("metric", "data.json", '"x": 1', '"x": 2'),
    ("late", "helpers.py", "return 5", "return 6"),
    ("scaled", "metrics.py", "scaled = Scale(3)", "scaled = Scale(5)"),
    ("scaled", "metrics.py", "factor = 2", "factor = 3"),
    ("partial", "metrics.py", "partial(Scale, 4)", "partial(Scale, 5)"),
    ("partial", "metrics.py", "self.by * self.factor", "self.by"),
    ("long", "metrics.py", "(lambda said: LIMIT)", "(lambda said: LIMIT + 1)"),
    ("long", "metrics.py", "LIMIT = 3", "LIMIT = 4"),
    ("metric", "metrics.py", 'API_KEY = "sk-1234567890abcdefghij"', 'API_KEY = "name"'),
    ("many", "metrics.py", "Scale(8)", "Scale(7)"),
    ("uses_tools", "metrics.py", 'return "found"', 'return "not found"'),
    ("uses_tools", "metrics.py", "Look it up.", "Look everything up."),
    ("uses_tools", "metrics.py", 'return "asked"', 'return "not asked"'),
]
KEEPING = [
    ("metric", "metrics.py", "    # so many\n", "    # very many, or few\n\n\n"),
    ("metric", "metrics.py", '"""How much was said."""', '"""How many words."""'),
    ("metric", "metrics.py", "UNUSED = 1", "UNUSED = 2"),
    ("metric", "metrics.py", "return min(LIMIT, mean(", "return min( LIMIT,\n        mean("),
    ("metric", "metrics.py", "sk-1234567890abcdefghij", "sk-0987654321abcdefghij"),
    ("metric", "metrics.py", "self.by = by", "self.by = by + 1"),
    ("metric", "metrics.py", "import json\nimport os\n", "import os\nimport json\nimport re\n"),
    ("metric", "helpers.py", "return 0", "return 1"),
    ("metric", "helpers.py", "OFFSET = 1", "OFFSET = 2"),
    ("metric", "pieces/words.py", "return 2", "return 3"),
    ("late", "helpers.py", "return 0", "return 1"),
    ("short", "metrics.py", "(lambda said: LIMIT)", "(lambda said: LIMIT + 1)"),
    ("short", "metrics.py", "LIMIT = 3", "LIMIT = 4"),
    ("scaled", "metrics.py", '"""Metrics."""', '"""Measures."""'),
    ("metric", "metrics.py", 'return "found"', 'return "not found"'),
]


@pytest.mark.parametrize(("name", "file", "old", "new"), CHANGING)
def test_what_a_function_uses_changes_its_identity(
    project: Callable[..., ModuleType], name: str, file: str, old: str, new: str
) -> None:
    assert of(project(), name) != of(project((file, old, new)), name)


@pytest.mark.parametrize(("name", "file", "old", "new"), KEEPING)
def test_what_makes_no_difference_keeps_the_identity(
    project: Callable[..., ModuleType], name: str, file: str, old: str, new: str
) -> None:
    assert of(project(), name) == of(project((file, old, new)), name)


@pytest.mark.parametrize("name", ["metric", "late", "scaled", "partial", "short"])
def test_folder_and_line_endings_do_not_count(project: Callable[..., ModuleType], name: str) -> None:
    def windows(text: str) -> bytes:
        return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() if '"x"' not in text else text.encode()

    assert of(project(), name) == of(project(encode=windows), name)


def test_where_a_file_that_is_handed_over_lies_does_not_count() -> None:
    def of_path(path: str) -> str:
        return CodeReader().identify(functools.partial(max, Path(path))).sha256

    assert of_path("/one/scenario.yaml") == of_path("/one/batches/two/scenario.yaml")
    assert of_path("/one/scenario.yaml") != of_path("/one/other.yaml")


def test_what_code_changes_while_it_runs_does_not_count(project: Callable[..., ModuleType]) -> None:
    module = project()
    before = of(module, "metric")
    module.metric(["a", "b"])
    assert module.SEEN == [2]
    assert module.RUNS == 1
    assert of(module, "metric") == before


def test_a_value_put_in_by_another_module_counts(project: Callable[..., ModuleType]) -> None:
    module = project()
    before = of(module, "metric")
    module.LIMIT = 9
    assert of(module, "metric") != before


def test_loading_a_module_that_only_a_function_imports_does_not_count(
    project: Callable[..., ModuleType],
) -> None:
    module = project(
        (
            "metrics.py",
            "import helpers\nfrom helpers import weigh, WEIGHTS as W\n",
            "def weigh(said): return 1\n",
        )
    )
    assert "helpers" not in sys.modules
    before = of(module, "late")
    module.late([])
    assert "helpers" in sys.modules
    assert of(module, "late") == before


def test_closures_count_by_what_they_hold(project: Callable[..., ModuleType]) -> None:
    made: Any = project().made
    reader = CodeReader()
    assert reader.identify(made(1)) == reader.identify(made(1))
    assert reader.identify(made(1)) != reader.identify(made(2))


def test_methods_count_with_their_class_and_object(project: Callable[..., ModuleType]) -> None:
    module: Any = project()
    reader = CodeReader()
    assert reader.identify(module.Scale(1).__call__) == reader.identify(module.Scale(1).__call__)
    assert reader.identify(module.Scale(1).__call__) != reader.identify(module.Scale(2).__call__)


def test_docstrings_count_where_the_code_reads_them(project: Callable[..., ModuleType]) -> None:
    reads = ("metrics.py", "return min(LIMIT", "return len(metric.__doc__) + min(LIMIT")
    edit = ("metrics.py", '"""How much was said."""', '"""How many words."""')
    assert of(project(reads), "metric") != of(project(reads, edit), "metric")


def test_changes_are_named_with_a_short_diff(project: Callable[..., ModuleType]) -> None:
    then = CodeReader().identify(project().metric).readable
    now = CodeReader().identify(project(("helpers.py", '{"talk": 2}', '{"talk": 3}')).metric).readable
    names, lines = changes(then, now)
    assert names == ["helpers.WEIGHTS"]
    assert lines == ["-WEIGHTS = {'talk': 2}", "+WEIGHTS = {'talk': 3}"]


def test_keys_are_not_kept_with_the_source(project: Callable[..., ModuleType]) -> None:
    call = ("metrics.py", "+ len(API_KEY)", '+ len(dict(token="abc", other="sk-aaaabbbbccccddddeeeeffff"))')
    for edits in ((), (call,)):
        kept = str(CodeReader().identify(project(*edits).metric).readable)
        assert HIDDEN in kept
        assert "sk-" not in kept
        assert "'abc'" not in kept


def test_code_from_the_environment_counts_but_is_not_kept(
    project: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = ("metrics.py", "LIMIT = 3", 'LIMIT = int(os.environ["LIMIT_OF_TEST"])')
    monkeypatch.setenv("LIMIT_OF_TEST", "987654321")
    then = CodeReader().identify(project(edit).metric)
    monkeypatch.setenv("LIMIT_OF_TEST", "4")
    assert CodeReader().identify(project(edit).metric) != then
    assert "987654321" not in str(then.readable)


def interactive(text: str, name: str, namespace: dict[str, Any], *, source: bool = True) -> None:
    """Run a cell as a notebook does, or, without ``source``, as a plain prompt does."""
    file = f"<cell {name}>"
    if source:
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), namespace)


@pytest.mark.parametrize("source", [True, False])
def test_interactive_definitions_are_identified(source: bool) -> None:
    def session(limit: int, helped: str = "len(said)") -> CodeIdentity:
        namespace: dict[str, Any] = {"__name__": "notebook_of_test"}
        interactive(f"LIMIT = {limit}", f"1 {limit}", namespace, source=source)
        interactive(f"def helper(said):\n    return {helped}", f"2 {helped}", namespace, source=source)
        interactive("def metric(said):\n    return LIMIT + helper(said)", "3", namespace, source=source)
        return CodeReader().identify(namespace["metric"])

    assert session(1) == session(1)
    assert session(1) != session(2)
    assert session(1) != session(1, "len(said) + 1")


def test_installed_code_counts_by_its_name_alone() -> None:
    reader = CodeReader()
    assert reader.identify(functools.reduce) == reader.identify(functools.reduce)
    assert list(reader.identify(importlib.util.find_spec).definitions) == ["importlib.util.find_spec"]


def test_the_packaged_engine_and_plays_are_identified_whole() -> None:
    from harness.engines.embedded import EmbeddedEngine
    from harness.experiments.cooperation.experiment import play

    reader = CodeReader()
    assert {"prompts._BE", "schemas.turn"} <= reader.identify(EmbeddedEngine).definitions.keys()
    assert "prompts.decision_message" in reader.identify(play).definitions


def test_the_packaged_plays_keep_their_identity_when_all_their_modules_are_loaded() -> None:
    """In a process of its own: what a session loads late must not change what the next one compares."""
    script = """
import importlib, pkgutil, sys
import harness.experiments
from harness.guests import registered
from harness.runtime.code.identity import CodeReader
plays = [one.play.function for guest in registered().values() for one in guest.values() if one.play]
before = [CodeReader().identify(play) for play in plays]
loaded = len(sys.modules)
for found in pkgutil.walk_packages(harness.experiments.__path__, "harness.experiments."):
    importlib.import_module(found.name)
assert len(sys.modules) > loaded
assert [CodeReader().identify(play) for play in plays] == before
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_everything_that_a_star_brings_is_followed(project: Callable[..., ModuleType]) -> None:
    star = (
        "metrics.py",
        "from helpers import weigh, WEIGHTS as W\n",
        "from pieces import *\nfrom helpers import *\n",
    )
    edit = ("helpers.py", '{"talk": 2}', '{"talk": 3}')
    assert of(project(star), "metric") != of(project(star, edit), "metric")


def test_each_of_several_objects_of_a_class_counts(project: Callable[..., ModuleType]) -> None:
    made: Any = project().made

    def of_all(*numbers: int) -> str:
        every = [made(number) for number in numbers]
        return CodeReader().identify(functools.partial(max, every)).sha256

    assert of_all(1, 2) == of_all(1, 2)
    assert of_all(1, 2) != of_all(1, 3)


def test_code_that_cannot_be_looked_at_counts_as_a_whole_module() -> None:
    class Odd:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __call__(self, said: Any) -> int:
            return 1

    deep = "value = " + "+".join(["x"] * 3_000)
    namespace: dict[str, Any] = {"x": 1, "__name__": "deep_of_test"}
    linecache.cache["<deep>"] = (len(deep), None, ["def metric(said):\n", f"    {deep}\n"], "<deep>")
    exec(compile("def metric(said): return 1", "<deep>", "exec"), namespace)
    for thing in (Odd(), namespace["metric"]):
        assert CodeReader().identify(thing) == CodeReader().identify(thing)


def test_an_object_with_a_text_of_its_own_counts_by_it() -> None:
    class Placed:
        def __init__(self, folder: str, limit: int) -> None:
            self.folder, self.limit = folder, limit

        def __str__(self) -> str:
            return f"limit {self.limit}"

        def __call__(self, said: Any) -> int:
            return self.limit

    reader = CodeReader()
    assert reader.identify(Placed("here", 1)) == reader.identify(Placed("there", 1))
    assert reader.identify(Placed("here", 1)) != reader.identify(Placed("here", 2))
