"""Read images that are no chest radiographs, from files and folders of any kind."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from ...data.decode.reader import read_image
from ...data.image import Gray
from ...errors import InputError

_INSTALLED = {"photographs": ("skimage", "data"), "other modalities": ("pydicom", "data/test_files")}
"""By kind, the package and its folder."""

log = logging.getLogger(__name__)

_SMALLEST_SIDE = 32


def read_images(paths: Iterable[Path]) -> list[Gray]:
    """Read the images among files and in folders, with their subfolders, in the order of their names.

    Files that are no images, damaged, or smaller than 32 pixels on a side are passed over, and counted in
    the log.

    Raises
    ------
    InputError
        If a path does not exist, or there is no image.
    """
    given = list(paths)
    files: list[Path] = []
    for path in given:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        files += sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    images = []
    for file in files:
        try:
            pixels = read_image(file).pixels
        except InputError:
            continue
        if min(pixels.shape) >= _SMALLEST_SIDE:
            images.append(pixels)
    if not images:
        raise InputError(f"{', '.join(map(str, given))}: no image can be read there")
    log.info("%d images read, %d files passed over", len(images), len(files) - len(images))
    return images


def installed_images() -> dict[str, list[Gray]]:
    """Read the images that scikit-image and pydicom bring along, by kind, where they are installed."""
    places = {kind: (find_spec(package), part) for kind, (package, part) in _INSTALLED.items()}
    return {
        kind: read_images([Path(spec.submodule_search_locations[0]) / part])
        for kind, (spec, part) in places.items()
        if spec is not None and spec.submodule_search_locations
    }
