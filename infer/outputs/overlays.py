"""Overlays: the images with the outlines of their masks, as `overlays/<key>.png`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from ...data.colors import outline_color
from ...data.image import Gray
from .png_files import png_name, write_png

OVERLAYS = "overlays"


def overlay_path(out: Path, key: str) -> Path:
    """Return the path of an image's overlay."""
    return out / OVERLAYS / png_name(key)


def write_overlay(path: Path, pixels: Gray, masks: Mapping[str, Gray]) -> None:
    """Write an image with the outlines of each class; see `draw_overlay`."""
    write_png(path, draw_overlay(pixels, masks))


def draw_overlay(pixels: Gray, masks: Mapping[str, Gray]) -> Gray:
    """Draw an image with the outlines of each class in its own color, and a legend.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)
    masks : mapping of str to ndarray of uint8, shape (height, width), 0 or 1

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        In OpenCV's order of colors: blue, green, red.
    """
    canvas = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    line_width = max(1, round(max(pixels.shape) / 512))
    for index, mask in enumerate(masks.values()):
        outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, outlines, -1, _bgr(index), line_width)
    _draw_legend(canvas, list(masks))
    return canvas


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
