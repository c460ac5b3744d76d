"""The formats in which a run can write masks, and what each of them implements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ...data.image import Gray
    from ..records import ImageFile

MASKS = "masks"
"""The folder of the formats that write files."""


class MaskFormat(StrEnum):
    """The formats in which masks can be written."""

    PNG = "png"
    """One file per image and class, one bit per pixel."""
    RLE = "rle"
    """One row per image and class in `masks.csv`."""
    DICOM_SEG = "dicom-seg"
    """One DICOM Segmentation object per image, which belongs to the image's study."""


class MaskSink(Protocol):
    """Writes the masks of a run in one format: as files, or as rows of a table.

    Attributes
    ----------
    format : MaskFormat or None
        None: masks are not written.
    tables : mapping of str to sequence of str
        The columns of each table that `rows` fills, by its file name.
    outputs : tuple of str
        The names of the files and folders in the output folder.
    """

    @property
    def format(self) -> MaskFormat | None:
        """See the class."""

    @property
    def tables(self) -> Mapping[str, Sequence[str]]:
        """See the class."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """See the class."""

    def check(self, out: Path, keys: Iterable[str]) -> None:
        """Check before a run that the masks of these images can be written to `out`.

        Raises
        ------
        CxrError
            Naming the cause and the remedy.
        """

    def write(self, out: Path, image: ImageFile, masks: Mapping[str, Gray]) -> None:
        """Write the files of one image.

        Parameters
        ----------
        out : Path
            The output folder.
        image : ImageFile
            The image that the masks belong to.
        masks : mapping of str to ndarray of uint8, shape (height, width), 0 or 1
            By class, at the image's own size.

        Raises
        ------
        InputError
            If the image cannot have masks in this format.
        OutputError
            If a file cannot be written.
        """

    def rows(self, key: str, masks: Mapping[str, Gray]) -> Mapping[str, str]:
        """Return the rows of one image: the text to append to each table, by its file name."""


@dataclass(frozen=True)
class NoMasks:
    """The sink of a run that writes no masks."""

    format: MaskFormat | None = None
    tables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    def check(self, out: Path, keys: Iterable[str]) -> None:
        """Accept any image."""

    def write(self, out: Path, image: ImageFile, masks: Mapping[str, Gray]) -> None:
        """Write nothing."""

    def rows(self, key: str, masks: Mapping[str, Gray]) -> Mapping[str, str]:
        """Return no rows."""
        return {}
