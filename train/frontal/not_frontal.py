"""Images that are no upright frontal chest radiographs, made from ones that are, or drawn.

There are hardly any lateral radiographs or CT images under an open license. What resembles them is made: one
half of the chest blended with the other, mirrored (a lateral radiograph shows one lung on top of the other);
frontals squeezed, or cut to an ellipse on black; drawn bodies with dark lungs, as CT shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt

from ...data.image import Gray

Make = Callable[[Gray, np.random.Generator], Gray]
"""Makes an image that is no upright frontal radiograph from one that is, uint8 (height, width)."""

_DRAWN_SIDE = 256


def _half(pixels: Gray, rng: np.random.Generator) -> Gray:
    """Cut the image in two, along its rows or its columns."""
    height, width = pixels.shape
    parts = (
        pixels[:, : width // 2],
        pixels[:, width // 2 :],
        pixels[: height // 2],
        pixels[height // 2 :],
    )
    return parts[rng.integers(len(parts))]


def _quarter(pixels: Gray, rng: np.random.Generator) -> Gray:
    return crop(pixels, rng, (0.45, 0.6), (0.45, 0.6))


def _one_lung(pixels: Gray, rng: np.random.Generator) -> Gray:
    """Keep the columns of one lung."""
    share = rng.uniform(0.35, 0.5)
    start = rng.uniform(0, 0.1) if rng.random() < 0.5 else rng.uniform(0.9, 1) - share
    width = pixels.shape[1]
    return pixels[:, round(start * width) : round((start + share) * width)]


def _overlaid_halves(pixels: Gray, rng: np.random.Generator) -> Gray:
    """Blend one half of the chest with the other, mirrored, as a lateral radiograph does."""
    height, width = pixels.shape
    middle = round(width * (0.5 + np.clip(rng.normal(0, 0.03), -0.1, 0.1)))
    size = (max(1, round(width * rng.uniform(0.5, 0.9))), height)
    left = cv2.resize(pixels[:, :middle], size).astype(np.float32)
    right = cv2.resize(np.ascontiguousarray(pixels[:, middle:][:, ::-1]), size).astype(np.float32)
    share = rng.uniform(0.2, 0.8)
    blended = (share * left + (1 - share) * right).astype(np.uint8)
    if rng.random() < 0.5:
        blended = blended[:, ::-1]
    if rng.random() < 0.5:
        before, after = (round(size[0] * rng.uniform(0, 0.3)) for _ in range(2))
        blended = np.pad(blended, ((0, 0), (before, after)))
    return np.ascontiguousarray(blended)


def _squeezed(pixels: Gray, rng: np.random.Generator) -> Gray:
    height, width = pixels.shape
    size = (max(1, round(width * rng.uniform(0.3, 0.55))), height)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _ellipse(pixels: Gray, rng: np.random.Generator) -> Gray:
    """Blacken what is outside an ellipse, as in an image of a section."""
    height, width = pixels.shape
    inside = np.zeros_like(pixels)
    center = (
        width // 2 + round(rng.normal(0, 0.03) * width),
        height // 2 + round(rng.normal(0, 0.03) * height),
    )
    axes = (round(width * rng.uniform(0.3, 0.48)), round(height * rng.uniform(0.3, 0.48)))
    cv2.ellipse(inside, center, axes, 0, 0, 360, 1, -1)
    return pixels * inside


def _two_images(pixels: Gray, rng: np.random.Generator) -> Gray:
    """Put two images beside each other, as a figure does."""
    other = pixels[:, ::-1] if rng.random() < 0.5 else 255 - pixels
    return np.hstack([pixels, other])


FROM_FRONTAL: Mapping[str, Make] = {
    "rotated by 90": lambda pixels, rng: np.rot90(pixels, int(rng.choice([1, 3]))),
    "rotated by 180": lambda pixels, _: np.rot90(pixels, 2),
    "upside down": lambda pixels, _: pixels[::-1],
    "inverted": lambda pixels, _: 255 - pixels,
    "half": _half,
    "quarter": _quarter,
    "one lung": _one_lung,
    "overlaid halves": _overlaid_halves,
    "squeezed": _squeezed,
    "ellipse": _ellipse,
    "inverted ellipse": lambda pixels, rng: _ellipse(255 - pixels, rng),
    "two images": _two_images,
}
"""What an upright frontal radiograph becomes; each is a kind of its own."""


def crop(
    pixels: Gray, rng: np.random.Generator, height: tuple[float, float], width: tuple[float, float]
) -> Gray:
    """Cut out a part at random, of a share of the height and of the width within these bounds."""
    parts = []
    for side, bounds in zip(pixels.shape, (height, width), strict=True):
        length = max(1, round(side * rng.uniform(*bounds)))
        start = int(rng.integers(side - length + 1))
        parts.append(slice(start, start + length))
    return pixels[tuple(parts)]


def part_of(pixels: Gray, rng: np.random.Generator) -> Gray:
    """Cut out a part at random and turn it by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(crop(pixels, rng, (0.4, 1), (0.4, 1)), int(rng.integers(4))))


