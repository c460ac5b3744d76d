"""Find and measure the connected components of a mask, equal to scikit-image and far faster.

mask -> runs (`runs`) -> components (`labels`, `components`) -> sums (`moments`, `perimeter`, `intensity`)
-> fields (`shape`, `fields`); `measurement` runs them in order.
"""

from __future__ import annotations

import numpy.typing as npt

from .fields import COMPONENT_DTYPE, ComponentArray

__all__ = ["COMPONENT_DTYPE", "measure"]


def measure(
    mask: npt.ArrayLike,
    probability: npt.ArrayLike | None = None,
    *,
    min_area: int = 0,
    connectivity: int = 8,
) -> ComponentArray:
    """Find the connected components of a mask and measure each.

    The first call in a process loads numba; the first call on a machine also compiles for a few seconds, and
    the machine code is cached on disk. Threads may call this function concurrently: it releases the GIL.

    Parameters
    ----------
    mask : array_like of bool or integers, shape (height, width)
        Nonzero is foreground. Whatever `np.asarray` accepts: arrays, memory maps, lists, PIL images.
        C-contiguous bool and uint8 arrays are read without a copy.
    probability : array_like of float32, shape (height, width), optional
        Values whose mean and maximum over each component are reported.
    min_area : int
        Components of fewer pixels are left out; the others are numbered from 1 without gaps.
    connectivity : int
        8 (pixels that share a side or a corner are connected) or 4 (only a side).

    Returns
    -------
    structured ndarray of COMPONENT_DTYPE, shape (components,)
        In raster order of the components' first pixels, numbered as by skimage.measure.label. Lengths are in
        pixels; the bounding box is half open; `orientation` is the angle of an axis in radians, -pi/4 where
        both axes have the same length. `mean_probability` and `max_probability` are NaN without
        `probability`. `touches_border` is whether the bounding box reaches the edge of the mask.

    Raises
    ------
    InputError
        If mask or probability has an unsupported type or shape, or more than 40,000 pixels on a side.
    """
    # numba is heavy: commands that only print their help never load it.
    from .measurement import measure_mask

    return measure_mask(mask, probability, min_area, connectivity)
