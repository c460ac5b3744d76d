"""List the images of a folder, in a fixed order, whatever links it holds, and count what is left out."""

from __future__ import annotations

import errno
import os
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...data.decode.reader import SUFFIXES
from ...errors import InputError
from ...machine.os_errors import check_drive
from ...machine.paths import in_utf_8
from ..records import Failure, ImageFile, Stage
from .own_outputs import output_folders_below, own_outputs, run_of
from .recognition import HEAD_BYTES, has_image_suffix, is_copy, is_image_head, suffix_of

HIDDEN = "(hidden)"
BROKEN_LINK = "(broken link)"
SPECIAL = "(no regular file)"

_NAMES_SHOWN = 3

_INDEX = "DICOMDIR"
"""The index of a DICOM file set, which is DICOM but no image."""


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes
    ----------
    entries : tuple of ImageFile or Failure
        The images, and what could not be read, sorted by key.
    skipped : mapping of str to int
        The number of files that are not images, by suffix; the most frequent first.
    earlier_outputs : int
        The number of files that earlier runs of cxr wrote: masks, overlays, plots, tables.
    """

    entries: tuple[ImageFile | Failure, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)
    earlier_outputs: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, and which names are unusual, one line per kind."""
        unusual = [entry.key for entry in self.entries if _is_unusual(entry.key)]
        if not unusual:
            return self.left_out
        shown = ", ".join([*map(ascii, unusual[:_NAMES_SHOWN]), *["..."] * (len(unusual) > _NAMES_SHOWN)])
        return (*self.left_out, f"{len(unusual)} names hold a control character or end in a blank: {shown}")

    @property
    def left_out(self) -> tuple[str, ...]:
        """What was left out, one line per kind."""
        total = sum(self.skipped.values())
        counts = ", ".join(f"{count} {suffix}" for suffix, count in self.skipped.items())
        lines = [f"left out, not images: {total} ({counts})"] if total else []
        if self.earlier_outputs:
            lines.append(f"left out, outputs of earlier runs: {self.earlier_outputs}")
        return tuple(lines)


def list_folder(root: Path, *, out: Path | None = None, keep_outputs: bool = False) -> Listing:
    """Find every image under a folder.

    A file is an image if it has the suffix of one, which is not read, or starts as one does: archives give
    DICOM files no suffix, or a number. Hidden files and folders are left out, and so is what earlier runs of
    cxr wrote. Links to folders are followed, but each real folder is read only once, so link loops end. What
    cannot be read is a failure, never a silent gap.

    Parameters
    ----------
    root : Path
        A folder, or one image.
    out : Path, optional
        The output folder of the run, whose own outputs are not counted as those of an earlier run.
    keep_outputs : bool
        List what earlier runs wrote too, such as their masks.

    Returns
    -------
    Listing

    Raises
    ------
    InputError
        If the folder is missing or holds no image, or holds what an earlier run wrote.
    MachineError
        If its drive does not answer.
    """
    try:
        root.stat()
    except FileNotFoundError as error:
        raise InputError(f"{root}: no such folder") from error
    except OSError as error:
        raise InputError(f"{root}: cannot be read ({error.strerror})") from error
    if not keep_outputs and (run := run_of(root)) is not None:
        raise InputError(
            f"{root}: was written by a run of cxr ({run}) and is no radiograph; name the folder of the images"
        )
    if root.is_file():
        return Listing((_image_file(root.name, root, root.stat()),))
    walk = _Walk(out, keep_outputs=keep_outputs)
    walk.read(root)
    listing = walk.listing()
    if not any(isinstance(entry, ImageFile) for entry in listing.entries):
        raise InputError(f"{root}: {_no_images(listing)}")
    return listing


