"""Leave out the images that `cxr-infer` found not to be plausible frontal chest radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ..records import ImplausibleImage
from ..text import some_of

if TYPE_CHECKING:
    import pandas as pd

PLAUSIBLE, REASON = "plausible", "plausible_why"


class Plausibility(StrEnum):
    """Whether an image is a frontal chest radiograph; see `docs/outputs.md`."""

    YES = "yes"
    DOUBTFUL = "doubtful"
    NO = "no"
    NOT_ASSESSED = "not assessed"


_IMPLAUSIBLE = (Plausibility.DOUBTFUL, Plausibility.NO)


def find_implausible(frame: pd.DataFrame, path: Path) -> tuple[ImplausibleImage, ...]:
    """List the images whose `plausible` is doubtful or no, in the order of the table.

    Raises
    ------
    InputError
        If the column holds another value; empty cells count as not assessed.
    """
    if PLAUSIBLE not in frame.columns:
        return ()
    verdicts = frame[PLAUSIBLE].astype("object").where(frame[PLAUSIBLE].notna(), Plausibility.NOT_ASSESSED)
    unknown = sorted({str(verdict) for verdict in verdicts} - set(Plausibility))
    if unknown:
        raise InputError(
            f"{path}: column '{PLAUSIBLE}' holds {some_of([repr(value) for value in unknown])};"
            f" it can hold {', '.join(Plausibility)}; correct or rename the column"
        )
    reasons = [""] * len(frame)
    if REASON in frame.columns:
        reasons = ["" if reason is None or reason != reason else str(reason) for reason in frame[REASON]]
    return tuple(
        ImplausibleImage(image, Plausibility(verdict), reason)
        for image, verdict, reason in zip(frame["image"], verdicts, reasons, strict=True)
        if verdict in _IMPLAUSIBLE
    )


def drop_implausible(frame: pd.DataFrame, found: Sequence[ImplausibleImage], path: Path) -> pd.DataFrame:
    """Remove the rows of implausible images.

    Raises
    ------
    InputError
        If no row is left.
    """
    if found and len(found) == len(frame):
        raise InputError(
            f"{path}: none of its {len(frame)} images is a plausible frontal chest radiograph"
            f" ({some_of([image.image for image in found])}); look at them, or give --keep-doubtful"
        )
    implausible = {image.image for image in found}
    return frame.loc[~frame["image"].isin(implausible)].reset_index(drop=True)


def plausibility_notes(found: Sequence[ImplausibleImage], *, kept: bool) -> tuple[str, ...]:
    """Report the counts of implausible images with examples, and whether they are left out."""
    if not found:
        return ()
    counts = []
    for verdict in _IMPLAUSIBLE:
        images = [image.image for image in found if image.verdict == verdict]
        if images:
            counts.append(f"{len(images)} '{verdict}' ({some_of(images)})")
    action = "kept, as asked by --keep-doubtful" if kept else "left out (--keep-doubtful keeps them)"
    return (f"not plausible as frontal chest radiographs, {action}: {'; '.join(counts)}",)
