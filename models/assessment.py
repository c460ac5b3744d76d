"""Assess whether an image can be what a model was made for: by header, gray values and lungs."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.image import Gray, Note
from .card import ModelCard
from .lung_reference import lung_check, lung_map
from .pixel_check import odd_pixels
from .plausibility import Plausible
from .preprocess import Placement, Probability, image_region

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


class Assessor:
    """Assesses the images of a run, with what the model's card offers for it."""

    def __init__(self, card: ModelCard) -> None:
        self._card = card
        self._lungs = lung_check(card)

    def assess(
        self,
        model_input: Gray,
        placement: Placement,
        maps: Probability,
        oddities: tuple[Plausible, str] | None,
    ) -> tuple[Plausible, str]:
        """Assess one image.

        Parameters
        ----------
        model_input : ndarray of uint8, shape (model height, model width)
        placement : Placement
        maps : ndarray of float32, shape (classes, model height, model width)
            The model's output.
        oddities : tuple of Plausible and str, or None
            From `oddities_of`; they take precedence.

        Returns
        -------
        Plausible
            `NOT_ASSESSED` if nothing is odd and the model's card has no lung reference.
        str
            Why it is not `YES`; otherwise "".
        """
        if oddities is not None:
            return oddities
        if self._lungs is None:
            return Plausible.NOT_ASSESSED, ""
        region = image_region(placement)
        return self._lungs.assess(model_input[region], lung_map(maps, self._card)[region])
