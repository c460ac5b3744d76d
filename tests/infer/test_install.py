"""An installation of `cxr[cpu]` from the wheel: the packages it has, and a run without torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"machine", "data", "metrics", "models", "report", "train", "export", "infer", "analysis"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # it would add modules that no longer exist
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
    )
    return next(folder.glob("cxr-*.whl"))


@pytest.mark.install
def test_wheel_has_only_the_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name.split("/")[1] for name in names if name.startswith("cxr/") and name.count("/") > 1}
    assert inside == PACKAGES
    assert {name.split("/")[0] for name in names} == {
        "cxr",
        next(n.split("/")[0] for n in names if ".dist" in n),
    }
    assert "cxr/py.typed" in names


@pytest.mark.install
def test_cpu_extra_is_enough_for_inference_and_installs_no_torch(
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
    assert missing.returncode == 0, "cxr[cpu] installs torch"
    train = subprocess.run(
        [str(python), "-m", "cxr", "train", "images"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert train.returncode == 1
    command = train.stderr.rpartition("run: ")[2].strip()
    assert command.endswith(f'pip install "{wheel}[train]"')
    subprocess.run(f"{command} --dry-run --no-deps", shell=True, cwd=tmp_path, check=True)
