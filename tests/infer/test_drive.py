"""A drive or share that disappears during a run ends it, and no image is blamed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cxr.errors import CxrError, InputError, MachineError
from cxr.infer.run import infer_folder

Fill = Callable[[Path, int], Path]
ReadTable = Callable[[Path], list[dict[str, str]]]
Contents = Callable[[Path], dict[str, bytes]]
Progress = Callable[[int, int], None]

IMAGES = 40


def after(count: int, action: Callable[[], object]) -> Progress:
    """Return a progress callback that acts once so many images are done."""

    def progress(done: int, _total: int) -> None:
        if done == count:
            action()

    return progress


@pytest.fixture
def expected(model: Path, tmp_path: Path, draw_many: Fill, contents: Contents) -> dict[str, bytes]:
    infer_folder(draw_many(tmp_path / "whole", IMAGES), model=model, out=tmp_path / "expected", masks="png")
    return contents(tmp_path / "expected")


def test_folder_that_disappears_ends_the_run_which_resumes_once_it_is_back(
    model: Path, tmp_path: Path, draw_many: Fill, contents: Contents, expected: dict[str, bytes]
) -> None:
    folder, out = draw_many(tmp_path / "in", IMAGES), tmp_path / "out"
    away = tmp_path / "away"
    with pytest.raises(MachineError, match=r"has disappeared; is its drive or share still connected"):
        infer_folder(
            folder, model=model, out=out, masks="png", progress=after(5, lambda: folder.rename(away))
        )
    with pytest.raises(InputError, match="no such folder"):
        infer_folder(folder, model=model, out=out, masks="png")
    away.rename(folder)
    summary = infer_folder(folder, model=model, out=out, masks="png")
    assert (summary.rows, summary.failed) == (IMAGES, 0)
    assert summary.processed < IMAGES
    assert contents(out) == expected


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Path]:
    """Return a mounted file system."""
    folder = tmp_path / "drive"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs permission to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


@pytest.mark.parametrize("place", ["the folder", "a folder in it", "links to it"])
def test_unmounted_drive_ends_the_run(
    model: Path, tmp_path: Path, drive: Path, draw_many: Fill, read_table: ReadTable, place: str
) -> None:
    """The folder that a drive was mounted on is still there, and empty."""
    images, folder = draw_many(drive, IMAGES), drive
    if place != "the folder":
        folder = tmp_path / "in"
        folder.mkdir()
    if place == "a folder in it":
        (folder / "usb").symlink_to(drive)
    elif place == "links to it":
        for path in sorted(images.rglob("*.png")):
            (folder / path.name).symlink_to(path)
    unmount = ["umount", "-l", str(drive)]
    with pytest.raises(MachineError, match="has disappeared"):
        infer_folder(
            folder,
            model=model,
            out=tmp_path / "out",
            progress=after(5, lambda: subprocess.run(unmount, check=True)),
        )
    assert read_table(tmp_path / "out" / "failures.csv") == []
    assert 5 <= len(read_table(tmp_path / "out" / "features.csv")) < IMAGES


def test_image_that_is_deleted_during_the_run_is_its_own_failure(
    model: Path, tmp_path: Path, draw_many: Fill, read_table: ReadTable
) -> None:
    folder = draw_many(tmp_path / "in", IMAGES)
    last = folder / "01" / f"{IMAGES - 1:08d}_000.png"
    summary = infer_folder(
        folder, model=model, out=tmp_path / "out", threads=1, batch_size=1, progress=after(3, last.unlink)
    )
    assert (summary.rows, summary.failed) == (IMAGES - 1, 1)
    assert "No such file or directory" in read_table(tmp_path / "out" / "failures.csv")[0]["error"]


@pytest.mark.parametrize("name", ["EIO", "ENOTCONN", "ETIMEDOUT", "EHOSTDOWN", "ESTALE"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_share_that_does_not_answer_ends_the_run(
    model: Path,
    tmp_path: Path,
    draw_many: Fill,
    read_table: ReadTable,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    suffix: str,
) -> None:
    folder, out = draw_many(tmp_path / "in", 6), tmp_path / "out"
    lost = folder / f"00/00000003_000{suffix}"
    if suffix == ".tif":
        Image.linear_gradient("L").save(lost)
    code, original = getattr(errno, name), Path.open

    def fail(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == lost:
            raise OSError(code, os.strerror(code), str(path))
        return original(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fail)
        with pytest.raises(MachineError, match=rf"00000003_000\{suffix}: {os.strerror(code)}; is its drive"):
            infer_folder(folder, model=model, out=out)
    assert read_table(out / "failures.csv") == []
    assert infer_folder(folder, model=model, out=out).failed == 0


def test_share_that_does_not_answer_while_it_is_listed_ends_the_call_before_anything_is_written(
    model: Path, tmp_path: Path, draw_many: Fill, monkeypatch: pytest.MonkeyPatch, contents: Contents
) -> None:
    folder, out = draw_many(tmp_path / "in", 25), tmp_path / "out"
    infer_folder(folder, model=model, out=out)
    before, original = contents(out), os.scandir

    def fail(path: Any) -> Any:
        if str(path).endswith("01"):
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return original(path)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(CxrError, match="is its drive or share still connected"):
        infer_folder(folder, model=model, out=out, forget_missing=True)
    assert contents(out) == before
