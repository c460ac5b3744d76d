"""Columns of images and patients: guessed from aliases or given; patients under two spellings are one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cxr.analysis.records import FeatureMode, Grouping
from cxr.analysis.table.load import load_table
from cxr.analysis.table.roles import ALIASES, ColumnRoles
from cxr.analysis.table.selection import EXTREME, select_features
from cxr.errors import InputError

N = 20


def write(path: Path, **columns: object) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def write_features(folder: Path, **columns: object) -> Path:
    images = [f"{n}.png" for n in range(N)]
    ratio = [0.01 * (n * 7 % N) + 0.01 for n in range(N)]
    return write(folder / "f.csv", image=images, lesion_ratio=ratio, **columns)


@pytest.mark.parametrize(
    "name", [*ALIASES["patient_id"], "PatientID", "Patient ID", "patientid", "SUBJECT_ID"]
)
def test_column_of_patients_is_found_by_its_aliases(tmp_path: Path, name: str) -> None:
    table = load_table(write_features(tmp_path, **{name: [f"P{n // 2}" for n in range(N)]}))
    assert table.grouping is Grouping.FEATURES
    assert table.frame["patient_id"].nunique() == N // 2
    assert any(name in note for note in table.notes) == (name != "patient_id")


def test_given_column_of_patients_stands_before_the_guessed_one(tmp_path: Path) -> None:
    path = write_features(
        tmp_path, patient_id=[f"P{n}" for n in range(N)], family=[f"F{n // 4}" for n in range(N)]
    )
    table = load_table(path, roles=ColumnRoles(patient="family"))
    assert table.frame["patient_id"].nunique() == N // 4
    assert "f.csv: patient_id is dropped, since family is the column patient_id" in table.notes


def test_ignored_column_is_not_guessed_to_be_the_patients(tmp_path: Path) -> None:
    path = write_features(tmp_path)
    clinical = write(
        tmp_path / "c.csv",
        image=[f"{n}.png" for n in range(N)],
        case_id=range(N),
        pid=[f"P{n // 2}" for n in range(N)],
        age=range(N),
    )
    table = load_table(path, clinical, roles=ColumnRoles(ignore=("pid",)))
    assert table.frame["patient_id"].nunique() == N
    assert "c.csv: case_id is taken as the column patient_id" in table.notes
    assert "c.csv: pid is ignored, as asked" in table.notes
    assert "pid" not in table.frame.columns
    with pytest.raises(InputError, match="no column 'image'"):
        load_table(path, clinical, roles=ColumnRoles(ignore=("image",)))


def test_column_that_is_ignored_and_has_a_role_is_a_contradiction() -> None:
    with pytest.raises(InputError, match="--ignore: the column 'pid' is given another role"):
        ColumnRoles(patient="pid", ignore=("pid",))


@pytest.mark.parametrize("option", ["patient", "image", "ignore", "categorical"])
def test_given_column_that_is_missing_is_an_error_with_the_nearest_name(tmp_path: Path, option: str) -> None:
    name = "lesion ratios"
    roles = ColumnRoles(**{option: name if option in ("patient", "image") else (name,)})
    with pytest.raises(InputError, match="no column 'lesion ratios'; did you mean lesion_ratio"):
        load_table(write_features(tmp_path), roles=roles)


def test_patients_in_several_spellings_are_one_patient(tmp_path: Path) -> None:
    ids = ["7", "007", "7.0", " 7"] * (N // 4)
    table = load_table(write_features(tmp_path, patient_id=ids))
    assert table.frame["patient_id"].unique().tolist() == ["7"]
    assert any("1 patients have ids in several spellings" in note for note in table.notes)


def test_table_of_patients_is_joined_to_their_images_in_another_spelling(tmp_path: Path) -> None:
    path = write_features(tmp_path, patient_id=[f"{n // 2:03d}" for n in range(N)])
    clinical = write(tmp_path / "c.csv", patientid=range(N // 2), age=range(40, 40 + N // 2))
    table = load_table(path, clinical)
    assert table.frame["age"].tolist() == [40 + n // 2 for n in range(N)]
    assert any(f"{N} images take the rows of {N // 2} patients" in note for note in table.notes)


def test_images_without_their_suffix_are_matched(tmp_path: Path) -> None:
    clinical = write(tmp_path / "c.csv", image_id=range(N), age=range(40, 40 + N))
    table = load_table(write_features(tmp_path), clinical)
    assert table.frame["age"].tolist() == list(range(40, 40 + N))


def test_heights_of_patients_are_a_feature_beside_those_of_images(tmp_path: Path) -> None:
    path = write_features(
        tmp_path, patient_id=range(N), width=[512] * N, height=[500 + n % 7 for n in range(N)]
    )
    clinical = write(tmp_path / "c.csv", patient_id=range(N), height=[150 + n * 3 % 17 for n in range(N)])
    table = load_table(path, clinical)
    assert "clinical_height" in select_features(table, "lesion_ratio", FeatureMode.DEFAULT).features
    assert any("clinical_height" in note for note in table.notes)


def test_columns_that_number_the_rows_or_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    order = [n * 7 % N for n in range(N)]
    path = write_features(
        tmp_path,
        patient_id=range(N),
        mrn=[90000 + n * n for n in order],
        counter=[5 + n for n in order],
        case_no=[n * n for n in order],
        huge=[1e39 * (1 + n % 3) for n in range(N)],
        tiny=[1e-300 * (1 + n % 3) for n in range(N)],
        has_diabetes=[n % 3 % 2 for n in range(N)],
        ventilation_mode=["PCV", "VCV", "VCV", "none"] * (N // 4),
    )
    found = select_features(load_table(path), "lesion_ratio", FeatureMode.DEFAULT)
    assert found.features == ("has_diabetes", "ventilation_mode")
    reasons = {note.column: note.reason for note in found.left_out}
    assert "never a feature" in reasons["mrn"]
    assert "numbers the rows" in reasons["counter"]
    assert "numbers the rows" in reasons["case_no"]
    assert reasons["huge"] == reasons["tiny"] == EXTREME


def test_ignored_columns_are_gone_and_numbers_can_be_categories(tmp_path: Path) -> None:
    path = write_features(
        tmp_path, patient_id=range(N), site=[n % 3 for n in range(N)], dose=[n % 5 for n in range(N)]
    )
    table = load_table(path, roles=ColumnRoles(ignore=("dose",), categorical=("site",)))
    assert "dose" not in table.frame.columns
    assert "f.csv: dose is ignored, as asked" in table.notes
    assert table.frame["site"].tolist()[:3] == ["0", "1", "2"]


def test_infinite_clinical_cells_are_unknown(tmp_path: Path) -> None:
    clinical = write(
        tmp_path / "c.csv", image=[f"{n}.png" for n in range(N)], nlr=[float("inf"), *range(N - 1)]
    )
    table = load_table(write_features(tmp_path, patient_id=range(N)), clinical)
    assert table.frame["nlr"].isna().sum() == 1
    assert any("nlr: 1 infinite cells count as unknown" in note for note in table.notes)


def test_nih_table_is_known_by_its_header(features_of_nih: tuple[Path, Path]) -> None:
    path, clinical = features_of_nih
    assert {"age", "sex", "view"} <= set(load_table(path, clinical).clinical)


@pytest.fixture
def features_of_nih(features: Path, tmp_path: Path) -> tuple[Path, Path]:
    renamed = tmp_path / "ours.csv"
    renamed.write_bytes((features.parent / "set" / "Data_Entry_2017_v2020.csv").read_bytes())
    return features, renamed


def test_ignored_column_of_the_clinical_table_is_reported(tmp_path: Path) -> None:
    clinical = write(tmp_path / "c.csv", image=[f"{n}.png" for n in range(N)], age=range(N), dose=range(N))
    table = load_table(write_features(tmp_path), clinical, roles=ColumnRoles(ignore=("dose",)))
    assert table.clinical == ("age",)
    assert "c.csv: dose is ignored, as asked" in table.notes
