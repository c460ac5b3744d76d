"""Names of classes made from the labels that people write."""

from __future__ import annotations

import re


def class_name_of(label: str) -> str:
    """Return a label as the name of a class: lower case, with underscores.

    Examples
    --------
    >>> class_name_of("Pleural Thickening"), class_name_of(" left-lung ")
    ('pleural_thickening', 'left_lung')
    """
    return re.sub(r"\W+", "_", label.strip().lower()).strip("_")
