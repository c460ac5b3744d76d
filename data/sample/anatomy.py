"""Draw a synthetic chest: the attenuation of its structures, summed along the beam.

Coordinates are -1..1, x to the right and y down, before the pose is applied. The patient's right side is on
the left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Build:
    """The anatomy of one patient."""

    lung_top: float
    lung_base: float
    lung_width: float
    heart: float
    body: float
    rib_phase: float
    rib_gap: float
    clavicle: float
    breast: float
    gas: float


@dataclass(frozen=True)
class Pose:
    """The position of the patient in one image."""

    angle: float
    scale: float
    across: float
    down: float


@dataclass(frozen=True)
class Chest:
    """The attenuation of the beam, and the visible lung fields (0..1)."""

    attenuation: Plane
    lungs: Plane


def draw_build(rng: np.random.Generator, sex: str) -> Build:
    """Draw a random build."""
    return Build(
        lung_top=rng.uniform(-0.80, -0.72),
        lung_base=rng.uniform(0.36, 0.48),
        lung_width=rng.uniform(0.315, 0.355),
        heart=rng.uniform(0.9, 1.08),
        body=rng.uniform(0.88, 1.08),
        rib_phase=rng.uniform(0, 1),
        rib_gap=rng.uniform(0.135, 0.16),
        clavicle=rng.uniform(-0.54, -0.47),
        breast=rng.uniform(0.05, 0.12) if sex == "F" else 0.0,
        gas=rng.uniform(0, 0.35),
    )


def draw_pose(rng: np.random.Generator) -> Pose:
    """Draw a random pose."""
    return Pose(
        angle=rng.normal(0, 0.025),
        scale=rng.uniform(0.92, 1.04),
        across=rng.normal(0, 0.02),
        down=rng.normal(0.02, 0.025),
    )


def draw_chest(build: Build, pose: Pose, view: str, size: int, rng: np.random.Generator) -> Chest:
    """Draw a chest of `size` x `size` pixels; AP images show a larger heart and a shallower breath."""
    x, y = _grid(size, pose)
    ap = view == "AP"
    base = build.lung_base - (0.07 if ap else 0.0)
    clavicle = build.clavicle - (0.06 if ap else 0.0)
    lungs, depth = _lungs(x, y, build, base)
    heart = _heart(x, y, build.heart * (1.2 if ap else 1.0), base)
    body = _body(x, y, build.body)
    total = 0.9 * body - 0.58 * lungs * (0.72 + 0.28 * depth) * (0.85 if ap else 1.0)
    total += _mediastinum(x, y) + 0.36 * heart + _abdomen(x, y, build, base) * body
    total += _bones(x, y, build, clavicle) * body
    total += _vessels(x, y, lungs, rng)
    if build.breast:
        total += build.breast * _breasts(x, y)
    return Chest(total.astype(np.float32), (lungs * (1 - heart)).astype(np.float32))


def cloud(size: int, grain: float, rng: np.random.Generator) -> Plane:
    """Draw smooth noise of mean 0 and standard deviation 1; its features are about `grain` x `size` wide."""
    cells = max(3, round(1 / grain) + 2)
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    plane = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray((plane - plane.mean()) / plane.std(), np.float32)


def soft(distance: Plane, width: float) -> Plane:
    """Compute a smooth step from 0 to 1, about `width` wide, where `distance` crosses 0."""
    return np.asarray(1 / (1 + np.exp(np.clip(-4 * distance / width, -40, 40))), np.float32)


def _grid(size: int, pose: Pose) -> tuple[Plane, Plane]:
    line = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(line - np.float32(pose.across), line - np.float32(pose.down))
    cos, sin = np.float32(np.cos(pose.angle) / pose.scale), np.float32(np.sin(pose.angle) / pose.scale)
    return x * cos + y * sin, y * cos - x * sin


def _bump(value: Plane, width: float | Plane) -> Plane:
    return np.asarray(np.exp(-((value / width) ** 2)), np.float32)


def _lungs(x: Plane, y: Plane, build: Build, base: float) -> tuple[Plane, Plane]:
    """Draw both lungs and their relative depth (1 in the middle of a lung, 0 at its edge)."""
    side = np.abs(x)
    rise = np.clip((0.35 - y) / (0.35 - build.lung_top), 0, 1)
    half = build.lung_width * np.sqrt(np.clip(1 - rise**2.3, 0, 1)) + 1e-3
    off = (side - (0.425 - 0.11 * rise)) / half
    edge = (1 - np.abs(off)) * half
    under = (_dome(x, base) - y) * 0.8
    inside = np.minimum(np.minimum(edge, under), (y - build.lung_top) * 0.8)
    return soft(inside, 0.045), np.sqrt(np.clip(1 - off**2, 0, 1))


def _dome(x: Plane, base: float) -> Plane:
    """Compute the height of the diaphragm, slightly higher on the right side."""
    off = np.abs(np.abs(x) - 0.36)
    return base + np.float32(0.05) * (x > 0) + np.minimum(0.5 * off**2 + 9.0 * off**4, 0.28)


def _heart(x: Plane, y: Plane, scale: float, base: float) -> Plane:
    """Draw the heart, its axis tilted to the patient's left."""
    across, down = x - 0.11 * scale, y - (base - 0.16)
    along, transverse = 0.80 * across + 0.60 * down, -0.60 * across + 0.80 * down
    radius = np.sqrt((along / (0.345 * scale)) ** 2 + (transverse / (0.24 * scale)) ** 2)
    return soft((1 - radius) * 0.25, 0.05)


