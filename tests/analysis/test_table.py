"""The table that is analyzed: read, keyed by image, merged one to one."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from cxr.analysis.outputs import write_csv
from cxr.analysis.records import Grouping
from cxr.analysis.table import load_table, read_features
from cxr.errors import InputError

ROWS = 12


def write(path: Path, table: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(table).to_csv(path, index=False)
    return path


def measured(names: list[str]) -> dict[str, object]:
    return {"image": names, "lesion_ratio": [0.01 * n for n in range(len(names))]}


def index_set(folder: Path, images: list[str]) -> Path:
    patients = [f"P{n // 2}" for n in range(len(images))]
    return write(
        folder / "index.csv", {"image": images, "patient_id": patients, "age": range(30, 30 + len(images))}
    )


def test_the_demos_column_names_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.csv",
        {
            "ImageIndex": ["00000007_000.png"],
            "LesionRatio": [0.1],
            "NumLesions": [2],
            "MeanArea": [4.0],
            "MeanCentroidDist": [5.0],
        },
    )
    expected = ["image", "lesion_ratio", "num_lesions", "mean_area", "mean_centroid_dist"]
    assert list(read_features(path).columns) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a CSV table"),
        ("image,lesion_ratio\n", "has no rows"),
        ("PatientAge,LesionRatio\n3,4\n", "no column 'image' .* it has PatientAge, LesionRatio"),
        ("image,lesion_ratio\na.png,1\n,2\n", "1 rows have an empty 'image'"),
        ("image,lesion_ratio\na.png,1\na.png,1\nb.png,2\n", "3 rows for 2 images.*a.png"),
        ("image,lesion_ratio\na.png,inf\n", "infinite values in lesion_ratio"),
        ("image,x\n\xff\xfe\x00", "not a CSV table|no rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_features(path)


def test_a_table_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.csv: cannot be read \(No such file"):
        read_features(tmp_path / "none.csv")


def test_rows_multiplied_by_a_merge_are_named(tmp_path: Path) -> None:
    """As the demo's merge did: 24 images became 75 rows, with copies on both sides of its folds."""
    names = [f"{n:08d}_000.png" for n in range(24)]
    table = pd.DataFrame(measured(names))
    path = tmp_path / "f.csv"
    pd.concat([table, table, table, table.iloc[:3]]).to_csv(path, index=False)
    with pytest.raises(InputError, match="75 rows for 24 images"):
        load_table(path)
    keyless = pd.read_csv(path).drop(columns="image").rename(columns={"lesion_ratio": "LesionRatio"})
    keyless.to_csv(path, index=False)
    with pytest.raises(InputError, match="75 rows hold only 24 different measurements"):
        load_table(path)


def test_nih_images_meet_their_rows_by_file_name(features: Path) -> None:
    table = load_table(features)
    assert table.merge is not None
    assert (table.merge.rule, table.merge.features_alone, table.merge.clinical_alone) == ("file name", 0, 0)
    assert table.merge.matched == len(table.frame) == len(pd.read_csv(features))
    assert {"age", "sex", "view", "follow_up"} <= set(table.clinical)
    assert table.grouping is Grouping.CLINICAL


@pytest.mark.parametrize("with_run_json", [True, False])
def test_index_images_meet_their_rows_by_path(tmp_path: Path, *, with_run_json: bool) -> None:
    """Same names in two folders are two images; without run.json the paths must be as written."""
    images = [f"{part}/{n}.png" for n in range(ROWS) for part in ("a", "b")]
    index = index_set(tmp_path / "set", [f"images/{image}" for image in images])
    (tmp_path / "set" / "images").mkdir()
    if with_run_json:
        path = write(tmp_path / "out" / "f.csv", measured(images[::-1]))
        folder = str(tmp_path / "set" / "images")
        (tmp_path / "out" / "run.json").write_text(json.dumps({"folder": folder}))
        table = load_table(path)
    else:
        path = write(tmp_path / "out" / "f.csv", measured([f"images/{image}" for image in images[::-1]]))
        table = load_table(path, index)
    assert table.frame["age"].tolist() == list(range(30, 30 + len(images)))[::-1]


def test_images_that_stay_alone_are_counted_with_examples(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(ROWS)]
    index = index_set(tmp_path, names)
    path = write(tmp_path / "f.csv", measured([*names[2:], "x.png", "y.png"]))
    table = load_table(path, index)
    assert table.merge is not None
    assert (table.merge.matched, table.merge.features_examples) == (ROWS - 2, ("x.png", "y.png"))
    assert table.merge.clinical_examples == ("0.png", "1.png")
    assert len(table.frame) == ROWS - 2
    assert any("2 images have no row" in note for note in table.notes)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (["q.png"], "no image of the features is in this table"),
        (["a/0.png", "b/0.png"], "cannot be told from another one: 'a/0.png' and 'b/0.png'"),
    ],
)
def test_a_merge_that_is_not_one_to_one_is_refused(tmp_path: Path, images: list[str], message: str) -> None:
    index = index_set(tmp_path, [f"{n}.png" for n in range(ROWS)])
    path = write(tmp_path / "f.csv", measured(images))
    with pytest.raises(InputError, match=message):
        load_table(path, index)


def test_a_clinical_table_that_was_named_must_be_there(features: Path) -> None:
    with pytest.raises(InputError, match="there is no such clinical table"):
        load_table(features, features.parent / "none.csv")


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
def test_patients_without_a_clinical_table(
    tmp_path: Path, names: list[str], patients: list[str] | None, grouping: Grouping, expected: list[str]
) -> None:
    table = measured(names) | ({} if patients is None else {"patient_id": patients})
    found = load_table(write(tmp_path / "f.csv", table))
    assert found.grouping is grouping
    assert found.frame["patient_id"].tolist() == expected
    assert found.clinical == ()


def test_impossible_ages_are_unknown(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(ROWS)]
    ages = [414, *range(31, 30 + ROWS)]
    index = write(tmp_path / "index.csv", {"image": names, "patient_id": names, "age": ages})
    table = load_table(write(tmp_path / "f.csv", measured(names)), index)
    assert table.frame["age"].isna().tolist() == [True] + [False] * (ROWS - 1)
    assert any("1 ages outside" in note for note in table.notes)


def test_names_that_a_spreadsheet_would_run_come_back_and_go_out_guarded(tmp_path: Path) -> None:
    features = tmp_path / "features.csv"
    features.write_text("image,lesion_ratio\n'=a.png,0.1\nb.png,0.2\n")
    frame = read_features(features)
    assert frame["image"].tolist() == ["=a.png", "b.png"]
    write_csv(tmp_path / "again.csv", frame)
    assert (tmp_path / "again.csv").read_text() == features.read_text()
