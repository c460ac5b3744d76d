from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import pytest

from cxr.errors import MachineError
from cxr.machine import kernels
from cxr.machine.kernels import kernel


@pytest.fixture(autouse=True)
def nothing_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_reported", [])


def _load(file: Path, name: str) -> Callable[[int], int]:
    names: dict[str, Any] = {}
    code = f"def {name}(x):\n    return 2 * x\n"
    file.write_text(code)
    exec(compile(code, str(file), "exec"), names)
    function: Callable[[int], int] = names[name]
    return function


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder))
    return folder


def test_kernels_that_cannot_be_cached_are_compiled_anyway_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names: dict[str, Any] = {}
    exec(compile("def double(x):\n    return 2 * x\ndef twice(x):\n    return 2 * x\n", "", "exec"), names)
    assert kernel(names["double"])(21) == kernel(names["twice"])(21) == 42
    assert len(caplog.messages) == 1
    assert "NUMBA_CACHE_DIR" in caplog.text


def test_cache_folder_that_disappears_costs_only_time(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    compiled = kernel(_load(tmp_path / "code.py", "double"))
    (folder,) = cache.iterdir()
    folder.rmdir()
    folder.write_text("a file in the place of the folder")
    assert compiled(21) == 42
    assert "NUMBA_CACHE_DIR" in caplog.text


def test_damaged_cache_file_is_replaced(tmp_path: Path, cache: Path) -> None:
    function = _load(tmp_path / "code.py", "double")
    kernel(function)(21)
    (index,) = cache.rglob("*.nbi")
    good = index.read_bytes()
    index.write_bytes(good[: len(good) // 2])
    assert kernel(function)(21) == 42
    assert len(index.read_bytes()) == len(good)


def test_compiler_that_is_turned_off_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    with pytest.raises(MachineError, match="unset NUMBA_DISABLE_JIT"):
        kernel(_load(tmp_path / "code.py", "double"))


@pytest.mark.skipif(os.name == "nt", reason="the user database exists only on POSIX systems")
def test_without_a_home_directory_no_folder_named_tilde_is_created(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("keeps numba from writing next to the source file")
    (tmp_path / "code.py").write_text(
        "from cxr.machine.kernels import kernel\n"
        "@kernel\ndef double(x):\n    return 2 * x\nprint(double(21))\n"
    )
    script = (
        "import pwd, runpy\n"
        "def unknown(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = unknown\n"
        "runpy.run_path('code.py')\n"
    )
    unset = ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "42\n"
    assert not (tmp_path / "~").exists()
