"""The largest numbers that options accept; beyond these, a slip of the keyboard is likelier than a wish."""

from __future__ import annotations

from ..errors import InputError

MAX_THREADS = 1024
"""Threads or processes; the largest machines have fewer cores."""

MAX_BATCH = 4096
"""Images per model pass; a device's memory holds fewer."""

MAX_PIXELS = 40_000 * 40_000
"""Pixels of an image: masks with longer sides cannot be measured."""

MAX_REPEATS = 1_000_000
"""Epochs, trials or patients of a sample."""

MAX_SIDE = 8192
"""Side of a model's input, or of an image of the sample, in pixels."""

MAX_SEED = 2**32 - 1
"""The largest seed of scikit-learn and Lightning."""


def check_range(name: str, value: int | None, least: int, most: int) -> None:
    """Check a setting that is a whole number; None, for a default, is accepted.

    Raises
    ------
    InputError
        Naming the setting, its range and the value.
    """
    if value is not None and not least <= value <= most:
        raise InputError(f"{name} must be at least {least} and at most {most}, got {value}")
