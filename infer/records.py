"""The records of a run: its settings, its image files, and the rows or the failure of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..data.column_table import UNCERTAINTY_FLIP
from ..data.datasets.patient_names import PatientNames
from ..data.decode.options import DecodeOptions
from ..errors import InputError


@dataclass(frozen=True)
class Settings:
    """How a run measures each image; neither its model nor the format of its masks is part of it.

    Attributes
    ----------
    out : Path
        The output folder.
    threshold : float or None
        For every class, in place of the card's thresholds.
    min_area : int
        Components of fewer pixels are dropped.
    overlays : bool
        Whether the images are written with the outlines of the masks.
    decoding : DecodeOptions
        How image files are read.
    patients : PatientNames
        How the name of a file tells its patient.
    skip_implausible : bool
        Whether an image that is not plausible is a failure instead of a row.
    mirror : bool
        Whether the mirrored images are predicted too, for `uncertainty_flip`.
    """

    out: Path
    threshold: float | None = None
    min_area: int = 0
    overlays: bool = False
    decoding: DecodeOptions = field(default_factory=DecodeOptions)
    patients: PatientNames = field(default_factory=PatientNames)
    skip_implausible: bool = False
    mirror: bool = False

    @property
    def requested_columns(self) -> tuple[str, ...]:
        """The columns of `features.csv` that only a run has which was asked for them."""
        return (*([UNCERTAINTY_FLIP] if self.mirror else []), *self.decoding.dicom_columns)


FLIP = "flip"
"""The setting `uncertainty` that predicts the mirrored images too."""


def check_uncertainty(uncertainty: str | None) -> None:
    """Check the setting `uncertainty`.

    Raises
    ------
    InputError
        If it is neither None nor "flip".
    """
    if uncertainty not in (None, FLIP):
        raise InputError(f"uncertainty can be {FLIP}; got {uncertainty!r}")


class Stage(StrEnum):
    """The stages that an image goes through, as `failures.csv` and `run.json` name them."""

    LIST = "list"
    DECODE = "decode"
    PREPARE = "prepare"
    MODEL = "model"
    MEASURE = "measure"
    ASSESS = "assess"
    WRITE = "write"


@dataclass(frozen=True)
class ImageFile:
    """One image file.

    Attributes
    ----------
    key : str
        Its path relative to the input folder, with forward slashes.
    path : Path
    size : int or None
        Bytes of the file when the folder was listed; None if unknown.
    modified_ns : int or None
        When it was last modified, in nanoseconds since 1970; None if unknown.
    """

    key: str
    path: Path
    size: int | None = field(default=None, compare=False)
    modified_ns: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Failure:
    """An image or folder that gives no row: its key, the stage at which it failed, and the cause."""

    key: str
    stage: Stage
    error: str


@dataclass(frozen=True)
class ImageRows:
    """One image's rows: the text to append to each table, by the table's file name."""

    key: str
    text: Mapping[str, str]


Outcome = ImageRows | Failure
"""The result for one image."""
