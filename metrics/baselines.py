"""Compare a segmentation model with trivial predictions, which do not depend on the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .bootstrap import mean_interval
from .overlap import ImageScore
from .records import BaselineMetrics


@dataclass(frozen=True)
class BaselineScore:
    """The Dice of one baseline on one image that shows the class."""

    key: str
    patient_id: str
    class_name: str
    baseline: str
    dice: float


def compare_with_baselines(
    scores: Sequence[ImageScore], baselines: Sequence[BaselineScore], *, seed: int = 0
) -> dict[str, tuple[BaselineMetrics, ...]]:
    """Compare a model with baselines on the same images, paired by image.

    Parameters
    ----------
    scores : sequence of ImageScore
        Of the model, on all images that `baselines` are of.
    baselines : sequence of BaselineScore
    seed : int
        Seed of the bootstrap over patients.

    Returns
    -------
    dict of str to tuple of BaselineMetrics
        By class, in the order of `baselines`.
    """
    model = {(item.key, item.class_name): item.dice for item in scores if item.truth_area}
    groups: dict[tuple[str, str], list[BaselineScore]] = {}
    for item in baselines:
        groups.setdefault((item.class_name, item.baseline), []).append(item)
    by_class: dict[str, tuple[BaselineMetrics, ...]] = {}
    for (class_name, baseline), items in groups.items():
        patients = [item.patient_id for item in items]
        dice = np.array([item.dice for item in items])
        model_dice = np.array([model[item.key, class_name] for item in items])
        metrics = BaselineMetrics(
            name=baseline,
            images=len(items),
            dice=mean_interval(dice, patients, seed=seed),
            difference=mean_interval(model_dice - dice, patients, seed=seed),
        )
        by_class[class_name] = (*by_class.get(class_name, ()), metrics)
    return by_class
