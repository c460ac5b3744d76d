"""Judge a network on pictures at their own resolution, through the one pixel path and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..data.dataset import Record, load_masks
from ..data.decode import read_picture
from ..data.picture import Grey
from ..files import write_text
from ..models.card import PixelSpec
from ..models.metrics import PictureScore, score
from ..models.preprocess import Probability, prepare, restore
from .network import Segmenter

_COLUMNS = ("image", "patient_id", "class", "truth_area", "predicted_area", "intersection", "dice", "iou")


@dataclass(frozen=True)
class Prediction:
    """A picture and, at its own size, what the network says: float32 [C,h,w]."""

    record: Record
    pixels: Grey
    probability: Probability


def predict(
    segmenter: Segmenter, records: Sequence[Record], spec: PixelSpec, *, batch_size: int, device: torch.device
) -> Iterator[Prediction]:
    """Run a network over pictures, in order."""
    segmenter = segmenter.to(device).eval()
    for start in range(0, len(records), batch_size):
        batch = records[start : start + batch_size]
        pictures = [read_picture(record.path).pixels for record in batch]
        prepared, placements = zip(*(prepare(pixels, spec) for pixels in pictures), strict=True)
        with torch.inference_mode():
            maps = segmenter(torch.from_numpy(np.stack(prepared)[:, None]).to(device)).float().cpu().numpy()
        for record, pixels, placement, probability in zip(batch, pictures, placements, maps, strict=True):
            full = np.stack([restore(one, placement) for one in probability])
            yield Prediction(record, pixels, full)


def judge(
    prediction: Prediction, classes: Sequence[str], thresholds: Sequence[float]
) -> tuple[PictureScore, ...]:
    """Compare one picture's cut masks with its truth, for the classes of which that is known."""
    masks, known = load_masks(prediction.record, classes, prediction.pixels.shape)
    return tuple(
        score(
            masks[index],
            (prediction.probability[index] >= thresholds[index]).astype(np.uint8),
            key=prediction.record.key,
            patient_id=prediction.record.patient_id,
            class_name=name,
        )
        for index, name in enumerate(classes)
        if known[index]
    )


def write_scores(path: Path, scores: Sequence[PictureScore]) -> None:
    """Write one row a picture and class; Dice and IoU are empty where the class is not there."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for item in scores:
        overlap = (f"{item.dice:.6f}", f"{item.iou:.6f}") if item.truth_area else ("", "")
        areas = (item.truth_area, item.predicted_area, item.intersection)
        writer.writerow((item.key, item.patient_id, item.class_name, *areas, *overlap))
    write_text(path, text.getvalue())
