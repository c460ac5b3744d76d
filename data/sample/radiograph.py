"""Render a synthetic image: attenuation to gray values, with noise and side markers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image import Gray
from .anatomy import Build, Plane, draw_chest, draw_pose
from .cohort import SampleImage
from .opacity import draw_opacities


@dataclass(frozen=True)
class RenderedImage:
    """A rendered image and its ground truth, both uint8 of the same size; the mask is 0 or 1."""

    pixels: Gray
    mask: Gray


def render_radiograph(image: SampleImage, build: Build, size: int, rng: np.random.Generator) -> RenderedImage:
    """Draw one image of `size` x `size` pixels.

    Anatomy and opacities are drawn at half the size and enlarged; noise and markers are drawn at full size.
    """
    half = size // 2
    chest = draw_chest(build, draw_pose(rng), image.view, half, rng)
    opacity = draw_opacities(chest.lungs, image.burden, rng)
    total = _enlarge(chest.attenuation + opacity.attenuation, size)
    gray = _noisy(_expose(total, image.view, rng), image.view, rng)
    pixels = np.asarray(np.clip(gray * 255 + 0.5, 0, 255), np.uint8)
    mask = np.asarray(_enlarge(opacity.mask.astype(np.float32), size) >= 0.5, np.uint8)
    return RenderedImage(_mark(pixels, image.view, rng), mask)


def _enlarge(plane: Plane, size: int) -> Plane:
    return np.asarray(cv2.resize(plane, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def _expose(total: Plane, view: str, rng: np.random.Generator) -> Plane:
    """Map attenuation to gray values 0..1 by a random window and characteristic curve."""
    low = 0.06 + rng.normal(0, 0.03)
    high = (1.66 if view == "PA" else 1.58) + rng.normal(0, 0.07)
    curve = rng.uniform(0.8, 1.1)
    level = np.clip((total - low) / (high - low), 0, None)
    return np.asarray(0.97 * (1 - np.exp(-1.3 * level**curve)) / (1 - np.exp(-1.3)), np.float32)


def _noisy(gray: Plane, view: str, rng: np.random.Generator) -> Plane:
    """Add noise, stronger where less of the beam is transmitted."""
    grain = cv2.GaussianBlur(rng.standard_normal(gray.shape, dtype=np.float32), (3, 3), 0.6)
    strength = (0.022 if view == "PA" else 0.032) * rng.uniform(0.7, 1.3)
    return gray + strength * (0.6 + 0.6 * gray) * grain


def _mark(pixels: Gray, view: str, rng: np.random.Generator) -> Gray:
    """Draw a lead letter in a corner of most images, "AP" on AP images, and black borders on some."""
    size = pixels.shape[0]
    scale, thick = size / 512, max(1, size // 256)
    if rng.random() < 0.75:
        place = (round(size * rng.uniform(0.86, 0.91)), round(size * rng.uniform(0.09, 0.15)))
        cv2.putText(pixels, "L", place, cv2.FONT_HERSHEY_SIMPLEX, 1.1 * scale, 250, thick, cv2.LINE_AA)
    if view == "AP":
        place = (round(size * 0.04), round(size * 0.08))
        cv2.putText(pixels, "AP", place, cv2.FONT_HERSHEY_SIMPLEX, 0.7 * scale, 235, thick, cv2.LINE_AA)
    if rng.random() < 0.3:
        edge = round(size * rng.uniform(0.01, 0.035))
        pixels[:, :edge], pixels[:, size - edge :] = 4, 4
    return pixels
