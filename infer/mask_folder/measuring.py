"""Measure images by their masks: read the masks, check them against the image, and measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...data.datasets.patient_names import PatientNames
from ...data.decode.isolation import IsolatedReader, Isolation
from ...data.image import Gray, Radiograph
from ...errors import CxrError, InputError
from ...machine.cores import usable_cores
from ...machine.interrupts import deferred_interrupts
from ...machine.progress import Progress
from ..concurrency import ordered_map, single_threaded_opencv, thread_pool
from ..image_features import ImageMeasurement, measure_masks
from ..outputs.tables import component_lines
from ..records import Failure, ImageFile, Stage
from ..stages import ImageFailedError, Stages
from .config import MeasureConfig
from .reading import Content, masks_of, read_content
from .records import MaskedImage, MaskFile, MeasuredImage, NotAMaskError

_PROBED = 3
_ADVICE = "run the same command again, with a lower --threads or --max-pixels to use less memory"


def check_are_masks(root: Path, files: Sequence[MaskFile], config: MeasureConfig) -> None:
    """Check the first files, so that a folder of radiographs is one error and not thousands of failures.

    Raises
    ------
    InputError
        If they can be read, but none of them is a mask.
    """
    errors = []
    with IsolatedReader(1, config.decoding, read_content) as reader:
        for mask in files[:_PROBED]:
            path = mask.file.path
            try:
                masks_of(reader.read(path), mask.class_name, config.values)
            except NotAMaskError as error:
                errors.append(f"{mask.file.key}: {str(error).removeprefix(f'{path}: ')}")
            except CxrError:
                return  # measuring reports it
            else:
                return
    raise InputError(f"{root}: holds no masks but other images: {errors[0]}")


def measure_images(
    images: Sequence[MaskedImage], config: MeasureConfig, progress: Progress
) -> tuple[list[MeasuredImage], list[Failure]]:
    """Measure images in threads.

    Parameters
    ----------
    images : sequence of MaskedImage
    config : MeasureConfig
    progress : callable

    Returns
    -------
    list of MeasuredImage, list of Failure
        In the order of the images.

    Raises
    ------
    InputError
        If the run is strict and an image fails.
    """
    measured: list[MeasuredImage] = []
    failures: list[Failure] = []
    threads = max(1, min(config.threads or usable_cores(), len(images)))
    with (
        deferred_interrupts(),
        single_threaded_opencv(),
        thread_pool(threads) as pool,
        IsolatedReader(threads, config.decoding, read_content) as masks,
        Isolation(threads, config.decoding) as radiographs,
    ):
        measurer = MaskMeasurer(config, config.patients, masks, radiographs, Stages(advice=_ADVICE))
        outcomes = ordered_map(pool, measurer, images, 2 * threads)
        for done, outcome in enumerate(outcomes, 1):
            if isinstance(outcome, MeasuredImage):
                measured.append(outcome)
            else:
                failures.append(outcome)
                check_strict(config, failures)
            progress(done, len(images))
    return measured, failures


def check_strict(config: MeasureConfig, failures: Sequence[Failure]) -> None:
    """Raise the first failure if the run is strict.

    Raises
    ------
    InputError
        With the file, the stage and the cause.
    """
    if config.strict and failures:
        raise InputError(f"{failures[0].key}: {failures[0].stage}: {failures[0].error}")


@dataclass(frozen=True)
class MaskMeasurer:
    """Measures images by their masks; threads may share it.

    Attributes
    ----------
    config : MeasureConfig
    patients : PatientNames
    masks : IsolatedReader
        Reads mask files.
    images : Isolation
        Reads the images themselves.
    stages : Stages
    """

    config: MeasureConfig
    patients: PatientNames
    masks: IsolatedReader[Content]
    images: Isolation
    stages: Stages

    def __call__(self, masked: MaskedImage) -> MeasuredImage | Failure:
        """Measure one image; if one of its files cannot be read, the image is a failure and has no row."""
        try:
            radiograph = None if masked.image is None else self._read_image(masked.image)
            masks = self._read_masks(masked, radiograph)
            measured = self.stages.run(masked.masks[0].file, Stage.MEASURE, self._measure, masks, radiograph)
        except ImageFailedError as failed:
            return failed.failure
        return self._rows(masked, masks, radiograph, measured)

    def _read_image(self, image: ImageFile) -> Radiograph:
        return self.stages.run(image, Stage.DECODE, self.images.read, image.path)

    def _read_masks(self, masked: MaskedImage, radiograph: Radiograph | None) -> dict[str, Gray]:
        masks: dict[str, Gray] = {}
        shape = None if radiograph is None else radiograph.pixels.shape
        for mask in masked.masks:
            found = self.stages.run(mask.file, Stage.DECODE, self._read_mask, mask)
            self.stages.run(mask.file, Stage.MEASURE, _check, found, masks, shape)
            masks |= found
        return masks

    def _read_mask(self, mask: MaskFile) -> dict[str, Gray]:
        content = self.masks.read(mask.file.path)
        return masks_of(content, mask.class_name or self.config.class_name, self.config.values)

    def _measure(self, masks: Mapping[str, Gray], radiograph: Radiograph | None) -> ImageMeasurement:
        return measure_masks(
            masks,
            lung_classes=self.config.lung_classes,
            min_area=self.config.min_area,
            spacing_mm=None if radiograph is None else radiograph.spacing_mm,
        )

    def _rows(
        self,
        masked: MaskedImage,
        masks: Mapping[str, Gray],
        radiograph: Radiograph | None,
        measured: ImageMeasurement,
    ) -> MeasuredImage:
        height, width = next(iter(masks.values())).shape
        stated = None if radiograph is None else radiograph.patient_id
        return MeasuredImage(
            key=masked.key,
            patient_id=self.patients.patient(masked.key, masked.path, stated),
            size=(width, height),
            spacing_mm=None if radiograph is None else radiograph.spacing_mm,
            gray_from="" if radiograph is None else radiograph.gray_from,
            classes=tuple(masks),
            features=measured.features,
            component_lines=component_lines(masked.key, measured),
        )


def _check(found: Mapping[str, Gray], earlier: Mapping[str, Gray], shape: tuple[int, ...] | None) -> None:
    """Check the masks of one file against the image and the image's other masks."""
    if repeated := sorted(found.keys() & earlier.keys()):
        raise InputError(f"is a second mask of class {repeated[0]} for the same image; keep one")
    for mask in found.values():
        if shape is not None and mask.shape != shape:
            raise InputError(
                f"is {_size(mask.shape)} pixels, its image {_size(shape)}; save it with the size of its image"
            )
        other = next(iter(earlier.values()), mask)
        if mask.shape != other.shape:
            raise InputError(
                f"is {_size(mask.shape)} pixels, another mask of the same image {_size(other.shape)}; "
                "save them with the size of their image"
            )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
