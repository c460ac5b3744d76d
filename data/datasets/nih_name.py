"""File names of NIH ChestX-ray14: patient 1's first image is `00000001_000.png`."""

from __future__ import annotations

import re

LAST_PATIENT = 30_805
"""Names of date and number, such as `20200131_001.png`, have the same form but no such number."""

_NAME = re.compile(r"(\d{8})_\d{3}\.", re.ASCII)


def nih_patient(path: str) -> str | None:
    """Return the patient number in an NIH file name, without leading zeros.

    Parameters
    ----------
    path : str
        A file name, or a path with `/`, whose last part counts.

    Returns
    -------
    str or None
        None if the name is not of this form, or has a number that no patient of the data set has.

    Examples
    --------
    >>> nih_patient("images/00000013_002.png")
    '13'
    """
    match = _NAME.match(path.rpartition("/")[2])
    return str(int(match[1])) if match and int(match[1]) <= LAST_PATIENT else None
