"""What changed in a folder since a run measured its images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from ...errors import InputError
from ..records import Failure
from .contents import Entry
from .ledger import Ledger


@dataclass(frozen=True)
class Changes:
    """What a run has to do to make its tables those of the folder as it is now.

    Attributes
    ----------
    remaining : tuple of ImageFile or Failure
        The entries to process, in the order of the listing.
    dropped : tuple of str
        The keys whose rows have to be removed first.
    replaced : tuple of str
        Those of them whose file is no longer the one that was measured.
    forgotten : tuple of str
        Those of them whose file is gone.
    missing : tuple of str
        The keys whose file is gone, and whose rows stay.
    abandoned : tuple of str
        The keys that were planned but never finished, and whose file is gone.
    """

    remaining: tuple[Entry, ...]
    dropped: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    abandoned: tuple[str, ...] = ()


def find_changes(
    entries: Sequence[Entry],
    ledger: Ledger,
    *,
    changed: Collection[str],
    retried: Collection[str],
    forget_missing: bool,
) -> Changes:
    """Compare a folder with what a run measured.

    Parameters
    ----------
    entries : sequence of ImageFile or Failure
        The folder now.
    ledger : Ledger
        What the run planned and finished.
    changed : collection of str
        Finished images whose file is another.
    retried : collection of str
        Finished images that are processed again in any case.
    forget_missing : bool
        Remove the rows of images whose file is gone.

    Raises
    ------
    InputError
        If the folder now spells the name of a finished image otherwise.
    """
    finished = ledger.finished
    listed = {entry.key for entry in entries}
    again = {*changed, *retried} & finished.keys()
    remaining = tuple(entry for entry in entries if entry.key not in finished or entry.key in again)
    gone = [key for key in finished if key not in listed]
    # A folder that can be listed again is no failure any more; its images are in the listing.
    resolved = {key for key in gone if finished[key].listing_error is not None}
    hidden = _below_unlisted(gone, entries)
    missing = tuple(sorted(key for key in gone if key not in resolved and key not in hidden))
    if not forget_missing:
        _check_spelling(missing, (entry.key for entry in remaining if entry.key not in finished))
    forgotten = missing if forget_missing else ()
    return Changes(
        remaining=remaining,
        dropped=tuple(sorted({*again, *resolved, *forgotten})),
        replaced=tuple(sorted(again & set(changed))),
        forgotten=forgotten,
        missing=() if forget_missing else missing,
        abandoned=tuple(sorted(key for key in ledger.pending if key not in listed)),
    )


def _below_unlisted(keys: Iterable[str], entries: Iterable[Entry]) -> set[str]:
    """Return the keys below folders that cannot be listed now: nobody knows whether their files are gone."""
    folders = tuple(f"{entry.key}/" for entry in entries if isinstance(entry, Failure))
    return {key for key in keys if key.startswith(folders)} if folders else set()


def _check_spelling(missing: Iterable[str], new: Iterable[str]) -> None:
    """Check that no new image is a missing one under another Unicode spelling of its name."""
    spelled = {normalize("NFC", key): key for key in missing}
    for key in new:
        if (before := spelled.get(normalize("NFC", key))) is not None:
            raise InputError(
                f"{before!a}: is spelled {key!a} in the folder now, so its image would get a second row; "
                "choose another --out, or give --forget-missing to measure it under the new name"
            )
