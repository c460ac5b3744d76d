from __future__ import annotations

import subprocess
import sys

import pytest

from cxr.errors import MachineError
from cxr.machine.environment import check_environment, environment_faults

BROKEN = [
    ("OPENCV_IO_MAX_IMAGE_PIXELS", "2^40"),
    ("OPENCV_IO_MAX_IMAGE_PIXELS", "100"),
    ("OPENCV_IO_MAX_IMAGE_WIDTH", ""),
    ("OPENCV_FOR_THREADS_NUM", "all"),
    ("NUMBA_NUM_THREADS", "0"),
    ("NUMBA_DISABLE_JIT", "1"),
]


@pytest.mark.parametrize(("name", "value"), BROKEN)
def test_variable_with_which_a_library_cannot_work_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(MachineError, match=f"unset {name}"):
        check_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [("NUMBA_DISABLE_JIT", "0"), ("NUMBA_NUM_THREADS", "2"), ("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 40))],
)
def test_other_values_are_the_users_choice(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert environment_faults() == ()


@pytest.mark.parametrize(("name", "value"), BROKEN)
def test_a_command_ends_with_one_line_before_it_loads_a_library(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    words = [sys.executable, "-m", "cxr", "infer", "nowhere"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"unset {name}" in done.stderr
