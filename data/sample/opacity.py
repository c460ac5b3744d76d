"""Draw opacities: irregular, soft, inside the lungs, together of a given area."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image import Gray
from .anatomy import Plane, cloud, soft

_MEAN_AREA = 0.014
_LEAST_AREA = 0.0008


@dataclass(frozen=True)
class Opacity:
    """What the opacities add to the attenuation, and the mask of where they are (0 or 1)."""

    attenuation: Plane
    mask: Gray


def draw_opacities(lungs: Plane, share: float, rng: np.random.Generator) -> Opacity:
    """Draw opacities that cover `share` of the image, at the size of `lungs`.

    A field that is high around some points of the lungs, and ragged by noise, is cut at the height that
    gives the area; the shadow rises softly around that cut, so that the mask follows its half height.
    """
    size = lungs.shape[0]
    if share == 0:
        return Opacity(np.zeros_like(lungs), np.zeros(lungs.shape, np.uint8))
    field = _field(lungs, share, rng)
    inside = lungs > 0.5
    cells = min(round(share * size * size), int(inside.sum()) - 1)
    height = np.partition(field[inside], -cells)[-cells]
    mask = _without_crumbs(((field >= height) & inside).astype(np.uint8))
    strength = rng.uniform(0.20, 0.36)
    texture = 1 + 0.16 * cloud(size, 0.04, rng)
    near = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), size * rng.uniform(0.011, 0.017))
    shadow = soft(near - 0.5, 0.75) * lungs
    return Opacity(np.asarray(strength * texture * shadow, np.float32), mask)


def _field(lungs: Plane, share: float, rng: np.random.Generator) -> Plane:
    size = lungs.shape[0]
    places = np.flatnonzero(cv2.erode(lungs, np.ones((size // 20, size // 20))) > 0.5)
    count = 1 + int(rng.poisson(share / _MEAN_AREA * 0.8))
    rows, columns = np.divmod(rng.choice(places, count), size)
    sizes = rng.uniform(0.6, 1.4, count)
    radii = size * np.sqrt(share * sizes / sizes.sum() / np.pi)
    line = np.arange(size, dtype=np.float32)
    field = np.full(lungs.shape, -10, np.float32)
    for row, column, radius in zip(rows, columns, radii, strict=True):
        flat, angle = rng.uniform(0.65, 1.0), rng.uniform(0, np.pi)
        across, down = (line - column)[None, :], (line - row)[:, None]
        along = across * np.float32(np.cos(angle)) + down * np.float32(np.sin(angle))
        beside = down * np.float32(np.cos(angle)) - across * np.float32(np.sin(angle))
        field = np.maximum(field, 1 - np.hypot(along * np.sqrt(flat), beside / np.sqrt(flat)) / radius)
    return np.asarray(field + 0.28 * cloud(size, 0.085, rng) + 0.15 * cloud(size, 0.035, rng), np.float32)


def _without_crumbs(mask: Gray) -> Gray:
    """Take out parts too small to be called a finding, except the largest."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA]
    keep = areas >= min(_LEAST_AREA * mask.size, areas[1:].max())
    keep[0] = False
    return np.asarray(keep[labels], np.uint8)
