"""Headers, types, units, aliases and families of the tables' columns, derived from `column_table`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from .column_table import CLASS, COLUMNS, DEFAULT_CLASS, IN_TRAINING, Column, Table

SIDES = ("left_lung", "right_lung")
"""The patient's two lungs: they have some of the columns of a class."""

SIDE_MEASURES = ("ratio", "total_area", "total_area_mm2")
"""What of a class's columns they have."""

_LABELED_CLASSES = (DEFAULT_CLASS, "lung")


def columns_of(table: Table) -> tuple[Column, ...]:
    """Return the columns of a table, in order."""
    return tuple(column for column in COLUMNS if column.table is table)


def header(table: Table) -> tuple[str, ...]:
    """Return the column names of a table that does not depend on the classes of a model."""
    return tuple(column.name for column in columns_of(table))


def feature_header(
    classes: Sequence[str],
    lung_classes: Sequence[str],
    *,
    requested: Sequence[str] = (),
    in_training: bool = False,
) -> tuple[str, ...]:
    """Return the column names of `features.csv`.

    Parameters
    ----------
    classes : sequence of str
        The classes of the model, in the order of its card.
    lung_classes : sequence of str
        Those of them that are lungs.
    requested : sequence of str
        The columns that only a table has which was asked for them, in any order.
    in_training : bool
        Whether the table says which images the model was trained on.

    Examples
    --------
    >>> feature_header(["lung"], ["lung"])[-6:-3]
    ('left_lung_ratio', 'left_lung_total_area', 'left_lung_total_area_mm2')
    """
    columns = columns_of(Table.FEATURES)
    per_class = [column for column in columns if CLASS in column.name and not column.in_lungs]
    image = [
        column.name
        for column in columns[: columns.index(per_class[0])]
        if not column.on_request or column.name in requested
    ]
    blocks = [column.of_class(name) for name in classes for column in per_class]
    in_lungs = lung_columns(classes, lung_classes)
    return (*image, *blocks, *in_lungs, *([IN_TRAINING] if in_training else []))


def lung_columns(classes: Sequence[str], lung_classes: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that only a model with a lung class has: other classes inside the lungs, then sides.

    Where a class has the name of a side, its own columns stand for it.

    Examples
    --------
    >>> lung_columns(["lesion", "lung"], ["lung"])[:2]
    ('lesion_lung_ratio', 'lesion_upper_share')
    """
    if not lung_classes:
        return ()
    inside = [column for column in columns_of(Table.FEATURES) if column.in_lungs]
    others = [column.of_class(name) for name in classes if name not in lung_classes for column in inside]
    sides = (
        [] if set(SIDES) & set(classes) else [f"{side}_{name}" for side in SIDES for name in SIDE_MEASURES]
    )
    return (*others, *sides)


@cache
def find_column(table: Table, name: str) -> tuple[Column, str] | None:
    """Find a column by its name; with it, the class in the name, or "".

    Examples
    --------
    >>> column, class_name = find_column(Table.FEATURES, "lung_total_area")
    >>> column.name, class_name
    ('{class}_total_area', 'lung')
    """
    columns = columns_of(table)
    for column in columns:
        if column.name == name:
            return column, ""
    # `lesion_lung_ratio` is of the class `lesion`, but `left_lung_ratio` of the left lung.
    for column in sorted(columns, key=lambda column: not column.in_lungs):
        class_name = _class_in(column.name, name) if CLASS in column.name else ""
        if class_name and not (column.in_lungs and f"{class_name}_lung" in SIDES):
            return column, class_name
    return None


def canonical_name(name: str) -> str:
    """Return today's name of a column of `features.csv`; any other name is returned unchanged.

    Examples
    --------
    >>> canonical_name("NumLesions"), canonical_name("lung_area"), canonical_name("age")
    ('lesion_count', 'lung_total_area', 'age')
    """
    if find_column(Table.FEATURES, name) is not None:
        return name
    aliases = [(alias, column) for column in columns_of(Table.FEATURES) for alias in column.aliases]
    for alias, column in aliases:
        if alias == name:
            return column.of_class(DEFAULT_CLASS)
    for alias, column in aliases:
        if CLASS in alias and (class_name := _class_in(alias, name)):
            return column.of_class(class_name)
    return name


def renamed_columns(names: Iterable[str]) -> dict[str, str]:
    """Return today's names of a features table's columns, by the older name.

    Names such as `lung_area` count as older names only in a table that has `num_lesions`: elsewhere a column
    may be called so for another reason. A name that the table has already is never given twice.
    """
    present = list(names)
    fixed = {alias for column in columns_of(Table.FEATURES) for alias in column.aliases}
    renamed: dict[str, str] = {}
    for name in present:
        new = canonical_name(name)
        is_old = name in fixed or "num_lesions" in present
        if is_old and new not in (*present, *renamed.values()):
            renamed[name] = new
    return renamed


def unit_of(name: str) -> str:
    """Return the unit of a column of the features or of a clinical table, or "".

    Of the columns that each class has, only those of `lesion` and `lung` get a unit: a clinical column, such
    as `cell_count`, may have the same ending.
    """
    for table in (Table.FEATURES, Table.CLINICAL):
        found = find_column(table, name)
        if found is not None and found[1] in ("", *_LABELED_CLASSES):
            return found[0].unit
    return ""


def with_unit(name: str) -> str:
    """Return a column's name followed by its unit, if it has one.

    Examples
    --------
    >>> with_unit("lesion_mean_area")
    'lesion_mean_area (pixels)'
    """
    unit = unit_of(name)
    return f"{name} ({unit})" if unit else name


def size_family(name: str) -> str | None:
    """Return the class whose mask size a column of `features.csv` measures, or None.

    Columns of the same family can be computed from each other, at least nearly: as a feature, one reveals
    another as the target. The classes `a` and `a_lung` are one family, since `a_lung_ratio` may be of either.

    Examples
    --------
    >>> size_family("lesion_lung_ratio"), size_family("lung_count"), size_family("age")
    ('lesion', 'lung', None)
    """
    found = find_column(Table.FEATURES, name)
    if found is None or not found[0].size_of:
        return None
    column, class_name = found
    family = class_name if column.size_of == CLASS else column.size_of
    # `collapsed_lung_ratio` may be of the class `collapsed`, in the lungs, or of the class `collapsed_lung`.
    return "lung" if family in SIDES else family.removesuffix("_lung")


def _class_in(pattern: str, name: str) -> str:
    """Return the class in a name that a pattern matches, or ""."""
    match = re.fullmatch(re.escape(pattern).replace(re.escape(CLASS), "(.+)"), name)
    return match[1] if match else ""
