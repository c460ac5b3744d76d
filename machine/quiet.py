"""Silence what libraries print, log and warn about on their own; errors still propagate."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from io import StringIO


@contextmanager
def quiet_libraries(
    *,
    loggers: Sequence[str] = (),
    level: int = logging.ERROR,
    ignored_warnings: Sequence[str] = (),
    standard_output: bool = False,
) -> Iterator[None]:
    """Silence libraries inside a `with` block, and restore everything after it.

    Parameters
    ----------
    loggers : sequence of str
        Names of the loggers that report only `level` and above; "" is the root logger.
    level : int
        As in `logging`.
    ignored_warnings : sequence of str
        Regular expressions; a warning whose message begins with a match is ignored.
    standard_output : bool
        Discard what is printed to standard output.
    """
    named = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in named]
    for logger in named:
        logger.setLevel(level)
    try:
        with ExitStack() as stack:
            if standard_output:
                stack.enter_context(redirect_stdout(StringIO()))
            if ignored_warnings:
                stack.enter_context(warnings.catch_warnings())
                for pattern in ignored_warnings:
                    warnings.filterwarnings("ignore", pattern)
            yield
    finally:
        for logger, before in zip(named, levels, strict=True):
            logger.setLevel(before)
