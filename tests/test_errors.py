"""Errors can also be caught as the built-in exceptions that a Python user expects."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr.data.datasets.open import open_dataset
from cxr.errors import CxrError, DecodeError, InputError


def test_input_errors_are_value_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist") as caught:
        open_dataset(tmp_path / "none")
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, CxrError)


def test_decode_errors_are_input_errors() -> None:
    assert issubclass(DecodeError, InputError)
