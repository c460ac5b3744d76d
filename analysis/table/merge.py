"""Join the features and the clinical table by image or by patient, and count the unmatched images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from ...data.decode.reader import SUFFIXES
from ...errors import InputError
from ...machine.paths import printable
from ..records import MergeSummary
from .roles import patient_key

if TYPE_CHECKING:
    import pandas as pd

# No column of a file has a name with NUL.
_KEY = "\0key"
_SOURCE = "\0source"
_EXAMPLES = 5
Key = Callable[[str], str]


def merge_by_image(
    features: pd.DataFrame, clinical: pd.DataFrame, *, path: Path, folder: Path | None
) -> tuple[pd.DataFrame, MergeSummary]:
    """Join the tables by image; images without a clinical row are left out.

    The patient of each image comes from the clinical table alone, where that has patients: with ids of two
    sources in one column, a patient could have two ids and be on both sides of a fold.

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
    left_table = features.assign(**{_KEY: left})
    if "patient_id" in clinical.columns:
        left_table = left_table.drop(columns="patient_id", errors="ignore")
    right_table = clinical.drop(columns="image").assign(**{_KEY: right})
    frame, unmatched = _join(left_table, right_table, kept=("patient_id", _KEY), how="one_to_one")
    known = set(left)
    unused = [image for image, key in zip(clinical["image"], right, strict=True) if key not in known]
    return frame.drop(columns=_KEY), _summary(path, rule, frame, unmatched, unused)


def merge_by_patient(
    features: pd.DataFrame, clinical: pd.DataFrame, *, path: Path
) -> tuple[pd.DataFrame, MergeSummary]:
    """Join the tables by `patient_id`, which both hold in the same form: in clear, or as keyed hashes.

    Parameters
    ----------
    features : DataFrame
        One row per image.
    clinical : DataFrame
        One row per patient.
    path : Path
        The file of the clinical table.

    Raises
    ------
    InputError
        If the features hold no patients, or none that is in the clinical table.
    """
    if "patient_id" not in features.columns or features["patient_id"].isna().all():
        raise InputError(
            f"{path}: has no column 'image', and the features have no patient_id by which to join it;"
            " for DICOM, run cxr-infer with --salt and give the same --salt here"
        )
    if set(clinical["patient_id"]).isdisjoint(features["patient_id"].dropna()):
        features, clinical = _by_patient_key(features, clinical)
    patients = set(clinical["patient_id"])
    if patients.isdisjoint(features["patient_id"].dropna()):
        raise InputError(
            f"{path}: this table has no patient of the features; if cxr-infer was given --salt, give the same"
            " here, and add a column 'issuer' if the images name the issuer of their patient ids"
        )
    frame, unmatched = _join(features, clinical, kept=("patient_id",), how="many_to_one")
    unused = sorted(patients - set(features["patient_id"]))
    return frame, _summary(path, "patient", frame, unmatched, unused)


def _by_patient_key(features: pd.DataFrame, clinical: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Spell patients alike (programs write 007, 7 or 7.0), if that keeps the clinical ones apart."""
    keys = clinical["patient_id"].map(patient_key)
    if keys.duplicated().any():
        return features, clinical
    spelled = features["patient_id"].map(patient_key, na_action="ignore")
    return features.assign(patient_id=spelled), clinical.assign(patient_id=keys)


def _join(
    features: pd.DataFrame,
    clinical: pd.DataFrame,
    *,
    kept: Sequence[str],
    how: Literal["one_to_one", "many_to_one"],
) -> tuple[pd.DataFrame, list[str]]:
    """Join on the last of the `kept` columns; return the matched rows, and the images that have no match."""
    # Of columns in both tables, the measured one stays (the size of the file, say), except those `kept`.
    columns = [name for name in clinical.columns if name not in features.columns or name in kept]
    merged = features.merge(clinical[columns], on=kept[-1], how="left", validate=how, indicator=_SOURCE)
    matched = merged[_SOURCE] == "both"
    return merged.loc[matched].drop(columns=_SOURCE).reset_index(drop=True), merged.loc[
        ~matched, "image"
    ].tolist()


def _summary(
    path: Path, rule: str, frame: pd.DataFrame, unmatched: Sequence[str], unused: Sequence[str]
) -> MergeSummary:
    return MergeSummary(
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
    by_stem = ("file name without suffix", _stem, _stem)
    names_only = path.name != "index.csv" and not any("/" in image for image in right)
    if names_only:
        return [by_name, by_stem]
    rules: list[tuple[str, Key, Key]] = []
    if folder is not None:
        rules.append(("path on disk", _path_under(folder), _path_under(path.parent)))
    return [*rules, ("path as written", str, str), by_name, by_stem]


def _path_under(folder: Path) -> Key:
    root = folder.resolve()
    return lambda image: printable(os.path.normpath(root / image))


def _name(image: str) -> str:
    return PurePosixPath(image).name


def _stem(image: str) -> str:
    name = PurePosixPath(image)
    return name.stem if name.suffix.lower() in SUFFIXES else name.name  # 1.2.840.1.5 has no suffix


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
