"""Tables of run lengths, `ImageId,EncodedPixels`, as in the SIIM-ACR pneumothorax set and other contests.

Pixels are numbered down the columns, from the left column to the right. Two forms look alike: starts that
count from the image's first pixel, which is 1 (most contests), and starts that count from the end of the run
before (SIIM-ACR). The mask of an image is the union of its rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from ....errors import InputError
from ...tables import read_csv, read_header, require_columns
from ..run_lengths import pairs_of
from ..shapes import RunForm, RunLengths
from .records import Annotations

_IMAGE, _RUNS = "ImageId", "EncodedPixels"
_EMPTY = "-1"


def read_rle_table(paths: Sequence[Path], class_name: str, form: RunForm | None) -> Annotations:
    """Read tables of run lengths.

    Parameters
    ----------
    paths : sequence of Path
        CSV files with the columns `ImageId` (a file name, with or without its suffix) and `EncodedPixels`;
        `-1` or an empty cell means that the image shows nothing.
    class_name : str
        The tables do not name it.
    form : RunForm or None
        `KAGGLE` or `SIIM`; None: recognized, see `recognize_form`, and reported in the notes.

    Raises
    ------
    InputError
        If a table cannot be read, an image has both `-1` and run lengths, or the form cannot be recognized.
    """
    rows = [row for path in paths for row in _rows(path)]
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for _, image, runs in rows:
        texts[image].append("" if runs in (None, _EMPTY) else runs)
    for where, image, _ in rows:
        if "" in texts[image] and any(texts[image]):
            raise InputError(f"{where}: {image} has both {_EMPTY} and run lengths; keep one")
    source = " and ".join(map(str, paths))
    drawn = [runs for _, _, runs in rows if runs not in (None, _EMPTY)]
    chosen, note = (form, "") if form else recognize_form(source, drawn)
    images = {
        image: {class_name: tuple(RunLengths(text, chosen) for text in dict.fromkeys(cells) if text)}
        for image, cells in texts.items()
    }
    return Annotations(tuple(paths), (class_name,), images, notes=(note,) if note else ())


def recognize_form(source: str, texts: Sequence[str]) -> tuple[RunForm, str]:
    """Recognize the form of all run lengths of a table; with it, a note that says why and how to override it.

    Counted from the first pixel, every run starts behind the end of the run before; so if one does not, the
    starts count from there. In the other form that order is an accident that never holds for a whole table
    of real masks: the first start is a place in the image, the others are distances.

    Raises
    ------
    InputError
        If no row has two runs.
    """
    several = distances = 0
    for text in texts:
        try:
            starts, lengths = pairs_of(text)
        except InputError as error:
            raise InputError(f"{source}: {error}") from error
        several += len(starts) > 1
        distances += bool((starts[1:] < starts[:-1] + lengths[:-1]).any())
    if not texts:
        return RunForm.KAGGLE, ""
    if not several:
        raise InputError(
            f"{source}: no row has two runs, so that the form of its run lengths cannot be recognized; give "
            "--masks rle-kaggle (starts count from the first pixel) or rle-siim (from the run before)"
        )
    shown_by = (
        f"{source}: in {distances} of {several} rows, a run starts before the end of the one before, so "
    )
    if distances:
        return RunForm.SIIM, f"{shown_by}that starts count from there; if not, give --masks rle-kaggle"
    return RunForm.KAGGLE, f"{shown_by}that starts count from the first pixel; if not, give --masks rle-siim"


def _rows(path: Path) -> list[tuple[str, str, str | None]]:
    """Return where each row is, its image and its run lengths."""
    names = read_header(path)
    require_columns(path, names, (_IMAGE, _RUNS))
    table = read_csv(path, types=dict.fromkeys((_IMAGE, _RUNS), pa.string()), columns=names)
    rows = []
    for number, row in enumerate(table.select([_IMAGE, _RUNS]).to_pylist(), start=2):
        image, runs = ((row[name] or "").strip() for name in (_IMAGE, _RUNS))
        if not image:
            raise InputError(f"{path}: row {number}: {_IMAGE} is empty")
        rows.append((f"{path}: row {number}", image, runs or None))
    return rows
