"""What a model card stores to judge an image by the model's own output; without NumPy, as the card is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FrontalReference:
    """From which output `frontal` on an image passes as an upright frontal chest radiograph.

    The figures are of images of other patients than those that the output was fitted on.

    Attributes
    ----------
    cutoff : float
        An image with a lower score is none.
    images : int
        The frontal radiographs that were scored.
    false_alarms : float
        The share of them below the cutoff.
    caught : mapping of str to float
        The share of other images below the cutoff, by kind.
    """

    cutoff: float
    images: int
    false_alarms: float
    caught: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class UncertaintyReference:
    """From which `uncertainty` on the mask of the lungs is probably poor.

    Attributes
    ----------
    cutoff : float
        At this uncertainty or above, Dice is probably below `dice`.
    dice : float
    images : int
        The radiographs with a drawn mask that it was fitted on.
    poor : int
        Those of them with a lower Dice.
    auc : float
        The area under the ROC curve of the uncertainty for those.
    caught, false_alarms : float
        The share of poor masks, and of the others, at the cutoff or above.
    """

    cutoff: float
    dice: float
    images: int
    poor: int
    auc: float
    caught: float
    false_alarms: float
