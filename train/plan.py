"""What a run needs before it can fit: its data set, split and network, and the early refusals."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import lightning

from ..data.datasets.open import open_dataset
from ..data.datasets.records import Dataset, Record
from ..data.datasets.splits import Split, Subset, split_by_patient
from ..errors import InputError
from ..models.card import PixelSpec
from ..models.network import GRAY_NORMALIZATION, build_network, default_decoder
from ..models.segmenter import Segmenter
from .augment import augmentation
from .config import TrainConfig
from .dataset import CACHE_BYTES, SegmentationDataset, check_classes
from .run_folder import SPLITS

log = logging.getLogger(__name__)

_FEWEST = 2


@dataclass(frozen=True)
class Plan:
    """A run before it starts; `config` has every choice that was left open made."""

    config: TrainConfig
    dataset: Dataset
    split: Split
    spec: PixelSpec
    segmenter: Segmenter
    training: tuple[Record, ...]
    validation: tuple[Record, ...]
    training_set: SegmentationDataset
    validation_set: SegmentationDataset
    kept: bool
    """All images are in memory."""


def make_plan(config: TrainConfig, *, resume: Path | None = None) -> Plan:
    """Open the data set, split it, build the network and read the images.

    Parameters
    ----------
    config : TrainConfig
    resume : Path, optional
        The run to go on with: its split is kept, and its weights come from its checkpoint.

    Raises
    ------
    InputError
        If the data set cannot be read, or has too little to learn from or to judge on.
    ModelError
        If the network cannot be built.
    """
    dataset = open_dataset(config.dataset, classes=config.classes, findings=config.findings)
    for note in dataset.notes:
        log.info("%s", note)
    config = _decided(config, dataset)
    split = Split.read(resume / SPLITS) if resume else _split(config, dataset)
    training, validation = (_known(split.select(dataset, part), dataset.classes) for part in Subset)
    _check_counts(dataset, training, validation)
    segmenter = _build(config, len(dataset.classes), pretrained=resume is None)
    spec = PixelSpec(config.size, config.size)
    training_set = SegmentationDataset(training, dataset.classes, spec, augment=augmentation(spec))
    validation_set = SegmentationDataset(validation, dataset.classes, spec)
    kept = training_set.nbytes + validation_set.nbytes <= CACHE_BYTES
    if kept:
        log.info("reading %d images", len(training) + len(validation))
        training_set.keep()
        validation_set.keep()
    check_classes(training_set, dataset.classes, "training")
    check_classes(validation_set, dataset.classes, "validation")
    return Plan(
        config, dataset, split, spec, segmenter, training, validation, training_set, validation_set, kept
    )


def _decided(config: TrainConfig, dataset: Dataset) -> TrainConfig:
    """Make the choices that were left open; a data set's own folds come before a split by chance."""
    decoder = config.decoder_channels
    has_folds = all(record.fold is not None for record in dataset.records)
    first_fold = min((record.fold for record in dataset.records if record.fold is not None), default=None)
    return replace(
        config,
        dataset=dataset.root.resolve(),
        classes=dataset.classes,
        decoder_channels=default_decoder(config.architecture) if decoder is None else decoder,
        fold=first_fold if config.fold is None and has_folds else config.fold,
        name=config.name or dataset.name,
        runs=config.runs.resolve(),
    )


def _split(config: TrainConfig, dataset: Dataset) -> Split:
    return split_by_patient(
        dataset, fold=config.fold, validation_fraction=config.validation_fraction, seed=config.seed
    )


def _known(records: Sequence[Record], classes: Sequence[str]) -> tuple[Record, ...]:
    """Leave out images of which nothing is known."""
    return tuple(record for record in records if record.has_truth(classes))


def _check_counts(dataset: Dataset, training: Sequence[Record], validation: Sequence[Record]) -> None:
    if len(training) < _FEWEST:
        raise InputError(f"{dataset.root}: {len(training)} images to train on; at least {_FEWEST} are needed")
    if not validation:
        raise InputError(
            f"{dataset.root}: no images to validate on; choose another --fold or a larger --val-fraction"
        )


def _build(config: TrainConfig, classes: int, *, pretrained: bool) -> Segmenter:
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    network = build_network(
        config.architecture,
        config.encoder,
        classes,
        encoder_weights=config.encoder_weights if pretrained else "none",
        decoder_channels=config.decoder_channels or (),
    )
    return Segmenter(network, GRAY_NORMALIZATION)
