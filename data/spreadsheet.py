"""Text in a CSV file that a spreadsheet would run as a formula: guarded by an apostrophe, and freed again.

https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")

GUARDED_TEXT = r"^'('*[=+\-@\t\r])"
"""Matches guarded text; its group is how the text itself begins."""


def guard(text: str) -> str:
    """Put an apostrophe before text that would be run, and before text that looks guarded already."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguard(text: str) -> str:
    """Give back what `guard` was given."""
    return text[1:] if re.match(GUARDED_TEXT, text) else text
