"""Calls that are killed at random moments of writing, with masks, Parquet and several threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

KILLS = int(os.environ.get("CXR_KILLS", "10"))
"""`make soak-kill` sets 1,000."""

SECONDS_PER_KILL, SECONDS_TO_START = 5, 120

MEMORY = Path("/dev/shm")  # files need no disk there: every mask is synced


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in memory, where the system has such a place."""
    with TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("scenario", ["new", "changed"])
def test_killed_calls_end_with_the_bytes_of_an_unbroken_run(model: Path, place: Path, scenario: str) -> None:
    """New: a run over 60 images. Changed: a call after images were replaced, removed, repaired and added."""
    program = Path(__file__).with_name("killed_calls.py")
    command = [sys.executable, str(program), str(place), str(model), str(KILLS), scenario]
    limit = SECONDS_TO_START + SECONDS_PER_KILL * KILLS
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=limit)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kills"] == KILLS
