"""How long each stage of a run takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter

from .records import Stage


@dataclass
class StageTimer:
    """Seconds spent in each stage, summed over the threads."""

    seconds: dict[Stage, float] = field(default_factory=lambda: dict.fromkeys(Stage, 0.0))
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def measuring(self, stage: Stage) -> Iterator[None]:
        """Add the duration of the block to a stage."""
        started = perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[stage] += perf_counter() - started
