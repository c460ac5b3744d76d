"""The table `validation_scores.csv` of a run: Dice and IoU of the model on every validation image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...data.csv_files import read_csv_rows, write_csv
from ...errors import ModelError
from ...metrics.overlap import ImageScore

COLUMNS = ("image", "patient_id", "class", "truth_area", "predicted_area", "intersection", "dice", "iou")


def write_scores(path: Path, scores: Sequence[ImageScore]) -> None:
    """Write one row per image and class; Dice and IoU are empty where the class is absent."""
    write_csv(path, COLUMNS, map(score_row, scores))


def score_row(score: ImageScore) -> tuple[object, ...]:
    """Return the values of one row, in the order of `COLUMNS`."""
    overlap = (f"{score.dice:.6f}", f"{score.iou:.6f}") if score.truth_area else ("", "")
    areas = (score.truth_area, score.predicted_area, score.intersection)
    return (score.key, score.patient_id, score.class_name, *areas, *overlap)


def read_scores(path: Path) -> list[ImageScore]:
    """Read what `write_scores` has written.

    Raises
    ------
    ModelError
        If the file is missing or is not such a table.
    """
    try:
        return [
            ImageScore(
                key=row["image"],
                patient_id=row["patient_id"],
                class_name=row["class"],
                truth_area=int(row["truth_area"]),
                predicted_area=int(row["predicted_area"]),
                intersection=int(row["intersection"]),
            )
            for row in read_csv_rows(path)
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not a table of scores ({error}); train again") from error
