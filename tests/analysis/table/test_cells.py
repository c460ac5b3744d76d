"""What a column holds: numbers in their spellings, with a note of each conversion, or texts."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from cxr.analysis.table.cells import typed_frame
from cxr.analysis.table.reading import TableText


def typed(
    cells: list[str | None], *, comma_decimals: bool = False, column: str = "x"
) -> tuple[pd.Series, tuple[str, ...]]:
    frame = pd.DataFrame({column: pd.Series(cells, dtype="object")})
    found, notes = typed_frame(TableText(frame, comma_decimals), name="t.csv")
    return found[column], notes


@pytest.mark.parametrize(
    ("cells", "expected", "note"),
    [
        (["1", "2", "3"], [1, 2, 3], ""),
        (["1.5", None, "NA"], [1.5, np.nan, np.nan], ""),
        (["true", "FALSE", "True"], [1, 0, 1], ""),
        (["058Y", "006M", "61"], [58, 0.5, 61], "2 cells such as 058Y are ages"),
        (["1,234", "12,345,678", "7"], [1234, 12345678, 7], "2 cells with commas between thousands"),
        (["12,5", "3,25", "7"], [12.5, 3.25, 7], "2 cells with a decimal comma"),
        (["65 years", "70 years"], [65, 70], "2 cells are numbers, read without their unit 'years'"),
        (["12 %", "3.5%"], [12, 3.5], "unit '%'"),
        (["1,234 mL", "987 mL"], [1234, 987], "without their unit 'mL'"),
        (["0,123 mL", "1,234 mL"], [0.123, 1.234], "without their unit 'mL'"),
        (["0,123", "0,456"], [0.123, 0.456], "2 cells with a decimal comma"),
        (["1,234"] * 20 + ["0,5"], [1.234] * 20 + [0.5], "21 cells with a decimal comma"),
        (["987"] * 20 + ["1,234"], [987] * 20 + [1234], "1 cells with commas between thousands"),
        (["1", "2", "none"], [1, 2, np.nan], r"1 cells are no numbers .*\('none'\)"),
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
    "cells",
    [
        ["M", "F", None],
        ["1a", "1b", "2"],
        ["2020-01-02", "2020-01-03"],
        ["yes", "no"],
        ["none", "mild", "severe"],
        ["3D", "2W"],
    ],
)
def test_texts_stay_texts(cells: list[str | None]) -> None:
    column, notes = typed(cells)
    assert column.tolist() == cells
    assert notes == ()


@pytest.mark.parametrize("column", ["age", "Patient Age", "patientage", "age_at_study"])
def test_ages_without_leading_zeros_are_read_where_the_name_says_age(column: str) -> None:
    found, notes = typed(["6M", "61Y"], column=column)
    assert found.tolist() == [0.5, 61]
    assert "ages, converted to years" in notes[0]


@pytest.mark.parametrize("column", ["acquisition", "stage", "dosage"])
def test_dimensions_are_no_ages(column: str) -> None:
    found, notes = typed(["2D", "3D"], column=column)
    assert found.tolist() == [2, 3]
    assert "without their unit 'D'" in notes[0]


def test_none_as_python_writes_it_is_unknown_among_texts() -> None:
    column, _ = typed(["mild", "None", "none"])
    assert column.tolist() == ["mild", None, "none"]


def test_column_that_is_named_a_text_keeps_its_zeros() -> None:
    frame = pd.DataFrame({"site": pd.Series(["01", "02"], dtype="object")})
    found, _ = typed_frame(TableText(frame), texts={"site"}, name="t.csv")
    assert found["site"].tolist() == ["01", "02"]
