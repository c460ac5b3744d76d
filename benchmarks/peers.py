"""Baselines without cxr: a loop over the images with PIL, the model and scikit-image.

Both compute the demo's features of an image: lesion ratio, number of lesions, mean area and mean distance of
the centroids from the image's center, measured at the image's own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.measure import label, regionprops
from torch import nn
from torch.nn import functional

from cxr.export.run import load_segmenter
from cxr.models.card import ModelCard

BATCH = 8


class Demo:
    """The demo's method: PyTorch eager, float32, in batches, with PyTorch's default threads."""

    def __init__(self, run: Path) -> None:
        self.card = ModelCard.read(run / "model_card.json")
        # Contiguous, PyTorch's default; `cxr` itself trains channels-last.
        network = load_segmenter(run, self.card).network
        self.network: nn.Module = network.to(memory_format=torch.contiguous_format)

    def run(self, paths: Sequence[Path]) -> list[tuple[float, ...]]:
        rows = []
        for start in range(0, len(paths), BATCH):
            images = [Image.open(path).convert("L") for path in paths[start : start + BATCH]]
            size = (self.card.pixels.width, self.card.pixels.height)
            small = np.stack([np.asarray(image.resize(size)) for image in images])
            norm = self.card.normalization
            tensor = (torch.from_numpy(small).float()[:, None] / 255 - norm.mean) / norm.std
            with torch.no_grad():
                maps = torch.sigmoid(self.network(tensor))
                maps = functional.interpolate(maps, images[0].size[::-1], mode="bilinear")
            rows += [measure(one[0].numpy() >= self.card.thresholds[0]) for one in maps]
        return rows


class OneByOne:
    """An ONNX Runtime session with default settings, one image at a time."""

    def __init__(self, model: Path, card: ModelCard) -> None:
        import onnxruntime  # after cxr, which turns its telemetry off

        self.card = card
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(self, paths: Sequence[Path]) -> list[tuple[float, ...]]:
        rows = []
        for path in paths:
            image = Image.open(path).convert("L")
            small = np.asarray(image.resize((self.card.pixels.width, self.card.pixels.height)))
            (maps,) = self.session.run(None, {"image": small[None, None]})
            large = Image.fromarray(maps[0, 0]).resize(image.size, Image.Resampling.BILINEAR)
            rows.append(measure(np.asarray(large) >= self.card.thresholds[0]))
        return rows


def measure(mask: np.ndarray) -> tuple[float, ...]:
    regions = regionprops(label(mask))
    if not regions:
        return 0.0, 0.0, 0.0, 0.0
    center = (np.array(mask.shape) - 1) / 2
    areas = [region.area for region in regions]
    distances = [float(np.linalg.norm(region.centroid - center)) for region in regions]
    return float(mask.mean()), float(len(regions)), float(np.mean(areas)), float(np.mean(distances))
