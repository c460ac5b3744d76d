"""The choices among ways to train; light, since `--help` shows them."""

from __future__ import annotations

from enum import StrEnum


class Augmentation(StrEnum):
    """How far training images are changed at random."""

    STANDARD = "standard"
    """Mirroring, small motion, brightness, contrast, gamma, noise: the images of one site."""
    STRONG = "strong"
    """Also gray curves, inversion, local equalization, blur, cut-outs, large motion: those of any site."""


class Loss(StrEnum):
    """What training minimizes."""

    BCE_DICE = "bce-dice"
    """Binary cross-entropy plus Dice loss."""
    FOCAL_TVERSKY = "focal-tversky"
    """For small lesions: a missed pixel costs more than one too many."""
