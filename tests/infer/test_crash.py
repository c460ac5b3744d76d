"""Whatever ends a run, the same command goes on from there and comes to the same bytes."""

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
TABLES = ("features.csv", "lesions.csv", "failures.csv")

_RUN = """
import sys
from cxr.infer.run import infer_folder
folder, model, out = sys.argv[1:]
infer_folder(folder, model=model, out=out, masks="png", progress=lambda *_: print(flush=True))
"""

Fill = Callable[[Path, int], Path]


def contents(out: Path) -> dict[str, bytes]:
    masks = sorted(out.rglob("*.png"))
    return {
        str(path.relative_to(out)): path.read_bytes() for path in (*(out / name for name in TABLES), *masks)
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, draw_many: Fill) -> Path:
    """Three in a hundred images are broken."""
    images = draw_many(tmp_path_factory.mktemp("crash") / "in", IMAGES)
    for path in sorted(images.rglob("*.png"))[50::33]:
        path.write_bytes(path.read_bytes()[:-20])
    return images


@pytest.fixture(scope="module")
def whole(folder: Path, model: Path) -> dict[str, bytes]:
    out = folder.parent / "whole"
    summary = infer_folder(folder, model=model, out=out, masks="png")
    assert (summary.rows, summary.failed) == (IMAGES - 8, 8)
    return contents(out)


def start(folder: Path, model: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start a run in a process of its own and wait for its first row, or its end where nothing was left."""
    run = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(folder), str(model), str(out)], stdout=subprocess.PIPE
    )
    assert run.stdout is not None
    assert run.stdout.readline() in (b"\n", b"")
    return run


@pytest.fixture(scope="module")
def seconds(folder: Path, model: Path) -> float:
    """How long a run takes from its first row to its end."""
    run = start(folder, model, folder.parent / "timed")
    started = time.perf_counter()
    assert run.communicate() is not None
    return time.perf_counter() - started


@pytest.mark.parametrize("seed", range(20))
def test_a_run_that_is_killed_at_any_moment_goes_on_to_the_same_bytes(
    seed: int, seconds: float, folder: Path, model: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    run = start(folder, model, tmp_path)
    time.sleep(random.Random(seed).uniform(0, 0.9 * seconds))
    run.kill()
    assert run.wait() in (-signal.SIGKILL, 0)  # 0 where this run was much quicker than the timed one
    summary = infer_folder(folder, model=model, out=tmp_path, masks="png")
    assert contents(tmp_path) == whole
    assert summary.treated < IMAGES


def test_a_run_that_is_interrupted_again_and_again_comes_to_its_end(
    folder: Path, model: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    treated = []
    for _ in range(4):
        run = start(folder, model, tmp_path)
        time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        run.wait()
        with (tmp_path / "features.csv").open() as table:
            treated.append(sum(1 for _ in table))
    assert treated == sorted(treated)
    infer_folder(folder, model=model, out=tmp_path, masks="png")
    assert contents(tmp_path) == whole


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system that is too small for the results."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_fills_ends_the_run_and_room_lets_it_go_on(
    small_disk: Path, folder: Path, model: Path, whole: dict[str, bytes]
) -> None:
    out = small_disk / "out"
    with pytest.raises(OutputError, match="No space left on device"):
        infer_folder(folder, model=model, out=out, masks="png")
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    summary = infer_folder(folder, model=model, out=out, masks="png")
    assert 0 < summary.treated < IMAGES
    assert contents(out) == whole
