from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import cv2
import pytest

from cxr.errors import MachineError
from cxr.infer.concurrency import ordered_map, single_threaded_opencv, thread_pool


def test_results_come_in_the_order_of_the_items() -> None:
    def late_at_first(item: int) -> int:
        time.sleep(0.05 if item < 3 else 0)
        return item

    with thread_pool(4) as pool:
        assert list(ordered_map(pool, late_at_first, range(20), 6)) == list(range(20))


def test_no_more_items_are_taken_than_may_be_in_flight() -> None:
    taken: list[int] = []
    released = threading.Event()

    def items() -> Iterator[int]:
        for item in range(10):
            taken.append(item)
            yield item

    with thread_pool(2) as pool:
        results = ordered_map(pool, lambda _: released.wait(10), items(), 3)
        threading.Timer(0.5, released.set).start()
        assert next(results)
        assert len(taken) == 3
        list(results)


def test_system_that_allows_no_more_threads_is_named() -> None:
    before = threading.stack_size(1 << 46)  # more than any address space has
    try:
        with thread_pool(2) as pool, pytest.raises(MachineError, match="allows no more threads"):
            list(ordered_map(pool, abs, range(4), 2))
    finally:
        threading.stack_size(before)


def test_timeout_of_the_work_is_an_error_of_the_work() -> None:
    def fail(_item: int) -> None:
        raise TimeoutError("from the work")

    with thread_pool(1) as pool, pytest.raises(TimeoutError, match="from the work"):
        list(ordered_map(pool, fail, range(2), 2))


def test_interrupt_does_not_wait_for_work_that_has_started() -> None:
    released = threading.Event()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), thread_pool(1) as pool:  # noqa: PT012
        pool.submit(released.wait, 30)
        raise KeyboardInterrupt
    assert time.monotonic() - started < 10
    released.set()


def test_runs_side_by_side_leave_the_number_of_opencv_threads_as_it_was() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(4)
        first, second = ExitStack(), ExitStack()
        first.enter_context(single_threaded_opencv())
        second.enter_context(single_threaded_opencv())
        first.close()
        assert cv2.getNumThreads() == 1
        second.close()
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)
