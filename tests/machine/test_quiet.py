from __future__ import annotations

import logging
import sys
import warnings

import pytest

from cxr.machine.quiet import quiet_libraries

NAME = "a library of the tests"


def test_levels_of_loggers_are_restored_even_after_an_error() -> None:
    logging.getLogger(NAME).setLevel(logging.INFO)

    def fail() -> None:
        with quiet_libraries(loggers=(NAME,), level=logging.WARNING):
            assert logging.getLogger(NAME).level == logging.WARNING
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert logging.getLogger(NAME).level == logging.INFO


def test_messages_below_the_level_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    with quiet_libraries(loggers=(NAME,), level=logging.ERROR):
        logging.getLogger(NAME).warning("advice")
        logging.getLogger(NAME).error("failure")
    assert caplog.messages == ["failure"]


def test_only_the_named_warnings_are_ignored() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet_libraries(ignored_warnings=("advice .*",)):
            warnings.warn("advice on names", stacklevel=1)
            warnings.warn("something else", stacklevel=1)
    assert [str(one.message) for one in caught] == ["something else"]


def test_standard_output_is_discarded_only_where_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet_libraries(standard_output=True):
        sys.stdout.write("progress\n")
    with quiet_libraries():
        sys.stdout.write("a result\n")
    assert capsys.readouterr().out == "a result\n"
