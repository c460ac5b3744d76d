"""One row per patient in place of one row per image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..records import Table, Unit
from .selection import is_number

if TYPE_CHECKING:
    import pandas as pd


def by_patient(table: Table, target: str) -> Table:
    """Aggregate the images of each patient: means of numbers, the most frequent of texts.

    An event is one of the patient if any of the images has it. The column `image` holds the patient's first.
    """
    frame = table.frame
    columns = [name for name in frame.columns if name not in ("image", "patient_id")]
    rules: dict[str, Any] = {name: "mean" if is_number(frame[name]) else most_frequent for name in columns}
    if table.event is not None:
        rules[target] = "max"
    grouped = frame.groupby("patient_id", sort=False)
    patients = grouped.agg({"image": "first", **rules}).reset_index()
    notes = [f"{len(frame)} images are aggregated to {len(patients)} patients (--unit patient)"]
    mixed = int((grouped[target].nunique() > 1).sum())
    if mixed:
        what = "have the event in some images only and count as having it"
        other = "have different values in their images; the mean is used"
        notes.append(f"{target}: {mixed} patients {other if table.event is None else what}")
    return replace(table, frame=patients, unit=Unit.PATIENT, notes=(*table.notes, *notes))


def most_frequent(column: pd.Series) -> object:
    """Return the most frequent text, of equally frequent ones the first; None if there is none."""
    modes = column.mode()
    return modes.iloc[0] if len(modes) else None
