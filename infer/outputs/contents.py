"""The content of image files, as hashes: whether a file is still the one that was measured."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from ...machine.os_errors import check_drive, drive_error, has_disappeared
from ..concurrency import ordered_map, thread_pool
from ..records import Failure, ImageFile
from .ledger import Source

Entry = ImageFile | Failure


def source_of(entry: Entry) -> Source:
    """Return an entry of the listing as the journal records it."""
    if isinstance(entry, Failure):
        return Source(entry.key, listing_error=entry.error)
    # The journal holds integers of 64 bits; some file systems keep times beyond the year 2262.
    modified_ns = None if entry.modified_ns is None else entry.modified_ns % (1 << 63)
    return Source(entry.key, entry.size, modified_ns)


def changed_keys(
    entries: Iterable[Entry], finished: Mapping[str, Source], *, verify: bool, threads: int
) -> set[str]:
    """Find the images whose file is not the one that was measured.

    A file is unchanged if it has its former size and time of modification; where its content was hashed, the
    content decides.

    Parameters
    ----------
    entries : iterable of ImageFile or Failure
        The folder now.
    finished : mapping of str to Source
        The measured images by key; others are left out.
    verify : bool
        Compare the content of every file whose content was hashed.
    threads : int
        Files that are read at the same time.

    Raises
    ------
    MachineError
        If the drive of a file does not answer.
    """
    changed, unknown = set(), []
    for entry in entries:
        before, now = finished.get(entry.key), source_of(entry)
        if before is None or (before.is_unchanged(now) and (before.digest is None or not verify)):
            continue
        if before.digest is not None and before.size == now.size:
            unknown.append(entry)
        else:
            changed.add(entry.key)
    for entry, digest in with_digests(unknown, threads):
        if digest is None or digest != finished[entry.key].digest:
            changed.add(entry.key)
    return changed


def with_digests(entries: Iterable[Entry], threads: int) -> Iterator[tuple[Entry, str | None]]:
    """Yield each entry with the hash of its content, a few files ahead; None if it cannot be read.

    Raises
    ------
    MachineError
        If the drive of a file does not answer.
    """
    with thread_pool(threads) as pool:
        yield from ordered_map(pool, _with_digest, entries, 2 * threads)


def _with_digest(entry: Entry) -> tuple[Entry, str | None]:
    if isinstance(entry, Failure):
        return entry, None
    try:
        with entry.path.open("rb") as file:
            return entry, hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).hexdigest()
    except OSError as error:
        check_drive(entry.path, error)
        if entry.size is not None and has_disappeared(entry.path):
            raise drive_error(entry.path, "has disappeared") from error
        return entry, None  # decoding reports the cause
