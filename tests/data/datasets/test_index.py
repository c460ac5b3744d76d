from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cxr.data.datasets.clinical import find_clinical, read_clinical
from cxr.data.datasets.masks import load_masks
from cxr.data.datasets.open import open_dataset
from cxr.errors import InputError

SavePng = Callable[[Path, npt.NDArray[Any]], Path]

INDEX = """\
image,mask_lung,mask_lesion,patient_id,age,sex,view,finding,license,lung_ok,fold
images/a.png,masks/a_lung.png,masks/a_lesion.png,007,65,M,PA,COVID-19,CC BY 4.0,1,0
images/b.png,masks/b_lung.png,,8,,F,AP,Normal,CC BY 4.0,1,1
images/c.png,masks/c_lung.png,,9,31,,PA,"Normal, so far",CC0,0,1
"""


@pytest.fixture
def pack(tmp_path: Path, save_png: SavePng) -> Path:
    (tmp_path / "index.csv").write_text(INDEX)
    for number, name in enumerate("abc"):
        save_png(tmp_path / f"images/{name}.png", np.full((10, 12), 40 * number, np.uint8))
        lung = np.zeros((10, 12), np.uint8)
        lung[:, : number + 1] = 255
        save_png(tmp_path / f"masks/{name}_lung.png", lung)
    save_png(tmp_path / "masks/a_lesion.png", np.zeros((10, 12), np.uint8))
    return tmp_path


def test_rows_with_a_mask_of_the_class_become_records(pack: Path) -> None:
    dataset = open_dataset(pack, classes=["lesion"])
    (record,) = dataset.records
    assert (dataset.name, dataset.classes, dataset.license) == (pack.name, ("lesion",), "CC BY 4.0")
    assert (record.key, record.path) == ("images/a.png", pack / "images/a.png")
    assert (record.patient_id, record.fold, record.finding) == ("007", 0, "COVID-19")
    assert dataset.notes == ("2 images without a mask of lesion are skipped",)


def test_the_ground_truth_of_a_class_without_a_mask_is_unknown_not_empty(pack: Path) -> None:
    dataset = open_dataset(pack, classes=["lung", "lesion"])
    masks, known = load_masks(dataset.records[0], dataset.classes, (10, 12))
    assert known == (True, True)
    assert masks.sum(axis=(1, 2)).tolist() == [10, 0]
    masks, known = load_masks(dataset.records[1], dataset.classes, (10, 12))
    assert known == (True, False)
    assert masks.sum(axis=(1, 2)).tolist() == [20, 0]


def test_lungs_marked_as_incomplete_count_as_unknown(pack: Path) -> None:
    assert [record.key for record in open_dataset(pack, classes=["lung"]).records] == [
        "images/a.png",
        "images/b.png",
    ]


def test_classes_must_be_chosen_only_if_there_are_several(pack: Path) -> None:
    with pytest.raises(InputError, match=r"choose the classes.*lung, lesion"):
        open_dataset(pack)
    table = pack / "index.csv"
    table.write_text("image,mask_lung,patient_id\nimages/a.png,masks/a_lung.png,1\n")
    assert open_dataset(pack).classes == ("lung",)


