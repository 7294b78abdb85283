"""Scoring the transcripts of finished trials again, by this judge or another, without playing them again.

With a seed for shuffling, each transcript is scored a second time with its words in random order, as a control: scores
that stay the same do not depend on the text.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.engines import transcript_judge
from harness.engines.embedded import transcript_replay
from harness.engines.survey import coding
from harness.engines.word_shuffle import shuffle_words
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
from harness.stats.text_sensitivity import TextSensitivity, scored_twice, text_sensitivity
from harness.user_code import shown


@dataclass(frozen=True, slots=True)
class Rescored:
    """The result of a rescoring. ``first`` and ``second`` are the judges as ``PROVIDER:MODEL``.

    ``stopped`` is why it ended early. ``shifts`` has metric → group → mean of new − original, ``missing`` metric →
    pairs with a missing score. ``of_judge`` describes the agreement; ``path`` is a JSON file with all of this.
    ``shuffled`` counts the transcripts that were also scored with shuffled words, and ``sensitivity`` has metric → how
    far those scores differ; empty where this was not asked for.
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
    shuffled: int
    sensitivity: Mapping[str, TextSensitivity]
    path: Path


@dataclass(frozen=True, slots=True)
class _Version:
    """The transcripts as one scoring shows them: as recorded, or with words ``shuffled`` by a seed."""

    id: str
    told: Sequence[RecordedTrial]
    shuffled: int | None = None


