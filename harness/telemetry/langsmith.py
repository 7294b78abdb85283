"""LangSmith through its official SDK: a trace per case, child runs per trial and per call, feedback per case.

It uses the run-tree API, because the SDK's pytest plugin knows no repetitions and nests under reruns. Batches are sent
on the observer's thread by the SDK's synchronous `multipart_ingest`: the SDK's background threads are not daemons and
keep a process alive while a server hangs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.telemetry.events import CallEnded, CaseEnded, CaseStarted, Happening, TrialEnded, TrialStarted
from harness.telemetry.observers import DeliveryError
from harness.telemetry.tracing import OpenCase, OpenTrial, Tracer, known

if TYPE_CHECKING:
    from langsmith import Client
    from langsmith.run_trees import RunTree

    Case = OpenCase[RunTree, RunTree]
    Trial = OpenTrial[RunTree, RunTree]

CONNECT_MS, READ_MS = 3_000, 10_000
FEEDBACK_THREADS = 8
"""Each key of feedback takes one request; this many run at once."""

WAY_OUT = "check LANGSMITH_ENDPOINT, LANGSMITH_API_KEY and LANGSMITH_PROJECT, or unset LANGSMITH_TRACING"


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the SDK's usual variables turn tracing on and hold a key."""
    return variable(environ, "TRACING", "TRACING_V2").lower() == "true" and bool(variable(environ, "API_KEY"))


def variable(environ: Mapping[str, str], *names: str) -> str:
    """The first of the SDK's variables that is set, under its present or its older prefix; else empty."""
    candidates = (f"{prefix}_{name}" for name in names for prefix in ("LANGSMITH", "LANGCHAIN"))
    return next((value for one in candidates if (value := environ.get(one, "").strip())), "")


class LangSmithObserver(Tracer["RunTree", "RunTree"]):
    """Sends each batch of events as one multipart request. ``environ`` is read once; the SDK also reads it itself."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        super().__init__()
        self._project = variable(environ, "PROJECT", "SESSION") or "default"
        self._failures: list[Exception] = []
        self._client = _client(environ, self._failures.append)
        self._project_id: Any = None
        self._created: list[RunTree] = []
        self._updated: dict[str, RunTree] = {}
        self._feedback: list[dict[str, Any]] = []

    def handle(self, events: Sequence[Happening]) -> None:
        with quiet():
            for event in events:
                self.trace(event)
            self._send()

    def close(self, timeout: float) -> None:
        with quiet():
            self._client.close(timeout=timeout)

    def open_case(self, event: CaseStarted) -> RunTree:
        from langsmith.run_trees import RunTree

        cell, identity = event.cell, asdict(event.cell)
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
        self._created.append(run)
        return run

    def close_case(self, case: Case, ended: CaseEnded) -> None:
        outputs = {"outcome": "failed" if ended.problem else "passed", "scores": dict(ended.scores)}
        self._close(case.span, ended.at, outputs, ended.problem)
        run, rep = case.span, case.started.cell.rep
        common = {"run_id": run.id, "trace_id": run.trace_id, "start_time": run.start_time}
        scores = {"rep": rep, **ended.scores}.items()
        self._feedback += [{"key": key, "score": score, **common} for key, score in scores]
        self._feedback += [
            {"key": key, "value": value, **common} for key, value in case.started.labels.items()
        ]

    def open_trial(self, case: Case, event: TrialStarted) -> RunTree:
        run = _child(
            case.span,
            event.trial.split("/", 3)[-1],
            "chain",
            start_time=event.at,
            inputs={"trial": event.trial},
            extra={"metadata": {"trial": event.trial, "trial_attempt": event.attempt}},
        )
        self._created.append(run)
        return run

    def close_trial(self, trial: Trial, at: datetime, ended: TrialEnded | None) -> None:
        if ended is None:
            self._close(trial.span, at, {}, "The trial did not end.")
            return
        usage = ended.usage
        names = ("metric", "person", "value", "reason")
        outputs = {
            "samples": [{name: getattr(one, name) for name in names} for one in ended.samples],
            "usage": {
                "calls": dict(usage.calls),
                "tokens_in": usage.tokens_in,
                "tokens_out": usage.tokens_out,
            },
        }
        outputs |= {"events": list(ended.events)} if ended.events else {}
        self._close(trial.span, at, outputs, str(ended.failure) if ended.failure else None)

    def add_call(self, trial: Trial, event: CallEnded) -> None:
        answer = event.answer
        message: dict[str, Any] = {"role": "assistant", "content": answer.text} if answer else {}
        if answer and answer.thoughts:
            message["reasoning_content"] = answer.thoughts
        if answer and answer.tool_calls:
            message["tool_calls"] = [dict(one) for one in answer.tool_calls]
        run = _child(
            trial.span,
            event.kind,
            "embedding" if event.kind == "embedding" else "llm",
            start_time=event.started,
            end_time=event.started + timedelta(seconds=event.seconds),
            inputs={"messages": [dict(one) for one in event.messages]},
            outputs={"messages": [message]} if answer else {},
            error=str(event.failure) if event.failure else None,
            extra={"invocation_params": dict(event.parameters), "metadata": _call_metadata(event)},
        )
        if paid := event.paid_answer:
            run.set(
                usage_metadata={
                    "input_tokens": paid.tokens_in,
                    "output_tokens": paid.tokens_out,
                    "total_tokens": paid.tokens_in + paid.tokens_out,
                    **({} if paid.cost is None else {"total_cost": paid.cost}),
                }
            )
        self._created.append(run)

    def _close(self, run: RunTree, at: datetime, outputs: dict[str, Any], error: str | None) -> None:
        run.end(outputs=outputs, error=error, end_time=max(at, run.start_time))
        self._updated[str(run.id)] = run

    def _send(self) -> None:
        """Send what has accumulated: the runs in one request, then the feedback on them."""
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
        self._project_id = self._project_id or self._find_project()
        _ = self._client.info  # fetched and cached here, once, instead of by every thread

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

    def _find_project(self) -> Any:
        """The project's id, which feedback has to name; a project that does not exist yet is created."""
        from langsmith.utils import LangSmithNotFoundError

        try:
            return self._client.read_project(project_name=self._project).id
        except LangSmithNotFoundError:
            return self._client.create_project(self._project, upsert=True).id

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


def _child(parent: RunTree, name: str, kind: Any, **parts: Any) -> RunTree:
    """Create a child run with its parent's metadata; the parent drops it, so that only open runs stay in memory."""
    run = parent.create_child(name, kind, **parts)
    parent.child_runs.clear()
    return run


def _body(run: RunTree) -> dict[str, Any]:
    """What the SDK sends of a run. Messages are passed on without a copy."""
    body = run.model_dump(
        exclude={"inputs", "outputs", "child_runs", "dangerously_allow_filesystem"}, exclude_none=True
    )
    return {**body, "inputs": run.inputs, "outputs": run.outputs}


def _call_metadata(event: CallEnded) -> dict[str, Any]:
    answer = event.answer
    facts = {
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
    return known(facts)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the SDK's logger on this thread: its messages quote parts of the key, and repeat themselves.

    `Observers` gives the one warning. Other threads, and a user's own use of the SDK, are not affected.
    """
    thread, logger = threading.get_ident(), logging.getLogger("langsmith.client")

    def of_another_thread(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(of_another_thread)
    try:
        yield
    finally:
        logger.removeFilter(of_another_thread)
