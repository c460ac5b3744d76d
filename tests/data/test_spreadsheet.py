from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.data.spreadsheet import guard, unguard


@given(st.text(alphabet="'=+-@\t\rab", max_size=6))
def test_guarded_text_is_never_run_and_comes_back_as_it_was(text: str) -> None:
    guarded = guard(text)
    assert not guarded.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguard(guarded) == text


@pytest.mark.parametrize("text", ["", "00000001_000.png", "a=b", "it's", "''quoted''"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert guard(text) == unguard(text) == text
