"""The images that a run writes: masks and overlays."""

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



def image_name(key: str) -> str:
    """Name the PNG of an image: its own path where that ends in `.png`, else with `.png` added."""
    return key if key.lower().endswith(".png") else f"{key}.png"


def mask_path(out: Path, class_name: str, key: str) -> Path:
    """Say where an image's mask of one class goes."""
    return out / MASKS / class_name / image_name(key)


def segmentation_path(out: Path, key: str) -> Path:
    """Say where an image's DICOM Segmentation goes."""
    return out / MASKS / f"{key}.seg.dcm"


def overlay_path(out: Path, key: str) -> Path:
    """Say where an image's overlay goes."""
    return out / OVERLAYS / image_name(key)


def check_names(keys: Iterable[str]) -> None:
    """Make sure that no two images would write one file.

    Raises
    ------
    InputError
        Naming two that would, such as `a` and `a.png`, or `a.jpg` and the folder `a.jpg.png`.
    """
    taken: dict[str, str] = {}
    folders: dict[str, str] = {}
    for key in keys:
        name = image_name(key)
        parents = [str(parent) for parent in PurePosixPath(name).parents]
        clash = (
            taken.get(name)
            or folders.get(name)
            or next((taken[one] for one in parents if one in taken), None)
        )
        if clash is not None:
            raise InputError(
                f"{clash} and {key} would both write {name}; rename one, or run without masks and overlays"
            )
        taken[name] = key
        folders |= dict.fromkeys(parents, key)


def write_mask(path: Path, mask: Gray) -> None:
    """Write a mask (0 or 1) as a PNG of one bit a pixel."""
    _write(path, mask * np.uint8(255), [cv2.IMWRITE_PNG_BILEVEL, 1])


def write_overlay(path: Path, pixels: Gray, masks: Mapping[str, Gray]) -> None:
    """Write an image with each class's outline in a color of its own, and a legend."""
    canvas = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    width = max(1, round(max(pixels.shape) / 512))
    for index, mask in enumerate(masks.values()):
        outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, outlines, -1, _bgr(index), width)
    _draw_legend(canvas, list(masks))
    _write(path, canvas, [])


def remove_images(out: Path, classes: Iterable[str], keys: Iterable[str]) -> None:
    """Remove the masks and overlays that an earlier run wrote for these keys, and nothing else."""
    names = list(classes)
    for key in keys:
        masks = [mask_path(out, name, key) for name in names]
        for path in (*masks, segmentation_path(out, key), overlay_path(out, key)):
            path.unlink(missing_ok=True)


def remove_unfinished(out: Path, names: Iterable[str]) -> None:
    """Remove what a killed run was about to rename into place: images, and the files of these names."""
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
        thick = max(1, round(2 * scale))
        cv2.putText(canvas, name, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, color, thick)


def _bgr(index: int) -> tuple[int, int, int]:
    """Return the outline color of a class in OpenCV's order."""
    red, green, blue = outline_color(index)
    return blue, green, red


def _write(path: Path, pixels: Gray, options: list[int]) -> None:
    done, data = cv2.imencode(".png", pixels, options)
    if not done:
        raise ValueError(f"an image of {pixels.shape} cannot be encoded as PNG")
    with replacing(path) as beside:
        beside.write_bytes(data.tobytes())