def change_frontal(pixels: Gray, rng: np.random.Generator) -> Gray:
    """Change a radiograph as devices and people do: an upright frontal one stays one."""
    height, width = pixels.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-8, 8), rng.uniform(0.85, 1.15))
    offset = rng.uniform(-0.05, 0.05, 2) * (width, height)
    matrix = np.column_stack([matrix[:, :2], matrix[:, 2] + offset])
    moved = cv2.warpAffine(
        np.ascontiguousarray(pixels), matrix, (width, height), borderValue=(int(rng.integers(60)),)
    )
    contrast, shift = rng.uniform(0.7, 1.4), rng.uniform(-0.1, 0.1)
    grays = ((np.arange(256) / 255) ** rng.uniform(0.6, 1.6) - 0.5) * contrast + 0.5 + shift
    changed = (255 * np.clip(grays, 0, 1)).astype(np.uint8)[moved]
    if rng.random() < 0.3:
        changed = cv2.createCLAHE(rng.uniform(1, 3), (8, 8)).apply(changed)
    if rng.random() < 0.3:
        changed = cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.5, 2) * height / 300)
    if rng.random() < 0.4:
        sides = [
            (round(side * low), round(side * high))
            for side, (low, high) in zip(pixels.shape, rng.uniform(0, 0.12, (2, 2)), strict=True)
        ]
        changed = np.pad(changed, sides)
    return np.asarray(changed[:, ::-1] if rng.random() < 0.5 else changed, np.uint8)


def draw_section(rng: np.random.Generator) -> Gray:
    """Draw an axial or a coronal section of a chest: a bright body on black with two dark lungs."""
    coronal = rng.random() < 0.5
    canvas = np.zeros((_DRAWN_SIDE, _DRAWN_SIDE), np.float32)
    center = _DRAWN_SIDE / 2 + rng.normal(0, 8, 2)
    radii = rng.uniform((80, 100), (122, 132)) if not coronal else rng.uniform((80, 100), (120, 133))
    fat, tissue, lung = rng.uniform(50, 110), rng.uniform(120, 190), rng.uniform(5, 60)

    def ellipse(across: float, down: float, wide: float, high: float, gray: float) -> None:
        at = (round(center[0] + across * radii[0]), round(center[1] + down * radii[1]))
        axes = (max(1, round(wide * radii[0])), max(1, round(high * radii[1])))
        cv2.ellipse(canvas, at, axes, 0, 0, 360, float(gray), -1)

    ellipse(0, 0, 1, 1, fat)
    ellipse(0, 0, 0.93, 0.9, tissue)
    for side in (-0.45, 0.45):
        ellipse(side, rng.uniform(-0.1, 0.1), rng.uniform(0.27, 0.4), rng.uniform(0.5, 0.75), lung)
        for _ in range(rng.integers(10, 60)):  # vessels
            size = rng.uniform(0.005, 0.03)
            ellipse(rng.normal(side, 0.12), rng.normal(0, 0.25), size, size, rng.uniform(80, 200))
        for _ in range(rng.integers(0, 6)):  # opacities
            wide, high, gray = rng.uniform((0.04, 0.04, 60), (0.2, 0.2, 150))
            ellipse(rng.normal(side, 0.12), rng.normal(0.2, 0.25), wide, high, gray)
    if coronal:
        ellipse(0, -0.2, 0.1, 0.5, tissue * 1.1)
        ellipse(0.15, 0.2, 0.3, 0.25, tissue * 1.1)
        ellipse(0, 0.8, 0.9, 0.35, tissue)
    else:
        ellipse(-0.05, -0.25, 0.22, 0.3, tissue * 1.15)
        ellipse(0, 0.6, 0.13, 0.17, 230)
        for angle in np.linspace(0, 2 * np.pi, 10, endpoint=False):  # ribs
            ellipse(0.8 * np.cos(angle), 0.78 * np.sin(angle), 0.05, 0.04, 235)
    soft = np.asarray(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.5, 2)), np.float32)
    return _with_noise(soft, rng)


def draw_shapes(rng: np.random.Generator) -> Gray:
    """Draw ellipses and text on black, as masks, drawings and screens have them."""
    canvas = np.zeros((_DRAWN_SIDE, _DRAWN_SIDE), np.uint8)
    for _ in range(rng.integers(1, 20)):
        at = tuple(int(value) for value in rng.integers(0, _DRAWN_SIDE, 2))
        if rng.random() < 0.5:
            axes = tuple(int(value) for value in rng.integers(4, 90, 2))
            cv2.ellipse(canvas, at, axes, 0, 0, 360, float(rng.integers(256)), -1)
        else:
            cv2.putText(canvas, "CHEST 12", at, cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.3, 2), 200, 2)
    return _with_noise(canvas.astype(np.float32), rng)


def draw_texture(rng: np.random.Generator) -> Gray:
    """Draw noise of any coarseness over a ramp of grays."""
    side = _DRAWN_SIDE
    noise = cv2.GaussianBlur(rng.random((side, side)).astype(np.float32), (0, 0), rng.uniform(0.3, 30))
    noise = (noise - noise.min()) / max(float(np.ptp(noise)), 1e-6)
    ramp = np.add.outer(np.linspace(0, rng.uniform(-1, 1), side), np.linspace(0, rng.uniform(-1, 1), side))
    share = rng.random()
    mixed = share * noise + (1 - share) * (ramp - ramp.min()) / 2
    return _with_noise(np.asarray(255 * mixed, np.float32), rng)


DRAWN: Mapping[str, Callable[[np.random.Generator], Gray]] = {
    "drawn section": draw_section,
    "drawn shapes": draw_shapes,
    "drawn texture": draw_texture,
}
"""What is drawn from nothing; each is a kind of its own."""


def _with_noise(canvas: npt.NDArray[np.float32], rng: np.random.Generator) -> Gray:
    noisy = canvas + rng.normal(0, rng.uniform(0.5, 10), canvas.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)
