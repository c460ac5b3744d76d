"""Join the features and the clinical table, one row per image, and count the unmatched images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..errors import InputError
from .records import MergeSummary

if TYPE_CHECKING:
    import pandas as pd

_KEY = "merge key"
_SOURCE = "merge source"
_EXAMPLES = 5
Key = Callable[[str], str]


def merge_clinical(
    features: pd.DataFrame, clinical: pd.DataFrame, *, path: Path, folder: Path | None
) -> tuple[pd.DataFrame, MergeSummary]:
    """Join the tables by image; images without a clinical row are left out.

    The patient of each image comes from the clinical table alone: with ids of two sources in one column,
    a patient could have two ids and be on both sides of a fold.

    Parameters
    ----------
    features, clinical : DataFrame
        Both with a column `image`.
    path : Path
        The file of the clinical table; its images are relative to its folder.
    folder : Path, optional
        The folder that the images of the features are relative to.

    Raises
    ------
    InputError
        If a table holds two rows for one image, or the tables have no image in common.
    """
    rule, left, right = _match(features["image"].tolist(), clinical["image"].tolist(), path, folder)
    _reject_duplicates("features", left, features["image"].tolist())
    _reject_duplicates(str(path), right, clinical["image"].tolist())
    # Of columns in both tables, the measured one is kept (the size of the file, say), except the patient.
    kept = [name for name in clinical.columns if name not in features.columns or name == "patient_id"]
    merged = features.drop(columns="patient_id", errors="ignore").assign(**{_KEY: left})
    merged = merged.merge(
        clinical[[name for name in kept if name != "image"]].assign(**{_KEY: right}),
        on=_KEY,
        how="left",
        validate="one_to_one",
        indicator=_SOURCE,
    )
    if len(merged) != len(features):
        raise InputError(f"{path}: the merge made {len(merged)} rows of {len(features)}")
    in_both = merged[_SOURCE] == "both"
    frame = merged.loc[in_both].drop(columns=[_KEY, _SOURCE]).reset_index(drop=True)
    unmatched = merged.loc[~in_both, "image"].tolist()
    known = set(left)
    unused = [image for image, key in zip(clinical["image"], right, strict=True) if key not in known]
    return frame, MergeSummary(
        table=path,
        rule=rule,
        matched=len(frame),
        features_alone=len(unmatched),
        features_examples=tuple(unmatched[:_EXAMPLES]),
        clinical_alone=len(unused),
        clinical_examples=tuple(unused[:_EXAMPLES]),
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
        f"{path}: this table has no image of the features ('{left[0]}' against"
        f" '{right[0] if right else 'no rows'}'); name the right table with --clinical"
    )


def _rules(right: Sequence[str], path: Path, folder: Path | None) -> list[tuple[str, Key, Key]]:
    """List the ways to match images, strictest first; the first that matches any image is used for all."""
    by_name = ("file name", _name, _name)
    names_only = path.name != "index.csv" and not any("/" in image for image in right)
    if names_only:
        return [by_name]
    rules: list[tuple[str, Key, Key]] = []
    if folder is not None:
        rules.append(("path on disk", _path_under(folder), _path_under(path.parent)))
    return [*rules, ("path as written", str, str), by_name]


def _path_under(folder: Path) -> Key:
    root = folder.resolve()
    return lambda image: os.path.normpath(root / image)


def _name(image: str) -> str:
    return PurePosixPath(image).name


def _reject_duplicates(table: str, keys: Sequence[str], images: Sequence[str]) -> None:
    first: dict[str, str] = {}
    duplicates: list[tuple[str, str]] = []
    for key, image in zip(keys, images, strict=True):
        if key in first:
            duplicates.append((first[key], image))
        first.setdefault(key, image)
    if duplicates:
        one, other = duplicates[0]
        raise InputError(
            f"{table}: {len(duplicates)} images have the same key as another image: '{one}' and '{other}';"
            " one row per image is needed"
        )
