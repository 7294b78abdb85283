"""One batch at a provider: its calls' answers, once they are there, and how far it is until then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.gateway.batch.api import Answer, BatchAPI, BatchItem
from harness.gateway.journal.batches import JournaledBatch


@dataclass(slots=True, eq=False)
class OpenBatch:
    """A batch of the run ``run_id`` that was sent, or is being sent. ``place`` names the provider in messages.

    ``items`` are the calls to send; none for a batch of an earlier session. ``trouble`` is why it cannot be looked at
    now, ``answered`` how many of its calls have a result.
    """

    run_id: str
    kept: JournaledBatch
    api: BatchAPI
    place: str
    items: Sequence[BatchItem] = ()
    answered: int = 0
    trouble: str = ""
    _answers: Mapping[str, Answer] | None = None
    _error: BaseException | None = None
    _waiting: dict[int, asyncio.Future[Answer]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.kept.id or self.kept.key

    @property
    def is_over(self) -> bool:
        """Whether its answers are there, or why there are none."""
        return self._answers is not None or self._error is not None

    def call_name(self, number: int) -> str:
        """What call ``number`` is called in the batch."""
        return f"{self.kept.key}-{number}"

    async def answer(self, number: int) -> Answer:
        """The answer to call ``number``, once the batch is over. Raises what ended it."""
        if self._error is not None:
            raise self._error.with_traceback(None)
        if self._answers is not None:
            return self._answers.get(self.call_name(number), "no reply")
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        return await waiting

    def deliver(self, answers: Mapping[str, Answer]) -> None:
        """The batch is over, with these answers by the names of its calls."""
        self._answers = answers
        for number, waiting in self._waiting.items():
            if not waiting.done():
                waiting.set_result(answers.get(self.call_name(number), "no reply"))
        self._waiting.clear()

    def fail(self, error: BaseException) -> None:
        """No answer will come in this session."""
        self._error = error
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)
        self._waiting.clear()

    def without_reply(self, answers: Mapping[str, Answer]) -> int:
        """How many of its calls have no reply among ``answers``."""
        names = map(self.call_name, range(len(self.kept.calls)))
        return sum(not isinstance(answers.get(name), Mapping) for name in names)


def batches_in_words(number: int) -> str:
    """``1 batch``, ``2 batches``."""
    return f"{number:,} batch{'es' * (number != 1)}"


def calls_in_words(number: int) -> str:
    """``1 call``, ``120 calls``."""
    return f"{number:,} call{'s' * (number != 1)}"
