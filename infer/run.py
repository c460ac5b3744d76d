"""`infer_folder`: open the model, check what can be checked, and run over a folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.datasets.patient_names import PatientNames
from ..data.decode.dicom.attributes import DICOM_COLUMNS
from ..data.decode.options import DecodeOptions
from ..data.pseudonym import salt_key
from ..machine.progress import Progress, no_progress
from .config import InferConfig
from .folder_run import FolderRun
from .listing.folder import list_folder
from .listing.requirements import check_requirements
from .model import Model, load
from .outputs.distinct_names import check_distinct_names
from .outputs.image_rows import RowWriter
from .outputs.manifest import earlier_provider
from .outputs.mask_formats import mask_sink
from .outputs.ownership import without_outputs
from .outputs.png_files import png_name
from .outputs.summary import RunSummary
from .pipeline import Pipeline
from .records import FLIP, Failure, ImageFile, Settings
from .runtime.providers import AUTO, PROVIDERS

log = logging.getLogger(__name__)


def infer_folder(
    folder: Path | str,
    config: InferConfig | None = None,
    *,
    progress: Progress | None = None,
    **settings: Any,
) -> RunSummary:
    """Measure every radiograph under a folder.

    Called again with the same folder, model and settings, it resumes a run that was killed, and measures the
    images that were added or replaced since. The tables are then the same, byte for byte, as those of a new
    run over the folder; only images that are gone keep their rows, unless `forget_missing` is given.

    Parameters
    ----------
    folder : Path or str
        A folder, searched with all its subfolders, or one image.
    config : InferConfig, optional
    progress : callable, optional
        Called with (images done, images in all) after each image.
    **settings
        Settings of `InferConfig` by name; they take precedence over `config`.

    Returns
    -------
    RunSummary

    Raises
    ------
    InputError
        If the folder is missing or empty, a setting is out of range, or with `strict` an image fails.
    ModelError, ProviderError
        Before anything is written.
    OutputError
        If `out` cannot be written, holds another run's results, or files that this run would overwrite and
        that no run wrote.
    MissingExtraError
        If the images need a package that is not installed, before anything is written.
    MachineError
        If the machine or the drive of the images fails; the run can be resumed.

    Examples
    --------
    >>> run = infer_folder("images/", model="model.onnx", out="results/", masks="png")  # doctest: +SKIP
    """
    config = replace(config or InferConfig(), **settings)
    patients = _patients(config)
    root, out = Path(folder), Path(config.out)
    listing = list_folder(root, out=out)
    entries = listing.entries
    check_requirements(entries)
    _check_patients(patients, entries)
    if config.overlays:
        check_distinct_names(out, (entry.key for entry in entries), png_name)
    model = _model(config, len(entries))
    session = model.session
    log.info("model: %s (%s); provider: %s", session.path, session.card.name, session.provider)
    classes, overlays = session.card.classes, config.overlays
    entries = without_outputs(entries, root, out, config.mask_format, classes, overlays=overlays)
    listing = replace(listing, entries=entries)
    sink = mask_sink(config.mask_format, session.card, session.model_hash)
    sink.check(out, (entry.key for entry in entries))
    columns = tuple(name for name in DICOM_COLUMNS if name in config.dicom_columns)
    decoding = DecodeOptions(config.max_pixels, salt=patients.salt, dicom_columns=columns)
    run_settings = Settings(
        out,
        model.threshold,
        model.min_area,
        config.overlays,
        decoding,
        patients,
        skip_implausible=config.implausible == "skip",
        mirror=model.mirror,
    )
    rows = RowWriter(session.card, run_settings, sink)
    batch_size = min(config.batch_size, len(entries)) if config.batch_size else session.batch_size
    pipeline = Pipeline(
        session, rows, batch_size, decoding, keep_pixels=config.overlays, mirror=run_settings.mirror
    )
    return FolderRun(root, pipeline, rows, config, listing).execute(progress or no_progress)


def _patients(config: InferConfig) -> PatientNames:
    """Return how patients are read from names: as the run asks for, else as its loaded model does."""
    loaded = config.model if isinstance(config.model, Model) else None
    salt = loaded.decoding.salt if loaded and config.salt is None else salt_key(config.salt)
    source = loaded.patients.source if loaded and config.patient_from is None else config.patient_from
    return PatientNames(source, salt)


def _check_patients(patients: PatientNames, entries: Sequence[ImageFile | Failure]) -> None:
    files = [entry for entry in entries if isinstance(entry, ImageFile)]
    if note := patients.check([file.key for file in files], [file.path for file in files]):
        log.warning("%s", note)


def _model(config: InferConfig, images: int) -> Model:
    """Return the loaded model of a run; the run's own threshold and smallest area take precedence."""
    if isinstance(config.model, Path | str | None):
        return load(
            config.model,
            provider=_resumed_provider(config.provider, Path(config.out), overwrite=config.overwrite),
            card=config.card,
            threads=None if config.threads is None else min(config.threads, images),
            allow_fallback=config.allow_fallback,
            allow_external_data=config.allow_external_data,
            threshold=config.threshold,
            min_area=config.min_area,
            uncertainty=config.uncertainty,
        )
    threshold = config.model.threshold if config.threshold is None else config.threshold
    return replace(
        config.model,
        threshold=threshold,
        min_area=config.min_area or config.model.min_area,
        mirror=config.uncertainty == FLIP or config.model.mirror,
    )


def _resumed_provider(provider: str, out: Path, *, overwrite: bool) -> str:
    """Return the provider of the run in `out` in place of `auto`, which may have changed by a bench since."""
    if provider != AUTO or overwrite:
        return provider
    earlier = earlier_provider(out)
    return earlier if earlier in PROVIDERS else provider
