"""The role of each column, and which columns the regressors use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from ...data.column_table import Table as ColumnTable
from ...data.columns import find_column
from ...errors import InputError
from ...machine.extras import require
from ..audit.leakage import find_leaky_columns
from ..records import ColumnNote, FeatureMode, Selection, Table

if TYPE_CHECKING:
    import pandas as pd

MOST_LEVELS = 12
_MOST_EMPTY = 0.5

_BOOKKEEPING = re.compile(
    r"(^|_)(image|images|id|ids|uid|patientid|name|path|file|filename|folder|url|doi|hash|sha256|licen[cs]e|"
    r"note|notes|comment|comments|date|fold|split|source|convention|mode|modality)(_|$)"
    r"|^mask_|^location$|_ok$|^has_|^plausible(_why)?$|^uncertainty(_flip)?$|^gray_from$|^in_training$|^study$|^accession$"
)
_DERIVED = re.compile(r"(^|_)(finding|findings|label|labels|diagnosis)(_|$)")
_GEOMETRY = re.compile(r"(^|_)(width|height|spacing|spacing_mm|spacing_x|spacing_y)$|^device$")


class Role(StrEnum):
    """The role of a column in the analysis."""

    BOOKKEEPING = "bookkeeping"
    DERIVED = "derived"
    GEOMETRY = "geometry"
    CLINICAL = "clinical"
    SPATIAL = "spatial"


_LEFT_OUT = {
    Role.BOOKKEEPING: "an identifier, a file, a check or a remark; never a feature",
    Role.DERIVED: "read from the same image",
    Role.GEOMETRY: "describes the file, not the patient",
    Role.CLINICAL: "clinical, not asked for",
    Role.SPATIAL: "measured, not asked for",
}
_ROLES = {
    FeatureMode.DEFAULT: (Role.CLINICAL, Role.SPATIAL),
    FeatureMode.CLINICAL: (Role.CLINICAL,),
    FeatureMode.SPATIAL: (Role.SPATIAL,),
    FeatureMode.ALL: (Role.CLINICAL, Role.SPATIAL, Role.DERIVED, Role.GEOMETRY),
}


def role_of(column: str, spatial: Sequence[str]) -> Role:
    """Return the role of a column, by its name and by the table it came from.

    Examples
    --------
    >>> role_of("age", spatial=()).value
    'clinical'
    >>> role_of("PatientID", spatial=()).value
    'bookkeeping'
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower().replace(" ", "_")
    patterns = ((_BOOKKEEPING, Role.BOOKKEEPING), (_DERIVED, Role.DERIVED), (_GEOMETRY, Role.GEOMETRY))
    for pattern, role in patterns:
        if pattern.search(name):
            return role
    return Role.SPATIAL if column in spatial and not _is_from_header(name) else Role.CLINICAL


def _is_from_header(name: str) -> bool:
    """Return whether `cxr-infer` copies a column from DICOM headers: what it says is clinical."""
    found = find_column(ColumnTable.FEATURES, name)
    return found is not None and found[0].on_request


def is_number(column: pd.Series) -> bool:
    """Return whether a column holds numbers (true and false count as 1 and 0)."""
    pandas = require("pandas", extra="analysis")
    return bool(pandas.api.types.is_numeric_dtype(column))


def select_features(table: Table, target: str, wanted: FeatureMode | Sequence[str]) -> Selection:
    """Select the columns that the regressors use, with a reason for each column that is left out.

    Parameters
    ----------
    table : Table
        The target is known in all its rows.
    target : str
        The column to predict.
    wanted : FeatureMode or sequence of str
        A kind of columns, or the names of columns.

    Raises
    ------
    InputError
        If a named column is missing or can never be a feature, or if no column is left.
    """
    columns = [name for name in (*table.clinical, *table.spatial) if name != target]
    roles = {name: role_of(name, table.spatial) for name in columns}
    leaky = find_leaky_columns(table.frame, target, _numeric_columns(table.frame, roles))
    if not isinstance(wanted, FeatureMode):
        return _select_named(table.frame, roles, leaky, wanted)
    kept: list[str] = []
    left_out: list[ColumnNote] = []
    for name in columns:
        reason = _reason_to_exclude(table.frame[name], roles[name], wanted)
        if reason is None and wanted is not FeatureMode.ALL:
            reason = leaky.get(name)
        if reason is None:
            kept.append(name)
        else:
            left_out.append(ColumnNote(name, reason))
    if not kept:
        reasons = "; ".join(f"{note.column}: {note.reason}" for note in left_out) or "it is the only column"
        raise InputError(f"no column is left to predict {target} from ({reasons}); a clinical table may help")
    return Selection(tuple(kept), tuple(left_out), _leaky_among(kept, leaky))


def _select_named(
    frame: pd.DataFrame, roles: dict[str, Role], leaky: dict[str, str], names: Sequence[str]
) -> Selection:
    usable = [name for name, role in roles.items() if role is not Role.BOOKKEEPING]
    unknown = [name for name in names if name not in usable]
    if unknown or not names:
        raise InputError(f"no features {', '.join(unknown)}; there are {', '.join(usable)}")
    constant = [name for name in names if frame[name].nunique(dropna=True) < 2]
    if constant:
        raise InputError(f"features with the same value in every row: {', '.join(constant)}")
    selected = tuple(dict.fromkeys(names))
    left_out = tuple(ColumnNote(name, "not asked for") for name in usable if name not in selected)
    return Selection(selected, left_out, _leaky_among(selected, leaky))


def _leaky_among(selected: Sequence[str], leaky: dict[str, str]) -> tuple[ColumnNote, ...]:
    return tuple(ColumnNote(name, leaky[name]) for name in selected if name in leaky)


def _numeric_columns(frame: pd.DataFrame, roles: dict[str, Role]) -> list[str]:
    return [name for name, role in roles.items() if role is not Role.BOOKKEEPING and is_number(frame[name])]


def _reason_to_exclude(column: pd.Series, role: Role, mode: FeatureMode) -> str | None:
    if role not in _ROLES[mode]:
        return _LEFT_OUT[role]
    if column.nunique(dropna=True) < 2:
        return "the same in every row"
    empty = float(column.isna().mean())
    if empty > _MOST_EMPTY:
        return f"empty in {empty:.0%} of the rows"
    levels = int(column.nunique())
    if not is_number(column) and levels > MOST_LEVELS and mode is not FeatureMode.ALL:
        return f"{levels} different texts; with more than {MOST_LEVELS} it is no category"
    return None
