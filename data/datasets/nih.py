"""A data set in the NIH layout: the images whose ground truth is known, and that ground truth."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ...errors import InputError
from .nih_layout import (
    BOX_FRAME,
    BOXES,
    ENTRIES,
    FINDINGS,
    HOW_TO_GET,
    LESION,
    LICENSE,
    MASKS,
    NO_FINDING,
    SYNTHETIC,
    find_entries,
    find_images,
)
from .nih_tables import read_boxes, read_entries
from .records import Dataset, Record
from .shapes import Box, Truth


def open_nih(
    root: Path, *, classes: Sequence[str] | None = None, findings: Sequence[str] | None = None
) -> Dataset:
    """Open a folder in the NIH layout; see `open_dataset`."""
    labels = {name: _labels(name, findings) for name in dict.fromkeys(classes or (LESION,))}
    entries = _entries(root)
    boxes = _boxes_by_image(read_boxes(root / BOXES))
    files = find_images(root)
    selection = _Selection.select(labels, boxes, entries, files, _pixel_masks(root, labels, files))
    if not selection.truths:
        raise InputError(
            f"{root}: none of the {selection.boxed} images with a box is in images/, images1..12/ "
            "or images_001..012/images/; put the images there"
        )
    records = tuple(
        _record(root, files[name], entries, selection.truths[name]) for name in sorted(selection.truths)
    )
    return _dataset(root, tuple(labels), records, selection.notes)


def list_nih(root: Path) -> Dataset:
    """List the images of a folder in the NIH layout, without ground truth; the boxes are not needed."""
    entries, files = _entries(root), find_images(root)
    records = tuple(_record(root, files[name], entries, {}) for name in sorted(files.keys() & entries.keys()))
    other = sorted(files.keys() - entries.keys())
    notes = (f"{len(other)} images are not in the clinical table, such as {other[0]}",) if other else ()
    return _dataset(root, (), records, notes)


def _dataset(
    root: Path, classes: tuple[str, ...], records: tuple[Record, ...], notes: tuple[str, ...]
) -> Dataset:
    synthetic = (root / SYNTHETIC).is_file()
    return Dataset(
        name="cxr sample (synthetic)" if synthetic else "NIH ChestX-ray14",
        root=root,
        classes=classes,
        records=records,
        license="synthetic images, no rights reserved" if synthetic else LICENSE,
        notes=notes,
    )


def _entries(root: Path) -> dict[str, dict[str, str]]:
    """Read the clinical table: rows by file name."""
    path = find_entries(root)
    if path is None:
        raise InputError(f"{root}: this folder contains none of {', '.join(ENTRIES)}; {HOW_TO_GET}")
    return {row["image"]: row for row in read_entries(path).to_pylist()}


@dataclass(frozen=True)
class _Selection:
    """The ground truth of each selected image, by file name and class.

    `boxed` is the number of images that the table has boxes of, on disk or not; `notes` are for the user.
    """

    truths: Mapping[str, Mapping[str, Truth]]
    boxed: int
    notes: tuple[str, ...]

    @classmethod
    def select(
        cls,
        labels: Mapping[str, frozenset[str]],
        boxes: Mapping[str, Sequence[tuple[str, Box]]],
        entries: Mapping[str, Mapping[str, str]],
        files: Mapping[str, str],
        masks: Mapping[str, Path],
    ) -> _Selection:
        """Select the images with a pixel mask, those with a box, and as many labeled "No Finding".

        The ground truth of an image without a box is unknown unless the table says "No Finding".
        """
        wanted = frozenset().union(*labels.values())
        boxed = {name for name, labeled in boxes.items() if any(label in wanted for label, _ in labeled)}
        present = sorted((boxed & files.keys()) - masks.keys())
        normal = {name for name, row in entries.items() if row["findings"] == NO_FINDING}
        empty = sorted((normal & files.keys()) - masks.keys(), key=_shuffled)[: len(present)]
        truths: dict[str, Mapping[str, Truth]] = {
            **{name: dict.fromkeys(labels, path) for name, path in masks.items()},
            **{name: {c: _boxes_of_class(boxes[name], labels[c]) for c in labels} for name in present},
            **{name: dict.fromkeys(labels, ()) for name in empty},
        }
        notes = (
            (len(masks), f"{len(masks)} images have a pixel mask, which is used instead of boxes"),
            (len(present), f"{len(present)} images have boxes, which are drawn as masks"),
            (len(empty), f"{len(empty)} images labeled '{NO_FINDING}' are used with empty masks"),
            (len(boxed - files.keys()), f"{len(boxed - files.keys())} images with a box are not on disk"),
        )
        return cls(truths, len(boxed), tuple(text for count, text in notes if count))


def _boxes_of_class(labeled: Iterable[tuple[str, Box]], labels: frozenset[str]) -> tuple[Box, ...] | None:
    """Return the boxes of a class; None (unknown) if there are none."""
    return tuple(box for label, box in labeled if label in labels) or None


def _labels(name: str, findings: Sequence[str] | None) -> frozenset[str]:
    """Return the findings whose boxes form a class."""
    chosen = (findings or FINDINGS) if name == LESION else (name,)
    if unknown := [finding for finding in chosen if finding not in FINDINGS]:
        raise InputError(
            f"the NIH data set has no boxes for {', '.join(unknown)}, only for {', '.join(FINDINGS)}"
        )
    return frozenset(chosen)


def _pixel_masks(
    root: Path, labels: Mapping[str, frozenset[str]], files: Mapping[str, str]
) -> dict[str, Path]:
    """Find the pixel masks; they do not distinguish findings, so they only serve all findings together."""
    if dict(labels) != {LESION: frozenset(FINDINGS)}:
        return {}
    return {path.name: path for path in sorted((root / MASKS).glob("*.png")) if path.name in files}


def _boxes_by_image(table: pa.Table) -> dict[str, list[tuple[str, Box]]]:
    found: defaultdict[str, list[tuple[str, Box]]] = defaultdict(list)
    for row in table.to_pylist():
        box = Box(row["x"], row["y"], row["width"], row["height"], BOX_FRAME)
        found[row["image"]].append((row["label"], box))
    return found


def _record(
    root: Path,
    key: str,
    entries: Mapping[str, Mapping[str, str]],
    masks: Mapping[str, Truth],
) -> Record:
    path = root / key
    if path.name not in entries:
        raise InputError(
            f"{path}: this image is not in the clinical table, so its patient is unknown; add its row"
        )
    row = entries[path.name]
    return Record(key, path, row["patient_id"], masks, finding=row["findings"])


def _shuffled(name: str) -> str:
    """Return a sort key for an order that is the same on every machine and independent of patient numbers."""
    return hashlib.sha256(name.encode()).hexdigest()
