from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.data.datasets.splits import Split, Subset
from cxr.errors import ModelError
from cxr.export.run_data import calibration_images, parity_images, read_split_records, sample_evenly
from cxr.models.card import PixelSpec
from cxr.train.run_folder import read_run


@given(st.integers(0, 500), st.integers(1, 120))
def test_sample_has_even_distances_from_first_to_last(total: int, count: int) -> None:
    chosen = sample_evenly(range(total), count)
    assert len(chosen) == min(total, count)
    if count > 1 and total > 1:
        assert (chosen[0], chosen[-1]) == (0, total - 1)
        steps = np.diff(chosen)
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1


def test_records_of_both_subsets_have_their_masks(run_folder: Path) -> None:
    records = read_split_records(read_run(run_folder))
    split = Split.read(run_folder / "splits.csv")
    assert {record.key for record in records.training} == set(split.keys(Subset.TRAIN))
    assert {record.key for record in records.validation} == set(split.keys(Subset.VALIDATION))
    for record in (*records.training, *records.validation):
        assert all(Path(str(record.masks[name])).is_file() for name in ("lung", "lesion"))


def test_calibration_images_are_preprocessed(run_folder: Path) -> None:
    training = read_split_records(read_run(run_folder)).training
    images = calibration_images(training, PixelSpec(64, 32))
    assert len(images) == len(training)
    assert {(image.shape, image.dtype.name) for image in images} == {((64, 32), "uint8")}


def test_run_without_its_images_has_parity_but_no_lower_precision(
    run_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = tmp_path / "run"
    shutil.copytree(run_folder, moved)
    settings = (moved / "training.json").read_text()
    (moved / "training.json").write_text(
        settings.replace(str(run_folder / "images"), str(tmp_path / "absent"))
    )
    run = read_run(moved)
    assert parity_images(run) == []
    assert "parity is checked on noise only" in caplog.text
    with pytest.raises(ModelError, match="restore the data set, or export without --int8"):
        read_split_records(run)