def test_licenses_are_listed_once_and_shortened(pack: Path) -> None:
    text = INDEX.replace("CC0,0", "x" * 200 + ",1")
    (pack / "index.csv").write_text(text)
    assert open_dataset(pack, classes=["lung"]).license == "CC BY 4.0; " + "x" * 69 + "…"
    (pack / "index.csv").write_text("image,mask_lung,patient_id\nimages/a.png,masks/a_lung.png,1\n")
    assert open_dataset(pack).license == "not stated"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("images/b.png", "images/gone.png", "row 3: the image images/gone.png does not exist"),
        ("masks/b_lung.png", "masks/gone.png", "row 3: the mask .*masks/gone.png does not exist"),
        ("images/b.png", "images/a.png", "images/a.png is listed 2 times"),
        ("images/b.png", "../b.png", "row 3: ../b.png is outside"),
        (",8,,F", ",,,F", "row 3: patient_id is empty"),
        ("patient_id", "who", "no column patient_id; the table has: image, mask_lung"),
        ("mask_lung", "mask_lungs", "no column mask_lung; the table has"),
        (",1,1\n", ",1,one\n", "row 3: the column fold takes whole numbers, such as 0 to 4, not 'one'"),
        (",1,1\n", ",1,0.5\n", "row 3: the column fold takes whole numbers"),
        ("images/b.png", "./images//a.png", "images/a.png and ./images//a.png is listed 2 times"),
        (",fold", ",lung_ok", "the column 'lung_ok' occurs twice"),
        ("0\nimages/b", "0,0\nimages/b", "cannot be read"),
    ],
)
def test_an_invalid_table_is_an_error_that_names_the_row(old: str, new: str, why: str, pack: Path) -> None:
    (pack / "index.csv").write_text(INDEX.replace(old, new, 1))
    with pytest.raises(InputError, match=f"index.csv: .*{why}"):
        open_dataset(pack, classes=["lung"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("image,", " image , "),
        ("images/b.png", " images/b.png "),
        ("images/b.png", "images\\b.png"),
        ("masks/b_lung.png", "masks\\b_lung.png"),
        ("images/b.png", "./images/./b.png"),
        (",1,1\n", ",1,1.0\n"),
    ],
)
def test_blanks_backslashes_and_whole_floats_do_not_matter(old: str, new: str, pack: Path) -> None:
    expected = open_dataset(pack, classes=["lung"])
    assert old in INDEX
    (pack / "index.csv").write_text(INDEX.replace(old, new, 1))
    assert open_dataset(pack, classes=["lung"]).records == expected.records


def test_table_with_semicolons_is_rejected(pack: Path) -> None:
    (pack / "index.csv").write_text(INDEX.replace(",", ";"))
    with pytest.raises(InputError, match="not separated by commas"):
        open_dataset(pack, classes=["lung"])


@pytest.mark.parametrize("findings", [("0", "1"), ("true", "false"), ("0.5", "")])
def test_finding_of_any_type_is_text(findings: tuple[str, str], pack: Path) -> None:
    text = INDEX.replace('"Normal, so far"', findings[1]).replace("Normal", findings[1])
    (pack / "index.csv").write_text(text.replace("COVID-19", findings[0]))
    found = {record.finding for record in open_dataset(pack, classes=["lung"]).records}
    assert findings[0].casefold() in {str(one).casefold() for one in found}
    assert all(one is None or isinstance(one, str) for one in found)


def test_a_png_mask_of_another_size_is_an_error_on_opening(pack: Path, save_png: SavePng) -> None:
    save_png(pack / "masks/b_lung.png", np.zeros((9, 12), np.uint8))
    with pytest.raises(
        InputError, match=r"row 3: the mask .*b_lung\.png is 12 x 9 pixels, but its image is 12 x 10"
    ):
        open_dataset(pack, classes=["lung"])


def test_a_mask_of_another_size_in_another_format_is_an_error_on_reading(
    pack: Path, save_png: SavePng
) -> None:
    (pack / "index.csv").write_text(INDEX.replace("b_lung.png", "b_lung.bmp"))
    save_png(pack / "masks/b_lung.bmp", np.zeros((9, 12), np.uint8))
    record = open_dataset(pack, classes=["lung"]).records[1]
    with pytest.raises(InputError, match=r"b_lung\.bmp: this mask is 12 x 9 pixels"):
        load_masks(record, ["lung"], (10, 12))


def test_findings_are_rejected_in_this_layout(pack: Path) -> None:
    with pytest.raises(InputError, match="findings"):
        open_dataset(pack, classes=["lung"], findings=["Mass"])


def test_a_table_without_any_mask_is_an_error(pack: Path) -> None:
    (pack / "index.csv").write_text("image,mask_lung,patient_id\nimages/a.png,,1\n")
    with pytest.raises(InputError, match="no row has a mask of lung"):
        open_dataset(pack)


