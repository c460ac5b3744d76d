from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Callable
from contextlib import ExitStack

from cxr.machine.quiet import quiet_libraries
from cxr.machine.shared_setting import SharedSetting


def test_the_last_of_overlapping_users_restores_the_setting() -> None:
    values = ["as before"]

    def change() -> Callable[[], None]:
        values.append("changed")
        return values.clear

    setting = SharedSetting(change)
    first, second = ExitStack(), ExitStack()
    first.enter_context(setting.held())
    second.enter_context(setting.held())
    first.close()
    assert values == ["as before", "changed"]
    second.close()
    assert values == []


def test_overlapping_quiet_blocks_leave_output_warnings_and_loggers_unchanged() -> None:
    stdout, filters = sys.stdout, list(warnings.filters)
    logging.getLogger("noisy").setLevel(logging.INFO)
    first, second = ExitStack(), ExitStack()
    for block in (first, second):
        block.enter_context(
            quiet_libraries(loggers=("noisy",), ignored_warnings=("advice",), standard_output=True)
        )
    assert isinstance(sys.stdout, io.StringIO)
    first.close()
    second.close()
    assert sys.stdout is stdout
    assert list(warnings.filters) == filters
    assert logging.getLogger("noisy").level == logging.INFO
