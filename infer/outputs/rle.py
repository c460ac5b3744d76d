"""Run lengths of a mask as one short text, as COCO writes them.

`pycocotools.mask.decode({"size": [height, width], "counts": text})` gives the mask back, and so does every
other reader of COCO's compressed masks.

A mask is read down its columns, column after column; the counts are of background and foreground in turn
and begin with the background, 0 where the first pixel is foreground. From the fourth on, a count is written
as its difference from the count two before. A number is written in digits of five bits, the lowest first,
two's complement, a sixth bit saying that more follow, each digit as the character 48 + its value
(`rleToString` of https://github.com/cocodataset/cocoapi, common/maskApi.c).

The alphabet, `0` to `o` of ASCII, has no blank, comma, quote or line end, so the text is a cell of a CSV
file as it stands. It has `=`, `@`, and digits:

- A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@`. Only `=` can begin a text, namely that of
  a first count of 13: a count is never negative, so its last digit is below 16, and a digit with more to
  follow is above 31. For this one count `encode` writes `]0`, the same 13 with a digit of zero after it,
  which every reader takes and no spreadsheet runs. An apostrophe before the text would spoil it.
- Some texts are digits alone. A table reader must be told that the column is text, as by
  ``pandas.read_csv(path, dtype={"rle": str})``.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ...data.image import Gray
from ...errors import InputError

Numbers = npt.NDArray[np.int64]

_BITS, _MORE, _SIGN, _ZERO = 5, 32, 16, 48
_LONGEST = 12  # digits of a number that int64 holds


def encode(mask: Gray) -> str:
    """Write a mask as COCO's compressed run lengths.

    Parameters
    ----------
    mask : ndarray of uint8, shape (height, width)
        0 or 1.

    Returns
    -------
    str
        What `pycocotools.mask.encode` gives, save that a text never begins with `=`: see the module.
    """
    counts = _count_runs(np.asarray(cv2.transpose(mask), np.uint8).reshape(-1))
    counts[3:] -= counts[1:-2].copy()
    text = _to_text(counts)
    return f"]0{text[1:]}" if text.startswith("=") else text


def decode(text: str, shape: tuple[int, int]) -> Gray:
    """Read a mask back.

    Parameters
    ----------
    text : str
        COCO's compressed run lengths.
    shape : tuple of int
        (height, width).

    Returns
    -------
    ndarray of uint8, shape (height, width), 0 or 1

    Raises
    ------
    InputError
        If the text is not such run lengths, or those of a mask of another size.
    """
    height, width = shape
    counts = _from_text(text)
    for first in (1, 2):
        counts[first::2] = np.cumsum(counts[first::2])
    size = height * width
    if counts.min() < 0 or counts.max() > size or counts.sum() != size:
        raise InputError(
            f"run lengths that are not of a mask of {height} x {width} pixels; "
            "give the (height, width) that they were written for"
        )
    values = np.arange(counts.size, dtype=np.int64).astype(np.uint8) & 1
    return np.asarray(cv2.transpose(np.repeat(values, counts).reshape(width, height)), np.uint8)


def _count_runs(pixels: Gray) -> Numbers:
    """Give the lengths of background and foreground in turn, background first."""
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    before = np.zeros(1 + int(pixels[0] != 0), np.int64)
    return np.diff(changes, prepend=before, append=pixels.size)


def _to_text(numbers: Numbers) -> str:
    magnitudes = numbers ^ (numbers >> 63)  # n, or -n - 1: both need the same digits
    digits = np.ones(numbers.size, np.int64)
    limit = _SIGN
    while (longer := magnitudes >= limit).any():
        digits += longer
        limit <<= _BITS
    ends = np.cumsum(digits)
    starts = ends - digits
    characters = np.empty(ends[-1], np.uint8)
    for place in range(int(digits.max())):
        written = np.flatnonzero(digits > place)
        value = (numbers[written] >> (_BITS * place)) & (_MORE - 1)
        more = (digits[written] > place + 1) * _MORE
        characters[starts[written] + place] = _ZERO + value + more
    return characters.tobytes().decode("ascii")


def _from_text(text: str) -> Numbers:
    characters = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - _ZERO
    if not characters.size or characters.min() < 0 or characters.max() >= 2 * _MORE:
        raise InputError("not COCO run lengths: a text of the characters 0 to o of ASCII is needed")
    ends = np.flatnonzero(characters < _MORE)
    if not ends.size or ends[-1] != characters.size - 1:
        raise InputError("run lengths that end amid a number; the text was cut: write or copy it again")
    starts = np.concatenate(([0], ends[:-1] + 1))
    digits = ends - starts + 1
    if digits.max() > _LONGEST:
        raise InputError(f"not COCO run lengths: a number of {digits.max()} digits")
    places = np.arange(characters.size) - np.repeat(starts, digits)
    numbers = np.add.reduceat((characters & (_MORE - 1)) << (_BITS * places), starts)
    negative = (characters[ends] & _SIGN) != 0
    return np.asarray(numbers - (negative.astype(np.int64) << (_BITS * digits)), np.int64)
