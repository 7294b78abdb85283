"""F35: the same seed gives the same results, whatever PYTHONHASHSEED is: no set's order leaks in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRIAL = """
import asyncio, hashlib
from support.clients import FakeClient
from support.plans import PEOPLE, persona, treatment
from harness.engines.embedded import EmbeddedEngine

likes = {f"thing {n}" for n in range(40)}
people = tuple(persona(name, likes=likes, ties=[{"friends": frozenset(likes)}]) for name in PEOPLE)
client = FakeClient(reverse=True)
result = asyncio.run(EmbeddedEngine().run(treatment(personas=people, steps=4), client))
asked = [(site, list(request.messages)) for request, site in client.calls]
print(hashlib.sha256(repr((asked, result.samples, result.transcript)).encode()).hexdigest())
print(list(likes)[:5])
"""


def _run(hash_seed: str) -> list[str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", TRIAL], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


def test_a_trial_does_not_depend_on_the_hash_seed() -> None:
    one, two = _run("1"), _run("2")
    assert one[1] != two[1], "the two processes must in fact order a set differently"
    assert one[0] == two[0]
