"""Scoring the transcripts of finished trials again, by this judge or another, without playing them again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.engines import transcript_judge
from harness.engines.embedded import transcript_replay
from harness.errors import ExitCode, HarnessError, ModelCallError, SessionLimitError
from harness.gateway.gateway import Gateway
from harness.gateway.trial_client import TrialClient
from harness.model import Sample
from harness.records import FiledRun, JSONLWriter, fingerprint, session_timestamp, write_atomic
from harness.records.registry.lock import RunLock
from harness.records.rescored import is_begun, open_rescored, read_rescored, rescored_folder, rescored_line
from harness.runtime import provenance
from harness.runtime.run_reconstruction import RecordedTrial
from harness.runtime.settings import Settings
from harness.stats.reliability import Reliability, reliability
from harness.user_code import shown


@dataclass(frozen=True, slots=True)
class Rescored:
    """The result of a rescoring. ``first`` and ``second`` are the judges as ``PROVIDER:MODEL``.

    ``stopped`` is why it ended early. ``shifts`` has metric → group → mean of new − original, ``missing`` metric →
    pairs with a missing score. ``of_judge`` describes the agreement; ``path`` is a JSON file with all of this.
    """

    rescore_id: str
    run_id: str
    experiment: str
    first: str
    second: str
    of_judge: str
    planned: int
    scored: int
    failures: Mapping[str, str]
    stopped: HarnessError | None
    exit_code: int
    rehearsal: bool
    metrics: Mapping[str, Reliability]
    shifts: Mapping[str, Mapping[str, float]]
    missing: Mapping[str, int]
    path: Path


class Rescoring:
    """One run's trials ``told`` before a judge: the model of ``gateway``, made for ``settings``."""

    def __init__(
        self,
        run: FiledRun,
        told: Sequence[RecordedTrial],
        settings: Settings,
        gateway: Gateway,
        *,
        share: float = 1.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not told:
            raise HarnessError(f"Run {run.run_id}: no trial has finished, so nothing can be scored again.")
        self._run, self._told, self._settings, self._gateway = run, told, settings, gateway
        self._share, self._now, self._clock = share, now, clock
        self._judge = provenance.session_settings(settings, gateway.provider, {})
        judge_of = transcript_judge if told[0].own else transcript_replay
        self._instrument = judge_of.instrument()
        self._identity = {"run": run.run_id, "instrument": self._instrument, **self._judge}
        self.id = f"{run.run_id}-rescored-{fingerprint(self._identity)[:10]}"
        self._failures: dict[str, str] = {}
        self._stopped: ModelCallError | None = None
        self._exit_code = ExitCode.OK

    def run(self) -> Rescored:
        """Score what this judge has not scored yet, then say how far the scores agree. Raises `HarnessError`."""
        folder = self._settings.results_dir
        lock = RunLock(folder / ".locks" / self.id, self.id)
        try:
            done, tries = read_rescored(folder, self.id)
            open_ones = [one for one in self._told if one.trial not in done]
            if open_ones:
                self._gateway.open_run(self.id, begun=is_begun(folder, self.id))
                asyncio.run(self._score_all(open_ones, tries))
            return self._concluded(read_rescored(folder, self.id)[0])
        finally:
            lock.release()

    def _metadata(self) -> dict[str, Any]:
        return {
            "rescore_id": self.id,
            "rescored_run": self._run.run_id,
            "experiment": self._run.experiment,
            "timestamp": self._now().isoformat(),
            "harness_version": provenance.harness_version(),
            "instrument": self._instrument,
            "rehearsal": self._rehearsal,
            "judge": self._judge,
            "original_judge": self._original,
            "share": self._share,
            "trials": len(self._told),
        }

    async def _score_all(self, told: Sequence[RecordedTrial], tries: Mapping[str, int]) -> None:
        window = asyncio.Semaphore(self._settings.trial_window or len(told))
        stamp = session_timestamp(self._now())
        with open_rescored(self._settings.results_dir, self._metadata(), stamp) as writer:
            try:
                await asyncio.gather(*(self._score(one, tries, window, writer) for one in told))
            finally:
                await self._gateway.aclose()

    async def _score(
        self, told: RecordedTrial, tries: Mapping[str, int], window: asyncio.Semaphore, writer: JSONLWriter
    ) -> None:
        async with window:
            if self._stopped:
                return
            client = self._gateway.open_trial(told.trial, self.id, tries.get(told.trial, 0) + 1)
            started, began = self._now(), self._clock()
            outcome = await self._outcome(told, client)
            if outcome is not None:
                more = {
                    "usage": client.usage(),
                    "calls_replayed": client.replayed,
                    "replies": client.replies,
                    "started": started.isoformat(),
                }
                more |= {"duration": self._clock() - began}
                writer.write(rescored_line(self.id, told.record, outcome, **more))
            self._gateway.close_trial(client)

    async def _outcome(self, told: RecordedTrial, client: TrialClient) -> list[dict[str, Any]] | str | None:
        """The samples, or why there are none; ``None`` where this is to be taken up another time."""
        try:
            samples = await _scored(told, client)
        except ModelCallError as error:
            if error.fatal or self._stopped:
                self._stop(error)
                return None
            self._failures[told.trial] = str(error)
            return str(error)
        except Exception as error:  # of a provider that is the user's: it costs this trial's scores alone
            reason = str(error) if isinstance(error, HarnessError) else shown(error)
            self._failures[told.trial] = reason
            return reason
        return [_beside(sample, told.record) for sample in samples]

    def _stop(self, error: ModelCallError) -> None:
        if self._stopped is None:
            self._stopped = error
            self._exit_code = error.exit_code if isinstance(error, SessionLimitError) else ExitCode.FAILED
            self._gateway.halt()

    # Results

    @property
    def _original(self) -> dict[str, Any]:
        line = self._run.metadata[0]
        key = "judge_" if line.get("judge_model") else ""
        return {"provider": line[f"{key}provider"], "model": line[f"{key}model"], "engine": line["engine"]}

    @property
    def _rehearsal(self) -> bool:
        return self._run.rehearsal or self._judge["provider"] == "rehearsal"

    def _concluded(self, results: Mapping[str, Mapping[str, Any]]) -> Rescored:
        lines = [results[one.trial] for one in self._told if one.trial in results]
        pairs = _pairs(lines)
        whole = {metric: [one for one in found if None not in one[1:]] for metric, found in pairs.items()}
        path = rescored_folder(self._settings.results_dir) / f"{self.id}.json"
        concluded = Rescored(
            rescore_id=self.id,
            run_id=self._run.run_id,
            experiment=self._run.experiment,
            first=f"{self._original['provider']}:{self._original['model']}",
            second=f"{self._judge['provider']}:{self._judge['model']}",
            of_judge=self._meaning(),
            planned=len(self._told),
            scored=len(lines),
            failures=self._failures,
            stopped=self._stopped,
            exit_code=int(self._exit_code or (ExitCode.FAILED if self._failures else ExitCode.OK)),
            rehearsal=self._rehearsal,
            metrics={
                metric: reliability([one[1] for one in found], [one[2] for one in found])
                for metric, found in whole.items()
            },
            shifts={metric: _shifts(found) for metric, found in whole.items()},
            missing={metric: len(pairs[metric]) - len(found) for metric, found in whole.items()},
            path=path,
        )
        write_atomic(path, {**asdict(concluded), "stopped": self._stopped and str(self._stopped)})
        return concluded

    def _meaning(self) -> str:
        if any(one.foreign for one in self._told):
            return f"two instruments: the engine {self._original['engine']} has its own prompts for scores"
        same = all(self._original[name] == self._judge[name] for name in ("provider", "model"))
        return "one judge's repeatability" if same else "two judges"


async def _scored(told: RecordedTrial, client: TrialClient) -> list[Sample]:
    subject = (told.personas, told.transcript, told.claims, told.task)
    if told.own:
        return await transcript_judge.score_transcript(*subject, told.steps + 1, client)
    return await transcript_replay.score_again(*subject, told.steps, client, foreign=told.foreign)


def _beside(sample: Sample, record: Mapping[str, Any]) -> dict[str, Any]:
    """A new score beside the one on record."""
    earlier = next(
        (
            one["value"]
            for one in record["samples"]
            if one["metric"] == sample.metric and one.get("person") == sample.person
        ),
        None,
    )
    return {**asdict(sample), "original": earlier}


def _pairs(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[str, Any, Any]]]:
    """Metric → (group, original, new)."""
    found: dict[str, list[tuple[str, Any, Any]]] = {}
    for line in lines:
        for sample in line["samples"]:
            pair = (str(line["group"]), sample["original"], sample["value"])
            found.setdefault(sample["metric"], []).append(pair)
    return found


def _shifts(pairs: Sequence[tuple[str, Any, Any]]) -> dict[str, float]:
    by_group: dict[str, list[float]] = {}
    for group, first, second in pairs:
        by_group.setdefault(group, []).append(second - first)
    return {group: sum(some) / len(some) for group, some in by_group.items()}
