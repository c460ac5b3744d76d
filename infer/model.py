"""The object to work with in Python: a loaded model that measures radiographs."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy.typing as npt

from ..data.datasets.patient_names import PatientNames
from ..data.decode.arrays import radiograph_from_array
from ..data.decode.options import MAX_PIXELS, DecodeOptions
from ..data.decode.reader import decode_image, read_image
from ..data.pseudonym import salt_key
from ..errors import DecodeError, InputError
from ..models.card import ModelCard
from ..models.checks.assessment import Assessor
from ..models.shipped import find_model
from .features.preload import preloading_kernels
from .image_features import measure_image, with_in_training
from .pipeline import Pipeline, PredictedImage, assess, predict_images, prepare_image
from .records import FLIP, Failure, ImageFile, Stage, check_uncertainty
from .result import Found, Result
from .runtime.model_file import choose_file
from .runtime.session import Session
from .stages import Stages


@dataclass(frozen=True, repr=False)
class Model:
    """A loaded model: call it on an image, or stream many images through it.

    Attributes
    ----------
    session : Session
    threshold : float or None
        For every class, in place of the card's thresholds.
    min_area : int
        Components of fewer pixels are dropped.
    decoding : DecodeOptions
        How image files are read.
    patients : PatientNames
        How the name of a file tells its patient.
    mirror : bool
        Whether the mirrored image is predicted too, for `uncertainty_flip`.

    Examples
    --------
    >>> model = cxr.load("model.onnx")  # doctest: +SKIP
    >>> model("image.png").features["lung_ratio"]  # doctest: +SKIP
    0.274150848
    """

    session: Session
    threshold: float | None = None
    min_area: int = 0
    decoding: DecodeOptions = field(default_factory=DecodeOptions)
    patients: PatientNames = field(default_factory=PatientNames)
    mirror: bool = False

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        InputError
            Naming the setting and the value.
        """
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise InputError(f"threshold must be between 0 and 1, got {self.threshold}")
        if self.min_area < 0:
            raise InputError(f"min_area must be at least 0, got {self.min_area}")

    @property
    def card(self) -> ModelCard:
        """The model card."""
        return self.session.card

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the model's output."""
        return self.card.classes

    @property
    def provider(self) -> str:
        """The execution provider in use; never `auto`."""
        return self.session.provider

    def __call__(
        self,
        image: Path | str | bytes | npt.ArrayLike,
        *,
        name: str | None = None,
        bits: int | None = None,
        spacing_mm: tuple[float, float] | None = None,
    ) -> Result:
        """Measure one radiograph.

        Parameters
        ----------
        image : Path, str, bytes or array_like
            A file, the bytes of a file, or a 2-D array: uint8, uint16 with `bits`, or floating point in 0..1.
        name : str, optional
            The image's name in the result; by default the name of the file, else "image".
        bits : int, optional
            The depth of an array's samples: 2**bits - 1 is white.
        spacing_mm : tuple of float, optional
            Pixel spacing of an array in millimeters, (down, across).

        Returns
        -------
        Result

        Raises
        ------
        DecodeError
            If the image cannot be read; for a file, the message names it.
        ModelError
            If the model cannot run.
        """
        path = Path(image) if isinstance(image, str | Path) else None
        if isinstance(image, str | Path):
            radiograph, default_name = read_image(image, self.decoding), Path(image).name
        elif isinstance(image, bytes | bytearray | memoryview):
            radiograph, default_name = decode_image(bytes(image), self.decoding), "image"
        else:
            radiograph, default_name = radiograph_from_array(image, bits=bits, spacing_mm=spacing_mm), "image"
        file = ImageFile(name or default_name, path or Path(name or default_name))
        try:
            prepared = prepare_image(file, radiograph, self.card, keep_pixels=True)
        except DecodeError as error:
            raise DecodeError(f"{name or path or default_name}: {error}") from error
        batch = prepared.model_input[None, None]
        (predicted,) = predict_images(self.session, [prepared], batch, mirror=self.mirror)
        return self._result(predicted, in_file=path is not None)

    def stream(
        self, images: Iterable[Path | str], *, batch_size: int | None = None
    ) -> Generator[Result, None, None]:
        """Measure many image files: decoding, model and measuring overlap, and memory stays bounded.

        Parameters
        ----------
        images : iterable of Path or str
            Files, read as they are needed.
        batch_size : int, optional
            Images per model pass; by default what suits the provider.

        Yields
        ------
        Result
            One per file, in order; of a file that cannot be measured a failed one (`result.ok` is false).

        Raises
        ------
        ModelError, MachineError
            If the model cannot run at all, or the machine is out of memory, file handles or processes.
        """
        size = self.session.batch_size if batch_size is None else batch_size
        if size < 1:
            raise InputError(f"batch_size must be at least 1, got {size}")
        pipeline = Pipeline(
            self.session, self._finish, size, self.decoding, keep_pixels=True, mirror=self.mirror
        )
        files = (ImageFile(Path(image).name, Path(image)) for image in images)
        with closing(pipeline.run(files)) as outcomes:
            for outcome in outcomes:
                if isinstance(outcome, Failure):
                    yield Result(outcome.key, self.card, outcome)
                else:
                    yield outcome

    def _finish(self, predicted: PredictedImage, stages: Stages) -> Result:
        return stages.run(predicted.image.file, Stage.MEASURE, self._result, predicted, in_file=True)

    def _result(self, predicted: PredictedImage, *, in_file: bool) -> Result:
        image = predicted.image
        assert image.pixels is not None
        assessment = assess(self._assessor, predicted)
        measurement = measure_image(
            predicted.probability,
            image.placement,
            self.card,
            threshold=self.threshold,
            min_area=self.min_area,
            spacing_mm=image.spacing_mm,
        )
        key, path = image.file.key, image.file.path if in_file else None
        found = Found(
            image.pixels,
            image.spacing_mm,
            image.gray_from,
            assessment,
            self.patients.patient(key if path is None else path.as_posix(), path, image.patient_id),
            predicted.probability,
            image.placement,
            with_in_training(measurement, image.in_training),
        )
        return Result(key, self.card, None, found)

    @cached_property
    def _assessor(self) -> Assessor:
        return Assessor(self.card)

    def __repr__(self) -> str:
        return f"Model({self.card.name!r}, classes={self.classes}, provider={self.provider!r})"


