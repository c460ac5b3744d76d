"""The supported transfer syntaxes: how a DICOM file encodes its data set and pixels (PS3.5, annex A)."""

from __future__ import annotations

from enum import StrEnum


class Syntax(StrEnum):
    """Transfer syntaxes by UID."""

    IMPLICIT_LITTLE = "1.2.840.10008.1.2"
    EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
    DEFLATED = "1.2.840.10008.1.2.1.99"
    EXPLICIT_BIG = "1.2.840.10008.1.2.2"
    RLE = "1.2.840.10008.1.2.5"
    JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
    JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
    JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
    JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
    JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
    JPEG_LS_NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"
    JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
    JPEG_2000 = "1.2.840.10008.1.2.4.91"
    HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
    HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
    HTJ2K = "1.2.840.10008.1.2.4.203"

    @property
    def big_endian(self) -> bool:
        """Whether the most significant byte comes first."""
        return self is Syntax.EXPLICIT_BIG

    @property
    def native(self) -> bool:
        """Whether pixels are not compressed."""
        return self in _NATIVE

    @property
    def lossy(self) -> bool:
        """Whether decompressed pixels may differ from the original, and so exceed the stored bits."""
        return self in _LOSSY


_NATIVE = frozenset({Syntax.IMPLICIT_LITTLE, Syntax.EXPLICIT_LITTLE, Syntax.DEFLATED, Syntax.EXPLICIT_BIG})
_LOSSY = frozenset(
    {
        Syntax.JPEG_BASELINE,
        Syntax.JPEG_EXTENDED,
        Syntax.JPEG_LS_NEAR_LOSSLESS,
        Syntax.JPEG_2000,
        Syntax.HTJ2K,
    }
)
