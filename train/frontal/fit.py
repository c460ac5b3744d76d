"""Fit the output `frontal` of a lungs model: upright frontal chest radiographs against everything else.

Only frontal radiographs are needed: the other images are made from them, drawn, or given. The encoder is not
changed; the head learns from the means of its last map. Every image is also scored by a head that was fitted
without its patient (or, of given and drawn images, without its group): on these scores the cutoff is chosen.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ...data.datasets.records import Record
from ...data.decode.reader import read_image
from ...data.image import Gray
from ...models.card import PixelSpec
from ...models.image_checks import FrontalReference
from ...models.network.frontal import FrontalHead, pool
from ...models.network.segmenter import Segmenter
from ...models.preprocess import prepare
from .not_frontal import DRAWN, FROM_FRONTAL, change_frontal, part_of

log = logging.getLogger(__name__)

FRONTAL = "frontal"

FEWEST_PATIENTS = 30
"""Patients from whose radiographs a head is fitted; fewer say too little about other people's."""

_SIDE = 2  # images are worked on at this multiple of the model's input
_MADE = 4  # images made from each frontal radiograph
_PARTS = 4  # parts taken from each given image
_DRAWN_GROUPS = 50
_FOLDS = 5
_FALSE_ALARMS = 0.005
_HIGHEST_CUTOFF = 0.5
_BATCH = 16
_MOST_STEPS = 100
_RIDGE = 0.01
"""A weak penalty separates the made images equally well, but CT images and lateral radiographs worse."""


@dataclass(frozen=True)
class Pooled:
    """What the head learns from.

    Attributes
    ----------
    values : Tensor of float32, shape (images, channels)
        The means of the encoder's last map.
    kinds : list of str
        `FRONTAL`, or what the image is instead; a changed frontal is `FRONTAL` too.
    groups : list of str
        Images of the same group are never on both sides: a patient, a given image, a few drawings.
    scored : ndarray of bool
        Whether the image is as it was read; false of what is changed only to learn from.
    """

    values: Tensor
    kinds: list[str]
    groups: list[str]
    scored: npt.NDArray[np.bool_]

    @property
    def is_frontal(self) -> npt.NDArray[np.bool_]:
        """Which images are upright frontal chest radiographs."""
        return np.array([kind == FRONTAL for kind in self.kinds])


def fit_frontal(
    segmenter: Segmenter,
    frontals: Sequence[Record],
    others: Mapping[str, Sequence[Gray]],
    spec: PixelSpec,
    *,
    drawn: int = 300,
    seed: int = 0,
) -> tuple[FrontalHead, FrontalReference] | None:
    """Fit a head and choose its cutoff.

    Parameters
    ----------
    segmenter : Segmenter
        Of a network with an encoder; it is set to evaluation mode and not changed.
    frontals : sequence of Record
        Upright frontal chest radiographs of many patients and devices.
    others : mapping of str to sequence of ndarray of uint8, shape (height, width)
        Images that are none, by kind, such as radiographs of legs and photographs.
    spec : PixelSpec
        Of the model.
    drawn : int
        Images to draw of each kind that is drawn.
    seed : int

    Returns
    -------
    FrontalHead
        Fitted on all images, in evaluation mode.
    FrontalReference
        With its figures, out of fold by patient; see `choose_cutoff`.
    None
        In place of both, for fewer than `FEWEST_PATIENTS`.

    Raises
    ------
    InputError
        If an image cannot be read.
    """
    patients = len({record.patient_id for record in frontals})
    if patients < FEWEST_PATIENTS:
        return None
    rng = np.random.default_rng(seed)
    examples = _Examples(segmenter.eval(), spec)
    for record in frontals:
        examples.add_frontal(_reduced(read_image(record.path).pixels, spec), record.patient_id, rng)
    for kind, images in others.items():
        for number, pixels in enumerate(images):
            examples.add_other(_reduced(pixels, spec), kind, f"{kind} {number}", rng)
    for kind, draw in DRAWN.items():
        for number in range(drawn):
            examples.add(draw(rng), kind, f"{kind} {number % _DRAWN_GROUPS}")
    pooled = examples.pooled()
    log.info("frontal: %d images of %d patients, and others", len(pooled.kinds), patients)
    scores = _out_of_fold(pooled, seed)
    return _fit_head(pooled, np.ones(len(scores), bool)), choose_cutoff(pooled, scores)


