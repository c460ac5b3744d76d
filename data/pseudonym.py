"""Pseudonyms: a patient's identifier as a keyed hash, which cannot be reversed without the key."""

from __future__ import annotations

import hmac

from ..errors import InputError

MIN_SALT_BYTES = 8
"""Identifiers are short: whoever guesses the salt can try them all."""

_DIGITS = 16


def salt_key(salt: str | bytes | None) -> bytes | None:
    """Check a salt and return its bytes; None stays None.

    Raises
    ------
    InputError
        If it is too short to protect identifiers.
    """
    key = salt.encode() if isinstance(salt, str) else salt
    if key is not None and len(key) < MIN_SALT_BYTES:
        raise InputError(
            f"a salt of {len(key)} bytes can be guessed; choose a secret of at least {MIN_SALT_BYTES} bytes"
        )
    return key


def pseudonym(key: bytes, *identifiers: str) -> str:
    """Hash the identifiers of a patient.

    HMAC-SHA-256 (RFC 2104), truncated to 16 hexadecimal digits: among a million patients, the probability
    that two share a pseudonym is 3 in 100 million.

    Parameters
    ----------
    key : bytes
        The secret; whoever has it can recover identifiers by trial.
    *identifiers : str
        The patient's identifier and what makes it unique, such as its issuer.

    Returns
    -------
    str
    """
    return hmac.digest(key, "\0".join(identifiers).encode(), "sha256").hex()[:_DIGITS]
