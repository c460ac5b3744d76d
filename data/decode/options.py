"""Options of decoding: limits that are checked before memory is allocated, and the key of pseudonyms."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_PIXELS = 200_000_000
"""Default limit of pixels per image."""

MAX_BYTES = 1 << 30
"""Default limit of bytes per file."""

SECONDS = 60.0
"""Default time limit for decoding one file."""


@dataclass(frozen=True)
class DecodeOptions:
    """How files are decoded.

    Attributes
    ----------
    max_pixels, max_bytes : int
        Larger images and files are rejected before memory is allocated for them.
    seconds : float
        Time limit per file, for decoders that run in worker processes.
    salt : bytes or None
        Key of the hashes that replace DICOM patient identifiers; None: no `patient_id`.
    dicom_columns : tuple of str
        The columns to read from DICOM headers.
    """

    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES
    seconds: float = SECONDS
    salt: bytes | None = field(default=None, repr=False)
    dicom_columns: tuple[str, ...] = ()
