"""The record of a component, with the field names of components.csv and scikit-image's regionprops."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

ComponentArray = npt.NDArray[Any]
"""Records of `COMPONENT_DTYPE`, shape (components,)."""

COMPONENT_DTYPE = np.dtype(
    [
        ("label", np.int64),
        ("area", np.int64),
        ("bbox_0", np.int64),
        ("bbox_1", np.int64),
        ("bbox_2", np.int64),
        ("bbox_3", np.int64),
        ("centroid_0", np.float64),
        ("centroid_1", np.float64),
        ("perimeter", np.float64),
        ("eccentricity", np.float64),
        ("orientation", np.float64),
        ("axis_major_length", np.float64),
        ("axis_minor_length", np.float64),
        ("extent", np.float64),
        ("mean_probability", np.float64),
        ("max_probability", np.float64),
        ("touches_border", np.bool_),
    ],
    align=True,
)
