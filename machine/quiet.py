"""Silence what libraries print, log and warn about on their own; errors still propagate."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import cache, partial
from io import StringIO

from .shared_setting import SharedSetting


@contextmanager
def quiet_libraries(
    *,
    loggers: Sequence[str] = (),
    level: int = logging.ERROR,
    ignored_warnings: Sequence[str] = (),
    standard_output: bool = False,
) -> Iterator[None]:
    """Silence libraries inside a `with` block, and restore everything after it.

    All this belongs to the whole process. Where blocks of several threads overlap, the last to end restores.

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
    with ExitStack() as stack:
        for name in loggers:
            stack.enter_context(_logger_level(name).held())
            logging.getLogger(name).setLevel(level)
        if standard_output:
            stack.enter_context(_standard_output.held())
        if ignored_warnings:
            stack.enter_context(_warning_filters.held())
            for pattern in ignored_warnings:
                warnings.filterwarnings("ignore", pattern)
        yield


def _save_level(name: str) -> Callable[[], object]:
    logger = logging.getLogger(name)
    return partial(logger.setLevel, logger.level)


def _discard_output() -> Callable[[], object]:
    stack = ExitStack()
    stack.enter_context(redirect_stdout(StringIO()))
    return stack.close


def _save_filters() -> Callable[[], object]:
    stack = ExitStack()
    stack.enter_context(warnings.catch_warnings())
    return stack.close


@cache
def _logger_level(name: str) -> SharedSetting:
    return SharedSetting(partial(_save_level, name))


_standard_output = SharedSetting(_discard_output)
_warning_filters = SharedSetting(_save_filters)
