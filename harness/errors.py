"""Exit codes, and the errors whose text is written for the user.

The tree, without the errors that one module keeps to itself::

    HarnessError
    ├── ConfigurationError
    │   ├── BeyondPlanError
    │   ├── MixedRunsError
    │   ├── RunChangedError
    │   ├── UnknownPriceError
    │   ├── UnknownProviderError
    │   └── MissingExtraError (in `harness.extras`)
    ├── LostRepliesError
    ├── RunInUseError
    ├── UnwritableError
    ├── UserCodeError (in `harness.user_code`)
    ├── LoopLostError (in `harness.runtime.loop`)
    └── ModelCallError
        ├── AdaptedError
        ├── BatchRefusedError
        ├── CallTimeoutError
        ├── ContextOverflowError
        ├── OversizedCallError
        ├── UnsupportedParameterError
        ├── UnsendableRequestError
        ├── RefusedError
        ├── RefusedKeyError
        ├── UnacceptableReplyError
        │   └── OutputLimitError
        ├── RejectedError
        ├── ChangedRequestError
        ├── StoppedError
        ├── UnknownModelError
        ├── UnreachableError
        └── SessionLimitError
            ├── LongWaitError
            └── BudgetExhaustedError

No text here or in the layers that raise these names an option: `harness.plugin.hints` has, by class, what each front
end adds in its own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any

MOST_LISTED = 12
"""Known names that a message lists where it can name the nearest instead."""


class ExitCode(IntEnum):
    """What a session's exit status means. 0 to 5 are pytest's own.

    ``BUDGET``: stopped by the session's budget. ``RETRY_LATER``: the server asks to wait longer than a session does.
    """

    OK = 0
    FAILED = 1
    INTERRUPTED = 2
    INTERNAL = 3
    USAGE = 4
    NO_CASES = 5
    BUDGET = 6
    RETRY_LATER = 7


class HarnessError(Exception):
    """An error whose text names the thing, its value, what was expected and the way out.

    It is shown without a traceback: the message is all that the user needs. Where it ends a trial, ``details`` is
    plain data for that trial's record.
    """

    details: Mapping[str, Any] = MappingProxyType({})

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the text, the fields and the cause, whatever arguments the class takes."""
        return _restored, (type(self), self.args, self.__dict__, self.__cause__)


def _restored(
    kind: type[HarnessError], args: tuple[Any, ...], fields: Mapping[str, Any], cause: BaseException | None
) -> HarnessError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    error.__cause__ = cause
    return error


