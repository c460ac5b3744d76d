"""Thread pools whose results come in order and whose queues are bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TypeVar

import cv2

from ..machine.shared_setting import SharedSetting

T = TypeVar("T")
R = TypeVar("R")


def ordered_map(
    executor: Executor, function: Callable[[T], R], items: Iterable[T], max_pending: int
) -> Iterator[R]:
    """Map in an executor with at most `max_pending` items in flight; results come in the order of `items`."""
    pending: deque[Future[R]] = deque()
    for item in items:
        pending.append(executor.submit(function, item))
        while pending and (len(pending) >= max_pending or pending[0].done()):
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


@contextmanager
def thread_pool(count: int) -> Iterator[Executor]:
    """Open a pool of threads; leaving the block early cancels the work that has not started."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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
