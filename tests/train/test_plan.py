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
from cxr.train.plan import make_plan


def images(root: Path, lesions: Sequence[bool | None], folds: Sequence[int] | None = None) -> Path:
    """A data set of one image a patient, whose lesion is there, not there, or not known."""
    root.mkdir()
    with (root / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["image", "mask_lesion", "mask_lung", "patient_id", *(["fold"] if folds else [])])
        for number, lesion in enumerate(lesions):
            mask = np.full((40, 40), 255 if lesion else 0, np.uint8)
            cv2.imwrite(str(root / f"{number}.png"), mask)
            cv2.imwrite(str(root / f"{number}-m.png"), mask)
            cv2.imwrite(str(root / f"{number}-l.png"), np.full((40, 40), 255, np.uint8))
            known = "" if lesion is None else f"{number}-m.png"
            table.writerow(
                [f"{number}.png", known, f"{number}-l.png", number, *([folds[number]] if folds else [])]
            )
    return root


def tiny(root: Path) -> TrainConfig:
    return TrainConfig(
        dataset=root, classes=("lesion",), encoder="resnet18", encoder_weights="none", size=32, name="x"
    )


@pytest.mark.parametrize(
    ("lesions", "folds", "said"),
    [
        ([True, False, False, False], [0, 1, 1, 1], "no training image shows lesion"),
        ([False, True, True, True], [0, 1, 1, 1], "no validation image shows lesion"),
        ([True, True], [0, 1], "1 images to train on; at least 2 are needed"),
        ([True], None, "needs two or more"),
    ],
)
def test_too_little_to_learn_from_is_said_in_one_line(
    tmp_path: Path, lesions: list[bool], folds: list[int] | None, said: str
) -> None:
    root = images(tmp_path / "images", lesions, folds)
    with pytest.raises(InputError, match=said):
        make_plan(tiny(root))


def test_a_set_without_folds_is_split_by_chance(tmp_path: Path) -> None:
    config = replace(tiny(images(tmp_path / "images", [True] * 10)), validation_fraction=0.3)
    plan = make_plan(config)
    assert plan.config.fold is None
    assert (len(plan.training), len(plan.validation)) == (7, 3)


def test_the_fold_asked_for_validates(tmp_path: Path) -> None:
    config = replace(tiny(images(tmp_path / "images", [True] * 6, [0, 0, 1, 1, 2, 2])), fold=2)
    assert [record.key for record in make_plan(config).validation] == ["4.png", "5.png"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 100}, "multiple of 32"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"name": "a/b"}, "folder's name"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(TrainConfig(), **change)  # type: ignore[arg-type]
