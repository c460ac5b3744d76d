"""Which class of the model is compared with which class of the data set."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ...errors import InputError, suggestion
from ...models.card import ModelCard
from ...models.trivial_masks import LUNG

_COLUMN = "mask_"


@dataclass(frozen=True)
class ClassPair:
    """A class of the model and its ground truth.

    Attributes
    ----------
    name : str
        The class in the model's card.
    index : int
        Its position in the model's output.
    truth : str
        The class of the data set.
    second : str or None
        The class of the data set that holds a second reader's masks.
    is_lung : bool
        Lungs have no lesion-wise scores.
    """

    name: str
    index: int
    truth: str
    second: str | None
    is_lung: bool


def pair_classes(
    card: ModelCard,
    available: Sequence[str] | None,
    *,
    requested: Sequence[str] | None = None,
    class_map: Mapping[str, str] | None = None,
    second_readers: Mapping[str, str] | None = None,
) -> tuple[ClassPair, ...]:
    """Pair the classes of a model with those of a data set.

    A class of the model belongs to the class that `class_map` names, else to that of the same name; a lung
    class of a name that the data set lacks belongs to `lung`.

    Parameters
    ----------
    card : ModelCard
    available : sequence of str or None
        The classes that the data set has masks of; None: opening it decides.
    requested : sequence of str, optional
        Classes of the data set; by default all that the model predicts.
    class_map : mapping of str to str, optional
        Class of the data set by class of the model.
    second_readers : mapping of str to str, optional
        Class, or `mask_` column, with a second reader's masks, by class of the data set.

    Returns
    -------
    tuple of ClassPair
        In the order of the card's classes.

    Raises
    ------
    InputError
        If a name is unknown or nothing can be compared; it names the nearest and all known names.
    """
    renamed, seconds = dict(class_map or {}), _seconds(second_readers or {})
    for name in renamed:
        _check_known(name, card.classes, "the model predicts")
    if available is not None:
        for name in (*(requested or ()), *renamed.values(), *seconds, *seconds.values()):
            _check_known(name, available, "the data set has masks of")
    truth_of = {name: renamed.get(name) or _truth(name, card, available) for name in card.classes}
    wanted = set(requested if requested is not None else available or truth_of.values())
    pairs = tuple(
        ClassPair(name, index, truth, seconds.get(truth), truth == LUNG or name in card.lung_classes)
        for index, (name, truth) in enumerate(truth_of.items())
        if truth in wanted
    )
    missing = [name for name in requested or () if name not in {pair.truth for pair in pairs}]
    if missing or not pairs:
        raise InputError(
            f"the model predicts {_listed(card.classes)}, not {_listed(missing or available or ())}; where "
            f"names differ, give --map MODEL_CLASS={missing[0] if missing else 'DATASET_CLASS'}"
        )
    if unused := seconds.keys() - {pair.truth for pair in pairs}:
        raise InputError(
            f"--second-reader: the class {sorted(unused)[0]!r} is not evaluated; add it to --classes"
        )
    return pairs


def _truth(name: str, card: ModelCard, available: Collection[str] | None) -> str:
    is_absent = available is not None and name not in available
    return LUNG if is_absent and name in card.lung_classes else name


def _seconds(second_readers: Mapping[str, str]) -> dict[str, str]:
    return {name: column.removeprefix(_COLUMN) for name, column in second_readers.items()}


def _check_known(name: str, known: Collection[str], of: str) -> None:
    if name in known:
        return
    raise InputError(f"there is no class {name!r}{suggestion(name, known)} ({of} {_listed(known)})")


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "nothing"
