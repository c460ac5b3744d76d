"""Prepare a training run: its split, network and images, with all checks before the first epoch."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import lightning

from ..data.datasets.records import Dataset, Record
from ..data.datasets.splits import Split, Subset, split_by_patient
from ..errors import InputError
from ..models.ancestor import Ancestor
from ..models.card import PixelSpec
from ..models.network.build import GRAY_NORMALIZATION, NetworkSpec, build_network
from ..models.network.segmenter import Segmenter
from .checks.inspection import (
    Example,
    InspectedImage,
    check_duplicates,
    check_masks,
    check_presence,
    inspect_images,
)
from .checks.masks import mask_warnings
from .checks.trial_step import check_trainable
from .config import TrainConfig
from .images.augmentation import STRENGTHS, augment
from .images.dataset import MAX_CACHE_BYTES, SegmentationDataset
from .images.sampling import Floats, balanced_weights
from .opening import OpenedRun, open_run
from .run_folder import SPLITS, read_ancestor
from .start.initialize import initialize
from .start.weights import InitialWeights

log = logging.getLogger(__name__)

_MIN_TRAINING_IMAGES = 2


@dataclass(frozen=True)
class ReadImages:
    """What was seen in each image, by key; and the images at the model's size, if all fit in memory."""

    inspected: Mapping[str, InspectedImage]
    examples: Mapping[str, Example]

    def of(self, records: Sequence[Record]) -> list[InspectedImage]:
        """Return what was seen in these images."""
        return [self.inspected[record.key] for record in records]

    def dataset(self, records: Sequence[Record], opened: OpenedRun) -> SegmentationDataset:
        """Return these images for training or validation."""
        change = partial(augment, strength=STRENGTHS[opened.config.augmentation])
        images = SegmentationDataset(records, opened.dataset.classes, opened.spec, augment=change)
        if self.examples:
            images.keep_in_memory([self.examples[record.key] for record in records])
        return images


@dataclass(frozen=True)
class PreparedRun:
    """A run before its first epoch; every setting that was left open in `config` has been chosen.

    `ancestor` is what the weights were initialized from, if anything. `training` and `validation` are the
    records behind `training_set` and `validation_set`; `in_memory` says whether both sets hold all their
    images in memory; `weights` is how often each training image is drawn, None: once; `pixel_hashes` are of
    the images of both sets.
    """

    config: TrainConfig
    dataset: Dataset
    split: Split
    spec: PixelSpec
    network: NetworkSpec
    segmenter: Segmenter
    ancestor: Ancestor | None
    training: tuple[Record, ...]
    validation: tuple[Record, ...]
    training_set: SegmentationDataset
    validation_set: SegmentationDataset
    in_memory: bool
    weights: Floats | None
    pixel_hashes: frozenset[bytes]


def prepare_run(config: TrainConfig, *, resume: Path | None = None) -> PreparedRun:
    """Open the data set, split it, build the network, and read and check the images.

    Parameters
    ----------
    config : TrainConfig
    resume : Path, optional
        The run to resume: its split is reused, and its weights come from its checkpoint.

    Raises
    ------
    InputError
        If the data set cannot be read or is too small, a patient or an image is in both subsets, or the
        network cannot be trained at this size.
    ModelError
        If the network cannot be built.
    """
    opened = open_run(config, reads_weights=resume is None)
    split = Split.read(resume / SPLITS) if resume else _split(opened)
    training, validation = check_split(opened, split)
    segmenter = build_segmenter(opened, pretrained=resume is None, batch_size=len(training))
    images = read_images(opened, (*training, *validation))
    check_images(opened, split, images)
    return assemble_run(opened, split, segmenter, images, resume=resume)


