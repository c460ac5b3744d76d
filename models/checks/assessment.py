"""Assess an image: whether it can be what a model was made for, and how certain the model's mask is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...data.image import Gray, Note
from ..card import ModelCard
from ..preprocess import Placement, Probability, image_region
from .lung_reference import lung_check, lung_map
from .pixels import odd_pixels
from .plausibility import AT_EDGE, Plausible
from .uncertainty import mirror_uncertainty, uncertainty

_BY_NOTE = {
    Note.OTHER_BODY_PART: Plausible.NO,
    Note.LATERAL_VIEW: Plausible.NO,
    Note.NEARLY_ONE_GRAY: Plausible.DOUBTFUL,
    Note.COLORS: Plausible.DOUBTFUL,
}


def oddities_of(pixels: Gray, notes: Sequence[Note]) -> tuple[Plausible, str] | None:
    """Return what header and gray values alone say against an image; None if nothing.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)
        The image at its own size.
    notes : sequence of Note
        From decoding.
    """
    for note in notes:
        if _BY_NOTE[note] is Plausible.NO:
            return Plausible.NO, str(note)
    if reason := odd_pixels(pixels):
        return Plausible.NO, reason
    return (_BY_NOTE[notes[0]], str(notes[0])) if notes else None


@dataclass(frozen=True)
class Assessment:
    """What is said of an image and of the mask found on it.

    Attributes
    ----------
    plausible : Plausible
        `NOT_ASSESSED` if nothing is odd and the model's card offers nothing to assess images by.
    why : str
        Why it is not `YES`; otherwise "".
    uncertainty : float
        See `models.checks.uncertainty`.
    mirror_uncertainty : float or None
        The same from the mirrored image; None without a second pass.
    """

    plausible: Plausible
    why: str
    uncertainty: float
    mirror_uncertainty: float | None = None


class Assessor:
    """Assesses the images of a run, with what the model's card offers for it."""

    def __init__(self, card: ModelCard) -> None:
        self._card = card
        self._lungs = lung_check(card)
        # What is uncertain about lungs is known to mean a poor mask; of other classes it is not.
        judged = card.lung_classes or card.classes
        self._judged = [card.classes.index(name) for name in judged]
        self._thresholds = np.array([card.thresholds[index] for index in self._judged], np.float32)

    def assess(
        self,
        model_input: Gray,
        placement: Placement,
        maps: Probability,
        oddities: tuple[Plausible, str] | None,
        *,
        frontal: float | None = None,
        mirrored: Probability | None = None,
    ) -> Assessment:
        """Assess one image.

        Parameters
        ----------
        model_input : ndarray of uint8, shape (model height, model width)
        placement : Placement
        maps : ndarray of float32, shape (classes, model height, model width)
            The model's output.
        oddities : tuple of Plausible and str, or None
            From `oddities_of`; they take precedence.
        frontal : float, optional
            The model's output `frontal`.
        mirrored : ndarray of float32, shape (classes, model height, model width), optional
            The model's output for the mirrored image, mirrored back.
        """
        rows, columns = image_region(placement)
        maps = maps[:, rows, columns]
        plausible, why = oddities or self._plausible(model_input[rows, columns], maps, frontal)
        judged = maps[self._judged]
        return Assessment(
            plausible,
            why,
            uncertainty(judged, self._thresholds),
            None
            if mirrored is None
            else mirror_uncertainty(judged, mirrored[self._judged, rows, columns], self._thresholds),
        )

    def _plausible(self, gray: Gray, maps: Probability, frontal: float | None) -> tuple[Plausible, str]:
        """Judge by the score of the whole image and by the lungs found.

        With a good score the lungs alone decide, but for lungs that reach the edge: those of a part of a
        radiograph do, and of one that was taken or cropped tightly, and the score tells these apart. With a
        poor score it is no if the lungs speak against the image too, else doubtful.
        """
        by_lungs = Plausible.NOT_ASSESSED, ""
        if self._lungs is not None:
            by_lungs = self._lungs.assess(gray, lung_map(maps, self._card))
        reference = self._card.frontal
        if reference is None or frontal is None:
            return by_lungs
        if frontal >= reference.cutoff:
            is_fine = self._lungs is None or by_lungs[1] == AT_EDGE
            return (Plausible.YES, "") if is_fine else by_lungs
        both = by_lungs[0] in (Plausible.DOUBTFUL, Plausible.NO)
        why = f"not a frontal chest radiograph (score {frontal:.2f})"
        return (Plausible.NO, f"{why}; {by_lungs[1]}") if both else (Plausible.DOUBTFUL, why)
