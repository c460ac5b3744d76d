"""How files are read: limits that hold before memory is taken, and the secret that hides patients."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_PIXELS = 200_000_000
"""The largest image that is decoded; a larger one is refused by its header."""

MAX_BYTES = 1 << 30
"""The largest file that is read."""


SECONDS = 60.0
"""How long the decoding of one file may take."""


@dataclass(frozen=True)
class DecodeOptions:
    """What a reader permits.

    Attributes
    ----------
    max_pixels, max_bytes : int
        A larger image or file is refused before memory is taken for it.
    seconds : float
        Where decoders run in processes of their own, a file that takes longer is given up.
    salt : bytes or None
        The secret for keyed hashes of DICOM patients; None: no patient is told.
    """

    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES
    seconds: float = SECONDS
    salt: bytes | None = field(default=None, repr=False)
