"""The packages that the images of a folder need, checked before a run writes anything."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from ...data.decode.formats import DICOM_HEAD, is_dicom
from ...machine.extras import require
from ..records import Failure, ImageFile

_COMPRESSED_SYNTAXES = b"1.2.840.10008.1.2.4."
"""The start of the UIDs of the transfer syntaxes with compressed pixels (PS3.5, A.4)."""

_META_BYTES = 1024
"""Bytes that hold the transfer syntax of a DICOM file."""

_NEVER_DICOM = frozenset({".png", ".jpg", ".jpeg"})
"""Suffixes of files that are not opened here: a DICOM file with such a name is found when it is decoded."""


def check_requirements(entries: Iterable[ImageFile | Failure]) -> None:
    """Check that the packages that read the DICOM files of a folder are installed.

    Raises
    ------
    MissingExtraError
        Naming the package and the command that installs it.
    """
    missing = [name for name in ("pydicom", "imagecodecs") if not _is_installed(name)]
    if not missing:
        return
    for entry in entries:
        head = _head(entry) if isinstance(entry, ImageFile) else b""
        if is_dicom(head) and ("pydicom" in missing or _COMPRESSED_SYNTAXES in head):
            require(missing[0], extra="dicom")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError if the module was replaced by something without a spec
        return False


def _head(file: ImageFile) -> bytes:
    if file.path.suffix.lower() in _NEVER_DICOM:
        return b""
    try:
        with file.path.open("rb") as opened:
            return opened.read(max(_META_BYTES, DICOM_HEAD))
    except OSError:
        return b""  # decoding reports the cause
