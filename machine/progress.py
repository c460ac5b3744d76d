"""The callback through which long work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all) after each step."""


def no_progress(_done: int, _total: int) -> None:
    """Report nothing."""
