"""Time limits for work that only ends from outside, such as reading from a process that hangs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

TICK_SECONDS = 0.25
"""Time between checks."""


class TimeLimits:
    """Limits the time of many pieces of work, with one thread for all of them.

    Only time during which this process runs counts: work is not late because the machine slept, or because
    the user stopped the process for a while (Ctrl-Z).
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[_Limit] = set()
        self._closed = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start the thread, if it is not running.

        Raises
        ------
        RuntimeError
            If the system allows no more threads.
        """
        with self._lock:
            if self._thread is None:
                thread = Thread(target=self._check, name="cxr time limits", daemon=True)
                thread.start()
                self._thread = thread

    def close(self) -> None:
        """End the thread; no limit expires any more."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    @contextmanager
    def limit(self, seconds: float, expire: Callable[[], None]) -> Iterator[None]:
        """Call `expire` from another thread if the block takes longer; it must make the block end.

        Raises
        ------
        TimeoutError
            At the end of the block, if `expire` was called.
        """
        limit = _Limit(seconds, expire)
        with self._lock:
            self._running.add(limit)
        try:
            yield
        except Exception as error:
            if self._has_expired(limit):
                raise TimeoutError from error
            raise
        else:
            if self._has_expired(limit):
                raise TimeoutError
        finally:
            self._has_expired(limit)

    def _has_expired(self, limit: _Limit) -> bool:
        """Return whether a limit has expired; if not, it will not any more."""
        with self._lock:
            self._running.discard(limit)
            return limit.expired

    def _check(self) -> None:
        before = time.monotonic()
        while not self._closed.wait(TICK_SECONDS):
            now = time.monotonic()
            with self._lock:
                for limit in self._running:
                    limit.count(min(now - before, 2 * TICK_SECONDS))
            before = now


@dataclass(eq=False)
class _Limit:
    seconds: float
    expire: Callable[[], None]
    expired: bool = field(default=False, init=False)

    def count(self, seconds: float) -> None:
        """Subtract time that has passed."""
        self.seconds -= seconds
        if self.seconds <= 0 and not self.expired:
            self.expired = True
            self.expire()
