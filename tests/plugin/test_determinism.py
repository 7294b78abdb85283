"""The same seed gives the same bytes, however the session went about it."""

from __future__ import annotations

import pytest

from tests.support.sessions import SMALL, Lab


def artifact_of(lab: Lab, *options: str) -> bytes:
    before = set(lab.artifacts)
    assert lab.run("--mode=long", "--fresh", *options, model="rehearsal").ret == 0
    (path,) = set(lab.artifacts) - before
    return path.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="again"),
        pytest.param(("--concurrency=1",), id="one call at a time"),
        pytest.param(("--concurrency=unlimited",), id="all at once"),
        pytest.param(("--pdb",), id="one case at a time"),
        pytest.param(("--count=3",), id="numbered by pytest-repeat"),
        pytest.param(("--reruns=1",), id="with reruns"),
    ],
)
def test_the_same_seed_gives_the_same_bytes(lab: Lab, options: tuple[str, ...]) -> None:
    assert artifact_of(lab) == artifact_of(lab, *options)


def test_another_seed_gives_another_result(lab: Lab) -> None:
    assert artifact_of(lab, "--seed=1") != artifact_of(lab, "--seed=2")


def test_arms_and_repetitions_are_samples_of_their_own(lab: Lab) -> None:
    lab.write(SMALL.replace("proposals=(", "proposals=({'thing': 'a boat'}, {'thing': 'a hat'}, "))
    artifact_of(lab)
    texts = [str(line.get("transcript")) for line in lab.lines(kind="trial_result")]
    assert len(set(texts)) == len(texts) == 24


def test_the_results_of_one_group_do_not_depend_on_the_other(lab: Lab) -> None:
    lab.run("--mode=long", "-k", "Control", model="rehearsal")
    alone = lab.artifact()["experiments"]["Control"]["results"]
    lab.run("--mode=long", "-k", "Treatment", model="rehearsal")
    assert lab.artifact()["experiments"]["Control"]["results"] == alone
