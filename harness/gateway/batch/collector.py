"""Waits for a batch to end, however long that takes, and reads its answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from harness.errors import LostRepliesError, ModelCallError, StoppedError, UnknownModelError
from harness.gateway.batch.api import Answer, BatchStatus
from harness.gateway.batch.open_batch import OpenBatch, calls_in_words
from harness.gateway.journal.journal import Journal
from harness.gateway.sender import Sender

T = TypeVar("T")

FIRST_LOOK, LONGEST_LOOK, SLOWER = 0.5, 60.0, 1.5
"""Seconds before the first look at a batch, the most before another, and by what factor they grow."""


class BatchCollector:
    """Collects batches, with or without a known id. ``notify`` gets warnings."""

    def __init__(
        self,
        *,
        journal: Journal | None,
        sender: Sender,
        notify: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._journal, self._sender, self._notify, self._sleep = journal, sender, notify, sleep

    async def keep(self, batch: OpenBatch) -> None:
        """Return when what is known of ``batch`` is on disk. Raises `ModelCallError`, fatal."""
        if self._journal is not None:
            await self._journal.keep_batch(batch.run_id, batch.kept)

    async def collect(self, batch: OpenBatch) -> Mapping[str, Answer] | None:
        """The answers in ``batch``, once it is over; ``None`` where it was never created.

        Raises `ModelCallError`: because the session stops, or because the server does not give the batch away.
        """
        for batch_id in await self._ids(batch):
            if not batch.kept.id and batch.api.lists_keys:
                await self._identify(batch, batch_id)
            try:
                status = await self._ended(batch, batch_id)
                answers = await self._patiently(batch, lambda found=status: batch.api.answers(found))  # type: ignore[misc]
            except UnknownModelError as error:
                if self._sender.stopped:
                    raise
                return self._given_up(batch, error)
            if not batch.kept.id and any(name.startswith(f"{batch.kept.key}-") for name in answers):
                await self._identify(batch, batch_id)
            if batch.kept.id:
                self._tell_missing(batch, answers, status.ending)
                return answers
        return None

    async def _ids(self, batch: OpenBatch) -> Sequence[str]:
        """The batch's id, else those that it may have."""
        kept = batch.kept
        if kept.id:
            return [kept.id]
        return await self._patiently(
            batch, lambda: batch.api.candidates(kept.key, kept.created, len(kept.calls))
        )

    async def _identify(self, batch: OpenBatch, batch_id: str) -> None:
        batch.kept = batch.kept.with_id(batch_id)
        await self.keep(batch)

    async def _ended(self, batch: OpenBatch, batch_id: str) -> BatchStatus:
        seconds = FIRST_LOOK
        while True:
            status = await self._patiently(batch, lambda: batch.api.status(batch_id))
            batch.answered = status.answered
            if status.is_over:
                return status
            await self._pause(seconds)
            seconds = min(seconds * SLOWER, LONGEST_LOOK)

    async def _patiently(self, batch: OpenBatch, work: Callable[[], Awaitable[T]]) -> T:
        """What ``work`` gives. Trouble on the way is waited out: the batch is paid for."""
        seconds = FIRST_LOOK
        while True:
            try:
                found = await work()
            except ModelCallError as error:
                if isinstance(error, StoppedError):
                    raise
                if error.fatal or error.retry_after is None:
                    error.fatal = True
                    raise
                batch.trouble = error.brief
                await self._pause(max(seconds, error.retry_after))
                seconds = min(seconds * SLOWER, LONGEST_LOOK)
            else:
                batch.trouble = ""
                return found

    async def _pause(self, seconds: float) -> None:
        await self._sender.pause(seconds, self._sleep)
        self._sender.check_running()

    def _tell_missing(self, batch: OpenBatch, answers: Mapping[str, Answer], ending: str) -> None:
        missing = batch.without_reply(answers)
        if missing:
            ended = f"ended as {ending}" if ending else "is over"
            self._notify(
                f"The batch {batch.name} at {batch.place} {ended}; {missing:,} of its "
                f"{calls_in_words(len(batch.kept.calls))} have no reply. They are sent as ordinary calls, at the full "
                "price."
            )

    def _given_up(self, batch: OpenBatch, error: ModelCallError) -> Mapping[str, Answer]:
        """No answers, where the user accepts that; else raises `ModelCallError` for the loss."""
        calls = calls_in_words(len(batch.kept.calls))
        if self._journal is not None and self._journal.accept_loss:
            self._notify(
                f"The batch {batch.name} of {calls} is given up; its calls are sent, and paid, again."
            )
            return {}
        said = f"{str(error).rstrip('. ')}."
        lost = LostRepliesError(
            f"The batch {batch.name} of {calls}, which is paid for, cannot be collected. {said} Use the key of "
            "the account that sent it."
        )
        raise ModelCallError(str(lost), fatal=True) from lost
