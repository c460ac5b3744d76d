"""What a user of `cxr[cpu]` gets: a wheel of the rooms, a folder measured, no torch."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {"data", "models", "train", "export", "infer", "analysis"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
    )
    return next(folder.glob("cxr-*.whl"))


@pytest.mark.install
def test_wheel_holds_only_the_rooms(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name.split("/")[1] for name in names if name.startswith("cxr/") and name.count("/") > 1}
    assert inside == ROOMS
    assert {name.split("/")[0] for name in names} == {
        "cxr",
        next(n.split("/")[0] for n in names if ".dist" in n),
    }
    assert "cxr/py.typed" in names


@pytest.mark.install
def test_cpu_extra_alone_infers_without_torch(
    wheel: Path, tmp_path: Path, model: Path, draw: Callable[..., Path]
) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", f"cxr[cpu] @ {wheel.as_uri()}"], check=True
    )
    draw(tmp_path / "images" / "a.png", [(10, 10, 20, 20, 250)], size=(80, 100))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(python.with_name("cxr-infer")), "images", "--model", str(model), "--out", "out", "--masks"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "out" / "features.csv").read_text().splitlines()
    assert len(rows) == 2
    assert rows[1].startswith("a.png,")
    missing = subprocess.run(
        [str(python), "-c", "import importlib.util as u; assert u.find_spec('torch') is None"], check=False
    )
    assert missing.returncode == 0, "torch came with cxr[cpu]"
    train = subprocess.run(
        [str(python), "-m", "cxr", "train", "images"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert train.returncode == 1
    assert 'pip install "cxr[train]"' in train.stderr
