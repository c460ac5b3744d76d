"""Draw opacities: irregular, soft-edged, inside the lungs, with a given total area."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image import Gray
from .anatomy import Plane, cloud, soft

_MEAN_AREA = 0.014
_MIN_AREA = 0.0008


@dataclass(frozen=True)
class Opacity:
    """The attenuation that the opacities add, and their mask (0 or 1)."""

    attenuation: Plane
    mask: Gray


def draw_opacities(lungs: Plane, share: float, rng: np.random.Generator) -> Opacity:
    """Draw opacities that cover the fraction `share` of the image, at the size of `lungs`.

    A noisy field that peaks at some points of the lungs is thresholded at the level that gives the area. The
    shadow rises smoothly across the threshold, so that the mask follows its half maximum.
    """
    size = lungs.shape[0]
    if share == 0:
        return Opacity(np.zeros_like(lungs), np.zeros(lungs.shape, np.uint8))
    field = _field(lungs, share, rng)
    inside = lungs > 0.5
    cells = min(round(share * size * size), int(inside.sum()) - 1)
    level = np.partition(field[inside], -cells)[-cells]
    mask = _drop_small(((field >= level) & inside).astype(np.uint8))
    strength = rng.uniform(0.20, 0.36)
    texture = 1 + 0.16 * cloud(size, 0.04, rng)
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), size * rng.uniform(0.011, 0.017))
    shadow = soft(blurred - 0.5, 0.75) * lungs
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
        transverse = down * np.float32(np.cos(angle)) - across * np.float32(np.sin(angle))
        field = np.maximum(field, 1 - np.hypot(along * np.sqrt(flat), transverse / np.sqrt(flat)) / radius)
    return np.asarray(field + 0.28 * cloud(size, 0.085, rng) + 0.15 * cloud(size, 0.035, rng), np.float32)


def _drop_small(mask: Gray) -> Gray:
    """Remove connected components too small to be a finding, except the largest one."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA]
    keep = areas >= min(_MIN_AREA * mask.size, areas[1:].max())
    keep[0] = False
    return np.asarray(keep[labels], np.uint8)
