"""List the images of a folder, in one fixed order, whatever links it holds."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from ..data.decode.formats import DICOM_HEAD, is_dicom
from ..data.decode.reader import SUFFIXES
from ..errors import InputError
from .items import Failure, Item, Stage


def list_folder(root: Path, *, skip: Collection[Path] = ()) -> list[Item | Failure]:
    """Find every image under a folder.

    Parameters
    ----------
    root : Path
        A folder, or one image.
    skip : collection of Path
        Folders that are never entered: a run's own outputs.

    Returns
    -------
    list of Item or Failure
        Sorted by key. Taken is what has the ending of an image, and any other file that begins as DICOM
        does: archives give those no ending, or a number. A folder that cannot be read is a failure, not a
        silent gap. Hidden files and folders are left out. A link to a folder is followed, but each real
        folder is read once, so a loop ends.

    Raises
    ------
    InputError
        If the folder is missing or holds no image.
    """
    if root.is_file():
        return [Item(_printable(root.name), root)]
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    found = _walk(root, skip)
    if not any(isinstance(entry, Item) for entry in found):
        cause = found[0].error if found and isinstance(found[0], Failure) else "no images in this folder"
        raise InputError(f"{root}: {cause} (looked for {', '.join(sorted(SUFFIXES))})")
    return sorted(found, key=lambda entry: entry.key)


def _walk(root: Path, skip: Collection[Path]) -> list[Item | Failure]:
    found: list[Item | Failure] = []
    pending = deque([root])
    seen = {folder.resolve() for folder in skip}
    while pending:
        folder = pending.popleft()
        real = folder.resolve()
        if real in seen:
            continue
        seen.add(real)
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
                # Real folders first: what a link also leads to is named by its true path.
                pending.append(path) if entry.is_symlink() else pending.appendleft(path)
            elif (mode is None or S_ISREG(mode)) and _is_image(path):
                found.append(Item(_key(path, root), path))
    return found


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    if path.name.upper() == "DICOMDIR":  # a table of contents
        return False
    try:
        with path.open("rb") as file:
            return is_dicom(file.read(DICOM_HEAD))
    except OSError:
        return False  # without an image's ending it is not known to be one


def _mode(path: Path) -> int | None:
    """Say what a path leads to; None where it leads nowhere, which decoding will put into words."""
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _key(path: Path, root: Path) -> str:
    return _printable(path.relative_to(root).as_posix())


def _printable(name: str) -> str:
    r"""Write bytes of a name that are not UTF-8 as `\udcXX`, so that every table can hold it."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
