"""Interrupts are delivered where the code is prepared for them, once, to the handler that the program has."""

# ruff: noqa: PT012 - where in a block the interrupt arrives is the point

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator, Iterator

import pytest

from cxr.machine.interrupts import deferred_interrupts, interruptible_steps, raise_if_interrupted


@pytest.fixture(autouse=True)
def python_handler() -> Iterator[None]:
    """Have the handler that Python starts with, and check that it is restored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_interrupt_waits_for_the_end_of_the_block() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        interrupt()
        steps.append("after the interrupt")
    assert steps == ["after the interrupt"]


def test_interrupt_waits_for_a_safe_point() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        interrupt()
        steps.append("before")
        raise_if_interrupted()
        steps.append("never")
    assert steps == ["before"]


def test_nested_blocks_are_one() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        with deferred_interrupts():
            interrupt()
        steps.append("between the ends")
    assert steps == ["between the ends"]


def test_second_interrupt_does_not_disturb_the_clean_up_after_the_first() -> None:
    cleaned = []
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        try:
            interrupt()
            raise_if_interrupted()
        finally:
            interrupt()
            cleaned.append(True)
    assert cleaned
    raise_if_interrupted()  # nothing is left


def test_error_and_interrupt_at_once_are_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, deferred_interrupts():
        interrupt()
        raise ValueError("cut")
    assert isinstance(caught.value.__context__, ValueError)


def test_handler_of_the_program_is_called_late_but_once() -> None:
    calls: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: calls.append(number))
    with deferred_interrupts():
        interrupt()
        interrupt()
        assert calls == []
        raise_if_interrupted()
        assert calls == [signal.SIGINT]
    assert calls == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_program_that_ignores_interrupts_keeps_ignoring_them() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with deferred_interrupts():
        interrupt()
        raise_if_interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_handler_that_is_set_inside_the_block_stays() -> None:
    calls: list[int] = []

    def handler(number: int, _frame: object) -> None:
        calls.append(number)

    with deferred_interrupts():
        signal.signal(signal.SIGINT, handler)
    assert signal.signal(signal.SIGINT, signal.default_int_handler) is handler


def test_other_threads_neither_defer_nor_deliver_interrupts() -> None:
    def work() -> None:
        with deferred_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    seen: list[object] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        interrupt()
        other = threading.Thread(target=raise_if_interrupted)
        other.start()
        other.join()


def test_interrupt_in_a_step_ends_the_generator_after_the_step() -> None:
    ended = []

    def numbers() -> Generator[int, None, None]:
        try:
            for number in range(3):
                interrupt()
                ended.append(f"step {number}")
                yield number
        finally:
            ended.append("end")

    steps = interruptible_steps(numbers())
    with pytest.raises(KeyboardInterrupt):
        next(steps)
    assert ended == ["step 0", "end"]


def test_generator_gives_all_its_values() -> None:
    assert list(interruptible_steps(number for number in range(3))) == [0, 1, 2]


def test_closing_the_steps_closes_the_generator() -> None:
    ended = []

    def numbers() -> Generator[int, None, None]:
        try:
            yield 0
        finally:
            ended.append(True)

    steps = interruptible_steps(numbers())
    next(steps)
    steps.close()
    assert ended


def test_interrupt_does_not_cut_a_wait_short() -> None:
    timer = threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,))
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        timer.start()
        started = time.monotonic()
        time.sleep(0.5)
        assert time.monotonic() - started >= 0.5
    timer.join()
