from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from cxr.data.decode.time_limits import TimeLimits


def test_work_that_takes_too_long_is_ended() -> None:
    limits, ended = TimeLimits(), threading.Event()
    limits.start()
    with pytest.raises(TimeoutError), limits.limit(0.3, ended.set):
        assert ended.wait(10)
    limits.close()


def test_work_in_time_is_not_ended() -> None:
    limits, ended = TimeLimits(), threading.Event()
    limits.start()
    with limits.limit(0.5, ended.set):
        pass
    time.sleep(1)
    limits.close()
    assert not ended.is_set()


def test_error_that_ending_the_work_causes_is_reported_as_the_limit() -> None:
    limits, ended = TimeLimits(), threading.Event()
    limits.start()
    with pytest.raises(TimeoutError), limits.limit(0.1, ended.set):
        raise EOFError(ended.wait(10))
    limits.close()


def test_other_errors_pass_unchanged() -> None:
    limits = TimeLimits()
    with pytest.raises(EOFError), limits.limit(10, lambda: None):
        raise EOFError


_STOPPED = """
import time
from cxr.data.decode.time_limits import TimeLimits
limits = TimeLimits()
limits.start()
with limits.limit(3, lambda: print("late", flush=True)):
    print("started", flush=True)
    time.sleep(1)
    print("done", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process, as Ctrl-Z does")
def test_time_in_which_the_process_is_stopped_does_not_count() -> None:
    with subprocess.Popen([sys.executable, "-c", _STOPPED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(5)
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout.read() == "done\n"