class _Walk:
    """The state of one walk over a folder; `key` is a path relative to it, with a slash after a folder."""

    def __init__(self, out: Path | None, *, keep_outputs: bool) -> None:
        self._out = None if out is None else out.resolve()
        self._keep_outputs = keep_outputs
        self._entries: list[ImageFile | Failure] = []
        self._skipped: Counter[str] = Counter()
        self._earlier_outputs = 0
        self._pending: deque[tuple[Path, str]] = deque()
        self._output_folders: dict[Path, bool] = {}

    def read(self, root: Path) -> None:
        """Read a folder and all below it."""
        self._pending.append((root, ""))
        if not self._keep_outputs:
            self._output_folders |= dict.fromkeys(output_folders_below(root), True)
        visited: set[Path] = set()
        while self._pending:
            folder, key = self._pending.popleft()
            resolved = folder.resolve()
            if resolved not in visited:
                visited.add(resolved)
                self._read_folder(folder, resolved, key)

    def listing(self) -> Listing:
        """Return what was found."""
        entries = sorted(self._entries, key=lambda entry: entry.key)
        skipped = dict(sorted(self._skipped.items(), key=lambda item: (-item[1], item[0])))
        return Listing(tuple(entries), skipped, self._earlier_outputs)

    def _read_folder(self, folder: Path, resolved: Path, key: str) -> None:
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            check_drive(folder, error)
            self._fail(key.rstrip("/"), f"cannot read this folder ({error.strerror})")
            return
        counted = self._output_folders.get(resolved)
        if counted is None and self._is_link_to_outputs(folder):
            counted = True
        if counted is not None:
            self._skip_outputs(entries, key, resolved, counted=counted)
            return
        is_own = resolved == self._out
        names = () if self._keep_outputs else {entry.name for entry in entries}
        outputs = own_outputs(folder, names)
        self._output_folders |= {resolved.joinpath(*one): not is_own for one in outputs.folders}
        for entry in entries:
            if entry.name in outputs.files:
                self._earlier_outputs += not is_own
            else:
                self._read_entry(entry, key)

    def _is_link_to_outputs(self, folder: Path) -> bool:
        return not self._keep_outputs and folder.is_symlink() and run_of(folder) is not None

    def _skip_outputs(
        self, entries: list[os.DirEntry[str]], key: str, resolved: Path, *, counted: bool
    ) -> None:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                self._output_folders[resolved / entry.name] = counted
                self._pending.append((Path(entry.path), f"{key}{entry.name}/"))
            else:
                self._earlier_outputs += counted

    def _read_entry(self, entry: os.DirEntry[str], key: str) -> None:
        name, key = entry.name, key + entry.name
        has_suffix = has_image_suffix(name)
        try:
            # The listing of the parent folder states what an entry is: most need no access of their own.
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError as error:
            check_drive(Path(entry.path), error)
            if error.errno == errno.ELOOP:
                self._skipped[BROKEN_LINK] += 1
            else:
                self._fail(key, f"cannot be examined ({error.strerror})")
            return
        if name.startswith("."):
            if has_suffix and is_file:
                self._skipped[HIDDEN] += 1
        elif is_folder:
            # Links last: an image that can be reached both ways gets its real path as key.
            add = self._pending.append if entry.is_symlink() else self._pending.appendleft
            add((Path(entry.path), f"{key}/"))
        elif not is_file:
            self._read_special(entry, key, has_suffix=has_suffix)
        elif has_suffix:
            self._add(entry, key)
        elif is_copy(name) or name.upper() == _INDEX:
            self._skipped[suffix_of(name)] += 1
        else:
            self._read_head(entry, key)

    def _read_special(self, entry: os.DirEntry[str], key: str, *, has_suffix: bool) -> None:
        """Count a pipe or a link without target; decoding reports that an image's target is missing."""
        is_broken = entry.is_symlink() and not Path(entry.path).exists()
        if is_broken and has_suffix:
            self._add(entry, key)
        else:
            self._skipped[BROKEN_LINK if is_broken else SPECIAL] += 1

    def _read_head(self, entry: os.DirEntry[str], key: str) -> None:
        try:
            with Path(entry.path).open("rb") as file:
                head = file.read(HEAD_BYTES)
        except OSError as error:
            check_drive(Path(entry.path), error)
            self._fail(key, f"cannot be opened ({error.strerror}), so it may or may not be an image")
            return
        if is_image_head(head):
            self._add(entry, key)
        else:
            self._skipped[suffix_of(entry.name)] += 1

    def _add(self, entry: os.DirEntry[str], key: str) -> None:
        try:
            status = entry.stat()
        except OSError as error:
            check_drive(Path(entry.path), error)
            status = None  # decoding reports why the file cannot be read
        self._entries.append(_image_file(key, Path(entry.path), status))

    def _fail(self, key: str, cause: str) -> None:
        self._entries.append(Failure(in_utf_8(key), Stage.LIST, cause))


def _is_unusual(key: str) -> bool:
    """Return whether a name is easily misread in a table, such as one from a list with Windows line ends."""
    return key != key.rstrip() or any(character < " " or character == "\x7f" for character in key)


def _image_file(key: str, path: Path, status: os.stat_result | None) -> ImageFile:
    if status is None:
        return ImageFile(in_utf_8(key), path)
    return ImageFile(in_utf_8(key), path, status.st_size, status.st_mtime_ns)


def _no_images(listing: Listing) -> str:
    failed = [entry.error for entry in listing.entries if isinstance(entry, Failure)]
    cause = failed[0] if failed else "no images in this folder"
    left_out = "".join(f"; {line}" for line in listing.left_out)
    return f"{cause} (looked for {', '.join(sorted(SUFFIXES))}{left_out})"
