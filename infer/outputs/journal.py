"""Tables that rows are appended to, and the journal that records how much of each is committed.

Each commit appends rows, syncs the tables, then appends one line with their sizes to the journal and syncs
it. A run that is killed between any two of these steps resumes from the last journal line whose sizes the
tables still have; anything beyond these sizes is truncated.
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

from ...data.csv_files import csv_line
from ...errors import OutputError
from ...machine.files import make_folder

log = logging.getLogger(__name__)

JOURNAL = ".cxr-journal.jsonl"

_LOCKS_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


class Journal:
    """The tables of one output folder, which one process at a time can open.

    Parameters
    ----------
    out : Path
        The output folder, created if it is missing.
    headers : mapping of str to sequence of str
        The columns of each table, by its file name.

    Raises
    ------
    OutputError
        If the folder cannot be written, or another run is writing in it.
    """

    def __init__(self, out: Path, headers: Mapping[str, Sequence[str]]) -> None:
        self._out = make_folder(out)
        self._headers = headers
        self._tables: dict[str, FileIO] = {}
        self._uncommitted: dict[str, list[str]] = {name: [] for name in headers}
        try:
            self._journal = (out / JOURNAL).open("a+b", buffering=0)
        except OSError as error:
            raise OutputError(f"{out}: cannot write in this folder ({error.strerror})") from error
        if not _lock(self._journal):
            self._journal.close()
            raise OutputError(f"{out}: another run is writing here; wait for it, or choose another --out")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (*self._tables.values(), self._journal):
            file.close()

    def clear(self) -> None:
        """Delete all commits, and sync, so that no later run resumes from them."""
        with _reporting_write_errors(self._out):
            self._journal.truncate(0)
            os.fsync(self._journal.fileno())

    def begin(self) -> None:
        """Create the tables with their headers, replacing existing ones."""
        with _reporting_write_errors(self._out):
            self._open_tables(dict.fromkeys(self._headers, 0))
        for name, columns in self._headers.items():
            self.append(name, csv_line(columns))
        self.commit()
        _sync_folder(self._out)

    def resume(self) -> bool:
        """Open the tables at the last commit; False if there is none, and `begin` must be called."""
        commit = self._last_commit()
        if commit is None:
            return False
        sizes, journal_size = commit
        with _reporting_write_errors(self._out):
            _truncate(self._journal, journal_size)
            self._open_tables(sizes)
        return True

    def append(self, table: str, text: str) -> None:
        """Add whole lines to a table; the next commit writes them."""
        self._uncommitted[table].append(text)

    def commit(self) -> None:
        """Write and sync everything appended since the last commit.

        Raises
        ------
        OutputError
            If it cannot be written; earlier commits stay valid.
        """
        with _reporting_write_errors(self._out):
            for name, texts in self._uncommitted.items():
                if texts:
                    _append(self._tables[name], "".join(texts))
                    texts.clear()
                if not (self._out / name).exists():
                    raise OutputError(
                        f"{self._out / name}: was removed while this run was writing it; start the run again"
                    )
            sizes = {name: file.tell() for name, file in self._tables.items()}
            _append(self._journal, json.dumps(sizes) + "\n")

    def _open_tables(self, sizes: Mapping[str, int]) -> None:
        for name, size in sizes.items():
            file = (self._out / name).open("ab", buffering=0)
            self._tables[name] = file
            _truncate(file, size)

    def _last_commit(self) -> tuple[dict[str, int], int] | None:
        """Find the last complete journal line whose sizes the tables still have, and where that line ends."""
        self._journal.seek(0)
        lines = self._journal.read().splitlines(keepends=True)
        present = {name: _size(self._out / name) for name in self._headers}
        while lines:
            end = sum(map(len, lines))
            line = lines.pop()
            try:
                sizes = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                continue  # incomplete after a power failure
            if not isinstance(sizes, dict) or sizes.keys() != present.keys():
                continue
            if all(sizes[name] <= present[name] for name in present):
                return sizes, end
        return None


@contextmanager
def _reporting_write_errors(out: Path) -> Iterator[None]:
    """Turn an error of the system into one line for the user."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be written ({error.strerror}); finished images are kept: "
            "run the same command again to resume"
        ) from error


def _append(file: FileIO, text: str) -> None:
    remaining = memoryview(text.encode("utf-8"))
    while remaining:
        remaining = remaining[file.write(remaining) :]
    os.fsync(file.fileno())


def _truncate(file: FileIO, size: int) -> None:
    """Truncate a file; if it has this size already, its modification time stays unchanged."""
    if file.seek(0, os.SEEK_END) != size:
        file.truncate(size)
        file.seek(size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def _sync_folder(folder: Path) -> None:
    """Sync the directory entries of new files."""
    if sys.platform == "win32":
        return  # Windows cannot open a folder for this
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(file: FileIO) -> bool:
    """Lock a file until it is closed or the process ends; False if another process has locked it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)  # locking applies to the bytes at the current position
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _LOCKS_UNSUPPORTED:
            return False
        log.warning("this file system has no locks; make sure that no other run writes here")
    return True
