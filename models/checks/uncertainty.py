"""How uncertain a model is of its mask, from the probability maps of one image.

`uncertainty` is the number of pixels that are expected to be wrong, each counting as the smaller of p and
1 - p, relative to the geometric mean of the mask's and the image's area. (Relative to the mask alone, small
lungs would seem uncertain, since it is their edges that are.) Of several classes the most uncertain one
counts. It needs one pass and no fitted parameter, and is the same on every execution provider.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from ..preprocess import Probability

Thresholds = npt.NDArray[np.float32]


def uncertainty(maps: Probability, thresholds: Thresholds) -> float:
    """Compute how uncertain a model is of its mask, 0 (certain) to 1.

    Parameters
    ----------
    maps : ndarray of float32, shape (classes, height, width)
        The image's probability maps, without padding.
    thresholds : ndarray of float32, shape (classes,)

    Examples
    --------
    >>> uncertainty(np.array([[[1, 0.5], [0, 0]]], np.float32), np.array([0.5], np.float32))
    0.158114
    """
    return round(max(map(_share_wrong, maps, thresholds)), 6)


def _share_wrong(probability: Probability, threshold: np.float32) -> float:
    pixels = probability.size
    # The sum of min(p, 1 - p) is half the pixels less the sum of |p - 1/2|, which takes one pass.
    certain = cv2.norm(probability, np.full(probability.shape, 0.5, np.float32), cv2.NORM_L1)
    wrong = max(0.0, pixels / 2 - certain)  # a model of low precision may exceed 0 to 1 by one step
    area = cv2.countNonZero((probability >= threshold).view(np.uint8))
    return wrong / math.sqrt((area + wrong) * pixels) if wrong else 0.0


def mirror_uncertainty(maps: Probability, mirrored: Probability, thresholds: Thresholds) -> float:
    """Compute 1 - Dice between the mask of an image and that of the mirrored image, mirrored back.

    All classes count together; two empty masks do not differ.

    Parameters
    ----------
    maps, mirrored : ndarray of float32, shape (classes, height, width)
        Of the image, and of the mirrored image, mirrored back.
    thresholds : ndarray of float32, shape (classes,)
    """
    each = thresholds[:, None, None]
    one, other = maps >= each, mirrored >= each
    total = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return round(1 - 2 * int(np.count_nonzero(one & other)) / total, 6) if total else 0.0
