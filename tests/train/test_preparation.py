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
            pixels = np.random.default_rng(number).integers(0, 256, (40, 40), np.uint8)
            cv2.imwrite(str(root / f"{number}.png"), pixels)
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
        ({"lr": float("nan")}, "lr must be positive"),
        ({"name": "a/b"}, "name of a folder"),
    ],
)
def test_invalid_settings_are_rejected(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(TrainConfig(), **change)  # type: ignore[arg-type]


def test_data_set_is_checked_before_the_first_epoch(tmp_path: Path) -> None:
    root = images(tmp_path / "images", [True] * 6)
    (root / "3.png").write_bytes((root / "1.png").read_bytes())
    with pytest.raises(InputError, match=r"under two patients: 1\.png \(patient 1\) and 3\.png"):
        prepare_run(small_config(root))


def test_suspicious_masks_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    prepare_run(small_config(images(tmp_path / "images", [True] * 6)))
    assert "lesion covers every pixel of 6 of 6 images" in caplog.text


def test_image_without_a_fold_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = images(tmp_path / "images", [True] * 6, [0, 0, 1, 1, 2, 2])
    index = root / "index.csv"
    index.write_text(index.read_text().replace(",3,1\n", ",3,\n"))
    run = prepare_run(small_config(root))
    assert run.config.fold is None
    assert "1 of 6 images have no fold, such as 3.png: the folds are not used" in caplog.text


def test_patient_under_two_spellings_is_reported_and_kept_together(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = images(tmp_path / "images", [True] * 8)
    index = root / "index.csv"
    index.write_text(index.read_text().replace(",4\n", ",007\n"))
    run = prepare_run(small_config(root))
    assert "patients '007' and '7' are taken for one patient" in caplog.text
    assert run.split.subsets["4.png"] is run.split.subsets["7.png"]


def test_patient_under_two_spellings_in_two_folds_is_rejected(tmp_path: Path) -> None:
    root = images(tmp_path / "images", [True] * 6, [0, 0, 1, 1, 1, 1])
    index = root / "index.csv"
    index.write_text(index.read_text().replace(",5,1\n", ",1.0,1\n"))
    with pytest.raises(InputError, match=r"such as '1' = '1\.0'"):
        prepare_run(small_config(root))
