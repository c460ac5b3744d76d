from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import spawn
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr.data.decode import isolation
from cxr.data.decode.isolation import Isolation
from cxr.data.decode.options import DecodeOptions
from cxr.data.decode.reader import read_image
from cxr.data.image import Radiograph
from cxr.errors import DecodeError, MachineError

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
    """Return the new worker processes."""
    return [pid for pid in children() - before if "worker import serve" in of_process(pid, "cmdline")]


def of_process(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_text()
    except OSError:
        return ""  # it has ended


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_killed_worker_does_not_disturb_the_others_even_while_it_sends_an_image(
    tmp_path: Path,
) -> None:
    large, small = tmp_path / "large.tif", write(tmp_path / "small.tif")
    Image.fromarray(np.tile(np.arange(180, dtype=np.uint8), (9000, 50))).save(large)
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
            with suppress(MachineError):
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


def killed(path: Path, options: DecodeOptions) -> Radiograph:
    """Stand in for a decoder that the system kills when memory runs out, and for one that a user ends."""
    if path.name.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, path.stem))
        time.sleep(60)
    return read_image(path, options)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGXCPU"])
def test_process_that_is_killed_from_outside_is_not_the_fault_of_its_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "read_image", killed)
    with Isolation(1, DecodeOptions()) as files:
        with pytest.raises(MachineError, match=f"the process that decodes it was ended by {name}"):
            files.read(write(tmp_path / f"{name}.tif"))
        np.testing.assert_array_equal(files.read(write(tmp_path / "image.tif")).pixels, GRAY)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"])
def test_process_that_crashes_is_the_fault_of_its_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "read_image", killed)
    with Isolation(1, DecodeOptions()) as files, pytest.raises(DecodeError, match="the decoder crashed"):
        files.read(write(tmp_path / f"{name}.tif"))


def noisy(path: Path, options: DecodeOptions) -> Radiograph:
    """Stand in for a decoder that prints, also past Python's streams."""
    sys.stdout.write("printed")
    sys.stdout.flush()
    os.write(1, b"written")
    os.write(2, bytes(1 << 20))
    return read_image(path, options)


def test_what_a_decoder_prints_does_not_disturb_the_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(isolation, "read_image", noisy)
    with Isolation(1, DecodeOptions()) as files:
        np.testing.assert_array_equal(files.read(write(tmp_path / "image.tif")).pixels, GRAY)
    assert capfd.readouterr() == ("", "")


def failing(path: Path, _options: DecodeOptions) -> Radiograph:
    raise DecodeError(f"{path}: cannot be read") from OSError(errno.EIO, os.strerror(errno.EIO))


def test_errors_keep_the_error_of_the_system_that_caused_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "read_image", failing)
    path = write(tmp_path / "image.tif")
    with Isolation(1, DecodeOptions()) as files, pytest.raises(DecodeError) as caught:
        files.read(path)
    assert str(caught.value) == f"{path}: cannot be read"
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EIO


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8")
def test_names_that_are_not_utf_8_are_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9\n.tif")
    path.write_bytes(write(tmp_path / "image.tif").read_bytes())
    missing = tmp_path / os.fsdecode(b"\xff.tif")
    missing.write_bytes(b"II*\x00\x08\x00")
    with Isolation(1, DecodeOptions()) as files:
        np.testing.assert_array_equal(files.read(path).pixels, GRAY)
        with pytest.raises(DecodeError) as caught:
            files.read(missing)
    assert str(caught.value).startswith(f"{missing}: ")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_closing_ends_the_processes_and_the_threads_that_wait_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "read_image", misbehave)
    before = children()
    with Isolation(2, DecodeOptions()) as files, ThreadPoolExecutor(2) as threads:
        pending = [threads.submit(files.read, write(tmp_path / f"hang{index}.tif")) for index in range(2)]
        while len(workers_of(before)) < 2:
            time.sleep(0.05)
        started = time.monotonic()
        files.__exit__(None, None, None)
        assert all(isinstance(one.exception(), MachineError) for one in pending)
    assert time.monotonic() - started < 5
    assert not workers_of(before)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the process")
def test_too_few_file_handles_are_named(tmp_path: Path) -> None:
    import resource

    path = write(tmp_path / "image.tif")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = {int(entry.name) for entry in Path("/proc/self/fd").iterdir()}
    free = [number for number in range(len(used) + 4) if number not in used]
    with Isolation(1, DecodeOptions()) as files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[3], hard))
        try:
            with pytest.raises(MachineError, match=r"Too many open files; raise the limit .*\(ulimit -n\)"):
                files.read(path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert files.read(path).pixels.shape == GRAY.shape


def test_program_without_a_python_interpreter_is_told_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with Isolation(1, DecodeOptions()) as files, pytest.raises(MachineError, match="set_executable"):
        files.read(write(tmp_path / "image.tif"))


def test_interpreter_that_cannot_start_is_reported_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'libpython is missing' >&2\nexit 127\n")
    program.chmod(0o755)
    monkeypatch.setattr(spawn, "get_executable", lambda: str(program))
    with Isolation(1, DecodeOptions()) as files, pytest.raises(MachineError, match="libpython is missing"):
        files.read(write(tmp_path / "image.tif"))
