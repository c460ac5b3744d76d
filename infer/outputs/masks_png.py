"""Masks as PNG files of one bit per pixel: `masks/<class>/<key>.png`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...data.image import Gray
from ..records import ImageFile
from .distinct_names import check_distinct_names
from .masks import MASKS, MaskFormat
from .png_files import png_name, write_mask


@dataclass(frozen=True)
class PngMasks:
    """Writes one PNG file per image and class; see `MaskSink`."""

    format: MaskFormat = MaskFormat.PNG
    tables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    outputs: tuple[str, ...] = (f"{MASKS}/",)

    def check(self, out: Path, keys: Iterable[str]) -> None:
        """Check that no two images would be written to the same file."""
        check_distinct_names(out, keys, png_name)

    def write(self, out: Path, image: ImageFile, masks: Mapping[str, Gray]) -> None:
        """Write the masks of one image."""
        for class_name, mask in masks.items():
            write_mask(mask_path(out, class_name, image.key), mask)

    def rows(self, key: str, masks: Mapping[str, Gray]) -> Mapping[str, str]:
        """Return no rows."""
        return {}


def mask_path(out: Path, class_name: str, key: str) -> Path:
    """Return the path of an image's mask of one class."""
    return out / MASKS / class_name / png_name(key)
