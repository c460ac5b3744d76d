from __future__ import annotations

import csv
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cxr.errors import InputError, ModelError, OutputError, ProviderError
from cxr.infer import run as run_module
from cxr.infer.outputs.journal import Journal
from cxr.infer.run import infer_folder
from cxr.infer.runtime.session import Session

Draw = Callable[..., Path]
Fill = Callable[[Path, int], Path]

FILES = {"features.csv", "lesions.csv", "failures.csv", "run.json", "report.html"}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def contents(folder: Path) -> dict[str, bytes]:
    names = ("features.csv", "lesions.csv", "failures.csv")
    images = (path for path in folder.rglob("*.png"))
    return {name: (folder / name).read_bytes() for name in names} | {
        str(path.relative_to(folder)): path.read_bytes() for path in images
    }


def test_bright_spots_are_the_lesions_of_the_table(model: Path, tmp_path: Path, draw: Draw) -> None:
    folder = tmp_path / "in"
    draw(folder / "00000007_001.png", [(8, 8, 4, 5, 250), (40, 40, 10, 10, 250), (20, 0, 8, 64, 120)])
    draw(folder / "sub" / "dark.png")
    summary = infer_folder(folder, model=model, out=tmp_path / "out")
    first, second = table(tmp_path / "out" / "features.csv")
    assert list(first)[:9] == [
        *("image", "patient_id", "width", "height", "spacing_mm"),
        *("lesion_ratio", "num_lesions", "mean_area", "mean_centroid_dist"),
    ]
    assert (first["image"], first["patient_id"], first["width"], first["height"]) == (
        *("00000007_001.png", "7"),
        *("64", "64"),
    )
    assert (first["num_lesions"], first["total_area"], first["mean_area"]) == ("2", "120", "60.000000")
    assert first["lung_area"] == str(120 + 8 * 64)
    assert (second["image"], second["patient_id"]) == ("sub/dark.png", "")
    assert (second["lesion_ratio"], second["num_lesions"], second["mean_area"]) == ("0", "0", "")
    lesions = table(tmp_path / "out" / "lesions.csv")
    assert [(row["image"], row["label"], row["class"], row["area"]) for row in lesions[:2]] == [
        ("00000007_001.png", "1", "lesion", "20"),
        ("00000007_001.png", "2", "lesion", "100"),
    ]
    assert (summary.rows, summary.failed, summary.provider) == (2, 0, "cpu")


