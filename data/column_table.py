"""Every column of every table, once: its name, type, number format, unit, aliases and description.

Headers, number formats, Parquet types, plot labels, the families of columns that measure the same mask, the
older names and the tables in `docs/outputs.md` are derived from `COLUMNS` (`columns.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isnan

CLASS = "{class}"
"""Stands for the name of a class in the name of a column that each class has."""

IN_TRAINING = "in_training"
"""The column that only models with a fingerprint of their training images have."""

UNCERTAINTY, UNCERTAINTY_FLIP = "uncertainty", "uncertainty_flip"
"""The columns of how uncertain a model is of its mask."""

DEFAULT_CLASS = "lesion"
"""The class of the older column names that name none, such as `mean_area`."""


class Table(StrEnum):
    """The tables whose columns have a line here."""

    FEATURES = "features"
    """One row per image."""
    COMPONENTS = "components"
    """One row per connected component."""
    FAILURES = "failures"
    """One row per file that failed."""
    MASKS = "masks"
    """One row per image and class."""
    CLINICAL = "clinical"
    """Columns of clinical tables that have a unit."""

    @property
    def file(self) -> str:
        """The name of the CSV file."""
        return f"{self}.csv"


class Kind(StrEnum):
    """The type of a column's values."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    table : Table
    name : str
        With `CLASS` in it, each class of the model has such a column.
    kind : Kind
        The type; also the one in Parquet: string, int64 or float64.
    description : str
        One line of Markdown.
    unit : str
        For labels; empty if there is none.
    number_format : str
        How numbers are written in CSV, in printf style; empty for text.
    size_of : str
        The class whose mask the column measures the size of; empty if it measures none.
    aliases : tuple of str
        Older names and those of the demo. One without `CLASS` is the name for the class `lesion`.
    on_request : bool
        Whether only a table that was asked for it has the column.
    in_lungs : bool
        Whether only classes that are no lungs have the column, and only of a model with a lung class.
    """

    table: Table
    name: str
    kind: Kind
    description: str
    unit: str = ""
    number_format: str = ""
    size_of: str = ""
    aliases: tuple[str, ...] = ()
    on_request: bool = False
    in_lungs: bool = False

    def of_class(self, class_name: str) -> str:
        """Return the column's name for a class."""
        return self.name.replace(CLASS, class_name)

    def format(self, value: float) -> str:
        """Write a number as a cell: empty for NaN, and never a negative zero."""
        if isnan(value):
            return ""
        text = self.number_format % value
        return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def _text(
    table: Table, name: str, description: str, *, aliases: tuple[str, ...] = (), on_request: bool = False
) -> Column:
    return Column(table, name, Kind.TEXT, description, aliases=aliases, on_request=on_request)


def _integer(
    table: Table,
    name: str,
    description: str,
    *,
    unit: str = "",
    size_of: str = "",
    aliases: tuple[str, ...] = (),
) -> Column:
    return Column(table, name, Kind.INTEGER, description, unit, "%d", size_of, aliases)


def _float(
    table: Table,
    name: str,
    description: str,
    *,
    unit: str = "",
    digits: str = "%.6f",
    size_of: str = "",
    aliases: tuple[str, ...] = (),
    in_lungs: bool = False,
) -> Column:
    return Column(table, name, Kind.FLOAT, description, unit, digits, size_of, aliases, in_lungs=in_lungs)


def _share(name: str, description: str) -> Column:
    """Return the share of a class's pixels inside the lungs that lies in a zone of them."""
    return _float(
        Table.FEATURES,
        f"{CLASS}_{name}_share",
        f"of its pixels inside the lungs, the share in {description}; empty without any",
        unit="share of the class",
        in_lungs=True,
    )


_F, _C, _M = Table.FEATURES, Table.COMPONENTS, Table.MASKS

