"""Random changes of an image's appearance and geometry.

`STANDARD` varies one site's images; `STRONG` changes their style, so that a model meets that of any site.

Appearance (the image only): a random monotone gray curve, gamma, contrast and brightness, inversion, contrast
limited histogram equalization, a low-frequency field, blur, noise, cut-outs. Geometry (image and masks):
horizontal flip, aspect, scale, rotation, shift, with a border of black or random gray.

Everything works on uint8 arrays with OpenCV and NumPy: an image of 256 x 256 takes about 1 ms, in one thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ...data.image import Gray
from ..options import Augmentation
from .dataset import IGNORE

Matrix = npt.NDArray[np.float64]
"""An affine map, shape (2, 3), from pixels (x, y) of the image to pixels of the changed image."""

_HALF = 128
_GRAYS = np.arange(256) / 255


@dataclass(frozen=True)
class Strength:
    """How far the changes go, and how often.

    Attributes
    ----------
    rotation : float
        Largest rotation in degrees, either way.
    scale : tuple of float
        Smallest and largest scale, drawn evenly in the logarithm.
    aspect : float
        Largest ratio by which one side is stretched against the other.
    shift : float
        Largest shift, as a fraction of the side.
    log_gamma : float
        Largest logarithm of the exponent, either way.
    log_contrast : tuple of float
        Smallest and largest logarithm of the factor.
    brightness : float
        Largest change of brightness that comes with a change of contrast, as a fraction of white.
    noise_level : tuple of float
        Smallest and largest standard deviation of the noise, in gray values.
    flip, border, invert, curve, gamma, contrast, equalize, field, blur, noise, cutouts : float
        Probability of each change; `border`: a border of random gray instead of black.
    """

    rotation: float = 15
    scale: tuple[float, float] = (0.7, 1.4)
    aspect: float = 1.25
    shift: float = 0.08
    log_gamma: float = 0.7
    log_contrast: tuple[float, float] = (-0.5, 0.4)
    brightness: float = 0.2
    noise_level: tuple[float, float] = (1, 16)
    flip: float = 0.5
    border: float = 0.5
    invert: float = 0.05
    curve: float = 0.4
    gamma: float = 0.5
    contrast: float = 0.5
    equalize: float = 0.25
    field: float = 0.35
    blur: float = 0.25
    noise: float = 0.35
    cutouts: float = 0.3


STRONG = Strength()
STANDARD = Strength(
    rotation=8,
    scale=(0.9, 1.1),
    aspect=1,
    shift=0.05,
    log_gamma=0.22,
    log_contrast=(-0.22, 0.18),
    brightness=0.1,
    noise_level=(5, 5),
    border=0,
    invert=0,
    curve=0,
    gamma=1,
    contrast=1,
    equalize=0,
    field=0,
    blur=0,
    noise=0.5,
    cutouts=0,
)
STRENGTHS = {Augmentation.STANDARD: STANDARD, Augmentation.STRONG: STRONG}


def augment(
    pixels: Gray, masks: Gray, rng: np.random.Generator, strength: Strength = STRONG
) -> tuple[Gray, Gray]:
    """Change an image at random, and move its masks with it.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)
    masks : ndarray of uint8, shape (classes, height, width)
        0, 1 or `IGNORE`.
    rng : numpy.random.Generator
    strength : Strength

    Returns
    -------
    ndarray of uint8, shape (height, width)
    ndarray of uint8, shape (classes, height, width)
        0, 1 or `IGNORE`. What comes in from outside the image is 0, or `IGNORE` for a class that is unknown
        in the whole image.
    """
    matrix = random_affine(pixels.shape[0], pixels.shape[1], rng, strength)
    border = int(rng.integers(256)) if rng.random() < strength.border else 0
    moved = warp_image(change_appearance(pixels, rng, strength), matrix, border)
    return cut_out(moved, rng, strength), warp_masks(masks, matrix)


def random_affine(height: int, width: int, rng: np.random.Generator, strength: Strength) -> Matrix:
    """Draw a flip, an aspect, a scale, a rotation and a shift about the center of the image."""
    low, high = np.log(strength.scale)
    scale = np.exp(rng.uniform(low, high))
    stretch = np.exp(rng.uniform(-0.5, 0.5) * np.log(strength.aspect))
    angle = np.deg2rad(rng.uniform(-strength.rotation, strength.rotation))
    mirror = -1 if rng.random() < strength.flip else 1
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = rotation @ np.diag([mirror * scale * stretch, scale / stretch])
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = rng.uniform(-strength.shift, strength.shift, 2) * (width, height)
    return np.column_stack([linear, center + shift - linear @ center])


def warp_image(pixels: Gray, matrix: Matrix, border: int) -> Gray:
    """Move an image; linear interpolation, `border` outside."""
    size = (pixels.shape[1], pixels.shape[0])
    return np.asarray(
        cv2.warpAffine(
            pixels,
            matrix,
            size,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(border,),
        ),
        np.uint8,
    )


def warp_masks(masks: Gray, matrix: Matrix) -> Gray:
    """Move masks of 0, 1 and `IGNORE`; a pixel belongs to the class where at least half of it does."""
    moved = np.empty_like(masks)
    for source, target in zip(masks, moved, strict=True):
        unknown = source == IGNORE
        if unknown.all():
            target[:] = IGNORE
            continue
        target[:] = warp_image((source == 1).astype(np.uint8) * 255, matrix, 0) >= _HALF
        if unknown.any():
            target[warp_image(unknown.astype(np.uint8) * 255, matrix, 0) > 0] = IGNORE
    return moved


def change_appearance(pixels: Gray, rng: np.random.Generator, strength: Strength) -> Gray:
    """Change grays, sharpness and noise; no pixel moves."""
    changed = pixels
    if rng.random() < strength.equalize:
        changed = _equalized(changed, rng)
    changed = np.asarray(cv2.LUT(changed, random_lookup(rng, strength)), np.uint8)
    if rng.random() < strength.blur:
        changed = _blurred(changed, rng)
    has_field, has_noise = rng.random() < strength.field, rng.random() < strength.noise
    added = [_field(pixels.shape, rng)] if has_field else []
    if has_noise:
        added.append(_noise(pixels.shape, rng, strength.noise_level))
    return _added(changed, added) if added else changed


def random_lookup(rng: np.random.Generator, strength: Strength) -> Gray:
    """Draw a gray curve as a table of 256 entries: curve, gamma, contrast and inversion in one."""
    values = _GRAYS
    if rng.random() < strength.curve:
        values = np.interp(values, np.linspace(0, 1, 7), _monotone_knots(6, rng))
    if rng.random() < strength.gamma:
        values = values ** np.exp(rng.uniform(-strength.log_gamma, strength.log_gamma))
    if rng.random() < strength.contrast:
        factor = np.exp(rng.uniform(*strength.log_contrast))
        values = (values - 0.5) * factor + 0.5 + rng.uniform(-strength.brightness, strength.brightness)
    if rng.random() < strength.invert:
        values = 1 - values
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def cut_out(pixels: Gray, rng: np.random.Generator, strength: Strength) -> Gray:
    """Cover one to four rectangles with one gray each; the masks do not change."""
    if rng.random() >= strength.cutouts:
        return pixels
    covered = pixels.copy()
    height, width = pixels.shape
    for _ in range(rng.integers(1, 5)):
        rows, columns = (int(side * rng.uniform(0.03, 0.22)) + 1 for side in (height, width))
        top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
        covered[top : top + rows, left : left + columns] = rng.integers(256)
    return covered


def _monotone_knots(steps: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw increasing values from 0 to 1: the sums of positive steps."""
    knots = np.concatenate([[0.0], np.cumsum(rng.exponential(1, steps) + 0.2)])
    scaled: npt.NDArray[np.float64] = knots / knots[-1]
    return scaled


