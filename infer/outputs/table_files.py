"""The files of the tables: appended, verified by a hash of their content, rewritten in another order."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Self

from ...data.csv_files import unguard
from .ledger import TableState

_BLOCK = 1 << 20
_FIRST_CELL = re.compile(rb'"(?:[^"]|"")*"|[^,\n]*')


class TableFile:
    """A table and the running hash of its content.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None
        self._size = 0
        self._hash = hashlib.blake2b(digest_size=16)

    @property
    def state(self) -> TableState:
        """The size and the hash of what was read and written so far."""
        return TableState(self._size, self._hash.hexdigest())

    def read(self, size: int) -> Self:
        """Hash the first `size` bytes of the file."""
        with self.path.open("rb") as file:
            while block := file.read(min(_BLOCK, size - self._size)):
                self.add(block)
        return self

    def add(self, data: bytes) -> None:
        """Hash bytes that follow."""
        self._hash.update(data)
        self._size += len(data)

    def open(self) -> None:
        """Open the file for appending, and truncate it after what was hashed."""
        self._file = self.path.open("ab", buffering=0)
        truncate(self._file, self._size)

    def append(self, text: str) -> None:
        """Write whole lines, and sync."""
        assert self._file is not None
        data = text.encode("utf-8")
        write_all(self._file, data)
        self.add(data)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def truncate(file: FileIO, size: int) -> None:
    """Truncate a file; if it has this size already, its modification time stays unchanged."""
    if file.seek(0, os.SEEK_END) != size:
        file.truncate(size)
        file.seek(size)


def write_all(file: FileIO, data: bytes) -> None:
    """Append bytes to an unbuffered file, and sync."""
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[file.write(remaining) :]
    os.fsync(file.fileno())


def rewrite_table(table: Path, target: Path, keys: Iterable[str]) -> TableFile:
    """Copy a table's header and the rows of these keys, in the order of the keys.

    Parameters
    ----------
    table : Path
        A table whose first column is the key; an image has any number of rows.
    target : Path
        The file to write and sync, which is to replace the table.
    keys : iterable of str

    Returns
    -------
    TableFile
        The table, with the hash of its new content.
    """
    rewritten = TableFile(table)
    with table.open("rb") as source, target.open("wb") as copy:
        header, rows = _index(source)
        for start, end in (header, *(span for key in keys for span in rows.get(key, ()))):
            source.seek(start)
            block = source.read(end - start)
            rewritten.add(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    return rewritten


def _index(table: BufferedReader) -> tuple[tuple[int, int], dict[str, list[tuple[int, int]]]]:
    """Find where the header is, and the rows of each key: neighbors as one span of bytes."""
    records = _records(table)
    end = len(next(records, b""))
    header = (0, end)
    spans: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    rows: list[tuple[int, int]] = []
    last_cell: bytes | None = None
    for record in records:
        start, end = end, end + len(record)
        cell = _first_cell(record)
        if cell == last_cell:
            start, _ = rows.pop()
        else:
            rows, last_cell = spans[_key(cell)], cell
        rows.append((start, end))
    return header, spans


def _first_cell(record: bytes) -> bytes:
    match = _FIRST_CELL.match(record)
    assert match is not None
    return match[0]


def _key(cell: bytes) -> str:
    text = cell.decode("utf-8")
    return unguard(text[1:-1].replace('""', '"') if text.startswith('"') else text)


def _records(table: BufferedReader) -> Iterator[bytes]:
    """Split a table at the line ends that are not inside quotes."""
    record = b""
    for line in table:
        record += line
        if record.count(b'"') % 2 == 0:
            yield record
            record = b""
    if record:
        yield record
