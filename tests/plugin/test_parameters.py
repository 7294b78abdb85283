"""Parameters of a test that do not shape its cell are refused, since their cases would show the same trials."""

from __future__ import annotations

import pytest

from tests.support.sessions import SMALL, Lab

HEAD, TEST = SMALL.split("\n\n\n@pytest.mark.experiment(small)\n")
TONES = '@pytest.mark.parametrize("tone", ["kind", "rude"])\n'
PLAIN = f"{HEAD}\n\n\n{TONES}@pytest.mark.experiment(small)\ndef test_small(cell, tone):\n    cell.run()\n"
IN_A_CLASS = f"""{HEAD}


{TONES}class TestSmall:
    @pytest.mark.experiment(small)
    def test_small(self, cell, tone):
        cell.run()
"""
AUTOUSE = f"""{HEAD}


@pytest.fixture(autouse=True, params=["kind", "rude"])
def tone(request):
    return request.param


@pytest.mark.experiment(small)
def test_small(cell):
    cell.run()
"""
USED = """

@pytest.fixture
def interventions(tone):
    return (Intervention("nudge", "Be {}.".format(VALUE)),)
"""
DYNAMIC = """

@pytest.fixture
def interventions(interventions, request):
    request.getfixturevalue("tone")
    return interventions


@pytest.fixture
def tone(request):
    return request.param
"""
RENAMED = """

@pytest.fixture
def experiment(experiment, tone):
    import dataclasses
    return dataclasses.replace(experiment, name=tone)
"""


@pytest.mark.parametrize(
    ("source", "test"),
    [
        (PLAIN, "test_small.py::test_small"),
        (IN_A_CLASS, "test_small.py::TestSmall::test_small"),
        (AUTOUSE, "test_small.py::test_small"),
        (PLAIN.replace(TONES, USED.replace("VALUE", "'fair'") + "\n\n" + TONES), "test_small.py::test_small"),
        (
            PLAIN.replace(TONES, DYNAMIC + "\n\n" + TONES.replace("])", "], indirect=True)")),
            "test_small.py::test_small",
        ),
    ],
    ids=["argument", "class", "autouse", "used-without-effect", "asked-for-by-name"],
)
@pytest.mark.parametrize("options", [(), ("--count=2",)])
def test_a_parameter_without_effect_is_refused(
    lab: Lab, source: str, test: str, options: tuple[str, ...]
) -> None:
    lab.write(source)
    result = lab.run(*options)
    assert result.ret == 4
    said = result.stderr.str() + result.stdout.str()
    assert said.count(f"{test} is parametrized by 'tone', which changes nothing in its cell: 2 cases") == 1
    assert not lab.watched.calls


def test_a_parameter_is_refused_where_cases_are_not_prepared_ahead(lab: Lab) -> None:
    teardown = "\n\n@pytest.fixture\ndef engine(engine):\n    yield engine\n"
    lab.write(PLAIN + teardown)
    result = lab.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*is parametrized by 'tone', which changes nothing in its cell*"])
    assert not lab.watched.calls


def test_a_parameter_of_which_one_value_is_selected_is_fine(lab: Lab) -> None:
    lab.write(PLAIN)
    lab.run("-k", "kind").assert_outcomes(passed=2)


def test_a_parameter_that_shapes_the_cell_plays_each_value(lab: Lab) -> None:
    lab.write(PLAIN.replace(TONES, RENAMED + "\n\n" + TONES))
    lab.run().assert_outcomes(passed=4)
    assert {trial.split("/")[0] for trial in lab.watched.calls} == {"kind", "rude"}


def test_two_settings_of_one_arm_are_refused_as_such(lab: Lab) -> None:
    lab.write(PLAIN.replace(TONES, USED.replace("VALUE", "tone") + "\n\n" + TONES))
    result = lab.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*of small has two different setups in one session:*"])


def test_two_tests_of_one_cell_say_that_its_trials_were_played_once(lab: Lab) -> None:
    lab.write(SMALL + "\n\n@pytest.mark.experiment(small)\ndef test_again(cell):\n    cell.run()\n")
    result = lab.run()
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["2 cases share their trials with another case; each trial ran once."])
    assert set(lab.watched.per_trial.values()) == {4}
