"""Prepare a training run: its data set, split, network and images, with all checks before the first epoch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import lightning

from ..data.datasets.open import open_dataset
from ..data.datasets.patient_key import spelled_differently
from ..data.datasets.records import Dataset, Record
from ..data.datasets.splits import Split, Subset, split_by_patient
from ..errors import InputError
from ..machine.paths import printable
from ..models.ancestor import Ancestor
from ..models.card import PixelSpec
from ..models.network import GRAY_NORMALIZATION, NetworkSpec, build_network
from ..models.segmenter import Segmenter
from .augment import augmentation
from .config import TrainConfig
from .dataset import MAX_CACHE_BYTES, SegmentationDataset
from .initial_weights import InitialWeights, read_initial_weights
from .initialize import choose_network, initialize
from .inspection import InspectedImage, check_duplicates, check_presence, inspect_images
from .mask_checks import mask_warnings
from .run_folder import SPLITS, read_ancestor
from .trial_step import check_trainable

log = logging.getLogger(__name__)

_MIN_TRAINING_IMAGES = 2


@dataclass(frozen=True)
class PreparedRun:
    """A run before its first epoch; every setting that was left open in `config` has been chosen.

    `ancestor` is what the weights were initialized from, if anything. `training` and `validation` are the
    records behind `training_set` and `validation_set`; `in_memory` says whether both sets hold all their
    images in memory; `pixel_hashes` are of the images of both sets.
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
    dataset = open_dataset(config.dataset, classes=config.classes, findings=config.findings)
    for note in dataset.notes:
        log.info("%s", note)
    _report_patients_and_folds(config, dataset)
    initial = read_initial_weights(config.init) if config.init is not None and resume is None else None
    network = choose_network(config, initial)
    config = _complete(config, dataset, network)
    split = Split.read(resume / SPLITS) if resume else _split(config, dataset)
    training, validation = (_with_truth(split.select(dataset, subset), dataset.classes) for subset in Subset)
    _check_counts(dataset, training, validation)
    segmenter = _build_segmenter(config, network, len(dataset.classes), pretrained=resume is None)
    if initial is not None:
        initialize(segmenter.network, initial, dataset.classes, size=config.size)
    check_trainable(
        segmenter,
        name=str(network),
        size=config.size,
        batch_size=min(config.batch_size, len(training)),
    )
    spec = PixelSpec(config.size, config.size)
    training_set = SegmentationDataset(training, dataset.classes, spec, augment=augmentation(spec))
    validation_set = SegmentationDataset(validation, dataset.classes, spec)
    in_memory = training_set.nbytes + validation_set.nbytes <= MAX_CACHE_BYTES
    log.info("reading %d images", len(training) + len(validation))
    seen_training = _read(training_set, dataset, spec, keep=in_memory)
    seen_validation = _read(validation_set, dataset, spec, keep=in_memory)
    _check_images(seen_training, seen_validation, dataset, split)
    if initial is not None:
        _report_known_images(seen_validation, initial)
    return PreparedRun(
        config=config,
        dataset=dataset,
        split=split,
        spec=spec,
        network=network,
        segmenter=segmenter,
        ancestor=initial.ancestor if initial else read_ancestor(resume) if resume else None,
        training=training,
        validation=validation,
        training_set=training_set,
        validation_set=validation_set,
        in_memory=in_memory,
        pixel_hashes=frozenset(image.pixel_hash for image in (*seen_training, *seen_validation)),
    )


def _read(
    images: SegmentationDataset, dataset: Dataset, spec: PixelSpec, *, keep: bool
) -> list[InspectedImage]:
    """Inspect the images of one subset, and keep them in memory if they fit."""
    inspected, kept = [], []
    for image, example in inspect_images(images.records, dataset.classes, spec):
        inspected.append(image)
        if keep:
            kept.append(example)
    images.keep_in_memory(kept)
    return inspected


def _check_images(
    training: Sequence[InspectedImage], validation: Sequence[InspectedImage], dataset: Dataset, split: Split
) -> None:
    """Reject what cannot be trained or validated on, and warn about masks that look wrong."""
    check_duplicates((*training, *validation), split, dataset.root)
    check_presence(training, dataset.classes, "training")
    check_presence(validation, dataset.classes, "validation")
    for line in mask_warnings((*training, *validation), dataset.classes):
        log.warning("%s", line)


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


def _report_patients_and_folds(config: TrainConfig, dataset: Dataset) -> None:
    """Log which patients are taken for one, and why folds are not used."""
    for spellings in spelled_differently(record.patient_id for record in dataset.records):
        log.warning("patients %s are taken for one patient", " and ".join(map(repr, spellings)))
    without = [record.key for record in dataset.records if record.fold is None]
    if config.fold is None and 0 < len(without) < len(dataset.records):
        log.warning(
            "%d of %d images have no fold, such as %s: the folds are not used, and the validation images are "
            "drawn at random",
            *(len(without), len(dataset.records), without[0]),
        )


def _complete(config: TrainConfig, dataset: Dataset, network: NetworkSpec) -> TrainConfig:
    """Choose the settings that were left open; folds in the data set take precedence over a random split."""
    has_folds = all(record.fold is not None for record in dataset.records)
    first_fold = min((record.fold for record in dataset.records if record.fold is not None), default=None)
    return replace(
        config,
        dataset=dataset.root.resolve(),
        classes=dataset.classes,
        architecture=network.architecture,
        encoder=network.encoder,
        decoder_channels=network.decoder_channels,
        fold=first_fold if config.fold is None and has_folds else config.fold,
        name=printable(config.name or dataset.name),
        runs=config.runs.resolve(),
    )


def _split(config: TrainConfig, dataset: Dataset) -> Split:
    return split_by_patient(
        dataset, fold=config.fold, validation_fraction=config.validation_fraction, seed=config.seed
    )


def _with_truth(records: Sequence[Record], classes: Sequence[str]) -> tuple[Record, ...]:
    """Return the records with known ground truth of at least one class."""
    return tuple(record for record in records if record.has_truth(classes))


def _check_counts(dataset: Dataset, training: Sequence[Record], validation: Sequence[Record]) -> None:
    if len(training) < _MIN_TRAINING_IMAGES:
        raise InputError(
            f"{dataset.root}: {len(training)} images to train on; at least {_MIN_TRAINING_IMAGES} are needed"
        )
    if not validation:
        raise InputError(
            f"{dataset.root}: no images to validate on; choose another --fold or a larger --val-fraction"
        )


def _build_segmenter(
    config: TrainConfig, network: NetworkSpec, classes: int, *, pretrained: bool
) -> Segmenter:
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    built = build_network(
        network.architecture,
        network.encoder,
        classes,
        encoder_weights=config.encoder_weights if pretrained and config.init is None else "none",
        decoder_channels=network.decoder_channels,
    )
    return Segmenter(built, GRAY_NORMALIZATION)
