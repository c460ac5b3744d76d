"""The table `baseline_scores.csv` of a run: the Dice of every baseline on every validation image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...data.csv_files import read_csv_rows, write_csv
from ...errors import ModelError
from ...metrics.baselines import BaselineScore

_COLUMNS = ("image", "patient_id", "class", "baseline", "dice")


def write_baseline_scores(path: Path, scores: Sequence[BaselineScore]) -> None:
    """Write one row per image, class and baseline."""
    rows = ((one.key, one.patient_id, one.class_name, one.baseline, f"{one.dice:.6f}") for one in scores)
    write_csv(path, _COLUMNS, rows)


def read_baseline_scores(path: Path) -> list[BaselineScore]:
    """Read what `write_baseline_scores` has written; empty if there is no such file, as in older runs.

    Raises
    ------
    ModelError
        If the file is not such a table.
    """
    if not path.is_file():
        return []
    try:
        return [
            BaselineScore(row["image"], row["patient_id"], row["class"], row["baseline"], float(row["dice"]))
            for row in read_csv_rows(path)
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not a table of baselines ({error}); remove it, or train again") from error
