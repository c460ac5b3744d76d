"""Which columns the regressors use, and why the others are left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxr.analysis.records import FeatureMode, Grouping, Table
from cxr.analysis.table.selection import Role, role_of, select_features
from cxr.errors import InputError

N = 60


@pytest.fixture
def table() -> Table:
    rng = np.random.default_rng(0)
    number = rng.integers(1, 6, N)
    area = rng.uniform(10, 90, N)
    spatial = {
        "width": np.full(N, 100),
        "lesion_ratio": number * area / 1e4,
        "lesion_count": number,
        "lesion_mean_area": area,
        "lesion_mean_centroid_dist": rng.uniform(1, 50, N),
        "lung_area": rng.uniform(1000, 2000, N),
    }
    clinical = {
        "age": rng.integers(20, 90, N),
        "sex": rng.choice(["M", "F"], N),
        "site": ["one"] * N,
        "remark": [f"text {n}" for n in range(N)],
        "smoker": np.where(rng.random(N) < 0.8, np.nan, rng.integers(0, 2, N)),
        "finding": rng.choice(["Mass", "No Finding"], N),
        "license": rng.choice(["CC0", "CC BY"], N),
        "orig_name": [f"{n}.jpg" for n in range(N)],
    }
    names = {"image": [f"{n}.png" for n in range(N)], "patient_id": [f"P{n}" for n in range(N)]}
    frame = pd.DataFrame(names | spatial | clinical)
    return Table(frame, tuple(spatial), tuple(clinical), Grouping.CLINICAL)


@pytest.mark.parametrize(
    ("column", "role"),
    [
        ("age", Role.CLINICAL),
        ("follow_up", Role.CLINICAL),
        ("smoking_status", Role.CLINICAL),
        ("lesion_mean_centroid_dist", Role.SPATIAL),
        ("PatientID", Role.BOOKKEEPING),
        ("Patient ID", Role.BOOKKEEPING),
        ("image_index", Role.BOOKKEEPING),
        ("mask_lung", Role.BOOKKEEPING),
        ("license_status", Role.BOOKKEEPING),
        ("source", Role.BOOKKEEPING),
        ("url", Role.BOOKKEEPING),
        ("fold", Role.BOOKKEEPING),
        ("findings", Role.DERIVED),
        ("orig_width", Role.GEOMETRY),
        ("spacing_mm", Role.GEOMETRY),
        ("in_training", Role.BOOKKEEPING),
        ("study", Role.BOOKKEEPING),
        ("accession", Role.BOOKKEEPING),
        ("device", Role.GEOMETRY),
    ],
)
def test_name_of_a_column_decides_its_role(column: str, role: Role) -> None:
    assert role_of(column, spatial=("lesion_mean_centroid_dist",)) is role


@pytest.mark.parametrize(
    ("column", "beside", "role"),
    [
        ("Height", "Width", Role.GEOMETRY),
        ("OriginalHeight", "original_width", Role.GEOMETRY),
        ("Height", "Weight", Role.CLINICAL),
    ],
)
def test_height_beside_a_width_is_that_of_the_image_in_any_spelling(
    column: str, beside: str, role: Role
) -> None:
    assert role_of(column, (), (column, beside)) is role


@pytest.mark.parametrize("column", ["view", "sex", "age"])
def test_column_that_a_run_copied_from_dicom_headers_is_clinical(column: str) -> None:
    assert role_of(column, spatial=(column, "lesion_ratio")) is Role.CLINICAL


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (FeatureMode.DEFAULT, {"age", "sex", "lesion_mean_centroid_dist", "lung_area"}),
        (FeatureMode.CLINICAL, {"age", "sex"}),
        (FeatureMode.SPATIAL, {"lesion_mean_centroid_dist", "lung_area"}),
        (
            FeatureMode.ALL,
            {
                "age",
                "sex",
                "remark",
                "finding",
                "lesion_mean_centroid_dist",
                "lung_area",
                "lesion_count",
                "lesion_mean_area",
            },
        ),
    ],
)
def test_mode_selects_columns(table: Table, mode: FeatureMode, expected: set[str]) -> None:
    selected = select_features(table, "lesion_ratio", mode)
    assert set(selected.features) == expected
    everything = set(table.frame.columns) - {"image", "patient_id", "lesion_ratio"}
    assert {note.column for note in selected.left_out} == everything - expected


def test_each_column_left_out_has_a_reason(table: Table) -> None:
    reasons = {
        n.column: n.reason for n in select_features(table, "lesion_ratio", FeatureMode.DEFAULT).left_out
    }
    assert "same mask" in reasons["lesion_count"]
    assert "same in every row" in reasons["site"]
    assert "60 different texts" in reasons["remark"]
    assert reasons["smoker"].startswith("empty in")
    assert "same image" in reasons["finding"]
    assert "never a feature" in reasons["license"]


@pytest.mark.parametrize("wanted", [FeatureMode.ALL, ("lesion_count", "lesion_mean_area", "age")])
def test_selected_columns_that_leak_the_target_are_reported(
    table: Table, wanted: FeatureMode | tuple[str, ...]
) -> None:
    selected = select_features(table, "lesion_ratio", wanted)
    assert {note.column for note in selected.leaky} == {"lesion_count", "lesion_mean_area"}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("agee",), "no features agee; there are age, sex"),
        (("license",), "no features license"),
        (("lesion_ratio",), "no features lesion_ratio"),
        (("site", "age"), "same value in every row: site"),
    ],
)
def test_named_column_that_cannot_be_a_feature_is_rejected(
    table: Table, wanted: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        select_features(table, "lesion_ratio", wanted)


def test_no_column_left_is_an_error_with_the_reasons(table: Table) -> None:
    no_clinical = Table(table.frame, table.spatial, (), Grouping.FEATURES)
    with pytest.raises(InputError, match=r"no column is left .*lesion_count: measured, not asked for"):
        select_features(no_clinical, "lesion_ratio", FeatureMode.CLINICAL)
