"""Tables that rows are appended to, and the journal that records how much of each is committed.

Each commit appends rows, syncs the tables, then appends one line with their sizes and hashes to the journal
and syncs it. A run that is killed between any two of these steps resumes from the last journal line whose
tables are on disk; anything beyond them is truncated. A table whose content is not what the journal states
was changed by someone else, and is not touched.

Tables are rewritten as a whole, to remove rows or to sort them: the new tables are written beside the old
ones, a journal line with their hashes makes them valid, then they replace the old ones. If a run is killed in
between, the next one completes these steps.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from ...data.csv_files import csv_line
from ...errors import OutputError
from ...machine.file_lock import lock
from ...machine.files import make_folder
from .ledger import (
    FORMAT,
    Commit,
    CommitPoint,
    Discard,
    Finish,
    Ledger,
    Line,
    Plan,
    Rewrite,
    Source,
    Start,
    TableState,
    encode,
    read_ledger,
)
from .table_files import TableFile, rewrite_table, truncate, write_all

JOURNAL = ".cxr-journal.jsonl"

_CURE = "restore it, choose another --out, or give --overwrite to measure all images again"


class Journal:
    """The tables of one output folder, which one process at a time can open.

    Parameters
    ----------
    out : Path
        The output folder, created if it is missing.
    headers : mapping of str to sequence of str
        The columns of each table, by its file name; the first column is the key of an image.

    Attributes
    ----------
    ledger : Ledger
        What was planned and committed.

    Raises
    ------
    OutputError
        If the folder cannot be written, or another run is writing in it.
    """

    def __init__(self, out: Path, headers: Mapping[str, Sequence[str]]) -> None:
        self._out = make_folder(out)
        self._headers = headers
        self._tables: dict[str, TableFile] = {}
        self._uncommitted: dict[str, list[str]] = {name: [] for name in headers}
        self._digests: list[str | None] = []
        self._done = 0
        self.ledger = Ledger()
        try:
            self._journal = (out / JOURNAL).open("a+b", buffering=0)
        except OSError as error:
            raise OutputError(f"{out}: cannot write in this folder ({error.strerror})") from error
        if not lock(self._journal):
            self._journal.close()
            raise OutputError(f"{out}: another run is writing here; wait for it, or choose another --out")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_tables()
        self._journal.close()

    @property
    def tables(self) -> frozenset[str]:
        """The file names of the tables."""
        return frozenset(self._headers)

    def read(self) -> Ledger:
        """Read what an earlier run planned and committed; empty if there is none."""
        self._journal.seek(0)
        self.ledger = read_ledger(self._journal.read())
        return self.ledger

    def discard(self) -> None:
        """Record that the results are about to be replaced, so that no later run resumes them."""
        if self.ledger.journal_size:
            with _reporting_write_errors(self._out):
                truncate(self._journal, self.ledger.journal_size)
                self._write(Discard())

    def clear(self) -> None:
        """Delete all lines, and sync."""
        with _reporting_write_errors(self._out):
            self._journal.truncate(0)
            os.fsync(self._journal.fileno())
        self.ledger = Ledger()

    def begin(self) -> None:
        """Create the tables with their headers, replacing existing ones."""
        self.clear()
        with _reporting_write_errors(self._out):
            self._write(Start(FORMAT))
            self._open_tables({name: TableFile(self._path(name)) for name in self._headers})
        for name, columns in self._headers.items():
            self._uncommitted[name].append(csv_line(columns))
        self._commit()
        _sync_folder(self._out)

    def resume(self) -> bool:
        """Open the tables at the last commit; False if there is none, and `begin` must be called.

        Raises
        ------
        OutputError
            If another version of cxr wrote the journal, a table is missing, or its content is not what the
            run wrote. Nothing is changed then.
        """
        ledger = self.read()
        if ledger.is_foreign:
            raise OutputError(
                f"{self._out / JOURNAL}: was written by another version of cxr, whose run cannot be resumed; "
                "choose another --out, or give --overwrite"
            )
        if ledger.is_discarded or not ledger.points:
            return False
        with _reporting_write_errors(self._out):
            self._complete_rewrite()
            point = self._last_point()
            tables = {name: self._verified(name, point.tables[name]) for name in self._headers}
            if point is not ledger.points[-1]:
                ledger.roll_back(point)
            truncate(self._journal, ledger.journal_size)
            self._open_tables(tables)
        return True

    def plan(self, sources: Sequence[Source]) -> None:
        """Record the images that will be measured, in this order."""
        with _reporting_write_errors(self._out):
            self._write(Plan(list(sources)))
        self._done = 0

    def append(self, texts: Mapping[str, str], digest: str | None = None) -> None:
        """Add the rows of the next planned image: whole lines by table, which the next commit writes."""
        for name, text in texts.items():
            self._uncommitted[name].append(text)
        self._digests.append(digest)

    def commit(self) -> None:
        """Write and sync everything appended since the last commit.

        Raises
        ------
        OutputError
            If it cannot be written; earlier commits stay valid.
        """
        if self._digests:
            self._commit()

    def rewrite(self, dropped: Collection[str] = ()) -> None:
        """Remove the rows of some images, and put all others in the order of their keys.

        Raises
        ------
        OutputError
            If the tables cannot be written; they are then unchanged.
        """
        self.commit()
        keys = sorted(self.ledger.finished.keys() - set(dropped))
        new = {name: _new_version(self._path(name)) for name in self._tables}
        with _reporting_write_errors(self._out):
            try:
                tables = {name: rewrite_table(self._path(name), path, keys) for name, path in new.items()}
            except BaseException:
                for path in new.values():
                    path.unlink(missing_ok=True)
                raise
            _sync_folder(self._out)
            self._close_tables()
            self._write(Rewrite(sorted(dropped), {name: table.state for name, table in tables.items()}))
            for name, path in new.items():
                path.replace(self._path(name))
            _sync_folder(self._out)
            self._open_tables(tables)

    def finish(self) -> None:
        """Record that the tables are complete."""
        self.commit()
        if not self.ledger.is_complete:
            with _reporting_write_errors(self._out):
                self._write(Finish())

    def digest_of(self, table: str) -> str:
        """Return the hash of a table's content."""
        return self._tables[table].state.digest

    def _commit(self) -> None:
        with _reporting_write_errors(self._out):
            for name, texts in self._uncommitted.items():
                if texts:
                    self._tables[name].append("".join(texts))
                    texts.clear()
                if not self._path(name).exists():
                    raise OutputError(
                        f"{self._out / name}: was removed while this run was writing it; start the run again"
                    )
            self._done += len(self._digests)
            states = {name: table.state for name, table in self._tables.items()}
            self._write(Commit(self._done, states, self._digests if any(self._digests) else []))
            self._digests = []

    def _write(self, line: Line) -> None:
        data = encode(line)
        write_all(self._journal, data)
        self.ledger.apply(line, self.ledger.journal_size + len(data))

    def _open_tables(self, tables: dict[str, TableFile]) -> None:
        self._tables = tables
        for table in tables.values():
            table.open()

    def _close_tables(self) -> None:
        for table in self._tables.values():
            table.close()

    def _complete_rewrite(self) -> None:
        """Replace the tables if the last line is their rewrite; else remove what a killed rewrite left."""
        for name in self._headers:
            new = _new_version(self._path(name))
            if not new.exists():
                continue
            state = self.ledger.points[-1].tables.get(name)
            if self.ledger.is_rewritten and TableFile(new).read(new.stat().st_size).state == state:
                new.replace(self._path(name))
            else:
                new.unlink()
            _sync_folder(self._out)

    def _last_point(self) -> CommitPoint:
        """Return the last commit that the tables are long enough for; a complete run must have its last."""
        points = self.ledger.points
        if points[-1].tables.keys() != self._headers.keys():
            raise self._changed(JOURNAL)
        sizes = {name: self._size(name) for name in self._headers}
        candidates = points[-1:] if self.ledger.is_complete else points
        for point in reversed(candidates):
            short = [name for name, size in sizes.items() if size < point.tables[name].size]
            if not short:
                return point
        raise self._changed(short[0])

    def _size(self, name: str) -> int:
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError as error:
            raise OutputError(
                f"{self._out / name}: is missing, though a run wrote it here; {_CURE}"
            ) from error

    def _verified(self, name: str, state: TableState) -> TableFile:
        """Read the committed part of a table, and check that it is what the run wrote."""
        path, header = self._path(name), csv_line(self._headers[name]).encode()
        table = TableFile(path).read(state.size)
        with path.open("rb") as file:
            has_columns = file.read(len(header)) == header  # not those of another version of cxr
        has_tail = self.ledger.is_complete and path.stat().st_size != state.size
        if table.state != state or not has_columns or has_tail:
            raise self._changed(name)
        return table

    def _path(self, name: str) -> Path:
        """Return the path of a table; if it is a link, a rewrite replaces its target."""
        return Path(os.path.realpath(self._out / name))

    def _changed(self, name: str) -> OutputError:
        return OutputError(f"{self._out / name}: is no longer as the run wrote it (saved again?); {_CURE}")


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


def _new_version(table: Path) -> Path:
    """Return the path of a table's new version, until that replaces the table."""
    return table.with_name(f".{table.name}.new")


def _sync_folder(folder: Path) -> None:
    """Sync the directory entries of new files."""
    if sys.platform == "win32":
        return  # Windows cannot open a folder for this
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
