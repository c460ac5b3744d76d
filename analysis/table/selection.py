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
from .roles import is_identifier, nearest, snake_case

if TYPE_CHECKING:
    import pandas as pd

MOST_LEVELS = 12
EXTREME = "beyond 1e30, or all within 1e-30: no model can use them; change the unit"
_MOST_EMPTY = 0.5

# Words that name an identifier, a file or a remark wherever they stand, as the last word, or alone.
_BOOKKEEPING = re.compile(
    r"(^|_)(image|images|uid|patientid|path|filename|url|doi|sha256|licen[cs]e)(_|$)"
    r"|(^|_)(id|ids|name|file|folder|hash|note|notes|comment|comments|date|fold|split|convention)$"
    r"|^(image_|color_)?mode$|^(source|modality|location|study|accession|mrn|index)$"
    r"|^mask_|_ok$|^has_(mask|box|boxes|image|lung|lungs|lesion|lesions)$"
    r"|^plausible(_why)?$|^uncertainty(_flip)?$|^gray_from$|^in_training$|^column_\d+$"
)
_DERIVED = re.compile(r"(^|_)(finding|findings|label|labels|diagnosis)(_|$)")
_GEOMETRY = re.compile(r"(^|_)(width|spacing|spacing_mm|spacing_x|spacing_y)$|^device$")
_RUNNING_NUMBER = re.compile(r"(^|_)(no|nr|num|number|index|row|serial|record|case|key|names)(_|$)|^unnamed")
_LARGEST, _SMALLEST = 1e30, 1e-30
"""Values beyond these overflow or vanish in the single precision of the boosters."""


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


def role_of(column: str, spatial: Sequence[str], columns: Sequence[str] = ()) -> Role:
    """Return the role of a column, by its name, by the table it came from and by the columns beside it.

    A `height` is that of the image where it was measured or stands beside a `width`; else the patient's.

    Examples
    --------
    >>> role_of("age", spatial=()).value
    'clinical'
    >>> role_of("PatientID", spatial=()).value
    'bookkeeping'
    """
    name = snake_case(column)
    if is_identifier(column):
        return Role.BOOKKEEPING
    is_height = name == "height" or name.endswith("_height")
    width = name.removesuffix("height") + "width"
    if is_height and (column in spatial or width in map(snake_case, columns)):
        return Role.GEOMETRY
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
    roles = {name: role_of(name, table.spatial, columns) for name in columns}
    leaky = find_leaky_columns(table.frame, target, _no_bookkeeping(roles))
    if not isinstance(wanted, FeatureMode):
        return _select_named(table.frame, roles, leaky, wanted)
    kept: list[str] = []
    left_out: list[ColumnNote] = []
    for name in columns:
        reason = _reason_to_exclude(table.frame[name], roles[name], wanted) or _numbers_the_rows(
            table.frame[name], name
        )
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
        close = nearest(unknown[0], usable) if unknown else ""
        raise InputError(f"no features {', '.join(unknown)}; there are {', '.join(usable)}{close}")
    extreme = [name for name in names if _is_extreme(frame[name])]
    if extreme:
        raise InputError(f"features {EXTREME}: {', '.join(extreme)}")
    constant = [name for name in names if frame[name].nunique(dropna=True) < 2]
    if constant:
        raise InputError(f"features with the same value in every row: {', '.join(constant)}")
    selected = tuple(dict.fromkeys(names))
    left_out = tuple(ColumnNote(name, "not asked for") for name in usable if name not in selected)
    return Selection(selected, left_out, _leaky_among(selected, leaky))


def _leaky_among(selected: Sequence[str], leaky: dict[str, str]) -> tuple[ColumnNote, ...]:
    return tuple(ColumnNote(name, leaky[name]) for name in selected if name in leaky)


def _no_bookkeeping(roles: dict[str, Role]) -> list[str]:
    return [name for name, role in roles.items() if role is not Role.BOOKKEEPING]


def _reason_to_exclude(column: pd.Series, role: Role, mode: FeatureMode) -> str | None:
    if role not in _ROLES[mode]:
        return _LEFT_OUT[role]
    if column.nunique(dropna=True) < 2:
        return "the same in every row"
    if _is_extreme(column):
        return EXTREME
    empty = float(column.isna().mean())
    if empty > _MOST_EMPTY:
        return f"empty in {empty:.0%} of the rows"
    levels = int(column.nunique())
    if not is_number(column) and levels > MOST_LEVELS and mode is not FeatureMode.ALL:
        return f"{levels} different texts; with more than {MOST_LEVELS} it is no category"
    return None


def _is_extreme(column: pd.Series) -> bool:
    if not is_number(column) or column.dtype.kind == "b":
        return False
    sizes = column.abs()
    return bool(sizes.max() > _LARGEST or 0 < float(column.max() - column.min()) < _SMALLEST)


def _numbers_the_rows(column: pd.Series, name: str) -> str | None:
    """Return why a column is a running number, which tells only the order of the rows."""
    if not is_number(column) or column.isna().any() or column.nunique() < len(column):
        return None
    if not (column % 1 == 0).all():
        return None
    contiguous = float(column.max() - column.min()) + 1 == len(column)
    if contiguous or _RUNNING_NUMBER.search(name.lower().replace(" ", "_")):
        return "a whole number that differs in every row: it numbers the rows"
    return None
