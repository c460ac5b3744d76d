"""Ctrl-C ends a program with one line and exit status 130, soon, whatever its threads are doing."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from threading import Timer, current_thread, main_thread
from types import FrameType
from typing import NoReturn

from ..errors import ExitCode

GRACE_SECONDS = 1.2
"""Time to clean up after Ctrl-C."""


class Interruption:
    """The interruption of this program.

    Attributes
    ----------
    is_requested : bool
        Whether there was a Ctrl-C. An error that is raised after it is a consequence of it.
    """

    def __init__(self) -> None:
        self.is_requested = False
        self._is_raised = False
        self._line: str | None = "interrupted"

    def handle(self) -> None:
        """Handle Ctrl-C from now on, unless the program was started to ignore it (`&` in a script)."""
        if (
            current_thread() is main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self.interrupt)

    def ignore_further(self) -> None:
        """Ignore Ctrl-C from now on; while Python ends, it would end the process with another exit status."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def set_line(self, line: str) -> None:
        """Set what the program prints last if it is interrupted."""
        self._line = line

    def take_line(self) -> str | None:
        """Return the line to print; None if it was taken before."""
        line, self._line = self._line, None
        return line

    def request(self) -> None:
        """See to it that the program ends after the time to clean up, whatever it waits for."""
        if self.is_requested:
            return
        self.is_requested = True
        timer = Timer(GRACE_SECONDS, self._end)
        timer.daemon = True
        with suppress(RuntimeError):  # where the system allows no more threads
            timer.start()

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Handle the signal: raise KeyboardInterrupt, once, so that nothing disturbs the clean-up."""
        self.request()
        if not self._is_raised:
            self._is_raised = True
            raise KeyboardInterrupt

    def _end(self) -> NoReturn:
        """End without waiting for threads, exit handlers, or whoever prints at this moment."""
        with suppress(OSError):
            if os.isatty(2):
                os.write(2, b"\x1b[?25h\r\n")  # a progress bar hides the cursor
            if (line := self.take_line()) is not None:
                os.write(2, line.encode(errors="backslashreplace") + b"\n")
        os._exit(ExitCode.INTERRUPTED)


interruption = Interruption()
"""The interruption of this program: there is one."""
