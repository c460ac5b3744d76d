"""Open a data set in either layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from .records import Dataset


def open_dataset(
    root: Path | str, *, classes: Sequence[str] | None = None, findings: Sequence[str] | None = None
) -> Dataset:
    """Open a folder in the index.csv or the NIH layout; no image is read or copied.

    Parameters
    ----------
    root : Path or str
        The data set's folder.
    classes : sequence of str, optional
        What to segment. index.csv: names of `mask_<class>` columns (required if there are several).
        NIH: `lesion` (the default: the union of `findings`) or names of findings, each a class of its own.
    findings : sequence of str, optional
        NIH only: the findings whose boxes form the class `lesion`; all eight by default.

    Raises
    ------
    InputError
        If the folder, a table, a column or a required image is missing.
    """
    from .index import INDEX, open_index
    from .nih import open_nih
    from .nih_files import BOXES, HOW_TO_GET

    folder = Path(root)
    if (folder / INDEX).is_file():
        return open_index(folder, classes=classes, findings=findings)
    if (folder / BOXES).is_file():
        return open_nih(folder, classes=classes, findings=findings)
    if not folder.is_dir():
        raise InputError(f"{folder}: this folder does not exist; {HOW_TO_GET}")
    raise InputError(
        f"{folder}: this folder contains neither {INDEX} nor {BOXES}; write an {INDEX} with the columns "
        f"image, patient_id and mask_<class> (paths of mask files), or {HOW_TO_GET}"
    )
