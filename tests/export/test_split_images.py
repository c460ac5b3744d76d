from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.data.datasets.splits import Subset, Split
from cxr.errors import ModelError
from cxr.export.split_images import calibration_images, parity_images, read_sides, spread
from cxr.models.card import PixelSpec
from cxr.train.run_folder import read_run


@given(st.integers(0, 500), st.integers(1, 120))
def test_spread_takes_items_at_even_distances_from_first_to_last(total: int, count: int) -> None:
    chosen = spread(range(total), count)
    assert len(chosen) == min(total, count)
    if count > 1 and total > 1:
        assert (chosen[0], chosen[-1]) == (0, total - 1)
        steps = np.diff(chosen)
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1


def test_both_sides_come_with_their_masks_and_none_is_on_both(run_folder: Path) -> None:
    sides = read_sides(read_run(run_folder))
    split = Split.read(run_folder / "splits.csv")
    assert {record.key for record in sides.training} == set(split.keys(Subset.TRAIN))
    assert {record.key for record in sides.validation} == set(split.keys(Subset.VALIDATION))
    for record in (*sides.training, *sides.validation):
        assert all(Path(str(record.masks[name])).is_file() for name in ("lung", "lesion"))


def test_calibration_sees_what_the_model_sees(run_folder: Path) -> None:
    training = read_sides(read_run(run_folder)).training
    images = calibration_images(training, PixelSpec(64, 32))
    assert len(images) == len(training)
    assert {(image.shape, image.dtype.name) for image in images} == {((64, 32), "uint8")}


def test_a_run_whose_images_are_gone_still_has_parity_but_no_gate(
    run_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = tmp_path / "run"
    shutil.copytree(run_folder, moved)
    settings = (moved / "training.json").read_text()
    (moved / "training.json").write_text(settings.replace(str(run_folder / "images"), str(tmp_path / "gone")))
    run = read_run(moved)
    assert parity_images(run) == []
    assert "parity is checked on noise only" in caplog.text
    with pytest.raises(ModelError, match="bring the data set back, or export without --int8"):
        read_sides(run)
