"""Tell image files from others: by suffix where it is an image's, else by the first bytes."""

from __future__ import annotations

from pathlib import PurePath

from ...data.decode.formats import DICOM_HEAD, Format, is_dicom, recognize
from ...data.decode.reader import SUFFIXES
from ...errors import DecodeError

HEAD_BYTES = DICOM_HEAD
"""Number of bytes from the start of a file that `is_image_head` needs."""

NO_SUFFIX = "(no suffix)"

_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst"})
_COPIES = frozenset({".bak", ".crdownload", ".download", ".old", ".orig", ".part", ".swp", ".tmp"})
_LONGEST_SUFFIX = 16

_DATA_SET_GROUPS = (2, 8)
_NEXT_GROUPS = (2, 8, 0x10)
_FIRST_ELEMENTS = 0x0100
_LONGEST_VALUE = 128
_VRS = frozenset({"CS", "DA", "DT", "IS", "LO", "OB", "PN", "SH", "ST", "TM", "UI", "UL", "UN", "US"})
# Followed by two reserved bytes and a length of four (PS3.5, 7.1.2).
_LONG_VRS = frozenset({"OB", "UN"})


def has_image_suffix(name: str) -> bool:
    r"""Return whether a file name ends as an image's does; trailing blanks and line ends do not count.

    Examples
    --------
    >>> has_image_suffix("a.PNG"), has_image_suffix("a.png \r"), has_image_suffix("a.txt")
    (True, True, False)
    """
    return PurePath(name.rstrip()).suffix.lower() in SUFFIXES


def suffix_of(name: str) -> str:
    """Return the suffix by which a file is counted, in lower case; of a compressed file both its suffixes.

    A number is no suffix (DICOM files are named after UIDs), nor is a sentence after a period.

    Examples
    --------
    >>> suffix_of("a.TXT"), suffix_of("b.dcm.gz"), suffix_of("1.2.840.5"), suffix_of("IM0001")
    ('.txt', '.dcm.gz', '(no suffix)', '(no suffix)')
    """
    path = PurePath(name.rstrip())
    suffix = path.suffix.lower()
    if not _is_plain(suffix):
        return NO_SUFFIX
    before = PurePath(path.stem).suffix.lower()
    return before + suffix if suffix in _COMPRESSED and _is_plain(before) else suffix


def is_copy(name: str) -> bool:
    """Return whether a file is a backup or an unfinished download, such as `a.png.bak` or `a.png~`."""
    suffix = PurePath(name).suffix.lower()
    return name.endswith("~") or suffix in _COPIES or suffix.endswith("_original")


def is_image_head(head: bytes) -> bool:
    """Return whether a file that starts with these bytes is an image of a supported format.

    DICOM without preamble counts too: it cannot be read, which becomes the image's failure.
    """
    if is_dicom(head) or _is_data_set(head):
        return True
    try:
        found = recognize(head)
    except DecodeError:
        return False
    return found is not Format.BMP or _is_bitmap(head)


def _is_plain(suffix: str) -> bool:
    return suffix[1:].isalnum() and not suffix[1:].isdigit() and len(suffix) <= _LONGEST_SUFFIX


def _is_bitmap(head: bytes) -> bool:
    """Check more than the two letters "BM": the reserved bytes and the size of the second header."""
    return head[6:10] == bytes(4) and int.from_bytes(head[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)


def _is_data_set(head: bytes) -> bool:
    """Return whether these bytes are a data element of DICOM, followed by one that may come next."""
    for order, explicit in (("little", True), ("little", False), ("big", True)):
        group, element = _number(head[0:2], order), _number(head[2:4], order)
        if group not in _DATA_SET_GROUPS or element >= _FIRST_ELEMENTS:
            continue
        start, length = _value_of(head, order) if explicit else (8, _number(head[4:8], order))
        if length is None or length % 2 or length > _LONGEST_VALUE:
            continue
        end = start + length
        if end + 2 > len(head) or _number(head[end : end + 2], order) in _NEXT_GROUPS:
            return len(head) > start
    return False


def _value_of(head: bytes, order: str) -> tuple[int, int | None]:
    """Return where the value of a first element with a VR starts, and its length; None without a VR."""
    vr = head[4:6].decode("latin-1")
    if vr not in _VRS:
        return 8, None
    return (12, _number(head[8:12], order)) if vr in _LONG_VRS else (8, _number(head[6:8], order))


def _number(data: bytes, order: str) -> int:
    return int.from_bytes(data, "big" if order == "big" else "little")
