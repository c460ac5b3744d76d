"""What the training scripts here share: images of several sources, each with its license."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr.data.datasets.index import INDEX, read_index
from cxr.data.datasets.records import Record

ENCODER = "timm-tf_efficientnet_lite0"
OPEN = ("open", "open-attribution")


@dataclass(frozen=True)
class Row:
    """An image, where it comes from, and whether it may be trained on."""

    record: Record
    source: str
    is_open: bool


def read_rows(root: Path, find_masks: Callable[[Mapping[str, Any]], Mapping[str, str | None]]) -> list[Row]:
    """Read an index.csv with the columns `licence_status` and `source`.

    Parameters
    ----------
    root : Path
    find_masks : callable
        Returns for the values of a row the mask of each class, relative to `root`; None where unknown.
    """
    return [_row(root, values, find_masks(values)) for values in read_index(root / INDEX).to_pylist()]


def _row(root: Path, values: Mapping[str, Any], found: Mapping[str, str | None]) -> Row:
    masks = {name: root / mask if mask else None for name, mask in found.items()}
    key = f"{root.name}/{values['image']}"
    record = Record(key, root / values["image"], values["patient_id"], masks, values["fold"])
    return Row(record, values["source"], values["licence_status"] in OPEN)
