"""Ctrl-C in a run: it ends soon, with exit status 130 and the line that says how to resume; nothing stays."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from cxr.infer.run import infer_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

Draw = Callable[..., Path]
Contents = Callable[[Path], dict[str, bytes]]

IMAGES = 300
LINE = "cxr infer: interrupted; finished images are kept: run the same command again to resume"


def write_dicom(path: Path, pixels: np.ndarray) -> Path:
    image = pydicom.Dataset()
    image.SOPClassUID, image.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3"
    image.Modality, image.PhotometricInterpretation, image.SamplesPerPixel = "DX", "MONOCHROME2", 1
    image.Rows, image.Columns = pixels.shape
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.add_new("PixelData", "OB", pixels.tobytes())
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture(scope="module")
def fill(tmp_path_factory: pytest.TempPathFactory, draw: Draw) -> Callable[[str], Path]:
    """Return a function that makes a folder of images of one format."""
    return cache(lambda kind: fill_folder(tmp_path_factory.mktemp(kind) / "in", kind, draw))


@pytest.fixture
def folder(fill: Callable[[str], Path]) -> Path:
    return fill("dcm")


def fill_folder(images: Path, kind: str, draw: Draw) -> Path:
    drawn = draw(images / "0.png", [(8, 8, 14, 15, 250)], size=(256, 256))
    pixels = cv2.imread(str(drawn), cv2.IMREAD_UNCHANGED)
    drawn.unlink()
    first = images / f"0.{kind}"
    if kind == "dcm":
        write_dicom(first, pixels)
    else:
        cv2.imwrite(str(first), pixels)
    for number in range(1, IMAGES):
        shutil.copy(first, images / f"{number}.{kind}")
    return images


def command(folder: Path, model: Path, out: Path) -> list[str]:
    options = ["--model", str(model), "--out", str(out), "--provider", "cpu", "--masks", "--threads", "2"]
    return [sys.executable, "-m", "cxr", "infer", str(folder), *options]


def interrupt(words: Sequence[str], out: Path, seconds: float, presses: int = 1) -> tuple[int, list[str]]:
    """Run a command, press Ctrl-C some time after its first new row; return its exit status and its output.

    The command has a process group of its own, as in a terminal. That none of its workers stays is checked.
    """
    before = lines(out)
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        while process.poll() is None and lines(out) <= max(before, 1):
            time.sleep(0.01)
        time.sleep(seconds)
        workers = descendants(process.pid)
        for _ in range(presses):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.02)
        printed, _ = process.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "a worker process stays"
        time.sleep(0.05)
    return process.returncode, printed.strip().splitlines()


def lines(out: Path) -> int:
    table = out / "features.csv"
    return table.read_bytes().count(b"\n") if table.exists() else 0


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    try:
        return [int(child) for names in children for child in names.read_text().split()]
    except OSError:
        return []


@pytest.mark.parametrize("kind", ["dcm", "tif", "png"])
@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 100))]
)
def test_interrupted_run_ends_with_the_line_that_says_how_to_resume(
    seed: int, kind: str, fill: Callable[[str], Path], model: Path, tmp_path: Path
) -> None:
    delay = random.Random(seed).uniform(0, 0.4)
    status, printed = interrupt(command(fill(kind), model, tmp_path), tmp_path, delay)
    assert (status, printed[-1]) == (130, LINE)
    assert not any("error" in line or "Traceback" in line for line in printed)


def test_pressing_several_times_changes_nothing_and_the_run_resumes_to_the_same_bytes(
    folder: Path, model: Path, tmp_path: Path, contents: Contents
) -> None:
    out = tmp_path / "out"
    for presses in (2, 5):
        status, printed = interrupt(command(folder, model, out), out, 0.1, presses)
        assert (status, printed[-1]) == (130, LINE)
    assert infer_folder(folder, model=model, out=out, masks="png").processed < IMAGES
    infer_folder(folder, model=model, out=tmp_path / "whole", masks="png")
    assert contents(out) == contents(tmp_path / "whole")


_NOTEBOOK = """
import sys, threading, time
import cxr
folder, model, out = sys.argv[1:]
try:
    cxr.infer_folder(folder, model=model, out=out, provider="cpu", threads=2)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
deadline = time.monotonic() + 20
while threading.active_count() > 1 and time.monotonic() < deadline:
    time.sleep(0.05)
print([thread.name for thread in threading.enumerate()])
try:
    paths = [f"{folder}/{name}" for name in sys.stdin.read().split()]
    for result in cxr.load(model, provider="cpu").stream(paths):
        print(result.ok, flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
print(cxr.infer_folder(folder, model=model, out=out, provider="cpu").rows)
"""


def test_interrupt_in_python_ends_the_call_and_its_threads(folder: Path, model: Path, tmp_path: Path) -> None:
    names = [path.name for path in sorted(folder.iterdir())[:20]]
    words = [sys.executable, "-c", _NOTEBOOK, str(folder), str(model), str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while process.poll() is None and lines(tmp_path) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "KeyboardInterrupt\n"
        assert process.stdout.readline() == "['MainThread']\n"
        process.stdin.write(" ".join(names))
        process.stdin.close()
        assert process.stdout.readline() == "True\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "KeyboardInterrupt\n"
        assert process.stdout.readline() == f"{IMAGES}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_terminated_run_leaves_no_process_and_resumes(folder: Path, model: Path, tmp_path: Path) -> None:
    with subprocess.Popen(command(folder, model, tmp_path), stderr=subprocess.DEVNULL) as process:
        while lines(tmp_path) < 2:
            time.sleep(0.01)
        workers = descendants(process.pid)
        process.terminate()
    assert process.returncode == -signal.SIGTERM
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "a worker process stays"
        time.sleep(0.05)
    assert infer_folder(folder, model=model, out=tmp_path, masks="png").rows == IMAGES
