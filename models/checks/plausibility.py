"""Is this a frontal chest radiograph, upright and not inverted? Judged by the lungs that a model finds on it.

A lung model draws something on every image. On a frontal chest radiograph, what it draws has a certain area,
place, shape and symmetry, is darker than the spine between the lungs, and leaves room for a heart below. A
`LungReference` holds how these statistics vary over the validation images; the Mahalanobis distance from them
(P. C. Mahalanobis, "On the generalised distance in statistics", 1936) measures how unusual an image is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from ...data.image import Gray
from ...errors import ModelError
from ..card import LungReference
from ..preprocess import Probability

Floats = npt.NDArray[np.float64]

STATISTICS = (
    "mean_probability",
    "certain_share",
    "area",
    "second_lung",
    "center_row",
    "center_column",
    "width",
    "height",
    "aspect",
    "fill",
    "taper",
    "left_right",
    "spine_contrast",
    "surround_contrast",
    "below_above",
    "corners_below_above",
    "heart_gap",
    "outline_taper",
)
"""Names of the statistics, in the order of a `LungReference`."""

_SPINE = STATISTICS.index("spine_contrast")
_FAR = 3.0  # robust standard deviations

FEWEST_IMAGES = 30
"""Validation images from which a reference is fitted; fewer say too little about 18 statistics."""

_STEP = 2  # every other pixel is enough, and takes a quarter of the time
_SHRINKAGE = 0.1
_EDGE = 2  # pixels of the lungs' edge that are left out, on either side
_CLIP = 6.0  # robust standard deviations
_RESERVE = 1.1
_FALSE_ALARMS = 0.01
_LEAST_COMPONENT = 0.05  # of the lungs' area
_SMALLEST_MASK = 0.01  # of the image
_MOST_AT_BORDER = 0.03
AT_EDGE = "the lungs found reach the edge of the image"
_LEAST_IN_TWO = 0.97


class Plausible(StrEnum):
    """Whether an image can be what the model was made for."""

    YES = "yes"
    DOUBTFUL = "doubtful"
    NO = "no"
    NOT_ASSESSED = "not assessed"


@dataclass(frozen=True)
class FoundLungs:
    """The lungs that a model found on an image, at half the model's resolution.

    Attributes
    ----------
    statistics : ndarray of float64, shape (len(STATISTICS),)
    oddity : str
        In what way the mask cannot be a pair of lungs; "" where it can.
    """

    statistics: Floats
    oddity: str


def find_lungs(gray: Gray, probability: Probability, threshold: float) -> FoundLungs | None:
    """Describe the lungs that a model found.

    Parameters
    ----------
    gray : ndarray of uint8, shape (height, width)
        The image as the model saw it, without padding.
    probability : ndarray of float32, shape (height, width)
        The probability of lung in each pixel.
    threshold : float

    Returns
    -------
    FoundLungs or None
        None where next to nothing was found.
    """
    gray = np.ascontiguousarray(gray[::_STEP, ::_STEP])
    probability = np.ascontiguousarray(probability[::_STEP, ::_STEP])
    mask = probability >= threshold
    if np.count_nonzero(mask) < _SMALLEST_MASK * mask.size:
        return None
    components = _component_areas(mask.view(np.uint8))
    return FoundLungs(_statistics(gray, probability, mask, components), _oddity(mask, components))


def fit_reference(found: Sequence[FoundLungs]) -> LungReference | None:
    """Fit a reference to the lungs of validation images; None for fewer than `FEWEST_IMAGES`.

    Center and scale are median and median absolute deviation, which a few odd images do not move; the
    covariance is shrunk towards a multiple of the identity. The limit leaves one image in a hundred outside,
    but at least one.
    """
    table = np.array([one.statistics for one in found if not one.oddity])
    if len(table) < FEWEST_IMAGES:
        return None
    center = np.median(table, axis=0)
    # A statistic that most images share has a median deviation of 0.
    least = np.maximum(table.std(axis=0) / 2, 1e-3)
    scale = np.maximum(1.4826 * np.median(np.abs(table - center), axis=0), least)
    standard = np.clip((table - center) / scale, -_CLIP, _CLIP)
    covariance = np.cov(standard, rowvar=False)
    size = len(STATISTICS)
    shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * np.eye(size) * np.trace(covariance) / size
    precision = np.linalg.inv(shrunk)
    standard = (table - center) / scale
    distances = np.sort(np.sqrt(np.einsum("ni,ij,nj->n", standard, precision, standard)))
    outside = max(1, int(_FALSE_ALARMS * len(distances)))
    return LungReference(
        statistics=STATISTICS,
        center=_rounded(center),
        scale=_rounded(scale),
        precision=tuple(_rounded(row) for row in precision),
        limit=round(float(distances[-1 - outside]) * _RESERVE, 6),
    )


class LungCheck:
    """Assesses images by the lungs that a model finds on them.

    Parameters
    ----------
    reference : LungReference
        From the model card.
    threshold : float
        From which probability on a pixel is lung.

    Raises
    ------
    ModelError
        If the reference is of other statistics than those that this version computes.
    """

    def __init__(self, reference: LungReference, threshold: float) -> None:
        if reference.statistics != STATISTICS:
            raise ModelError(
                "model card: its lung reference is of another version of cxr; export the model again"
            )
        self.threshold, self.limit = threshold, reference.limit
        self._center, self._scale = np.array(reference.center), np.array(reference.scale)
        self._precision = np.array(reference.precision)

    def assess(self, gray: Gray, probability: Probability) -> tuple[Plausible, str]:
        """Assess one image; see `find_lungs` for the arrays.

        Returns
        -------
        Plausible
        str
            Why it is not `YES`; "" where it is.
        """
        found = find_lungs(gray, probability, self.threshold)
        if found is None:
            return Plausible.NO, "no lungs found"
        if found.oddity:
            return Plausible.DOUBTFUL, found.oddity
        standard = (found.statistics - self._center) / self._scale
        if float(np.sqrt(standard @ self._precision @ standard)) <= self.limit:
            return Plausible.YES, ""
        # An inverted image is unusual in many ways; this one names it.
        inverted = found.statistics[_SPINE] < 0 and abs(standard[_SPINE]) > _FAR
        oddest = _SPINE if inverted else int(np.abs(standard).argmax())
        return Plausible.DOUBTFUL, f"unusual lungs: {_MEANING[STATISTICS[oddest]]}"


_MEANING = {
    "mean_probability": "the model is uncertain",
    "certain_share": "the model is uncertain",
    "area": "their area",
    "second_lung": "one is much smaller than the other",
    "center_row": "their place",
    "center_column": "their place",
    "width": "their width",
    "height": "their height",
    "aspect": "their shape",
    "fill": "their shape",
    "taper": "their shape; is the image upside down?",
    "left_right": "their symmetry",
    "spine_contrast": "no brighter spine between them; is the image inverted?",
    "surround_contrast": "brighter than what surrounds them; is the image inverted?",
    "below_above": "brighter above than below; is the image upside down?",
    "corners_below_above": "the corners of the image; is it upside down?",
    "heart_gap": "no heart between them; is the image upside down?",
    "outline_taper": "their outline; is the image upside down?",
}

Box = tuple[int, int, int, int]


def _statistics(
    gray: Gray, probability: Probability, mask: npt.NDArray[np.bool_], sizes: npt.NDArray[np.int32]
) -> Floats:
    area = int(sizes.sum())
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    box_height, box_width = bottom - top, right - left
    spread = float(gray.std()) + 1e-6
    middle = (left + right) / 2
    in_left_half = int((columns < middle).sum())
    per_row = mask[top:bottom].sum(axis=1, dtype=np.float64)
    quarter = max(1, box_height // 4)
    values = {
        "mean_probability": _logit(float(probability[mask].mean())),
        "certain_share": _logit(float((probability > 0.8).sum() / max(1, int((probability > 0.2).sum())))),
        "area": np.log(area / mask.size),
        "second_lung": float(sizes[1] / sizes[0]) if len(sizes) > 1 else 0.0,
        "center_row": rows.mean() / height,
        "center_column": columns.mean() / width,
        "width": box_width / width,
        "height": box_height / height,
        "aspect": np.log(box_width / box_height),
        "fill": area / (box_height * box_width),
        "taper": _log_ratio(per_row[:quarter].mean(), per_row[-quarter:].mean()),
        "left_right": _log_ratio(in_left_half + 1, area - in_left_half + 1),
        "spine_contrast": _spine_contrast(gray, mask, (top, bottom, left, right)) / spread,
        "surround_contrast": _surround_contrast(gray, mask, (top, bottom, left, right)) / spread,
        "below_above": _below_above(gray, (top, bottom, left, right)) / spread,
        "corners_below_above": _corners(gray) / spread,
        **_profiles(mask[top:bottom, left:right]),
    }
    return np.array([values[name] for name in STATISTICS], np.float64)


def _oddity(mask: npt.NDArray[np.bool_], sizes: npt.NDArray[np.int32]) -> str:
    """Of 541 lung masks of real frontal radiographs, 537 have exactly two connected components."""
    large = int((sizes >= _LEAST_COMPONENT * sizes.sum()).sum())
    if large != 2:
        return f"{large} lung{'' if large == 1 else 's'} found"
    if sizes[:2].sum() < _LEAST_IN_TWO * sizes.sum():
        return "the lungs found are in pieces"
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return AT_EDGE if border.mean() > _MOST_AT_BORDER else ""


def _component_areas(mask: Gray) -> npt.NDArray[np.int32]:
    """Return the areas of the connected components, largest first."""
    stats = cv2.connectedComponentsWithStats(mask, connectivity=8)[2]
    return np.sort(np.asarray(stats[1:, cv2.CC_STAT_AREA], np.int32))[::-1]


def _spine_contrast(gray: Gray, mask: npt.NDArray[np.bool_], box: Box) -> float:
    """Return how much brighter the strip between the lungs is than the lungs."""
    top, bottom, left, right = box
    middle, half = (left + right) / 2, (right - left) * 0.06
    strip = gray[top:bottom, int(middle - half) : int(middle + half) + 1]
    return float(strip.mean() - gray[mask].mean())


def _surround_contrast(gray: Gray, mask: npt.NDArray[np.bool_], box: Box) -> float:
    """Return how much brighter the lungs are than what surrounds them, edges left out."""
    top, bottom, left, right = box
    kernel = np.ones((3, 3), np.uint8)
    inside = cv2.erode(mask.view(np.uint8), kernel, iterations=_EDGE)
    outside = cv2.dilate(mask.view(np.uint8), kernel, iterations=_EDGE)
    window = (slice(top, bottom), slice(max(0, left - 5), right + 5))
    lungs, rest = gray[window][inside[window] > 0], gray[window][outside[window] == 0]
    return float(lungs.mean() - rest.mean()) if lungs.size and rest.size else 0.0


def _below_above(gray: Gray, box: Box) -> float:
    """Return how much brighter the image is below the lungs (abdomen) than above them (neck)."""
    top, bottom, left, right = box
    eighth = (bottom - top) // 8
    above, below = gray[: top + eighth, left:right], gray[bottom - eighth :, left:right]
    return float(below.mean() - above.mean()) if above.size and below.size else 0.0


def _corners(gray: Gray) -> float:
    """Return how much brighter the lower corners are than the upper ones."""
    height, width = gray.shape
    rows, columns = max(3, height // 10), max(3, width // 8)
    above = np.concatenate([gray[:rows, :columns].ravel(), gray[:rows, -columns:].ravel()])
    below = np.concatenate([gray[-rows:, :columns].ravel(), gray[-rows:, -columns:].ravel()])
    return float(below.mean() - above.mean())


def _profiles(lungs: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Compare the lower part of the bounding box with the upper: gap between the lungs, and outline."""
    height, width = lungs.shape
    filled = np.asarray(lungs.any(axis=1))
    first, last = lungs.argmax(axis=1), width - 1 - lungs[:, ::-1].argmax(axis=1)
    spans = np.where(filled, last - first, 0) / width
    # The distance of each lung pixel from the one before it in its row.
    before = np.maximum.accumulate(np.where(lungs, np.arange(width), -1), axis=1)
    steps = np.where(lungs[:, 1:] & (before[:, :-1] >= 0), np.arange(1, width) - before[:, :-1], 0)
    gaps: Floats = steps.max(axis=1, initial=0) / width

    def mean(values: Floats, start: float, end: float) -> float:
        part = slice(int(height * start), int(height * end))
        rows = values[part][filled[part]]
        return float(rows.mean()) if rows.size else 0.0

    return {
        "heart_gap": mean(gaps, 0.55, 0.8) - mean(gaps, 0.15, 0.4),
        "outline_taper": mean(spans, 0.7, 0.95) - mean(spans, 0.05, 0.3),
    }


def _logit(share: float) -> float:
    clipped = min(max(share, 1e-4), 1 - 1e-4)
    return float(np.log(clipped / (1 - clipped)))


def _log_ratio(one: float, other: float) -> float:
    return float(np.clip(np.log((one + 1e-9) / (other + 1e-9)), -3, 3))


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
