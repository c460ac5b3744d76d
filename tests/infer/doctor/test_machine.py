from __future__ import annotations

from pathlib import Path

import pytest

from cxr.infer.doctor import machine
from cxr.infer.doctor.machine import cuda_libraries, describe_machine
from cxr.machine import cores

GIB = 2**30


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, 8),
        ({"a/b": "max"}, 8),
        ({"a/b": f"{4 * GIB}"}, 4),
        ({"a/b": "max", "a": f"{2 * GIB}"}, 2),
        ({"a/b": f"{16 * GIB}"}, 8),
        ({"a/b": "not a number"}, 8),
    ],
)
def test_memory_is_limited_by_the_machine_and_the_cgroup(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limits: dict[str, str], expected: int
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for group, text in limits.items():
        (tmp_path / group / "memory.max").write_text(text + "\n")
    membership, meminfo = tmp_path / "membership", tmp_path / "meminfo"
    membership.write_text("0::/a/b\n")
    meminfo.write_text(f"MemTotal: {8 * GIB // 1024} kB\nMemAvailable: 1048576 kB\nHugePages_Total: 0\n")
    monkeypatch.setattr(cores, "_CGROUPS", tmp_path)
    monkeypatch.setattr(cores, "_MEMBERSHIP", membership)
    monkeypatch.setattr(machine, "_MEMINFO", meminfo)
    found = describe_machine()
    assert (found.memory, found.all_memory, found.free_memory) == (expected * GIB, 8 * GIB, GIB)
    assert 1 <= found.cores <= found.all_cores


def test_memory_is_unknown_if_the_system_does_not_report_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cores, "_MEMBERSHIP", tmp_path / "none")
    monkeypatch.setattr(machine, "_MEMINFO", tmp_path / "none")
    found = describe_machine()
    assert (found.memory, found.all_memory, found.free_memory) == (None, None, None)


def test_cuda_libraries_installed_by_wheels_are_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = tmp_path / "nvidia" / "cublas" / "lib" / "libcublas.so.12"
    near = wanted.with_name("libcublasLt.so.12")
    tensorrt = tmp_path / "tensorrt_libs" / "libnvinfer.so.10"
    for path in (wanted, near, tensorrt, tensorrt.with_name("__init__.py")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.syspath_prepend(tmp_path)
    found = cuda_libraries()
    assert str(wanted) in found["libcublas"]
    assert str(near) not in found["libcublas"]
    assert str(near) in found["libcublasLt"]
    assert str(tensorrt) in found["libnvinfer"]
