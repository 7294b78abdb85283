"""Which cases there are, under which names, and how often."""

from __future__ import annotations

import pytest

from tests.support.sessions import SMALL, Lab


def listed(lab: Lab, *options: str) -> list[str]:
    result = lab.run("--collect-only", "-q", *options)
    return [line.partition("[")[2].rstrip("]") for line in result.outlines if "::" in line]


@pytest.mark.parametrize(
    ("options", "source", "expected"),
    [
        pytest.param(["--count", "2"], SMALL, 2, id="count"),
        pytest.param([], SMALL, 1, id="the default mode's reps"),
        pytest.param(["--mode", "long"], SMALL, 3, id="the mode's reps"),
        pytest.param(["--mode", "long", "--count", "1"], SMALL, 1, id="an explicit 1 counts"),
        pytest.param(["--mode", "long", "--count=1"], SMALL, 1, id="an explicit =1 counts"),
        pytest.param(["--mode", "long", "--count", "2"], SMALL, 2, id="count over mode"),
        pytest.param(
            [],
            SMALL.replace("@pytest.mark.exp", "@pytest.mark.repeat(2)\n@pytest.mark.exp"),
            2,
            id="repeat marker",
        ),
        pytest.param(
            ["--mode", "long"],
            SMALL.replace("@pytest.mark.exp", "@pytest.mark.repeat(1)\n@pytest.mark.exp"),
            1,
            id="repeat marker of 1",
        ),
    ],
)
def test_a_case_per_group_and_repetition_named_by_all_three(
    lab: Lab, options: list[str], source: str, expected: int
) -> None:
    lab.write(source)
    reps = [f"{rep}-{expected}" for rep in range(1, expected + 1)]
    assert sorted(listed(lab, *options)) == [
        f"small-{group}-{rep}" for group in ("Control", "Treatment") for rep in reps
    ]


def test_the_registered_experiments_have_four_cases_for_two_repetitions(lab: Lab) -> None:
    lab.write(
        "import pytest\n@pytest.mark.experiment('exp_1', 'exp_3')\ndef test_table1(cell):\n    cell.run()\n"
    )
    expected = [f"exp_3-{group}-{rep}-2" for group in ("Control", "Treatment") for rep in (1, 2)]
    assert sorted(listed(lab, "--count", "2", "-k", "exp_3")) == expected


def test_the_count_option_in_addopts_counts_too(lab: Lab) -> None:
    lab.pytester.makeini("[pytest]\naddopts = --count 2")
    assert len(listed(lab, "--mode", "long")) == 4


def test_each_repetition_is_numbered_from_one_whoever_numbers_it(lab: Lab) -> None:
    lab.write(SMALL.replace("def test_small(cell):", "def test_small(cell, rep):\n    print('rep', rep)"))
    for options in (["--mode", "long"], ["--count", "3"]):
        result = lab.run("-s", "--fresh", *options)
        assert sorted(line for line in result.outlines if "rep " in line and line[-1] in "123")
        assert sum(line.endswith("rep 3") for line in result.outlines) == 2
        result.assert_outcomes(passed=6)


def test_experiments_run_only_when_asked_for(lab: Lab) -> None:
    result = lab.bare()
    result.stdout.fnmatch_lines(["*Experiments run only when asked for: add -m experiment.*"])
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert not lab.results.exists()


@pytest.mark.parametrize("options", [(), ("-m", "not slow"), ("-k", "small or other")])
def test_a_bare_session_runs_the_other_tests_alone(lab: Lab, options: tuple[str, ...]) -> None:
    lab.pytester.makepyfile(test_other="def test_other(): pass")
    result = lab.bare(*options)
    result.assert_outcomes(passed=1, deselected=1)
    assert "Experiments run only" not in result.stdout.str()
    assert not lab.results.exists()


@pytest.mark.parametrize("expression", ["not experiment", "experimental"])
def test_an_expression_that_does_not_ask_for_experiments_runs_none(lab: Lab, expression: str) -> None:
    lab.bare("-m", expression)
    assert not lab.results.exists()


def test_other_tests_run_beside_experiments(lab: Lab) -> None:
    lab.pytester.makepyfile(test_other="def test_other(): pass")
    lab.bare("-m", "experiment or not experiment").assert_outcomes(passed=3)


def test_a_plain_test_may_carry_the_marker(lab: Lab) -> None:
    lab.write(
        "import pytest\n@pytest.mark.experiment('exp_3')\ndef test_it(experiment, group): assert group.name"
    )
    lab.run("--count=1").assert_outcomes(passed=2)


def test_one_group_makes_a_partial_artifact_that_claims_nothing(lab: Lab) -> None:
    result = lab.run("-k", "Control")
    result.assert_outcomes(passed=1, deselected=1)
    artifact, meta = lab.artifact(), lab.meta()
    assert artifact["finished_all_experiments"] is False
    assert artifact["finished_experiments"] == ["Control"]
    assert artifact["experiments"]["Treatment"] == {}
    assert meta["partial"] is True
    result.stdout.fnmatch_lines(["Incomplete. *", "*Treatment: 2 of 2 planned trials are not finished.*"])


def test_both_groups_one_after_another_make_one_whole_run(lab: Lab) -> None:
    lab.run("-k", "Control")
    lab.run("-k", "Treatment").assert_outcomes(passed=1, deselected=1)
    assert lab.artifact()["finished_experiments"] == ["Control", "Treatment"]
    assert lab.meta()["partial"] is False
    assert len(lab.watched.calls) == 16


def test_a_class_of_cases_runs(lab: Lab) -> None:
    inside = "class TestSmall:\n    def test_it(self, cell): cell.run()"
    lab.write(SMALL.replace("def test_small(cell):\n    cell.run()", inside))
    lab.run().assert_outcomes(passed=2)


def test_two_experiments_in_one_session_have_an_artifact_each(lab: Lab) -> None:
    lab.write(test_twin=SMALL.replace('name="small"', 'name="twin"'))
    lab.run().assert_outcomes(passed=4)
    assert sorted(path.name.partition("_")[0] for path in lab.artifacts) == ["small", "twin"]
