"""Draw run lengths into a mask: COCO's compressed and plain counts, and the pairs of Kaggle and SIIM.

COCO's text is that of `rleToString` in https://github.com/cocodataset/cocoapi, common/maskApi.c: digits of
five bits, lowest first, in two's complement, as the characters from 48 on; a sixth bit marks that more digits
follow; from the fourth on, a count is the difference from the count two before.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ..image import Gray
from .shapes import RunForm, RunLengths

Integers = npt.NDArray[np.int64]

_DIGIT_BITS, _MORE_DIGITS, _SIGN_BIT, _ZERO = 5, 32, 16, 48
_MAX_DIGITS = 8
"""Of one count in COCO's text: 40 bits, more than any image has pixels."""

_NUMBERS = re.compile(r"\s*(?:\d{1,12}(?:[\s,]+|$))*", re.ASCII)


def draw_run_lengths(runs: RunLengths, mask: Gray) -> None:
    """Set the pixels of run lengths in a mask of 0 and 1.

    Raises
    ------
    InputError
        If they are damaged, or of an image of another size; the message does not name the file.
    """
    height, width = mask.shape
    if runs.size is not None and runs.size != mask.shape:
        raise InputError(
            f"a mask of {runs.size[1]} x {runs.size[0]} pixels, but the image has {width} x {height}; "
            "run lengths cannot be scaled: use the image that they were drawn on"
        )
    starts, lengths = _runs(runs)
    ends = starts + lengths
    if len(ends) and ends.max() > mask.size:
        raise InputError(
            f"run lengths that reach pixel {ends.max()} of an image of {width} x {height} = {mask.size} "
            "pixels; they are of another image, of another size of it, or in another form"
        )
    # Differences of +1 and -1 at the ends of runs: their sum counts the runs over each pixel.
    steps = np.zeros(mask.size + 1, np.int32)
    np.add.at(steps, starts, 1)
    np.add.at(steps, ends, -1)
    inside = np.cumsum(steps[:-1]) > 0
    mask |= inside.reshape(width, height).T


def numbers_of(text: str) -> Integers:
    """Return the whole numbers of a text, separated by blanks or commas.

    Raises
    ------
    InputError
        If it holds anything else.
    """
    if not _NUMBERS.fullmatch(text):
        shown = text if len(text) <= 40 else f"{text[:39]}…"
        raise InputError(f"run lengths are whole numbers separated by blanks, not {shown!r}")
    return np.array(re.findall(r"\d+", text), np.int64)


def pairs_of(text: str) -> tuple[Integers, Integers]:
    """Return the starts and lengths of pairs of numbers, as they are written.

    Raises
    ------
    InputError
        If there is an odd number of them.
    """
    numbers = numbers_of(text)
    if len(numbers) % 2:
        raise InputError(f"run lengths are pairs of a start and a length; these are {len(numbers)} numbers")
    return numbers[0::2], numbers[1::2]


def _runs(runs: RunLengths) -> tuple[Integers, Integers]:
    """Return the first pixel of each run, from 0, and its length."""
    if runs.form in (RunForm.COCO, RunForm.COUNTS):
        counts = _counts(runs.text) if runs.form is RunForm.COCO else numbers_of(runs.text)
        if runs.size is not None and counts.sum() != runs.size[0] * runs.size[1]:
            raise InputError(
                f"run lengths of {counts.sum()} pixels for a mask of {runs.size[1]} x {runs.size[0]}"
            )
        ends = np.cumsum(counts)
        return ends[0:-1:2], counts[1::2]
    starts, lengths = pairs_of(runs.text)
    if runs.form is RunForm.SIIM:
        return np.cumsum(starts + lengths) - lengths, lengths
    if (starts < 1).any():
        raise InputError("run lengths that start at pixel 0; in this form, pixels are counted from 1")
    return starts - 1, lengths


def _counts(text: str) -> Integers:
    """Read COCO's compressed text."""
    digits = np.frombuffer(text.encode("ascii", "replace"), np.uint8).astype(np.int64) - _ZERO
    if ((digits < 0) | (digits >= 2 * _MORE_DIGITS)).any():
        raise InputError("run lengths with characters that COCO's compressed text does not have")
    last = np.flatnonzero(digits < _MORE_DIGITS)
    if len(digits) and (not len(last) or last[-1] != len(digits) - 1):
        raise InputError("run lengths that end within a number")
    number_of_digits = np.diff(last, prepend=-1)
    if len(last) and number_of_digits.max() > _MAX_DIGITS:
        raise InputError("run lengths with a number larger than any image")
    positions = np.arange(len(digits)) - np.repeat(last - number_of_digits + 1, number_of_digits)
    values = (digits & (_MORE_DIGITS - 1)) << (_DIGIT_BITS * positions)
    counts: Integers = np.add.reduceat(values, last - number_of_digits + 1) if len(last) else values
    counts -= (digits[last] & _SIGN_BIT > 0).astype(np.int64) << (_DIGIT_BITS * number_of_digits)
    # Every second count, from the second and the third on, adds up; the first is neither's predecessor.
    for start in (1, 2):
        counts[start::2] = np.cumsum(counts[start::2])
    if (counts < 0).any():
        raise InputError("run lengths with a negative number")
    return counts