def test_a_run_writes_what_it_promises_and_nothing_else(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    infer_folder(draw_many(tmp_path / "in", 3), model=model, out=tmp_path / "out")
    assert visible(tmp_path / "out") == FILES


def test_masks_and_overlays_are_those_of_the_table(model: Path, tmp_path: Path, draw: Draw) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    draw(folder / "a" / "x.png", [(8, 8, 4, 5, 250)], size=(64, 64))
    draw(folder / "a" / "x.tif", [(8, 8, 8, 8, 250)], size=(64, 64))
    infer_folder(folder, model=model, out=out, masks="png", overlays=True)
    for name, area in (("x.png", 20), ("x.tif.png", 64)):
        mask = cv2.imread(str(out / "masks" / "lesion" / "a" / name), cv2.IMREAD_UNCHANGED)
        assert mask is not None
        assert np.count_nonzero(mask) == area
        assert (out / "masks" / "lung" / "a" / name).exists()
        assert (out / "overlays" / "a" / name).exists()
    assert "data:image/jpeg;base64" in (out / "report.html").read_text()


def test_broken_images_are_set_aside_with_stage_and_cause(
    model: Path, tmp_path: Path, draw_many: Fill
) -> None:
    folder, out = draw_many(tmp_path / "in", 20), tmp_path / "out"
    (folder / "00" / "00000003_000.png").write_bytes(b"")
    (folder / "page.dcm").write_text("<html>")
    summary = infer_folder(folder, model=model, out=out)
    failures = table(out / "failures.csv")
    assert [(row["path"], row["stage"]) for row in failures] == [
        ("00/00000003_000.png", "decode"),
        ("page.dcm", "decode"),
    ]
    assert all(row["error"] for row in failures)
    assert (summary.rows, summary.failed) == (19, 2)
    assert sum(count for _, count in summary.causes) == 2


def test_causes_that_differ_in_numbers_alone_are_counted_together(
    model: Path, tmp_path: Path, draw_many: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        fail.count = getattr(fail, "count", 0) + 1  # type: ignore[attr-defined]
        raise ValueError(f"cut at byte {fail.count}")  # type: ignore[attr-defined]

    monkeypatch.setattr("cxr.data.decode.isolation.read_image", fail)
    summary = infer_folder(draw_many(tmp_path / "in", 5), model=model, out=tmp_path / "out", threads=1)
    assert summary.causes == (("decode: ValueError: cut at byte 1", 5),)


def test_run_json_tells_what_was_done(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    folder, out = draw_many(tmp_path / "in", 4), tmp_path / "out"
    infer_folder(folder, model=model, out=out, min_area=3)
    told = json.loads((out / "run.json").read_text())
    assert told["status"] == "done"
    assert told["folder"] == str(folder.resolve())
    assert told["provider"] == "cpu"
    assert told["model"]["sha256"] == Session.open(model).model_hash
    assert told["arguments"]["min_area"] == 3
    assert told["counts"] == {"rows": 4, "failures": 0, "treated": 4}
    assert {"decode", "model", "measure", "write", "total"} <= told["seconds"].keys()
    assert {"cxr", "onnxruntime", "numpy", "python"} <= told["versions"].keys()


def test_the_report_is_one_page_that_escapes_names(model: Path, tmp_path: Path, draw: Draw) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    draw(folder / "a.png", [(8, 8, 4, 5, 250)])
    (folder / "<script>alert(1)<.png").write_bytes(b"x")
    infer_folder(folder, model=model, out=out)
    page = (out / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;.png" in page
    assert "<svg" in page
    assert "http" not in page
    assert "<img" not in page


def test_progress_is_told_after_each_image(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    told: list[tuple[int, int]] = []
    folder = draw_many(tmp_path / "in", 5)
    infer_folder(folder, model=model, out=tmp_path / "out", progress=lambda *step: told.append(step))
    assert told == [(done, 5) for done in range(1, 6)]


def test_one_image_stands_for_a_folder(model: Path, tmp_path: Path, draw: Draw) -> None:
    infer_folder(draw(tmp_path / "x.png"), model=model, out=tmp_path / "out")
    assert [row["image"] for row in table(tmp_path / "out" / "features.csv")] == ["x.png"]


def test_a_run_does_not_read_what_it_wrote_itself(model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "x.png")
    draw(tmp_path / "sub" / "masks" / "y.png")
    for _ in range(2):
        infer_folder(tmp_path, model=model, out=tmp_path, masks="png", overlays=True)
    assert [row["image"] for row in table(tmp_path / "features.csv")] == ["sub/masks/y.png", "x.png"]


# What is refused, before anything is written.


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
def test_what_cannot_work_leaves_no_trace(
    model: Path, tmp_path: Path, draw_many: Fill, arguments: dict[str, Any], error: type[Exception]
) -> None:
    draw_many(tmp_path / "in", 1)
    (tmp_path / "empty").mkdir()
    folder = tmp_path / arguments.pop("folder", "in")
    with pytest.raises(error):
        infer_folder(folder, **({"model": model, "out": tmp_path / "out"} | arguments))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", sorted(FILES))
def test_files_that_are_of_no_run_are_not_touched(
    model: Path, tmp_path: Path, draw_many: Fill, name: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(OutputError, match=f"{name}.*--out.*--overwrite"):
        infer_folder(draw_many(tmp_path / "in", 1), model=model, out=out)
    assert {path.name for path in out.iterdir()} == {name}
    assert (out / name).read_text() == "mine"


def test_an_output_folder_that_cannot_be_made_is_refused(
    model: Path, tmp_path: Path, draw_many: Fill
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot"):
        infer_folder(draw_many(tmp_path / "in", 1), model=model, out=tmp_path / "file" / "out")


def test_two_images_of_one_mask_name_are_refused(model: Path, tmp_path: Path, draw: Draw) -> None:
    image = draw(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.jpg.png").write_bytes(image.read_bytes())
    draw(tmp_path / "in" / "a.jpg")
    with pytest.raises(InputError, match="would both write"):
        infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", masks="png")


# Runs that meet an earlier run.


@pytest.fixture
def finished(model: Path, tmp_path: Path, draw_many: Fill) -> Path:
    infer_folder(draw_many(tmp_path / "in", 6), model=model, out=tmp_path / "out", masks="png")
    return tmp_path / "out"


def test_a_complete_run_has_nothing_to_do(
    model: Path, tmp_path: Path, finished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    with caplog.at_level(logging.INFO):
        summary = infer_folder(tmp_path / "in", model=model, out=finished, masks="png", batch_size=3)
    assert (summary.rows, summary.treated) == (6, 0)
    assert "nothing to do" in caplog.text
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()} == before


def test_images_that_came_later_are_added(model: Path, tmp_path: Path, finished: Path, draw: Draw) -> None:
    before = (finished / "features.csv").read_bytes()
    draw(tmp_path / "in" / "00" / "later.png")
    summary = infer_folder(tmp_path / "in", model=model, out=finished, masks="png")
    assert (summary.rows, summary.treated) == (7, 1)
    assert (finished / "features.csv").read_bytes().startswith(before)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"threshold": 0.3}, "threshold"),
        ({"min_area": 9}, "min_area"),
        ({"masks": None}, "masks"),
        ({"overlays": True}, "overlays"),
    ],
)
def test_a_run_with_other_settings_is_not_mixed_in(
    model: Path, tmp_path: Path, finished: Path, change: dict[str, Any], name: str
) -> None:
    before = contents(finished)
    arguments: dict[str, Any] = {"model": model, "out": finished, "masks": "png"}
    with pytest.raises(OutputError, match=f"another {name}; choose another --out, or give --overwrite"):
        infer_folder(tmp_path / "in", **(arguments | change))
    assert contents(finished) == before


def test_another_model_or_folder_is_not_mixed_in(
    model: Path, tmp_path: Path, finished: Path, make_model: Callable[..., Path], draw_many: Fill
) -> None:
    with pytest.raises(OutputError, match="another model, card"):
        infer_folder(tmp_path / "in", model=make_model(("lesion",)), out=finished, masks="png")
    with pytest.raises(OutputError, match="another folder"):
        infer_folder(draw_many(tmp_path / "other", 2), model=model, out=finished, masks="png")


def test_overwrite_replaces_everything_the_other_run_wrote(
    model: Path, tmp_path: Path, finished: Path, draw: Draw, make_model: Callable[..., Path]
) -> None:
    kept = finished / "masks" / "lesion" / "of-someone-else.png"
    kept.write_bytes(b"mine")
    draw(tmp_path / "other" / "x.png", [(8, 8, 4, 5, 250)])
    infer_folder(tmp_path / "other", model=make_model(("lesion",)), out=finished, masks="png", overwrite=True)
    assert [row["image"] for row in table(finished / "features.csv")] == ["x.png"]
    assert set(finished.rglob("*.png")) == {kept, finished / "masks" / "lesion" / "x.png"}


def test_overwrite_takes_the_place_of_files_of_no_run(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "features.csv").write_text("mine")
    assert infer_folder(draw_many(tmp_path / "in", 1), model=model, out=out, overwrite=True).rows == 1


@pytest.mark.parametrize("moment", ["clear", "begin", "remove_images"])
def test_an_overwrite_that_is_interrupted_never_mixes(
    model: Path, tmp_path: Path, finished: Path, draw_many: Fill, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Stop just after one step of the change-over; the next run must not take the old rows for its own."""

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    other = draw_many(tmp_path / "other", 3)
    arguments: dict[str, Any] = {"model": model, "out": finished, "masks": "png"}
    with monkeypatch.context() as patch:
        target = run_module if moment == "remove_images" else Journal
        patch.setattr(target, moment, stop)
        with pytest.raises(KeyboardInterrupt):
            infer_folder(other, overwrite=True, **arguments)
    infer_folder(other, overwrite=moment != "begin", **arguments)
    assert [row["image"] for row in table(finished / "features.csv")] == [
        f"00/{number:08d}_000.png" for number in range(3)
    ]


# Runs that are interrupted.


def test_an_interrupted_run_goes_on_to_the_same_bytes(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    folder = draw_many(tmp_path / "in", 30)
    (folder / "00" / "00000005_000.png").write_bytes(b"broken")
    arguments: dict[str, Any] = {"model": model, "masks": "png", "batch_size": 4}

    def stop(done: int, _total: int) -> None:
        if done == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        infer_folder(folder, out=tmp_path / "out", progress=stop, **arguments)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] == "running"
    assert len(table(tmp_path / "out" / "features.csv")) == 16
    summary = infer_folder(folder, out=tmp_path / "out", **arguments)
    assert summary.treated == 13
    infer_folder(folder, out=tmp_path / "whole", **arguments)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


_KILLED = """
import os, signal, sys
from cxr.infer import run
from cxr.infer.run import infer_folder
run.SECONDS_AT_RISK = 0
moment, count = sys.argv[4], int(sys.argv[5])
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "progress":
    def progress(done, total):
        if done == count:
            kill()
else:
    progress = None
    whole, calls = getattr(os, moment), []
    def after(*arguments, **options):
        calls.append(1)
        if len(calls) == count:
            kill()
        return whole(*arguments, **options)
    setattr(os, moment, after)
infer_folder(sys.argv[1], model=sys.argv[2], out=sys.argv[3], masks="png", batch_size=4, progress=progress)
"""


@pytest.mark.parametrize(
    ("moment", "count"),
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
def test_a_killed_run_goes_on_to_the_same_bytes(
    model: Path, tmp_path: Path, draw_many: Fill, moment: str, count: int
) -> None:
    folder = draw_many(tmp_path / "in", 20)
    (folder / "00" / "00000009_000.png").write_bytes(b"broken")
    out = tmp_path / "out"
    command = [sys.executable, "-c", _KILLED, str(folder), str(model), str(out), moment, str(count)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -9
    infer_folder(folder, model=model, out=out, masks="png", batch_size=4)
    infer_folder(folder, model=model, out=tmp_path / "whole", masks="png", batch_size=4)
    assert contents(out) == contents(tmp_path / "whole")
    assert visible(out) == FILES | {"masks"}
    assert not list(out.rglob("*.part-*"))


def test_nothing_of_torch_is_imported(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    program = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('torch', 'torchvision', 'onnx', 'pandas', 'skimage'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from cxr.infer.run import infer_folder\n"
        "folder, model, out = sys.argv[1:]\n"
        "print(infer_folder(folder, model=model, out=out, masks='png', overlays=True).rows)\n"
    )
    folder = draw_many(tmp_path / "in", 3)
    command = [sys.executable, "-c", program, str(folder), str(model), str(tmp_path / "out")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout.strip() == "3", done.stderr


def test_a_summary_is_a_plain_record(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    summary = infer_folder(draw_many(tmp_path / "in", 2), model=model, out=tmp_path / "out")
    assert asdict(summary)["rows"] == 2
    assert summary.rate > 0


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cannot write in this folder"):
        infer_folder(draw_many(tmp_path / "in", 1), model=model, out=out)
