"""The text of the tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cxr.data.columns import feature_header
from cxr.data.csv_files import csv_line
from cxr.infer.image_features import measure_image
from cxr.infer.outputs.tables import component_lines, feature_line, read_rows, spacing_text
from cxr.models.card import ModelCard
from cxr.models.checks.assessment import Assessment
from cxr.models.checks.plausibility import Plausible
from cxr.models.preprocess import Placement


@pytest.mark.parametrize(
    ("spacing", "text"), [(None, ""), ((0.143, 0.143), "0.143"), ((0.143, 0.139), "0.143\\0.139")]
)
def test_spacing_of_square_pixels_is_one_number(spacing: tuple[float, float] | None, text: str) -> None:
    assert spacing_text(spacing) == text


def test_each_kind_of_number_has_one_format() -> None:
    features = {
        "lung_ratio": 1 / 3,
        "lung_count": 2,
        "lung_mean_area": 2.5,
        "lung_max_area": float("nan"),
        "lung_mean_centroid_dist": -0.0,
    }
    assessment = Assessment(Plausible.DOUBTFUL, "why, then?", 0.25, 0.5)
    line = feature_line("a, b.png", "13", (80, 96), None, "stored", features, assessment=assessment)
    assert line == (
        '"a, b.png",13,80,96,,stored,doubtful,"why, then?",0.250000,0.500000,'
        "0.333333333,2,2.500000,,0.000000\n"
    )


def test_component_lines_have_every_column_and_quote_names(card_of: Callable[..., ModelCard]) -> None:
    probability = np.zeros((1, 64, 64), np.float32)
    probability[0, 5, 6] = 0.75
    measured = measure_image(probability, Placement(64, 64, 0, 0, 64, 64), card_of(("lesion",)))
    assert component_lines("nan,1.png", measured) == (
        '"nan,1.png",1,lesion,1,5,6,6,7,5.000000,6.000000,0.000000,0.000000,-0.785398,0.000000,0.000000,'
        "1.000000,0.750000,0.750000,0\n"
    )


@given(st.lists(st.tuples(*[st.text("=+1-@'\t\r\n\", ä/.", min_size=1)] * 2), min_size=1))
@example([("a\rb.png", "=1+1"), ("=1+1.png", "-5"), ("'=.png", 'q"')])
def test_any_keys_and_patients_are_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, names: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("tables") / "features.csv"
    lines = (
        feature_line(key, patient, (80, 96), None, "stored", {"lesion_ratio": 0.5}) for key, patient in names
    )
    columns = feature_header(["lesion"], [])
    header = csv_line(columns[: columns.index("lesion_ratio") + 1])
    path.write_bytes("".join((header, *lines)).encode())
    rows = list(read_rows(path))
    assert [(row["image"], row["patient_id"]) for row in rows] == names
    assert {(row["width"], row["lesion_ratio"]) for row in rows} == {("80", "0.5")}


def test_an_incomplete_last_row_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "failures.csv").write_text("path,stage,error\na.png,decode,broken\nb.pn")
    assert [row["path"] for row in read_rows(tmp_path / "failures.csv")] == ["a.png"]
