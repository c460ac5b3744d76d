from __future__ import annotations

import hashlib
import hmac

import pytest

from cxr.data.pseudonym import pseudonym, salt_key
from cxr.errors import InputError

KEY = b"a long secret"


def test_the_same_patient_has_the_same_pseudonym() -> None:
    assert pseudonym(KEY, "4711", "") == pseudonym(KEY, "4711", "")


def test_another_patient_issuer_or_key_has_another_pseudonym() -> None:
    others = [
        pseudonym(KEY, "4711", ""),
        pseudonym(KEY, "4712", ""),
        pseudonym(KEY, "4711", "here"),
        pseudonym(KEY, "4711here", ""),
        pseudonym(b"another secret", "4711", ""),
    ]
    assert len(set(others)) == len(others)


def test_a_pseudonym_is_a_truncated_hmac_sha_256() -> None:
    message = "Müller-7\0Spital".encode()
    assert pseudonym(KEY, "Müller-7", "Spital") == hmac.new(KEY, message, hashlib.sha256).hexdigest()[:16]


def test_a_salt_is_the_same_as_text_and_as_utf_8_bytes() -> None:
    assert salt_key("geheimnis-ä") == salt_key("geheimnis-ä".encode())
    assert salt_key(None) is None


@pytest.mark.parametrize("salt", ["", "short", b"1234567"])
def test_a_salt_that_is_too_short_is_rejected(salt: str | bytes) -> None:
    with pytest.raises(InputError, match="can be guessed; choose a secret of at least 8 bytes"):
        salt_key(salt)
