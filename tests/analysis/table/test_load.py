"""The table that is analyzed: read, identified by image, joined one to one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cxr.analysis.records import Grouping
from cxr.analysis.table.load import load_table

ROWS = 12


def write(path: Path, table: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(table).to_csv(path, index=False)
    return path


def measured(names: list[str]) -> dict[str, object]:
    return {"image": names, "lesion_ratio": [0.01 * n for n in range(len(names))]}


@pytest.mark.parametrize(
    ("names", "patients", "grouping", "expected"),
    [
        (["a.png", "b.png"], ["1", None], Grouping.FEATURES, ["1", "image:b.png"]),
        (["x/00000012_000.png", "00000012_001.png"], None, Grouping.NAME, ["12", "12"]),
        (
            ["a.png", "00000012_001.png"],
            None,
            Grouping.IMAGE,
            ["image:a.png", "image:00000012_001.png"],
        ),
    ],
)
def test_patients_are_read_from_the_features_or_the_file_names(
    tmp_path: Path, names: list[str], patients: list[str] | None, grouping: Grouping, expected: list[str]
) -> None:
    table = measured(names) | ({} if patients is None else {"patient_id": patients})
    found = load_table(write(tmp_path / "f.csv", table))
    assert found.grouping is grouping
    assert found.frame["patient_id"].tolist() == expected
    assert found.clinical == ()


def test_impossible_ages_are_treated_as_unknown(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(ROWS)]
    ages = [414, *range(31, 30 + ROWS)]
    index = write(tmp_path / "index.csv", {"image": names, "patient_id": names, "age": ages})
    table = load_table(write(tmp_path / "f.csv", measured(names)), index)
    assert table.frame["age"].isna().tolist() == [True] + [False] * (ROWS - 1)
    assert any("1 ages outside" in note for note in table.notes)
