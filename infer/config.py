"""What a run over a folder is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.decode.dicom.attributes import check_dicom_columns
from ..data.decode.options import MAX_PIXELS
from ..errors import InputError
from ..machine.limits import MAX_BATCH, MAX_THREADS, check_range
from ..machine.limits import MAX_PIXELS as MOST_PIXELS
from .outputs.masks import MaskFormat
from .records import check_uncertainty

if TYPE_CHECKING:
    from .model import Model


@dataclass(frozen=True)
class InferConfig:
    """The settings of a run.

    Attributes
    ----------
    model : Model, Path, str or None
        A loaded model, or an ONNX file; None: `./model.onnx`, else the shipped model.
    card : Path, str or None
        The JSON file of a model card, for a model that carries none.
    out : Path or str
        The output folder, created if it is missing.
    provider, allow_fallback, allow_external_data, threads
        As in `Session.open`; `threads` also decode and measure. A loaded model has its own.
    threshold : float or None
        For every class, in place of the card's; a pixel belongs to a class from this probability on.
    min_area : int
        Components of fewer pixels are dropped, from tables and masks.
    masks : MaskFormat, str or None
        Write masks as "png", "rle" or "dicom-seg".
    overlays : bool
        Write the images with the outlines of the masks, as PNG.
    parquet : bool
        Write the finished tables as Parquet too.
    batch_size : int or None
        Images per model pass; None: what suits the provider.
    overwrite : bool
        Replace the results of another run in `out`; files that no run wrote are never replaced.
    retry_failed : bool
        Process the images in `failures.csv` again.
    forget_missing : bool
        Remove the rows, masks and overlays of images whose file is gone.
    verify : bool
        Compare the content of the images, not only their size and time of modification, with what was
        measured; images whose content was not recorded by an earlier `verify` are measured again.
    strict : bool
        Stop at the first image that fails, instead of recording it in `failures.csv`.
    salt : str or None
        A secret that turns patients into keyed hashes in `patient_id`, whether a DICOM file or a file name
        states them. Without it that column is empty for DICOM.
    patient_from : str or None
        How the name of a file tells its patient: "nih", or a regular expression with one group, searched in
        the path relative to the folder. None: only names in the folders of an NIH set do.
    dicom_columns : sequence of str
        Columns to add from DICOM headers: view, sex, age, device, study, accession; the last two as keyed
        hashes, which need a salt.
    max_pixels : int
        A larger image is rejected by its header, before memory is allocated.
    implausible : str
        What becomes of an image that can hardly be an upright frontal chest radiograph: "warn" measures it
        and says so in its row, "skip" records it in `failures.csv` instead.
    uncertainty : str or None
        "flip" predicts the mirrored images too, for the column `uncertainty_flip`: twice the model's time.
    """

    model: Model | Path | str | None = None
    card: Path | str | None = None
    out: Path | str = "."
    provider: str = "auto"
    allow_fallback: bool = False
    allow_external_data: bool = False
    threshold: float | None = None
    min_area: int = 0
    masks: MaskFormat | str | None = None
    overlays: bool = False
    parquet: bool = False
    batch_size: int | None = None
    threads: int | None = None
    overwrite: bool = False
    retry_failed: bool = False
    forget_missing: bool = False
    verify: bool = False
    strict: bool = False
    salt: str | None = field(default=None, repr=False)
    patient_from: str | None = None
    dicom_columns: Sequence[str] = ()
    max_pixels: int = MAX_PIXELS
    implausible: str = "warn"
    uncertainty: str | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        InputError
            Naming the setting and the value.
        """
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise InputError(f"threshold must be between 0 and 1, got {self.threshold}")
        check_range("min_area", self.min_area, 0, MOST_PIXELS)
        check_range("batch_size", self.batch_size, 1, MAX_BATCH)
        check_range("threads", self.threads, 1, MAX_THREADS)
        check_range("max_pixels", self.max_pixels, 1, MOST_PIXELS)
        loaded = None if isinstance(self.model, Path | str | None) else self.model
        salted = self.salt is not None or (loaded is not None and loaded.decoding.salt is not None)
        check_dicom_columns(self.dicom_columns, salted=salted)
        if self.implausible not in ("warn", "skip"):
            raise InputError(f"implausible can be warn or skip; got {self.implausible!r}")
        check_uncertainty(self.uncertainty)
        if self.masks is not None and self.masks not in set(MaskFormat):
            raise InputError(f"masks can be {', '.join(MaskFormat)}; got {self.masks!r}")

    @property
    def mask_format(self) -> MaskFormat | None:
        """The format of the masks, or None."""
        return None if self.masks is None else MaskFormat(self.masks)

    def record(self) -> dict[str, Any]:
        """Return the settings as `run.json` records them: without the salt, which is a secret."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "salt"}
        return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else repr(value)
