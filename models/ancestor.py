"""What the weights of a model were initialized from, stored in its card."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ancestor:
    """The model that another one was trained on from.

    Attributes
    ----------
    name : str
        As in its card.
    sha256 : str
        Of the file that the weights were read from, in hexadecimal digits.
    license : str
        Of the ancestor, with that of its own ancestors.
    """

    name: str
    sha256: str
    license: str

    def license_with(self, own: str) -> str:
        """Return the license of a model that was trained from this one on data under the license `own`."""
        return f"{own}; initialized from {self.name}: {self.license}"
