"""Check that no two images of a run would write to the same file, on the disk where they are written.

Many disks ignore the case of names (exFAT, NTFS, APFS, network shares), some also how accents are encoded
(APFS, HFS+) or the periods and blanks at the end. Which names are the same there is not computed: it is tried
with files of these names.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from ...errors import CxrError, InputError
from ...machine.files import scratch_folder, write_text


def check_distinct_names(out: Path, keys: Iterable[str], file_name: Callable[[str], str]) -> None:
    """Check that no two images would be written to the same file.

    Parameters
    ----------
    out : Path
        The output folder, which may be missing.
    keys : iterable of str
        The images.
    file_name : callable
        Returns the relative path of the file for an image.

    Raises
    ------
    InputError
        Naming two that would, such as `a` and `a.png`, or `a.jpg` and the folder `a.jpg.png`, or `a` and `A`
        on a disk that does not tell them apart.
    """
    disk = _Disk(out)
    key_of_file: dict[str, str] = {}
    key_of_folder: dict[str, str] = {}
    for key in keys:
        name = file_name(key)
        path = disk.path(name)
        folders = [str(parent) for parent in PurePosixPath(path).parents]
        other = (
            key_of_file.get(path)
            or key_of_folder.get(path)
            or next((key_of_file[folder] for folder in folders if folder in key_of_file), None)
        )
        if other is not None:
            cause = "" if path == name else f" (the disk of {out} does not tell their names apart)"
            raise InputError(
                f"{other} and {key} would both write {path}{cause}; "
                "rename one, or run without masks and overlays"
            )
        key_of_file[path] = key
        key_of_folder |= dict.fromkeys(folders, key)


class _Disk:
    """The names that a disk does not tell apart: the first of them stands for all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._first: dict[str, str] = {}
        self._similar: dict[str, list[str]] = {}

    def path(self, name: str) -> str:
        """Return a relative path with each of its names replaced by the first that is the same."""
        return "/".join(map(self._same, name.split("/")))

    def _same(self, name: str) -> str:
        if name not in self._first:
            similar = self._similar.setdefault(_simplify(name), [])
            self._first[name] = next((known for known in similar if self._is_one_file(known, name)), name)
            if self._first[name] == name:
                similar.append(name)
        return self._first[name]

    def _is_one_file(self, one: str, other: str) -> bool:
        """Write two files of these names, and see whether there are two."""
        try:
            with scratch_folder(_existing(self._folder)) as folder:
                for name in (one, other):
                    write_text(folder / name, "")
                return len(list(folder.iterdir())) == 1
        except (OSError, CxrError):
            return False  # writing the images' files reports that the disk cannot hold them


def _existing(folder: Path) -> Path:
    """Return the nearest folder that exists: what is created in it lies on its disk."""
    resolved = folder.absolute()
    return next((one for one in (resolved, *resolved.parents) if one.is_dir()), resolved)


def _simplify(name: str) -> str:
    """Return the same text for all names that some disk might not tell apart."""
    if name.isascii():
        return name.lower().rstrip(" .")
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return unicodedata.normalize("NFKD", decomposed).rstrip(" .")
