"""When the same gate fails twice, a person decides: what is blocked, on what evidence, and what can be done."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from harness.experiments.population.gates.stages import MADE_FROM, gate_named, stages_to_rerun, upstream
from harness.experiments.population.gates.wording import shown
from harness.model import Check, Level

COLUMNS = 80
TWICE = 2
"""Failures of a gate in a row, on files that differ, after which it stops."""
EVIDENCE = 5
"""Checks that are quoted."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """``options`` are what can be done; ``recommendation`` is the smallest fix upstream that could help."""

    gate: str
    stage: str
    blocker: str
    evidence: tuple[str, ...]
    options: tuple[str, ...]
    recommendation: str

    @property
    def text(self) -> str:
        """In lines of at most 80 columns."""
        parts = [
            f"STOPPED: gate {self.gate} failed {TWICE} times.",
            *_wrapped("Stage: ", self.stage),
            *_wrapped("Blocker: ", self.blocker),
            "Evidence:",
            *(line for one in self.evidence for line in _wrapped("  - ", one)),
            "Options:",
            *(line for number, one in enumerate(self.options, 1) for line in _wrapped(f"  {number}. ", one)),
            *_wrapped("Recommendation: ", self.recommendation),
        ]
        return "\n".join(parts)


def _wrapped(lead: str, text: str) -> list[str]:
    indent = " " * (4 if lead.startswith("  ") else 2)
    return textwrap.wrap(lead + text, COLUMNS, subsequent_indent=indent, break_on_hyphens=False)


def escalation(gate: str, checks: Sequence[Check]) -> Escalation:
    """The escalation of ``gate``, which failed again with ``checks``."""
    found = gate_named(gate)
    bad = [one for one in checks if one.level is Level.FAIL]
    names = list(dict.fromkeys(one.name for one in bad))
    causes = [one for one in MADE_FROM if one in upstream(found.stage)]
    nearest = found.stage
    options = [
        f"Fix {one}, then run again: {', '.join(stages_to_rerun(gate, one))}." for one in reversed(causes)
    ][:3]
    options.append("If the rule does not fit this population: change the profile or schema map, and say why.")
    options.append("Stop here, and report what is known without this stage.")
    return Escalation(
        gate,
        found.stage,
        f"{found.asks}: {len(bad)} checks fail ({', '.join(names)}), after a fix too",
        tuple(check_line(one) for one in bad[:EVIDENCE])
        + ((f"… and {len(bad) - EVIDENCE} more",) if len(bad) > EVIDENCE else ()),
        tuple(options),
        f"Do not run {nearest} a third time unchanged. Decide between the options above, based on the evidence; "
        f"the smallest is the first.",
    )


def check_line(check: Check) -> str:
    """A check in one line."""
    about = f" {shown(check.about)}" if check.about else ""
    expected = f"; expected {check.threshold}" if check.threshold else ""
    return f"{check.name}{about}: {check.message}{expected}"
