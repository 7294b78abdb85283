"""Telling others about calls, without ever letting them change a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from harness.console import logger
from harness.errors import ModelCallError
from harness.gateway.calls import CallSite, Reply, Request

log = logger()


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One attempt at a call: answered, failed, or served from the journal (``replayed``: nothing was sent).

    Both ``reply`` and ``error`` are set where the reply was not acceptable. ``attempt`` counts from 0 within one
    question; ``started`` is in seconds since 1970.
    """

    trial: str
    run_id: str
    site: CallSite
    request: Request
    reply: Reply | None
    error: ModelCallError | None
    started: float
    seconds: float
    attempt: int
    replayed: bool
    provider: str = ""


class CallObserver(Protocol):
    """Receives every attempt, on the event loop's thread, so it must be fast. An exception disables it."""

    def on_call(self, call: CallRecord) -> None: ...


class CallObservers:
    """Several observers as one that never raises: the first fault of each is logged and disables it."""

    def __init__(self, observers: Iterable[CallObserver] = ()) -> None:
        self._observers = list(observers)

    def __bool__(self) -> bool:
        return bool(self._observers)

    def add(self, observer: CallObserver) -> None:
        """Tell ``observer`` too, from now on."""
        self._observers.append(observer)

    def on_call(self, call: CallRecord) -> None:
        """Tell everyone."""
        for observer in tuple(self._observers):
            try:
                observer.on_call(call)
            except BaseException as error:  # an observer's fault must not become the run's
                self._observers.remove(observer)
                # Its class alone: the message may hold a prompt.
                kinds = type(observer).__name__, type(error).__name__
                log.warning(
                    "The observer %s failed with %s: it gets no more events. The run continues.", *kinds
                )
