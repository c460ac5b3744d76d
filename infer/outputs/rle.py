"""Run lengths of a mask as one short text, as COCO writes them.

`pycocotools.mask.decode({"size": [height, width], "counts": text})` returns the mask, as does every other
reader of COCO's compressed masks.

A mask is read column by column. The counts are of background and foreground in turn, starting with the
background, 0 if the first pixel is foreground. From the fourth on, a count is written as its difference from
the count two before. A number is written in digits of five bits, lowest first, in two's complement; a sixth
bit marks that more digits follow; each digit is the character 48 + its value (`rleToString` of
https://github.com/cocodataset/cocoapi, common/maskApi.c).

The characters, `0` to `o` of ASCII, include no blank, comma, quote or line end, so the text is a CSV cell
without quotes. They include `=`, `@` and digits:

- A spreadsheet runs a cell that starts with `=`, `+`, `-` or `@`. Only `=` can start a text, and only if the
  first count is 13: a count is never negative, so its last digit is below 16, and a digit that others follow
  is above 31. For this one count `encode` writes `]0`, the same 13 followed by a zero digit, which every
  reader accepts and no spreadsheet runs. An apostrophe before the text would break it.
- Some texts consist of digits only. A reader of the table must treat the column as text, for example
  ``pandas.read_csv(path, dtype={"rle": str})``.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ...data.image import Gray

Integers = npt.NDArray[np.int64]

_DIGIT_BITS, _MORE_DIGITS, _SIGN_BIT, _ZERO = 5, 32, 16, 48


def encode(mask: Gray) -> str:
    """Write a mask as COCO's compressed run lengths.

    Parameters
    ----------
    mask : ndarray of uint8, shape (height, width)
        0 or 1.

    Returns
    -------
    str
        The text that `pycocotools.mask.encode` returns, except that it never starts with `=` (see above).
    """
    counts = _count_runs(np.asarray(cv2.transpose(mask), np.uint8).reshape(-1))
    counts[3:] -= counts[1:-2].copy()
    text = _to_text(counts)
    return f"]0{text[1:]}" if text.startswith("=") else text


def _count_runs(pixels: Gray) -> Integers:
    """Return the lengths of background and foreground in turn, background first."""
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    start = np.zeros(1 + int(pixels[0] != 0), np.int64)
    return np.diff(changes, prepend=start, append=pixels.size)


def _to_text(numbers: Integers) -> str:
    magnitudes = numbers ^ (numbers >> 63)  # n, or -n - 1 if n < 0: both need as many digits
    digits = np.ones(numbers.size, np.int64)
    limit = _SIGN_BIT
    while (longer := magnitudes >= limit).any():
        digits += longer
        limit <<= _DIGIT_BITS
    ends = np.cumsum(digits)
    starts = ends - digits
    characters = np.empty(ends[-1], np.uint8)
    for position in range(int(digits.max())):
        written = np.flatnonzero(digits > position)
        value = (numbers[written] >> (_DIGIT_BITS * position)) & (_MORE_DIGITS - 1)
        more = (digits[written] > position + 1) * _MORE_DIGITS
        characters[starts[written] + position] = _ZERO + value + more
    return characters.tobytes().decode("ascii")
