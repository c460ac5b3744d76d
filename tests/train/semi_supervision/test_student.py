from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cxr.errors import InputError
from cxr.models.card import Normalization
from cxr.models.network.segmenter import Segmenter
from cxr.train.images.dataset import IGNORE
from cxr.train.semi_supervision.in_memory import Examples, Schedule
from cxr.train.semi_supervision.student import LabelCounts, Recipe, adapt_to_size, known_images, train_student

CLASSES = ("bright", "dark")
SHORT = Schedule(epochs=40, batch_size=4, lr=0.02)
RECIPE = Recipe(teachers={"bright": SHORT, "dark": SHORT}, student=replace(SHORT, epochs=20))


def build(classes: int) -> Segmenter:
    torch.manual_seed(classes)
    layers = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, classes, 1)
    )
    return Segmenter(layers, Normalization(0.449, 0.226))


@pytest.fixture(scope="module")
def truth() -> Examples:
    """A bright and a dark square on gray."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(110, 140, (16, 32, 32), dtype=np.uint8)
    masks = np.zeros((16, 2, 32, 32), np.uint8)
    for number in range(16):
        for index, gray in enumerate((250, 5)):
            row, column = rng.integers(0, 6, 2) + 16 * index
            pixels[number, row : row + 10, column : column + 10] = gray
            masks[number, index, row : row + 10, column : column + 10] = 1
    return Examples(pixels, masks)


@pytest.fixture(scope="module")
def partly_labeled(truth: Examples) -> Examples:
    """The first six images show one class, the next six the other, four nothing."""
    masks = truth.masks.copy()
    masks[6:, 0] = IGNORE
    masks[:6, 1] = masks[12:, 1] = IGNORE
    return Examples(truth.pixels, masks)


@pytest.fixture(scope="module")
def trained(
    partly_labeled: Examples, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Segmenter, dict, Path]:
    folder = tmp_path_factory.mktemp("networks")
    # No view of these tiny models agrees to 0.94 under strong gammas.
    student = train_student(build, partly_labeled, CLASSES, replace(RECIPE, agreement=0.5), folder)
    return student.segmenter, dict(student.counts), folder


def test_student_finds_both_classes_where_it_saw_one_or_none(
    trained: tuple[Segmenter, dict, Path], truth: Examples
) -> None:
    with torch.inference_mode():
        found = trained[0](torch.from_numpy(truth.pixels[:, None])).numpy() > 0.5
    common = (found & (truth.masks == 1)).sum((0, 2, 3))
    dice = 2 * common / (found.sum((0, 2, 3)) + (truth.masks == 1).sum((0, 2, 3)))
    assert (dice > 0.7).all()


def test_counts_say_what_the_student_was_trained_on(trained: tuple[Segmenter, dict, Path]) -> None:
    assert set(trained[1]) == set(CLASSES)
    for counts in trained[1].values():
        assert (counts.human, counts.unlabeled) == (6, 10)
        assert 0 < counts.pseudo <= 10


def test_interrupted_run_keeps_the_networks_that_are_finished(
    trained: tuple[Segmenter, dict, Path], partly_labeled: Examples
) -> None:
    segmenter, counts, folder = trained
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert set(before) == {"teacher_bright.pth", "teacher_dark.pth", "student.pth"}
    (folder / "student.pth").unlink()
    again = train_student(build, partly_labeled, CLASSES, replace(RECIPE, agreement=0.5), folder)
    assert dict(again.counts) == counts
    for name, tensor in segmenter.state_dict().items():
        assert torch.equal(again.segmenter.state_dict()[name], tensor)
    assert (folder / "teacher_bright.pth").stat().st_mtime_ns == before["teacher_bright.pth"]


def test_student_at_a_smaller_size_still_finds_both_classes(
    trained: tuple[Segmenter, dict, Path], partly_labeled: Examples, truth: Examples, tmp_path: Path
) -> None:
    half = Examples(truth.pixels[:, ::2, ::2].copy(), truth.masks[..., ::2, ::2].copy())
    smaller = Examples(half.pixels, partly_labeled.masks[..., ::2, ::2].copy())
    segmenter, weights = copy.deepcopy(trained[0]), tmp_path / "smaller.pth"
    gentle = replace(SHORT, lr=0.005)
    adapted = adapt_to_size(segmenter, partly_labeled, smaller, gentle, weights, agreement=0.5)
    with torch.inference_mode():
        found = adapted(torch.from_numpy(half.pixels[:, None])).numpy() > 0.5
    common = (found & (half.masks == 1)).sum((0, 2, 3))
    # Squares of five pixels are hard for strong augmentation, which makes dark borders and cut-outs.
    assert (2 * common / (found.sum((0, 2, 3)) + (half.masks == 1).sum((0, 2, 3))) > 0.5).all()
    assert weights.is_file()


def test_known_classes_are_those_that_are_not_ignored_all_over() -> None:
    masks = np.zeros((2, 2, 4, 4), np.uint8)
    masks[0, 1] = IGNORE
    masks[1, 0, :2] = IGNORE
    np.testing.assert_array_equal(known_images(masks), [[True, False], [True, True]])


def test_class_without_a_mask_is_rejected(partly_labeled: Examples, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image has a mask of dark"):
        train_student(
            build, Examples(partly_labeled.pixels[:6], partly_labeled.masks[:6]), CLASSES, RECIPE, tmp_path
        )


def test_class_without_a_teacher_is_rejected(partly_labeled: Examples, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no teacher of dark"):
        train_student(build, partly_labeled, CLASSES, replace(RECIPE, teachers={"bright": SHORT}), tmp_path)


def test_all_human_masks_need_no_pseudo_labels(truth: Examples, tmp_path: Path) -> None:
    short = Recipe({name: replace(SHORT, epochs=1) for name in CLASSES}, replace(SHORT, epochs=1))
    student = train_student(build, truth, CLASSES, short, tmp_path)
    assert dict(student.counts) == dict.fromkeys(CLASSES, LabelCounts(16, 0, 0))
