"""Recognize images whose gray values alone show that they are no radiographs: masks and drawings."""

from __future__ import annotations

import numpy as np

from ...data.image import Gray

_STEP = 3  # every ninth pixel is enough
_FEWEST_GRAYS = 8
_MOST_EXTREME = 0.97


def odd_pixels(pixels: Gray) -> str:
    """Say why the gray values cannot be those of a radiograph; "" where they can.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)

    Examples
    --------
    >>> odd_pixels(np.zeros((64, 64), np.uint8))
    'one gray value'
    """
    counts = np.bincount(pixels[::_STEP, ::_STEP].ravel(), minlength=256)
    grays = np.flatnonzero(counts)
    if len(grays) == 1:
        return "one gray value"
    if len(grays) < _FEWEST_GRAYS:
        return f"a mask or a drawing: {len(grays)} gray values"
    two_most_common = np.sort(counts)[-2:].sum()
    if two_most_common > _MOST_EXTREME * counts.sum():
        return "a mask or a drawing: two gray values fill nearly all of it"
    return ""
