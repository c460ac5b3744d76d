"""The end of a training run: evaluate the best epoch and write its scores, plots and card."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from ...machine.files import write_text
from ...machine.packages import versions
from ...metrics.baselines import compare_with_baselines
from ...metrics.overlap import class_metrics
from ...metrics.records import BaselineMetrics, ClassMetrics
from ...models.baselines import baseline_warnings
from ...models.card import ModelCard, TrainingData
from ...models.checks.uncertainty_reference import fit_lung_checks
from ...models.evaluate import evaluate, predictions
from ...models.fingerprint import Fingerprint
from ...models.network.build import GRAY_NORMALIZATION
from ...models.network.segmenter import predictor
from ...models.network.torch_file import load_weights
from ...models.trivial_masks import lung_records
from ..preparation import PreparedRun
from ..run_folder import BASELINE_SCORES, CARD, SCORES, WEIGHTS
from .baselines import mean_masks, score_baselines
from .history import read_history
from .plots import choose_examples, plot_history, plot_overlays
from .stored import write_baseline_scores
from .validation import write_scores

THRESHOLD = 0.5

log = logging.getLogger(__name__)


def evaluate_run(run: PreparedRun, folder: Path, device: torch.device) -> ModelCard:
    """Evaluate the best epoch on the validation images at their own size; write scores, plots and the card.

    The card is written last: its presence marks a finished run. A model that is no better than a trivial
    prediction is reported in a warning.
    """
    classes, thresholds = run.dataset.classes, (THRESHOLD,) * len(run.dataset.classes)
    load_weights(run.segmenter.network, folder / WEIGHTS, name=str(run.network))
    predict, batch_size = predictor(run.segmenter, device), run.config.batch_size
    scores = evaluate(predict, run.validation, run.spec, classes, thresholds, batch_size=batch_size)
    by_class = {
        name: class_metrics([item for item in scores if item.class_name == name], seed=run.config.seed)
        for name in classes
    }
    write_scores(folder / SCORES, scores)
    means = mean_masks(run.training_set, len(classes))
    trivial = score_baselines(run.validation, classes, run.spec, means, lung_records(run.dataset))
    write_baseline_scores(folder / BASELINE_SCORES, trivial)
    baselines = compare_with_baselines(scores, trivial, seed=run.config.seed)
    plot_history(folder / "learning_curve.png", read_history(folder))
    by_key = {record.key: record for record in run.validation}
    examples = [by_key[key] for key in choose_examples(scores)]
    predicted = list(predictions(predict, examples, run.spec, batch_size=batch_size))
    plot_overlays(folder / "val_overlays.png", predicted, scores, classes, thresholds)
    card = _build_card(run, by_class, baselines, thresholds)
    card = fit_lung_checks(predict, run.validation, card, batch_size=batch_size)
    write_text(folder / CARD, card.to_json() + "\n")
    for line in baseline_warnings(card):
        log.warning("%s", line)
    return card


def _build_card(
    run: PreparedRun,
    metrics: dict[str, ClassMetrics],
    baselines: dict[str, tuple[BaselineMetrics, ...]],
    thresholds: tuple[float, ...],
) -> ModelCard:
    config, dataset, ancestor = run.config, run.dataset, run.ancestor
    training = TrainingData(
        name=dataset.name,
        images=len(run.training),
        patients=len({record.patient_id for record in run.training}),
        validation_images=len(run.validation),
        validation_patients=len({record.patient_id for record in run.validation}),
        split_hash=run.split.hash,
        license=dataset.license,
    )
    packages = ("cxr", "torch", "segmentation-models-pytorch", "lightning")
    return ModelCard(
        name=config.name or dataset.name,
        classes=dataset.classes,
        architecture=run.network.architecture,
        encoder=run.network.encoder,
        decoder_channels=run.network.decoder_channels,
        pixels=run.spec,
        normalization=GRAY_NORMALIZATION,
        thresholds=thresholds,
        license=ancestor.license_with(dataset.license) if ancestor else dataset.license,
        ancestor=ancestor,
        training=training,
        metrics=metrics,
        baselines=baselines,
        fingerprint=Fingerprint.of(run.pixel_hashes) if config.fingerprint else None,
        versions=versions(packages),
    )
