"""Train one network per fold, and score each on the patients that it has not seen.

The scores of all folds together use every image once, so their interval is narrower than that of one split.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..data.csv_files import write_csv
from ..data.datasets.splits import Split, split_into_folds
from ..errors import InputError
from ..metrics.baselines import compare_with_baselines
from ..metrics.overlap import ImageScore, class_metrics
from ..metrics.records import BaselineMetrics, ClassMetrics, Interval
from ..models.card import ModelCard
from .config import TrainConfig
from .loop.checkpoint import finished_epochs
from .loop.fit import fit
from .opening import OpenedRun, open_run
from .preparation import ReadImages, assemble_run, build_segmenter, check_images, check_split, read_images
from .run_folder import (
    BASELINE_SCORES,
    CARD,
    FOLD_SCORES,
    FOLDS,
    LAST,
    SCORES,
    SPLITS,
    TrainResult,
    fold_folder,
    is_finished,
    new_run_folder,
)
from .scores.history import best_epoch, read_history
from .scores.stored import read_baseline_scores
from .scores.validation import COLUMNS as SCORE_COLUMNS
from .scores.validation import read_scores, score_row

log = logging.getLogger(__name__)

_COLUMNS = (
    *("fold", "class", "images", "positives", "dice", "dice_low", "dice_high"),
    *(
        "iou",
        "iou_low",
        "iou_high",
        "specificity",
        "specificity_low",
        "specificity_high",
        "epochs",
        "best_epoch",
    ),
)
ALL = "all"
"""In the column `fold`: the images of all folds."""


@dataclass(frozen=True)
class FoldsResult:
    """The result of training by folds.

    Attributes
    ----------
    run : Path
        The folder; each fold is a run of its own in it.
    folds : tuple of TrainResult
    seconds : float
    metrics : mapping of str to ClassMetrics
        For each class, out of fold: every image scored by the network that has not seen its patient.
    baselines : mapping of str to tuple of BaselineMetrics
        For each class, trivial predictions on the same images.
    """

    run: Path
    folds: tuple[TrainResult, ...]
    seconds: float
    metrics: Mapping[str, ClassMetrics]
    baselines: Mapping[str, tuple[BaselineMetrics, ...]]


def train_folds(config: TrainConfig, *, resume: Path | None = None, progress: bool = False) -> FoldsResult:
    """Train `config.folds` networks; see `run.train_folds`.

    All folds are checked before the first is trained.
    """
    started = time.perf_counter()
    assert config.folds is not None
    starts = resume is None or not _all_begun(resume, config.folds)
    opened = open_run(config, reads_weights=starts)
    splits = split_into_folds(opened.dataset, config.folds, seed=config.seed)
    images = _check_all(opened, splits, pretrained=starts)
    folder = resume or _new_folder(opened)
    results = []
    for number, split in enumerate(splits, 1):
        log.info("fold %d of %d", number, len(splits))
        results.append(_train_fold(opened, split, images, fold_folder(folder, number), progress=progress))
    metrics, baselines = _write_scores(folder, results, opened)
    return FoldsResult(folder, tuple(results), time.perf_counter() - started, metrics, baselines)


def _all_begun(folder: Path, folds: int) -> bool:
    """Return whether the weights of every fold come from a checkpoint."""
    return all((fold_folder(folder, number) / LAST).is_file() for number in range(1, folds + 1))


def _check_all(opened: OpenedRun, splits: Sequence[Split], *, pretrained: bool) -> ReadImages:
    """Check the network, with its first weights if a fold needs them, and every fold; return the images."""
    records = [check_split(opened, split) for split in splits]
    smallest = min(len(training) for training, _ in records)
    build_segmenter(opened, pretrained=pretrained, batch_size=smallest)
    training, validation = records[0]
    images = read_images(opened, (*training, *validation))
    for split in splits:
        check_images(opened, split, images)
    return images


def _new_folder(opened: OpenedRun) -> Path:
    config = opened.config
    assert config.name is not None
    folder = new_run_folder(config.runs, config.name)
    config.write(folder, dataset_name=opened.dataset.name)
    return folder


def _train_fold(
    opened: OpenedRun, split: Split, images: ReadImages, folder: Path, *, progress: bool
) -> TrainResult:
    """Train one fold, resume it, or read its result if it is finished."""
    resume = folder if (folder / LAST).is_file() else None
    if resume and Split.read(resume / SPLITS).hash != split.hash:
        raise InputError(f"{resume}: the patients of this fold have changed; start a new run")
    if is_finished(folder):
        return _read_result(folder)
    training, _ = check_split(opened, split)
    segmenter = build_segmenter(opened, pretrained=resume is None, batch_size=len(training))
    name = f"{opened.config.name}-{folder.name}"
    own = replace(opened, config=replace(opened.config, folds=None, fold=None, name=name))
    run = assemble_run(own, split, segmenter, images, resume=resume)
    finished = finished_epochs(resume / LAST) if resume else 0
    return fit(run, folder=folder, resume=resume, finished=finished, progress=progress)


def _read_result(folder: Path) -> TrainResult:
    history, card = read_history(folder), ModelCard.read(folder / CARD)
    seconds = sum(epoch.seconds for epoch in history)
    best = best_epoch(history).epoch
    return TrainResult(folder, len(history), best, seconds, card.metrics, card.baselines)


def _write_scores(
    folder: Path, results: Sequence[TrainResult], opened: OpenedRun
) -> tuple[Mapping[str, ClassMetrics], Mapping[str, tuple[BaselineMetrics, ...]]]:
    """Write the table of folds and that of all images; return the scores out of fold."""
    seed = opened.config.seed
    scores = [read_scores(result.run / SCORES) for result in results]
    everything = [score for of_fold in scores for score in of_fold]
    trivial = [one for result in results for one in read_baseline_scores(result.run / BASELINE_SCORES)]
    metrics = {
        name: class_metrics([score for score in everything if score.class_name == name], seed=seed)
        for name in opened.dataset.classes
    }
    write_csv(folder / FOLD_SCORES, ("fold", *SCORE_COLUMNS), _score_rows(scores))
    write_csv(folder / FOLDS, _COLUMNS, _fold_rows(results, metrics))
    return metrics, compare_with_baselines(everything, trivial, seed=seed)


def _score_rows(scores: Sequence[Sequence[ImageScore]]) -> Iterator[tuple[object, ...]]:
    for number, of_fold in enumerate(scores, 1):
        for score in of_fold:
            yield number, *score_row(score)


def _fold_rows(
    results: Sequence[TrainResult], metrics: Mapping[str, ClassMetrics]
) -> Iterator[tuple[object, ...]]:
    for number, result in enumerate(results, 1):
        for name, of_fold in result.metrics.items():
            yield number, name, *_metric_values(of_fold), result.epochs, result.best_epoch
    for name, of_all in metrics.items():
        yield ALL, name, *_metric_values(of_all), "", ""


def _metric_values(metrics: ClassMetrics) -> tuple[object, ...]:
    intervals = (metrics.dice, metrics.iou, metrics.specificity)
    bounds = [value for interval in intervals for value in _bounds(interval)]
    return metrics.positives + metrics.empties, metrics.positives, *bounds


def _bounds(interval: Interval | None) -> tuple[str, ...]:
    if interval is None:
        return ("", "", "")
    return tuple(f"{value:.6f}" for value in (interval.value, interval.low, interval.high))