def check_split(opened: OpenedRun, split: Split) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Return the records to train and to validate on.

    Raises
    ------
    InputError
        If there are too few.
    """
    training, validation = opened.select(split, Subset.TRAIN), opened.select(split, Subset.VALIDATION)
    root = opened.dataset.root
    if len(training) < _MIN_TRAINING_IMAGES:
        raise InputError(
            f"{root}: {len(training)} images to train on; at least {_MIN_TRAINING_IMAGES} are needed"
        )
    if not validation:
        raise InputError(
            f"{root}: no images to validate on; choose another --fold or a larger --val-fraction"
        )
    return training, validation


def build_segmenter(opened: OpenedRun, *, pretrained: bool, batch_size: int) -> Segmenter:
    """Build the network, and try it on an empty batch.

    Parameters
    ----------
    opened : OpenedRun
    pretrained : bool
        Whether its first weights are used; those of a run that resumes come from its checkpoint.
    batch_size : int
        The most images that a batch can have.

    Raises
    ------
    InputError
        If it cannot be trained at this size.
    ModelError
        If it cannot be built.
    """
    config, network, classes = opened.config, opened.network, opened.dataset.classes
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    built = build_network(
        network.architecture,
        network.encoder,
        len(classes),
        encoder_weights=config.encoder_weights if pretrained and config.init is None else "none",
        decoder_channels=network.decoder_channels,
    )
    segmenter = Segmenter(built, GRAY_NORMALIZATION)
    if opened.initial is not None and pretrained:
        initialize(segmenter.network, opened.initial, classes, size=config.size)
    check_trainable(
        segmenter, name=str(network), size=config.size, batch_size=min(config.batch_size, batch_size)
    )
    return segmenter


def read_images(opened: OpenedRun, records: Sequence[Record]) -> ReadImages:
    """Read and inspect images, and keep them in memory if they fit; warn about masks that look wrong."""
    classes = opened.dataset.classes
    log.info("reading %d images", len(records))
    is_small = SegmentationDataset(records, classes, opened.spec).nbytes <= MAX_CACHE_BYTES
    inspected, examples = {}, {}
    for image, example in inspect_images(records, classes, opened.spec):
        inspected[image.key] = image
        if is_small:
            examples[image.key] = example
    for line in mask_warnings(tuple(inspected.values()), classes):
        log.warning("%s", line)
    return ReadImages(inspected, examples)


def check_images(opened: OpenedRun, split: Split, images: ReadImages) -> None:
    """Reject what cannot be trained or validated on.

    Raises
    ------
    InputError
        If the images of two patients are equal, or a subset does not show a class.
    """
    dataset = opened.dataset
    training, validation = (images.of(opened.select(split, subset)) for subset in Subset)
    check_duplicates((*training, *validation), split, dataset.root)
    check_masks((*training, *validation), dataset.classes, dataset.root)
    check_presence(training, dataset.classes, "training")
    check_presence(validation, dataset.classes, "validation")
    if opened.initial is not None:
        _report_known_images(validation, opened.initial)


def assemble_run(
    opened: OpenedRun, split: Split, segmenter: Segmenter, images: ReadImages, *, resume: Path | None = None
) -> PreparedRun:
    """Put the parts of a run together; see `PreparedRun`."""
    training, validation = opened.select(split, Subset.TRAIN), opened.select(split, Subset.VALIDATION)
    seen = images.of((*training, *validation))
    initial, config = opened.initial, opened.config
    return PreparedRun(
        config=config,
        dataset=opened.dataset,
        split=split,
        spec=opened.spec,
        network=opened.network,
        segmenter=segmenter,
        ancestor=initial.ancestor if initial else read_ancestor(resume) if resume else None,
        training=training,
        validation=validation,
        training_set=images.dataset(training, opened),
        validation_set=images.dataset(validation, opened),
        in_memory=bool(images.examples),
        weights=_weights(images.of(training)) if config.balance else None,
        pixel_hashes=frozenset(image.pixel_hash for image in seen),
    )


def _split(opened: OpenedRun) -> Split:
    config = opened.config
    return split_by_patient(
        opened.dataset, fold=config.fold, validation_fraction=config.validation_fraction, seed=config.seed
    )


def _weights(training: Sequence[InspectedImage]) -> Floats:
    return balanced_weights(
        [image.present for image in training],
        [[coverage is not None for coverage in image.coverage] for image in training],
    )


def _report_known_images(validation: Sequence[InspectedImage], initial: InitialWeights) -> None:
    """Warn about validation images that the weights have already learned from: they flatter the scores."""
    fingerprint = initial.fingerprint
    if fingerprint is None:
        return
    known = sum(fingerprint.contains_hash(image.pixel_hash) for image in validation)
    if known > len(validation) * fingerprint.false_positive_rate:
        log.warning(
            "%d of %d validation images are in the data set of %s: their scores are too good",
            *(known, len(validation), initial.source),
        )
