"""Spellings of a patient's identifier that mean the same patient."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

_WHOLE_NUMBER = re.compile(r"\d+(\.0*)?")


def patient_key(patient_id: str) -> str:
    """Return one spelling for all spellings of a patient's identifier.

    Blanks around it and letter case do not count, and numbers are compared as numbers: tables typed by hand
    or written by pandas hold `007` and `7.0` for 7.

    Examples
    --------
    >>> patient_key("007"), patient_key("7.0"), patient_key(" P4")
    ('7', '7', 'p4')
    """
    text = unicodedata.normalize("NFKC", patient_id).strip().casefold()
    return text.partition(".")[0].lstrip("0") or "0" if _WHOLE_NUMBER.fullmatch(text) else text


def spelled_differently(patient_ids: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of different spellings that mean the same patient, each sorted."""
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for patient_id in patient_ids:
        groups[patient_key(patient_id)].add(patient_id)
    return [tuple(sorted(group)) for _, group in sorted(groups.items()) if len(group) > 1]