COLUMNS: tuple[Column, ...] = (
    _text(
        _F,
        "image",
        "path relative to FOLDER; identifies the image in every table",
        aliases=("ImageIndex",),
    ),
    _text(
        _F,
        "patient_id",
        "from the file name in an NIH set (`00000001_000.png` is patient 1) or by `--patient-from`; otherwise"
        " from the header of a DICOM file, with `--salt` only; with `--salt` a keyed hash",
    ),
    _integer(_F, "width", "width of the image", unit="pixels"),
    _integer(_F, "height", "height of the image", unit="pixels"),
    _text(
        _F,
        "spacing_mm",
        "distance between pixel centers in mm; `vertical\\horizontal` if the two differ; empty if unknown",
    ),
    _text(
        _F,
        "gray_from",
        "what the gray values were computed from: `stored`, `voi lut`, `window`, `window 2`, `stated range`,"
        " `full range`, `significant bits` or `range in use`; see docs/dicom.md",
    ),
    _text(
        _F,
        "plausible",
        "whether it can be an upright frontal chest radiograph: `yes`, `doubtful`, `no` or `not assessed`",
    ),
    _text(_F, "plausible_why", "why it is `doubtful` or `no`"),
    _float(
        _F,
        UNCERTAINTY,
        "how uncertain the model is of its mask of the lungs, or of all classes if it has no lung class: from"
        " 0, certain, to 1",
    ),
    Column(
        _F,
        UNCERTAINTY_FLIP,
        Kind.FLOAT,
        "with `--uncertainty flip`: 1 - Dice of that mask and the mask of the mirrored image",
        number_format="%.6f",
        on_request=True,
    ),
    _text(_F, "view", "with `--dicom-columns view`: ViewPosition", on_request=True),
    _text(_F, "sex", "with `--dicom-columns sex`: PatientSex", on_request=True),
    Column(
        _F,
        "age",
        Kind.FLOAT,
        "with `--dicom-columns age`: PatientAge",
        unit="years",
        number_format="%.6g",
        on_request=True,
    ),
    _text(
        _F,
        "device",
        "with `--dicom-columns device`: Manufacturer and ManufacturerModelName",
        on_request=True,
    ),
    _text(
        _F,
        "study",
        "with `--dicom-columns study`: keyed hash of StudyInstanceUID",
        on_request=True,
    ),
    _text(
        _F,
        "accession",
        "with `--dicom-columns accession`: keyed hash of AccessionNumber",
        on_request=True,
    ),
    _float(
        _F,
        f"{CLASS}_ratio",
        "pixels of the class / pixels of the image",
        unit="share of the image",
        digits="%.9g",
        size_of=CLASS,
        aliases=("LesionRatio",),
    ),
    _integer(
        _F,
        f"{CLASS}_count",
        "number of connected components (8-connectivity)",
        unit="components",
        size_of=CLASS,
        aliases=("num_lesions", "NumLesions"),
    ),
    _float(
        _F,
        f"{CLASS}_mean_area",
        "mean area of the components; empty if there is none",
        unit="pixels",
        size_of=CLASS,
        aliases=("mean_area", "MeanArea"),
    ),
    _float(
        _F,
        f"{CLASS}_mean_centroid_dist",
        "mean distance of the components' centroids from the center of the image; empty if there is none",
        unit="pixels",
        aliases=("mean_centroid_dist", "MeanCentroidDist"),
    ),
    _integer(
        _F,
        f"{CLASS}_total_area",
        "area of all components",
        unit="pixels",
        size_of=CLASS,
        aliases=("total_area", f"{CLASS}_area"),
    ),
    _integer(
        _F,
        f"{CLASS}_max_area",
        "area of the largest component; empty if there is none",
        unit="pixels",
        size_of=CLASS,
        aliases=("max_area",),
    ),
    _float(
        _F,
        f"{CLASS}_total_area_mm2",
        "area of all components in mm²; empty if the spacing is unknown",
        unit="mm²",
        size_of=CLASS,
        aliases=("total_area_mm2",),
    ),
    _float(
        _F,
        f"{CLASS}_mean_probability",
        "mean probability of the class over its pixels; empty if there is none",
        aliases=("mean_probability",),
    ),
    _float(
        _F,
        f"{CLASS}_max_probability",
        "highest probability of the class over its pixels; empty if there is none",
        aliases=("max_probability",),
    ),
    _float(
        _F,
        f"{CLASS}_lung_ratio",
        "pixels of the class inside the lungs / pixels of the lungs, of classes that are no lungs; empty"
        " without lungs",
        unit="share of the lungs",
        digits="%.9g",
        size_of=CLASS,
        in_lungs=True,
    ),
    _share("upper", "the upper third of its lung"),
    _share("middle", "the middle third"),
    _share("lower", "the lower third"),
    _share("peripheral", "the lateral half of its lung, row by row"),
    _integer(
        _F,
        IN_TRAINING,
        "1 if the image was in the data set that the model was trained and validated on, by the fingerprint"
        " in its model card, otherwise 0; only if the card has one; about 1 % of other images get a 1 too",
    ),
    _text(_C, "image", "path relative to FOLDER"),
    _integer(_C, "label", "number of the component within its class, from 1, in raster order"),
    _text(_C, "class", "name of the class"),
    _integer(_C, "area", "number of pixels", unit="pixels"),
    _integer(_C, "bbox_0", "bounding box: first row", unit="pixels"),
    _integer(_C, "bbox_1", "bounding box: first column", unit="pixels"),
    _integer(_C, "bbox_2", "bounding box: row after the last", unit="pixels"),
    _integer(_C, "bbox_3", "bounding box: column after the last", unit="pixels"),
    _float(_C, "centroid_0", "row of the centroid", unit="pixels"),
    _float(_C, "centroid_1", "column of the centroid", unit="pixels"),
    _float(_C, "perimeter", "length of the border", unit="pixels"),
    _float(_C, "eccentricity", "of the ellipse with the same second moments: 0 is a circle"),
    _float(
        _C,
        "orientation",
        "angle between the first axis (rows) and the ellipse's major axis, from -pi/2 to pi/2",
        unit="radians",
    ),
    _float(_C, "axis_major_length", "major axis of that ellipse", unit="pixels"),
    _float(_C, "axis_minor_length", "minor axis of that ellipse", unit="pixels"),
    _float(_C, "extent", "area / area of the bounding box"),
    _float(_C, "mean_probability", "mean probability of the class over the component"),
    _float(_C, "max_probability", "highest probability of the class over the component"),
    _integer(_C, "touches_border", "1 if the bounding box reaches the edge of the image, otherwise 0"),
    _text(Table.FAILURES, "path", "path relative to FOLDER"),
    _text(Table.FAILURES, "stage", "list, decode, prepare, model, measure or write"),
    _text(Table.FAILURES, "error", "the cause, on one line"),
    _text(_M, "image", "path relative to FOLDER"),
    _text(_M, "class", "name of the class"),
    _integer(_M, "height", "height of the mask", unit="pixels"),
    _integer(_M, "width", "width of the mask", unit="pixels"),
    _text(_M, "rle", "COCO's compressed run-length encoding; read the column as text"),
    _float(Table.CLINICAL, "age", "age of the patient", unit="years"),
)
