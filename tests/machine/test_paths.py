from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cxr.machine.paths import path_of, printable


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name and b"\\" not in name))
def test_path_is_found_again_by_its_printed_name(name: bytes) -> None:
    path = Path(os.fsdecode(name))
    printable(path).encode()
    assert path_of(printable(path)) == path


def test_name_that_looks_printed_but_exists_is_that_name(tmp_path: Path) -> None:
    path = tmp_path / "a\\udce4b"
    path.touch()
    assert path_of(printable(path)) == path
