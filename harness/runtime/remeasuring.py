"""Computing metrics again from the transcripts of finished trials, after their code changed. No model is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.engines.measuring import measure
from harness.model import Event, Measure, Sample
from harness.records import files_of_run, stream
from harness.records.lines import FINISHED

Unmeasured = Mapping[str, tuple[str, ...]]
"""Trial → the metrics that are to be computed again."""


async def measure_again(
    results_dir: Path,
    experiment: str,
    run_id: str,
    unmeasured: Unmeasured,
    measures: Iterable[Measure],
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, list[Sample]]:
    """The samples of each trial in ``unmeasured``; one without a usable transcript gets missing ones.

    ``tell`` is called with how far this is.
    """
    known = {one.name: one for one in measures}
    left, found = dict(unmeasured), dict[str, list[Sample]]()
    for path in files_of_run(results_dir, experiment, run_id) if left else ():
        for record in stream(path):
            trial = record.get("trial")
            if record.get("run_id") == run_id and record.get("status") == FINISHED and trial in left:
                tell(f"computing metrics again, {len(found):,} of {len(unmeasured):,} trials")
                wanted = [known[name] for name in left.pop(trial) if name in known]
                found[trial] = await _measured(wanted, record.get("transcript"))
    return found


async def _measured(measures: Sequence[Measure], transcript: Any) -> list[Sample]:
    try:
        events = tuple(Event(**event) for event in transcript)
    except TypeError:
        return [Sample(one.name, None, reason="no usable transcript is on record") for one in measures]
    return await measure(measures, events)
