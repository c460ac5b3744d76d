from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr.data.decode import isolation
from cxr.data.decode.isolation import Isolation
from cxr.data.decode.options import DecodeOptions
from cxr.data.decode.reader import read_image
from cxr.data.image import Radiograph
from cxr.errors import DecodeError

GRAY = np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8)


def misbehave(path: Path, _options: DecodeOptions) -> Radiograph:
    """Stand in for a decoder that crashes on some files and hangs on others."""
    if path.name.startswith("crash"):
        os.abort()
    if path.name.startswith("hang"):
        time.sleep(60)
    return Radiograph(np.array([[os.getpid() % 251]], np.uint8))


def write(path: Path) -> Path:
    Image.fromarray(GRAY).save(path)
    return path


@pytest.mark.parametrize("kind", ["tif", "jp2", "bmp"])
def test_formats_with_fragile_decoders_are_decoded_in_a_worker_process(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"image.{kind}")
    with Isolation(1, DecodeOptions()) as files:
        image = files.read(path)
    assert image.pixels.shape == GRAY.shape
    if kind != "jp2":  # which is written with loss
        np.testing.assert_array_equal(image.pixels, GRAY)


def test_png_and_jpeg_start_no_worker_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation._Worker, "_start", lambda _: pytest.fail("a worker process was started"))
    with Isolation(1, DecodeOptions()) as files:
        np.testing.assert_array_equal(files.read(write(tmp_path / "image.png")).pixels, GRAY)
        assert files.read(write(tmp_path / "image.jpg")).pixels.shape == GRAY.shape


def test_errors_of_a_worker_process_are_raised_unchanged(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\x00\x08\x00")
    with (
        Isolation(1, DecodeOptions()) as files,
        pytest.raises(DecodeError, match=r"broken\.tif: a TIFF that"),
    ):
        files.read(broken)
    with (
        Isolation(1, DecodeOptions()) as files,
        pytest.raises(DecodeError, match=r"cannot be read \(No such file"),
    ):
        files.read(tmp_path / "missing.tif")


def test_only_the_file_fails_whose_decoder_crashes_or_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "read_image", misbehave)
    names = ["crash.tif", "hang.tif", *(f"{index}.tif" for index in range(6))]
    results: dict[str, str] = {}

    def read(files: Isolation, path: Path) -> None:
        try:
            results[path.name] = str(files.read(path).pixels.shape)
        except DecodeError as error:
            results[path.name] = str(error)

    with Isolation(2, DecodeOptions(seconds=3)) as files:
        threads = [threading.Thread(target=read, args=(files, write(tmp_path / name))) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results.pop("crash.tif").endswith("the decoder crashed on this file; is it damaged?")
    assert results.pop("hang.tif").endswith("not decoded within 3 seconds; is it damaged?")
    assert set(results.values()) == {"(1, 1)"}
    assert len(results) == 6


def children() -> set[int]:
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split()}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_worker_killed_while_idle_is_restarted(tmp_path: Path) -> None:
    path = write(tmp_path / "image.tif")
    before = children()
    with Isolation(1, DecodeOptions()) as files:
        files.read(path)
        (worker,) = workers_of(before)
        os.kill(worker, signal.SIGKILL)
        time.sleep(1)
        np.testing.assert_array_equal(files.read(path).pixels, GRAY)


def workers_of(before: set[int]) -> list[int]:
    """Return the new worker processes, without the one that multiprocessing starts to track resources."""
    return [pid for pid in children() - before if "spawn_main" in of_process(pid, "cmdline")]


def of_process(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_text()
    except OSError:
        return ""  # it has ended


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_only_one_file_fails_if_its_worker_is_killed_while_sending_the_image(
    tmp_path: Path,
) -> None:
    large, small = tmp_path / "large.tif", write(tmp_path / "small.tif")
    Image.fromarray(np.zeros((9000, 9000), np.uint8)).save(large)
    before = children()
    with Isolation(2, DecodeOptions(seconds=20)) as files:
        files.read(small)
        with ThreadPoolExecutor(1) as thread:
            pending = thread.submit(files.read, large)
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline and not pending.done():
                for pid in workers_of(before):
                    if "pipe_write" in of_process(pid, "wchan"):
                        os.kill(pid, signal.SIGKILL)
            started = time.monotonic()
            for _ in range(4):
                np.testing.assert_array_equal(files.read(small).pixels, GRAY)
            assert time.monotonic() - started < 20
            with suppress(DecodeError):
                pending.result()


def test_dicom_is_decoded_in_a_worker_process_whatever_its_preamble(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"\xff\xd8\xff" + bytes(125) + b"DICM" + bytes(20))
    assert not isolation._is_decoded_in_this_process(path)


def greedy(path: Path, options: DecodeOptions) -> Radiograph:
    if path.name == "greedy.tif":
        return Radiograph(np.ones((40_000, 40_000), np.uint8))
    return read_image(path, options)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited only on Linux")
def test_only_the_file_fails_whose_decoder_exceeds_the_memory_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "read_image", greedy)
    with Isolation(1, DecodeOptions(max_pixels=1_000_000)) as files:
        with pytest.raises(DecodeError, match="needs more memory than an image of its size should"):
            files.read(write(tmp_path / "greedy.tif"))
        np.testing.assert_array_equal(files.read(write(tmp_path / "image.tif")).pixels, GRAY)


_HANGS = """
import sys, time
from pathlib import Path
from cxr.data.decode import isolation
from cxr.data.decode.options import DecodeOptions
sys.path.insert(0, sys.argv[2])
from hanging import hang
if __name__ == "__main__":
    isolation.read_image = hang
    isolation.Isolation(1, DecodeOptions()).read(Path(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_hanging_worker_ends_with_its_killed_parent(tmp_path: Path) -> None:
    path = write(tmp_path / "image.tif")
    pid_file = tmp_path / "pid"
    (tmp_path / "hanging.py").write_text(
        "import os, time\ndef hang(*_):\n"
        f"    open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n    time.sleep(60)\n"
    )
    (tmp_path / "script.py").write_text(_HANGS)
    run = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", path, tmp_path],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    while not (pid_file.exists() and pid_file.read_text()):
        assert run.poll() is None
        time.sleep(0.05)
    run.kill()
    run.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid_file.read_text()}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid_file.read_text()}").exists()
