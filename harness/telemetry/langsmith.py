"""LangSmith through its official SDK: a trace per case, child runs per trial and per call, feedback per case.

The run-tree API and not the SDK's pytest plugin, which knows no repetitions and nests under reruns. The SDK's own
background threads are not daemons and keep a process alive while a server hangs, so batches are sent here instead,
on the observer's thread, by the SDK's synchronous `multipart_ingest`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.telemetry.events import (
    CallEnded,
    CallFailure,
    CaseEnded,
    CaseStarted,
    Happening,
    SessionEnded,
    TrialEnded,
    TrialStarted,
)
from harness.telemetry.observers import DeliveryError

if TYPE_CHECKING:
    from langsmith import Client
    from langsmith.run_trees import RunTree

CONNECT_MS, READ_MS = 3_000, 10_000
FEEDBACK_THREADS = 8
"""Feedback goes one request a key; so many are under way at once."""

WAY_OUT = "check LANGSMITH_ENDPOINT, LANGSMITH_API_KEY and LANGSMITH_PROJECT, or unset LANGSMITH_TRACING"


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the SDK's usual variables ask for tracing and hold a key."""
    return variable(environ, "TRACING", "TRACING_V2").lower() == "true" and bool(variable(environ, "API_KEY"))


def variable(environ: Mapping[str, str], *names: str) -> str:
    """The first of the SDK's variables that is set, under its present or its older prefix; else empty."""
    candidates = (f"{prefix}_{name}" for name in names for prefix in ("LANGSMITH", "LANGCHAIN"))
    return next((value for one in candidates if (value := environ.get(one, "").strip())), "")


@dataclass
class _Case:
    run: RunTree
    rep: int
    labels: Mapping[str, Any] = field(default_factory=dict)
    trials: dict[str, RunTree] = field(default_factory=dict)


class LangSmithObserver:
    """Sends each batch of events as one multipart request. ``environ`` is read once; the SDK reads its own as well."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._project = variable(environ, "PROJECT", "SESSION") or "default"
        self._failures: list[Exception] = []
        self._client = _client(environ, self._failures.append)
        self._project_id: Any = None
        self._cases: dict[str, _Case] = {}
        self._trials: dict[str, RunTree] = {}
        self._created: list[RunTree] = []
        self._updated: dict[str, RunTree] = {}
        self._feedback: list[dict[str, Any]] = []

    def handle(self, events: Sequence[Happening]) -> None:
        with quiet():
            for event in events:
                self._note(event)
            self._send()

    def close(self, timeout: float) -> None:
        with quiet():
            self._client.close(timeout=timeout)

    def _note(self, event: Happening) -> None:
        if isinstance(event, CallEnded):
            self._call(event)
        elif isinstance(event, TrialStarted):
            self._trial_started(event)
        elif isinstance(event, TrialEnded):
            self._trial_ended(event)
        elif isinstance(event, CaseStarted):
            self._case_started(event)
        elif isinstance(event, CaseEnded):
            self._case_ended(event)
        elif isinstance(event, SessionEnded):
            for case in list(self._cases):
                self._case_ended(
                    CaseEnded(case, event.at, problem=event.stopped or "The session ended before it.")
                )

    def _case_started(self, event: CaseStarted) -> None:
        from langsmith.run_trees import RunTree

        cell = event.cell
        identity = {"experiment": cell.experiment, "group": cell.group, "rep": cell.rep}
        which = {"run_id": event.run_id, "attempt": event.attempt}
        run = RunTree(
            name=str(cell),
            run_type="chain",
            start_time=event.at,
            inputs={**identity, "trials": event.trials},
            project_name=self._project,
            ls_client=self._client,
            tags=[cell.experiment, cell.group],
            extra={"metadata": {**event.facts, **event.labels, **identity, **which}},
        )
        self._cases[event.case] = _Case(run, cell.rep, event.labels)
        self._created.append(run)

    def _case_ended(self, event: CaseEnded) -> None:
        case = self._cases.pop(event.case, None)
        if case is None:
            return
        for trial in list(case.trials):
            self._close(case.trials.pop(trial), event.at, {}, "The trial did not end.")
            self._trials.pop(trial, None)
        outputs = {"outcome": "failed" if event.problem else "passed", "scores": dict(event.scores)}
        self._close(case.run, event.at, outputs, event.problem)
        common = {"run_id": case.run.id, "trace_id": case.run.trace_id, "start_time": case.run.start_time}
        self._feedback += [
            {"key": key, "score": score, **common} for key, score in {"rep": case.rep, **event.scores}.items()
        ]
        self._feedback += [{"key": key, "value": value, **common} for key, value in case.labels.items()]

    def _trial_started(self, event: TrialStarted) -> None:
        case = self._cases.get(event.case)
        if case is None:
            return
        run = _child(
            case.run,
            event.trial.split("/", 3)[-1],
            "chain",
            start_time=event.at,
            inputs={"trial": event.trial},
            extra={"metadata": {"trial": event.trial, "trial_attempt": event.attempt}},
        )
        case.trials[event.trial] = self._trials[event.trial] = run
        self._created.append(run)

    def _trial_ended(self, event: TrialEnded) -> None:
        case, run = self._cases.get(event.case), self._trials.pop(event.trial, None)
        if case is None or run is None:
            return
        case.trials.pop(event.trial, None)
        usage = event.usage
        outputs = {
            "samples": [
                {
                    "metric": one.metric,
                    "person": one.person,
                    "value": one.value,
                    "reason": one.reason,
                }
                for one in event.samples
            ],
            "usage": {
                "calls": dict(usage.calls),
                "tokens_in": usage.tokens_in,
                "tokens_out": usage.tokens_out,
            },
        }
        outputs |= {"events": list(event.events)} if event.events else {}
        self._close(run, event.at, outputs, _said(event.failure))

    def _call(self, event: CallEnded) -> None:
        parent = self._trials.get(event.trial)
        if parent is None:
            return
        answer = event.answer
        message = {"role": "assistant", "content": answer.text} if answer else {}
        if answer and answer.thoughts:
            message["reasoning_content"] = answer.thoughts
        run = _child(
            parent,
            event.kind,
            "embedding" if event.kind == "embedding" else "llm",
            start_time=event.started,
            end_time=event.started + timedelta(seconds=event.seconds),
            inputs={"messages": [dict(one) for one in event.messages]},
            outputs={"messages": [message | _tool_calls(event)]} if answer else {},
            error=_said(event.failure),
            extra={"invocation_params": dict(event.parameters), "metadata": _call_metadata(event)},
        )
        if answer and not event.replayed:  # what came from the journal was paid for, and counted, before
            run.set(
                usage_metadata={
                    "input_tokens": answer.tokens_in,
                    "output_tokens": answer.tokens_out,
                    "total_tokens": answer.tokens_in + answer.tokens_out,
                    **({} if answer.cost is None else {"total_cost": answer.cost}),
                }
            )
        self._created.append(run)

    def _close(self, run: RunTree, at: datetime, outputs: dict[str, Any], error: str | None) -> None:
        run.end(outputs=outputs, error=error, end_time=max(at, run.start_time))
        self._updated[str(run.id)] = run

    def _send(self) -> None:
        """Send what has gathered: the runs in one request, then the feedback on them."""
        created = {str(run.id) for run in self._created}
        updated = [run for key, run in self._updated.items() if key not in created]
        if self._created or updated:
            self._client.multipart_ingest(
                create=[_body(run) for run in self._created], update=[_body(run) for run in updated]
            )
        self._raise_failure()
        feedback, self._feedback = self._feedback, []
        self._created, self._updated = [], {}
        if feedback:
            self._post(feedback)
            self._raise_failure()

    def _post(self, feedback: list[dict[str, Any]]) -> None:
        self._project_id = self._project_id or _project_id(self._client, self._project)
        _ = self._client.info  # asked for once, here, and not by every thread

        def post_some() -> None:
            with quiet():
                while feedback and not self._failures:
                    try:
                        self._client.create_feedback(
                            **feedback.pop(), session_id=self._project_id, stop_after_attempt=3
                        )
                    except IndexError:
                        return
                    except Exception as error:
                        self._failures.append(error)

        names = range(min(FEEDBACK_THREADS, len(feedback)))
        threads = [threading.Thread(target=post_some, daemon=True) for _ in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _raise_failure(self) -> None:
        if self._failures:
            kind = type(self._failures[0]).__name__
            raise DeliveryError(f"its server did not take what was sent ({kind}); {WAY_OUT}")


def _client(environ: Mapping[str, str], failed: Callable[[Exception], None]) -> Client:
    from langsmith import Client
    from urllib3.util import Retry

    once_more = Retry(total=1, status_forcelist=(502, 503, 504), allowed_methods=None, backoff_factor=0.5)
    return Client(
        variable(environ, "ENDPOINT") or None,
        api_key=variable(environ, "API_KEY"),
        auto_batch_tracing=False,
        tracing_error_callback=failed,
        retry_config=once_more,
        timeout_ms=(CONNECT_MS, READ_MS),
        disable_prompt_cache=True,
    )


def _project_id(client: Client, name: str) -> Any:
    """The project's id, which feedback has to name; the project is made where it does not exist yet."""
    from langsmith.utils import LangSmithNotFoundError

    try:
        return client.read_project(project_name=name).id
    except LangSmithNotFoundError:
        return client.create_project(name, upsert=True).id


