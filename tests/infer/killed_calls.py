"""Kill calls of `infer_folder` at random moments, resume them, and compare what they leave; see test_kill.py.

Each call is a fork of this process, which has loaded the packages and the kernels: a round then takes tenths
of a second, nearly all of it in the phase in which the call writes.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime  # noqa: F401 - loaded once for all forks, as are pyarrow's modules
import pyarrow.csv
import pyarrow.parquet  # noqa: F401

from cxr.infer.features.preload import preloading_kernels
from cxr.infer.outputs.journal import JOURNAL
from cxr.infer.run import infer_folder

IMAGES = 60
NOT_COMPARED = {"run.json", "report.html", JOURNAL}  # they state times


def draw(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 60, (64 + seed % 9, 80), np.uint8)
    cv2.circle(pixels, (30 + seed % 20, 30), 8 + seed % 6, 220, -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def fill(folder: Path) -> None:
    for number in range(IMAGES):
        draw(folder / f"{number % 3}" / f"{number:03}.png", number)
    for number in range(0, IMAGES, 20):
        (folder / f"{number % 3}" / f"{number:03}.png").write_bytes(b"broken")


def change(folder: Path) -> None:
    """Replace, break, repair, remove and add images."""
    for number in range(3, IMAGES, 7):
        draw(folder / f"{number % 3}" / f"{number:03}.png", number + 100)
    (folder / "1" / "004.png").write_bytes(b"now broken")
    draw(folder / "2" / "020.png", 20)
    for number in (5, 6, 40):
        (folder / f"{number % 3}" / f"{number:03}.png").unlink()
    for number in range(0, 50, 10):
        draw(folder / "1" / f"{number:03}-added.png", number)


def contents(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in NOT_COMPARED]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def in_fork(call: Callable[[], object]) -> int:
    """Start a call in a process of its own; the exit status is 0 if it ends."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            call()
            status = 0
        except BaseException:  # noqa: BLE001 - the parent process reports it
            traceback.print_exc()
        finally:
            os._exit(status)
    return process


def is_writing(out: Path, before: int) -> bool:
    journal = out / JOURNAL
    return journal.exists() and journal.stat().st_size > before


def kill_once(call: Callable[[], object], out: Path, seconds: float, rng: random.Random) -> bool | None:
    """Kill a call at a moment of its writing phase; return whether it ended before, None if it failed."""
    before = (out / JOURNAL).stat().st_size if (out / JOURNAL).exists() else 0
    process = in_fork(call)
    while os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if is_writing(out, before):
            time.sleep(rng.uniform(0, seconds))
            os.kill(process, signal.SIGKILL)
            break
        time.sleep(0.0005)
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return False
    return True if os.WEXITSTATUS(status) == 0 else None


def in_time(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes in a process of its own."""
    started = time.perf_counter()
    if os.waitpid(in_fork(call), 0)[1]:
        sys.exit("a call that was not killed failed")
    return time.perf_counter() - started


def main() -> None:
    place, model, rounds, scenario = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    folder, start, out, whole = (place / name for name in ("in", "start", "out", "whole"))
    options: dict[str, Any] = {"model": model, "masks": "png", "parquet": True, "threads": 3, "batch_size": 4}
    options |= {"forget_missing": scenario == "changed"}
    with preloading_kernels():
        fill(folder)
    if scenario == "changed":
        in_time(lambda: infer_folder(folder, out=start, **options))
        change(folder)
    seconds = in_time(lambda: infer_folder(folder, out=whole, **options))  # more than it writes
    expected, rng, kills, completed = contents(whole), random.Random(rounds), 0, 0
    while kills < rounds:
        shutil.rmtree(out, ignore_errors=True)
        if start.exists():
            shutil.copytree(start, out)
        ended: bool | None = False
        while not ended and kills < rounds:
            retry = scenario == "changed" and rng.random() < 0.5
            call = partial(infer_folder, folder, out=out, retry_failed=retry, **options)
            ended = kill_once(call, out, seconds, rng)
            if ended is None:
                sys.exit(f"the call after {kills} kills failed")
            kills += not ended
        in_time(lambda: infer_folder(folder, out=out, **options))
        left = contents(out)
        if names := sorted(name for name in {*left, *expected} if left.get(name) != expected.get(name)):
            sys.exit(f"after {kills} kills these files differ: {names}")
        completed += 1
    sys.stdout.write(json.dumps({"kills": kills, "completed": completed}))


if __name__ == "__main__":
    main()
