"""The columns of the tables: names, types, units, families and aliases."""

from __future__ import annotations

import re

# Columns that all measure lesion size: one of them as a feature gives away another as a target.
SIZE_FAMILY = (
    "lesion_ratio",
    "num_lesions",
    "mean_area",
    "total_area",
    "max_area",
    "total_area_mm2",
    "lesion_lung_ratio",
)

UNITS = {
    "lesion_ratio": "share of the image",
    "lesion_lung_ratio": "share of the lungs",
    "total_area": "pixels",
    "max_area": "pixels",
    "mean_area": "pixels",
    "mean_centroid_dist": "pixels",
    "total_area_mm2": "mm²",
    "num_lesions": "lesions",
    "age": "years",
}


def with_unit(column: str) -> str:
    """Return a column's name followed by its unit, if that is known.

    Examples
    --------
    >>> with_unit("mean_area")
    'mean_area (pixels)'
    """
    return f"{column} ({UNITS[column]})" if column in UNITS else column


# The demo's column names.
ALIASES = {
    "ImageIndex": "image",
    "LesionRatio": "lesion_ratio",
    "NumLesions": "num_lesions",
    "MeanArea": "mean_area",
    "MeanCentroidDist": "mean_centroid_dist",
}

TEXT_COLUMNS = frozenset({"image", "patient_id", "spacing_mm", "class", "path", "stage", "error", "rle"})

INTEGER_COLUMNS = re.compile(r"width|height|label|bbox_\d|num_lesions|touches_border|area|(?!mean_).*_area")

COMPONENT_FIELDS = (
    "area",
    "bbox_0",
    "bbox_1",
    "bbox_2",
    "bbox_3",
    "centroid_0",
    "centroid_1",
    "perimeter",
    "eccentricity",
    "orientation",
    "axis_major_length",
    "axis_minor_length",
    "extent",
    "mean_probability",
    "max_probability",
    "touches_border",
)

COMPONENT_COLUMNS = ("image", "label", "class", *COMPONENT_FIELDS)

IMAGE_COLUMNS = ("image", "patient_id", "width", "height", "spacing_mm")

TARGET_COLUMNS = (
    "lesion_ratio",
    "num_lesions",
    "mean_area",
    "mean_centroid_dist",
    "total_area",
    "max_area",
    "total_area_mm2",
    "mean_probability",
    "max_probability",
)
