"""A whole run over a folder: checked first, then done in pieces that survive a kill, then told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..data.columns import COMPONENT_COLUMNS
from ..data.decode.options import MAX_PIXELS, DecodeOptions
from ..data.pseudonym import salt_key
from ..errors import InputError, OutputError
from ..machine.files import write_json, write_text
from ..models.shipped import find_model
from .image_features import feature_columns
from .items import Failure, Item, Row
from .listing import list_folder
from .outputs.images import MASKS, OVERLAYS, check_names, overlay_path, remove_images, remove_unfinished
from .outputs.journal import Journal
from .outputs.manifest import MANIFEST, REPORT, Identity, describe, earlier_provider, earlier_run
from .outputs.parquet import parquet_path, write_parquet
from .outputs.report import render
from .outputs.summary import RunSummary, summarize
from .outputs.tables import (
    FAILURE_COLUMNS,
    FAILURES,
    FEATURES,
    LESIONS,
    MASK_COLUMNS,
    MASK_TABLE,
    failure_line,
    read_rows,
)
from .pipeline import Pipeline
from .runtime.providers import AUTO, PROVIDERS
from .runtime.session import Session
from .settings import MaskFormat, Settings
from .warm import kernels_beside

log = logging.getLogger(__name__)

SECONDS_AT_RISK = 0.5
"""How much work a kill may undo."""

# The salt is a secret; the folder has a place of its own in run.json.
_NOT_TOLD = ("folder", "progress", "salt")

Progress = Callable[[int, int], None]


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

    A run that was killed is gone on with when it is called again with the same folder, model and settings;
    its tables end as those of a run that was never interrupted, byte for byte.

    Parameters
    ----------
    folder : Path or str
        A folder, searched with all its folders, or one image.
    model : Path or str, optional
        An ONNX file; by default `./model.onnx`, else the shipped model.
    card : Path, optional
        A model card's JSON file, for a model that carries none.
    out : Path or str
        Where the results go; it is made where it is missing.
    provider, allow_fallback, allow_external_data, threads
        As `Session.open` takes them; `threads` also decode and measure.
    threshold : float, optional
        For every class, in place of the card's; a pixel counts from the threshold on.
    min_area : int
        Components of fewer pixels are dropped, from tables and masks.
    masks : MaskFormat or str, optional
        Write masks, as "png", "rle" or "dicom-seg".
    overlays : bool
        Write the images with outlines on them, as PNG.
    parquet : bool
        Write the finished tables as Parquet too.
    batch_size : int, optional
        Images of one model pass; by default what suits the provider.
    overwrite : bool
        Take the place of what another run left in `out`.
    strict : bool
        Stop at the first image that fails, in place of setting it aside in `failures.csv`.
    salt : str, optional
        A secret with which DICOM patients are told apart without being named: `patient_id` becomes a keyed
        hash. Without it that column is empty for DICOM.
    max_pixels : int
        A larger image is refused by its header, before memory is taken.
    progress : callable, optional
        Called with (images done, images in all) after each.

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
    arguments = {name: value for name, value in locals().items() if name not in _NOT_TOLD}
    _check_arguments(threshold, min_area, batch_size, threads, max_pixels)
    form = _mask_format(masks)
    root, target = Path(folder), Path(out)
    entries = list_folder(root, skip=(target / MASKS, target / OVERLAYS))
    if form is MaskFormat.PNG or overlays:
        check_names(entry.key for entry in entries)
    with kernels_beside():
        session = Session.open(
            find_model(None if model is None else Path(model)),
            provider=_same_provider(provider, target, overwrite=overwrite),
            card=None if card is None else Path(card),
            threads=threads,
            allow_fallback=allow_fallback,
            allow_external_data=allow_external_data,
        )
    log.info("model: %s (%s); provider: %s", session.path, session.card.name, session.provider)
    if form is MaskFormat.DICOM_SEG:
        from .outputs.dicom_seg import check_card

        check_card(session.card)
    reading = DecodeOptions(max_pixels, salt=salt_key(salt))
    settings = Settings(target, threshold, min_area, form, overlays, reading)
    pipeline = Pipeline(session, settings, batch_size or session.batch_size)
    run = _Run(root, pipeline, _plain(arguments), overwrite, strict, parquet)
    return run.go(entries, progress or _silent)


@dataclass(frozen=True)
class _Run:
    """One run, with everything that could be refused behind it but the output folder."""

    root: Path
    pipeline: Pipeline
    arguments: dict[str, Any]
    overwrite: bool
    strict: bool
    parquet: bool

    @property
    def _out(self) -> Path:
        return self.pipeline.settings.out

    def go(self, entries: Sequence[Item | Failure], progress: Progress) -> RunSummary:
        """Do what is left to do, and tell."""
        session = self.pipeline.session
        identity = Identity.of(self.root, session, self.pipeline.settings)
        earlier_run(self._out, identity, overwrite=self.overwrite)  # refuse before a file is made
        started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
        with Journal(self._out, self._tables()) as journal:
            # Once more, now that no other run can change the folder.
            earlier = earlier_run(self._out, identity, overwrite=self.overwrite)
            manifest = describe(session, identity, self.arguments, started)
            finished = self._resume(journal, earlier, manifest, {entry.key for entry in entries})
            left = [entry for entry in entries if entry.key not in finished]
            if earlier is not None and finished and not left and earlier["status"] == "done":
                log.info("%s: nothing to do, this run is complete", self._out)
                self._write_parquet()
                return summarize(session, self.pipeline.settings, 0, 0.0)
            write_json(self._out / MANIFEST, manifest)
            self._process(
                left, journal, lambda done: progress(done + len(finished), len(left) + len(finished))
            )
            return self._close(manifest, len(left), time.perf_counter() - clock)

    def _tables(self) -> dict[str, Sequence[str]]:
        """Give the names of the run's tables and their columns."""
        tables: dict[str, Sequence[str]] = {
            FEATURES: feature_columns(self.pipeline.session.card),
            LESIONS: COMPONENT_COLUMNS,
            FAILURES: FAILURE_COLUMNS,
        }
        if self.pipeline.settings.masks is MaskFormat.RLE:
            tables[MASK_TABLE] = MASK_COLUMNS
        return tables

    def _resume(
        self, journal: Journal, earlier: dict[str, Any] | None, manifest: dict[str, Any], keys: set[str]
    ) -> set[str]:
        """Make the tables ready, and give the keys that are finished already."""
        parquet = [parquet_path(self._out / name).name for name in (*self._tables(), MASK_TABLE)]
        remove_unfinished(self._out, (MANIFEST, REPORT, *parquet))
        if earlier is not None and not self.overwrite and journal.resume():
            finished = self._finished()
            log.info("%s: %d images were done before", self._out, len(finished))
            return finished
        # In this order no kill leaves this run's manifest beside another run's certain tables.
        journal.clear()
        if earlier is not None:
            # An image may have been written and its row not: those of this folder go too.
            remove_images(self._out, earlier["model"]["classes"], self._finished() | keys)
            for name in (MASK_TABLE, REPORT, *parquet):
                (self._out / name).unlink(missing_ok=True)
        write_json(self._out / MANIFEST, manifest)
        journal.begin()
        return set()

    def _finished(self) -> set[str]:
        columns = ((FEATURES, "image"), (FAILURES, "path"))
        there = [(self._out / table, name) for table, name in columns if (self._out / table).exists()]
        return {row[name] for path, name in there for row in read_rows(path)}

    def _write_parquet(self) -> None:
        if self.parquet:
            for name in self._tables():
                write_parquet(self._out / name)

    def _process(
        self, entries: Sequence[Item | Failure], journal: Journal, progress: Callable[[int], None]
    ) -> None:
        due = 0.0
        try:
            with closing(self.pipeline.run(entries)) as outcomes:
                for done, outcome in enumerate(outcomes, 1):
                    self._append(journal, outcome)
                    if time.monotonic() >= due:  # to sync for every image would be the slowest stage
                        journal.commit()
                        due = time.monotonic() + SECONDS_AT_RISK
                    progress(done)
        except OutputError:
            raise  # the disk takes nothing now
        except BaseException:
            journal.commit()
            raise
        journal.commit()

    def _append(self, journal: Journal, outcome: Row | Failure) -> None:
        if isinstance(outcome, Failure):
            if self.strict:
                raise InputError(f"{self.root / outcome.key}: {outcome.stage}: {outcome.error}")
            journal.append(FAILURES, failure_line(outcome))
            return
        journal.append(FEATURES, outcome.features)
        journal.append(LESIONS, outcome.lesions)
        if outcome.masks:
            journal.append(MASK_TABLE, outcome.masks)

    def _close(self, manifest: dict[str, Any], treated: int, seconds: float) -> RunSummary:
        """Write the report and the manifest of a finished run."""
        self._write_parquet()
        stages = {str(stage): value for stage, value in self.pipeline.clock.seconds.items()}
        summary = summarize(self.pipeline.session, self.pipeline.settings, treated, seconds)
        done = manifest | {
            "status": "done",
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "counts": {"rows": summary.rows, "failures": summary.failed, "treated": treated},
            "seconds": {name: round(value, 3) for name, value in (stages | {"total": seconds}).items()},
        }
        rows = list(read_rows(self._out / FEATURES))
        shown = rows if self.pipeline.settings.overlays else []
        overlays = [(row["image"], overlay_path(self._out, row["image"])) for row in shown]
        ratios = [float(row["lesion_ratio"]) for row in rows]
        failures = list(read_rows(self._out / FAILURES))
        write_text(self._out / REPORT, render(done, ratios, failures, summary.causes, overlays))
        write_json(self._out / MANIFEST, done)
        return summary


def _check_arguments(
    threshold: float | None, min_area: int, batch_size: int | None, threads: int | None, max_pixels: int
) -> None:
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"threshold must lie between 0 and 1, got {threshold}")
    for name, value, least in (
        ("min_area", min_area, 0),
        ("batch_size", batch_size, 1),
        ("threads", threads, 1),
        ("max_pixels", max_pixels, 1),
    ):
        if value is not None and value < least:
            raise InputError(f"{name} must be at least {least}, got {value}")


def _same_provider(provider: str, out: Path, *, overwrite: bool) -> str:
    """Let `auto` go on with what an earlier run in this folder used, whatever was benchmarked since."""
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


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}


def _silent(_done: int, _total: int) -> None:
    """Report to no one."""
