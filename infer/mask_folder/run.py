"""`measure_folder`: list the masks, find their images, measure, and write the tables."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from ...errors import InputError
from ...machine.files import make_folder, write_json
from ...machine.progress import Progress, no_progress
from ..listing.folder import list_folder
from ..outputs.manifest import MANIFEST
from ..outputs.parquet import parquet_path
from ..outputs.summary import most_common_causes
from ..records import ImageFile
from .config import MeasureConfig
from .listing import MaskListing, list_masks
from .manifest import Identity, check_output, describe, remove_infer_results
from .matching import Matched, group_masks, match_images
from .measuring import check_are_masks, check_strict, measure_images
from .records import MeasuredImage
from .summary import MeasureSummary
from .tables import TABLES, write_tables

log = logging.getLogger(__name__)


def measure_folder(
    masks: Path | str,
    config: MeasureConfig | None = None,
    *,
    progress: Progress | None = None,
    **settings: Any,
) -> MeasureSummary:
    """Measure masks that someone drew, by the same code and into the same tables as `infer_folder`.

    Columns that need a probability stay empty. Called again with the same arguments, it measures again and
    replaces its tables.

    Parameters
    ----------
    masks : Path or str
        A folder of masks of one class, a folder with one folder per class, or one file: PNG, TIFF (0 and one
        other value, or with `values` a label image) or DICOM Segmentation, which names its classes itself.
    config : MeasureConfig, optional
    progress : callable, optional
        Called with (images done, images in all) after each image.
    **settings
        Settings of `MeasureConfig` by name; they take precedence over `config`.

    Returns
    -------
    MeasureSummary

    Raises
    ------
    InputError
        If there are no masks, the files are no masks, none belongs to an image, a setting is out of range, or
        with `strict` a file fails.
    OutputError
        If `out` cannot be written, or holds what another run or program wrote.

    Examples
    --------
    >>> run = measure_folder("masks_lung/", images="images/", out="results/")  # doctest: +SKIP
    """
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), perf_counter()
    config = replace(config or MeasureConfig(), **settings)
    root, out = Path(masks), Path(config.out)
    identity = Identity.of(root, config)
    check_output(out, identity, overwrite=config.overwrite)
    listing = list_masks(root, config)
    matched = _match(listing, config)
    keys, paths = [image.key for image in matched.images], [image.path for image in matched.images]
    if note := config.patients.check(keys, paths):
        log.warning("%s", note)
    check_are_masks(root, listing.files, config)
    manifest = describe(identity, config, [mask.file for mask in listing.files], started)
    make_folder(out)
    remove_infer_results(out)
    write_json(out / MANIFEST, manifest)
    listed = [*listing.failures, *matched.failures]
    check_strict(config, listed)
    measured, failed = measure_images(matched.images, config, progress or no_progress)
    failures = sorted([*listed, *failed], key=lambda failure: failure.key)
    classes = _classes(listing, config, measured)
    write_tables(out, measured, failures, classes, config.lung_classes, parquet=config.parquet)
    summary = MeasureSummary(
        out=out,
        classes=classes,
        rows=len(measured),
        failed=len(failures),
        without_mask=None if matched.without_mask is None else len(matched.without_mask),
        seconds=perf_counter() - clock,
        causes=most_common_causes([{"stage": one.stage, "error": one.error} for one in failures]),
        files=(*TABLES, *(parquet_path(Path(name)).name for name in TABLES if config.parquet), MANIFEST),
        notes=listing.notes,
    )
    write_json(out / MANIFEST, manifest | _results(summary, matched))
    return summary


def _match(listing: MaskListing, config: MeasureConfig) -> Matched:
    if config.images is None:
        return group_masks(listing.files)
    folder = Path(config.images)
    of_masks = {mask.file.path.resolve() for mask in listing.files}
    images = [
        entry
        for entry in list_folder(folder).entries
        if isinstance(entry, ImageFile) and entry.path.resolve() not in of_masks
    ]
    matched = match_images(listing.files, images)
    if not matched.images:
        raise InputError(
            f"{folder}: no mask belongs to an image in this folder ({matched.failures[0].key}, for example, "
            f"{matched.failures[0].error}); give the folder of the images with --images"
        )
    return matched


def _classes(
    listing: MaskListing, config: MeasureConfig, measured: Sequence[MeasuredImage]
) -> tuple[str, ...]:
    """Return the classes: those of folders or values, then those that only DICOM Segmentations name."""
    listed = [mask.class_name for mask in listing.files if mask.class_name is not None]
    found = (name for image in measured for name in image.classes)
    return tuple(dict.fromkeys([*(config.values or {}).values(), *listed, *found]))


def _results(summary: MeasureSummary, matched: Matched) -> dict[str, Any]:
    """Return what the manifest of a finished run has in addition."""
    return {
        "status": "done",
        "classes": list(summary.classes),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "counts": {
            "rows": summary.rows,
            "failures": summary.failed,
            "without_mask": summary.without_mask,
        },
        "without_mask": matched.without_mask,
        "seconds": {"total": round(summary.seconds, 3)},
    }
