"""Masks as DICOM Segmentation objects: `masks/<key>.seg.dcm`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...data.image import Gray
from ...machine.paths import on_disk
from ...models.card import ModelCard
from ..records import ImageFile
from .dicom_seg import check_card, write_segmentation
from .distinct_names import check_distinct_names
from .masks import MASKS, MaskFormat


@dataclass(frozen=True)
class DicomSegMasks:
    """Writes one DICOM Segmentation object per image, with a segment per class; see `MaskSink`."""

    card: ModelCard
    model_hash: str
    format: MaskFormat = MaskFormat.DICOM_SEG
    tables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    outputs: tuple[str, ...] = (f"{MASKS}/",)

    def check(self, out: Path, keys: Iterable[str]) -> None:
        """Check that the extra is installed and the model's names can be written in a DICOM file."""
        check_card(self.card)
        check_distinct_names(out, keys, _file_name)

    def write(self, out: Path, image: ImageFile, masks: Mapping[str, Gray]) -> None:
        """Write the object of one image, which must be a DICOM file."""
        write_segmentation(
            segmentation_path(out, image.key), image.path, masks, self.card, model_hash=self.model_hash
        )

    def rows(self, key: str, masks: Mapping[str, Gray]) -> Mapping[str, str]:
        """Return no rows."""
        return {}


def segmentation_path(out: Path, key: str) -> Path:
    """Return the path of an image's Segmentation object."""
    return out / MASKS / _file_name(key)


def _file_name(key: str) -> str:
    return on_disk(f"{key}.seg.dcm")
