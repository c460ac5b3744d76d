"""What is rejected before anything is written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr.errors import InputError, ModelError, OutputError, ProviderError
from cxr.infer.run import infer_folder

Draw = Callable[..., Path]
Fill = Callable[[Path, int], Path]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"provider": "cuda"}, ProviderError),
        ({"model": "none.onnx"}, ModelError),
        ({"folder": "none"}, InputError),
        ({"folder": "empty"}, InputError),
        ({"threshold": 1.5}, InputError),
        ({"batch_size": 0}, InputError),
        ({"min_area": -1}, InputError),
        ({"threads": 0}, InputError),
    ],
)
def test_impossible_run_creates_no_output_folder(
    model: Path, tmp_path: Path, draw_many: Fill, arguments: dict[str, Any], error: type[Exception]
) -> None:
    draw_many(tmp_path / "in", 1)
    (tmp_path / "empty").mkdir()
    folder = tmp_path / arguments.pop("folder", "in")
    with pytest.raises(error):
        infer_folder(folder, **({"model": model, "out": tmp_path / "out"} | arguments))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["features.csv", "components.csv", "failures.csv", "run.json", "report.html"]
)
def test_files_of_unknown_origin_are_not_touched(
    model: Path, tmp_path: Path, draw_many: Fill, name: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=f"{name}: exists already, but not from a cxr-infer run.*--out"):
            infer_folder(draw_many(tmp_path / "in", 1), model=model, out=out, overwrite=overwrite)
    assert {path.name for path in out.iterdir()} == {name}
    assert (out / name).read_text() == "mine"


def test_unknown_mask_format_is_rejected_with_the_choices(model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "a.png")
    with pytest.raises(InputError, match="masks can be png, rle, dicom-seg; got 'nifti'"):
        infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", masks="nifti")


def test_images_with_the_same_mask_name_are_rejected(model: Path, tmp_path: Path, draw: Draw) -> None:
    image = draw(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.jpg.png").write_bytes(image.read_bytes())
    draw(tmp_path / "in" / "a.jpg")
    with pytest.raises(InputError, match="would both write"):
        infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", masks="png")


def test_mask_name_that_is_also_a_folder_is_rejected(model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "a.jpg.png" / "x.png")
    draw(tmp_path / "in" / "a.jpg")
    with pytest.raises(InputError, match=r"would both write a\.jpg\.png"):
        infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", masks="png")


def test_output_folder_that_cannot_be_created_is_rejected(
    model: Path, tmp_path: Path, draw_many: Fill
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot"):
        infer_folder(draw_many(tmp_path / "in", 1), model=model, out=tmp_path / "file" / "out")


@pytest.mark.skipif(os.getuid() == 0, reason="root can write in any folder")
def test_output_folder_without_write_permission_is_rejected(
    model: Path, tmp_path: Path, draw_many: Fill
) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cannot write in this folder"):
        infer_folder(draw_many(tmp_path / "in", 1), model=model, out=out)
