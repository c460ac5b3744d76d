"""One run over a folder: resume or begin, measure the remaining images, write the report."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import InputError, OutputError
from ..machine.files import write_json, write_text
from ..machine.interrupts import deferred_interrupts
from ..machine.progress import Progress
from ..models.baselines import baseline_warnings
from ..models.checks.plausibility import Plausible
from .config import InferConfig
from .image_features import feature_columns
from .listing.folder import Listing
from .outputs.changes import Changes, find_changes
from .outputs.contents import Entry, changed_keys, source_of, with_digests
from .outputs.image_rows import RowWriter
from .outputs.journal import Journal
from .outputs.manifest import MANIFEST, REPORT, Identity, describe, earlier_run
from .outputs.output_folder import resume_or_begin
from .outputs.overlays import overlay_path
from .outputs.ownership import RunFiles, remove_file
from .outputs.parquet import digest_of_parquet, parquet_path, write_parquet
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
from .provenance import CHOSEN_BY, count_in_training, provenance, training_note
from .records import ImageFile, ImageRows, Outcome, Stage
from .runtime.providers import AUTO

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
    config : InferConfig
        What the run was asked to do.
    listing : Listing
        What the input folder holds.
    """

    root: Path
    pipeline: Pipeline[ImageRows]
    rows: RowWriter
    config: InferConfig
    listing: Listing

    @property
    def _out(self) -> Path:
        return self.rows.settings.out

    def execute(self, progress: Progress) -> RunSummary:
        """Make the output folder that of the listing: measure what is new or changed, and write the report.

        Raises
        ------
        OutputError
            If the output folder cannot be written, holds another run's results, or a file that this run would
            overwrite and no run wrote.
        """
        overwrite, clock, entries = self.config.overwrite, time.perf_counter(), self.listing.entries
        identity = Identity.of(self.root, self.pipeline.session, self.rows.settings, self.rows.masks.format)
        keys = {entry.key for entry in entries if isinstance(entry, ImageFile)}
        # Both checks come before anything is written.
        if (earlier := earlier_run(self._out, identity, overwrite=overwrite)) is None:
            RunFiles.of(self._out, self._describe(identity, earlier)).check_free(keys)
        with Journal(self._out, self._headers()) as journal:
            # Read again now that the journal's lock keeps other runs out of the folder.
            earlier = earlier_run(self._out, identity, overwrite=overwrite)
            manifest = self._describe(identity, None if overwrite else earlier)
            files = RunFiles.of(self._out, manifest)
            resume_or_begin(journal, files, manifest, earlier, keys, overwrite=overwrite)
            changes = self._changes(entries, journal)
            manifest["missing"] = list(changes.missing)
            files.remove(changes.abandoned)
            if earlier is not None and _is_up_to_date(earlier, manifest, changes, journal):
                log.info("%s: nothing to do, this run is complete", self._out)
                self._write_parquet(files, journal)
                return self._summarize(manifest, changes, 0.0)
            write_json(self._out / MANIFEST, manifest)
            self._process(changes, files, journal, progress)
            self._write_parquet(files, journal)
            return self._finish(manifest, changes, time.perf_counter() - clock)

    def _describe(self, identity: Identity, earlier: dict[str, Any] | None) -> dict[str, Any]:
        """Return the manifest; Parquet tables that the resumed run wrote are kept up to date."""
        tables = set(self._headers())
        names = {MANIFEST, REPORT, *tables}
        parquet = {parquet_path(Path(name)).name for name in tables}
        names |= parquet if self.config.parquet else parquet & {*(earlier or {}).get("outputs", ())}
        started = datetime.now(UTC).isoformat(timespec="seconds")
        session = self.pipeline.session
        manifest = describe(session, identity, self.config.record(), names, started)
        manifest |= provenance(session, self.rows.settings, self.listing)
        # A resumed run keeps its provider, whatever a bench has found since.
        if earlier is not None and CHOSEN_BY in earlier and self.config.provider == AUTO:
            manifest[CHOSEN_BY] = earlier[CHOSEN_BY]
        return manifest

    def _headers(self) -> dict[str, Sequence[str]]:
        """Return the columns of each table of the run, by its file name."""
        return {
            FEATURES: feature_columns(self.pipeline.session.card, self.rows.settings.requested_columns),
            COMPONENTS: COMPONENT_COLUMNS,
            FAILURES: FAILURE_COLUMNS,
            **self.rows.masks.tables,
        }

    def _changes(self, entries: Sequence[Entry], journal: Journal) -> Changes:
        config, finished = self.config, journal.ledger.finished
        if finished:
            log.info("%s: resuming after %d finished images", self._out, len(finished))
        retried: set[str] = set()
        if config.retry_failed:
            retried |= {row["path"] for row in read_rows(self._out / FAILURES)}
        if config.verify:
            unknown = {
                key for key, source in finished.items() if source.size is not None and not source.digest
            }
            if unknown:
                log.info("%d images were measured without --verify, and are measured again", len(unknown))
            retried |= unknown
        threads = self.pipeline.session.threads
        return find_changes(
            entries,
            journal.ledger,
            changed=changed_keys(entries, finished, verify=config.verify, threads=threads),
            retried=retried,
            forget_missing=config.forget_missing,
        )

    def _process(self, changes: Changes, files: RunFiles, journal: Journal, progress: Progress) -> None:
        """Bring the tables, masks and overlays up to date."""
        if changes.dropped or changes.remaining:
            for name in journal.tables:
                if parquet_path(self._out / name).name in files.names:
                    remove_file(parquet_path(self._out / name))
        if changes.dropped:
            journal.rewrite(changes.dropped)
            files.remove(journal.ledger.dropped)
        if changes.remaining:
            before = len(journal.ledger.finished)
            total = before + len(changes.remaining)
            journal.plan([source_of(entry) for entry in changes.remaining])
            self._measure(changes.remaining, files, journal, lambda done: progress(before + done, total))
        if not journal.ledger.is_sorted:
            journal.rewrite()
        journal.finish()

    @deferred_interrupts()
    def _measure(
        self, entries: Sequence[Entry], files: RunFiles, journal: Journal, progress: Callable[[int], None]
    ) -> None:
        digests: deque[str | None] = deque()
        source = self._with_digests(entries, digests) if self.config.verify else entries
        next_commit = 0.0
        try:
            with closing(self.pipeline.run(source)) as outcomes:
                for done, outcome in enumerate(outcomes, 1):
                    text = self._rows_of(outcome, files)
                    journal.append(text, digests.popleft() if digests else None)
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

    def _with_digests(self, entries: Sequence[Entry], digests: deque[str | None]) -> Iterator[Entry]:
        """Yield the entries, after the hash of each was added to `digests`."""
        for entry, digest in with_digests(entries, self.pipeline.session.threads):
            digests.append(digest)
            yield entry

    def _rows_of(self, outcome: Outcome, files: RunFiles) -> dict[str, str]:
        """Return the text to append to each table; an image that failed keeps no masks of a killed run."""
        if isinstance(outcome, ImageRows):
            return dict(outcome.text)
        if self.config.strict:
            raise InputError(f"{self.root / outcome.key}: {outcome.stage}: {outcome.error}")
        if outcome.stage is not Stage.LIST:
            files.remove([outcome.key])
        return {FAILURES: failure_line(outcome)}

    def _write_parquet(self, files: RunFiles, journal: Journal) -> None:
        for name in journal.tables:
            table, digest = self._out / name, journal.digest_of(name)
            if parquet_path(table).name in files.names and digest_of_parquet(table) != digest:
                write_parquet(table, digest)

    def _summarize(self, manifest: dict[str, Any], changes: Changes, seconds: float) -> RunSummary:
        summary = summarize(
            self.pipeline.session, self.rows.settings, self.rows.masks, manifest["outputs"], changes, seconds
        )
        overlap = training_note(self._training_overlap(), summary.rows)
        return replace(summary, observations=(*self.listing.notes, *([overlap] if overlap else [])))

    def _training_overlap(self) -> int | None:
        return count_in_training(read_rows(self._out / FEATURES))

    def _finish(self, manifest: dict[str, Any], changes: Changes, seconds: float) -> RunSummary:
        """Write the report and the final manifest."""
        stages = {str(stage): value for stage, value in self.pipeline.stages.seconds.items()}
        summary = self._summarize(manifest, changes, seconds)
        done = manifest | {
            "status": "done",
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "training_overlap": self._training_overlap(),
            "counts": {
                "rows": summary.rows,
                "failures": summary.failed,
                "processed": summary.processed,
                "doubtful": summary.doubtful,
                "implausible": summary.implausible,
            },
            "seconds": {name: round(value, 3) for name, value in (stages | {"total": seconds}).items()},
        }
        rows = list(read_rows(self._out / FEATURES))
        with_overlay = rows if self.rows.settings.overlays else []
        overlays = [(row["image"], overlay_path(self._out, row["image"])) for row in with_overlay]
        ratio = f"{self.pipeline.session.card.target}_ratio"
        ratios = [float(row[ratio]) for row in rows]
        failures = list(read_rows(self._out / FAILURES))
        implausible = [
            (row["image"], row["plausible"], row["plausible_why"])
            for row in rows
            if row["plausible"] in (Plausible.DOUBTFUL, Plausible.NO)
        ]
        warnings = baseline_warnings(self.pipeline.session.card)
        page = render(done, ratios, failures, summary.causes, overlays, implausible, warnings)
        write_text(self._out / REPORT, page)
        write_json(self._out / MANIFEST, done)
        return summary


def _is_up_to_date(
    earlier: dict[str, Any], manifest: dict[str, Any], changes: Changes, journal: Journal
) -> bool:
    """Return whether a complete run needs nothing but what it has."""
    has_work = changes.remaining or changes.dropped or not journal.ledger.is_complete
    same = all(earlier.get(name) == manifest[name] for name in ("missing", "outputs"))
    return earlier["status"] == "done" and same and not has_work
