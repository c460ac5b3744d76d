"""The summary of measuring a folder of masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..outputs.tables import FEATURES

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class MeasureSummary:
    """The summary of a run.

    Attributes
    ----------
    out : Path
        The output folder.
    classes : tuple of str
    rows, failed : int
        Rows of `features.csv` and of `failures.csv`.
    without_mask : int or None
        Images that have no mask, and so no row; None if no folder of images was given.
    seconds : float
    causes : tuple of (str, int)
        The three most common causes of failure and their counts.
    files : tuple of str
        The files in `out`.
    notes : tuple of str
        What was left out of the folder of masks.
    """

    out: Path
    classes: tuple[str, ...]
    rows: int
    failed: int
    without_mask: int | None
    seconds: float
    causes: tuple[tuple[str, int], ...]
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def table(self) -> pa.Table:
        """Read `features.csv` with the types of its columns."""
        from ..outputs.parquet import read_table

        return read_table(self.out / FEATURES)
