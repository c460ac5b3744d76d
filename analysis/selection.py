"""What each column is, and which of them the regressors may see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from ..errors import InputError
from ..machine.extras import require
from .leakage import find_carriers
from .records import ColumnNote, FeatureMode, Selection, Table

if TYPE_CHECKING:
    import pandas as pd

MOST_LEVELS = 12
_MOST_EMPTY = 0.5

_NEVER = re.compile(
    r"(^|_)(image|images|id|ids|uid|patientid|name|path|file|filename|folder|url|doi|hash|sha256|licen[cs]e|"
    r"note|notes|comment|comments|date|fold|split|source|convention|mode|modality)(_|$)"
    r"|^mask_|^location$|_ok$|^has_"
)
_DERIVED = re.compile(r"(^|_)(finding|findings|label|labels|diagnosis)(_|$)")
_GEOMETRY = re.compile(r"(^|_)(width|height|spacing|spacing_mm|spacing_x|spacing_y)$")


class Role(StrEnum):
    """What a column is to the analysis."""

    BOOKKEEPING = "bookkeeping"
    DERIVED = "derived"
    GEOMETRY = "geometry"
    CLINICAL = "clinical"
    SPATIAL = "spatial"


_WHY = {
    Role.BOOKKEEPING: "names or files; never a feature",
    Role.DERIVED: "read from the same image",
    Role.GEOMETRY: "how the file was made, not who is shown",
    Role.CLINICAL: "clinical, not asked for",
    Role.SPATIAL: "measured, not asked for",
}
_WANTED = {
    FeatureMode.DEFAULT: (Role.CLINICAL, Role.SPATIAL),
    FeatureMode.CLINICAL: (Role.CLINICAL,),
    FeatureMode.SPATIAL: (Role.SPATIAL,),
    FeatureMode.ALL: (Role.CLINICAL, Role.SPATIAL, Role.DERIVED, Role.GEOMETRY),
}


def role_of(column: str, spatial: Sequence[str]) -> Role:
    """Tell what a column is, by its name, and by the table it came from.

    Examples
    --------
    >>> role_of("age", spatial=()).value
    'clinical'
    >>> role_of("PatientID", spatial=()).value
    'bookkeeping'
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower().replace(" ", "_")
    for pattern, role in ((_NEVER, Role.BOOKKEEPING), (_DERIVED, Role.DERIVED), (_GEOMETRY, Role.GEOMETRY)):
        if pattern.search(name):
            return role
    return Role.SPATIAL if column in spatial else Role.CLINICAL


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers (true and false count as 1 and 0)."""
    pandas = require("pandas", extra="analysis")
    return bool(pandas.api.types.is_numeric_dtype(column))


def choose_features(table: Table, target: str, wanted: FeatureMode | Sequence[str]) -> Selection:
    """Choose the columns that the regressors see, with a reason for each that is left out.

    Parameters
    ----------
    table : Table
        Its rows all have a target.
    target : str
        Column to be predicted.
    wanted : FeatureMode or sequence of str
        A kind of columns, or their names.

    Raises
    ------
    InputError
        If a named column is not there or is never a feature, or none is left.
    """
    columns = [name for name in (*table.clinical, *table.spatial) if name != target]
    roles = {name: role_of(name, table.spatial) for name in columns}
    carriers = find_carriers(table.frame, target, _numbers(table.frame, roles))
    if not isinstance(wanted, FeatureMode):
        return _named(table.frame, roles, carriers, wanted)
    kept: list[str] = []
    left_out: list[ColumnNote] = []
    for name in columns:
        reason = _why_not(table.frame[name], roles[name], wanted)
        if reason is None and wanted is not FeatureMode.ALL:
            reason = carriers.get(name)
        if reason is None:
            kept.append(name)
        else:
            left_out.append(ColumnNote(name, reason))
    if not kept:
        reasons = "; ".join(f"{note.column}: {note.reason}" for note in left_out) or "there is no other"
        raise InputError(f"no column is left to predict {target} from ({reasons}); a clinical table may help")
    return Selection(tuple(kept), tuple(left_out), _let_in(kept, carriers))


def _named(
    frame: pd.DataFrame, roles: dict[str, Role], carriers: dict[str, str], names: Sequence[str]
) -> Selection:
    usable = [name for name, role in roles.items() if role is not Role.BOOKKEEPING]
    unknown = [name for name in names if name not in usable]
    if unknown or not names:
        raise InputError(f"no features {', '.join(unknown)}; there are {', '.join(usable)}")
    constant = [name for name in names if frame[name].nunique(dropna=True) < 2]
    if constant:
        raise InputError(f"features with the same value in every row: {', '.join(constant)}")
    chosen = tuple(dict.fromkeys(names))
    left_out = tuple(ColumnNote(name, "not asked for") for name in usable if name not in chosen)
    return Selection(chosen, left_out, _let_in(chosen, carriers))


def _let_in(kept: Sequence[str], carriers: dict[str, str]) -> tuple[ColumnNote, ...]:
    return tuple(ColumnNote(name, carriers[name]) for name in kept if name in carriers)


def _numbers(frame: pd.DataFrame, roles: dict[str, Role]) -> list[str]:
    return [name for name, role in roles.items() if role is not Role.BOOKKEEPING and is_number(frame[name])]


def _why_not(column: pd.Series, role: Role, mode: FeatureMode) -> str | None:
    if role not in _WANTED[mode]:
        return _WHY[role]
    if column.nunique(dropna=True) < 2:
        return "the same in every row"
    empty = float(column.isna().mean())
    if empty > _MOST_EMPTY:
        return f"empty in {empty:.0%} of the rows"
    levels = int(column.nunique())
    if not is_number(column) and levels > MOST_LEVELS and mode is not FeatureMode.ALL:
        return f"{levels} different texts; more than {MOST_LEVELS} are no category"
    return None
