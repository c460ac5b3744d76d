"""The patients of the synthetic sample, and how much of each image is covered by opacities.

This burden, in percent of the image's area, is the sum of known effects and two noise terms, and 0 if the sum
is low. The analysis can therefore be tested by whether it recovers these effects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Effects:
    """The effects that add up to the burden of an image, in percent of its area."""

    at_age_50: float = 1.75
    per_decade: float = 1.15
    male: float = 0.9
    ap_view: float = 0.45
    patient_sd: float = 0.9
    image_sd: float = 1.0
    least: float = 0.25
    """Below this, the image has no opacity."""
    most: float = 9.0


@dataclass(frozen=True)
class SampleImage:
    """An image to draw; `burden` is the fraction of its area covered by opacities."""

    name: str
    patient: int
    follow_up: int
    age: int
    sex: str
    view: str
    burden: float


EFFECTS = Effects()
_IMAGES = (1, 2, 3, 4, 5)
_IMAGE_SHARES = (0.15, 0.3, 0.3, 0.15, 0.1)
_AP_SHARE = 0.4


def draw_cohort(patients: int, seed: int, effects: Effects = EFFECTS) -> tuple[SampleImage, ...]:
    """Draw the images of a number of patients, each with one to five images over some years.

    Parameters
    ----------
    patients : int
    seed : int
        A patient depends only on the seed and the patient's number.
    effects : Effects
    """
    return tuple(
        image for number in range(1, patients + 1) for image in _follow_patient(number, seed, effects)
    )


def _follow_patient(number: int, seed: int, effects: Effects) -> list[SampleImage]:
    rng = np.random.default_rng([seed, number])
    age = int(rng.integers(20, 86))
    sex = "M" if rng.random() < 0.5 else "F"
    patient_noise = rng.normal(0, effects.patient_sd)
    images = []
    for follow_up in range(int(rng.choice(_IMAGES, p=_IMAGE_SHARES))):
        view = "AP" if rng.random() < _AP_SHARE else "PA"
        noise = patient_noise + rng.normal(0, effects.image_sd)
        burden = _burden(age, sex, view, noise, effects)
        images.append(
            SampleImage(f"{number:08d}_{follow_up:03d}.png", number, follow_up, age, sex, view, burden)
        )
        age += int(rng.integers(0, 3))
    return images


def _burden(age: int, sex: str, view: str, noise: float, effects: Effects) -> float:
    percent = effects.at_age_50 + effects.per_decade * (age - 50) / 10 + noise
    percent += effects.male * (sex == "M") + effects.ap_view * (view == "AP")
    return min(percent, effects.most) / 100 if percent >= effects.least else 0.0
