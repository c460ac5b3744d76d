from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr.errors import InputError
from cxr.train.config import TrainConfig
from cxr.train.preparation import prepare_run


def images(root: Path, lesions: Sequence[bool | None], folds: Sequence[int] | None = None) -> Path:
    """Write a data set of one image per patient, whose lesion is present, absent or unknown (None)."""
    root.mkdir()
    with (root / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["image", "mask_lesion", "mask_lung", "patient_id", *(["fold"] if folds else [])])
        for number, lesion in enumerate(lesions):
            mask = np.full((40, 40), 255 if lesion else 0, np.uint8)
            cv2.imwrite(str(root / f"{number}.png"), mask)
            cv2.imwrite(str(root / f"{number}-m.png"), mask)
            cv2.imwrite(str(root / f"{number}-l.png"), np.full((40, 40), 255, np.uint8))
            mask_file = "" if lesion is None else f"{number}-m.png"
            table.writerow(
                [f"{number}.png", mask_file, f"{number}-l.png", number, *([folds[number]] if folds else [])]
            )
    return root


def small_config(root: Path) -> TrainConfig:
    return TrainConfig(
        dataset=root, classes=("lesion",), encoder="resnet18", encoder_weights="none", size=32, name="x"
    )


@pytest.mark.parametrize(
    ("lesions", "folds", "message"),
    [
        ([True, False, False, False], [0, 1, 1, 1], "no training image shows lesion"),
        ([False, True, True, True], [0, 1, 1, 1], "no validation image shows lesion"),
        ([True, True], [0, 1], "1 images to train on; at least 2 are needed"),
        ([True], None, "need at least two"),
    ],
)
def test_too_small_data_set_is_rejected(
    tmp_path: Path, lesions: list[bool], folds: list[int] | None, message: str
) -> None:
    root = images(tmp_path / "images", lesions, folds)
    with pytest.raises(InputError, match=message):
        prepare_run(small_config(root))


def test_data_set_without_folds_is_split_at_random(tmp_path: Path) -> None:
    config = replace(small_config(images(tmp_path / "images", [True] * 10)), validation_fraction=0.3)
    run = prepare_run(config)
    assert run.config.fold is None
    assert (len(run.training), len(run.validation)) == (7, 3)


def test_requested_fold_is_used_for_validation(tmp_path: Path) -> None:
    config = replace(small_config(images(tmp_path / "images", [True] * 6, [0, 0, 1, 1, 2, 2])), fold=2)
    assert [record.key for record in prepare_run(config).validation] == ["4.png", "5.png"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 100}, "multiple of 32"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"name": "a/b"}, "name of a folder"),
    ],
)
def test_invalid_settings_are_rejected(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(TrainConfig(), **change)  # type: ignore[arg-type]
