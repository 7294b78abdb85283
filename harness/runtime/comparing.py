"""Pairwise comparisons of a run: a judge reads the trials of each block, two arms at a time, in both orders."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.engines.embedded.model_requests import together
from harness.engines.pairwise import PairwiseAnswer, instrument, prefer, shown
from harness.errors import HarnessError, ModelCallError, StoppedError
from harness.gateway.gateway import Gateway
from harness.gateway.requests.model_options import CallOptions
from harness.gateway.trial_client import TrialClient
from harness.model import Event, render
from harness.records import Design, JSONLWriter, files_of_run, session_timestamp, stream
from harness.records.comparisons import (
    BlockPair,
    block_pairs,
    compared,
    comparison_line,
    open_comparisons,
    preferences_of,
)
from harness.records.lines import FINISHED
from harness.records.reader import read_all
from harness.runtime import provenance
from harness.runtime.runs import OpenRun
from harness.runtime.settings import Settings
from harness.user_code import shown as shown_error

TELLING_WORDS = 3
"""A declared text of fewer words is too common to give an arm away."""


@dataclass(frozen=True, slots=True)
class RecordedConversation:
    """What the record of a finished trial has for a judge: the situation and a usable transcript, else none."""

    task: str
    transcript: tuple[Event, ...]


class BlockComparisons:
    """The comparisons of one run that are still to be made. `make` them; ``left`` says how many remain."""

    def __init__(
        self,
        run: OpenRun,
        settings: Settings,
        gateway: Gateway,
        options: CallOptions,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._settings, self._gateway, self._options = run, settings, gateway, options
        self._now, self._clock = now, clock
        self._stop: Callable[[HarnessError], None] = lambda _: None
        self._tell: Callable[[str], None] = lambda _: None
        self._planned = list(block_pairs(run.experiment, _whole_design(run), preferences_of(run.settings)))
        self._failures: Mapping[str, Sequence[str]] = {}
        self._stopped = False
        self.left = len(self._planned)

    async def make(self, stop: Callable[[HarnessError], None], tell: Callable[[str], None]) -> None:
        """Make those whose trials are both finished, and write each down when it is made.

        ``stop`` is called with what ends the session, ``tell`` with how far this is. Raises `HarnessError` for files
        that cannot be read or written.
        """
        self._stop, self._tell = stop, tell
        paths = files_of_run(self._settings.results_dir, self._run.experiment, self._run.run.id)
        files, _ = await asyncio.to_thread(read_all, paths)
        results, self._failures = compared(line for file in files for line in file.comparisons)
        open_pairs = [pair for pair in self._planned if pair.id not in results]
        ready = [pair for pair in open_pairs if all(one.id in self._run.accepted for one in pair.trials)]
        self.left = len(open_pairs)
        if not ready:
            return
        recorded = await asyncio.to_thread(
            self._recorded, paths, {one.id for pair in ready for one in pair.trials}
        )
        metadata = {
            "timestamp": self._now().isoformat(),
            "harness_version": provenance.harness_version(),
            "instrument": instrument(),
        }
        window = asyncio.Semaphore(self._settings.trial_window or len(ready))
        stamp = session_timestamp(self._now())
        folder, name = self._settings.results_dir, self._run.experiment
        with open_comparisons(folder, name, self._run.run.id, metadata, stamp) as writer:
            await asyncio.gather(*(self._compare(pair, recorded, window, writer) for pair in ready))

    def _recorded(self, paths: Iterable[Path], wanted: set[str]) -> dict[str, RecordedConversation]:
        """The conversations of ``wanted`` trials, by the record that counts: the one that ended first."""
        words: Mapping[str, Any] = {}
        ended: dict[str, str] = {}
        found: dict[str, RecordedConversation] = {}
        for line in (line for path in paths for line in stream(path)):
            if line.get("type") == "run_metadata":
                words = (line.get("script") or {}).get("words") or {}
            trial, end = str(line.get("trial")), str(line.get("ended") or "~")
            mine = trial in wanted and line.get("run_id") == self._run.run.id
            if mine and line.get("status") == FINISHED and end < ended.get(trial, "~~"):
                ended[trial], found[trial] = end, _conversation(line, words)
        return found

    async def _compare(
        self,
        pair: BlockPair,
        recorded: Mapping[str, RecordedConversation],
        window: asyncio.Semaphore,
        writer: JSONLWriter,
    ) -> None:
        async with window:
            if self._stopped:
                return
            tries = len(self._failures.get(pair.id, ()))
            client = self._gateway.open_trial(pair.id, self._run.run.id, tries + 1, self._options)
            started, began = self._now(), self._clock()
            try:
                outcome = await self._outcome(pair, recorded, client)
                if outcome is not None:
                    revealed = self._revealed(pair, recorded)
                    more: dict[str, Any] = {"revealed": revealed} if revealed else {}
                    more |= {"calls_replayed": client.replayed, "replies": client.replies}
                    more |= {"started": started.isoformat(), "duration": self._clock() - began}
                    writer.write(
                        comparison_line(self._run.run.id, pair, outcome, usage=client.usage(), **more)
                    )
                    self.left -= not isinstance(outcome, str)
                    self._tell(f"comparisons {len(self._planned) - self.left:,}/{len(self._planned):,}")
            except HarnessError as error:  # the file cannot be written to
                self._end(error)
            finally:
                self._gateway.close_trial(client)

    async def _outcome(
        self, pair: BlockPair, recorded: Mapping[str, RecordedConversation], client: TrialClient
    ) -> list[Mapping[str, Any]] | str | None:
        """The answers in both orders, or why there are none; ``None`` where this is left to another session."""
        one, other = (recorded.get(trial.id) for trial in pair.trials)
        texts = _texts(one, other)
        lacking = [arm for arm, text in zip(pair.arms, texts, strict=True) if not text]
        if one is None or other is None or lacking:
            reason = f"no conversation is on record in {' and '.join(lacking)}"
            return [_described(arm, pair, PairwiseAnswer(None, reason)) for arm in pair.arms]
        orders = ((0, 1), (1, 0))
        question = pair.preference.question
        try:
            answers = await together(
                prefer(question, one.task, texts[first], texts[second], number, client)
                for number, (first, second) in enumerate(orders, 1)
            )
        except ModelCallError as error:
            if error.fatal or self._stopped or isinstance(error, StoppedError):
                self._end(error)
                return None
            return str(error)
        except Exception as error:  # of a user's provider: it costs this comparison alone
            return str(error) if isinstance(error, HarnessError) else shown_error(error)
        return [
            _described(pair.arms[first], pair, answer)
            for (first, _), answer in zip(orders, answers, strict=True)
        ]

    def _revealed(self, pair: BlockPair, recorded: Mapping[str, RecordedConversation]) -> list[str]:
        """The arms of which the judge read words that only they declare."""
        texts = "\n".join(_texts(*(recorded.get(trial.id) for trial in pair.trials)))
        before = self._run.run.before
        settings = {**(before.groups if before is not None else {}), **self._run.groups}
        own = [set(_declared_texts(settings.get(arm, {}))) for arm in pair.arms]
        alone = (own[0] - own[1], own[1] - own[0])
        return [
            arm for arm, words in zip(pair.arms, alone, strict=True) if any(one in texts for one in words)
        ]

    def _end(self, error: HarnessError) -> None:
        if not self._stopped:
            self._stopped = True
            self._stop(error)


def _whole_design(run: OpenRun) -> Design:
    """The design with the most reps that any session of the run planned."""
    before = run.run.before
    return replace(run.design, reps=max(run.design.reps, before.reps if before is not None else 0))


def _conversation(record: Mapping[str, Any], words: Mapping[str, Any]) -> RecordedConversation:
    try:
        transcript = tuple(Event(**event) for event in record["transcript"])
    except (KeyError, TypeError):
        transcript = ()
    return RecordedConversation(_task(record, words), transcript)


def _task(record: Mapping[str, Any], words: Mapping[str, Any]) -> str:
    """The situation in the experiment's words, which are the same in every arm."""
    try:
        fields = record["proposal_fields"]
        task = render(words["task"], fields)
        return render(words["task_description"], {**fields, "task": task}).strip()
    except (KeyError, TypeError, ValueError, AttributeError, HarnessError):
        return ""


def _texts(one: RecordedConversation | None, other: RecordedConversation | None) -> tuple[str, str]:
    """What a judge sees of each; empty where that is nothing."""
    first, second = (() if each is None else each.transcript for each in (one, other))
    return shown(first, second), shown(second, first)


def _described(first: str, pair: BlockPair, answer: PairwiseAnswer) -> dict[str, Any]:
    """An answer in its record format: who was shown first, what was answered, and which arm that is."""
    second = next(arm for arm in pair.arms if arm != first)
    arm = {"A": first, "B": second}.get(answer.preferred or "")
    return {"first": first, "preferred": answer.preferred, "arm": arm, "reason": answer.reason}


def _declared_texts(settings: Mapping[str, Any]) -> Iterator[str]:
    """The texts of an arm that are long enough to be recognised: instructions, script, interventions, settings."""
    parts = [settings.get(name) for name in ("instructions", "script", "interventions", "own")]
    while parts:
        part = parts.pop()
        if isinstance(part, str) and len(part.split()) >= TELLING_WORDS:
            yield part.strip()
        elif isinstance(part, Mapping):
            parts += part.values()
        elif isinstance(part, list | tuple):
            parts += part
