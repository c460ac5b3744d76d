"""Thread pools whose results come in order and whose queues are bounded.

The main thread handles interrupts (Ctrl-C) only while it waits for a result, if it works inside
`deferred_interrupts`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TypeVar

import cv2

from ..errors import MachineError
from ..machine.interrupts import raise_if_interrupted
from ..machine.shared_setting import SharedSetting

T = TypeVar("T")
R = TypeVar("R")

WAKE_SECONDS = 0.1
"""Longest time that an interrupt waits while the main thread waits for a result."""


def ordered_map(
    executor: Executor, function: Callable[[T], R], items: Iterable[T], max_pending: int
) -> Iterator[R]:
    """Map in an executor with at most `max_pending` items in flight; results come in the order of `items`.

    Raises
    ------
    MachineError
        If the system allows no more threads.
    """
    pending: deque[Future[R]] = deque()
    for item in items:
        pending.append(_submit(executor, function, item))
        while pending and (len(pending) >= max_pending or pending[0].done()):
            yield _result(pending.popleft())
    while pending:
        yield _result(pending.popleft())


@contextmanager
def thread_pool(count: int) -> Iterator[Executor]:
    """Open a pool of threads; leaving the block early cancels the work that has not started.

    An interrupt does not wait for the work that has: a pass of a large model takes seconds.
    """
    pool = ThreadPoolExecutor(count)
    is_interrupted = False
    try:
        yield pool
    except KeyboardInterrupt:
        is_interrupted = True
        raise
    finally:
        pool.shutdown(wait=not is_interrupted, cancel_futures=True)


def _submit(executor: Executor, function: Callable[[T], R], item: T) -> Future[R]:
    try:
        return executor.submit(function, item)
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
        raise MachineError(
            "the system allows no more threads; raise the limit of processes (ulimit -u), or lower --threads"
        ) from error


def _result(future: Future[R]) -> R:
    """Wait for a result, and handle interrupts meanwhile."""
    raise_if_interrupted()
    while not future.done():
        wait((future,), WAKE_SECONDS)
        raise_if_interrupted()
    return future.result()


def single_threaded_opencv() -> AbstractContextManager[None]:
    """Make each OpenCV call use one thread inside the block: the pool already keeps all cores busy.

    The setting belongs to the whole process; the last of several runs side by side restores it.
    """
    return _single_threaded_opencv.held()


def _use_one_thread() -> Callable[[], None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    return partial(cv2.setNumThreads, before)


_single_threaded_opencv = SharedSetting(_use_one_thread)
