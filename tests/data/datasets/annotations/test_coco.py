from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from cxr.data.datasets.masks import load_masks
from cxr.data.datasets.open import open_dataset
from cxr.errors import InputError

MakeFolder = Callable[..., Path]
SHAPE = (6, 8)
RECTANGLE = [1, 1, 5, 1, 5, 4, 1, 4]
RUNS = np.random.default_rng(0).integers(0, 2, SHAPE, dtype=np.uint8)


def content(**changes: Any) -> dict[str, Any]:
    """Image 1: a polygon and runs of one category; 2: plain counts; 3: looked at, nothing found."""
    text = coco.encode(np.asfortranarray(RUNS))["counts"].decode()
    values: dict[str, Any] = {
        "info": {"year": 2026},
        "images": [
            {"id": number, "file_name": f"{name}.png", "height": 6, "width": 8}
            for number, name in enumerate("abc", 1)
        ],
        "categories": [{"id": 1, "name": "Lesion"}, {"id": 7, "name": "Lung field"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [RECTANGLE], "iscrowd": 0},
            {
                "id": 2,
                "image_id": 1,
                "category_id": 1,
                "segmentation": {"size": [6, 8], "counts": text},
                "iscrowd": 1,
            },
            {
                "id": 3,
                "image_id": 2,
                "category_id": 7,
                "segmentation": {"size": [6, 8], "counts": [6, 12, 30]},
            },
        ],
    }
    return values | changes


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps(content(**changes)))
    return path


def test_polygons_and_run_lengths_of_a_category_are_one_mask(make_folder: MakeFolder) -> None:
    folder = make_folder()
    dataset = open_dataset(
        folder, masks="coco", annotations=[write(folder)], classes=["lesion", "lung_field"]
    )
    assert [record.key for record in dataset.records] == ["images/a.png", "images/b.png", "images/c.png"]
    assert [record.patient_id for record in dataset.records] == ["p0", "p1", "p2"]
    rectangle = np.zeros(SHAPE, np.uint8)
    rectangle[1:4, 1:5] = 1
    columns = np.zeros(SHAPE, np.uint8)
    columns[:, 1:3] = 1
    nothing = np.zeros(SHAPE, np.uint8)
    expected = [(rectangle | RUNS, nothing), (nothing, columns), (nothing, nothing)]
    for record, masks in zip(dataset.records, expected, strict=True):
        drawn, known = load_masks(record, dataset.classes, SHAPE)
        assert known == (True, True)
        np.testing.assert_array_equal(drawn, masks)


def test_the_only_category_needs_no_name(make_folder: MakeFolder) -> None:
    folder = make_folder()
    path = write(folder, categories=[{"id": 1, "name": "Lesion"}], annotations=content()["annotations"][:2])
    assert open_dataset(folder, masks="coco", annotations=[path]).classes == ("lesion",)


def test_images_without_annotations_and_annotations_without_images_are_counted(
    make_folder: MakeFolder,
) -> None:
    folder = make_folder(["x/a.png", "x/d.png"])
    annotations = [*content()["annotations"], {"image_id": 9, "category_id": 1, "segmentation": [RECTANGLE]}]
    path = write(folder, annotations=annotations)
    dataset = open_dataset(folder, masks="coco", annotations=[path], classes=["lesion", "lung_field"])
    assert [record.key for record in dataset.records] == ["x/a.png"]
    assert dataset.notes == (
        f"{path}: 1 annotations are of images that it does not list; they are skipped",
        "2 annotated images are not in the data set, such as b.png",
        "1 images without annotations of lesion, lung_field are skipped",
        "no image shows lung_field",
    )


def test_a_path_in_the_file_tells_images_of_one_name_apart(make_folder: MakeFolder) -> None:
    folder = make_folder(["x/a.png", "y/a.png"])
    images = [{"id": 1, "file_name": "y\\a.png"}]
    path = write(folder, images=images, annotations=content()["annotations"][:1])
    dataset = open_dataset(folder, masks="coco", annotations=[path], classes=["lesion"])
    assert [record.key for record in dataset.records] == ["y/a.png"]
    path = write(folder, images=[{"id": 1, "file_name": "a.png"}], annotations=[])
    with pytest.raises(InputError, match=r"a\.png may be x/a\.png or y/a\.png; name it by its path"):
        open_dataset(folder, masks="coco", annotations=[path], classes=["lesion"])


def test_the_image_that_a_name_is_the_path_of_comes_before_those_of_that_file_name(
    make_folder: MakeFolder,
) -> None:
    folder = make_folder(["a.png", "sub/a.png"])
    for name, key in (("a.png", "a.png"), ("a", "a.png"), ("sub/a", "sub/a.png")):
        path = write(folder, images=[{"id": 1, "file_name": name}], annotations=[])
        dataset = open_dataset(folder, masks="coco", annotations=[path], classes=["lesion"])
        assert [record.key for record in dataset.records] == [key]


