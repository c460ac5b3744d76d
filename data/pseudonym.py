"""A patient's identifier as a keyed hash: the same for the same patient, and no way back without the key."""

from __future__ import annotations

import hmac

from ..errors import InputError

SHORTEST_SALT = 8
"""Fewest bytes of a salt: an identifier is short, so that with a guessed key all of them can be tried."""

_DIGITS = 16


def salt_key(salt: str | bytes | None) -> bytes | None:
    """Check a salt and give its bytes; None stays None.

    Raises
    ------
    InputError
        If it is too short to hide anything.
    """
    key = salt.encode() if isinstance(salt, str) else salt
    if key is not None and len(key) < SHORTEST_SALT:
        raise InputError(
            f"a salt of {len(key)} bytes hides nothing; give a secret of {SHORTEST_SALT} or more"
        )
    return key


def pseudonym(key: bytes, *names: str) -> str:
    """Hash what names a patient.

    HMAC-SHA-256 (RFC 2104), cut to 16 hexadecimal digits: among a million patients, two share one with a
    chance of 3 in 100 million.

    Parameters
    ----------
    key : bytes
        The secret; whoever has it can try identifiers.
    *names : str
        The identifier and what makes it unique, such as its issuer.

    Returns
    -------
    str
    """
    return hmac.digest(key, "\0".join(names).encode(), "sha256").hex()[:_DIGITS]
