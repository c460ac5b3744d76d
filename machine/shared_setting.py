"""Settings of the whole process that several users hold at once, in any order and from any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class SharedSetting:
    """A setting that the first user changes and the last one restores.

    If each user restored what it found, two that overlap would leave the setting of the first for good.

    Parameters
    ----------
    change : callable
        Changes the setting, and returns a function that restores it.
    """

    def __init__(self, change: Callable[[], Callable[[], object]]) -> None:
        self._change = change
        self._lock = Lock()
        self._users = 0
        self._restore: Callable[[], object]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the setting changed inside the block."""
        with self._lock:
            if self._users == 0:
                self._restore = self._change()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._restore()
