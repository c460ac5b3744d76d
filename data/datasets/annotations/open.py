"""Open a data set whose ground truth is in files of its own: images listed by layout, truth by format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ....errors import InputError
from ..class_names import class_name_of
from ..index import INDEX, list_index
from ..nih import list_nih
from ..nih_layout import ENTRIES, LESION, find_entries
from ..records import Dataset, Record
from ..shapes import RunForm
from .chestx_det import DEFAULT, find_chestx_det, read_chestx_det
from .coco import read_coco
from .dicom_seg import DEFAULT_FOLDER, read_segmentations
from .records import AnnotationFormat, Annotations, Truths
from .rle_table import read_rle_table

_FORMS = {
    AnnotationFormat.RLE: None,
    AnnotationFormat.RLE_KAGGLE: RunForm.KAGGLE,
    AnnotationFormat.RLE_SIIM: RunForm.SIIM,
}


def open_annotated(
    root: Path, form: AnnotationFormat, files: Sequence[Path], *, classes: Sequence[str] | None = None
) -> Dataset:
    """Open a folder whose masks are in annotation files; see `open_dataset`."""
    listed = _list_images(root)
    annotations = _read(root, form, files, listed.records, classes)
    chosen = _choose(annotations, classes, DEFAULT if form is AnnotationFormat.CHESTX_DET else None)
    matched, notes = (
        (annotations.images, ())  # by the images that they refer to
        if form is AnnotationFormat.DICOM_SEG
        else _match(listed.records, annotations)
    )
    records = tuple(
        replace(record, masks={name: matched[record.key].get(name) for name in chosen})
        for record in listed.records
        if record.key in matched
    )
    records = tuple(record for record in records if record.has_truth(chosen))
    if not records:
        raise InputError(
            f"{annotations.source}: none of its {len(annotations.images)} images is in {root}"
            if not matched
            else f"{annotations.source}: no image in {root} was annotated for {', '.join(chosen)}"
        )
    if skipped := len(listed.records) - len(records):
        notes += (f"{skipped} images without annotations of {', '.join(chosen)} are skipped",)
    notes += tuple(
        f"no image shows {name}" for name in chosen if not any(record.masks[name] for record in records)
    )
    license_text = "; ".join(filter(None, (listed.license, annotations.license)))
    return replace(
        listed,
        classes=chosen,
        records=records,
        license=license_text,
        notes=listed.notes + annotations.notes + notes,
    )


def _list_images(root: Path) -> Dataset:
    if (root / INDEX).is_file():
        return list_index(root)
    if find_entries(root) is not None:
        return list_nih(root)
    raise InputError(
        f"{root}: its images are listed by neither {INDEX} nor {ENTRIES[0]}; write an {INDEX} with the "
        "columns image and patient_id"
    )


def _read(
    root: Path,
    form: AnnotationFormat,
    files: Sequence[Path],
    records: Sequence[Record],
    classes: Sequence[str] | None,
) -> Annotations:
    if form is AnnotationFormat.CHESTX_DET:
        return read_chestx_det(files or find_chestx_det(root))
    if form is AnnotationFormat.DICOM_SEG:
        return read_segmentations(files or [root / DEFAULT_FOLDER], records)
    if not files:
        raise InputError(f"{root}: masks in the format {form} need their file; give --annotations FILE")
    if form is AnnotationFormat.COCO:
        return read_coco(files, None if classes is None else {class_name_of(name) for name in classes})
    if classes and len(classes) > 1:
        raise InputError(f"{files[0]}: a table of run lengths has one class, not {', '.join(classes)}")
    return read_rle_table(files, class_name_of(classes[0]) if classes else LESION, _FORMS[form])


def _choose(annotations: Annotations, classes: Sequence[str] | None, default: str | None) -> tuple[str, ...]:
    available = annotations.classes
    named = ", ".join(available)
    if classes is None and default is None and len(available) != 1:
        raise InputError(
            f"{annotations.source}: choose the classes to use with --classes; it has: {named or 'none'}"
        )
    chosen = tuple(dict.fromkeys(map(class_name_of, classes or (default or available[0],))))
    if unknown := [name for name in chosen if name not in available]:
        raise InputError(f"{annotations.source}: has no class {', '.join(unknown)}; it has: {named}")
    return chosen


def _match(
    records: Sequence[Record], annotations: Annotations
) -> tuple[Mapping[str, Truths], tuple[str, ...]]:
    """Find the annotations of each image: by its path, else by its file name, each with or without suffix."""
    paths, bare_paths, names, stems = (defaultdict[str, list[str]](list) for _ in range(4))
    for record in records:
        path = PurePosixPath(record.key)
        paths[str(path)].append(record.key)
        bare_paths[str(path.with_suffix(""))].append(record.key)
        names[path.name].append(record.key)
        stems[path.stem].append(record.key)
    found: dict[str, Truths] = {}
    origin: dict[str, str] = {}
    missing = []
    for name, truths in annotations.images.items():
        path = PurePosixPath(name.replace("\\", "/"))
        keys = (
            paths.get(str(path))
            or bare_paths.get(str(path))
            or names.get(path.name)
            or stems.get(path.name)
            or []
        )
        if len(keys) > 1:
            raise InputError(
                f"{annotations.source}: {name} may be {keys[0]} or {keys[1]}; name it by its path"
            )
        if not keys:
            missing.append(name)
            continue
        if keys[0] in found:
            raise InputError(
                f"{annotations.source}: both {origin[keys[0]]} and {name} are {keys[0]}; keep one of them"
            )
        found[keys[0]], origin[keys[0]] = truths, name
    notes = (
        (f"{len(missing)} annotated images are not in the data set, such as {missing[0]}",) if missing else ()
    )
    return found, notes
