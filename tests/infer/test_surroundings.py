"""Runs where names, folders and the process around them are not as usual."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from cxr.data.datasets.index import open_index
from cxr.errors import InputError, OutputError
from cxr.infer.records import ImageFile, Stage
from cxr.infer.run import infer_folder
from cxr.infer.stages import ImageFailedError, Stages
from cxr.machine.paths import path_of

Draw = Callable[..., Path]
Fill = Callable[[Path, int], Path]
ReadTable = Callable[[Path], list[dict[str, str]]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes exist on Linux")

ODD = os.fsdecode(b"Aufn\xe4hme")


def test_every_output_of_a_folder_whose_name_is_not_utf_8_is_written_and_resumed(
    model: Path, tmp_path: Path, draw: Draw, read_table: ReadTable
) -> None:
    folder, out = tmp_path / ODD, tmp_path / f"{ODD}-out"
    draw(tmp_path / "in" / "a.png")
    (tmp_path / "in").rename(folder)
    (folder / "page.dcm").write_text("<html>")
    moved = Path(shutil.copy(model, tmp_path / f"{ODD}.onnx"))
    for _ in range(2):
        summary = infer_folder(folder, model=moved, out=out, masks="png", overlays=True, parquet=True)
        assert (summary.rows, summary.failed) == (1, 1)
    manifest = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert manifest["folder"] == str(tmp_path / "Aufn\\udce4hme")
    assert path_of(manifest["folder"]) == folder
    assert "Aufn\\udce4hme" in (out / "report.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" in (out / "report.html").read_text(encoding="utf-8")
    assert summary.table().num_rows == len(read_table(out / "features.csv")) == 1


def test_data_set_in_a_folder_whose_name_is_not_utf_8_has_a_name_that_can_be_stored(
    tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "in" / "a.png")
    draw(tmp_path / "in" / "m.png")
    folder = (tmp_path / "in").rename(tmp_path / ODD)
    (folder / "index.csv").write_text("image,mask_lesion,patient_id\na.png,m.png,1\n")
    assert open_index(folder).name == "Aufn\\udce4hme"


@pytest.mark.parametrize("cause", [errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ])
def test_name_that_the_output_disk_cannot_hold_is_the_images_failure(cause: int) -> None:
    def write() -> None:
        error = OSError(cause, os.strerror(cause))
        raise OutputError(f"masks/a.png: cannot be written ({error.strerror})") from error

    file = ImageFile("a:b.png", Path("a:b.png"))
    with pytest.raises(ImageFailedError, match=os.strerror(cause)):
        Stages().run(file, Stage.WRITE, write)


def test_runs_side_by_side_in_one_process_leave_it_as_it_was(
    model: Path, tmp_path: Path, draw_many: Fill
) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(4)
        runs = [
            threading.Thread(
                target=infer_folder,
                args=(draw_many(tmp_path / str(count), count),),
                kwargs={"model": model, "out": tmp_path / f"out {count}"},
            )
            for count in (2, 12, 1)
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)
    assert all((tmp_path / f"out {count}" / "report.html").exists() for count in (2, 12, 1))


def test_more_threads_than_images_start_no_more_than_are_used(
    model: Path, tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "in" / "a.png")
    assert infer_folder(
        tmp_path / "in", model=model, out=tmp_path / "out", threads=1024, batch_size=4096
    ).rows


def test_masks_that_the_disk_would_not_tell_apart_stop_the_run_before_it_writes(
    model: Path, tmp_path: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def ignore_case(path: Path, target: Path) -> Path:
        similar = [one for one in target.parent.iterdir() if one.name.lower() == target.name.lower()]
        return replace(path, similar[0] if similar else target)

    for name in ("Thorax.png", "thorax.png"):
        draw(tmp_path / "in" / name)
    monkeypatch.setattr(Path, "replace", ignore_case)
    for outputs in ({"masks": "png"}, {"overlays": True}):
        with pytest.raises(InputError, match=r"Thorax\.png and thorax\.png would both write"):
            infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", **outputs)
    assert not (tmp_path / "out").exists()


def test_working_directory_that_was_removed_is_named(model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "a.png")
    script = (
        f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; "
        f"exec {sys.executable} -m cxr infer {tmp_path}/in --model {model}"
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the working directory: No such file or directory" in done.stderr.splitlines()[-1]