def _equalized(pixels: Gray, rng: np.random.Generator) -> Gray:
    tiles = int(rng.integers(2, 9))
    equalizer = cv2.createCLAHE(clipLimit=float(rng.uniform(1, 4)), tileGridSize=(tiles, tiles))
    return np.asarray(equalizer.apply(pixels), np.uint8)


def _blurred(pixels: Gray, rng: np.random.Generator) -> Gray:
    """Blur as a lens does, or lose detail as a small copy of the image does."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.4, 1.8))), np.uint8)
    factor = float(rng.uniform(0.3, 0.8))
    small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, pixels.shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def _field(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Draw a smooth change of brightness: a few random values, enlarged to the image."""
    grid = int(rng.integers(2, 6))
    coarse = rng.normal(0, rng.uniform(10, 40), (grid, grid)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _noise(
    shape: tuple[int, ...], rng: np.random.Generator, level: tuple[float, float]
) -> npt.NDArray[np.float32]:
    return rng.standard_normal(shape, np.float32) * np.float32(rng.uniform(*level))


def _added(pixels: Gray, changes: list[npt.NDArray[np.float32]]) -> Gray:
    total = pixels.astype(np.float32)
    for change in changes:
        total += change
    return np.clip(total, 0, 255).astype(np.uint8)