def choose_cutoff(pooled: Pooled, scores: npt.NDArray[np.float64]) -> FrontalReference:
    """Choose the cutoff that one unchanged frontal in two hundred is below, and count what it catches.

    It is never above one half, where the regression itself draws the line.
    """
    frontal = scores[pooled.is_frontal & pooled.scored]
    cutoff = round(min(float(np.quantile(frontal, _FALSE_ALARMS)), _HIGHEST_CUTOFF), 6)
    kinds = np.array(pooled.kinds)
    caught = {
        str(kind): round(float((scores[(kinds == kind) & pooled.scored] < cutoff).mean()), 4)
        for kind in sorted(set(pooled.kinds) - {FRONTAL})
    }
    return FrontalReference(cutoff, len(frontal), round(float((frontal < cutoff).mean()), 4), caught)


class _Examples:
    """Collects images at the model's size, and runs the encoder on them a batch at a time."""

    def __init__(self, segmenter: Segmenter, spec: PixelSpec) -> None:
        self._segmenter, self._spec = segmenter, spec
        self._waiting: list[Gray] = []
        self._values: list[Tensor] = []
        self._kinds: list[str] = []
        self._groups: list[str] = []
        self._scored: list[bool] = []

    def add(self, pixels: Gray, kind: str, group: str, *, scored: bool = True) -> None:
        self._waiting.append(prepare(np.ascontiguousarray(pixels), self._spec)[0])
        self._kinds.append(kind)
        self._groups.append(group)
        self._scored.append(scored)
        if len(self._waiting) == _BATCH:
            self._run()

    def add_frontal(self, pixels: Gray, patient: str, rng: np.random.Generator) -> None:
        """Add a radiograph, itself changed a little, and others made from it."""
        self.add(pixels, FRONTAL, patient)
        self.add(pixels[:, ::-1], FRONTAL, patient, scored=False)
        self.add(change_frontal(pixels, rng), FRONTAL, patient, scored=False)
        for kind in rng.choice(list(FROM_FRONTAL), _MADE, replace=False):
            base = pixels if rng.random() < 0.5 else change_frontal(pixels, rng)
            self.add(FROM_FRONTAL[kind](base, rng), str(kind), patient)

    def add_other(self, pixels: Gray, kind: str, group: str, rng: np.random.Generator) -> None:
        """Add an image that is no chest, and parts of it, turned and changed."""
        self.add(pixels, kind, group)
        for _ in range(_PARTS):
            self.add(change_frontal(part_of(pixels, rng), rng), kind, group, scored=False)

    def pooled(self) -> Pooled:
        """Return what was collected."""
        if self._waiting:
            self._run()
        return Pooled(torch.cat(self._values), self._kinds, self._groups, np.array(self._scored))

    def _run(self) -> None:
        batch = torch.from_numpy(np.stack(self._waiting)[:, None])
        with torch.no_grad():
            self._values.append(pool(self._segmenter.features(batch)).float().cpu())
        self._waiting.clear()


def _reduced(pixels: Gray, spec: PixelSpec) -> Gray:
    """Reduce a large image, so that making others from it is fast."""
    scale = _SIDE * max(spec.height, spec.width) / max(pixels.shape)
    if scale >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _out_of_fold(pooled: Pooled, seed: int) -> npt.NDArray[np.float64]:
    """Score each image by a head that was fitted without its group."""
    names = sorted(set(pooled.groups))
    fold_of = dict(zip(names, np.random.default_rng(seed).permutation(len(names)) % _FOLDS, strict=True))
    folds = np.array([fold_of[group] for group in pooled.groups])
    scores = np.zeros(len(folds))
    for fold in range(_FOLDS):
        head = _fit_head(pooled, folds != fold)
        with torch.no_grad():
            scores[folds == fold] = head.logits(pooled.values[torch.from_numpy(folds == fold)]).sigmoid()
    return scores


def _fit_head(pooled: Pooled, chosen: npt.NDArray[np.bool_]) -> FrontalHead:
    """Fit a ridge-penalized logistic regression, frontals and others weighing the same in all."""
    values = pooled.values[torch.from_numpy(chosen)]
    center, scale = values.mean(dim=0), values.std(dim=0).clamp_min(1e-3)
    standard = (values - center) / scale
    truth = torch.from_numpy(pooled.is_frontal[chosen]).float()
    weight = torch.where(truth > 0, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    head = FrontalHead(values.shape[1])
    torch.nn.init.zeros_(head.linear.weight)
    torch.nn.init.zeros_(head.linear.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=_MOST_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        error = binary_cross_entropy_with_logits(head.logits(standard), truth, weight)
        total: Tensor = error + _RIDGE / 2 * head.linear.weight.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():  # the standardization becomes part of the layer
        head.linear.weight /= scale
        head.linear.bias.sub_(head.linear.weight[0] @ center)
    return head.eval()
