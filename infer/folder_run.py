"""One run over a folder: resume or begin, measure the remaining images, write the report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import InputError, OutputError
from ..machine.files import remove_temporary_files, write_json, write_text
from ..machine.progress import Progress
from .image_features import feature_columns
from .outputs.image_rows import RowWriter
from .outputs.journal import Journal
from .outputs.manifest import MANIFEST, REPORT, Identity, describe, earlier_run
from .outputs.mask_formats import all_mask_sinks
from .outputs.masks import MASKS
from .outputs.overlays import OVERLAYS, overlay_path, remove_overlays
from .outputs.parquet import parquet_path, write_parquet
from .outputs.report import render
from .outputs.summary import RunSummary, summarize
from .outputs.tables import (
    COMPONENT_COLUMNS,
    COMPONENTS,
    FAILURE_COLUMNS,
    FAILURES,
    FEATURES,
    failure_line,
    read_rows,
)
from .pipeline import Pipeline
from .records import Failure, ImageFile, ImageRows, Outcome

log = logging.getLogger(__name__)

COMMIT_SECONDS = 0.5
"""Time between commits. A sync per image would be the slowest stage; a kill loses at most this much work."""


@dataclass(frozen=True)
class FolderRun:
    """One run over a folder, when only its output folder remains to be checked.

    Attributes
    ----------
    root : Path
        The input folder.
    pipeline : Pipeline
    rows : RowWriter
        The pipeline's last stages: its settings and masks are those of the run.
    arguments : dict
        The arguments to record in `run.json`.
    overwrite, strict, parquet : bool
        As in `infer_folder`.
    """

    root: Path
    pipeline: Pipeline[ImageRows]
    rows: RowWriter
    arguments: dict[str, Any]
    overwrite: bool
    strict: bool
    parquet: bool

    @property
    def _out(self) -> Path:
        return self.rows.settings.out

    def execute(self, entries: Sequence[ImageFile | Failure], progress: Progress) -> RunSummary:
        """Measure the entries that an earlier, interrupted run left, and write the report.

        Raises
        ------
        OutputError
            If the output folder cannot be written, or holds another run's results.
        """
        session, settings = self.pipeline.session, self.rows.settings
        identity = Identity.of(self.root, session, settings, self.rows.masks.format)
        earlier_run(self._out, identity, overwrite=self.overwrite)  # raises before anything is written
        started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
        with Journal(self._out, self._headers()) as journal:
            # Read again now that the journal's lock keeps other runs out of the folder.
            earlier = earlier_run(self._out, identity, overwrite=self.overwrite)
            manifest = describe(session, identity, self.arguments, started)
            finished = self._resume_or_begin(journal, earlier, manifest, {entry.key for entry in entries})
            remaining = [entry for entry in entries if entry.key not in finished]
            if earlier is not None and finished and not remaining and earlier["status"] == "done":
                log.info("%s: nothing to do, this run is complete", self._out)
                self._write_parquet()
                return summarize(session, settings, self.rows.masks, 0, 0.0)
            write_json(self._out / MANIFEST, manifest)
            total = len(finished) + len(remaining)
            self._measure(remaining, journal, lambda done: progress(len(finished) + done, total))
            return self._finish(manifest, len(remaining), time.perf_counter() - clock)

    def _headers(self) -> dict[str, Sequence[str]]:
        """Return the columns of each table of the run, by its file name."""
        return {
            FEATURES: feature_columns(self.pipeline.session.card, self.pipeline.decoding.dicom_columns),
            COMPONENTS: COMPONENT_COLUMNS,
            FAILURES: FAILURE_COLUMNS,
            **self.rows.masks.tables,
        }

    def _resume_or_begin(
        self, journal: Journal, earlier: dict[str, Any] | None, manifest: dict[str, Any], keys: set[str]
    ) -> set[str]:
        """Open or create the tables, and return the keys of the finished images."""
        session = self.pipeline.session
        sinks = all_mask_sinks(session.card, session.model_hash)
        tables = {*self._headers(), *(name for sink in sinks for name in sink.tables)}
        parquet = [parquet_path(self._out / name) for name in tables]
        report = self._out / REPORT
        for path in (self._out / MANIFEST, report, *parquet, self._out / MASKS, self._out / OVERLAYS):
            remove_temporary_files(path)
        if earlier is not None and not self.overwrite and journal.resume():
            finished = self._finished_keys()
            log.info("%s: resuming after %d finished images", self._out, len(finished))
            return finished
        # The order matters: no kill in between leaves this run's manifest with another run's journal.
        journal.clear()
        if earlier is not None:
            # A killed run may have written the masks of an image but not its row: `keys` covers those.
            keys |= self._finished_keys()
            for sink in sinks:
                sink.remove(self._out, keys, earlier["model"]["classes"])
            remove_overlays(self._out, keys)
            for path in (report, *parquet):
                path.unlink(missing_ok=True)
        write_json(self._out / MANIFEST, manifest)
        journal.begin()
        return set()

    def _finished_keys(self) -> set[str]:
        key_columns = ((FEATURES, "image"), (FAILURES, "path"))
        tables = [
            (self._out / table, column) for table, column in key_columns if (self._out / table).exists()
        ]
        return {row[column] for path, column in tables for row in read_rows(path)}

    def _write_parquet(self) -> None:
        if self.parquet:
            for name in self._headers():
                write_parquet(self._out / name)

    def _measure(
        self, entries: Sequence[ImageFile | Failure], journal: Journal, progress: Callable[[int], None]
    ) -> None:
        next_commit = 0.0
        try:
            with closing(self.pipeline.run(entries)) as outcomes:
                for done, outcome in enumerate(outcomes, 1):
                    self._append(journal, outcome)
                    if time.monotonic() >= next_commit:
                        journal.commit()
                        next_commit = time.monotonic() + COMMIT_SECONDS
                    progress(done)
        except OutputError:
            raise  # the disk cannot be written, so neither can a commit
        except BaseException:
            journal.commit()
            raise
        journal.commit()

    def _append(self, journal: Journal, outcome: Outcome) -> None:
        """Append an image's rows to their tables, or its failure to `failures.csv`."""
        if isinstance(outcome, Failure):
            if self.strict:
                raise InputError(f"{self.root / outcome.key}: {outcome.stage}: {outcome.error}")
            journal.append(FAILURES, failure_line(outcome))
            return
        for table, text in outcome.text.items():
            journal.append(table, text)

    def _finish(self, manifest: dict[str, Any], processed: int, seconds: float) -> RunSummary:
        """Write the Parquet tables, the report and the final manifest."""
        self._write_parquet()
        stages = {str(stage): value for stage, value in self.pipeline.stages.seconds.items()}
        summary = summarize(self.pipeline.session, self.rows.settings, self.rows.masks, processed, seconds)
        done = manifest | {
            "status": "done",
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "counts": {"rows": summary.rows, "failures": summary.failed, "processed": processed},
            "seconds": {name: round(value, 3) for name, value in (stages | {"total": seconds}).items()},
        }
        rows = list(read_rows(self._out / FEATURES))
        with_overlay = rows if self.rows.settings.overlays else []
        overlays = [(row["image"], overlay_path(self._out, row["image"])) for row in with_overlay]
        ratio = f"{self.pipeline.session.card.target}_ratio"
        ratios = [float(row[ratio]) for row in rows]
        failures = list(read_rows(self._out / FAILURES))
        write_text(self._out / REPORT, render(done, ratios, failures, summary.causes, overlays))
        write_json(self._out / MANIFEST, done)
        return summary
