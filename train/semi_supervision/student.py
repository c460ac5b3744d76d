"""One network from images whose classes were drawn by different people: teachers, pseudo-labels, student.

Where each class is known in its own images only, a network that learns all classes together learns the look
of each site in place of the class: a class is never corrected on the images of the others. So one teacher per
class learns from the images in which the class is known; each labels all other images in its class, where its
views agree; one student learns from both (as in Xie et al. 2020, arXiv:1911.04252: a student that sees
stronger changes than its teacher did while labeling).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ...errors import InputError
from ...machine.files import make_folder, replacing
from ...models.network.segmenter import Segmenter, predictor
from ...models.network.torch_file import load_weights
from ..images.dataset import IGNORE
from .in_memory import Examples, Schedule, fit
from .pseudo_labels import AGREEMENT, pseudo_labels

log = logging.getLogger(__name__)

_HALF = 128

Build = Callable[[int], Segmenter]
"""Builds an untrained segmenter, or one with a pretrained encoder, for a number of classes."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes
    ----------
    teachers : mapping of str to Schedule
        For each class.
    student : Schedule
    agreement : float
        Which pseudo-labels are kept; see `pseudo_labels`.
    human_repeats : int
        How often an epoch of the student shows an image with a mask drawn by a person; others once.
    """

    teachers: Mapping[str, Schedule]
    student: Schedule
    agreement: float = AGREEMENT
    human_repeats: int = 3


@dataclass(frozen=True)
class LabelCounts:
    """Images of one class: with a human mask, without, and of those the ones with a kept pseudo-label."""

    human: int
    unlabeled: int
    pseudo: int


@dataclass(frozen=True)
class Student:
    """The trained student, and on how many masks of each class it was trained."""

    segmenter: Segmenter
    counts: Mapping[str, LabelCounts]


def train_student(
    build: Build, examples: Examples, classes: Sequence[str], recipe: Recipe, folder: Path
) -> Student:
    """Train teachers, label, and train the student.

    Parameters
    ----------
    build : callable
        Number of classes to a new segmenter.
    examples : Examples
        A class that is unknown in an image is `IGNORE` all over it; images without any mask are welcome.
    classes : sequence of str
        In the order of the masks.
    recipe : Recipe
    folder : Path
        Keeps the weights of each finished network as `<name>.pth`; a run that was interrupted takes them
        from there.

    Returns
    -------
    Student

    Raises
    ------
    InputError
        If no image has a mask of a class, or the recipe has no teacher for it.
    """
    make_folder(folder)
    human = known_images(examples.masks)
    _check(human, classes, recipe)
    masks, counts = examples.masks.copy(), {}
    for index, name in enumerate(classes):
        known = np.flatnonzero(human[:, index])
        own = Examples(examples.pixels[known], examples.masks[known, index : index + 1])
        log.info("teacher of %s: %d images", name, len(own))
        teacher = _fit_once(build(1), own, recipe.teachers[name], folder / f"teacher_{name}.pth")
        others = np.flatnonzero(~human[:, index])
        counts[name] = LabelCounts(len(known), len(others), 0)
        if len(others):
            labels = pseudo_labels(predictor(teacher), examples.pixels[others], agreement=recipe.agreement)
            masks[others, index] = labels.masks[:, 0]
            kept = int((labels.agreement >= recipe.agreement).sum())
            counts[name] = LabelCounts(len(known), len(others), kept)
        log.info("%s: %d of %d pseudo-labels kept", name, counts[name].pseudo, len(others))
    used = known_images(masks).any(axis=1)
    repeats = np.where(human.any(axis=1), recipe.human_repeats, 1)[used]
    student = _fit_once(
        build(len(classes)),
        Examples(examples.pixels[used], masks[used]),
        recipe.student,
        folder / "student.pth",
        repeats=repeats,
    )
    return Student(student, counts)


def adapt_to_size(
    student: Segmenter,
    examples: Examples,
    smaller: Examples,
    schedule: Schedule,
    path: Path,
    *,
    agreement: float = AGREEMENT,
    human_repeats: int = 3,
) -> Segmenter:
    """Train a finished student on at a smaller input, which costs less to run and, this way, little accuracy.

    Parameters
    ----------
    student : Segmenter
        Trained in place.
    examples, smaller : Examples
        The same images and human masks at the student's size, and at the smaller one. Classes without a human
        mask are labeled by the student at its own size, as in `pseudo_labels`.
    schedule : Schedule
    path : Path
        Where the weights are kept; an interrupted run takes them from there.
    agreement, human_repeats
        As in `Recipe`.

    Returns
    -------
    Segmenter
    """
    human = known_images(smaller.masks)
    labels = pseudo_labels(predictor(student), examples.pixels, agreement=agreement).masks
    masks = smaller.masks.copy()
    for image, index in np.argwhere(~human):
        masks[image, index] = _resized(labels[image, index], smaller.pixels.shape[1:])
    used = known_images(masks).any(axis=1)
    repeats = np.where(human.any(axis=1), human_repeats, 1)[used]
    return _fit_once(student, Examples(smaller.pixels[used], masks[used]), schedule, path, repeats=repeats)


def _resized(label: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Resize a label of 0 and 1, or of `IGNORE` all over; a pixel half covered is in the class."""
    if label[0, 0] == IGNORE:
        return np.full(shape, IGNORE, np.uint8)
    covered = cv2.resize(label * np.uint8(255), shape[::-1], interpolation=cv2.INTER_AREA)
    return (np.asarray(covered) >= _HALF).astype(np.uint8)


def known_images(masks: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return which classes are known in each image: bool `[N,C]` from uint8 `[N,C,H,W]`."""
    known: npt.NDArray[np.bool_] = (masks != IGNORE).any(axis=(2, 3))
    return known


def _check(human: npt.NDArray[np.bool_], classes: Sequence[str], recipe: Recipe) -> None:
    if missing := [name for name in classes if name not in recipe.teachers]:
        raise InputError(f"the recipe has no teacher of {', '.join(missing)}")
    counts = human.sum(axis=0).tolist()
    if empty := [name for name, count in zip(classes, counts, strict=True) if not count]:
        raise InputError(f"no image has a mask of {', '.join(empty)}; a teacher needs some")


def _fit_once(
    segmenter: Segmenter,
    examples: Examples,
    schedule: Schedule,
    path: Path,
    *,
    repeats: npt.NDArray[np.int_] | None = None,
) -> Segmenter:
    """Fit a network and keep its weights; or take those that an earlier run kept."""
    if path.is_file():
        log.info("taking %s", path)
        load_weights(segmenter.network, path, name="the network of this recipe")
        return segmenter.eval()
    fitted = fit(segmenter, examples, schedule, repeats=None if repeats is None else repeats.tolist())
    with replacing(path) as temporary:
        torch.save(fitted.network.state_dict(), temporary)
    return fitted
