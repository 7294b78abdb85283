"""Gates: check each stage of a population study by a profile and a schema map: PASS, WARN or FAIL.

Each gate is a module with ``check(subject)``, a function from files to checks. Gates change no files.
"""

from harness.experiments.population.gates.escalation import Escalation, escalation
from harness.experiments.population.gates.profile import SHIPPED, Profile, load_profile
from harness.experiments.population.gates.runner import (
    GateResult,
    Report,
    checks_of,
    merged,
    read_report,
    run_gates,
    write_report,
)
from harness.experiments.population.gates.schema_map import SchemaMap, load_schema_map
from harness.experiments.population.gates.stages import GATES, Gate, stages_to_rerun

__all__ = [
    "GATES",
    "SHIPPED",
    "Escalation",
    "Gate",
    "GateResult",
    "Profile",
    "Report",
    "SchemaMap",
    "checks_of",
    "escalation",
    "load_profile",
    "load_schema_map",
    "merged",
    "read_report",
    "run_gates",
    "stages_to_rerun",
    "write_report",
]
