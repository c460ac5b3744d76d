"""The image files that a run writes: masks and overlays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from ...data.colors import outline_color
from ...data.image import Gray
from ...errors import InputError
from ...machine.files import replacing

MASKS, OVERLAYS = "masks", "overlays"


def png_name(key: str) -> str:
    """Return the path of the PNG for an image: its key, plus `.png` if the key does not end so."""
    return key if key.lower().endswith(".png") else f"{key}.png"


def mask_path(out: Path, class_name: str, key: str) -> Path:
    """Return the path of an image's mask of one class."""
    return out / MASKS / class_name / png_name(key)


def segmentation_path(out: Path, key: str) -> Path:
    """Return the path of an image's DICOM Segmentation."""
    return out / MASKS / f"{key}.seg.dcm"


def overlay_path(out: Path, key: str) -> Path:
    """Return the path of an image's overlay."""
    return out / OVERLAYS / png_name(key)


def check_distinct_names(keys: Iterable[str]) -> None:
    """Check that no two images would be written to the same file.

    Raises
    ------
    InputError
        Naming two that would, such as `a` and `a.png`, or `a.jpg` and the folder `a.jpg.png`.
    """
    key_of_file: dict[str, str] = {}
    key_of_folder: dict[str, str] = {}
    for key in keys:
        name = png_name(key)
        folders = [str(parent) for parent in PurePosixPath(name).parents]
        other = (
            key_of_file.get(name)
            or key_of_folder.get(name)
            or next((key_of_file[folder] for folder in folders if folder in key_of_file), None)
        )
        if other is not None:
            raise InputError(
                f"{other} and {key} would both write {name}; rename one, or run without masks and overlays"
            )
        key_of_file[name] = key
        key_of_folder |= dict.fromkeys(folders, key)


def write_mask(path: Path, mask: Gray) -> None:
    """Write a mask (0 or 1) as a PNG of one bit per pixel."""
    _write_png(path, mask * np.uint8(255), [cv2.IMWRITE_PNG_BILEVEL, 1])


def write_overlay(path: Path, pixels: Gray, masks: Mapping[str, Gray]) -> None:
    """Write an image with the outlines of each class in its own color, and a legend."""
    canvas = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    line_width = max(1, round(max(pixels.shape) / 512))
    for index, mask in enumerate(masks.values()):
        outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, outlines, -1, _bgr(index), line_width)
    _draw_legend(canvas, list(masks))
    _write_png(path, canvas, [])


def remove_images(out: Path, classes: Iterable[str], keys: Iterable[str]) -> None:
    """Remove the masks and overlays that an earlier run wrote for these keys, and nothing else."""
    names = list(classes)
    for key in keys:
        masks = [mask_path(out, name, key) for name in names]
        for path in (*masks, segmentation_path(out, key), overlay_path(out, key)):
            path.unlink(missing_ok=True)


def remove_temporary_files(out: Path, names: Iterable[str]) -> None:
    """Remove the temporary files that a killed run left: of masks, of overlays, and of the named files."""
    found = [path for folder in (out / MASKS, out / OVERLAYS) for path in folder.rglob(".*.part-*")]
    found += [path for name in names for path in out.glob(f".{Path(name).stem}.part-*{Path(name).suffix}")]
    for path in found:
        path.unlink(missing_ok=True)


def _draw_legend(canvas: Gray, names: list[str]) -> None:
    scale = max(canvas.shape) / 1024
    step = max(8, round(32 * scale))
    for index, name in enumerate(names):
        top = step // 2 + index * step
        corner, opposite = (step // 2, top), (step // 2 + step // 2, top + step // 2)
        color = _bgr(index)
        cv2.rectangle(canvas, corner, opposite, color, cv2.FILLED)
        origin = (opposite[0] + step // 4, opposite[1])
        thickness = max(1, round(2 * scale))
        cv2.putText(canvas, name, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, color, thickness)


def _bgr(index: int) -> tuple[int, int, int]:
    """Return the outline color of a class in OpenCV's order."""
    red, green, blue = outline_color(index)
    return blue, green, red


def _write_png(path: Path, pixels: Gray, options: list[int]) -> None:
    encoded, data = cv2.imencode(".png", pixels, options)
    if not encoded:
        raise ValueError(f"an image of {pixels.shape} cannot be encoded as PNG")
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())
