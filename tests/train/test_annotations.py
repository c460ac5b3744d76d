"""Training on masks in annotation files: the same masks as those in files of the layout."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from pycocotools import mask as coco

from cxr.data.datasets.annotations.records import AnnotationFormat
from cxr.data.datasets.open import open_dataset
from cxr.errors import ExitCode
from cxr.train.command import command
from cxr.train.config import TrainConfig
from cxr.train.images.dataset import IGNORE
from cxr.train.preparation import prepare_run
from cxr.train.run_folder import find_run


@pytest.fixture
def instances(images: Path, tmp_path: Path) -> Path:
    """Write the masks of lesions as COCO's run lengths."""
    records = open_dataset(images, classes=["lesion"]).records
    annotations = []
    for number, record in enumerate(records):
        mask = cv2.imread(str(record.masks["lesion"]), cv2.IMREAD_GRAYSCALE)
        runs = coco.encode(np.asfortranarray(mask // 255))
        segmentation = {"size": list(mask.shape), "counts": runs["counts"].decode()}
        annotations.append({"image_id": number, "category_id": 1, "segmentation": segmentation})
    path = tmp_path / "instances.json"
    listed = [{"id": number, "file_name": record.key} for number, record in enumerate(records)]
    path.write_text(
        json.dumps(
            {"images": listed, "categories": [{"id": 1, "name": "Lesion"}], "annotations": annotations}
        )
    )
    return path


def test_masks_of_an_annotation_file_are_trained_on(config: TrainConfig, instances: Path) -> None:
    expected = prepare_run(config)
    found = prepare_run(replace(config, masks=AnnotationFormat.COCO, annotations=(instances,)))
    assert found.split.hash == expected.split.hash
    for index in range(len(expected.training_set)):
        for array, other in zip(
            found.training_set.arrays(index), expected.training_set.arrays(index), strict=True
        ):
            np.testing.assert_array_equal(array, other)


def test_a_class_that_was_not_looked_for_in_an_image_is_ignored(
    config: TrainConfig, images: Path, tmp_path: Path
) -> None:
    """Of two files, one knows lesions only, the other lungs only."""
    square = [[4, 4, 30, 4, 30, 40, 4, 40]]
    paths = []
    for remainder, name in enumerate(("Lesion", "Lung")):
        numbers = range(remainder, 16, 2)
        content = {
            "images": [{"id": number, "file_name": f"images/{number}.png"} for number in numbers],
            "categories": [{"id": 1, "name": name}],
            "annotations": [
                {"image_id": number, "category_id": 1, "segmentation": square} for number in numbers
            ],
        }
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(content))
    both = replace(config, classes=("lesion", "lung"), masks=AnnotationFormat.COCO, annotations=tuple(paths))
    run = prepare_run(both)
    assert len(run.training) + len(run.validation) == 16
    for index, record in enumerate(run.training):
        masks = run.training_set.arrays(index)[1]
        unknown = 1 if int(record.path.stem) % 2 == 0 else 0
        assert (masks[unknown] == IGNORE).all()
        assert set(np.unique(masks[1 - unknown])) == {0, 1}


def test_the_settings_of_a_run_keep_format_and_files(config: TrainConfig, tmp_path: Path) -> None:
    chosen = replace(config, masks=AnnotationFormat.DICOM_SEG, annotations=(tmp_path / "a", tmp_path / "b"))
    chosen.write(tmp_path, dataset_name="x")
    assert TrainConfig.read(tmp_path) == chosen


def test_command_takes_format_and_files(images: Path, instances: Path, tmp_path: Path) -> None:
    options = "--encoder resnet18 --encoder-weights none --size 32 --epochs 1 --batch-size 4 --no-fingerprint"
    arguments = [str(images), "--masks", "coco", "--annotations", str(instances), *options.split()]
    result = CliRunner().invoke(command, [*arguments, "--runs", str(tmp_path / "runs")])
    assert result.exit_code == ExitCode.DONE, result.output
    assert TrainConfig.read(find_run(tmp_path / "runs" / "latest")).annotations == (instances.resolve(),)
