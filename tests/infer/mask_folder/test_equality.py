"""Masks that a model wrote and `cxr measure` measures again give the numbers of the model's own run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxr.infer.image_features import measure_image, measure_masks
from cxr.infer.mask_folder.run import measure_folder
from cxr.infer.run import infer_folder
from cxr.models.preprocess import Placement

Draw = Callable[..., Path]
ReadTable = Callable[[Path], list[dict[str, str]]]
WriteDicom = Callable[..., Path]
SALT = "correct horse battery"


@pytest.fixture
def images(tmp_path: Path, draw: Draw, write_dicom: WriteDicom) -> Path:
    """Return a folder of images of several formats and sizes."""
    folder = tmp_path / "in"
    draw(folder / "00000007_001.png", [(8, 8, 4, 5, 250), (40, 40, 10, 10, 250)], size=(64, 64))
    draw(folder / "sub" / "b.jpg", [(8, 8, 30, 50, 250), (60, 0, 20, 90, 130)], size=(90, 120))
    draw(folder / "sub" / "b.tif", [(0, 0, 7, 9, 250)], size=(33, 47))
    draw(folder / "dark.png", size=(50, 40))
    drawn = draw(tmp_path / "d.png", [(5, 5, 20, 20, 250), (30, 0, 9, 80, 120)], size=(61, 80))
    for name in ("d.dcm", "sub/IM0001"):
        write_dicom(folder / name, cv2.imread(str(drawn), cv2.IMREAD_UNCHANGED))
    return folder


def assert_equal_but_for_probabilities(first: list[dict[str, str]], second: list[dict[str, str]]) -> None:
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert list(one) == list(other)
        for column, cell in one.items():
            needs_model = column.endswith("_probability") or column.startswith(("plausible", "unc"))
            assert other[column] == ("" if needs_model else cell), column


@pytest.mark.parametrize("min_area", [0, 30])
def test_masks_of_a_run_give_the_same_tables(
    model: Path, tmp_path: Path, images: Path, read_table: ReadTable, min_area: int
) -> None:
    infer_folder(images, model=model, out=tmp_path / "run", masks="png", salt=SALT, patient_from="nih")
    expected = tmp_path / "expected"
    infer_folder(images, model=model, out=expected, min_area=min_area, salt=SALT, patient_from="nih")
    summary = measure_folder(
        tmp_path / "run" / "masks",
        images=images,
        out=tmp_path / "out",
        min_area=min_area,
        salt=SALT,
        patient_from="nih",
    )
    assert (summary.rows, summary.failed, summary.without_mask) == (6, 0, 0)
    for table in ("features.csv", "components.csv"):
        assert_equal_but_for_probabilities(read_table(expected / table), read_table(tmp_path / "out" / table))


def test_dicom_segmentations_of_a_run_give_the_same_tables(
    model: Path, tmp_path: Path, images: Path, read_table: ReadTable
) -> None:
    pytest.importorskip("highdicom", reason="DICOM is an extra")
    infer_folder(images, model=model, out=tmp_path / "run", masks="dicom-seg")
    summary = measure_folder(tmp_path / "run" / "masks", images=images, out=tmp_path / "out")
    assert (summary.rows, summary.failed, summary.without_mask) == (2, 0, 4)
    for table in ("features.csv", "components.csv"):
        assert_equal_but_for_probabilities(
            read_table(tmp_path / "run" / table), read_table(tmp_path / "out" / table)
        )


def test_lungs_of_two_classes_give_the_same_ratio(
    tmp_path: Path,
    make_model: Callable[..., Path],
    card_of: Callable[..., object],
    draw: Draw,
    read_table: ReadTable,
) -> None:
    classes = ("lung", "lesion")
    card = card_of(classes, anatomy={"lung": "lung"})
    draw(tmp_path / "in" / "a.png", [(8, 8, 30, 40, 120), (10, 10, 10, 10, 250)])
    infer_folder(tmp_path / "in", model=make_model(classes, card=card), out=tmp_path / "run", masks="png")
    masks = tmp_path / "run" / "masks"
    (masks / "lung").rename(masks / "left_lung")
    lung = cv2.imread(str(masks / "left_lung" / "a.png"), cv2.IMREAD_UNCHANGED)
    (masks / "right_lung").mkdir()
    right = np.where(np.arange(lung.shape[1]) < 20, 0, lung)
    cv2.imwrite(str(masks / "right_lung" / "a.png"), right)
    cv2.imwrite(str(masks / "left_lung" / "a.png"), lung - right)
    measure_folder(masks, out=tmp_path / "out", lung_classes=("left_lung", "right_lung"))
    (expected,), (row,) = (read_table(tmp_path / name / "features.csv") for name in ("run", "out"))
    assert row["lesion_lung_ratio"] == expected["lesion_lung_ratio"] != ""


@given(
    arrays(np.uint8, (2, 13, 70), elements=st.integers(0, 1)),
    st.integers(0, 6),
    st.none() | st.tuples(st.floats(0.01, 2), st.floats(0.01, 2)),
)
def test_measuring_masks_equals_measuring_the_probability_maps_they_come_from(
    card_of: Callable[..., object], masks: np.ndarray, min_area: int, spacing_mm: tuple[float, float] | None
) -> None:
    placement = Placement(13, 70, 0, 0, 13, 70)
    settings = {"min_area": min_area, "spacing_mm": spacing_mm}
    expected = measure_image(masks.astype(np.float32), placement, card_of(), **settings)
    measured = measure_masks({"lesion": masks[0], "lung": masks[1]}, lung_classes=("lung",), **settings)
    assert list(measured.features) == list(expected.features)
    for name, value in expected.features.items():
        if not name.endswith("_probability"):
            np.testing.assert_equal(measured.features[name], value)
        else:
            assert np.isnan(measured.features[name])
    for row, other in zip(measured.components, expected.components, strict=True):
        np.testing.assert_equal((*row[:-3], row[-1]), (*other[:-3], other[-1]))
    for name, mask in expected.masks.items():
        np.testing.assert_array_equal(measured.masks[name], mask)
