"""Decode a JPEG strictly: what libjpeg would fill in with gray, and only warn of, is an error here.

What shows is a wrong number of codes, or one without a meaning. JPEG has no checksum: not detectable is
damage after which the codes fall back into step and come out at the right number. That is most changes of
one bit, and about a third of gaps of 40 bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import DecodeError
from .codestream import read_jpeg
from .header import Header

_TARGETS = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}

# Warnings that say nothing of the pixels, and samplings of color that the strict decoder does not know.
_HARMLESS = ("JFIF revision", "Adobe color transform", "Invalid SOS parameters", "subsampling")


def decode_strictly(data: bytes) -> npt.NDArray[np.uint8] | None:
    """Decode a JPEG of 8 bits a sample.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    ndarray of uint8, shape (height, width) or (height, width, 3), or None
        Gray, or blue, green and red. None for what is left to the general reader: CMYK and images with
        EXIF, which may turn them (they are checked all the same), and the few that cannot be checked.

    Raises
    ------
    DecodeError
        If the decoder had to guess.
    """
    from simplejpeg import decode_jpeg, decode_jpeg_header

    try:
        stored = str(decode_jpeg_header(data)[2])
        pixels: npt.NDArray[Any] = decode_jpeg(data, _TARGETS.get(stored, "BGR"))
    except ValueError as error:
        if any(words in str(error) for words in _HARMLESS):
            return None
        raise DecodeError(f"a JPEG that is damaged ({error}); copy or download it again") from error
    if pixels.shape[2] == 4 or b"Exif\0\0" in data:
        return None
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _jpeg(data: bytes) -> Header:
    frame = read_jpeg(data)
    if frame.bits != 8:
        raise DecodeError(f"a JPEG with {frame.bits} bits a sample, which is not read; save it as PNG")
    return Header(frame.width, frame.height)
