"""Find the image of each mask by its name, also where `cxr-infer` named the mask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..records import Failure, ImageFile, Stage
from .listing import name_without_suffix
from .records import MaskedImage, MaskFile

SEGMENTATION_SUFFIX = ".seg.dcm"


@dataclass(frozen=True)
class Matched:
    """Images with their masks.

    Attributes
    ----------
    images : tuple of MaskedImage
        Sorted by key.
    failures : tuple of Failure
        Masks whose image cannot be found.
    without_mask : tuple of str or None
        Keys of images that have no mask; None if no folder of images was given.
    """

    images: tuple[MaskedImage, ...]
    failures: tuple[Failure, ...] = ()
    without_mask: tuple[str, ...] | None = None


def group_masks(files: Iterable[MaskFile]) -> Matched:
    """Group masks by their own names, which stand for the images."""
    masks: defaultdict[str, list[MaskFile]] = defaultdict(list)
    for file in files:
        masks[_without_segmentation_suffix(file.name)].append(file)
    return Matched(tuple(MaskedImage(key, None, tuple(masks[key])) for key in sorted(masks)))


def match_images(files: Iterable[MaskFile], images: Sequence[ImageFile]) -> Matched:
    """Find the image of each mask.

    An image is, in this order: the one of the mask's own name; the one whose name the mask's is with a suffix
    added, as `cxr-infer` names masks (`a.jpg.png`); the only one that differs in its suffix alone.
    """
    by_key = {image.key: image for image in images}
    by_stem: defaultdict[str, list[str]] = defaultdict(list)
    for key in by_key:
        by_stem[name_without_suffix(key)].append(key)
    masks: defaultdict[str, list[MaskFile]] = defaultdict(list)
    failures = []
    for file in files:
        candidates = _candidates(file.name, by_key, by_stem)
        if len(candidates) == 1:
            masks[candidates[0]].append(file)
            continue
        cause = (
            f"belongs to one of {', '.join(candidates)}: give it the name of its image"
            if candidates
            else "has no image of this name in the folder of --images"
        )
        failures.append(Failure(file.file.key, Stage.LIST, cause))
    matched = tuple(MaskedImage(key, by_key[key], tuple(masks[key])) for key in sorted(masks))
    return Matched(matched, tuple(failures), tuple(key for key in by_key if key not in masks))


def _candidates(
    name: str, by_key: Mapping[str, ImageFile], by_stem: Mapping[str, Sequence[str]]
) -> Sequence[str]:
    base = _without_segmentation_suffix(name)
    for exact in (base, name_without_suffix(base)):
        if exact in by_key:
            return [exact]
    return by_stem.get(name_without_suffix(base), ())


def _without_segmentation_suffix(name: str) -> str:
    return name[: -len(SEGMENTATION_SUFFIX)] if name.lower().endswith(SEGMENTATION_SUFFIX) else name
