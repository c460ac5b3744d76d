"""Decode an image file with OpenCV."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import DecodeError

# Keeps depth and color, drops alpha, and applies the orientation tag.
_FLAGS = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR

# Failures are raised as errors; OpenCV would also print each one.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_alpha(data: bytes) -> npt.NDArray[Any] | None:
    """Read the alpha channel of an image file, not rotated; None if it has none."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels[..., 3] if pixels is not None and pixels.ndim == 3 and pixels.shape[2] == 4 else None


def decode_with_opencv(data: bytes, kind: str) -> npt.NDArray[Any]:
    """Decode the bytes of an image file.

    Parameters
    ----------
    data : bytes
        The whole file.
    kind : str
        Name of its format, for errors.

    Returns
    -------
    ndarray, shape (height, width) or (height, width, 3)
        With the depth of the file; color is blue, green and red.

    Raises
    ------
    DecodeError
        If OpenCV cannot decode it.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    except cv2.error as error:
        raise DecodeError(f"a {kind} that cannot be decoded ({error.err}); save it as PNG") from error
    if pixels is None:
        raise DecodeError(f"a {kind} that is damaged or of an unsupported variant; save it as PNG")
    return np.asarray(pixels)