class Rescoring:
    """One run's trials ``told`` before a judge: the model of ``gateway``, made for ``settings``.

    With ``shuffle``, a seed, their transcripts are scored again with the words shuffled. ``watch`` runs beside the
    scoring, to say what that waits for.
    """

    def __init__(
        self,
        run: FiledRun,
        told: Sequence[RecordedTrial],
        settings: Settings,
        gateway: Gateway,
        *,
        share: float = 1.0,
        shuffle: int | None = None,
        watch: Callable[[Gateway], Coroutine[Any, Any, None]] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not told:
            raise HarnessError(f"Run {run.run_id}: no trial has finished, so nothing can be scored again.")
        self._run, self._settings, self._gateway = run, settings, gateway
        self._share, self._watch, self._now, self._clock = share, watch, now, clock
        self._judge = provenance.session_settings(settings, gateway.provider, {})
        judge_of = transcript_judge if told[0].own else transcript_replay
        self._instrument = judge_of.instrument()
        if any(one.texts for one in told):
            self._instrument = fingerprint({"scores": self._instrument, "codes": coding.instrument()})
        self._intact = _Version(self._id_of(), told)
        self._control = None if shuffle is None else _shuffled(told, shuffle, self._id_of(shuffled=shuffle))
        self._failures: dict[str, str] = {}
        self._stopped: ModelCallError | None = None
        self._exit_code = ExitCode.OK

    @property
    def _versions(self) -> list[_Version]:
        return [self._intact, *([self._control] if self._control else [])]

    def _id_of(self, **more: int) -> str:
        identity = {"run": self._run.run_id, "instrument": self._instrument, **self._judge, **more}
        return f"{self._run.run_id}-rescored-{fingerprint(identity)[:10]}"

    def run(self) -> Rescored:
        """Score what this judge has not scored yet, then say how far the scores agree. Raises `HarnessError`."""
        folder = self._settings.results_dir
        with contextlib.ExitStack() as locks:
            for version in self._versions:
                locks.callback(RunLock(folder / ".locks" / version.id, version.id).release)
            asyncio.run(self._score_versions())
            return self._concluded()

    async def _score_versions(self) -> None:
        watch = asyncio.ensure_future(self._watch(self._gateway)) if self._watch else None
        try:
            for version in self._versions:
                if not self._stopped:
                    await self._score_version(version)
        finally:
            if watch is not None:
                watch.cancel()
            await self._gateway.aclose()

    async def _score_version(self, version: _Version) -> None:
        done, tries = read_rescored(self._settings.results_dir, version.id)
        scored = None if version.shuffled is None else self._intact_lines.keys()
        open_ones = [
            one for one in version.told if one.trial not in done and (scored is None or one.trial in scored)
        ]
        if not open_ones:
            return
        self._gateway.open_run(version.id, begun=is_begun(self._settings.results_dir, version.id))
        window = asyncio.Semaphore(self._settings.trial_window or len(open_ones))
        stamp = session_timestamp(self._now())
        with open_rescored(self._settings.results_dir, self._metadata(version), stamp) as writer:
            await asyncio.gather(*(self._score(version, one, tries, window, writer) for one in open_ones))

    def _metadata(self, version: _Version) -> dict[str, Any]:
        return {
            "rescore_id": version.id,
            "rescored_run": self._run.run_id,
            "experiment": self._run.experiment,
            "timestamp": self._now().isoformat(),
            "harness_version": provenance.harness_version(),
            "instrument": self._instrument,
            "rehearsal": self._rehearsal,
            "judge": self._judge,
            "original_judge": self._original,
            "own_judge": self._is_own_judge,
            "share": self._share,
            "trials": len(version.told),
            **({} if version.shuffled is None else {"shuffled": version.shuffled}),
        }

    async def _score(
        self,
        version: _Version,
        told: RecordedTrial,
        tries: Mapping[str, int],
        window: asyncio.Semaphore,
        writer: JSONLWriter,
    ) -> None:
        async with window:
            if self._stopped:
                return
            client = self._gateway.open_trial(told.trial, version.id, tries.get(told.trial, 0) + 1)
            started, began = self._now(), self._clock()
            outcome = await self._outcome(version, told, client)
            if outcome is not None:
                more = {
                    "usage": client.usage(),
                    "calls_replayed": client.replayed,
                    "replies": client.replies,
                    "started": started.isoformat(),
                }
                more |= {"duration": self._clock() - began}
                writer.write(rescored_line(version.id, told.record, outcome, **more))
            self._gateway.close_trial(client)

    async def _outcome(
        self, version: _Version, told: RecordedTrial, client: TrialClient
    ) -> list[dict[str, Any]] | str | None:
        """The samples, or why there are none; ``None`` where this is to be taken up another time."""
        try:
            samples = await _scored(told, client)
        except ModelCallError as error:
            if error.fatal or self._stopped:
                self._stop(error)
                return None
            reason = str(error)
        except Exception as error:  # of a provider that is the user's: it costs this trial's scores alone
            reason = str(error) if isinstance(error, HarnessError) else shown(error)
        else:
            return [self._beside(version, sample, told.record) for sample in samples]
        self._failures[told.trial if version.shuffled is None else f"{told.trial}, shuffled"] = reason
        return reason

    def _beside(self, version: _Version, sample: Sample, record: Mapping[str, Any]) -> dict[str, Any]:
        """A new score beside the one on record; that of a shuffled transcript also beside that of the intact one."""
        found = {**asdict(sample), "original": _score_in(record, sample)}
        if version.shuffled is not None:
            found["intact"] = _score_in(self._intact_lines.get(str(record["trial"]), {}), sample)
        return found

    @cached_property
    def _intact_lines(self) -> Mapping[str, Mapping[str, Any]]:
        """The finished scores of the intact transcripts, by trial; complete once the shuffled ones are scored."""
        return read_rescored(self._settings.results_dir, self._intact.id)[0]

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

    @property
    def _is_own_judge(self) -> bool:
        """Whether the new judge is the run's, with the same prompts."""
        same = all(self._original[name] == self._judge[name] for name in ("provider", "model"))
        return same and not any(one.foreign for one in self._intact.told)

    def _lines(self, version: _Version) -> list[Mapping[str, Any]]:
        results, _ = read_rescored(self._settings.results_dir, version.id)
        return [results[one.trial] for one in version.told if one.trial in results]

    def _concluded(self) -> Rescored:
        lines = self._lines(self._intact)
        shuffled = self._lines(self._control) if self._control else []
        pairs = _pairs(lines)
        whole = {metric: [one for one in found if None not in one[1:]] for metric, found in pairs.items()}
        path = rescored_folder(self._settings.results_dir) / f"{self._intact.id}.json"
        concluded = Rescored(
            rescore_id=self._intact.id,
            run_id=self._run.run_id,
            experiment=self._run.experiment,
            first=f"{self._original['provider']}:{self._original['model']}",
            second=f"{self._judge['provider']}:{self._judge['model']}",
            of_judge=self._meaning(),
            planned=len(self._intact.told),
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
            shuffled=len(shuffled),
            sensitivity=_sensitivity(shuffled, own_judge=self._is_own_judge),
            path=path,
        )
        write_atomic(path, {**asdict(concluded), "stopped": self._stopped and str(self._stopped)})
        return concluded

    def _meaning(self) -> str:
        if any(one.foreign for one in self._intact.told):
            return f"two instruments: the engine {self._original['engine']} has its own prompts for scores"
        return "one judge's repeatability" if self._is_own_judge else "two judges"


async def _scored(told: RecordedTrial, client: TrialClient) -> list[Sample]:
    subject = (told.personas, told.transcript, told.claims, told.task)
    if told.own:
        coded = (
            await coding.code_again(told.texts, str(told.record["people"][0]), client) if told.texts else []
        )
        return [*coded, *await transcript_judge.score_transcript(*subject, told.steps + 1, client)]
    return await transcript_replay.score_again(*subject, told.steps, client, foreign=told.foreign)


def _shuffled(told: Sequence[RecordedTrial], seed: int, rescore_id: str) -> _Version:
    """The transcripts with shuffled words, without what is coded; those with too few words to differ are left out."""
    found = (
        replace(one, texts=(), transcript=shuffle_words(one.transcript, f"{seed}/{one.trial}"))
        for one in told
    )
    differing = [new for new, old in zip(found, told, strict=True) if new.transcript != old.transcript]
    return _Version(rescore_id, differing, seed)


def _score_in(line: Mapping[str, Any], sample: Sample) -> Any:
    """The score in ``line`` of the same metric and person as ``sample``; ``None`` without one."""
    same = (
        one["value"]
        for one in line.get("samples", ())
        if one["metric"] == sample.metric and one.get("person") == sample.person
    )
    return next(same, None)


def _sensitivity(lines: Iterable[Mapping[str, Any]], *, own_judge: bool) -> dict[str, TextSensitivity]:
    found = scored_twice((sample for line in lines for sample in line["samples"]), own_judge=own_judge)
    return {metric: text_sensitivity(scores) for metric, scores in found.items()}


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
