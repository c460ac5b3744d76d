"""The sink of each mask format, and the files that it writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...models.card import ModelCard
from .masks import MaskFormat, MaskSink, NoMasks


def mask_sink(mask_format: MaskFormat | None, card: ModelCard, model_hash: str) -> MaskSink:
    """Return the sink of a format, for the masks of one model."""
    from .masks_dicom_seg import DicomSegMasks
    from .masks_png import PngMasks
    from .masks_rle import RleMasks

    match mask_format:
        case None:
            return NoMasks()
        case MaskFormat.PNG:
            return PngMasks()
        case MaskFormat.RLE:
            return RleMasks()
        case MaskFormat.DICOM_SEG:
            return DicomSegMasks(card, model_hash)


def mask_files(mask_format: MaskFormat | None, out: Path, key: str, classes: Sequence[str]) -> list[Path]:
    """Return the paths of the files that a run in this format writes for an image."""
    from .masks_dicom_seg import segmentation_path
    from .masks_png import mask_path

    match mask_format:
        case MaskFormat.PNG:
            return [mask_path(out, class_name, key) for class_name in classes]
        case MaskFormat.DICOM_SEG:
            return [segmentation_path(out, key)]
        case _:
            return []
