"""F33, as a session of pytest shows it: what was interrupted is a part, in every place where somebody may look."""

from __future__ import annotations

import pytest

from tests.support.sessions import Lab


@pytest.mark.parametrize("returncode", [0, 1, 2])
def test_leaving_after_one_arm_is_no_success(lab: Lab, returncode: int) -> None:
    lab.pytester.makeconftest(
        "import pytest\n\ndef pytest_runtest_teardown(item, nextitem):\n"
        f"    pytest.exit('enough', returncode={returncode})\n"
    )
    result = lab.run("--pdb")
    artifact, meta = lab.artifact(), lab.meta()
    assert artifact["finished_all_experiments"] is False
    assert len(artifact["finished_experiments"]) == 1
    assert meta["partial"] is True
    result.stdout.fnmatch_lines(["Incomplete. *"])
    lab.pytester.makeconftest("")
    lab.run().assert_outcomes(passed=2)  # the run was still open
    assert lab.artifact()["finished_all_experiments"] is True
    assert len(lab.watched.per_trial) == 4
    assert set(lab.watched.per_trial.values()) == {4}
