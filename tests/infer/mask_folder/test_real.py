"""Masks of real radiographs, drawn by hand or corrected by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from cxr.infer.mask_folder.run import measure_folder

pytestmark = pytest.mark.real

ReadTable = Callable[[Path], list[dict[str, str]]]


def test_areas_of_real_masks_are_their_numbers_of_pixels(
    cxr_dev: Path, tmp_path: Path, read_table: ReadTable
) -> None:
    summary = measure_folder(cxr_dev / "masks_lung", out=tmp_path)
    assert (summary.rows, summary.failed, summary.classes) == (541, 0, ("lung",))
    for row in read_table(tmp_path / "features.csv"):
        mask = cv2.imread(str(cxr_dev / "masks_lung" / row["image"]), cv2.IMREAD_GRAYSCALE)
        assert mask is not None
        assert int(row["lung_total_area"]) == cv2.countNonZero(mask)
        assert (int(row["height"]), int(row["width"])) == mask.shape


@pytest.mark.parametrize("with_images", [False, True])
def test_measured_masks_can_be_analyzed_with_the_clinical_table(
    cxr_dev: Path, tmp_path: Path, *, with_images: bool
) -> None:
    pytest.importorskip("pandas", reason="needs the extra analysis")
    from cxr.analysis.table.load import load_table

    images = cxr_dev / "images" if with_images else None
    summary = measure_folder(cxr_dev / "masks_lung", images=images, out=tmp_path)
    assert summary.rows == 541
    table = load_table(tmp_path / "features.csv", cxr_dev / "index.csv")
    assert table.merge is not None
    assert (table.merge.matched, table.merge.features_alone) == (541, 0)
    assert table.run.classes == table.run.lung_classes == ("lung",)
    found = load_table(tmp_path / "features.csv")
    assert found.merge is not None
    assert found.merge.table == (cxr_dev / "index.csv").resolve()
