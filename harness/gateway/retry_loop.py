"""One call from its reservation to its reply: attempts and the pauses between them, until one succeeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from harness.errors import (
    AdaptedError,
    CallTimeoutError,
    ChangedRequestError,
    ContextOverflowError,
    HarnessError,
    LongWaitError,
    ModelCallError,
    RejectedError,
    StoppedError,
    UnreachableError,
)
from harness.gateway.attempts import Attempts
from harness.gateway.calls import Reply
from harness.gateway.journal.divergence import SETTLE_SECONDS, replaced_by, request_difference
from harness.gateway.journal.journal import Journal
from harness.gateway.journal.replay import SampleSlot
from harness.gateway.models import SessionModels
from harness.gateway.pending_call import PendingCall
from harness.gateway.requests.sendable import size_in_words
from harness.gateway.retry import RetryPolicy, is_reply
from harness.gateway.sender import Sender
from harness.gateway.trial_client import TrialClient
from harness.gateway.waiting import Wait, duration, moment

MOST_ADAPTATIONS = 8
"""Times that one call is sent again because its provider learned another spelling; each learns a thing only once."""


class RetryLoop:
    """Runs calls: reserves the sample, makes attempts, retries as ``policy`` allows, or ends with a final error.

    ``under_way`` counts the calls that have not ended.
    """

    def __init__(
        self,
        attempts: Attempts,
        policy: RetryPolicy,
        *,
        journal: Journal | None,
        sender: Sender,
        models: SessionModels,
        sleep: Callable[[float], Awaitable[None]],
        wall: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._attempts, self._retry = attempts, policy
        self._journal, self._sender, self._models = journal, sender, models
        self._first_calls = attempts.first_calls
        self._sleep, self._wall, self._clock = sleep, wall, clock
        self._waits: dict[PendingCall, Wait] = {}
        self.under_way = 0

    @property
    def next_wait(self) -> Wait | None:
        """The pause that ends first; ``None`` if no call pauses. Thread-safe."""
        return min(list(self._waits.values()), key=lambda wait: wait.until, default=None)

    async def run(
        self, call: PendingCall, max_rejections: int | None = None, max_replies: int | None = None
    ) -> Reply:
        """Try until there is an acceptable reply or no attempt is left; equal requests are distinguished on arrival."""
        question = call.client.samples.reserve(call.site, call.request.digest)
        question.max_rejections = max_rejections
        failures: Counter[bool] = Counter()
        adaptations = 0
        self.under_way += 1
        try:
            await self.recall(call.client)
            if call.client.repeats:
                await self._refuse_change(call, question)
            if question.spent:
                raise RejectedError(question.reason, text=question.text)
            while True:
                try:
                    return await self._attempts.make(call, question)
                except AdaptedError:
                    call.attempts += 1
                    adaptations += 1
                    if adaptations > MOST_ADAPTATIONS:
                        raise
                    continue
                except ModelCallError as error:
                    failed = failures[is_reply(error)]
                    seconds = self._retry.pause(
                        error, failed, answered=self._first_calls.answered(call.provider)
                    )
                    if seconds is None:
                        raise self._last(call, error) from error.__cause__
                    if is_reply(error) and failures[True] + 1 == max_replies:
                        raise
                    if call.left == 0:
                        raise _overdue(call, error) from None
                    failures[is_reply(error)] += 1
                    call.attempts += 1
                    reason = error.brief
                    tries = self._retry.tries(error, answered=self._first_calls.answered(call.provider))
                if seconds > 0:
                    self._waits[call] = Wait(reason, self._clock() + seconds, failed + 2, tries)
                    try:
                        await self._sender.pause(seconds, self._sleep)
                    finally:
                        del self._waits[call]
        except BaseException as error:
            call.client.samples.is_own_way = True
            if isinstance(error, ModelCallError) and (error.fatal or isinstance(error, StoppedError)):
                call.client.note_final(
                    error
                )  # no later call can succeed, even if the caller handles this one
            question.open = True  # who asks the same again asks this question
            raise
        finally:
            self.under_way -= 1

    async def recall(self, client: TrialClient) -> None:
        """Let ``client`` know what the journal has of its trial. Raises `ModelCallError`."""
        journal = self._journal
        if journal is not None:
            try:
                await client.recall(lambda: journal.recall(client.run_id, client.trial_id))
            except HarnessError as error:
                raise ModelCallError(str(error), fatal=True) from error

    async def _refuse_change(self, call: PendingCall, question: SampleSlot) -> None:
        """Raise `ChangedRequestError` where a resumed trial asks something else than the journal has."""
        client = call.client
        if isinstance(client.failure, ChangedRequestError):
            raise client.failure
        if self._journal is None or replaced_by(question, client.samples) is None:
            return
        await self._sleep(SETTLE_SECONDS)
        then = replaced_by(question, client.samples)
        if then is None or client.under_way > 1:
            return
        before = await self._journal.request(client.run_id, then.digest)
        number = client.samples.asked_at(call.site).index(question) + 1
        error = ChangedRequestError(
            f"Call {number} of kind {call.site.kind!r} differs from the one in the journal, so it was not sent:\n"
            f"{request_difference(before, call.body) if before else '    (the journaled request cannot be read)'}\n"
            "    Something that the trial reads has changed since: a file, a package, the time. The session ends, so "
            "that the run holds one version. Restore what has changed and rerun, or start a new run. If a play's "
            "requests vary by design, declare Play(…, deterministic=False): calls that differ are then sent, and paid, "
            "again.",
            fatal=True,
        )
        client.note_final(error)
        raise error

    def _last(self, call: PendingCall, error: ModelCallError) -> ModelCallError:
        """The final error of a call that is not retried after ``error``; ends the session if waiting cannot help."""
        asked, said = error.retry_after or 0.0, f"{str(error).rstrip('. ')}."
        if asked > self._retry.longest_wait and not error.fatal:
            error = LongWaitError(
                f"{said} The server asks to wait {duration(asked)}, until {moment(self._wall() + asked)}; a session "
                f"waits at most {duration(self._retry.longest_wait)}. Every reply so far is kept: "
                "rerun the same command then to resume."
            )
        elif (
            error.first_tries is not None
            and not self._first_calls.answered(call.provider)
            and not error.fatal
        ):
            number = f"{call.attempts + 1} tries" if call.attempts else "the first try"
            several = self._models.several
            whose = (
                "to this model was answered, so the session"
                if several
                else "of this session was answered, so it"
            )
            kind = UnreachableError if isinstance(error, UnreachableError) else ModelCallError
            error = kind(
                f"{said} No call {whose} ends after {number} instead of waiting.",
                fatal=True,
                brief=error.brief,
            )
        elif isinstance(error, ContextOverflowError):
            who = f" ({call.site.person})" if call.site.person else ""
            where = f"Call {call.site.kind!r} of {call.client.trial_id}{who}"
            return ContextOverflowError(f"{where}: {said} {size_in_words(call.request)}", brief=error.brief)
        else:
            return error
        self._sender.end(error)
        return error


def _overdue(call: PendingCall, error: ModelCallError) -> ModelCallError:
    """The final error of a call whose attempts have taken as long as a call may take."""
    return CallTimeoutError(
        f"{str(error).rstrip('. ')}. The {call.attempts + 1} attempts at this call took "
        f"{duration(call.seconds)}; a call may take {duration(call.longest or 0)} in all.",
        brief=error.brief,
    )
