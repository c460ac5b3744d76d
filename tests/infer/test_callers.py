"""Runs over files that are decoded in worker processes, from every kind of program and within its limits."""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr.data.decode import isolation
from cxr.data.decode.options import DecodeOptions
from cxr.data.decode.reader import read_image
from cxr.data.image import Radiograph
from cxr.errors import MachineError
from cxr.infer.run import infer_folder

ReadTable = Callable[[Path], list[dict[str, str]]]

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "in"
    images.mkdir()
    for name in "abc":
        cv2.imwrite(str(images / f"{name}.tif"), np.arange(64 * 64, dtype=np.uint8).reshape(64, 64))
    return images


def run_there(folder: Path, model: Path, out: Path) -> tuple[int, int]:
    """Run in this process, whichever it is."""
    summary = infer_folder(folder, model=model, out=out, provider="cpu")
    return summary.rows, summary.failed


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_worker_of_a_pool_can_run(method: str, folder: Path, model: Path, tmp_path: Path) -> None:
    # In a script of its own: pytest's process has threads, which must not be forked.
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
            import multiprocessing
            import cxr
            def job(out):
                run = cxr.infer_folder({str(folder)!r}, model={str(model)!r}, out=out, provider="cpu")
                return run.rows, run.failed
            if __name__ == "__main__":
                with multiprocessing.get_context({method!r}).Pool(2) as pool:
                    print(pool.map(job, [{str(tmp_path / "1")!r}, {str(tmp_path / "2")!r}]))
        """)
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert ran.stdout == "[(3, 0), (3, 0)]\n", ran.stderr


def _lines(folder: Path, model: Path, out: Path) -> str:
    call = f"cxr.infer_folder({str(folder)!r}, model={str(model)!r}, out={str(out)!r}, provider='cpu')"
    return f"import cxr\nrun = {call}\nprint(run.rows, run.failed)\n"


@pytest.mark.parametrize(
    "how", ["script without a guard", "standard input", "-c", "module", "interactive", "thread", "isolated"]
)
def test_every_kind_of_program_can_run(how: str, folder: Path, model: Path, tmp_path: Path) -> None:
    lines = _lines(folder, model, tmp_path / "out")
    script = tmp_path / "some_script.py"
    script.write_text(lines)
    words, given = [str(script)], ""
    match how:
        case "standard input":
            words, given = ["-"], lines
        case "-c":
            words = ["-c", lines]
        case "module":
            words = ["-m", "some_script"]
        case "interactive":
            words, given = ["-i", "-q"], lines
        case "thread":
            script.write_text(
                "from threading import Thread\n"
                f"thread = Thread(target=exec, args=({lines!r}, {{}}), daemon=True)\n"
                "thread.start()\nthread.join()\n"
            )
        case "isolated":
            words = ["-I", str(script)]
    ran = subprocess.run(
        [sys.executable, *words], input=given, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert ran.stdout == "3 0\n", ran.stderr


@needs_posix
def test_daemon_with_closed_streams_can_run(folder: Path, model: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_lines(folder, model, tmp_path / "out").replace("print(run.rows, run.failed)", ""))
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} <&- >&- 2>&-"
    assert subprocess.run(command, shell=True, check=False).returncode == 0
    assert (tmp_path / "out" / "features.csv").read_text().count("\n") == 4


def test_modules_in_the_working_directory_do_not_shadow_those_of_the_workers(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "signal", "numpy", "queue"):
        (folder / f"{name}.py").write_text("raise SystemExit(f'imported {__file__}')\n")
    monkeypatch.chdir(folder)
    assert run_there(folder, model, tmp_path / "out") == (3, 0)


def shell(before: str, folder: Path, model: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a shell after some other command."""
    words = [sys.executable, "-m", "cxr", "infer", folder, "--model", model, "--out", out]
    command = f"{before}; {shlex.join(map(str, words))} --provider cpu"
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.parametrize("limit", ["-d 4000000", "-Sd 4000000", "-v 8000000", "-n 40"])
def test_run_within_the_limits_of_a_cluster_job(
    limit: str, folder: Path, model: Path, tmp_path: Path
) -> None:
    ran = shell(f"ulimit {limit}", folder, model, tmp_path / "out")
    assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr


@needs_posix
def test_run_in_a_removed_working_directory(folder: Path, model: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    ran = shell(
        f"cd {shlex.quote(str(gone))}; rmdir {shlex.quote(str(gone))}", folder, model, tmp_path / "out"
    )
    assert ran.returncode == 0, ran.stderr


def killed_at_b(path: Path, options: DecodeOptions) -> Radiograph:
    """Stand in for the system, which kills the largest process when memory runs out."""
    if path.name == "b.tif":
        os.kill(os.getpid(), signal.SIGKILL)
    return read_image(path, options)


@needs_posix
def test_killed_decoder_ends_the_run_which_resumes_without_a_failure(
    folder: Path,
    model: Path,
    tmp_path: Path,
    read_table: ReadTable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "read_image", killed_at_b)
        with pytest.raises(MachineError, match=r"b\.tif: .* SIGKILL.* run the same command again to resume"):
            infer_folder(folder, model=model, out=out, provider="cpu")
    assert read_table(out / "failures.csv") == []
    assert run_there(folder, model, out) == (3, 0)