def _said(failure: CallFailure | None) -> str | None:
    return None if failure is None else f"{failure.kind}: {failure.reason}"


def _child(parent: RunTree, name: str, kind: Any, **parts: Any) -> RunTree:
    """A child run, with its parent's metadata; the parent forgets it, so that memory holds open runs alone."""
    run = parent.create_child(name, kind, **parts)
    parent.child_runs.clear()
    return run


def _body(run: RunTree) -> dict[str, Any]:
    """What the SDK sends of a run; messages are taken over as they are, not copied."""
    body = run.model_dump(
        exclude={"inputs", "outputs", "child_runs", "dangerously_allow_filesystem"}, exclude_none=True
    )
    return {**body, "inputs": run.inputs, "outputs": run.outputs}


def _tool_calls(event: CallEnded) -> dict[str, Any]:
    calls = event.answer.tool_calls if event.answer else ()
    return {"tool_calls": [dict(one) for one in calls]} if calls else {}


def _call_metadata(event: CallEnded) -> dict[str, Any]:
    answer = event.answer
    known = {
        "ls_provider": event.provider,
        "ls_model_name": (answer and answer.model) or event.model,
        "ls_model_type": "chat",
        "ls_temperature": event.parameters.get("temperature"),
        "ls_max_tokens": event.parameters.get("max_tokens"),
        "model_asked": event.model,
        "finish_reason": answer and answer.finish_reason,
        "kind": event.kind,
        "person": event.person,
        "step": event.step,
        "call_attempt": event.attempt,
        "replayed": event.replayed,
    }
    return {key: value for key, value in known.items() if value not in (None, "")}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The SDK's own logger says nothing on this thread: its messages quote parts of the key, and repeat themselves.

    The one warning comes from `Observers`. Other threads, and a user's own use of the SDK, go on as they were.
    """
    thread, logger = threading.get_ident(), logging.getLogger("langsmith.client")

    def of_another_thread(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(of_another_thread)
    try:
        yield
    finally:
        logger.removeFilter(of_another_thread)
