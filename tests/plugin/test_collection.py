"""A session of experiments alone does not build the items of other tests, and loses none that it would run."""

from __future__ import annotations

import pytest

from tests.support.sessions import Lab

BESIDE = """
import pytest, unittest

EXPANDED = []

@pytest.mark.parametrize("value", range(50), ids=lambda value: EXPANDED.append(value))
def test_plain(value): pass

class TestClass:
    @pytest.mark.parametrize("value", {"a": 1, "b": 2}.items())
    def test_method(self, value): pass

class TestOld(unittest.TestCase):
    def test_old(self): pass

@pytest.mark.slow
def test_slow(): pass
"""


@pytest.fixture
def mixed(lab: Lab) -> Lab:
    lab.write(test_beside=BESIDE)
    lab.pytester.makeini("[pytest]\nmarkers = slow: takes long")
    return lab


@pytest.mark.parametrize("expression", ["experiment", "experiment and not slow"])
def test_other_functions_are_neither_parametrized_nor_repeated(mixed: Lab, expression: str) -> None:
    result = mixed.run("--count", "2", "-m", expression)
    result.assert_outcomes(passed=4, deselected=1)  # the class of unittest is collected as ever


def test_an_expression_that_others_meet_too_keeps_them(mixed: Lab) -> None:
    mixed.run("--count", "2", "-m", "experiment or slow").assert_outcomes(
        passed=4 + 2, deselected=106 - 1 - 2 + 2
    )


def test_a_test_named_by_its_node_id_is_deselected_and_not_missing(mixed: Lab) -> None:
    result = mixed.run("test_beside.py::test_slow")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.assert_outcomes(deselected=1)


MARKED = {
    "function": "@pytest.mark.experiment\ndef test_it(): pass",
    "class": "@pytest.mark.experiment\nclass TestIt:\n    def test_it(self): pass",
    "base class": (
        "@pytest.mark.experiment\nclass Base: pass\nclass TestIt(Base):\n    def test_it(self): pass"
    ),
    "module": "pytestmark = pytest.mark.experiment\ndef test_it(): pass",
    "parameter set": (
        "@pytest.mark.parametrize('one', [1, pytest.param(2, marks=pytest.mark.experiment)])\n"
        "def test_it(one): assert one == 2"
    ),
    "parameter set of an iterator": (
        "@pytest.mark.parametrize('one', (pytest.param(n, marks=pytest.mark.experiment) for n in [2]))\n"
        "def test_it(one): assert one == 2"
    ),
    "the module's hook": (
        "def pytest_generate_tests(metafunc):\n"
        "    metafunc.parametrize('one', [pytest.param(2, marks=pytest.mark.experiment)])\n"
        "def test_it(one): assert one == 2"
    ),
}


@pytest.mark.parametrize("source", MARKED.values(), ids=MARKED.keys())
def test_a_mark_counts_wherever_it_is(lab: Lab, source: str) -> None:
    lab.pytester.makepyfile(test_small=f"import pytest\n{source}")
    assert lab.run("--collect-only", "-q").outlines[0].startswith("test_small.py::")


@pytest.mark.parametrize(
    "hook",
    [
        "def pytest_collection_modifyitems(items):\n    [one.add_marker('experiment') for one in items]",
        "def pytest_itemcollected(item):\n    item.add_marker('experiment')",
    ],
)
def test_a_mark_that_a_conftest_adds_later_counts(lab: Lab, hook: str) -> None:
    lab.pytester.makeconftest(f"import pytest\n@pytest.hookimpl(tryfirst=True)\n{hook}")
    lab.pytester.makepyfile(test_small="def test_it(): pass")
    lab.run().assert_outcomes(passed=1)


def test_a_generator_is_refused_and_a_callable_that_is_no_function_is_warned_of(lab: Lab) -> None:
    lab.pytester.makepyfile(test_small="class Call:\n    def __call__(self): pass\ntest_call = Call()")
    lab.run().stdout.fnmatch_lines(["*cannot collect 'test_call' because it is not a function.*"])
    lab.pytester.makepyfile(test_small="def test_yields():\n    yield")
    lab.run().assert_outcomes(errors=1)
