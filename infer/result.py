"""What a model finds on one radiograph: masks, probability maps, components and features at its own size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from ..data.column_table import UNCERTAINTY_FLIP, Kind, Table
from ..data.columns import find_column
from ..data.csv_files import csv_line, read_csv_line
from ..data.image import Gray
from ..errors import DecodeError, OutputError
from ..machine.files import make_folder, write_text
from ..models.card import ModelCard
from ..models.checks.assessment import Assessment
from ..models.preprocess import Placement, Probability, restore_size
from .features.fields import COMPONENT_DTYPE, ComponentArray
from .image_features import ImageMeasurement, feature_columns
from .outputs.overlays import draw_overlay
from .outputs.png_files import write_mask, write_png
from .outputs.tables import COMPONENT_COLUMNS, COMPONENTS, FEATURES, component_lines, feature_line
from .records import Failure

Cell = str | int | float


@dataclass(frozen=True)
class Found:
    """What a `Result` is made of: the image, the model's output, and what was measured on it."""

    pixels: Gray
    spacing_mm: tuple[float, float] | None
    gray_from: str
    assessment: Assessment
    patient_id: str
    output: Probability
    placement: Placement
    measurement: ImageMeasurement


@dataclass(frozen=True, eq=False)
class Result:
    """One radiograph, measured.

    Attributes
    ----------
    name : str
        The image's name: the column `image` of the tables.
    card : ModelCard
        Of the model that measured it.
    failure : Failure or None
        The stage and the cause, where the image could not be measured; every other attribute then raises
        `DecodeError` with that cause.
    """

    name: str
    card: ModelCard = field(repr=False)
    failure: Failure | None = None
    _found: Found | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the image was measured."""
        return self.failure is None

    @property
    def pixels(self) -> Gray:
        """The decoded image, uint8 of shape (height, width)."""
        return self._measured.pixels

    @cached_property
    def masks(self) -> Mapping[str, npt.NDArray[np.bool_]]:
        """The mask of each class, bool of shape (height, width)."""
        masks = self._measured.measurement.masks
        return MappingProxyType({name: mask.view(np.bool_) for name, mask in masks.items()})

    @cached_property
    def probabilities(self) -> Mapping[str, Probability]:
        """The probability map of each class, float32 of shape (height, width)."""
        found = self._measured
        maps = zip(self.card.classes, found.output, strict=True)
        return MappingProxyType({name: restore_size(one, found.placement) for name, one in maps})

    @cached_property
    def components(self) -> ComponentArray:
        """The connected components: a structured array of the fields of `components.csv` but `image`."""
        rows = self._measured.measurement.components
        names = ["class", *(COMPONENT_DTYPE.names or ())]
        longest = max(map(len, self.card.classes))
        kinds = [f"U{longest}", *(COMPONENT_DTYPE[name] for name in names[1:])]
        ordered = [name for name in COMPONENT_COLUMNS if name in names]
        dtype = np.dtype([(name, kinds[names.index(name)]) for name in ordered])
        return np.array([tuple(row) for row in rows], dtype)

    @cached_property
    def features(self) -> Mapping[str, Cell]:
        """The row of `features.csv`: its columns and values, rounded as they are there; NaN where empty."""
        columns = self._columns
        cells = read_csv_line(self._feature_line)
        return MappingProxyType({name: _value(name, cell) for name, cell in zip(columns, cells, strict=True)})

    def overlay(self) -> Gray:
        """Draw the image with the outline of each class, uint8 RGB of shape (height, width, 3)."""
        found = self._measured
        drawn = draw_overlay(found.pixels, found.measurement.masks)
        return np.asarray(cv2.cvtColor(drawn, cv2.COLOR_BGR2RGB), np.uint8)

    def save(self, out: Path | str, *, overwrite: bool = False) -> Path:
        """Write the masks, the overlay and the two tables of this image.

        Parameters
        ----------
        out : Path or str
            A folder, created if it is missing; the files go to a folder in it that bears the image's name.
        overwrite : bool
            Replace files of the same names.

        Returns
        -------
        Path
            The image's folder: `features.csv`, `components.csv`, `overlay.png`, one `<class>.png` per class.

        Raises
        ------
        OutputError
            If a file cannot be written, or exists and `overwrite` is false.
        """
        found = self._measured
        folder = Path(out) / self.name
        masks = {folder / f"{name}.png": mask for name, mask in found.measurement.masks.items()}
        overlay = folder / "overlay.png"
        tables = {
            folder / FEATURES: (self._columns, self._feature_line),
            folder / COMPONENTS: (COMPONENT_COLUMNS, component_lines(self.name, found.measurement)),
        }
        for path in (*masks, overlay, *tables):
            if path.exists() and not overwrite:
                raise OutputError(f"{path}: exists already; choose another folder, or give overwrite=True")
        make_folder(folder)
        for path, mask in masks.items():
            write_mask(path, mask)
        write_png(overlay, draw_overlay(found.pixels, found.measurement.masks))
        for path, (columns, rows) in tables.items():
            write_text(path, csv_line(columns) + rows)
        return folder

    @property
    def _measured(self) -> Found:
        if self._found is None:
            cause = f"{self.failure.stage}: {self.failure.error}" if self.failure else "not measured"
            raise DecodeError(f"{self.name}: {cause}")
        return self._found

    @property
    def _columns(self) -> tuple[str, ...]:
        mirrored = self._measured.assessment.mirror_uncertainty is not None
        return feature_columns(self.card, [UNCERTAINTY_FLIP] if mirrored else [])

    @cached_property
    def _feature_line(self) -> str:
        found = self._measured
        size = (found.placement.width, found.placement.height)
        features = found.measurement.features
        return feature_line(
            self.name,
            found.patient_id,
            size,
            found.spacing_mm,
            found.gray_from,
            features,
            assessment=found.assessment,
        )

    def __repr__(self) -> str:
        if self.failure is not None:
            return f"Result({self.name!r}, failed at {self.failure.stage}: {self.failure.error})"
        found = self._measured
        counts = ", ".join(f"{name} {self.features[f'{name}_ratio']:.3f}" for name in self.card.classes)
        return f"Result({self.name!r}, {found.placement.width} x {found.placement.height} pixels, {counts})"

    def _repr_png_(self) -> bytes | None:
        """Show the overlay in a notebook."""
        if not self.ok:
            return None
        encoded, data = cv2.imencode(".png", draw_overlay(self.pixels, self._measured.measurement.masks))
        return data.tobytes() if encoded else None


def _value(name: str, cell: str) -> Cell:
    """Return a cell of `features.csv` as a value of the column's type."""
    found = find_column(Table.FEATURES, name)
    assert found is not None, name
    kind = found[0].kind
    if kind is Kind.TEXT:
        return cell
    if not cell:
        return float("nan")
    return int(cell) if kind is Kind.INTEGER else float(cell)
