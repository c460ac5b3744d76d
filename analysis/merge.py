"""Join features and clinical table, one image to one row, and say what stayed alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..errors import InputError
from .records import Merge

if TYPE_CHECKING:
    import pandas as pd

_KEY = "merge key"
_SIDE = "merge side"
_EXAMPLES = 5
Key = Callable[[str], str]


def merge_clinical(
    features: pd.DataFrame, clinical: pd.DataFrame, *, path: Path, folder: Path | None
) -> tuple[pd.DataFrame, Merge]:
    """Join the tables on the image; images that the clinical table lacks are left out.

    Patients are told apart by the clinical table alone: ids of two sources in one column could name one
    patient twice and put it on both sides of a fold.

    Parameters
    ----------
    features, clinical : DataFrame
        Both with a column `image`.
    path : Path
        Where the clinical table was read; its images are relative to its folder.
    folder : Path, optional
        What the features' images are relative to.

    Raises
    ------
    InputError
        If an image stands twice on a side, or no image is on both.
    """
    rule, left, right = _match(features["image"].tolist(), clinical["image"].tolist(), path, folder)
    _refuse_repeats("features", left, features["image"].tolist())
    _refuse_repeats(str(path), right, clinical["image"].tolist())
    # What the file itself tells (its size, say) stays; the patient is the clinical table's.
    kept = [name for name in clinical.columns if name not in features.columns or name == "patient_id"]
    merged = features.drop(columns="patient_id", errors="ignore").assign(**{_KEY: left})
    merged = merged.merge(
        clinical[[name for name in kept if name != "image"]].assign(**{_KEY: right}),
        on=_KEY,
        how="left",
        validate="one_to_one",
        indicator=_SIDE,
    )
    if len(merged) != len(features):
        raise InputError(f"{path}: the merge made {len(merged)} rows of {len(features)}")
    both = merged[_SIDE] == "both"
    frame = merged.loc[both].drop(columns=[_KEY, _SIDE]).reset_index(drop=True)
    alone = merged.loc[~both, "image"].tolist()
    known = set(left)
    unused = [image for image, key in zip(clinical["image"], right, strict=True) if key not in known]
    return frame, Merge(
        path, rule, len(frame), len(alone), tuple(alone[:_EXAMPLES]), len(unused), tuple(unused[:_EXAMPLES])
    )


def _match(
    left: Sequence[str], right: Sequence[str], path: Path, folder: Path | None
) -> tuple[str, list[str], list[str]]:
    for rule, left_key, right_key in _rules(right, path, folder):
        left_keys = [left_key(image) for image in left]
        right_keys = [right_key(image) for image in right]
        if not set(left_keys).isdisjoint(right_keys):
            return rule, left_keys, right_keys
    raise InputError(
        f"{path}: no image of the features is in this table ('{left[0]}' against"
        f" '{right[0] if right else 'no rows'}'); give the right one with --clinical"
    )


def _rules(right: Sequence[str], path: Path, folder: Path | None) -> list[tuple[str, Key, Key]]:
    """Give the ways to name an image, the strictest first; the first that finds any is taken for all."""
    by_name = ("file name", _name, _name)
    bare = path.name != "index.csv" and not any("/" in image for image in right)
    if bare:
        return [by_name]
    rules: list[tuple[str, Key, Key]] = []
    if folder is not None:
        rules.append(("path on disk", _below(folder), _below(path.parent)))
    return [*rules, ("path as written", str, str), by_name]


def _below(folder: Path) -> Key:
    root = folder.resolve()
    return lambda image: os.path.normpath(root / image)


def _name(image: str) -> str:
    return PurePosixPath(image).name


def _refuse_repeats(side: str, keys: Sequence[str], images: Sequence[str]) -> None:
    first: dict[str, str] = {}
    pairs = [(first[key], image) for key, image in zip(keys, images, strict=True) if _seen(first, key, image)]
    if pairs:
        one, other = pairs[0]
        raise InputError(
            f"{side}: {len(pairs)} images cannot be told from another one: '{one}' and '{other}'"
            " are the same key; one row an image is needed"
        )


def _seen(first: dict[str, str], key: str, image: str) -> bool:
    if key in first:
        return True
    first[key] = image
    return False
