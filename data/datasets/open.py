"""Open a data set in either layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from .records import Dataset


def open_dataset(
    root: Path | str,
    *,
    classes: Sequence[str] | None = None,
    findings: Sequence[str] | None = None,
    masks: str | None = None,
    annotations: Sequence[Path | str] = (),
) -> Dataset:
    """Open a folder in the index.csv or the NIH layout; no image is read or copied.

    Parameters
    ----------
    root : Path or str
        The data set's folder.
    classes : sequence of str, optional
        What to segment. index.csv: names of `mask_<class>` or `polygons_<class>` columns (required if there
        are several). NIH: `lesion` (the default: the union of `findings`) or names of findings, each a class
        of its own. With `masks`: names of annotated classes (by default the only one; `opacity` of
        ChestX-Det, `lesion` of a table of run lengths).
    findings : sequence of str, optional
        NIH only: the findings whose boxes form the class `lesion`; all eight by default.
    masks : str, optional
        The format of annotation files (an `AnnotationFormat`) whose masks are used in place of those of the
        layout; the layout then only lists images and patients.
    annotations : sequence of Path or str
        Those files. By default `ChestX_Det_train.json` and `ChestX_Det_test.json` (`.gz` too) or the folder
        `segmentations` in the data set; COCO and run lengths have no default.

    Raises
    ------
    InputError
        If the folder, a table, a column or a required image is missing, or an annotation file cannot be used.
    MissingExtraError
        If masks are in DICOM Segmentations and pydicom is not installed.
    """
    from .index import INDEX, open_index
    from .nih import open_nih
    from .nih_layout import BOXES, HOW_TO_GET

    folder = Path(root)
    if masks is not None:
        return _open_annotated(folder, masks, annotations, classes=classes, findings=findings)
    if annotations:
        raise InputError(f"{annotations[0]}: annotations of which format? give masks (--masks) too")
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


def _open_annotated(
    folder: Path,
    masks: str,
    annotations: Sequence[Path | str],
    *,
    classes: Sequence[str] | None,
    findings: Sequence[str] | None,
) -> Dataset:
    from .annotations.open import open_annotated
    from .annotations.records import AnnotationFormat

    if masks not in set(AnnotationFormat):
        raise InputError(f"masks can be {', '.join(AnnotationFormat)}; got {masks!r}")
    if findings:
        raise InputError(f"{folder}: findings select boxes of the NIH layout only; select classes here")
    return open_annotated(
        folder, AnnotationFormat(masks), [Path(path) for path in annotations], classes=classes
    )
