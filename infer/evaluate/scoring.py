"""Run the model over labeled images and compare every mask with its ground truth, at the images' own size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...data.datasets.masks import load_masks
from ...data.datasets.records import Record
from ...data.image import Gray
from ...machine.interrupts import deferred_interrupts
from ...machine.progress import Progress
from ...metrics.lesions import match_lesions
from ...metrics.overlap import score
from ...metrics.surface import SurfaceDistances, has_square_pixels, surface_distances
from ...metrics.threshold_curve import count_at_thresholds
from ...models.card import ModelCard
from ...models.evaluate import Prediction, predictions
from ...models.trivial_masks import LUNG, trivial_masks
from ..concurrency import ordered_map, single_threaded_opencv, thread_pool
from ..image_features import in_training
from ..runtime.session import Session
from .mean_masks import MeanMasks
from .pairing import ClassPair
from .records import Agreement, ImageResult, SecondReader


@dataclass(frozen=True)
class ScoringPlan:
    """What the images are compared with.

    Attributes
    ----------
    card : ModelCard
    pairs : tuple of ClassPair
    means : MeanMasks
    lungs : mapping of str to Record
        The records whose lung mask is known, by key.
    groups : mapping of str to str
        The group of each image, by key; empty if there are none.
    """

    card: ModelCard
    pairs: tuple[ClassPair, ...]
    means: MeanMasks
    lungs: Mapping[str, Record]
    groups: Mapping[str, str]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the data set whose masks are read."""
        names = (name for pair in self.pairs for name in (pair.truth, pair.second) if name is not None)
        return tuple(dict.fromkeys(names))


def score_images(
    session: Session, records: Sequence[Record], plan: ScoringPlan, progress: Progress
) -> list[ImageResult]:
    """Score every image; decoding, model and comparison of several batches overlap.

    Returns
    -------
    list of ImageResult
        In the order of the records, then of the pairs; without classes whose ground truth is unknown.

    Raises
    ------
    InputError
        If an image or a mask cannot be read, or a mask has another size than its image.
    ModelError
        If the model cannot run.
    """
    size = session.batch_size
    batches = [records[start : start + size] for start in range(0, len(records), size)]
    results: list[ImageResult] = []
    done = 0
    with deferred_interrupts(), single_threaded_opencv(), thread_pool(session.threads) as pool:
        work = partial(_score_batch, session=session, plan=plan)
        for batch, scored in zip(batches, ordered_map(pool, work, batches, 2 * session.threads), strict=True):
            results += scored
            done += len(batch)
            progress(done, len(records))
    return results


def _score_batch(batch: Sequence[Record], session: Session, plan: ScoringPlan) -> list[ImageResult]:
    found = predictions(session.run, batch, plan.card.pixels, batch_size=len(batch))
    return [result for prediction in found for result in score_prediction(prediction, plan)]


def score_prediction(prediction: Prediction, plan: ScoringPlan) -> Iterator[ImageResult]:
    """Yield the result of every pair of classes whose ground truth is known on this image."""
    record, shape = prediction.record, prediction.pixels.shape
    classes = plan.classes
    masks, known = load_masks(record, classes, shape)
    truths = {name: mask for name, mask, is_known in zip(classes, masks, known, strict=True) if is_known}
    lung = _lung_mask(record, truths, plan)
    trained_on = in_training(plan.card, prediction.pixels)
    spacing = prediction.spacing_mm
    for pair in plan.pairs:
        if pair.truth not in truths:
            continue
        truth, probability = truths[pair.truth], prediction.probability[pair.index]
        mask = (probability >= plan.card.thresholds[pair.index]).astype(np.uint8)
        second = None if pair.second is None else truths.get(pair.second)
        model = _compare(truth, mask, pair, record)
        yield ImageResult(
            pair=pair,
            model=model,
            height=shape[0],
            width=shape[1],
            spacing_mm=spacing,
            surface_mm=None if spacing is None else _in_mm(model.surface, truth, mask, spacing),
            lesions=None if pair.is_lung else match_lesions(truth, mask),
            at_thresholds=count_at_thresholds(truth, probability),
            baselines=_baselines(truth, None if pair.is_lung else lung, pair, record, plan),
            second=None if second is None else _second_reader(truth, second, mask, pair, record),
            group=plan.groups.get(record.key, ""),
            in_training=trained_on,
        )


def _lung_mask(record: Record, truths: Mapping[str, Gray], plan: ScoringPlan) -> Gray | None:
    """Return the image's lung mask, if it is known and a class that is no lung needs it as a baseline."""
    shown = (truths.get(pair.truth) for pair in plan.pairs if not pair.is_lung)
    shape = next((truth.shape for truth in shown if truth is not None and truth.any()), None)
    if shape is None:
        return None
    if LUNG in truths:
        return truths[LUNG]
    known = plan.lungs.get(record.key)
    return None if known is None else load_masks(known, (LUNG,), (shape[0], shape[1]))[0][0]


def _in_mm(
    in_pixels: SurfaceDistances, truth: Gray, mask: Gray, spacing: tuple[float, float]
) -> SurfaceDistances:
    if has_square_pixels(spacing):
        return in_pixels.scaled(spacing[0])
    return surface_distances(truth, mask, spacing)


def _compare(truth: Gray, mask: Gray, pair: ClassPair, record: Record) -> Agreement:
    overlap = score(truth, mask, key=record.key, patient_id=record.patient_id, class_name=pair.name)
    return Agreement(overlap, surface_distances(truth, mask))


def _second_reader(truth: Gray, second: Gray, mask: Gray, pair: ClassPair, record: Record) -> SecondReader:
    return SecondReader(
        with_first=_compare(truth, second, pair, record), with_model=_compare(second, mask, pair, record)
    )


def _baselines(
    truth: Gray, lung: Gray | None, pair: ClassPair, record: Record, plan: ScoringPlan
) -> dict[str, float]:
    if not truth.any():
        return {}
    mean = plan.means.of(pair.truth, record.patient_id)
    shape = (truth.shape[0], truth.shape[1])
    return {
        str(baseline): score(truth, mask, key=record.key, patient_id="", class_name=pair.name).dice
        for baseline, mask in trivial_masks(pair.truth, shape, plan.card.pixels, mean, lung)
    }
