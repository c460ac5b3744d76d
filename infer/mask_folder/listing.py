"""List the mask files of a folder, and the class of each.

A folder holds the masks of one class, or one folder per class. DICOM Segmentations and label images name
their classes themselves, so their folders mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ...data.decode.formats import starts_as_dicom
from ...data.decode.reader import SUFFIXES
from ...errors import DecodeError, InputError
from ...machine.extras import require
from ..listing.folder import list_folder
from ..records import Failure, ImageFile
from .config import MeasureConfig, check_class_name
from .records import MaskFile

PREFIX = "masks_"

# Names of folders that say nothing about a class.
_MEANINGLESS = frozenset({"", "masks", "mask"})


@dataclass(frozen=True)
class MaskListing:
    """The mask files of a folder.

    Attributes
    ----------
    files : tuple of MaskFile
        Sorted by class, then by path.
    failures : tuple of Failure
        Folders that cannot be read.
    notes : tuple of str
        What was left out.
    """

    files: tuple[MaskFile, ...]
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()


def list_masks(root: Path, config: MeasureConfig) -> MaskListing:
    """Find every mask under a folder.

    Parameters
    ----------
    root : Path
        A folder of masks, a folder with one folder per class, or one file.
    config : MeasureConfig
        `class_name` or `values` name the classes in place of the folders.

    Raises
    ------
    InputError
        If there is no mask, or a folder's name is not that of a class.
    MissingExtraError
        If there is a DICOM Segmentation and pydicom is not installed.
    """
    found = list_folder(root, keep_outputs=True)
    files = [entry for entry in found.entries if isinstance(entry, ImageFile)]
    failures = tuple(entry for entry in found.entries if isinstance(entry, Failure))
    notes = found.left_out
    if config.values is None and config.class_name is None and (ignored := _other_folders(files)):
        files = [file for file in files if _top_folder(file) not in ignored]
        notes += (f"left out, as their names do not start with {PREFIX}: {', '.join(ignored)}",)
    segmentations = [MaskFile(file, file.key, None) for file in files if is_segmentation(file.path)]
    if segmentations:
        require("pydicom", extra="dicom")
    known = {mask.file.key for mask in segmentations}
    masks = _with_classes(root, [file for file in files if file.key not in known], config)
    return MaskListing((*masks, *segmentations), failures, notes)


def is_segmentation(path: Path) -> bool:
    """Return whether a file in a folder of masks is DICOM: by its suffix, else by its first bytes."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return suffix == ".dcm"
    try:
        return starts_as_dicom(path)
    except DecodeError:
        return False  # reading it reports the cause


def _other_folders(files: Sequence[ImageFile]) -> list[str]:
    """Return the folders that hold no masks, where others are named `masks_...`: a data set has both."""
    folders = {_top_folder(file) for file in files}
    if "" in folders or not any(name.startswith(PREFIX) for name in folders):
        return []
    return sorted(name for name in folders if not name.startswith(PREFIX))


def _with_classes(root: Path, images: Sequence[ImageFile], config: MeasureConfig) -> list[MaskFile]:
    """Assign a class to each file that does not name its classes itself."""
    class_name = config.class_name
    if class_name is None and config.values is None and images:
        if not _is_of_one_class(root, images):
            return _by_folder(root, images)
        class_name = _class_of(root.parent if root.is_file() else root)
    return [MaskFile(file, file.key, class_name) for file in images]


def _is_of_one_class(root: Path, images: Sequence[ImageFile]) -> bool:
    return any(not _top_folder(file) for file in images) or root.resolve().name.startswith(PREFIX)


def _by_folder(root: Path, images: Sequence[ImageFile]) -> list[MaskFile]:
    """Assign classes by the folders in `root`."""
    classes = {name: _class_of(root / name) for name in sorted(set(map(_top_folder, images)))}
    return [
        MaskFile(file, file.key.partition("/")[2], classes[_top_folder(file)])
        for file in sorted(images, key=lambda file: (_top_folder(file), file.key))
    ]


def _top_folder(file: ImageFile) -> str:
    """Return the folder below the root that a file is in; "" for the root itself."""
    folder, slash, _ = file.key.partition("/")
    return folder if slash else ""


def _class_of(folder: Path) -> str:
    name = folder.resolve().name.removeprefix(PREFIX)
    if name.lower() in _MEANINGLESS:
        raise InputError(
            f"{folder}: the name of this folder does not say which class its masks show; give --class NAME"
        )
    check_class_name(name)
    return name


def name_without_suffix(name: str) -> str:
    """Return a path without the suffix of an image."""
    return name[: -len(suffix)] if (suffix := PurePath(name).suffix).lower() in SUFFIXES else name
