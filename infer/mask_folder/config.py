"""What measuring a folder of masks is asked to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ...data.datasets.patient_names import PatientNames
from ...data.decode.options import MAX_PIXELS, DecodeOptions
from ...data.pseudonym import salt_key
from ...errors import InputError
from ...machine.limits import MAX_PIXELS as MOST_PIXELS
from ...machine.limits import MAX_THREADS, check_range

LUNG = "lung"


@dataclass(frozen=True)
class MeasureConfig:
    """The settings of `measure_folder`.

    Attributes
    ----------
    images : Path, str or None
        The folder of the images: for their names, sizes, pixel spacing and patients.
    class_name : str or None
        The class of all masks; None: the name of their folder, without `masks_`.
    values : mapping of int to str, or None
        The classes of the values of label images, such as `{1: "lung", 2: "lesion"}`.
    lung_classes : sequence of str
        The classes that are lungs, for the columns of the lungs.
    out : Path or str
        The output folder, created if it is missing.
    min_area : int
        Components of fewer pixels are dropped.
    threads : int or None
        None: one per core that this process may use.
    parquet : bool
        Write the tables as Parquet too.
    overwrite : bool
        Replace the results of another run in `out`.
    strict : bool
        Stop at the first file that fails, instead of recording it in `failures.csv`.
    salt : str or None
        A secret that turns patients into keyed hashes in `patient_id`, whether a DICOM image or a file name
        states them. Without it that column is empty for DICOM.
    patient_from : str or None
        As in `InferConfig`: how the name of a file tells its patient.
    max_pixels : int
        A larger mask or image is rejected by its header, before memory is allocated.
    """

    images: Path | str | None = None
    class_name: str | None = None
    values: Mapping[int, str] | None = None
    lung_classes: Sequence[str] = (LUNG,)
    out: Path | str = "."
    min_area: int = 0
    threads: int | None = None
    parquet: bool = False
    overwrite: bool = False
    strict: bool = False
    salt: str | None = field(default=None, repr=False)
    patient_from: str | None = None
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        InputError
            Naming the setting and the value.
        """
        check_range("min_area", self.min_area, 0, MOST_PIXELS)
        check_range("threads", self.threads, 1, MAX_THREADS)
        check_range("max_pixels", self.max_pixels, 1, MOST_PIXELS)
        if self.class_name is not None and self.values is not None:
            raise InputError("give either class_name or values: a label image names several classes")
        if self.values is not None and (not self.values or min(self.values) < 1):
            raise InputError(f"values must name values from 1 on (0 is the background), got {self.values}")
        PatientNames(self.patient_from, salt_key(self.salt))  # checks both
        named = [self.class_name] if self.class_name is not None else []
        for name in (*named, *(self.values or {}).values(), *self.lung_classes):
            check_class_name(name)

    @property
    def decoding(self) -> DecodeOptions:
        """How masks and images are read."""
        return DecodeOptions(self.max_pixels, salt=salt_key(self.salt))

    @property
    def patients(self) -> PatientNames:
        """How patients are read from names."""
        return PatientNames(self.patient_from, salt_key(self.salt))

    def record(self) -> dict[str, Any]:
        """Return the settings as `run.json` records them: without the salt, which is a secret."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "salt"}
        plain = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
        return plain | {"values": labels_record(self.values), "lung_classes": list(self.lung_classes)}


def labels_record(values: Mapping[int, str] | None) -> dict[str, str] | None:
    """Return the classes of label values with the keys that JSON has: texts."""
    return None if values is None else {str(value): name for value, name in sorted(values.items())}


def check_class_name(name: str) -> None:
    """Check the name of a class, which becomes part of column names.

    Raises
    ------
    InputError
        If it is empty, or holds a control character or blanks at its start or end.
    """
    if not name or name != name.strip() or not name.isprintable():
        raise InputError(f"{name!r} cannot be the name of a class; give another name")
