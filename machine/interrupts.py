"""Interrupts (Ctrl-C) that arrive only where the code is prepared for them.

Python raises KeyboardInterrupt between any two instructions of the main thread: also between acquiring a
lock and the block that releases it, and between writing rows and noting that they are written. What follows
is a run that never ends, an unrelated error, or rows that are written twice.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, TypeVar

from .interruption import interruption

T = TypeVar("T")

_END = object()


class _Deferral:
    """The interrupt that is held back, and its handler; there is one, as a process has one main thread."""

    def __init__(self) -> None:
        self.handler: Callable[[int, FrameType | None], Any] | None = None
        self.is_waiting = False

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """Handle the signal: remember it."""
        self.is_waiting = True
        if self.handler == interruption.interrupt:
            interruption.request()

    def deliver(self) -> None:
        """Call the handler if an interrupt waits."""
        if self.is_waiting and self.handler is not None:
            self.is_waiting = False
            self.handler(signal.SIGINT, None)


_deferral = _Deferral()


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Hold interrupts back inside the block, until `raise_if_interrupted` or its end.

    Blocks may be nested; the outermost counts. Outside the main thread, which alone is interrupted, and where
    the program does not handle interrupts in Python, the block changes nothing.
    """
    handler = signal.getsignal(signal.SIGINT)
    if current_thread() is not main_thread() or not callable(handler) or handler == _deferral.note:
        yield
        return
    _deferral.handler, _deferral.is_waiting = handler, False
    signal.signal(signal.SIGINT, _deferral.note)
    try:
        yield
    except KeyboardInterrupt:
        _deferral.is_waiting = False  # another one would only disturb the clean-up
        raise
    finally:
        if signal.getsignal(signal.SIGINT) == _deferral.note:
            signal.signal(signal.SIGINT, handler)
        _deferral.deliver()
        _deferral.handler = None


def raise_if_interrupted() -> None:
    """Deliver an interrupt that was held back; by default this raises KeyboardInterrupt."""
    if _deferral.is_waiting and current_thread() is main_thread():
        _deferral.deliver()


def interruptible_steps(generator: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield what a generator yields, with interrupts held back while it runs, but not in between."""
    try:
        while True:
            with deferred_interrupts():
                value = next(generator, _END)
            if value is _END:
                return
            yield value  # type: ignore[misc]
    finally:
        with deferred_interrupts():
            generator.close()
