"""The sink of each mask format."""

from __future__ import annotations

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


def all_mask_sinks(card: ModelCard, model_hash: str) -> tuple[MaskSink, ...]:
    """Return the sinks of every format: an earlier run may have used another than this one."""
    return tuple(mask_sink(mask_format, card, model_hash) for mask_format in MaskFormat)
