"""The last stages of an image in a run: measure, write its masks and overlay, and compose its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ...data.image import Gray
from ...errors import InputError
from ...models.card import ModelCard
from ...models.checks.assessment import Assessment, Assessor
from ...models.checks.plausibility import Plausible
from ..image_features import ImageMeasurement, measure_image, with_in_training
from ..pipeline import PredictedImage, PreparedImage, assess
from ..records import ImageRows, Settings, Stage
from ..stages import Stages
from .masks import MaskSink, NoMasks
from .overlays import overlay_path, write_overlay
from .tables import COMPONENTS, FEATURES, component_lines, feature_line


@dataclass(frozen=True)
class RowWriter:
    """Finishes the images of a run.

    Attributes
    ----------
    card : ModelCard
    settings : Settings
    masks : MaskSink
    """

    card: ModelCard
    settings: Settings
    masks: MaskSink = field(default_factory=NoMasks)

    @cached_property
    def assessor(self) -> Assessor:
        """What assesses the images."""
        return Assessor(self.card)

    def __call__(self, predicted: PredictedImage, stages: Stages) -> ImageRows:
        """Measure an image, write its files, and return its rows."""
        image = predicted.image
        assessment = stages.run(image.file, Stage.ASSESS, self._assess, predicted)
        measured = stages.run(image.file, Stage.MEASURE, self._measure, predicted)
        stages.run(image.file, Stage.WRITE, self._write_files, image, measured.masks)
        return self._rows(image, measured, assessment)

    def _assess(self, predicted: PredictedImage) -> Assessment:
        assessment = assess(self.assessor, predicted)
        plausible = assessment.plausible
        if self.settings.skip_implausible and plausible in (Plausible.DOUBTFUL, Plausible.NO):
            raise InputError(f"not plausible as a frontal chest radiograph ({plausible}): {assessment.why}")
        return assessment

    def _measure(self, predicted: PredictedImage) -> ImageMeasurement:
        image, settings = predicted.image, self.settings
        return measure_image(
            predicted.probability,
            image.placement,
            self.card,
            threshold=settings.threshold,
            min_area=settings.min_area,
            spacing_mm=image.spacing_mm,
        )

    def _write_files(self, image: PreparedImage, masks: Mapping[str, Gray]) -> None:
        out = self.settings.out
        self.masks.write(out, image.file, masks)
        if image.pixels is not None:
            write_overlay(overlay_path(out, image.file.key), image.pixels, masks)

    def _rows(self, image: PreparedImage, measured: ImageMeasurement, assessment: Assessment) -> ImageRows:
        key, placement = image.file.key, image.placement
        patient = self.settings.patients.patient(key, image.file.path, image.patient_id)
        size = (placement.width, placement.height)
        features = with_in_training(measured, image.in_training).features
        requested = [image.header.get(name, "") for name in self.settings.decoding.dicom_columns]
        text = {
            FEATURES: feature_line(
                key,
                patient,
                size,
                image.spacing_mm,
                image.gray_from,
                features,
                requested,
                assessment=assessment,
            ),
            COMPONENTS: component_lines(key, measured),
            **self.masks.rows(key, measured.masks),
        }
        return ImageRows(key, text)
