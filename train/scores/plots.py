"""The plots of a run: its learning curve, and predictions next to the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...data.colors import hex_color, outline_color
from ...data.datasets.masks import load_masks
from ...data.image import Gray
from ...machine.files import replacing
from ...metrics.overlap import ImageScore
from ...models.evaluate import Prediction
from .history import Epoch

_SIDE = 512
_COLUMNS = 4


def plot_history(path: Path, history: Sequence[Epoch]) -> None:
    """Plot losses and validation scores against epochs."""
    epochs = [epoch.epoch for epoch in history]
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    losses.plot(epochs, [epoch.train_loss for epoch in history], marker="o", label="training")
    losses.plot(epochs, [epoch.val_loss for epoch in history], marker="o", label="validation")
    losses.set(xlabel="epoch", ylabel="loss (BCE + Dice)", title="Loss")
    scores.plot(epochs, [epoch.val_dice for epoch in history], marker="o", label="Dice")
    scores.plot(epochs, [epoch.val_iou for epoch in history], marker="o", label="IoU")
    scores.set(xlabel="epoch", ylim=(0, 1), title="Validation, at the model's size")
    for axes in (losses, scores):
        axes.grid(alpha=0.3)
        axes.legend()
        axes.xaxis.get_major_locator().set_params(integer=True)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


def choose_examples(scores: Sequence[ImageScore], count: int = 8) -> tuple[str, ...]:
    """Choose images at even ranks from the worst to the best; return their keys.

    Images are ranked by their mean Dice; one without the class scores 1 if nothing is predicted, else 0.
    """
    by_key: dict[str, list[float]] = {}
    for item in scores:
        value = item.dice if item.truth_area else float(item.predicted_area == 0)
        by_key.setdefault(item.key, []).append(value)
    ordered = sorted(by_key, key=lambda key: (sum(by_key[key]) / len(by_key[key]), key))
    ranks = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)
    return tuple(ordered[rank] for rank in ranks)


def plot_overlays(
    path: Path,
    predictions: Sequence[Prediction],
    scores: Sequence[ImageScore],
    classes: Sequence[str],
    thresholds: Sequence[float],
) -> None:
    """Plot each image twice, side by side: with the outlines of the ground truth and of the prediction."""
    rows = -(-len(predictions) // _COLUMNS)
    columns = min(_COLUMNS, len(predictions))
    figure = Figure(figsize=(4 * columns, 2.5 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    cells: list[Axes] = list(grid.ravel())
    for axes in cells:
        axes.set_axis_off()
    for axes, prediction in zip(cells, predictions, strict=False):
        truth, _ = load_masks(prediction.record, classes, prediction.pixels.shape)
        by_class = np.asarray(thresholds, np.float32)[:, None, None]
        predicted = (prediction.probability >= by_class).astype(np.uint8)
        pair = [_outlined(prediction.pixels, masks) for masks in (truth, predicted)]
        axes.imshow(np.hstack(pair))
        axes.set_title(_title(prediction.record.key, scores), fontsize=8)
    handles = [Line2D([], [], color=hex_color(outline_color(i)), label=c) for i, c in enumerate(classes)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(classes), frameon=False)
    figure.suptitle("Validation images from worst to best: truth (left), prediction (right)", fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _outlined(pixels: Gray, masks: Gray) -> Gray:
    """Draw the outline of every class on the image, and pad it to a square of fixed size."""
    scale = _SIDE / max(pixels.shape)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    drawn = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2RGB)
    for number, mask in enumerate(masks):
        resized = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(resized, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, outline_color(number), 2, cv2.LINE_AA)
    canvas = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    top, left = (_SIDE - size[1]) // 2, (_SIDE - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = drawn
    return canvas


def _title(key: str, scores: Sequence[ImageScore]) -> str:
    values = [
        f"{item.class_name} {item.dice:.2f}" if item.truth_area else f"no {item.class_name}"
        for item in scores
        if item.key == key
    ]
    return f"{Path(key).stem}: {', '.join(values)}"