def test_the_clinical_table_is_found_in_the_images_folder_or_up_to_two_parents(pack: Path) -> None:
    assert find_clinical(pack / "images") == (pack / "index.csv").resolve()
    assert find_clinical(pack) == (pack / "index.csv").resolve()
    deep = pack / "images" / "one" / "two"
    deep.mkdir(parents=True)
    assert find_clinical(deep) is None
    (pack / "images" / "Data_Entry_2017.csv").write_text("")
    assert find_clinical(deep) == (pack / "images" / "Data_Entry_2017.csv").resolve()


def test_the_clinical_table_keeps_all_columns_and_identifiers_stay_text(pack: Path) -> None:
    table = read_clinical(pack / "index.csv")
    assert table.column_names == INDEX.splitlines()[0].split(",")
    assert table["patient_id"].to_pylist() == ["007", "8", "9"]
    assert table["age"].to_pylist() == [65, None, 31]
    assert table["sex"].to_pylist() == ["M", "F", None]
    assert table["finding"].to_pylist()[2] == "Normal, so far"


def test_the_nih_clinical_table_identifies_images_by_file_name(tmp_path: Path) -> None:
    path = tmp_path / "Data_Entry_2017_v2020.csv"
    path.write_text(
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n"
        "00000001_000.png,Mass,0,1,57,M,PA,2682,2749,0.143,0.143\n"
    )
    assert read_clinical(path)["image"].to_pylist() == ["00000001_000.png"]


def write_index(folder: Path, header: str, *rows: str) -> None:
    (folder / "index.csv").write_text("\n".join([header, *rows]) + "\n")


def truths(folder: Path, *classes: str) -> list[tuple[tuple[bool, ...], list[int]]]:
    """Open a folder, and return for each image which classes are known, and their areas."""
    dataset = open_dataset(folder, classes=classes)
    loaded = [load_masks(record, dataset.classes, (10, 12)) for record in dataset.records]
    return [(known, masks.sum(axis=(1, 2)).tolist()) for masks, known in loaded]


def test_polygons_are_masks_and_an_empty_list_is_an_empty_mask(pack: Path) -> None:
    write_index(
        pack,
        "image,polygons_lesion,patient_id",
        'images/a.png,"[[[0,0],[4,0],[4,3],[0,3]],[[6.5,6.5],[8.5,6.5],[8.5,8.5],[6.5,8.5]]]",1',
        "images/b.png,[],2",
        "images/c.png,,3",
    )
    assert truths(pack, "lesion") == [((True,), [16]), ((True,), [0])]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("0 0 4 0 4 4", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('"{}"', "not a list of polygons"),
        ('"[[0,0],[4,0],[4,4]]"', "a polygon has at least 3 points, not"),
        ('"[[[0,0],[4,0]]]"', r"at least 3 points.*write \[\[\[x, y\]"),
        ('"[[[0,0],[4,0],[4]]]"', r"a point of a polygon is \[x, y\]"),
    ],
)
def test_polygons_that_are_none_are_an_error_that_names_row_and_column(
    cell: str, why: str, pack: Path
) -> None:
    write_index(pack, "image,polygons_lesion,patient_id", f"images/a.png,{cell},1")
    with pytest.raises(InputError, match=rf"index\.csv: row 2: polygons_lesion: .*{why}"):
        open_dataset(pack)


def test_a_class_with_a_mask_file_and_polygons_is_an_error(pack: Path) -> None:
    write_index(pack, "image,mask_lesion,polygons_lesion,patient_id", "images/a.png,masks/a_lesion.png,[],1")
    with pytest.raises(InputError, match="row 2: has both a mask file and polygons of lesion"):
        open_dataset(pack)


COMPLETE = "image,mask_lung,mask_lesion,mask_effusion,patient_id,labels_complete"


