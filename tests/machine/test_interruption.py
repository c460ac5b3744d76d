"""Ctrl-C ends a program with exit status 130 and one line, whatever the program is doing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

_COMMAND = """
import signal, sys, threading, time
from cxr.cli import cxr_command

@cxr_command("cxr-work", when_interrupted="; run it again")
def command():
    print("ready", flush=True)
    work()

{work}
command(prog_name="cxr-work")
"""

WORK = {
    "waits": "def work(): time.sleep(60)",
    "fails because of it": """
def work():
    try: time.sleep(60)
    except KeyboardInterrupt: raise OSError(9, "Bad file descriptor")
""",
    "swallows it": """
def work():
    while True:
        try: time.sleep(60)
        except KeyboardInterrupt: pass
""",
    "cleans up for ever": """
def work():
    try: time.sleep(60)
    finally: time.sleep(60)
""",
    "ends itself": """
def work():
    try: time.sleep(60)
    except KeyboardInterrupt: sys.exit(7)
""",
    "has a thread that does not end": """
def work():
    threading.Thread(target=time.sleep, args=(60,)).start()
    time.sleep(60)
""",
    "defers it": """
from cxr.machine.interrupts import deferred_interrupts
def work():
    with deferred_interrupts():
        time.sleep(60)
""",
    "waits for a thread that does not end": """
from concurrent.futures import ThreadPoolExecutor
def work():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, 60).result()
""",
}


def run(work: str, interrupts: int = 1) -> tuple[int, str, float]:
    """Run a command, interrupt it, and return its exit status, its output, and how long it took to end."""
    words = [sys.executable, "-c", _COMMAND.format(work=work)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        started = time.monotonic()
        for _ in range(interrupts):
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        printed = "".join(process.communicate(timeout=50))
        return process.returncode, printed, time.monotonic() - started


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_interrupted_command_ends_with_130_and_one_line(work: str) -> None:
    status, printed, seconds = run(work)
    assert (status, printed) == (130, "cxr-work: interrupted; run it again\n")
    assert seconds < 20


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_pressing_several_times_changes_nothing(work: str) -> None:
    status, printed, _ = run(work, interrupts=5)
    assert (status, printed) == (130, "cxr-work: interrupted; run it again\n")


def test_program_that_is_started_to_ignore_it_continues() -> None:
    work = f"def work():\n    assert signal.getsignal({int(signal.SIGINT)}) is signal.SIG_IGN; time.sleep(1)"
    command = _COMMAND.format(work=work)
    script = f"trap '' INT; exec {sys.executable} -c '{command.replace(chr(39), chr(34))}'"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(50) == 0