def load(
    path: Path | str | None = None,
    *,
    provider: str = "auto",
    card: Path | str | None = None,
    threads: int | None = None,
    allow_fallback: bool = False,
    allow_external_data: bool = False,
    threshold: float | None = None,
    min_area: int = 0,
    salt: str | None = None,
    patient_from: str | None = None,
    max_pixels: int = MAX_PIXELS,
    uncertainty: str | None = None,
) -> Model:
    """Load a model.

    Parameters
    ----------
    path : Path or str, optional
        An ONNX file, or the name of a shipped model; by default `./model.onnx`, else `lungs`.
    provider, card, threads, allow_fallback, allow_external_data
        As in `Session.open`.
    threshold : float, optional
        For every class, in place of the card's; a pixel belongs to a class from this probability on.
    min_area : int
        Components of fewer pixels are dropped, from tables and masks.
    salt : str, optional
        A secret that turns patients into keyed hashes in `patient_id`: those of DICOM files, which are left
        out without it, and those in file names.
    patient_from : str, optional
        How the name of a file tells its patient: "nih", or a regular expression with one group, searched in
        the path as given. By default only names in the folders of an NIH set do.
    max_pixels : int
        A larger image is rejected by its header, before memory is allocated.
    uncertainty : str, optional
        "flip" predicts the mirrored image too, for `uncertainty_flip`: twice the model's time.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If there is no model, or its file or card cannot be used.
    ProviderError
        If the provider cannot run here.
    InputError
        If the salt, `patient_from` or `uncertainty` cannot be used.
    """
    check_uncertainty(uncertainty)
    decoding = DecodeOptions(max_pixels, salt=salt_key(salt))
    patients = PatientNames(patient_from, decoding.salt)
    with preloading_kernels():
        session = Session.open(
            choose_file(find_model(None if path is None else Path(path)), provider),
            provider=provider,
            card=card,
            threads=threads,
            allow_fallback=allow_fallback,
            allow_external_data=allow_external_data,
        )
    return Model(session, threshold, min_area, decoding, patients, mirror=uncertainty == FLIP)
