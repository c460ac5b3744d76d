"""`infer_folder`: check the arguments, open the model, and run over a folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ..data.decode.options import MAX_PIXELS, DecodeOptions
from ..data.pseudonym import salt_key
from ..errors import InputError
from ..machine.progress import Progress, no_progress
from ..models.shipped import find_model
from .folder_run import FolderRun
from .listing import list_folder
from .outputs.manifest import earlier_provider
from .outputs.masks import MASKS, MaskFormat, mask_sink
from .outputs.overlays import OVERLAYS
from .outputs.png_files import check_distinct_names
from .outputs.summary import RunSummary
from .pipeline import Pipeline
from .preload import preloading_kernels
from .records import Settings
from .runtime.providers import AUTO, PROVIDERS
from .runtime.session import Session

log = logging.getLogger(__name__)

# The salt is a secret; the folder has its own field in run.json.
_NOT_RECORDED = ("folder", "progress", "salt")


def infer_folder(
    folder: Path | str,
    *,
    model: Path | str | None = None,
    card: Path | None = None,
    out: Path | str = ".",
    provider: str = "auto",
    allow_fallback: bool = False,
    allow_external_data: bool = False,
    threshold: float | None = None,
    min_area: int = 0,
    masks: MaskFormat | str | None = None,
    overlays: bool = False,
    parquet: bool = False,
    batch_size: int | None = None,
    threads: int | None = None,
    overwrite: bool = False,
    strict: bool = False,
    salt: str | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Progress | None = None,
) -> RunSummary:
    """Measure every radiograph under a folder.

    Called again with the same folder, model and settings, it resumes a run that was killed; the tables are
    then the same, byte for byte, as those of a run that was never interrupted.

    Parameters
    ----------
    folder : Path or str
        A folder, searched with all its subfolders, or one image.
    model : Path or str, optional
        An ONNX file; by default `./model.onnx`, else the shipped model.
    card : Path, optional
        The JSON file of a model card, for a model that carries none.
    out : Path or str
        The output folder, created if it is missing.
    provider, allow_fallback, allow_external_data, threads
        As in `Session.open`; `threads` also decode and measure.
    threshold : float, optional
        For every class, in place of the card's; a pixel belongs to a class from this probability on.
    min_area : int
        Components of fewer pixels are dropped, from tables and masks.
    masks : MaskFormat or str, optional
        Write masks as "png", "rle" or "dicom-seg".
    overlays : bool
        Write the images with the outlines of the masks, as PNG.
    parquet : bool
        Write the finished tables as Parquet too.
    batch_size : int, optional
        Images per model pass; by default what suits the provider.
    overwrite : bool
        Replace the results of another run in `out`.
    strict : bool
        Stop at the first image that fails, instead of recording it in `failures.csv`.
    salt : str, optional
        A secret that turns the patients of DICOM files into keyed hashes in `patient_id`. Without it that
        column is empty for DICOM.
    max_pixels : int
        A larger image is rejected by its header, before memory is allocated.
    progress : callable, optional
        Called with (images done, images in all) after each image.

    Returns
    -------
    RunSummary

    Raises
    ------
    InputError
        If the folder is missing or empty, an argument is out of range, or with `strict` an image fails.
    ModelError, ProviderError
        Before anything is written.
    OutputError
        If `out` cannot be written, or holds another run's results.
    """
    arguments = {name: value for name, value in locals().items() if name not in _NOT_RECORDED}
    _check_arguments(threshold, min_area, batch_size, threads, max_pixels)
    mask_format = _mask_format(masks)
    root, out = Path(folder), Path(out)
    entries = list_folder(root, skip=(out / MASKS, out / OVERLAYS))
    if overlays:
        check_distinct_names(entry.key for entry in entries)
    with preloading_kernels():
        session = Session.open(
            find_model(None if model is None else Path(model)),
            provider=_resumed_provider(provider, out, overwrite=overwrite),
            card=None if card is None else Path(card),
            threads=threads,
            allow_fallback=allow_fallback,
            allow_external_data=allow_external_data,
        )
    log.info("model: %s (%s); provider: %s", session.path, session.card.name, session.provider)
    sink = mask_sink(mask_format, session.card, session.model_hash)
    sink.check(entry.key for entry in entries)
    decoding = DecodeOptions(max_pixels, salt=salt_key(salt))
    settings = Settings(out, threshold, min_area, overlays, decoding)
    pipeline = Pipeline(session, settings, batch_size or session.batch_size, sink)
    run = FolderRun(root, pipeline, _as_json(arguments), overwrite, strict, parquet)
    return run.execute(entries, progress or no_progress)


def _check_arguments(
    threshold: float | None, min_area: int, batch_size: int | None, threads: int | None, max_pixels: int
) -> None:
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"threshold must be between 0 and 1, got {threshold}")
    for name, value, minimum in (
        ("min_area", min_area, 0),
        ("batch_size", batch_size, 1),
        ("threads", threads, 1),
        ("max_pixels", max_pixels, 1),
    ):
        if value is not None and value < minimum:
            raise InputError(f"{name} must be at least {minimum}, got {value}")


def _resumed_provider(provider: str, out: Path, *, overwrite: bool) -> str:
    """Return the provider of the run in `out` in place of `auto`, which may have changed by a bench since."""
    if provider != AUTO or overwrite:
        return provider
    earlier = earlier_provider(out)
    return earlier if earlier in PROVIDERS else provider


def _mask_format(name: str | None) -> MaskFormat | None:
    if name is None:
        return None
    try:
        return MaskFormat(name)
    except ValueError as error:
        raise InputError(f"masks can be {', '.join(MaskFormat)}; got {name!r}") from error


def _as_json(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}
