"""Interrupted runs resume, and end with the bytes of a run that was never interrupted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr.infer.run import infer_folder

Fill = Callable[[Path, int], Path]
ReadTable = Callable[[Path], list[dict[str, str]]]
Contents = Callable[[Path], dict[str, bytes]]


def test_resumed_run_gives_the_same_bytes(
    model: Path, tmp_path: Path, draw_many: Fill, read_table: ReadTable, contents: Contents
) -> None:
    folder, out = draw_many(tmp_path / "in", 30), tmp_path / "out"
    (folder / "00" / "00000005_000.png").write_bytes(b"broken")
    arguments: dict[str, Any] = {"model": model, "masks": "png", "batch_size": 4}

    def interrupt(done: int, _total: int) -> None:
        if done == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        infer_folder(folder, out=out, progress=interrupt, **arguments)
    assert json.loads((out / "run.json").read_text())["status"] == "running"
    assert len(read_table(out / "features.csv")) == 16
    summary = infer_folder(folder, out=out, **arguments)
    assert summary.processed == 13
    infer_folder(folder, out=tmp_path / "whole", **arguments)
    assert contents(out) == contents(tmp_path / "whole")


_KILLED_RUN = """
import os, signal, sys
from cxr.infer import folder_run
from cxr.infer.run import infer_folder
folder_run.COMMIT_SECONDS = 0
event, count = sys.argv[4], int(sys.argv[5])
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if event == "progress":
    def progress(done, total):
        if done == count:
            kill()
else:
    progress = None
    original, calls = getattr(os, event), []
    def kill_before_call(*arguments, **options):
        calls.append(1)
        if len(calls) == count:
            kill()
        return original(*arguments, **options)
    setattr(os, event, kill_before_call)
infer_folder(sys.argv[1], model=sys.argv[2], out=sys.argv[3], masks="png", batch_size=4, progress=progress)
"""


@pytest.mark.parametrize(
    ("event", "count"),
    [
        ("fsync", 1),
        ("fsync", 2),
        ("fsync", 3),
        ("fsync", 6),
        ("fsync", 40),
        ("progress", 1),
        ("progress", 13),
        ("progress", 20),
    ],
)
def test_killed_run_resumes_to_the_same_bytes(
    model: Path, tmp_path: Path, draw_many: Fill, contents: Contents, event: str, count: int
) -> None:
    folder, out = draw_many(tmp_path / "in", 20), tmp_path / "out"
    (folder / "00" / "00000009_000.png").write_bytes(b"broken")
    command = [sys.executable, "-c", _KILLED_RUN, str(folder), str(model), str(out), event, str(count)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -9
    infer_folder(folder, model=model, out=out, masks="png", batch_size=4)
    infer_folder(folder, model=model, out=tmp_path / "whole", masks="png", batch_size=4)
    assert contents(out) == contents(tmp_path / "whole")
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {
        *("features.csv", "components.csv", "failures.csv", "run.json", "report.html", "masks")
    }
    assert not list(out.rglob("*.part-*"))
