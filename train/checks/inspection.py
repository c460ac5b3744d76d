"""Inspect every image and mask of a data set before the first epoch; reject what cannot be trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...data.datasets.masks import load_masks
from ...data.datasets.patient_key import patient_key
from ...data.datasets.records import Record
from ...data.datasets.splits import Split
from ...data.decode.reader import read_image
from ...data.image import Gray
from ...errors import InputError
from ...machine.cores import usable_cores
from ...models.card import PixelSpec
from ...models.fingerprint import hash_pixels
from ..images.dataset import resize_example

_MAX_NAMED = 3


@dataclass(frozen=True)
class InspectedImage:
    """What a check needs to know of one image.

    Attributes
    ----------
    pixel_hash : bytes
        Of the decoded pixels.
    coverage : tuple of float or None
        For each class, the fraction of the image that its mask covers; None if the mask is unknown.
    present : tuple of bool
        For each class, whether the mask covers a pixel at the model's size.
    """

    key: str
    patient_id: str
    pixel_hash: bytes
    coverage: tuple[float | None, ...]
    present: tuple[bool, ...]


Example = tuple[Gray, Gray]


def inspect_images(
    records: Sequence[Record], classes: Sequence[str], spec: PixelSpec
) -> Iterator[tuple[InspectedImage, Example]]:
    """Decode images and masks with all cores; yield what they hold, and both resized, in order.

    Raises
    ------
    InputError
        If an image or mask cannot be read, or a mask has another size than its image; it names the file.
    """
    with ThreadPoolExecutor(usable_cores()) as pool:
        yield from pool.map(partial(_inspect, classes=classes, spec=spec), records)


def _inspect(record: Record, classes: Sequence[str], spec: PixelSpec) -> tuple[InspectedImage, Example]:
    image = read_image(record.path)
    masks, known = load_masks(record, classes, (image.height, image.width))
    coverage = (float(mask.mean()) if is_known else None for mask, is_known in zip(masks, known, strict=True))
    example = resize_example(image.pixels, masks, known, spec)
    inspected = InspectedImage(
        key=record.key,
        patient_id=record.patient_id,
        pixel_hash=hash_pixels(image.pixels),
        coverage=tuple(coverage),
        present=tuple(bool((mask == 1).any()) for mask in example[1]),
    )
    return inspected, example


def check_masks(images: Sequence[InspectedImage], classes: Sequence[str], root: Path) -> None:
    """Check that not all masks of a class are empty.

    Raises
    ------
    InputError
        If they are; it names the class.
    """
    for index, name in enumerate(classes):
        known = [one.coverage[index] for one in images if one.coverage[index] is not None]
        if known and not any(known):
            raise InputError(
                f"{root}: all {len(known)} masks of {name} are empty; correct them, or give other --classes"
            )


def check_presence(images: Sequence[InspectedImage], classes: Sequence[str], subset: str) -> None:
    """Check that every class is present in at least one image of a subset.

    Raises
    ------
    InputError
        If one is not; it names the class.
    """
    absent = [name for index, name in enumerate(classes) if not any(one.present[index] for one in images)]
    if absent:
        raise InputError(
            f"no {subset} image shows {', '.join(absent)}; choose other --classes, another --fold or --seed"
        )


def check_duplicates(images: Sequence[InspectedImage], split: Split, root: Path) -> None:
    """Check that no two patients of the data set at `root` have the same image.

    It would be on both sides of this split, or of one with another fold or seed.

    Raises
    ------
    InputError
        If two have; it names the images and patients.
    """
    by_hash: dict[bytes, list[InspectedImage]] = {}
    for image in images:
        by_hash.setdefault(image.pixel_hash, []).append(image)
    repeated = [
        group
        for group in by_hash.values()
        if len({patient_key(one.patient_id) for one in group}) > 1
        or len({split.subsets[one.key] for one in group}) > 1
    ]
    if not repeated:
        return
    first = " and ".join(f"{one.key} (patient {one.patient_id})" for one in repeated[0][:_MAX_NAMED])
    more = f", and {len(repeated) - 1} more such groups" if len(repeated) > 1 else ""
    raise InputError(
        f"{root}: the same image is listed under two patients: {first}{more}; keep one row of each"
    )
