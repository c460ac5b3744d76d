"""Run a network in PyTorch as a model is run everywhere, and write what its judgement gave."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..data.picture import Grey
from ..files import write_text
from ..models.evaluate import Predict
from ..models.metrics import PictureScore
from ..models.preprocess import Probability
from .network import Segmenter

_COLUMNS = ("image", "patient_id", "class", "truth_area", "predicted_area", "intersection", "dice", "iou")


def predictor(segmenter: Segmenter, device: torch.device) -> Predict:
    """Give a function from uint8 `[N,1,H,W]` to float32 probabilities `[N,C,H,W]`."""
    segmenter = segmenter.to(device).eval()

    def predict(batch: Grey) -> Probability:
        with torch.inference_mode():
            maps = segmenter(torch.from_numpy(batch).to(device))
        return np.asarray(maps.float().cpu().numpy(), np.float32)

    return predict


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
