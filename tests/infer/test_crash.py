"""However a run ends, the same command resumes it and gives the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxr.errors import OutputError
from cxr.infer.run import infer_folder

IMAGES = 300

_RUN = """
import sys
from cxr.infer.run import infer_folder
folder, model, out = sys.argv[1:]
infer_folder(folder, model=model, out=out, masks="png", progress=lambda *_: print(flush=True))
"""

Fill = Callable[[Path, int], Path]
Contents = Callable[[Path], dict[str, bytes]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, draw_many: Fill) -> Path:
    """Three in a hundred images are broken."""
    images = draw_many(tmp_path_factory.mktemp("crash") / "in", IMAGES)
    for path in sorted(images.rglob("*.png"))[50::33]:
        path.write_bytes(path.read_bytes()[:-20])
    return images


@pytest.fixture(scope="module")
def expected(folder: Path, model: Path, contents: Contents) -> dict[str, bytes]:
    out = folder.parent / "whole"
    summary = infer_folder(folder, model=model, out=out, masks="png")
    assert (summary.rows, summary.failed) == (IMAGES - 8, 8)
    return contents(out)


def start(folder: Path, model: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start a run in its own process, and wait for its first row, or its end if no image remains."""
    run = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(folder), str(model), str(out)], stdout=subprocess.PIPE
    )
    assert run.stdout is not None
    assert run.stdout.readline() in (b"\n", b"")
    return run


@pytest.fixture(scope="module")
def seconds(folder: Path, model: Path) -> float:
    """Time from the first row of a run to its end."""
    with start(folder, model, folder.parent / "timed") as run:
        started = time.perf_counter()
        run.wait()
    return time.perf_counter() - started


@pytest.mark.parametrize("seed", range(20))
def test_run_killed_at_any_moment_resumes_to_the_same_bytes(
    seed: int,
    seconds: float,
    folder: Path,
    model: Path,
    contents: Contents,
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    with start(folder, model, tmp_path) as run:
        time.sleep(random.Random(seed).uniform(0, 0.9 * seconds))
        run.kill()
    assert run.returncode in (-signal.SIGKILL, 0)  # 0 if this run was much faster than the timed one
    summary = infer_folder(folder, model=model, out=tmp_path, masks="png")
    assert contents(tmp_path) == expected
    assert summary.processed < IMAGES


def test_run_interrupted_repeatedly_still_finishes(
    folder: Path, model: Path, contents: Contents, expected: dict[str, bytes], tmp_path: Path
) -> None:
    line_counts = []
    for _ in range(4):
        with start(folder, model, tmp_path) as run:
            time.sleep(0.05)
            run.send_signal(signal.SIGINT)
        with (tmp_path / "features.csv").open() as table:
            line_counts.append(sum(1 for _ in table))
    assert line_counts == sorted(line_counts)
    infer_folder(folder, model=model, out=tmp_path, masks="png")
    assert contents(tmp_path) == expected


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system that is too small for the results."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs permission to mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_ends_the_run_which_resumes_once_there_is_space(
    small_disk: Path, folder: Path, model: Path, contents: Contents, expected: dict[str, bytes]
) -> None:
    out = small_disk / "out"
    with pytest.raises(OutputError, match="No space left on device"):
        infer_folder(folder, model=model, out=out, masks="png")
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    summary = infer_folder(folder, model=model, out=out, masks="png")
    assert 0 < summary.processed < IMAGES
    assert contents(out) == expected
