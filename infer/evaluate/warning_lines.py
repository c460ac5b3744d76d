"""What an evaluation warns of: overlap with the training images, few patients, no better than trivial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...models.trivial_masks import Baseline
from .pairing import ClassPair
from .records import ClassEvaluation, Evaluation, MetricName
from .summary import minus

_FEW_PATIENTS = 10


def evaluation_warnings(
    evaluation: Evaluation, unknown: Sequence[ClassPair], *, chosen_here: bool
) -> Iterator[str]:
    """Yield what must be known before the scores are believed.

    Parameters
    ----------
    evaluation : Evaluation
    unknown : sequence of ClassPair
        Those without an image whose ground truth is known: they have no scores.
    chosen_here : bool
        Whether thresholds were chosen on its images.
    """
    for pair in unknown:
        yield f"{pair.name}: no image has a known mask of {pair.truth}, so it is not evaluated"
    if evaluation.in_training is None:
        yield (
            "the model card has no fingerprint of its training images, so it is unknown whether the model "
            "was trained on some of these"
        )
    elif evaluation.in_training:
        yield (
            f"{evaluation.in_training} of {evaluation.images} images were in the model's data set: on them "
            "it may be better than on new images"
        )
    for one in evaluation.classes:
        yield from _class_warnings(evaluation, one)
    if chosen_here:
        yield (
            "the thresholds in the copy of the model were chosen on these images: on them they look better "
            "than on others"
        )


def _class_warnings(evaluation: Evaluation, one: ClassEvaluation) -> Iterator[str]:
    name = one.pair.name
    if not one.positives:
        yield f"{name}: no image shows it, so Dice and surface distances are undefined"
    if one.patients == 1:
        yield f"{name}: all images are of one patient, so there are no intervals"
    elif one.patients < _FEW_PATIENTS:
        yield f"{name}: intervals over only {one.patients} patients are unreliable"
    if small := _small_groups(evaluation, one):
        yield f"{name}: intervals of groups with few patients are unreliable: {', '.join(small)}"
    missed = evaluation.metric(name, MetricName.MISSED)
    if missed is not None and missed.interval.value > 0:
        count = round(missed.interval.value * missed.images)
        yield (
            f"{name}: nothing is predicted on {count} of {missed.images} images that show it; they have no "
            "surface distance"
        )
    for baseline in Baseline:
        difference = evaluation.metric(name, MetricName.DICE, prediction=minus(baseline))
        if difference is not None and not difference.interval.low > 0 and one.patients > 1:
            interval = difference.interval
            yield (
                f"{name}: the model is not better than the {baseline}: difference in Dice "
                f"{interval.value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"
            )


def _small_groups(evaluation: Evaluation, one: ClassEvaluation) -> list[str]:
    """Name the groups with few patients, and their number."""
    patients: dict[str, set[str]] = {}
    for result in evaluation.results:
        if result.group and result.pair == one.pair:
            patients.setdefault(result.group, set()).add(result.patient_id)
    return [f"{group} ({len(of)})" for group, of in sorted(patients.items()) if len(of) < _FEW_PATIENTS]
