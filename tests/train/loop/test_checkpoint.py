from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from cxr.errors import OutputError
from cxr.models.network.torch_file import load_torch_file, save_torch_file
from cxr.train.config import TrainConfig
from cxr.train.loop import recorder
from cxr.train.loop.checkpoint import check_space
from cxr.train.run import resume_training, train_model


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs permission to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_is_one_line_and_keeps_the_file_that_was_there(disk: Path) -> None:
    path = disk / "last.ckpt"
    save_torch_file({"epoch": torch.ones(10)}, path)
    with pytest.raises(
        OutputError, match=r"last\.ckpt: cannot be written \(No space left on device\)"
    ) as caught:
        save_torch_file({"epoch": torch.ones(1_000_000)}, path)
    assert "\n" not in str(caught.value)
    assert torch.equal(load_torch_file(path)["epoch"], torch.ones(10))
    assert [file.name for file in disk.iterdir()] == ["last.ckpt"]


def test_disk_without_space_for_a_run_is_reported_before_the_first_epoch(
    disk: Path, tiny: TrainConfig
) -> None:
    with pytest.raises(OutputError, match=r"need up to \d+ MB, and 2 MB are free on this disk"):
        train_model(replace(tiny, runs=disk / "runs"))
    (run,) = (disk / "runs").iterdir()
    assert not (run / "training_history.csv").exists()


def test_small_run_needs_little_space(disk: Path) -> None:
    check_space(disk, nn.Linear(100, 100))


def test_average_of_the_weights_is_counted_once(disk: Path, tiny: TrainConfig) -> None:
    averaged = replace(tiny, epochs=1, ema=0.9)
    weights = (train_model(averaged).run / "best_unet.pth").stat().st_size
    resize(disk, 14 * weights)
    train_model(replace(averaged, runs=disk / "runs"))


def test_files_that_a_resumed_run_has_already_need_no_space_again(disk: Path) -> None:
    network = nn.Linear(200, 200)
    (disk / "last.ckpt").write_bytes(bytes(1_000_000))
    check_space(disk, network)
    (disk / "last.ckpt").rename(disk / "other")
    with pytest.raises(OutputError, match="need up to 2 MB, and 1 MB are free"):
        check_space(disk, network)


def test_run_whose_disk_is_full_keeps_its_checkpoint_and_resumes_once_there_is_space(
    disk: Path, tiny: TrainConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    small = replace(tiny, epochs=2)
    expected = train_model(small).run
    checkpoint, weights = ((expected / name).stat().st_size for name in ("last.ckpt", "best_unet.pth"))
    # Room for the first epoch, but not for a second checkpoint beside the first.
    resize(disk, int(1.5 * checkpoint + 2 * weights))
    # Others have filled the disk after the run has started.
    monkeypatch.setattr(recorder, "check_space", lambda _folder, _network: None)
    with pytest.raises(OutputError, match=r"last\.ckpt: cannot be written \(No space left on device\)"):
        train_model(replace(small, runs=disk / "runs"))
    (run,) = (disk / "runs").iterdir()
    assert f"resume with: cxr-train --resume {run}" in caplog.text
    assert not list(run.glob(".*"))

    resize(disk, 10 * checkpoint)
    resume_training(run)

    before, after = (load_torch_file(folder / "best_unet.pth") for folder in (expected, run))
    assert all(torch.equal(before[name], after[name]) for name in before)


def resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size // 1024}k", str(disk)], check=True)
