"""What a finished run came to, read back from its tables, so that interrupted runs count too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..runtime.session import Session
from ..settings import MaskFormat, Settings
from .images import MASKS, OVERLAYS
from .manifest import MANIFEST, REPORT
from .tables import FAILURES, FEATURES, LESIONS, MASK_TABLE, read_rows

_COMMONEST = 3


@dataclass(frozen=True)
class RunSummary:
    """What a run came to.

    Attributes
    ----------
    rows, failed : int
        Lines of `features.csv` and of `failures.csv`, those of interrupted runs before this one included.
    treated : int
        Images that this run itself treated; 0 where there was nothing left to do.
    causes : tuple of (str, int)
        The three commonest causes of failure and how often they came.
    files : tuple of str
        What lies in `out`.
    """

    out: Path
    model: Path
    provider: str
    rows: int
    failed: int
    treated: int
    seconds: float
    causes: tuple[tuple[str, int], ...]
    files: tuple[str, ...]

    @property
    def rate(self) -> float:
        """Images a second in this run."""
        return self.treated / self.seconds if self.seconds else 0.0


def summarize(session: Session, settings: Settings, treated: int, seconds: float) -> RunSummary:
    """Count what lies in the output folder."""
    failures = list(read_rows(settings.out / FAILURES))
    files = [FEATURES, LESIONS, FAILURES]
    if settings.masks is not None:
        files.append(MASK_TABLE if settings.masks is MaskFormat.RLE else f"{MASKS}/")
    files += sorted(path.name for path in settings.out.glob("*.parquet"))
    files += [f"{OVERLAYS}/"] * settings.overlays + [MANIFEST, REPORT]
    return RunSummary(
        out=settings.out,
        model=session.path,
        provider=session.provider,
        rows=sum(1 for _ in read_rows(settings.out / FEATURES)),
        failed=len(failures),
        treated=treated,
        seconds=seconds,
        causes=_commonest(failures),
        files=tuple(files),
    )


def _commonest(failures: Sequence[dict[str, str]]) -> tuple[tuple[str, int], ...]:
    """Count causes, taking those that differ only in their numbers as one."""
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for row in failures:
        text = f"{row['stage']}: {row['error']}"
        alike = re.sub(r"\d+", "#", text)
        examples.setdefault(alike, text)
        counts[alike] += 1
    return tuple((examples[alike], count) for alike, count in counts.most_common(_COMMONEST))