def _body(x: Plane, y: Plane, width: float) -> Plane:
    """Draw the soft tissue: neck, shoulders and trunk, thickest in the middle."""
    shoulder = 0.25 + (width - 0.25) * soft(y + 0.80 - 0.10 * np.abs(x), 0.22)
    shoulder += 0.55 * soft(y + 0.74, 0.15) * soft(-0.22 - y, 0.40)
    inside = 1 - (np.abs(x) / shoulder) ** 2
    return np.asarray(np.sqrt(np.clip(inside, 0, 1)) * 0.7 + 0.3 * soft(inside, 0.05))


def _mediastinum(x: Plane, y: Plane) -> Plane:
    """Draw the mediastinum: great vessels, aortic knob, and the trachea as a darker band."""
    middle = 0.25 * _bump(x, 0.13 + 0.05 * _bump(y + 0.25, 0.25))
    knob = 0.14 * _bump(np.hypot(x - 0.13, y + 0.33), 0.09)
    trachea = 0.17 * _bump(x + 0.01, 0.045) * soft(-0.28 - y, 0.15)
    return middle + knob - trachea


def _abdomen(x: Plane, y: Plane, build: Build, base: float) -> Plane:
    """Draw the abdomen below the diaphragm, with gas in the stomach on the patient's left."""
    below = soft(y - _dome(x, base), 0.05) * soft(0.74 - np.abs(x), 0.4)
    bubble = soft(1 - np.hypot((x - 0.38) / 0.17, (y - base - 0.22) / 0.09), 0.5)
    return np.asarray(below * (0.22 - build.gas * bubble))


def _bones(x: Plane, y: Plane, build: Build, clavicle: float) -> Plane:
    """Draw ribs (posterior sharp, anterior faint), spine, clavicles and scapulae."""
    side = np.abs(x)
    cage = soft(0.80 - side, 0.06) * soft(y - build.lung_top + 0.05, 0.12)
    fall = np.clip(side - 0.25, 0, None) ** 2 * (1.5 - 0.5 * y)
    posterior = y - build.rib_phase * build.rib_gap + 0.10 * (side - 0.2) - fall
    anterior = y - build.rib_phase * build.rib_gap + 0.75 * side - 0.35 * side**2
    ribs = 0.125 * _stripes(posterior, build.rib_gap, 0.42) * soft(side - 0.07, 0.05) * soft(0.62 - y, 0.3)
    ribs += (
        0.075 * _stripes(anterior, build.rib_gap * 1.2, 0.44) * soft(side - 0.36, 0.2) * soft(0.35 - y, 0.2)
    )
    spine = _bump(x, 0.085) ** 2 * (0.06 + 0.15 * _stripes(y, 0.125, 0.75))
    spine += 0.05 * _stripes(y - 0.06, 0.125, 0.35) * _bump(side - 0.105, 0.03)
    line = y - clavicle + 0.34 * (side - 0.1) - 0.40 * np.clip(side - 0.3, 0, None) ** 2
    clavicles = 0.24 * _stripe(line, 0.036) * soft(side - 0.07, 0.04) * soft(0.9 - side, 0.1)
    scapulae = 0.11 * soft(0.05 - np.abs(side - 0.84 - 0.12 * y), 0.05) * soft(0.18 - np.abs(y + 0.33), 0.2)
    return ribs * cage + spine + clavicles + scapulae


def _stripes(phase: Plane, gap: float, share: float) -> Plane:
    """Draw bands at intervals of `gap`, each `share` x `gap` wide, with brighter rims like cortical bone."""
    turn = phase / gap
    return _stripe(turn - np.round(turn), share / 2)


def _stripe(off: Plane, half: float) -> Plane:
    edge = np.abs(off) / half
    return soft(1 - edge, 0.45) * (0.7 + 0.3 * np.clip(edge, 0, 1) ** 2)


def _vessels(x: Plane, y: Plane, lungs: Plane, rng: np.random.Generator) -> Plane:
    """Draw the pulmonary vessels: dense at the hila, fine toward the periphery."""
    size = x.shape[0]
    root = np.hypot((np.abs(x) - 0.17) / 0.85, y + 0.05)
    fine = np.clip(0.9 - np.abs(cloud(size, 0.03, rng)) * 2.2, 0, None)
    marks = fine + np.clip(0.7 - np.abs(cloud(size, 0.06, rng)) * 3, 0, None)
    hila = 0.13 * _bump(np.hypot((np.abs(x) - 0.18) / 0.8, (y + 0.06) / 1.5), 0.10)
    veil = 0.02 * cloud(size, 0.12, rng)
    return np.asarray(lungs * (0.10 * marks * np.exp(-root / 0.30) + veil) + hila)


def _breasts(x: Plane, y: Plane) -> Plane:
    """Draw two soft shadows over the lower lungs."""
    off = np.hypot((np.abs(x) - 0.44) / 0.36, (y - 0.22) / 0.34)
    return soft(1 - off, 0.35)
