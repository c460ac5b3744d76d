"""Pseudo-labels: a model's own masks of unlabeled images, kept where several views of the image agree.

The views are the image and its mirror, each at three gammas. A mask on which they agree is likely to be right
(as in Wang et al. 2019, arXiv:1807.07356, where test-time augmentation measures uncertainty); where they do
not, the class stays unknown in that image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...data.image import Gray
from ...models.evaluate import Predict
from ..images.dataset import IGNORE

GAMMAS = (0.7, 1.0, 1.4)
AGREEMENT = 0.94

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PseudoLabels:
    """Masks by consensus of the views.

    Attributes
    ----------
    masks : ndarray of uint8, shape (images, classes, height, width)
        0 or 1; `IGNORE` all over where the views do not agree.
    agreement : ndarray of float32, shape (images, classes)
        Mean Dice coefficient of each view's mask with the consensus.
    """

    masks: Gray
    agreement: Floats


def pseudo_labels(
    predict: Predict, pixels: Gray, *, agreement: float = AGREEMENT, batch_size: int = 16
) -> PseudoLabels:
    """Label images with a model.

    Parameters
    ----------
    predict : callable
        uint8 `[N,1,H,W]` to float32 probabilities `[N,C,H,W]`.
    pixels : ndarray of uint8, shape (images, height, width)
        At the model's size.
    agreement : float
        Least mean Dice coefficient of the views with their consensus.
    batch_size : int
        Images of one pass.

    Returns
    -------
    PseudoLabels
    """
    labels = [
        _label(predict, pixels[start : start + batch_size]) for start in range(0, len(pixels), batch_size)
    ]
    masks = np.concatenate([found for found, _ in labels])
    agreed = np.concatenate([value for _, value in labels])
    masks[agreed < agreement] = IGNORE
    return PseudoLabels(masks, agreed)


def view_probabilities(predict: Predict, batch: Gray) -> Floats:
    """Predict on the six views of each image, mirrored back: float32 `[6,N,C,H,W]` from uint8 `[N,H,W]`."""
    views = []
    for gamma in GAMMAS:
        changed = _gamma_table(gamma)[batch]
        views.append(predict(changed[:, None]))
        views.append(predict(np.ascontiguousarray(changed[:, None, :, ::-1]))[..., ::-1])
    return np.stack(views)


def consensus(views: Floats, threshold: float = 0.5) -> tuple[Gray, Floats]:
    """Cut the mean of the views, and measure how far each view agrees with it.

    Parameters
    ----------
    views : ndarray of float32, shape (views, images, classes, height, width)
    threshold : float

    Returns
    -------
    ndarray of uint8, shape (images, classes, height, width), 0 or 1
    ndarray of float32, shape (images, classes)
        Mean Dice coefficient over the views; 1 where no view shows the class.
    """
    mean = views.mean(0) >= threshold
    each = views >= threshold
    common = (each & mean).sum((-2, -1))
    area = each.sum((-2, -1)) + mean.sum((-2, -1))
    dice = np.where(area > 0, 2 * common / np.maximum(area, 1), 1.0)
    return mean.astype(np.uint8), dice.mean(0).astype(np.float32)


def _label(predict: Predict, batch: Gray) -> tuple[Gray, Floats]:
    return consensus(view_probabilities(predict, batch))


def _gamma_table(gamma: float) -> Gray:
    return np.rint((np.arange(256) / 255) ** gamma * 255).astype(np.uint8)
