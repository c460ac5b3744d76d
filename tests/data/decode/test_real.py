"""Real radiographs and the real NIH tables, if the research data are available."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cxr.data.datasets.nih_tables import read_boxes, read_entries
from cxr.data.datasets.open import open_dataset
from cxr.data.decode.reader import read_image
from cxr.errors import DecodeError

pytestmark = pytest.mark.real


def test_real_nih_tables_are_read_completely(cxr_dev: Path) -> None:
    assert read_entries(cxr_dev / "nih" / "Data_Entry_2017_v2020.csv.gz").num_rows == 112_120
    assert read_boxes(cxr_dev / "nih" / "BBox_List_2017.csv").num_rows == 984


def test_real_data_set_has_the_counts_of_its_readme(cxr_dev: Path) -> None:
    lung = open_dataset(cxr_dev, classes=["lung"])
    lesion = open_dataset(cxr_dev, classes=["lesion"])
    assert (len(lung.records), len(lesion.records)) == (539, 71)  # two images show one lung only
    assert len({record.patient_id for record in lesion.records}) == 51


def test_odd_files_are_read_or_rejected_as_their_manifest_expects(cxr_dev: Path) -> None:
    with (cxr_dev / "odd" / "MANIFEST.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 36
    for row in rows:
        path = cxr_dev / "odd" / row["file"]
        if row["expected"].startswith("refuse"):
            with pytest.raises(DecodeError):
                read_image(path)
        else:
            width, height = map(int, row["size"].split("x"))
            pixels = read_image(path).pixels
            assert pixels.shape in {(height, width), (width, height)}, row["file"]
