"""Metrics that were recomputed from transcripts, because the code of a metric changed during a run.

The samples in a trial's record stay unchanged. A separate file has the values of the new code; its first line says
which code counts from then on. Readers use the samples of that code; without one the sample is missing, so that a
result never mixes the values of two versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.records.lines import FINISHED, RecordFile, RecordSection
from harness.records.writer import JSONLWriter, safe_name

METADATA, RESULT = "measurement_metadata", "measurement"
TYPES = (METADATA, RESULT)
CODE = "metric_code"
"""In first lines: metric → hash of the code that computes it."""

_Key = tuple[str, str, str, str]
"""Run, trial, metric, hash of its code."""


@dataclass
class Measured:
    """How the trials of one run got the samples of one metric. ``code`` is the one that counts.

    ``recomputed`` counts by the code that computed the sample first, ``None`` where none was recorded; so does
    ``missing``, of samples that there are none of by the code that counts.
    """

    code: str
    recomputed: dict[str | None, int] = field(default_factory=dict)
    missing: dict[str | None, int] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "recomputed": {_named(code): number for code, number in self.recomputed.items()},
            "missing": {_named(code): number for code, number in self.missing.items()},
        }


def _named(code: str | None) -> str:
    return code or "unknown"


class Revisions:
    """Which code counts for each run, and the samples that it computed again. False where nothing is to be revised."""

    def __init__(self) -> None:
        self._current: dict[str, Mapping[str, str]] = {}
        self._announced: dict[str, str] = {}
        self._recorded: dict[str, Mapping[str, str]] = {}
        self._samples: dict[_Key, Mapping[str, Any]] = {}
        self._stale: set[str] = set()

    @classmethod
    def of(
        cls, files: Iterable[RecordFile], current: Mapping[str, Mapping[str, str]] | None = None
    ) -> Revisions:
        """What ``files`` say. ``current`` has what a session uses now, by run."""
        found, files = cls(), list(files)
        lines = [one for file in files for one in file.measurements]
        first = [section.metadata for file in files for section in file.sections if section.metadata]
        for line in (*first, *(one for one in lines if one.get("type") == METADATA)):
            found._announce(line)
        found._recorded = dict(found._current)
        found._current.update(current or {})
        for line in lines:
            if line.get("type") == RESULT:
                found._keep(line)
        found._stale = {str(line.get("run_id")) for line in first if found.stale(line)}
        return found

    def _announce(self, line: Mapping[str, Any]) -> None:
        code, run_id, moment = line.get(CODE), str(line.get("run_id")), str(line.get("timestamp") or "")
        if isinstance(code, Mapping) and code and moment >= self._announced.get(run_id, ""):
            self._current[run_id], self._announced[run_id] = code, moment

    def _keep(self, line: Mapping[str, Any]) -> None:
        code, samples = line.get(CODE), line.get("samples")
        if not isinstance(code, Mapping) or not isinstance(samples, list):
            return
        for sample in samples:
            name = sample.get("metric") if isinstance(sample, Mapping) else None
            if isinstance(name, str) and name in code:
                key = (str(line.get("run_id")), str(line.get("measured_trial")), name, str(code[name]))
                self._samples.setdefault(key, sample)

    def __bool__(self) -> bool:
        return bool(self._stale)

    def stale(self, metadata: Mapping[str, Any]) -> dict[str, tuple[str | None, str]]:
        """Metrics whose code in a file's first line is not the one that counts: what it was, and what counts."""
        current = self._current.get(str(metadata.get("run_id")), {})
        then = metadata.get(CODE)
        known = then if isinstance(then, Mapping) else {}
        return {name: (known.get(name), code) for name, code in current.items() if known.get(name) != code}

    def revised(
        self, record: Mapping[str, Any], stale: Mapping[str, tuple[str | None, str]]
    ) -> dict[str, Any]:
        """``record`` with the samples of the code that counts; one of which there is none is missing."""
        samples = []
        for sample in record["samples"]:
            name = sample["metric"]
            if name in stale:
                then, now = stale[name]
                found = self._samples.get((str(record.get("run_id")), record["trial"], name, now))
                if found is None:
                    found = {**sample, "value": None, "reason": _why(name, then, now)}
                sample = found
            samples.append(sample)
        return {**record, "samples": samples}

    def summary(self, run_id: str, sections: Iterable[RecordSection]) -> dict[str, Measured]:
        """Metric → how the finished trials of a run got their samples of it."""
        found = {name: Measured(code) for name, code in self.code(run_id).items()}
        for section in sections:
            stale = self.stale(section.metadata) if section.metadata else {}
            for record in section.records if stale else ():
                for name, (then, now) in stale.items() if record["status"] == FINISHED else ():
                    computed = (run_id, record["trial"], name, now) in self._samples
                    counts = found[name].recomputed if computed else found[name].missing
                    counts[then] = counts.get(then, 0) + 1
        return found

    def unmeasured(self, sections: Iterable[RecordSection]) -> dict[str, tuple[str, ...]]:
        """Finished trial → the metrics of which it has no sample by the code that counts."""
        found: dict[str, tuple[str, ...]] = {}
        for section in sections:
            stale = self.stale(section.metadata) if section.metadata else {}
            for record in section.records if stale else ():
                run_id, trial = str(record.get("run_id")), record["trial"]
                names = [
                    name
                    for name, (_, now) in stale.items()
                    if (run_id, trial, name, now) not in self._samples
                ]
                if names and record["status"] == FINISHED:
                    found.setdefault(trial, tuple(names))
        return found

    def recorded(self, run_id: str) -> Mapping[str, str]:
        """Metric → the hash of the code that counts for a run by its files alone."""
        return self._recorded.get(run_id, {})

    def code(self, run_id: str) -> Mapping[str, str]:
        """Metric → the hash of the code that counts for a run; empty where none is recorded."""
        return self._current.get(run_id, {})


def _why(metric: str, then: str | None, now: str) -> str:
    return (
        f"{metric} was computed by code {_named(then)}, the run's is {now}, and has not been recomputed; "
        "rerun the same command"
    )


def open_measurements(
    results_dir: Path, experiment: str, run_id: str, metadata: Mapping[str, Any], timestamp: str
) -> JSONLWriter:
    """A new file for samples of a run that are computed again; ``metadata`` has at least ``metric_code``."""
    names = (experiment, run_id, "measured", timestamp)
    name = "_".join(safe_name(one) for one in names)
    first = {"type": METADATA, "run_id": run_id, "experiment": experiment, **metadata}
    return JSONLWriter(directory=results_dir, name=f"{name}.jsonl", metadata=first)


def measurement_line(
    run_id: str, trial: str, code: Mapping[str, str], samples: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The samples that ``code`` computed again for one trial."""
    return {
        "type": RESULT,
        "run_id": run_id,
        "measured_trial": trial,
        CODE: dict(code),
        "samples": list(samples),
    }
