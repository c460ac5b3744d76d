"""What an evaluation is asked to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ...machine.limits import MAX_THREADS, check_range

OUT = "evaluation"

_CHOICES = ("class_map", "second_readers", "fold", "splits", "where", "by")


@dataclass(frozen=True)
class EvaluateConfig:
    """The settings of `evaluate_model`.

    Attributes
    ----------
    classes : sequence of str or None
        Classes of the data set; None: those that the model predicts under the same name.
    findings : sequence of str or None
        NIH layout only: the findings whose boxes form the class `lesion`.
    masks : str or None
    annotations : sequence of Path or str
        As in `open_dataset`: the format of annotation files whose masks are used, and those files.
    class_map : mapping of str to str
        Class of the data set for a class of the model, where their names differ.
    second_readers : mapping of str to str
        For a class of the data set, the class (or `mask_` column) that holds a second reader's masks of it.
    fold : int or None
        Only images of this fold.
    splits : Path, str or None
        A `splits.csv` of `cxr-train`: only its validation images.
    where : mapping of str to str
        Only images with these values in the columns of the data set's table.
    by : str or None
        Column of the data set's table; every value is also scored on its own.
    card : Path, str or None
        Model card as JSON, for a model file without one.
    provider : str
    threads : int or None
    allow_fallback, allow_external_data : bool
        As in `Session.open`.
    out : Path, str or None
        The output folder; None: nothing is written.
    choose_threshold : Path, str or None
        Where to write a copy of the model with the thresholds that have the best mean Dice here.
    overwrite : bool
        Replace another evaluation in `out`, and the file `choose_threshold`.
    seed : int
        Of the bootstrap over patients.
    """

    classes: Sequence[str] | None = None
    findings: Sequence[str] | None = None
    masks: str | None = None
    annotations: Sequence[Path | str] = ()
    class_map: Mapping[str, str] = field(default_factory=dict)
    second_readers: Mapping[str, str] = field(default_factory=dict)
    fold: int | None = None
    splits: Path | str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    by: str | None = None
    card: Path | str | None = None
    provider: str = "auto"
    threads: int | None = None
    allow_fallback: bool = False
    allow_external_data: bool = False
    out: Path | str | None = OUT
    choose_threshold: Path | str | None = None
    overwrite: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        InputError
            Naming the setting and the value.
        """
        check_range("threads", self.threads, 1, MAX_THREADS)

    def selection(self) -> dict[str, Any]:
        """Return the settings that choose the images and classes, as JSON can hold them."""
        names = ("classes", "findings", "masks", "annotations", *_CHOICES)
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name in names}
        return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    return str(value) if isinstance(value, Path) else value
