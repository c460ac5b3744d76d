"""What measuring a folder of masks writes, and what it does with files that do not fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cxr.errors import InputError, OutputError
from cxr.infer.mask_folder.run import measure_folder
from cxr.infer.run import infer_folder

Draw = Callable[..., Path]
DrawMask = Callable[..., Path]
ReadTable = Callable[[Path], list[dict[str, str]]]

CLASS_COLUMNS = (
    *("ratio", "count", "mean_area", "mean_centroid_dist", "total_area", "max_area", "total_area_mm2"),
    *("mean_probability", "max_probability"),
)


@pytest.fixture
def features(tmp_path: Path, read_table: ReadTable) -> Callable[[], list[dict[str, str]]]:
    """Return a function that reads the rows of features.csv."""
    return lambda: read_table(tmp_path / "out" / "features.csv")


@pytest.fixture
def failures(tmp_path: Path, read_table: ReadTable) -> Callable[[], list[tuple[str, str, str]]]:
    """Return a function that reads path, stage and error of failures.csv."""
    return lambda: [tuple(row.values()) for row in read_table(tmp_path / "out" / "failures.csv")]  # type: ignore[misc]


def test_rows_hold_what_was_drawn(
    tmp_path: Path, draw_mask: DrawMask, features: Callable[[], list[dict[str, str]]], read_table: ReadTable
) -> None:
    draw_mask(tmp_path / "masks" / "lung" / "a.png", (0, 0, 16, 40))
    draw_mask(tmp_path / "masks" / "lesion" / "a.png", (2, 2, 3, 4), (14, 20, 4, 5))
    summary = measure_folder(tmp_path / "masks", out=tmp_path / "out")
    (row,) = features()
    assert (row["image"], row["width"], row["height"], row["spacing_mm"]) == ("a.png", "40", "32", "")
    assert (row["lesion_count"], row["lesion_total_area"], row["lung_total_area"]) == ("2", "32", "640")
    assert float(row["lesion_lung_ratio"]) == pytest.approx(22 / 640)
    assert row["lesion_mean_probability"] == row["lesion_max_probability"] == ""
    components = read_table(tmp_path / "out" / "components.csv")
    assert [(one["class"], one["label"], one["area"]) for one in components] == [
        ("lesion", "1", "12"),
        ("lesion", "2", "20"),
        ("lung", "1", "640"),
    ]
    assert components[0]["mean_probability"] == ""
    assert (summary.rows, summary.failed, summary.classes) == (1, 0, ("lesion", "lung"))


def test_class_without_a_mask_for_an_image_has_empty_cells_and_an_empty_mask_has_zeros(
    tmp_path: Path, draw_mask: DrawMask, features: Callable[[], list[dict[str, str]]]
) -> None:
    draw_mask(tmp_path / "masks" / "lung" / "a.png", (0, 0, 16, 40))
    draw_mask(tmp_path / "masks" / "lung" / "b.png", (0, 0, 16, 40))
    draw_mask(tmp_path / "masks" / "lesion" / "b.png")
    draw_mask(tmp_path / "masks" / "lesion" / "c.png", (0, 0, 2, 2))
    measure_folder(tmp_path / "masks", out=tmp_path / "out")
    without, empty, alone = features()
    assert (alone["lesion_total_area"], alone["lung_total_area"], alone["lesion_lung_ratio"]) == ("4", "", "")
    assert {without[f"lesion_{name}"] for name in CLASS_COLUMNS} == {""}
    assert without["lesion_lung_ratio"] == ""
    assert [empty[f"lesion_{name}"] for name in CLASS_COLUMNS] == ["0", "0", "", "", "0", "", "", "", ""]
    assert empty["lesion_lung_ratio"] == "0"


def test_lesions_without_any_lungs_have_no_ratio_to_them(
    tmp_path: Path, draw_mask: DrawMask, features: Callable[[], list[dict[str, str]]]
) -> None:
    draw_mask(tmp_path / "masks_lesion" / "a.png", (0, 0, 4, 4))
    measure_folder(tmp_path / "masks_lesion", out=tmp_path / "out")
    (row,) = features()
    assert row["lesion_total_area"] == "16"
    assert not [name for name in row if "lung" in name or name.endswith("_share")]


def test_lungs_are_unknown_where_one_of_the_lung_classes_has_no_mask(
    tmp_path: Path, draw_mask: DrawMask, features: Callable[[], list[dict[str, str]]]
) -> None:
    for name in ("a.png", "b.png"):
        draw_mask(tmp_path / "masks" / "lesion" / name, (0, 0, 4, 4))
        draw_mask(tmp_path / "masks" / "left_lung" / name, (0, 0, 16, 16))
    draw_mask(tmp_path / "masks" / "right_lung" / "b.png", (0, 20, 16, 16))
    measure_folder(tmp_path / "masks", out=tmp_path / "out", lung_classes=("left_lung", "right_lung"))
    assert [row["lesion_lung_ratio"] for row in features()] == ["", "0.03125"]


def test_a_lung_class_named_as_a_side_beside_another_one_has_its_own_columns_only(
    tmp_path: Path, draw_mask: DrawMask, features: Callable[[], list[dict[str, str]]]
) -> None:
    draw_mask(tmp_path / "masks" / "left_lung" / "a.png", (0, 20, 16, 16))
    draw_mask(tmp_path / "masks" / "rest" / "b.png", (0, 0, 16, 16))
    measure_folder(tmp_path / "masks", out=tmp_path / "out", lung_classes=("left_lung", "rest"))
    rows = features()
    assert [row["left_lung_total_area"] for row in rows] == ["256", ""]
    assert not any(None in row for row in rows)
    assert not [name for name in rows[0] if name.startswith("right_lung")]


def test_lesions_are_measured_in_the_thirds_and_halves_of_the_lungs(
    tmp_path: Path, draw_mask: DrawMask, features: Callable[[], list[dict[str, str]]]
) -> None:
    draw_mask(tmp_path / "masks" / "lung" / "a.png", (1, 2, 30, 10), (1, 22, 30, 12))
    draw_mask(tmp_path / "masks" / "lesion" / "a.png", (25, 2, 2, 4), (2, 22, 2, 2))
    measure_folder(tmp_path / "masks", out=tmp_path / "out")
    (row,) = features()
    assert (row["right_lung_total_area"], row["left_lung_total_area"]) == ("300", "360")
    zones = ("upper", "middle", "lower", "peripheral")
    assert [round(float(row[f"lesion_{zone}_share"]) * 12) for zone in zones] == [4, 0, 8, 8]


def test_broken_file_never_loses_the_others(
    tmp_path: Path,
    draw: Draw,
    draw_mask: DrawMask,
    features: Callable[[], list[dict[str, str]]],
    failures: Callable[[], list[tuple[str, str, str]]],
) -> None:
    for name in ("a.png", "b.png", "c.png", "d.png", "e.png"):
        draw(tmp_path / "images" / name, size=(32, 40))
    (tmp_path / "images" / "e.png").write_bytes(b"")
    masks = tmp_path / "masks" / "lung"
    for name in ("a.png", "e.png", "missing.png"):
        draw_mask(masks / name, (0, 0, 4, 4))
    draw_mask(masks / "b.png", (0, 0, 4, 4), size=(40, 32))
    (masks / "c.tif").write_bytes(draw_mask(masks / "c.tif", (0, 0, 4, 4)).read_bytes()[:60])
    draw(masks / "z.png", [(0, 0, 2, 2, 7)], size=(32, 40))
    draw(tmp_path / "images" / "z.png", size=(32, 40))
    summary = measure_folder(tmp_path / "masks", images=tmp_path / "images", out=tmp_path / "out")
    assert [row["image"] for row in features()] == ["a.png"]
    assert [(path, stage) for path, stage, _ in failures()] == [
        ("e.png", "decode"),
        ("lung/b.png", "measure"),
        ("lung/c.tif", "decode"),
        ("lung/missing.png", "list"),
        ("lung/z.png", "decode"),
    ]
    errors = {path: error for path, _, error in failures()}
    assert errors["lung/b.png"].startswith("is 32 x 40 pixels, its image 40 x 32")
    assert "no image of this name" in errors["lung/missing.png"]
    assert "more than two values" in errors["lung/z.png"]
    assert (summary.rows, summary.failed, summary.without_mask) == (1, 5, 1)


def test_two_masks_of_one_class_for_an_image_are_a_failure(
    tmp_path: Path, draw: Draw, draw_mask: DrawMask, failures: Callable[[], list[tuple[str, str, str]]]
) -> None:
    draw(tmp_path / "images" / "a.png", size=(32, 40))
    for name in ("a.png", "a.tif"):
        draw_mask(tmp_path / "masks_lung" / name, (0, 0, 4, 4))
    measure_folder(tmp_path / "masks_lung", images=tmp_path / "images", out=tmp_path / "out")
    assert failures() == [("a.tif", "measure", "is a second mask of class lung for the same image; keep one")]


def test_masks_of_different_sizes_for_one_image_are_a_failure(
    tmp_path: Path, draw_mask: DrawMask, failures: Callable[[], list[tuple[str, str, str]]]
) -> None:
    draw_mask(tmp_path / "masks" / "lesion" / "a.png", (0, 0, 4, 4))
    draw_mask(tmp_path / "masks" / "lung" / "a.png", (0, 0, 4, 4), size=(16, 20))
    measure_folder(tmp_path / "masks", out=tmp_path / "out")
    ((path, _, error),) = failures()
    assert path == "lung/a.png"
    assert error.startswith("is 20 x 16 pixels, another mask of the same image 40 x 32")


@pytest.mark.parametrize("values", [None, {1: "lung"}])
def test_folder_of_radiographs_is_one_error(
    tmp_path: Path, draw_many: Callable[[Path, int], Path], values: dict[int, str] | None
) -> None:
    draw_many(tmp_path / "images", 8)
    (tmp_path / "images" / "00" / "00000000_000.png").unlink()  # of one gray value: a mask, to all appearance
    class_name = None if values else "lung"
    with pytest.raises(InputError, match=r"images: holds no masks but other images: 00/0.*\.png: .*values"):
        measure_folder(tmp_path / "images", class_name=class_name, values=values, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folder_of_dicom_images_is_one_error(tmp_path: Path, write_dicom: Callable[..., Path]) -> None:
    write_dicom(tmp_path / "lung" / "a.dcm", np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"a\.dcm: a DICOM file that is no Segmentation"):
        measure_folder(tmp_path / "lung", out=tmp_path / "out")


def test_masks_of_other_images_are_one_error(tmp_path: Path, draw: Draw, draw_mask: DrawMask) -> None:
    draw(tmp_path / "images" / "a.png")
    draw_mask(tmp_path / "masks_lung" / "b.png")
    with pytest.raises(InputError, match=r"images: no mask belongs to an image in this folder \(b\.png"):
        measure_folder(tmp_path / "masks_lung", images=tmp_path / "images", out=tmp_path / "out")


def test_strict_run_stops_at_the_first_failure(tmp_path: Path, draw_mask: DrawMask) -> None:
    draw_mask(tmp_path / "masks_lung" / "a.png")
    (tmp_path / "masks_lung" / "b.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"b\.png: decode: this mask cannot be read: the file is empty"):
        measure_folder(tmp_path / "masks_lung", out=tmp_path / "out", strict=True)
    assert not (tmp_path / "out" / "features.csv").exists()


def test_spacing_and_patient_are_those_of_the_image(
    tmp_path: Path,
    draw_mask: DrawMask,
    write_dicom: Callable[..., Path],
    features: Callable[[], list[dict[str, str]]],
) -> None:
    write_dicom(tmp_path / "images" / "a.dcm", np.arange(32 * 40, dtype=np.uint8).reshape(32, 40))
    draw_mask(tmp_path / "masks_lung" / "a.png", (0, 0, 4, 4))
    settings = {"images": tmp_path / "images", "out": tmp_path / "out"}
    measure_folder(tmp_path / "masks_lung", **settings)
    (row,) = features()
    assert (row["image"], row["spacing_mm"], row["lung_total_area_mm2"]) == ("a.dcm", "0.5\\0.25", "2.000000")
    assert row["patient_id"] == ""
    measure_folder(tmp_path / "masks_lung", **settings, salt="correct horse battery", overwrite=True)
    assert len(features()[0]["patient_id"]) == 16
    assert all(b"4711" not in path.read_bytes() for path in (tmp_path / "out").iterdir())


def test_patient_is_read_from_the_name_of_the_mask_if_there_are_no_images(
    tmp_path: Path, draw_mask: DrawMask, features: Callable[[], list[dict[str, str]]]
) -> None:
    draw_mask(tmp_path / "masks_lung" / "00000007_001.png", (0, 0, 4, 4))
    measure_folder(tmp_path / "masks_lung", out=tmp_path / "out", patient_from="nih")
    assert features()[0]["patient_id"] == "7"


def test_same_call_measures_again_and_gives_the_same_bytes(tmp_path: Path, draw_mask: DrawMask) -> None:
    mask = draw_mask(tmp_path / "masks_lung" / "a.png", (0, 0, 4, 4))
    draw_mask(tmp_path / "masks_lung" / "b.tif", (0, 0, 5, 4))
    table = tmp_path / "out" / "features.csv"
    measure_folder(tmp_path / "masks_lung", out=tmp_path / "out", threads=1)
    before = table.read_bytes()
    measure_folder(tmp_path / "masks_lung", out=tmp_path / "out", threads=3)
    assert table.read_bytes() == before
    draw_mask(mask, (0, 0, 9, 4))
    measure_folder(tmp_path / "masks_lung", out=tmp_path / "out")
    assert table.read_bytes() != before


def test_run_json_tells_what_was_measured(tmp_path: Path, draw: Draw, draw_mask: DrawMask) -> None:
    for name in ("a.png", "b.png"):
        draw(tmp_path / "images" / name, size=(32, 40))
    mask = draw_mask(tmp_path / "masks_lung" / "a.png", (0, 0, 4, 4))
    measure_folder(
        tmp_path / "masks_lung",
        images=tmp_path / "images",
        out=tmp_path / "out",
        salt="correct horse battery",
    )
    text = (tmp_path / "out" / "run.json").read_text()
    manifest = json.loads(text)
    assert (manifest["kind"], manifest["status"]) == ("measure", "done")
    assert manifest["folder"] == str((tmp_path / "images").resolve())
    assert manifest["classes"] == manifest["lung_classes"] == ["lung"]
    assert manifest["counts"] == {"rows": 1, "failures": 0, "without_mask": 1}
    assert manifest["without_mask"] == ["b.png"]
    line = f"{hashlib.sha256(mask.read_bytes()).hexdigest()}  a.png\n"
    assert manifest["masks"] == {"files": 1, "sha256": hashlib.sha256(line.encode()).hexdigest()}
    assert {"cxr", "numpy", "python"} <= manifest["versions"].keys()
    assert manifest["identity"]["salt"]
    assert "correct horse" not in text


def test_files_that_no_run_wrote_are_never_replaced(tmp_path: Path, draw_mask: DrawMask) -> None:
    draw_mask(tmp_path / "masks_lung" / "a.png")
    (tmp_path / "out").mkdir()
    for name, text in (("features.csv", "mine"), ("run.json", "{}")):
        (tmp_path / "out" / name).write_text(text)
        with pytest.raises(OutputError, match=r"exists already, but not from a run of cxr; .* --overwrite"):
            measure_folder(tmp_path / "masks_lung", out=tmp_path / "out")
        assert (tmp_path / "out" / name).read_text() == text
        (tmp_path / "out" / name).unlink()


def test_results_of_other_masks_are_replaced_only_if_asked_for(
    tmp_path: Path, draw_mask: DrawMask, features: Callable[[], list[dict[str, str]]]
) -> None:
    for name in ("lung", "heart"):
        draw_mask(tmp_path / f"masks_{name}" / "a.png")
    measure_folder(tmp_path / "masks_lung", out=tmp_path / "out", parquet=True)
    with pytest.raises(OutputError, match=r"is of a run with another masks; .* --overwrite"):
        measure_folder(tmp_path / "masks_heart", out=tmp_path / "out")
    measure_folder(tmp_path / "masks_heart", out=tmp_path / "out", overwrite=True)
    assert "heart_ratio" in features()[0]
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_results_of_a_model_are_replaced_only_if_asked_for_and_its_masks_never(
    model: Path, tmp_path: Path, draw: Draw, features: Callable[[], list[dict[str, str]]]
) -> None:
    out = tmp_path / "out"
    draw(tmp_path / "in" / "a.png", [(8, 8, 4, 5, 250)])
    infer_folder(tmp_path / "in", model=model, out=out, masks="png")
    with pytest.raises(OutputError, match=r"run\.json: is of a run of cxr-infer; .* --overwrite"):
        measure_folder(out / "masks", out=out)
    assert features()[0]["lesion_max_probability"] != ""
    measure_folder(out / "masks", out=out, overwrite=True)
    assert features()[0]["lesion_max_probability"] == ""
    assert not (out / "report.html").exists()
    assert (out / "masks" / "lesion" / "a.png").exists()
    with pytest.raises(OutputError, match="exists already"):
        infer_folder(tmp_path / "in", model=model, out=out)


def test_tables_are_written_as_parquet_too(tmp_path: Path, draw_mask: DrawMask) -> None:
    draw_mask(tmp_path / "masks_lung" / "a.png", (0, 0, 4, 4))
    summary = measure_folder(tmp_path / "masks_lung", out=tmp_path / "out", parquet=True)
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(summary.files)
    assert summary.table().column("lung_total_area").to_pylist() == [16]
    assert (tmp_path / "out" / "features.parquet").exists()


def test_classes_that_lead_to_the_same_column_are_rejected(tmp_path: Path, draw_mask: DrawMask) -> None:
    for name in ("lesion", "lung", "lesion_lung"):
        draw_mask(tmp_path / "masks" / name / "a.png")
    with pytest.raises(InputError, match="two columns of the same name"):
        measure_folder(tmp_path / "masks", out=tmp_path / "out")


def test_progress_is_reported_after_each_image(tmp_path: Path, draw_mask: DrawMask) -> None:
    for name in ("a.png", "b.png", "c.tif"):
        draw_mask(tmp_path / "masks_lung" / name)
    steps: list[tuple[int, int]] = []
    measure_folder(tmp_path / "masks_lung", out=tmp_path / "out", progress=lambda *step: steps.append(step))
    assert steps == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_name": "lung", "values": {1: "lung"}}, "either class_name or values"),
        ({"values": {0: "lung"}}, "values from 1 on"),
        ({"values": {}}, "values from 1 on"),
        ({"values": {1: " lung"}}, "' lung' cannot be the name of a class"),
        ({"class_name": ""}, "'' cannot be the name of a class"),
        ({"min_area": -1}, "min_area must be at least 0.*, got -1"),
        ({"threads": 0}, "threads must be at least 1.*, got 0"),
        ({"salt": "short"}, "a salt of 5 bytes"),
    ],
)
def test_setting_that_is_out_of_range_is_named(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        measure_folder(tmp_path, out=tmp_path / "out", **settings)
