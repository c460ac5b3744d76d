"""features.csv: read with one row per image, the names of the demo accepted, everything else rejected."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cxr.analysis.results.outputs import write_table
from cxr.analysis.table.features import read_features
from cxr.errors import InputError


def write(path: Path, table: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(table).to_csv(path, index=False)
    return path


def measured(names: list[str]) -> dict[str, object]:
    return {"image": names, "lesion_ratio": [0.01 * n for n in range(len(names))]}


def test_column_names_of_the_demo_are_read(tmp_path: Path) -> None:
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
    expected = ["image", "lesion_ratio", "lesion_count", "lesion_mean_area", "lesion_mean_centroid_dist"]
    assert list(read_features(path).frame.columns) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a CSV table"),
        ("image,lesion_ratio\n", "has no rows"),
        ("PatientAge,LesionRatio\n3,4\n", "no column 'image' .* the columns are PatientAge, LesionRatio"),
        ("image,lesion_ratio\na.png,1\n,2\n", "1 rows have an empty 'image'"),
        ("image,lesion_ratio\na.png,1\na.png,1\nb.png,2\n", "3 rows for 2 images.*a.png"),
        ("image,lesion_ratio\na.png,inf\n", "infinite values in lesion_ratio"),
        ("image,x\n\xff\xfe\x00", "not a CSV table|no rows"),
    ],
)
def test_features_table_that_cannot_be_used_is_rejected(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_features(path)


def test_missing_features_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.csv: cannot be read \(No such file"):
        read_features(tmp_path / "none.csv")


def test_rows_that_a_merge_multiplied_are_rejected(tmp_path: Path) -> None:
    """The demo's merge made 75 rows of 24 images, with copies on both sides of its folds."""
    names = [f"{n:08d}_000.png" for n in range(24)]
    table = pd.DataFrame(measured(names))
    path = tmp_path / "f.csv"
    pd.concat([table, table, table, table.iloc[:3]]).to_csv(path, index=False)
    with pytest.raises(InputError, match="75 rows for 24 images"):
        read_features(path)
    without_image = pd.read_csv(path).drop(columns="image").rename(columns={"lesion_ratio": "LesionRatio"})
    without_image.to_csv(path, index=False)
    with pytest.raises(InputError, match="75 rows hold only 24 different measurements"):
        read_features(path)


def test_names_that_a_spreadsheet_would_run_are_read_unguarded_and_written_guarded(tmp_path: Path) -> None:
    features = tmp_path / "features.csv"
    features.write_text("image,lesion_ratio\n'=a.png,0.1\nb.png,0.2\n")
    frame = read_features(features).frame
    assert frame["image"].tolist() == ["=a.png", "b.png"]
    write_table(tmp_path / "written.csv", frame)
    assert (tmp_path / "written.csv").read_text() == features.read_text()
