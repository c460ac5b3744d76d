from __future__ import annotations

import os
from pathlib import Path

import pytest

from cxr.machine import cores


@pytest.mark.parametrize(
    ("affinity", "limits", "expected"),
    [
        (8, {}, 8),
        (8, {"a/b": "max 100000"}, 8),
        (8, {"a/b": "250000 100000"}, 3),
        (8, {"a/b": "max 100000", "a": "200000 100000"}, 2),
        (8, {"a/b": "50000 100000"}, 1),
        (2, {"a/b": "800000 100000"}, 2),
        (4, {"a/b": "rubbish"}, 4),
    ],
)
def test_usable_cores_follow_affinity_and_cgroup_limits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, affinity: int, limits: dict[str, str], expected: int
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for group, text in limits.items():
        (tmp_path / group / "cpu.max").write_text(text + "\n")
    membership = tmp_path / "membership"
    membership.write_text("0::/a/b\n")
    monkeypatch.setattr(cores, "_CGROUPS", tmp_path)
    monkeypatch.setattr(cores, "_MEMBERSHIP", membership)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(affinity)))
    assert cores.usable_cores() == expected


def test_without_cgroups_the_affinity_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cores, "_MEMBERSHIP", tmp_path / "none")
    assert cores.usable_cores() == len(os.sched_getaffinity(0))
