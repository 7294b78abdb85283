"""F01, as a session of pytest shows it: starting a crashed arm again finishes it only by playing it."""

from __future__ import annotations

import os
import signal

from tests.support.sessions import Lab, load

CRASHING = """
import os
from harness.gateway import providers
from harness.gateway.rehearsal.provider import RehearsalProvider


class Crashing(RehearsalProvider):
    '''Takes its process with it at the call that DIE_AT names.'''

    name, model, count = "crashing", "crashing-1", 0

    async def complete(self, request, *, trial, occurrence):
        Crashing.count += 1
        if str(Crashing.count) == os.environ.get("DIE_AT"):
            os.kill(os.getpid(), 9)
        return await super().complete(request, trial=trial, occurrence=occurrence)


providers.register("crashing", lambda argument, *, seed, base_url, environ: Crashing(seed))
"""


def test_a_crashed_control_is_not_finished_by_a_restart(lab: Lab) -> None:
    lab.pytester.makeconftest(CRASHING)
    command = ("--model=crashing", "--concurrency=1", "-k", "Control")
    crashed = lab.start(*command, DIE_AT="6")
    crashed.communicate()
    assert crashed.returncode == -signal.SIGKILL
    assert len(lab.lines("Control", "trial_result")) == 1
    assert lab.artifacts == []

    again = lab.start(*command, DIE_AT="2")  # and crashes at once
    again.communicate()
    assert again.returncode == -signal.SIGKILL
    assert len(lab.lines("Control", "trial_result")) == 1

    last = lab.start(*command)
    said, _ = last.communicate()
    assert last.returncode == os.EX_OK, said
    (path,) = lab.artifacts
    artifact, meta = load(path), load(path.with_suffix(".meta.json"))
    assert artifact["finished_experiments"] == ["Control"]
    assert artifact["finished_all_experiments"] is False
    assert len(artifact["experiments"]["Control"]["results"]["Courtesy"]) == 4
    assert meta["trials"]["duplicates"] == {}
