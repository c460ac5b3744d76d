"""Find masks that are probably inverted, cover everything, or differ from all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .inspection import InspectedImage

_NEARLY_ALL = 0.9
_MOST = 0.8
_HALF = 0.5
_MIN_IMAGES = 5
_MAX_NAMED = 5


def mask_warnings(images: Sequence[InspectedImage], classes: Sequence[str]) -> tuple[str, ...]:
    """Return one line for each suspicion about the masks of a class, with counts and names.

    Parameters
    ----------
    images : sequence of InspectedImage
    classes : sequence of str
        In the order of their `coverage`.
    """
    lines: list[str] = []
    for index, name in enumerate(classes):
        coverage = {one.key: one.coverage[index] for one in images}
        known = {key: value for key, value in coverage.items() if value is not None}
        lines += _warnings_of_class(name, known)
    return tuple(lines)


def _warnings_of_class(name: str, coverage: dict[str, float]) -> Iterator[str]:
    """Yield warnings about one class from the covered fraction of each image with a known mask."""
    full = [key for key, value in coverage.items() if value == 1]
    large = [key for key, value in coverage.items() if value > _HALF]
    total = len(coverage)
    if not total:
        return
    if len(full) >= _NEARLY_ALL * total:
        yield f"{name} covers every pixel of {len(full)} of {total} images; are these masks of {name}?"
    elif len(large) >= _NEARLY_ALL * total:
        yield f"{name} covers more than half of {len(large)} of {total} images; are its masks inverted?"
    elif unusual := _unusual(coverage):
        named = ", ".join(f"{key} ({coverage[key]:.0%})" for key in unusual[:_MAX_NAMED])
        more = f" and {len(unusual) - _MAX_NAMED} more" if len(unusual) > _MAX_NAMED else ""
        yield (
            f"{name} covers far more or less of {len(unusual)} of {total} images than of the others: "
            f"{named}{more}; are these masks inverted or empty?"
        )


def _unusual(coverage: dict[str, float]) -> list[str]:
    """Return the images whose coverage is far from that of the others.

    That is a mask of more than half an image, if the usual one is much smaller; and, for a class that covers
    about the same part of every image, as lungs do, also a mask that is much smaller or empty.
    """
    usual = np.array([value for value in coverage.values() if 0 < value <= _HALF])
    if len(usual) < max(_MIN_IMAGES, len(coverage) / 2):
        return []
    low, middle, high = np.percentile(usual, (25, 50, 75))
    is_stable = high < 2 * low and len(usual) >= _MOST * len(coverage)
    largest, smallest = max(_HALF, 1.5 * middle), low / 3 if is_stable else -1.0
    return [key for key, value in coverage.items() if value > largest or value < smallest]
