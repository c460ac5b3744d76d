"""A data set in the NIH layout: which of its images have a truth, and what that is."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ...errors import InputError
from .nih_files import (
    BOXES,
    ENTRIES,
    FINDINGS,
    FRAME,
    LESION,
    LICENSE,
    MASKS,
    MISSING,
    NO_FINDING,
    SYNTHETIC,
    find_entries,
    find_images,
    read_boxes,
    read_entries,
)
from .records import Box, Dataset, Record

Truth = Path | tuple[Box, ...] | None


def open_nih(
    root: Path, *, classes: Sequence[str] | None = None, findings: Sequence[str] | None = None
) -> Dataset:
    """Open a folder in the NIH layout; see `open_dataset`."""
    labels = {name: _labels(name, findings) for name in dict.fromkeys(classes or (LESION,))}
    entries_path = find_entries(root)
    if entries_path is None:
        raise InputError(f"{root}: none of {', '.join(ENTRIES)} is in this folder; {MISSING}")
    entries = {row["image"]: row for row in read_entries(entries_path).to_pylist()}
    boxes = _boxes_by_image(read_boxes(root / BOXES))
    files = find_images(root)
    chosen = _Chosen.choose(labels, boxes, entries, files, _pixel_masks(root, labels, files))
    if not chosen.records:
        raise InputError(
            f"{root}: none of the {chosen.asked} images with a box is under images/, images1..12/ "
            "or images_001..012/images/; put the images there"
        )
    synthetic = (root / SYNTHETIC).is_file()
    records = tuple(
        _record(root, files[name], entries, chosen.records[name]) for name in sorted(chosen.records)
    )
    return Dataset(
        name="cxr sample (synthetic)" if synthetic else "NIH ChestX-ray14",
        root=root,
        classes=tuple(labels),
        records=records,
        license="synthetic images, free of rights" if synthetic else LICENSE,
        notes=chosen.notes,
    )


@dataclass(frozen=True)
class _Chosen:
    """What is known of each image that is taken, how many boxed ones were asked for, and what to say."""

    records: Mapping[str, Mapping[str, Truth]]
    asked: int
    notes: tuple[str, ...]

    @classmethod
    def choose(
        cls,
        labels: Mapping[str, frozenset[str]],
        boxes: Mapping[str, Sequence[tuple[str, Box]]],
        entries: Mapping[str, Mapping[str, str]],
        files: Mapping[str, str],
        masks: Mapping[str, Path],
    ) -> _Chosen:
        """Take the images with a pixel mask, those with a box, and as many known to be empty.

        An image without a box is unknown, not empty, unless the table says that nothing was found on it.
        """
        wanted = frozenset().union(*labels.values())
        boxed = {name for name, known in boxes.items() if any(label in wanted for label, _ in known)}
        here = sorted((boxed & files.keys()) - masks.keys())
        nothing = (name for name, row in entries.items() if row["findings"] == NO_FINDING)
        empty = sorted((set(nothing) & files.keys()) - masks.keys(), key=_shuffle)[: len(here)]
        records: dict[str, Mapping[str, Truth]] = {
            **{name: dict.fromkeys(labels, path) for name, path in masks.items()},
            **{name: {c: _of(boxes[name], labels[c]) for c in labels} for name in here},
            **{name: dict.fromkeys(labels, ()) for name in empty},
        }
        notes = (
            (len(masks), f"{len(masks)} images have a pixel mask, which is used in place of boxes"),
            (len(here), f"{len(here)} images have boxes, drawn as masks"),
            (len(empty), f"{len(empty)} images on which nothing was found are taken as empty"),
            (len(boxed - files.keys()), f"{len(boxed - files.keys())} images with a box are not on disk"),
        )
        return cls(records, len(boxed), tuple(text for count, text in notes if count))


def _of(known: Iterable[tuple[str, Box]], labels: frozenset[str]) -> tuple[Box, ...] | None:
    """Give the boxes of a class; None (unknown) where there are none."""
    return tuple(box for label, box in known if label in labels) or None


def _labels(name: str, findings: Sequence[str] | None) -> frozenset[str]:
    """Name the findings that make a class."""
    chosen = (findings or FINDINGS) if name == LESION else (name,)
    if unknown := [finding for finding in chosen if finding not in FINDINGS]:
        raise InputError(f"no boxes for {', '.join(unknown)}; NIH has them for {', '.join(FINDINGS)}")
    return frozenset(chosen)


def _pixel_masks(
    root: Path, labels: Mapping[str, frozenset[str]], files: Mapping[str, str]
) -> dict[str, Path]:
    """Find the pixel masks; they do not tell findings apart, so only all findings together use them."""
    if dict(labels) != {LESION: frozenset(FINDINGS)}:
        return {}
    return {path.name: path for path in sorted((root / MASKS).glob("*.png")) if path.name in files}


def _boxes_by_image(table: pa.Table) -> dict[str, list[tuple[str, Box]]]:
    found: defaultdict[str, list[tuple[str, Box]]] = defaultdict(list)
    for row in table.to_pylist():
        box = Box(row["x"], row["y"], row["width"], row["height"], FRAME)
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
        raise InputError(f"{path}: this image is not listed in the clinical table; its patient is not known")
    row = entries[path.name]
    return Record(key, path, row["patient_id"], masks, finding=row["findings"])


def _shuffle(name: str) -> str:
    """Give an order that is the same everywhere and has nothing to do with the patients' numbers."""
    return hashlib.sha256(name.encode()).hexdigest()
