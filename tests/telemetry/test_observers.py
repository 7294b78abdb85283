"""Observers hear everything in order, and none of them can hold up or change a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from harness.telemetry import DeliveryError, Observers, from_environment
from harness.telemetry.events import Happening, SessionEnded, SessionStarted
from tests.support.happenings import at, session


class Listener:
    """Notes what it hears; ``fault`` is raised at the first batch, ``gate`` is waited for before each."""

    def __init__(self, fault: BaseException | None = None, gate: threading.Event | None = None) -> None:
        self.heard: list[Happening] = []
        self.batches = 0
        self.closed_with: float | None = None
        self._fault, self._gate = fault, gate

    def handle(self, events: Sequence[Happening]) -> None:
        self.batches += 1
        if self._gate is not None:
            self._gate.wait(30)
        if self._fault is not None:
            raise self._fault
        self.heard += events

    def close(self, timeout: float) -> None:
        self.closed_with = timeout


def told(listener: Listener, events: Sequence[Happening], **settings: object) -> list[str]:
    """The warnings of a session with one observer that is told ``events``."""
    warnings: list[str] = []
    observers = Observers({"Listener": lambda: listener}, warn=warnings.append, **settings)  # type: ignore[arg-type]
    for event in events:
        observers.handle(event)
    observers.close(5)
    return warnings


def test_everything_arrives_in_order_and_in_few_batches():
    listener, events = Listener(), list(session())
    assert told(listener, events) == []
    assert listener.heard == events
    assert listener.batches <= 2
    assert listener.closed_with is not None and 0 < listener.closed_with <= 5


def test_many_events_come_in_batches_of_bounded_size():
    listener, events = Listener(), [SessionStarted(at(second)) for second in range(1000)]
    told(listener, events)
    assert listener.heard == events
    assert listener.batches >= 5


def test_what_an_observer_raises_turns_it_off_with_one_warning_and_the_others_go_on():
    broken, sound, warnings = Listener(RuntimeError("sk-secret in here")), Listener(), []
    observers = Observers({"Broken": lambda: broken, "Sound": lambda: sound}, warn=warnings.append, linger=0)
    for event in session():
        observers.handle(event)
    observers.close(5)
    assert sound.heard == list(session())
    assert warnings == [
        "Broken: it failed with RuntimeError. The run is not affected; nothing more of this session goes there."
    ]


@pytest.mark.parametrize("fault", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_an_observer_that_exits_is_turned_off_with_one_warning(fault: BaseException):
    (warning,) = told(Listener(fault), list(session()))
    assert f"Listener: it failed with {type(fault).__name__}" in warning


def test_a_delivery_error_says_why():
    (warning,) = told(Listener(DeliveryError("its server is away; unset X")), list(session()))
    assert warning.startswith("Listener: its server is away; unset X. The run is not affected")


def test_a_package_that_is_missing_is_named():
    def make() -> Listener:
        raise ModuleNotFoundError("No module named 'langsmith'", name="langsmith")

    warnings: list[str] = []
    observers = Observers({"LangSmith": make}, warn=warnings.append)
    observers.handle(SessionEnded(at(0)))
    observers.close(5)
    assert "the package 'langsmith' is not installed: pip install 'persona-harness[langsmith]'" in warnings[0]


def test_an_observer_that_hangs_costs_the_run_nothing_and_the_end_its_time():
    gate, warnings = threading.Event(), []
    observers = Observers({"Slow": lambda: Listener(gate=gate)}, warn=warnings.append, waiting=50, linger=0)
    began = time.monotonic()
    for second in range(5000):
        observers.handle(SessionStarted(at(second)))
    assert time.monotonic() - began < 1  # 5,000 events against a wall
    began = time.monotonic()
    observers.close(0.2)
    assert 0.1 < time.monotonic() - began < 1
    assert len(warnings) == 1 and "did not answer in time" in warnings[0]
    gate.set()


def test_what_does_not_fit_is_left_out_and_counted():
    gate, listener = threading.Event(), Listener()
    listener._gate = gate
    warnings: list[str] = []
    observers = Observers({"Slow": lambda: listener}, warn=warnings.append, waiting=10, linger=0)
    observers.handle(SessionStarted(at(0)))
    while not listener.batches:  # its thread holds the first one
        time.sleep(0.001)
    for second in range(1, 31):
        observers.handle(SessionStarted(at(second)))
    gate.set()
    observers.close(5)
    assert [event.at for event in listener.heard] == [at(second) for second in range(11)]
    assert "it could not keep up; 20 events were left out" in warnings[0]


def test_closing_twice_and_events_after_the_end_are_harmless():
    listener = Listener()
    observers = Observers({"Listener": lambda: listener})
    observers.handle(SessionStarted(at(0)))
    observers.close(5)
    observers.handle(SessionEnded(at(1)))
    observers.close(5)
    assert len(listener.heard) == 1


def test_its_threads_do_not_keep_a_process_alive():
    gate = threading.Event()
    observers = Observers({"Slow": lambda: Listener(gate=gate)})
    observers.handle(SessionStarted(at(0)))
    (thread,) = [one for one in threading.enumerate() if one.name == "harness-Slow"]
    assert thread.daemon
    gate.set()
    observers.close(5)


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, ()),
        ({"LANGSMITH_TRACING": "true"}, ()),
        ({"LANGSMITH_API_KEY": "k"}, ()),
        ({"LANGSMITH_TRACING": "false", "LANGSMITH_API_KEY": "k"}, ()),
        ({"LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "k"}, ("LangSmith",)),
        ({"LANGCHAIN_TRACING_V2": "true", "LANGCHAIN_API_KEY": "k"}, ("LangSmith",)),
        ({"SENTRY_DSN": " "}, ()),
        ({"SENTRY_DSN": "https://k@example.invalid/1"}, ("Sentry",)),
        (
            {"SENTRY_DSN": "x", "LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "k"},
            ("LangSmith", "Sentry"),
        ),
    ],
)
def test_they_are_on_when_their_own_variables_say_so(environ: dict[str, str], names: tuple[str, ...]):
    observers = from_environment(environ)
    assert observers.names == names
    assert bool(observers) == bool(names)


def test_a_session_without_observers_pays_next_to_nothing():
    observers = Observers()
    event, began = SessionStarted(at(0)), time.perf_counter()
    for _ in range(10_000):
        observers.handle(event)
    assert time.perf_counter() - began < 0.1
