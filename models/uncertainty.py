"""How uncertain a model is of its mask, from the probability maps of one image.

`uncertainty` is the number of pixels that are expected to be wrong, each counting as the smaller of p and
1 - p, relative to the geometric mean of the mask's and the image's area. (Relative to the mask alone, small
lungs would seem uncertain, since it is their edges that are.) Of several classes the most uncertain one
counts. It needs one pass and no fitted parameter, and is the same on every execution provider.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .preprocess import Probability

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
    pixels = maps[0].size
    wrong = np.minimum(maps, 1 - maps).clip(0).sum(axis=(1, 2), dtype=np.float64)
    areas = np.count_nonzero(maps >= thresholds[:, None, None], axis=(1, 2))
    shares = [
        float(error) / math.sqrt((area + error) * pixels) if error else 0.0
        for error, area in zip(wrong, areas, strict=True)
    ]
    return round(max(shares), 6)


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
