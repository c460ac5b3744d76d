"""COCO's JSON of instances (https://cocodataset.org/#format-data): polygons and run lengths by category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ....errors import InputError
from ..class_names import class_name_of
from ..polygons import polygon_of
from ..shapes import RunForm, RunLengths, Shape
from .json_file import read_json
from .records import Annotations


class _Image(msgspec.Struct):
    id: int | str
    file_name: str
    height: float | None = None
    width: float | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width; some programs write them with a decimal point."""
        return None if not self.height or not self.width else (int(self.height), int(self.width))


class _Category(msgspec.Struct):
    id: int
    name: str


class _Annotation(msgspec.Struct):
    image_id: int | str
    category_id: int
    segmentation: Any = None
    id: int | str | None = None


class _File(msgspec.Struct):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


class _Runs(msgspec.Struct):
    size: tuple[int, int]
    counts: str | list[int]


def read_coco(paths: Sequence[Path], wanted: Collection[str] | None = None) -> Annotations:
    """Read COCO files.

    An image that a file lists was looked at for all categories of that file: one without an annotation is
    absent from it.

    Parameters
    ----------
    paths : sequence of Path
    wanted : collection of str, optional
        The classes to read, by default all: annotations of others may be of any kind, such as boxes.

    Raises
    ------
    InputError
        If a file cannot be read or is not of this form, lists an image twice or with a size that is no
        whole number, or has an annotation of an unknown category, or a wanted one without a mask.
    """
    images: dict[str, dict[str, tuple[Shape, ...]]] = {}
    classes: dict[str, None] = {}
    notes: list[str] = []
    for path in paths:
        file = read_json(path, _File, "a COCO file of instances")
        names = {category.id: class_name_of(category.name) for category in file.categories}
        classes |= dict.fromkeys(names.values())
        _check_images(path, file.images)
        by_id: dict[int | str, dict[str, tuple[Shape, ...]]] = {}
        for image in file.images:
            if image.file_name in images:
                raise InputError(f"{path}: {image.file_name} is also in another file; list an image once")
            images[image.file_name] = by_id[image.id] = dict.fromkeys(names.values(), ())
        sizes = {image.id: image.size for image in file.images}
        stray = 0
        for annotation in file.annotations:
            if annotation.image_id not in by_id:
                stray += 1
                continue
            where = f"{path}: annotation {annotation.id} of image {annotation.image_id}"
            name = _class_of(where, annotation, names)
            if wanted is None or name in wanted:
                shapes = _shapes(where, annotation, sizes[annotation.image_id])
                by_id[annotation.image_id][name] += shapes
        if stray:
            notes.append(f"{path}: {stray} annotations are of images that it does not list; they are skipped")
    return Annotations(tuple(paths), tuple(classes), images, notes=tuple(notes))


def _check_images(path: Path, images: Sequence[_Image]) -> None:
    for image in images:
        if not all(float(side or 0).is_integer() for side in (image.height, image.width)):
            raise InputError(
                f"{path}: {image.file_name} is {image.width} x {image.height} pixels; give whole numbers"
            )
    for values in ([image.id for image in images], [image.file_name for image in images]):
        repeated = [value for value, count in Counter(values).items() if count > 1]
        if repeated:
            raise InputError(
                f"{path}: the image {repeated[0]} is listed {Counter(values)[repeated[0]]} times"
            )


def _class_of(where: str, annotation: _Annotation, names: dict[int, str]) -> str:
    if annotation.category_id not in names:
        raise InputError(f"{where}: its category {annotation.category_id} is not among the categories")
    return names[annotation.category_id]


def _shapes(where: str, annotation: _Annotation, size: tuple[int, int] | None) -> tuple[Shape, ...]:
    if not annotation.segmentation:
        raise InputError(f"{where}: has no segmentation; export polygons or masks, not only boxes")
    try:
        return tuple(_drawn(annotation.segmentation, size))
    except (InputError, msgspec.MsgspecError) as error:
        raise InputError(f"{where}: {error}") from error


def _drawn(segmentation: Any, size: tuple[int, int] | None) -> Iterator[Shape]:
    if not isinstance(segmentation, list):
        runs = msgspec.convert(segmentation, _Runs)
        if size is not None and runs.size != size:
            raise InputError(f"run lengths of the size {list(runs.size)}, but its image has {list(size)}")
        if isinstance(runs.counts, str):
            yield RunLengths(runs.counts, RunForm.COCO, runs.size)
        else:
            yield RunLengths(" ".join(map(str, runs.counts)), RunForm.COUNTS, runs.size)
        return
    for flat in segmentation:
        if not isinstance(flat, list) or len(flat) % 2:
            raise InputError("a polygon is a list of an even number of coordinates: x, y, x, y, ...")
        yield polygon_of([list(pair) for pair in zip(flat[0::2], flat[1::2], strict=True)], size)
