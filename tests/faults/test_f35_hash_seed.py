"""F35: the same seed gives the same results, whatever PYTHONHASHSEED is: no set's order leaks in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRIAL = """
import asyncio, hashlib
from support.plans import PEOPLE, persona, treatment
from harness.engines.embedded import EmbeddedEngine
from harness.gateway.gateway import Gateway
from harness.gateway.rehearsal.provider import RehearsalProvider

likes = {f"thing {n}" for n in range(40)}
people = tuple(persona(name, likes=likes, ties=[{"friends": frozenset(likes)}]) for name in PEOPLE)
trial = treatment(personas=people, steps=4)
# The rehearsal model answers from the whole prompt: any difference in it shows in the result.
result = asyncio.run(EmbeddedEngine().run(trial, Gateway(RehearsalProvider(seed=1)).open_trial(trial.trial.id)))
print(hashlib.sha256(repr(result).encode()).hexdigest())
print(list(likes)[:5])
"""


def _start(hash_seed: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
    return subprocess.Popen([sys.executable, "-c", TRIAL], env=environment, stdout=subprocess.PIPE, text=True)


def _printed(process: subprocess.Popen[str]) -> list[str]:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output.splitlines()


def test_a_trial_does_not_depend_on_the_hash_seed() -> None:
    one, two = map(_printed, [_start("1"), _start("2")])
    assert one[1] != two[1], "the two processes must in fact order a set differently"
    assert one[0] == two[0]
