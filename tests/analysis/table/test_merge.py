"""The clinical table is joined one to one, by the strictest rule that matches any image."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from cxr.analysis.records import Grouping
from cxr.analysis.table.load import load_table
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


def test_nih_images_are_matched_by_file_name(features: Path) -> None:
    table = load_table(features)
    assert table.merge is not None
    assert (table.merge.rule, table.merge.features_alone, table.merge.clinical_alone) == ("file name", 0, 0)
    assert table.merge.matched == len(table.frame) == len(pd.read_csv(features))
    assert {"age", "sex", "view", "follow_up"} <= set(table.clinical)
    assert table.grouping is Grouping.CLINICAL


@pytest.mark.parametrize("with_run_json", [True, False])
def test_images_of_an_index_are_matched_by_path(tmp_path: Path, *, with_run_json: bool) -> None:
    """The same name in two folders means two images; without run.json the paths must be equal as written."""
    images = [f"{folder}/{n}.png" for n in range(ROWS) for folder in ("a", "b")]
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


def test_dots_of_an_identifier_are_no_suffix(tmp_path: Path) -> None:
    uids = [f"1.2.840.{n}" for n in range(ROWS)]
    path = write(tmp_path / "f.csv", measured([f"{uid}.dcm" for uid in uids]))
    table = load_table(path, index_set(tmp_path, uids))
    assert table.frame["age"].tolist() == list(range(30, 30 + ROWS))


def test_unmatched_images_are_counted_with_examples(tmp_path: Path) -> None:
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
        (["q.png"], "this table has no image of the features"),
        (["a/0.png", "b/0.png"], "have the same key as another image: 'a/0.png' and 'b/0.png'"),
    ],
)
def test_merge_that_is_not_one_to_one_is_rejected(tmp_path: Path, images: list[str], message: str) -> None:
    index = index_set(tmp_path, [f"{n}.png" for n in range(ROWS)])
    path = write(tmp_path / "f.csv", measured(images))
    with pytest.raises(InputError, match=message):
        load_table(path, index)


def test_missing_clinical_table_is_an_error(features: Path) -> None:
    with pytest.raises(InputError, match="there is no such clinical table"):
        load_table(features, features.parent / "none.csv")
