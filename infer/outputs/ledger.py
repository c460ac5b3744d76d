"""The lines of a run's journal, and the state of the run that they add up to.

Each line is one JSON object. A run that begins writes `start`; each call writes a `plan` of the images that
it is going to measure, then a `commit` each time their rows are safe on disk, and at last `finish`. Rows that
are removed or put in another order are a `rewrite`; results that another run is about to replace are a
`discard`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

FORMAT = 2
"""The format of the journal; the first had no number."""


class Source(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """An image file, or a folder that could not be listed, as it was when it was planned.

    Attributes
    ----------
    key : str
    size, modified_ns : int or None
        Of the file; None if they could not be read.
    listing_error : str or None
        Why the listing failed.
    digest : str or None
        The hash of the file's content, where one was computed before the file was measured.
    """

    key: str
    size: int | None = None
    modified_ns: int | None = None
    listing_error: str | None = None
    digest: str | None = None

    def is_unchanged(self, now: Source) -> bool:
        """Return whether the file has the size and the time of modification that it had."""
        return (self.size, self.modified_ns, self.listing_error) == (
            now.size,
            now.modified_ns,
            now.listing_error,
        )


class TableState(msgspec.Struct, frozen=True, array_like=True):
    """The committed part of a table: its size in bytes, and the hash of its content."""

    size: int
    digest: str


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The first line."""

    format: int


class Plan(msgspec.Struct, frozen=True, tag="plan"):
    """The images that a call is going to measure, in the order in which they will finish."""

    sources: list[Source]


class Commit(msgspec.Struct, frozen=True, tag="commit", omit_defaults=True):
    """Rows that are safe on disk: those of the first `done` sources of the plan.

    `digests` are the hashes of the sources since the last commit; empty if none were computed.
    """

    done: int
    tables: dict[str, TableState]
    digests: list[str | None] = []


class Rewrite(msgspec.Struct, frozen=True, tag="rewrite"):
    """Tables without the rows of the dropped images, all others sorted by key."""

    dropped: list[str]
    tables: dict[str, TableState]


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """The tables are complete: nothing of a killed run can follow."""


class Discard(msgspec.Struct, frozen=True, tag="discard"):
    """The results are about to be replaced, and must not be resumed."""


Line = Start | Plan | Commit | Rewrite | Finish | Discard

_decoder = msgspec.json.Decoder(Line)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class CommitPoint:
    """A state that a run can be resumed from: its finished images, its tables, the end of its line."""

    finished: int
    tables: Mapping[str, TableState]
    journal_size: int


@dataclass
class Ledger:
    """The state of a run.

    Attributes
    ----------
    finished : dict of str to Source
        The images with committed rows by key, in the order of the rows.
    pending : dict of str to Source
        The planned images without: their masks may have been written.
    points : list of CommitPoint
        The commits since the tables were last rewritten; empty if there is nothing to resume.
    is_complete, is_rewritten : bool
        Whether the last line is a `finish`, or a `rewrite`.
    is_discarded : bool
        Whether there is a `discard`.
    is_foreign : bool
        Whether the journal has another format than this version of cxr writes.
    dropped : tuple of str
        If the last line is a `rewrite`, the images that it dropped, whose files may still exist.
    journal_size : int
        Where the last line ends, in bytes.
    """

    finished: dict[str, Source] = field(default_factory=dict)
    pending: dict[str, Source] = field(default_factory=dict)
    points: list[CommitPoint] = field(default_factory=list)
    is_complete: bool = False
    is_rewritten: bool = False
    is_discarded: bool = False
    is_foreign: bool = False
    dropped: tuple[str, ...] = ()
    journal_size: int = 0
    _plan: Sequence[Source] = ()
    _done: int = 0

    @property
    def known(self) -> set[str]:
        """The keys of all images whose masks and overlays the run may have written."""
        return {*self.finished, *self.pending, *self.dropped}

    @property
    def is_sorted(self) -> bool:
        """Whether the rows are in the order of the keys."""
        keys = list(self.finished)
        return all(first < second for first, second in pairwise(keys))

    def apply(self, line: Line, journal_size: int) -> None:
        """Add a line that ends at `journal_size`.

        Raises
        ------
        ValueError
            If it cannot follow the lines before it.
        """
        self.is_complete, self.is_rewritten = isinstance(line, Finish), isinstance(line, Rewrite)
        self.dropped = ()
        match line:
            case Plan(sources):
                self.pending = {source.key: source for source in sources}
                self._plan, self._done = sources, 0
            case Commit(done, tables, digests):
                self._finish(done, digests)
                self.points.append(CommitPoint(len(self.finished), tables, journal_size))
            case Rewrite(dropped, tables):
                kept = self.finished.keys() - set(dropped)
                self.finished = {key: self.finished[key] for key in sorted(kept)}
                self.dropped = tuple(dropped)
                self.points = [CommitPoint(len(self.finished), tables, journal_size)]
            case Discard():
                self.is_discarded = True
        self.journal_size = journal_size

    def roll_back(self, point: CommitPoint) -> None:
        """Return to an earlier commit: the images since then are pending again."""
        lost = list(self.finished)[point.finished :]
        self.pending |= {key: self.finished.pop(key) for key in lost}
        self.points = self.points[: self.points.index(point) + 1]
        self.is_complete, self.journal_size = False, point.journal_size

    def _finish(self, done: int, digests: Sequence[str | None]) -> None:
        newly = self._plan[self._done : done]
        if self._done + len(newly) != done or (digests and len(digests) != len(newly)):
            raise ValueError("a commit of images that were not planned")
        for index, source in enumerate(newly):
            read = msgspec.structs.replace(source, digest=digests[index]) if digests else source
            self.finished[source.key] = read
            self.pending.pop(source.key, None)
        self._done = done


def encode(line: Line) -> bytes:
    """Write a line, with its line end."""
    return _encoder.encode(line) + b"\n"


def read_ledger(journal: bytes) -> Ledger:
    """Add up the lines of a journal, up to the first that is incomplete or damaged."""
    ledger, end = Ledger(), 0
    for text in journal.split(b"\n")[:-1]:
        end += len(text) + 1
        try:
            line = _decoder.decode(text)
            if ledger.journal_size == 0 and line != Start(FORMAT):
                return Ledger(is_foreign=True)
            ledger.apply(line, end)
        except ValueError:  # msgspec.DecodeError derives from it
            ledger.is_foreign = ledger.journal_size == 0
            break
    return ledger