def test_where_labels_are_complete_a_class_without_a_file_is_absent(pack: Path) -> None:
    write_index(
        pack,
        COMPLETE,
        "images/a.png,masks/a_lung.png,masks/a_lung.png,,1,1",
        "images/b.png,masks/b_lung.png,,,2,1",
        "images/c.png,masks/c_lung.png,,,3,0",
    )
    assert truths(pack, "lesion") == [((True,), [10]), ((True,), [0])]
    notes = open_dataset(pack, classes=["lesion"]).notes
    assert notes == (
        "1 images with labels_complete = 1 and no mask of lesion are used with an empty mask",
        "1 images without a mask of lesion are skipped",
    )


def test_a_class_that_no_complete_row_has_a_mask_of_was_not_among_the_labels(pack: Path) -> None:
    write_index(
        pack,
        COMPLETE,
        "images/a.png,,masks/a_lung.png,,1,1",
        "images/b.png,,,,2,1",
        "images/c.png,,,masks/c_lung.png,3,",
    )
    assert truths(pack, "lesion", "effusion") == [
        ((True, False), [10, 0]),
        ((True, False), [0, 0]),
        ((False, True), [0, 30]),
    ]


@pytest.mark.parametrize("lung_ok", ["", ",lung_ok"])
def test_lungs_are_never_absent(lung_ok: str, pack: Path) -> None:
    cell = ",0" if lung_ok else ""
    write_index(
        pack,
        COMPLETE + lung_ok,
        f"images/a.png,masks/a_lung.png,,,1,1{cell and ',1'}",
        f"images/b.png,,masks/b_lung.png,,2,1{cell}",
    )
    assert truths(pack, "lung", "lesion") == [((True, True), [10, 0]), ((False, True), [0, 20])]


@pytest.mark.parametrize(
    ("name", "is_lung"),
    [
        *((name, True) for name in ("lungs", "left_lung", "lung_right", "lung_fields", "lung_2")),
        *((name, True) for name in ("right_lung_field", "lung_with_retrocardiac")),
        *((name, False) for name in ("lung_opacity", "lung_lesion", "collapsed_lung", "lungworm")),
    ],
)
def test_findings_in_the_lungs_are_no_lungs_and_may_be_absent(name: str, is_lung: bool, pack: Path) -> None:
    write_index(
        pack,
        f"image,mask_{name},mask_effusion,patient_id,labels_complete",
        "images/a.png,masks/a_lung.png,,1,1",
        "images/b.png,,masks/b_lung.png,2,1",
    )
    assert truths(pack, name, "effusion") == [((True, True), [10, 0]), ((not is_lung, True), [0, 20])]


def test_each_file_is_opened_once_for_all_classes(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_index(
        pack,
        "image,mask_lung,mask_lesion,mask_effusion,patient_id",
        "images/a.png,masks/a_lung.png,masks/a_lesion.png,masks/b_lung.png,1",
        "images/b.png,,,,2",
    )
    open_file, opened = Path.open, []

    def opening(path: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(path.name)
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", opening)
    open_dataset(pack, classes=["lung", "lesion", "effusion"])
    images = [name for name in opened if name != "index.csv"]
    assert sorted(images) == ["a.png", "a_lesion.png", "a_lung.png", "b_lung.png"]


def test_labels_complete_takes_0_and_1(pack: Path) -> None:
    write_index(pack, COMPLETE, "images/a.png,masks/a_lung.png,,,1,2")
    with pytest.raises(InputError, match="row 2: the column labels_complete takes 0 or 1, not 2"):
        open_dataset(pack, classes=["lesion"])


@pytest.mark.real
def test_complete_labels_of_real_images_know_absent_findings_but_never_lungs_or_other_structures(
    cxr_dev: Path,
) -> None:
    folder = cxr_dev.parent / "cxr_more"
    if not folder.is_dir():
        pytest.skip(f"the research data is not there: {folder}")
    dataset = open_dataset(folder, classes=["lung", "opacity", "calcification", "ggo"])
    known = [record.known(dataset.classes) for record in dataset.records]
    assert known.count((False, True, True, False)) == 95
    assert known.count((True, False, False, False)) == 20
    assert len(known) == 115
