"""What a run over a folder writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from cxr.infer.run import infer_folder
from cxr.infer.runtime.session import Session

Draw = Callable[..., Path]
Fill = Callable[[Path, int], Path]
ReadTable = Callable[[Path], list[dict[str, str]]]

FILES = {"features.csv", "components.csv", "failures.csv", "run.json", "report.html"}


def test_features_describe_the_bright_rectangles(
    model: Path, tmp_path: Path, draw: Draw, read_table: ReadTable, rectangles: list[tuple[int, ...]]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    draw(folder / "00000007_001.png", rectangles)
    draw(folder / "sub" / "dark.png")
    summary = infer_folder(folder, model=model, out=out, patient_from="nih")
    first, second = read_table(out / "features.csv")
    assert list(first)[:13] == [
        *("image", "patient_id", "width", "height", "spacing_mm", "gray_from"),
        *("plausible", "plausible_why", "uncertainty"),
        *("lesion_ratio", "lesion_count", "lesion_mean_area", "lesion_mean_centroid_dist"),
    ]
    assert (first["image"], first["patient_id"]) == ("00000007_001.png", "7")
    assert (first["width"], first["height"], first["gray_from"]) == ("64", "64", "stored")
    assert (first["lesion_count"], first["lesion_total_area"]) == ("2", "120")
    assert (first["lesion_mean_area"], first["lung_total_area"]) == ("60.000000", str(120 + 8 * 64))
    assert (second["image"], second["patient_id"]) == ("sub/dark.png", "")
    assert (second["lesion_ratio"], second["lesion_count"], second["lesion_mean_area"]) == ("0", "0", "")
    assert (summary.rows, summary.failed, summary.provider) == (2, 0, "cpu")


def test_every_component_has_a_row(
    model: Path, tmp_path: Path, draw: Draw, read_table: ReadTable, rectangles: list[tuple[int, ...]]
) -> None:
    draw(tmp_path / "in" / "a.png", rectangles)
    infer_folder(tmp_path / "in", model=model, out=tmp_path / "out")
    rows = read_table(tmp_path / "out" / "components.csv")
    assert [(row["image"], row["label"], row["class"], row["area"]) for row in rows[:2]] == [
        ("a.png", "1", "lesion", "20"),
        ("a.png", "2", "lesion", "100"),
    ]


def test_run_writes_the_documented_files_only(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    infer_folder(draw_many(tmp_path / "in", 3), model=model, out=tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {name for name in names if not name.startswith(".")} == FILES


def test_masks_and_overlays_match_the_table(model: Path, tmp_path: Path, draw: Draw) -> None:
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


def test_run_json_describes_the_run(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    folder, out = draw_many(tmp_path / "in", 4), tmp_path / "out"
    infer_folder(folder, model=model, out=out, min_area=3)
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["status"] == "done"
    assert manifest["folder"] == str(folder.resolve())
    assert manifest["provider"] == "cpu"
    assert manifest["model"]["sha256"] == Session.open(model).model_hash
    assert manifest["lung_classes"] == ["lung"]
    assert manifest["arguments"]["min_area"] == 3
    counts = {"rows": 4, "failures": 0, "processed": 4, "doubtful": 0, "implausible": 0}
    assert manifest["counts"] == counts
    assert {"decode", "model", "measure", "write", "total"} <= manifest["seconds"].keys()
    assert {"cxr", "onnxruntime", "numpy", "python"} <= manifest["versions"].keys()


def test_salt_is_written_to_no_file(model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "a.png")
    out = tmp_path / "out"
    infer_folder(tmp_path / "in", model=model, out=out, salt="correct horse battery")
    assert all(b"correct horse" not in path.read_bytes() for path in out.iterdir())
    assert json.loads((out / "run.json").read_text())["identity"]["salt"]


def test_report_is_one_page_with_escaped_names(model: Path, tmp_path: Path, draw: Draw) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    draw(folder / "a.png", [(8, 8, 4, 5, 250)])
    (folder / "<script>alert(1)<.png").write_bytes(b"x")
    infer_folder(folder, model=model, out=out)
    page = (out / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;.png" in page
    assert "<svg" in page
    assert "://" not in page
    assert "<img" not in page


def test_progress_is_reported_after_each_image(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    steps: list[tuple[int, int]] = []
    folder = draw_many(tmp_path / "in", 5)
    infer_folder(folder, model=model, out=tmp_path / "out", progress=lambda *step: steps.append(step))
    assert steps == [(done, 5) for done in range(1, 6)]


def test_single_image_is_accepted_in_place_of_a_folder(
    model: Path, tmp_path: Path, draw: Draw, read_table: ReadTable
) -> None:
    infer_folder(draw(tmp_path / "x.png"), model=model, out=tmp_path / "out")
    assert [row["image"] for row in read_table(tmp_path / "out" / "features.csv")] == ["x.png"]


def test_run_does_not_read_its_own_output(
    model: Path, tmp_path: Path, draw: Draw, read_table: ReadTable
) -> None:
    draw(tmp_path / "x.png")
    draw(tmp_path / "sub" / "masks" / "y.png")
    for _ in range(2):
        infer_folder(tmp_path, model=model, out=tmp_path, masks="png", overlays=True)
    assert [row["image"] for row in read_table(tmp_path / "features.csv")] == ["sub/masks/y.png", "x.png"]


def test_summary_is_a_plain_record(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    summary = infer_folder(draw_many(tmp_path / "in", 2), model=model, out=tmp_path / "out")
    assert asdict(summary)["rows"] == 2
    assert summary.rate > 0


def test_run_does_not_import_torch(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    program = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('torch', 'torchvision', 'onnx', 'pandas', 'skimage'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "from cxr.infer.run import infer_folder\n"
        "folder, model, out = sys.argv[1:]\n"
        "print(infer_folder(folder, model=model, out=out, masks='png', overlays=True).rows)\n"
    )
    folder = draw_many(tmp_path / "in", 3)
    command = [sys.executable, "-c", program, str(folder), str(model), str(tmp_path / "out")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout.strip() == "3", done.stderr


def test_lungs_only_model_writes_no_lesion_column(
    make_model: Callable[..., Path], tmp_path: Path, draw_many: Fill, read_table: ReadTable
) -> None:
    out = tmp_path / "out"
    infer_folder(draw_many(tmp_path / "in", 4), model=make_model(("lung",)), out=out)
    columns = read_table(out / "features.csv")[0]
    assert "lung_ratio" in columns
    assert not [name for name in columns if "lesion" in name]
    assert {row["class"] for row in read_table(out / "components.csv")} == {"lung"}
    assert "lung_ratio from 0 to" in (out / "report.html").read_text()
