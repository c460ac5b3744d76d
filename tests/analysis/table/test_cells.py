"""What a column holds: numbers in their spellings, with a note of each conversion, or texts."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from cxr.analysis.table.cells import typed_frame
from cxr.analysis.table.reading import TableText


def typed(cells: list[str | None], *, comma_decimals: bool = False) -> tuple[pd.Series, tuple[str, ...]]:
    frame = pd.DataFrame({"x": pd.Series(cells, dtype="object")})
    found, notes = typed_frame(TableText(frame, comma_decimals), name="t.csv")
    return found["x"], notes


@pytest.mark.parametrize(
    ("cells", "expected", "note"),
    [
        (["1", "2", "3"], [1, 2, 3], ""),
        (["1.5", None, "NA"], [1.5, np.nan, np.nan], ""),
        (["true", "FALSE", "True"], [1, 0, 1], ""),
        (["058Y", "006M", "61"], [58, 0.5, 61], "2 cells such as 058Y are ages"),
        (["1,234", "12,345,678", "7"], [1234, 12345678, 7], "2 cells with commas between thousands"),
        (["12,5", "3,25", "7"], [12.5, 3.25, 7], "2 cells with a decimal comma"),
        (["65 years", "70 years"], [65, 70], "without their unit|with the unit 'years'"),
        (["12 %", "3.5%"], [12, 3.5], "unit '%'"),
        (["5", "unknown", "unknown"], [5, np.nan, np.nan], r"2 cells are no numbers .*\('unknown'\)"),
        (
            ["1"] * 20 + ["50+"],
            [1] * 20 + [np.nan],
            r"1 cells are no numbers and count as unknown \('50\+'\)",
        ),
    ],
)
def test_numbers_in_other_spellings_are_read_and_reported(
    cells: list[str | None], expected: list[float], note: str
) -> None:
    column, notes = typed(cells)
    assert np.array_equal(column.astype(float), expected, equal_nan=True)
    assert bool(notes) == bool(note)
    if note:
        assert re.search(note, notes[0])


def test_comma_is_decimal_where_it_separates_no_cells() -> None:
    column, notes = typed(["1,234", "0,5"], comma_decimals=True)
    assert column.tolist() == [1.234, 0.5]
    assert "decimal comma" in notes[0]


@pytest.mark.parametrize(
    "cells", [["M", "F", None], ["1a", "1b", "2"], ["2020-01-02", "2020-01-03"], ["yes", "no"]]
)
def test_texts_stay_texts(cells: list[str | None]) -> None:
    column, notes = typed(cells)
    assert column.tolist() == cells
    assert notes == ()


def test_column_that_is_named_a_text_keeps_its_zeros() -> None:
    frame = pd.DataFrame({"site": pd.Series(["01", "02"], dtype="object")})
    found, _ = typed_frame(TableText(frame), texts={"site"}, name="t.csv")
    assert found["site"].tolist() == ["01", "02"]
