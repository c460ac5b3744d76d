"""Masks as run lengths: one row per image and class in `masks.csv`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...data.csv_files import csv_line
from ...data.image import Gray
from ..records import ImageFile
from .masks import MaskFormat
from .rle import encode
from .tables import MASK_COLUMNS, MASK_TABLE


@dataclass(frozen=True)
class RleMasks:
    """Writes the run lengths of COCO into a table; see `MaskSink`."""

    format: MaskFormat = MaskFormat.RLE
    tables: Mapping[str, Sequence[str]] = field(default_factory=lambda: {MASK_TABLE: MASK_COLUMNS})
    outputs: tuple[str, ...] = (MASK_TABLE,)

    def check(self, out: Path, keys: Iterable[str]) -> None:
        """Accept any image."""

    def write(self, out: Path, image: ImageFile, masks: Mapping[str, Gray]) -> None:
        """Write no files: the rows hold the masks."""

    def rows(self, key: str, masks: Mapping[str, Gray]) -> Mapping[str, str]:
        """Return the rows of one image, one per class."""
        lines = (csv_line((key, class_name, *mask.shape, encode(mask))) for class_name, mask in masks.items())
        return {MASK_TABLE: "".join(lines)}
