"""Open what a training run needs: its data set and initial weights, with every setting chosen."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from ..data.datasets.patient_key import spelled_differently
from ..data.datasets.records import Dataset, Record
from ..data.datasets.splits import Split, Subset
from ..machine.paths import printable
from ..models.card import PixelSpec
from ..models.network.build import NetworkSpec
from ..models.network.encoder_weights import resolve_weights
from .config import TrainConfig
from .start.initialize import choose_network
from .start.weights import InitialWeights, read_initial_weights, resolve_source

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenedRun:
    """A run whose data set is open; every setting that was left open in `config` has been chosen.

    `initial` is what the weights are initialized from, None: from the pretraining of the encoder.
    """

    config: TrainConfig
    dataset: Dataset
    network: NetworkSpec
    initial: InitialWeights | None

    @property
    def spec(self) -> PixelSpec:
        """The size of the network's input, and how images are resized to it."""
        return PixelSpec(self.config.size, self.config.size)

    def select(self, split: Split, subset: Subset) -> tuple[Record, ...]:
        """Return the records of a subset with known ground truth of at least one class."""
        classes = self.dataset.classes
        return tuple(record for record in split.select(self.dataset, subset) if record.has_truth(classes))


def open_run(config: TrainConfig, *, reads_weights: bool = True) -> OpenedRun:
    """Open the data set and the initial weights; no image is read.

    Parameters
    ----------
    config : TrainConfig
    reads_weights : bool
        False for a run that resumes: its weights come from its checkpoint, and `config.init` may be gone.

    Raises
    ------
    InputError
        If the data set cannot be read.
    ModelError
        If the initial weights cannot be used.
    """
    dataset = config.open_dataset()
    for note in dataset.notes:
        log.info("%s", note)
    _report_patients_and_folds(config, dataset)
    initial = read_initial_weights(config.init) if config.init is not None and reads_weights else None
    network = choose_network(config, initial)
    return OpenedRun(_complete(config, dataset, network), dataset, network, initial)


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
    """Choose the settings that were left open, and resolve paths, since a run may resume from another folder.

    Folds in the data set take precedence over a random split.
    """
    uses_fold = config.folds is None and all(record.fold is not None for record in dataset.records)
    first_fold = min((record.fold for record in dataset.records if record.fold is not None), default=None)
    return replace(
        config,
        dataset=dataset.root.resolve(),
        classes=dataset.classes,
        annotations=tuple(path.resolve() for path in config.annotations),
        architecture=network.architecture,
        encoder=network.encoder,
        encoder_weights=resolve_weights(config.encoder_weights),
        init=config.init and resolve_source(config.init),
        decoder_channels=network.decoder_channels,
        fold=first_fold if config.fold is None and uses_fold else config.fold,
        name=printable(config.name or dataset.name),
        runs=config.runs.resolve(),
    )
