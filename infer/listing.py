"""List the images of a folder, in a fixed order, whatever links it holds."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from ..data.decode.formats import DICOM_HEAD, is_dicom
from ..data.decode.reader import SUFFIXES
from ..errors import InputError
from .records import Failure, ImageFile, Stage


def list_folder(root: Path, *, skip: Collection[Path] = ()) -> list[ImageFile | Failure]:
    """Find every image under a folder.

    A file is an image if it has the suffix of one, or starts as DICOM does: archives give DICOM files no
    suffix, or a number. Hidden files and folders are left out. Links to folders are followed, but each real
    folder is read only once, so link loops end. A folder that cannot be read is a failure, never a silent
    gap.

    Parameters
    ----------
    root : Path
        A folder, or one image.
    skip : collection of Path
        Folders that are not searched: the run's own output folders.

    Returns
    -------
    list of ImageFile or Failure
        Sorted by key.

    Raises
    ------
    InputError
        If the folder is missing or holds no image.
    """
    if root.is_file():
        return [ImageFile(_printable(root.name), root)]
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    found = _walk(root, skip)
    if not any(isinstance(entry, ImageFile) for entry in found):
        cause = found[0].error if found and isinstance(found[0], Failure) else "no images in this folder"
        raise InputError(f"{root}: {cause} (looked for {', '.join(sorted(SUFFIXES))})")
    return sorted(found, key=lambda entry: entry.key)


def _walk(root: Path, skip: Collection[Path]) -> list[ImageFile | Failure]:
    found: list[ImageFile | Failure] = []
    pending = deque([root])
    visited = {folder.resolve() for folder in skip}
    while pending:
        folder = pending.popleft()
        resolved = folder.resolve()
        if resolved in visited:
            continue
        visited.add(resolved)
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            cause = f"cannot read this folder ({error.strerror})"
            found.append(Failure(_key(folder, root), Stage.LIST, cause))
            continue
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            mode = _mode(path)
            if mode is not None and S_ISDIR(mode):
                # Links last: an image that can be reached both ways gets its real path as key.
                pending.append(path) if entry.is_symlink() else pending.appendleft(path)
            elif (mode is None or S_ISREG(mode)) and _is_image(path):
                found.append(ImageFile(_key(path, root), path))
    return found


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    if path.name.upper() == "DICOMDIR":  # the index of a DICOM file set
        return False
    try:
        with path.open("rb") as file:
            return is_dicom(file.read(DICOM_HEAD))
    except OSError:
        return False  # a file without an image's suffix that cannot be opened is not listed


def _mode(path: Path) -> int | None:
    """Return the mode of a path's target; None if there is no target, which decoding reports later."""
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _key(path: Path, root: Path) -> str:
    return _printable(path.relative_to(root).as_posix())


def _printable(name: str) -> str:
    r"""Write the bytes of a name that are not UTF-8 as `\udcXX`, so that every table can hold it."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
