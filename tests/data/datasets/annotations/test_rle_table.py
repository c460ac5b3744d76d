from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cxr.data.datasets.annotations.rle_table import read_rle_table, recognize_form
from cxr.data.datasets.masks import load_masks
from cxr.data.datasets.open import open_dataset
from cxr.data.datasets.shapes import RunForm
from cxr.errors import InputError

MakeFolder = Callable[..., Path]
SHAPE = (6, 8)
RECTANGLE = np.zeros(SHAPE, np.uint8)
RECTANGLE[1:4, 2:4] = 1
# Column 2 starts at pixel 12, column 3 at 18; the rectangle has three rows from row 1 on.
KAGGLE, SIIM = "14 3 20 3", "13 3 3 3"


def write(folder: Path, *rows: str, header: str = "ImageId, EncodedPixels") -> Path:
    path = folder / "train-rle.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.mark.parametrize("runs", [KAGGLE, SIIM], ids=["kaggle", "siim"])
def test_the_form_of_a_table_is_recognized(runs: str, make_folder: MakeFolder) -> None:
    folder = make_folder()
    path = write(folder, f"a,{runs}", "b.png,-1", "c,")
    dataset = open_dataset(folder, masks="rle", annotations=[path])
    assert dataset.classes == ("lesion",)
    drawn, *empty = (load_masks(record, ["lesion"], SHAPE) for record in dataset.records)
    np.testing.assert_array_equal(drawn[0][0], RECTANGLE)
    assert all(known == (True,) and not masks.any() for masks, known in empty)


@pytest.mark.parametrize(("masks", "runs"), [("rle-kaggle", "14 3"), ("rle-siim", "13 3")])
def test_the_form_may_be_given(masks: str, runs: str, make_folder: MakeFolder) -> None:
    folder = make_folder()
    path = write(folder, f"a,{runs}")
    dataset = open_dataset(folder, masks=masks, annotations=[path], classes=["pneumothorax"])
    assert dataset.classes == ("pneumothorax",)
    assert np.argwhere(load_masks(dataset.records[0], dataset.classes, SHAPE)[0][0])[0].tolist() == [1, 2]


def test_rows_of_one_image_are_one_mask(make_folder: MakeFolder) -> None:
    folder = make_folder()
    path = write(folder, f"a,{SIIM}", "a,0 1 4 1", f"a,{SIIM}")
    record = open_dataset(folder, masks="rle", annotations=[path]).records[0]
    masks, _ = load_masks(record, ["lesion"], SHAPE)
    assert masks.sum() == RECTANGLE.sum() + 2


def test_images_that_the_table_does_not_list_are_unknown(make_folder: MakeFolder) -> None:
    folder = make_folder()
    dataset = open_dataset(folder, masks="rle-kaggle", annotations=[write(folder, f"a,{KAGGLE}", "z,-1")])
    assert [record.key for record in dataset.records] == ["images/a.png"]
    assert dataset.notes == (
        "1 annotated images are not in the data set, such as z",
        "2 images without annotations of lesion are skipped",
    )


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["1 2 3 1"], RunForm.KAGGLE),
        (["5 2 9 1", "1 2 3 4 7 1"], RunForm.KAGGLE),
        (["5 2 9 1", "5 4 6 1"], RunForm.SIIM),
        (["1000 9 1015 8"], RunForm.KAGGLE),
        (["1000 9 1015 8", "800 3 1020 9 1010 9"], RunForm.SIIM),
        ([], RunForm.KAGGLE),
    ],
)
def test_a_run_that_starts_before_the_end_of_the_one_before_shows_that_starts_are_distances(
    texts: list[str], form: RunForm
) -> None:
    assert recognize_form("a.csv", texts)[0] is form


def test_the_recognized_form_is_reported_with_the_rows_that_show_it(tmp_path: Path) -> None:
    def note(*rows: str) -> tuple[str, ...]:
        return read_rle_table([write(tmp_path, *rows)], "lesion", None).notes

    start = f"{tmp_path / 'train-rle.csv'}: in "
    assert note(f"a,{KAGGLE}", f"b,{KAGGLE}", "c,5 1 3 1", "d,-1") == (
        f"{start}1 of 3 rows, a run starts before the end of the one before, so that starts count from "
        "there; if not, give --masks rle-kaggle",
    )
    assert note(f"a,{KAGGLE}") == (
        f"{start}0 of 1 rows, a run starts before the end of the one before, so that starts count from the "
        "first pixel; if not, give --masks rle-siim",
    )
    assert note("a,-1") == ()


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (["a,14 3"], "no row has two runs.*--masks rle-kaggle .* or rle-siim"),
        (["a,1 2 3"], "these are 3 numbers"),
        (["a,1 2 x 4"], "whole numbers"),
        ([f"a,{KAGGLE}", "a,-1"], "row 2: a has both -1 and run lengths"),
        ([f",{KAGGLE}"], "row 2: ImageId is empty"),
    ],
)
def test_an_invalid_table_is_an_error_that_names_it(rows: list[str], why: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"train-rle\.csv: .*{why}"):
        read_rle_table([write(tmp_path, *rows)], "lesion", None)


def test_another_table_is_an_error_that_lists_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "a,1", header="image,mask")
    with pytest.raises(InputError, match="no column ImageId, EncodedPixels; the table has: image, mask"):
        read_rle_table([path], "lesion", None)


def test_run_lengths_longer_than_the_image_are_an_error(make_folder: MakeFolder) -> None:
    folder = make_folder()
    path = write(folder, "a,14 3 40 30")
    record = open_dataset(folder, masks="rle", annotations=[path]).records[0]
    with pytest.raises(InputError, match=r"a\.png: its mask of lesion: run lengths that reach pixel 69"):
        load_masks(record, ["lesion"], SHAPE)


def test_a_table_has_one_class(make_folder: MakeFolder) -> None:
    folder = make_folder()
    with pytest.raises(InputError, match="has one class, not lesion, lung"):
        open_dataset(
            folder, masks="rle", annotations=[write(folder, f"a,{KAGGLE}")], classes=["lesion", "lung"]
        )
