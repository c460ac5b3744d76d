"""The licenses of a data set's images, for its model card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

LICENSE_COLUMNS = ("license", "licence")
_MAX_LENGTH = 70
_MAX_LICENSES = 4


def license_of(row: Mapping[str, Any]) -> str | None:
    """Return the license in a row of index.csv, if it states one."""
    return next((row[name] for name in LICENSE_COLUMNS if row.get(name)), None)


def summarize_licenses(values: Sequence[str | None]) -> str:
    """List the distinct licenses of the images, most frequent first, shortened."""
    counts = Counter(value for value in values if value)
    named = [
        name if len(name) <= _MAX_LENGTH else name[: _MAX_LENGTH - 1] + "…"
        for name, _ in counts.most_common()
    ]
    if not named:
        return "not stated"
    more = len(named) - _MAX_LICENSES
    return "; ".join(named[:_MAX_LICENSES]) + (f"; and {more} more" if more > 0 else "")
