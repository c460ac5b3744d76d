"""What earlier runs of cxr wrote into a folder: masks, overlays, plots and tables, which are not radiographs.

Only what a run wrote counts: a folder called `masks` that stands beside no run holds images as any other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from ...data.column_table import Table
from ...data.datasets.nih_layout import BOXES, SYNTHETIC
from ...data.datasets.nih_layout import MASKS as TRUE_MASKS
from ..outputs.manifest import MANIFEST, REPORT
from ..outputs.masks import MASKS, MaskFormat
from ..outputs.overlays import OVERLAYS

T = TypeVar("T", bound=msgspec.Struct)

_TABLES = tuple(table.file for table in (Table.FEATURES, Table.COMPONENTS, Table.FAILURES, Table.MASKS))

# The names of other packages, which this one does not import.
_ANALYSIS_RECORD = "analysis.json"
_HISTORY = "training_history.csv"
_HISTORY_START = b"epoch,train_loss,val_loss,"
_TRAINING = frozenset(
    {
        _HISTORY,
        "baseline_scores.csv",
        "best_unet.pth",
        "last.ckpt",
        "learning_curve.png",
        "model_card.json",
        "splits.csv",
        "training.json",
        "val_overlays.png",
        "validation_scores.csv",
    }
)
_INFER = "infer"
_RESULT_OVERLAY = "overlay.png"
_RATIO = "_ratio"
_LONGEST_HEADER = 1 << 16
_LONGEST_RECORD = 1 << 26


@dataclass(frozen=True)
class OwnOutputs:
    """What a run wrote into its folder.

    Attributes
    ----------
    files : frozenset of str
        Names of files in the folder.
    folders : frozenset of tuple of str
        Folders below it, as the parts of their relative paths.
    """

    files: frozenset[str] = frozenset()
    folders: frozenset[tuple[str, ...]] = frozenset()


class _Model(msgspec.Struct):
    classes: list[str] = []


class _Identity(msgspec.Struct):
    masks: str | bool | None = None
    overlays: bool = False


class _Run(msgspec.Struct):
    """What every `run.json` of cxr holds; another program's does not.

    The identity of `cxr measure` names the folder of its masks, that of `cxr-infer` their format.
    """

    status: str
    identity: _Identity
    model: _Model = msgspec.field(default_factory=_Model)
    kind: str = _INFER


class _Analysis(msgspec.Struct):
    """What every `analysis.json` of cxr holds."""

    target: str
    files: list[str]


def own_outputs(folder: Path, names: Collection[str]) -> OwnOutputs:
    """Find what runs wrote into a folder.

    Parameters
    ----------
    folder : Path
    names : collection of str
        The names that the folder holds.
    """
    found = [outputs(folder) for record, outputs in _RECORDS.items() if record in names]
    files: frozenset[str] = frozenset().union(*(one.files for one in found))
    folders: frozenset[tuple[str, ...]] = frozenset().union(*(one.folders for one in found))
    return OwnOutputs(files, folders)


def run_of(path: Path) -> Path | None:
    """Return the folder of the run that wrote a file, or all that a folder holds; None if there is none."""
    resolved = path.resolve()
    for folder, outputs in _outputs_above(resolved):
        inside = resolved.relative_to(folder).parts
        if inside[0] in outputs.files or any(inside[: len(one)] == one for one in outputs.folders):
            return folder
    return None


def output_folders_below(path: Path) -> frozenset[Path]:
    """Return the folders below a folder that a run in a folder above it wrote; links in `path` resolved."""
    resolved = path.resolve()
    return frozenset(
        written
        for folder, outputs in _outputs_above(resolved)
        for written in (folder.joinpath(*one) for one in outputs.folders)
        if written.is_relative_to(resolved)
    )


def _outputs_above(path: Path) -> Iterator[tuple[Path, OwnOutputs]]:
    for folder in path.parents:
        yield folder, own_outputs(folder, [record for record in _RECORDS if _is_file(folder / record)])


def _run_outputs(folder: Path) -> OwnOutputs:
    run = _read(folder / MANIFEST, _Run)
    if run is None:
        return OwnOutputs()
    stems = [name.removesuffix(".csv") for name in _TABLES]
    files = {MANIFEST, REPORT, *_TABLES, *(f"{stem}.parquet" for stem in stems)}
    masks = run.identity.masks
    folders: set[tuple[str, ...]] = {(OVERLAYS,)} if run.identity.overlays else set()
    if run.kind != _INFER:
        folders |= _folder_below(folder, str(masks))
    elif masks == MaskFormat.DICOM_SEG:
        folders.add((MASKS,))
    elif masks and masks != MaskFormat.RLE:
        folders |= {(MASKS, name) for name in run.model.classes}
    return OwnOutputs(frozenset(files), frozenset(folders))


def _folder_below(folder: Path, masks: str) -> set[tuple[str, ...]]:
    """Return the folder of masks that were measured, if it is below the tables: they are no radiographs."""
    resolved, below = folder.resolve(), Path(masks)
    return {below.relative_to(resolved).parts} if resolved in below.parents else set()


def _analysis_outputs(folder: Path) -> OwnOutputs:
    analysis = _read(folder / _ANALYSIS_RECORD, _Analysis)
    return OwnOutputs() if analysis is None else OwnOutputs(frozenset({_ANALYSIS_RECORD, *analysis.files}))


def _training_outputs(folder: Path) -> OwnOutputs:
    is_own = _first_bytes(folder / _HISTORY, len(_HISTORY_START)) == _HISTORY_START
    return OwnOutputs(_TRAINING) if is_own else OwnOutputs()


def _sample_outputs(folder: Path) -> OwnOutputs:
    """Return the true masks of a sample that `cxr sample` wrote."""
    is_sample = (folder / BOXES).is_file()
    return OwnOutputs(frozenset({SYNTHETIC}), frozenset({(TRUE_MASKS,)})) if is_sample else OwnOutputs()


def _result_outputs(folder: Path) -> OwnOutputs:
    """Return what `Result.save` wrote: the masks are named after the classes in the table's header."""
    head = _first_bytes(folder / Table.FEATURES.file, _LONGEST_HEADER).decode("utf-8", "replace")
    columns = head.partition("\n")[0].split(",")
    classes = [name.removesuffix(_RATIO) for name in columns if name.endswith(_RATIO)]
    is_own = columns[:1] == ["image"] and bool(classes) and (folder / Table.COMPONENTS.file).is_file()
    if not is_own:
        return OwnOutputs()
    names: Iterable[str] = (f"{name}.png" for name in classes)
    return OwnOutputs(frozenset({_RESULT_OVERLAY, Table.FEATURES.file, Table.COMPONENTS.file, *names}))


_RECORDS: dict[str, Callable[[Path], OwnOutputs]] = {
    MANIFEST: _run_outputs,
    _ANALYSIS_RECORD: _analysis_outputs,
    _HISTORY: _training_outputs,
    SYNTHETIC: _sample_outputs,
    _RESULT_OVERLAY: _result_outputs,
}
"""The file by which the outputs of each command are recognized."""


def _read(path: Path, kind: type[T]) -> T | None:
    """Read a record; None if it is missing or another program's."""
    try:
        return msgspec.convert(json.loads(_first_bytes(path, _LONGEST_RECORD)), kind)
    except (ValueError, RecursionError):  # msgspec.ValidationError derives from ValueError
        return None


def _first_bytes(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # a folder above that may not be searched
