"""Read JPEG files strictly: where libjpeg would fill in gray and only warn, the file is rejected.

A wrong number of codes and undefined codes are found. JPEG has no checksum, so damage after which the codes
are in step again and complete stays undetected: most changes of one bit, and about a third of gaps of
40 bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import DecodeError
from .codestream import read_jpeg_frame
from .decoded import Decoded, check_size, truncated_header_errors
from .formats import Format
from .opencv import decode_with_opencv

_TARGET_COLOR_SPACES = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}

# Warnings that do not concern the pixels, and chroma subsamplings that the strict decoder does not support.
_HARMLESS = ("JFIF revision", "Adobe color transform", "Invalid SOS parameters", "subsampling")


def read(data: bytes, max_pixels: int) -> Decoded:
    """Read a JPEG file.

    Raises
    ------
    DecodeError
        If it is truncated or damaged, or has other than 8 bits per sample or more than `max_pixels` pixels.
    """
    with truncated_header_errors(Format.JPEG):
        frame = read_jpeg_frame(data)
    if frame.bits != 8:
        raise DecodeError(f"a JPEG with {frame.bits} bits per sample, which is not supported; save it as PNG")
    check_size(frame.width, frame.height, max_pixels)
    pixels = decode_strictly(data)
    return Decoded(decode_with_opencv(data, Format.JPEG) if pixels is None else pixels)


def decode_strictly(data: bytes) -> npt.NDArray[np.uint8] | None:
    """Decode a JPEG with 8 bits per sample; every warning about pixels is an error.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    ndarray of uint8, shape (height, width) or (height, width, 3), or None
        Gray, or blue, green and red. None for files that OpenCV must decode: CMYK and images with EXIF, which
        may demand a rotation (both are checked here first), and the few that cannot be checked.

    Raises
    ------
    DecodeError
        If the decoder had to guess pixels.
    """
    from simplejpeg import decode_jpeg, decode_jpeg_header

    try:
        color_space = str(decode_jpeg_header(data)[2])
        pixels: npt.NDArray[Any] = decode_jpeg(data, _TARGET_COLOR_SPACES.get(color_space, "BGR"))
    except ValueError as error:
        if any(text in str(error) for text in _HARMLESS):
            return None
        raise DecodeError(f"a JPEG that is damaged ({error}); copy or download it again") from error
    if pixels.shape[2] == 4 or b"Exif\0\0" in data:
        return None
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels
