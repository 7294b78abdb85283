"""Ask a model from a command: a gateway, with a journal next to the command's files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

from harness.cli.app import error_text
from harness.console import echo
from harness.errors import (
    ConfigurationError,
    ExitCode,
    HarnessError,
    LostRepliesError,
    ModelCallError,
    SessionLimitError,
)

if TYPE_CHECKING:
    from harness.gateway.gateway import Gateway
    from harness.runtime.settings import Settings

Made = TypeVar("Made")


def ended(settings: Settings, work: Callable[[Gateway], Awaitable[Made]]) -> Made:
    """Run ``work`` to its end with a gateway of ``settings``, whose journal is in ``results_dir``.

    A failure ends the command with the exit code of its kind.
    """
    from harness.plugin.factories import make_gateway

    with failures_told():
        return asyncio.run(_interruptible(lambda: make_gateway(settings), work))


async def _interruptible(make: Callable[[], Gateway], work: Callable[[Gateway], Awaitable[Made]]) -> Made:
    """What ``work`` makes. A signal stops sending at once; replies already paid for have some seconds to arrive."""
    from harness.plugin.signals import Interruption
    from harness.runtime.coordinator import DRAIN_SECONDS

    gateway, loop = make(), asyncio.get_running_loop()
    task = asyncio.ensure_future(work(gateway))

    def halt() -> int:
        gateway.halt()
        loop.call_soon_threadsafe(lambda: loop.call_later(DRAIN_SECONDS, task.cancel))
        return gateway.in_flight

    try:
        with Interruption(halt, lambda: gateway.open_batches, raises=False) as interruption:
            watch = asyncio.ensure_future(tell_waiting(gateway))
            try:
                return await task
            except (ModelCallError, asyncio.CancelledError):
                if interruption.received is None:
                    raise
                raise KeyboardInterrupt from None
            finally:
                watch.cancel()
    finally:
        await gateway.aclose()


async def tell_waiting(gateway: Gateway) -> None:
    """Say what is waited for, when that changes and once a minute; a command has no line of progress."""
    from harness.plugin.progress import PLAIN_EVERY, PLAIN_SOONEST, waiting_line

    told, since = "", 0.0
    gateway.inform = lambda text: echo(text, err=True)
    while True:
        await asyncio.sleep(PLAIN_SOONEST)
        since += PLAIN_SOONEST
        waiting = gateway.waiting()
        if waiting is not None and (waiting.reason != told or since >= PLAIN_EVERY):
            told, since = waiting.reason, 0.0
            echo(waiting_line(waiting), err=True)


@contextmanager
def losses_told() -> Iterator[None]:
    """Ends with the exit code of bad input where replies are lost that were paid for, and says the ways out."""
    try:
        yield
    except LostRepliesError as error:
        echo(f"ERROR: {error_text(error)}", err=True)
        raise typer.Exit(ExitCode.USAGE) from None


@contextmanager
def failures_told(again: str = "The same command") -> Iterator[None]:
    """Exit with the code of the error; ``again`` is the command that resumes."""
    try:
        with losses_told():
            yield
    except ConfigurationError:
        raise
    except KeyboardInterrupt:
        echo(f"Interrupted. {again} resumes it.", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except HarnessError as error:
        echo(f"ERROR: {error_text(error)}", err=True)
        if isinstance(error, ModelCallError):
            echo(
                f"Replies are kept: {again[:1].lower()}{again[1:]} resumes it.",
                err=True,
            )
        raise typer.Exit(
            error.exit_code if isinstance(error, SessionLimitError) else ExitCode.FAILED
        ) from None
