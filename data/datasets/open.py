"""Open a data set, whatever its layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from .records import Dataset


def open_dataset(
    root: Path | str, *, classes: Sequence[str] | None = None, findings: Sequence[str] | None = None
) -> Dataset:
    """Open a folder in the index.csv layout or in the NIH layout; no image is read or copied.

    Parameters
    ----------
    root : Path or str
        The data set's folder.
    classes : sequence of str, optional
        What to segment. index.csv: names of `mask_<class>` columns (needed where there are several).
        NIH: `lesion` (the default: the union of `findings`) or names of findings, a class each.
    findings : sequence of str, optional
        NIH only: the findings whose boxes make the class `lesion`; all eight by default.

    Raises
    ------
    InputError
        If the folder, a table, a column or an image that is needed is not there.
    """
    from .index import INDEX, open_index
    from .nih import open_nih
    from .nih_files import BOXES, MISSING

    folder = Path(root)
    if (folder / INDEX).is_file():
        return open_index(folder, classes=classes, findings=findings)
    if (folder / BOXES).is_file():
        return open_nih(folder, classes=classes, findings=findings)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; {MISSING}")
    raise InputError(f"{folder}: neither {INDEX} nor {BOXES} is in this folder; {MISSING}")