def test_a_name_with_a_suffix_is_not_that_of_an_image_with_another(make_folder: MakeFolder) -> None:
    folder = make_folder(["a.png"])
    path = write(folder, images=[{"id": 1, "file_name": "a.jpg"}], annotations=[])
    with pytest.raises(InputError, match="none of its 1 images is in"):
        open_dataset(folder, masks="coco", annotations=[path], classes=["lesion"])


def test_annotations_of_other_categories_may_be_of_any_kind(make_folder: MakeFolder) -> None:
    folder = make_folder()
    box = {"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4]}
    path = write(folder, annotations=[*content()["annotations"], box])
    dataset = open_dataset(folder, masks="coco", annotations=[path], classes=["Lesion"])
    assert load_masks(dataset.records[0], dataset.classes, SHAPE)[0].any()
    with pytest.raises(InputError, match="has no segmentation"):
        open_dataset(folder, masks="coco", annotations=[path], classes=["lung_field"])


def test_sizes_may_have_a_decimal_point(make_folder: MakeFolder) -> None:
    folder = make_folder()
    whole = open_dataset(folder, masks="coco", annotations=[write(folder)], classes=["lesion"])
    images = [image | {"height": 6.0, "width": 8.0} for image in content()["images"]]
    path = write(folder, images=images)
    assert open_dataset(folder, masks="coco", annotations=[path], classes=["lesion"]) == whole


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"images": 3}, r"not a COCO file of instances .*images"),
        ({"categories": [{"name": "Lesion"}]}, r"not a COCO file of instances .*id.*categories"),
        ({"images": [*content()["images"], content()["images"][0]]}, "the image 1 is listed 2 times"),
        (
            {"images": [{"id": 1, "file_name": "a.png", "height": 6.5, "width": 8}]},
            r"a\.png is 8\.0 x 6\.5 pixels; give whole numbers",
        ),
        (
            {"images": [*content()["images"], {"id": 4, "file_name": "a.png"}]},
            "the image a.png is listed 2 times",
        ),
        (
            {"annotations": [{"image_id": 1, "category_id": 3, "segmentation": [RECTANGLE]}]},
            "category 3 is not among",
        ),
        (
            {"annotations": [{"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]},
            "annotation 5 of image 1: has no segmentation",
        ),
        (
            {"annotations": [{"image_id": 1, "category_id": 1, "segmentation": [[1, 2, 3]]}]},
            "even number of coordinates",
        ),
        (
            {"annotations": [{"image_id": 1, "category_id": 1, "segmentation": [[1, 2, 3, 4]]}]},
            "at least 3 points",
        ),
        (
            {
                "annotations": [
                    {"image_id": 1, "category_id": 1, "segmentation": {"size": [5, 8], "counts": [40]}}
                ]
            },
            r"run lengths of the size \[5, 8\], but its image has \[6, 8\]",
        ),
        (
            {"annotations": [{"image_id": 1, "category_id": 1, "segmentation": {"counts": [48]}}]},
            "annotation None of image 1: .*size",
        ),
    ],
)
def test_an_invalid_file_is_an_error_that_names_file_and_place(
    changes: dict[str, Any], why: str, make_folder: MakeFolder
) -> None:
    folder = make_folder()
    with pytest.raises(InputError, match=rf"instances\.json: .*{why}"):
        open_dataset(folder, masks="coco", annotations=[write(folder, **changes)], classes=["lesion"])


def test_what_lies_outside_the_image_is_reported_with_image_and_class(make_folder: MakeFolder) -> None:
    folder = make_folder()
    far = [{"image_id": 1, "category_id": 1, "segmentation": [[50, 50, 60, 50, 60, 60]]}]
    dataset = open_dataset(
        folder, masks="coco", annotations=[write(folder, annotations=far)], classes=["lesion"]
    )
    with pytest.raises(InputError, match=r"a\.png: its mask of lesion: a polygon .* lies outside the image"):
        load_masks(dataset.records[0], ["lesion"], SHAPE)


def test_a_class_that_the_file_does_not_have_is_an_error_that_lists_its_classes(
    make_folder: MakeFolder,
) -> None:
    folder = make_folder()
    path = write(folder)
    with pytest.raises(InputError, match="has no class heart; it has: lesion, lung_field"):
        open_dataset(folder, masks="coco", annotations=[path], classes=["heart"])
    with pytest.raises(InputError, match=r"choose the classes .*--classes; it has: lesion, lung_field"):
        open_dataset(folder, masks="coco", annotations=[path])


def test_a_file_of_other_images_is_an_error(make_folder: MakeFolder) -> None:
    folder = make_folder(["z.png"])
    with pytest.raises(InputError, match="none of its 3 images is in"):
        open_dataset(folder, masks="coco", annotations=[write(folder)], classes=["lesion"])
