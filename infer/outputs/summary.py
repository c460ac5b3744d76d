"""The summary of a finished run, read from its tables, so that it covers interrupted runs as well."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...models.checks.plausibility import Plausible
from ..records import Settings
from ..runtime.session import Session
from .changes import Changes
from .manifest import MANIFEST, REPORT
from .masks import MaskSink
from .overlays import OVERLAYS
from .tables import COMPONENTS, FAILURES, FEATURES, read_rows

if TYPE_CHECKING:
    import pyarrow as pa

_CAUSES_SHOWN = 3
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class RunSummary:
    """The summary of a run.

    Attributes
    ----------
    rows, failed : int
        Rows of `features.csv` and of `failures.csv`, including those of earlier, interrupted runs.
    processed : int
        Images that this call measured or failed on; 0 if the run was complete before.
    replaced : tuple of str
        Those of them that an earlier call had measured, but as another file.
    forgotten : tuple of str
        Images whose file is gone, and whose rows this call removed.
    doubtful, implausible : int
        Rows of images that are doubtful as frontal chest radiographs, or cannot be any.
    missing : tuple of str
        Images whose file is gone, and whose rows stay unchanged.
    causes : tuple of (str, int)
        The three most common causes of failure and their counts.
    files : tuple of str
        The files and folders in `out`.
    observations : tuple of str
        What the folder holds besides images, and whether the model was trained on some of them.
    """

    out: Path
    model: Path
    provider: str
    rows: int
    failed: int
    processed: int
    replaced: tuple[str, ...]
    forgotten: tuple[str, ...]
    missing: tuple[str, ...]
    doubtful: int
    implausible: int
    seconds: float
    causes: tuple[tuple[str, int], ...]
    files: tuple[str, ...]
    observations: tuple[str, ...] = ()

    def table(self) -> pa.Table:
        """Read `features.csv` with the types of its columns."""
        from .parquet import read_table

        return read_table(self.out / FEATURES)

    @property
    def rate(self) -> float:
        """Images per second in this call."""
        return self.processed / self.seconds if self.seconds else 0.0

    @property
    def notes(self) -> tuple[str, ...]:
        """What changed in the folder since the earlier calls, one line per kind."""
        changes = {
            "measured again, since their files changed": self.replaced,
            "no longer there, so their rows were removed": self.forgotten,
            "no longer there, their rows are unchanged; --forget-missing removes them": self.missing,
        }
        notes = [f"{len(keys)} {text}: {_some_of(keys)}" for text, keys in changes.items() if keys]
        if self.doubtful or self.implausible:
            notes.append(
                f"{self.doubtful} images are doubtful as upright frontal chest radiographs, "
                f"{self.implausible} cannot be any: see the column plausible_why"
            )
        return (*notes, *self.observations)


def summarize(
    session: Session,
    settings: Settings,
    masks: MaskSink,
    outputs: Collection[str],
    changes: Changes,
    seconds: float,
) -> RunSummary:
    """Count the rows and files in the output folder; `outputs` are the names in the manifest."""
    failures = list(read_rows(settings.out / FAILURES))
    files = [FEATURES, COMPONENTS, FAILURES, *masks.outputs]
    files += sorted(name for name in outputs if name.endswith(".parquet"))
    files += [f"{OVERLAYS}/"] * settings.overlays + [MANIFEST, REPORT]
    plausible = Counter(row["plausible"] for row in read_rows(settings.out / FEATURES))
    return RunSummary(
        out=settings.out,
        model=session.path,
        provider=session.provider,
        rows=plausible.total(),
        failed=len(failures),
        processed=len(changes.remaining),
        replaced=changes.replaced,
        forgotten=changes.forgotten,
        missing=changes.missing,
        doubtful=plausible[Plausible.DOUBTFUL],
        implausible=plausible[Plausible.NO],
        seconds=seconds,
        causes=most_common_causes(failures),
        files=tuple(files),
    )


def _some_of(keys: Sequence[str]) -> str:
    shown = [key if key.isprintable() else ascii(key) for key in keys[:_NAMES_SHOWN]]
    return ", ".join(shown + ["..."] * (len(keys) > _NAMES_SHOWN))


def most_common_causes(failures: Sequence[Mapping[str, str]]) -> tuple[tuple[str, int], ...]:
    """Count the causes in rows of `failures.csv`, treating those that differ only in numbers as one."""
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for row in failures:
        text = f"{row['stage']}: {row['error']}"
        without_numbers = re.sub(r"\d+", "#", text)
        examples.setdefault(without_numbers, text)
        counts[without_numbers] += 1
    return tuple((examples[cause], count) for cause, count in counts.most_common(_CAUSES_SHOWN))
