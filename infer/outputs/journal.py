"""Tables that only grow, and the journal that says how much of them is certain.

Each commit appends rows, syncs the tables, then appends one line with their sizes to the journal and syncs
that. A run that is killed between any two of these steps goes on from the last line whose sizes the tables
still have; what is beyond it is cut off.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import OutputError
from ...machine.files import make_folder
from .tables import csv_line

log = logging.getLogger(__name__)

JOURNAL = ".cxr-journal.jsonl"

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


class Journal:
    """The tables of one output folder, held by one process at a time.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    tables : mapping of str to sequence of str
        Each table's file name and columns.

    Raises
    ------
    OutputError
        If the folder cannot be written, or another run holds it.
    """

    def __init__(self, folder: Path, tables: Mapping[str, Sequence[str]]) -> None:
        self._folder = make_folder(folder)
        self._columns = tables
        self._files: dict[str, FileIO] = {}
        self._pending: dict[str, list[str]] = {name: [] for name in tables}
        try:
            self._log = (folder / JOURNAL).open("a+b", buffering=0)
        except OSError as error:
            raise OutputError(f"{folder}: cannot write in this folder ({error.strerror})") from error
        if not _lock(self._log):
            self._log.close()
            raise OutputError(f"{folder}: another run is writing here; wait for it, or choose another --out")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (*self._files.values(), self._log):
            file.close()

    def clear(self) -> None:
        """Forget what was certain, and the forgetting is certain itself."""
        with _writing(self._folder):
            self._log.truncate(0)
            os.fsync(self._log.fileno())

    def begin(self) -> None:
        """Start anew: empty tables with their headers."""
        with _writing(self._folder):
            self._open(dict.fromkeys(self._columns, 0))
        for name, columns in self._columns.items():
            self.append(name, csv_line(columns))
        self.commit()
        _sync_folder(self._folder)

    def resume(self) -> bool:
        """Go back to the last certain state; False where there is none, so that one must `begin`."""
        commit = self._last_commit()
        if commit is None:
            return False
        sizes, end = commit
        with _writing(self._folder):
            _cut(self._log, end)
            self._open(sizes)
        return True

    def append(self, table: str, text: str) -> None:
        """Take whole lines for a table; they are written by the next commit."""
        self._pending[table].append(text)

    def commit(self) -> None:
        """Make everything appended so far certain.

        Raises
        ------
        OutputError
            If it cannot be written; what was certain before stays so.
        """
        with _writing(self._folder):
            for name, texts in self._pending.items():
                if texts:
                    _append(self._files[name], "".join(texts))
                    texts.clear()
                if not (self._folder / name).exists():
                    raise OutputError(f"{self._folder / name}: was removed while this run was writing it")
            sizes = {name: file.tell() for name, file in self._files.items()}
            _append(self._log, json.dumps(sizes) + "\n")

    def _open(self, sizes: Mapping[str, int]) -> None:
        for name, size in sizes.items():
            file = (self._folder / name).open("ab", buffering=0)
            self._files[name] = file
            _cut(file, size)

    def _last_commit(self) -> tuple[dict[str, int], int] | None:
        """Find the newest line that is whole and whose sizes the tables still have, and where it ends."""
        self._log.seek(0)
        lines = self._log.read().splitlines(keepends=True)
        present = {name: _size(self._folder / name) for name in self._columns}
        while lines:
            end = sum(map(len, lines))
            line = lines.pop()
            try:
                sizes = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                continue  # torn by a power cut
            if not isinstance(sizes, dict) or sizes.keys() != present.keys():
                continue
            if all(sizes[name] <= present[name] for name in present):
                return sizes, end
        return None


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say in one line what the system has against writing."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror}); what is finished is safe: "
            "the same command goes on from there"
        ) from error


def _append(file: FileIO, text: str) -> None:
    left = memoryview(text.encode("utf-8"))
    while left:
        left = left[file.write(left) :]
    os.fsync(file.fileno())


def _cut(file: FileIO, size: int) -> None:
    """Cut a file off; one that has this size already is not touched."""
    if file.seek(0, os.SEEK_END) != size:
        file.truncate(size)
        file.seek(size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def _sync_folder(folder: Path) -> None:
    """Make new names certain too."""
    if sys.platform == "win32":
        return  # a folder cannot be opened there
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(file: FileIO) -> bool:
    """Hold a file for this process until it is closed, or the process ends; False where another holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)  # the byte that it locks is where the file stands
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            return False
        log.warning("this file system has no locks; make sure that no other run writes here")
    return True