class ConfigurationError(HarnessError):
    """The user's declarations cannot run. Raised before the first trial, with every fault found.

    Show ``problems`` and let the user fix them all at once.

    >>> ConfigurationError.of(["a", "b"]).problems
    ('a', 'b')
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))

    @classmethod
    def of(cls, problems: Iterable[str]) -> ConfigurationError:
        return cls(*problems)


class BeyondPlanError(ConfigurationError):
    """A session or a merge goes beyond its locked plan. Keep to the plan, or declare the result exploratory."""


class MixedRunsError(ConfigurationError):
    """The files to merge have different settings. Merge one run, or force the merge."""


class RunChangedError(ConfigurationError):
    """The run to resume was started with other settings. Raised by the registry, with each difference.

    Restore the settings, or start a new run.
    """


class UnknownPriceError(ConfigurationError):
    """A budget in dollars cannot be kept: no price is known for ``model``. List one, or limit calls or tokens.

    ``hint`` ends the message: how to install a library of prices, where it is missing.
    """

    def __init__(self, model: str, hint: str = "") -> None:
        self.model = model
        super().__init__(f"No price is known for the model {model!r}, so its cost cannot be limited.{hint}")


class UnknownProviderError(ConfigurationError):
    """No provider has the name that a model begins with. An OpenAI-compatible server needs none: see `openai`."""


class LostRepliesError(HarnessError):
    """Replies that were paid for are lost, or may be. Raised by journal and registry, before anything is sent.

    The text names the file and what is lost. The user decides: restore the file, start a new run, or accept the loss;
    front ends add how.
    """


class RunInUseError(HarnessError):
    """Another session, ``process``, works on run ``run_id``. Raised by its lock. Wait, or start a new run."""

    def __init__(self, run_id: str, process: str) -> None:
        self.run_id, self.process = run_id, process
        super().__init__(
            f"Run {run_id} is in use by another session (process {process}). Wait for it to end."
        )


class UnwritableError(HarnessError):
    """A file or folder cannot be created, locked or written: a full disk, no permission. Raised by records and journal.

    Mend what the text names, or choose another folder.
    """


class ModelCallError(HarnessError):
    """A model call that ended without an acceptable reply, after every attempt allowed. Raised by the gateway.

    Catch it to continue without the reply, or let it fail the trial, which a rerun plays again.

    ``fatal`` is true when every later call can only fail in the same way (no key, unknown model), so
    that the run should stop rather than fail trial by trial. ``retry_after`` is set where the same call may well
    succeed later (rate limit, server trouble, no connection): the seconds to wait at least. ``lost`` is
    true when the call was sent and its answer lost (a time-out, a cut connection, a garbled body).

    ``role`` is the role whose model the call was for, where that was found before the first trial.
    ``first_tries`` bounds the tries of a call as long as the session has had no reply at all: a refused connection or
    a login page then means a wrong address, not trouble that passes. ``None``: no such bound. ``brief`` is the reason
    alone, for a line of progress: the message without the model and its address.
    """

    def __init__(
        self,
        message: str,
        *,
        fatal: bool = False,
        retry_after: float | None = None,
        lost: bool = False,
        first_tries: int | None = None,
        brief: str = "",
    ) -> None:
        self.fatal = fatal
        self.retry_after = retry_after
        self.lost = lost
        self.first_tries = first_tries
        self.brief = brief or message
        self.role = ""
        super().__init__(message)


class AdaptedError(ModelCallError):
    """The server refused the form of a request. Raised by a provider that has learned another one.

    The gateway sends the call again at once, which counts as an attempt; callers never see this error.
    """


class BatchRefusedError(ModelCallError):
    """The server does not create a batch of calls. Raised by the gateway; nothing of the batch was sent.

    Send the calls as ordinary ones, or use an account and a server that have a batch API.
    """


class ContextOverflowError(ModelCallError):
    """The prompt, with the limit of its reply, is longer than the model's context. Raised by providers.

    It is not retried: shorten the prompt (fewer steps or people, a smaller memory), or choose a model with more
    context.
    """


class CallTimeoutError(ModelCallError):
    """All attempts at one call together took longer than a call may take. Raised by the gateway.

    The trial stays unfinished, and a rerun tries again. Allow calls longer, or find out why the server is slow.
    """


class UnreachableError(ModelCallError):
    """There is no connection to the model's server. Raised by providers; it ends a session that had no reply yet.

    Start the server, or correct the address.
    """


class RefusedKeyError(ModelCallError):
    """The server refuses the key, or what the key may do. Raised by providers; it ends the session. Set another key."""


class UnknownModelError(ModelCallError):
    """The server has no model of this name, or no such address. Raised by providers; it ends the session."""


class OversizedCallError(ModelCallError):
    """One call needs more tokens than the limit per minute allows, so it can never be sent. Raised by the limits.

    Shorten the prompt, state a token limit for the reply, or raise the limit per minute.
    """


class UnsupportedParameterError(ModelCallError):
    """The server refuses a field of the request, or its value. Raised by providers. ``parameter`` is the field's name.

    Leave the field out, or set another value; a declared field that is refused ends the session.
    """

    def __init__(self, message: str, parameter: str = "", *, fatal: bool = False, brief: str = "") -> None:
        self.parameter = parameter
        super().__init__(message, fatal=fatal, brief=brief)


class UnsendableRequestError(ModelCallError):
    """The request is not JSON text: half a character, NaN, an object, too many bytes. Raised before anything is sent.

    It is not retried and does not count as a call. The text names the call and the faulty field: mend what builds it.
    """


class RefusedError(ModelCallError):
    """The model, or its provider's filter, declined to answer. Raised by the gateway.

    A refusal is an outcome of the sample: record it, and do not ask again.
    """


class UnacceptableReplyError(ModelCallError):
    """All allowed replies came, and none was acceptable. Raised by the gateway.

    ``reason`` is the last one's fault and ``text`` what it said. Record the missing answer, or ask in another way.
    """

    def __init__(self, message: str, *, reason: str = "", text: str = "") -> None:
        self.reason, self.text = reason, text
        super().__init__(message, retry_after=0.0)


class OutputLimitError(UnacceptableReplyError):
    """All allowed replies were cut at the output limit. Raised by the gateway. Allow longer ones, or ask for less."""


class StoppedError(ModelCallError):
    """The session sends nothing more. Raised by the gateway to calls that were still queued.

    Let it pass, even where you continue after failed calls: it is not an outcome of the sample.
    """


class SessionLimitError(ModelCallError):
    """The session ends here, through no fault of the trial, which stays unfinished. Raised by the gateway.

    Let it pass; a rerun resumes the trial. ``exit_code`` is the session's.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str) -> None:
        super().__init__(message, fatal=True)


class LongWaitError(SessionLimitError):
    """The server asks for a longer wait than a session makes. Rerun later, or allow a longer wait."""

    exit_code = ExitCode.RETRY_LATER


class BudgetExhaustedError(SessionLimitError):
    """The next call could exceed the budget and was not sent. Raise ``limit``, or let the session end.

    ``limit`` is ``max_cost``, ``max_calls`` or ``max_tokens``.
    """

    exit_code = ExitCode.BUDGET

    def __init__(self, message: str, limit: str) -> None:
        self.limit = limit
        super().__init__(message)


class RejectedError(ModelCallError):
    """The caller rejected every reply that one try of a trial may have. Raised by the gateway.

    The message is the reason for the last rejection and ``text`` what that reply said. Catch it to continue without an
    answer.
    """

    def __init__(self, message: str, *, text: str = "") -> None:
        self.text = text
        super().__init__(message)


class ChangedRequestError(ModelCallError):
    """A resumed trial asks something else than its journal has. Raised by the gateway, before anything is sent.

    The trial fails, also where the caller goes on, and the session ends: other trials would be paid for under the new
    version. Restore what has changed, or start a new run.
    """


def raise_if_any(problems: Iterable[str]) -> None:
    """Raise one `ConfigurationError` with all ``problems``, if there are any."""
    found = tuple(problems)
    if found:
        raise ConfigurationError(*found)


def expected_one_of(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown ``name``: the known ones, or of many only the nearest.

    >>> expected_one_of("exp3", ["exp_1", "exp_3"])
    "expected one of exp_1, exp_3. Did you mean 'exp_3'?"
    """
    names = list(known)
    near = did_you_mean(name, names)
    if near and len(names) > MOST_LISTED:
        return f"d{near[2:]}"
    return f"expected one of {', '.join(names) or '(none)'}.{near}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The question whether the nearest of the ``known`` names is meant; empty where none is near."""
    from difflib import get_close_matches  # slow to import, and needed for a mistake alone

    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
