"""One table of columns: headers, types, formats, units, families, older names and the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cxr.data.column_table import CLASS, COLUMNS, Column, Kind, Table
from cxr.data.columns import (
    canonical_name,
    columns_of,
    feature_header,
    find_column,
    header,
    lung_columns,
    renamed_columns,
    size_family,
    unit_of,
    with_unit,
)
from cxr.data.decode.dicom.attributes import DICOM_COLUMNS
from cxr.infer.features import COMPONENT_DTYPE

DOCUMENT = Path(__file__).parents[2] / "docs" / "outputs.md"

OLD_NAMES = {
    "num_lesions": "lesion_count",
    "mean_area": "lesion_mean_area",
    "mean_centroid_dist": "lesion_mean_centroid_dist",
    "total_area": "lesion_total_area",
    "max_area": "lesion_max_area",
    "total_area_mm2": "lesion_total_area_mm2",
    "mean_probability": "lesion_mean_probability",
    "max_probability": "lesion_max_probability",
}
DEMO_NAMES = {
    "ImageIndex": "image",
    "LesionRatio": "lesion_ratio",
    "NumLesions": "lesion_count",
    "MeanArea": "lesion_mean_area",
    "MeanCentroidDist": "lesion_mean_centroid_dist",
}


def markdown_table(table: Table) -> str:
    """Write the columns of a table as the documentation shows them."""
    rows = [("column", "type", "unit", "meaning"), ("---",) * 4]
    for column in columns_of(table):
        rows.append((f"`{column.of_class('<class>')}`", column.kind, column.unit, column.description))
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in rows)


@pytest.mark.parametrize("table", [table for table in Table if table is not Table.CLINICAL])
def test_documentation_has_the_columns_of_every_table(table: Table) -> None:
    expected = markdown_table(table)
    found = re.search(
        rf"<!-- columns of {table} -->\n\n(.*?)\n\n<!-- end -->", DOCUMENT.read_text("utf-8"), re.DOTALL
    )
    assert found, f"docs/outputs.md needs the markers of {table}, and between them:\n{expected}"
    assert found[1] == expected, f"docs/outputs.md needs this table:\n{expected}"


def test_no_table_has_two_columns_of_one_name() -> None:
    names = [(column.table, column.name) for column in COLUMNS]
    assert len(set(names)) == len(names)


def test_numbers_have_a_format_and_text_has_none() -> None:
    for column in COLUMNS:
        expected = {Kind.TEXT: "", Kind.INTEGER: "%d"}.get(column.kind, column.number_format)
        assert column.number_format == expected
        assert bool(column.number_format) == (column.kind is not Kind.TEXT)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("lung_ratio", 1 / 3, "0.333333333"),
        ("lung_ratio", 0.0, "0"),
        ("lesion_lung_ratio", 1e-7, "1e-07"),
        ("lung_mean_area", 2.5, "2.500000"),
        ("lung_mean_area", float("nan"), ""),
        ("lung_mean_centroid_dist", -1e-9, "0.000000"),
        ("lung_count", 3, "3"),
        ("lung_max_area", float("nan"), ""),
    ],
)
def test_numbers_are_written_in_the_format_of_their_column(name: str, value: float, text: str) -> None:
    found = find_column(Table.FEATURES, name)
    assert found is not None
    assert found[0].format(value) == text


def test_components_have_the_fields_of_the_measured_record() -> None:
    names = header(Table.COMPONENTS)
    assert [name for name in names if name not in ("image", "class")] == list(COMPONENT_DTYPE.names or ())


def test_components_have_the_types_of_the_measured_record() -> None:
    kinds = {"i": Kind.INTEGER, "b": Kind.INTEGER, "f": Kind.FLOAT}
    for column in columns_of(Table.COMPONENTS):
        if column.name not in ("image", "class"):
            assert column.kind is kinds[COMPONENT_DTYPE[column.name].kind], column.name


@pytest.mark.parametrize("class_name", ["lung", "left_lung", "lesion", "mean_area", "a total"])
def test_every_feature_column_is_found_with_its_class(class_name: str) -> None:
    columns = feature_header([class_name], [])
    for name in columns[columns.index(f"{class_name}_ratio") :]:
        found = find_column(Table.FEATURES, name)
        assert found is not None
        column, in_name = found
        assert (in_name, column.of_class(in_name)) == (class_name, name)


def test_columns_inside_the_lungs_need_a_lung_class_and_another_one() -> None:
    ratios = [f"{name}_lung_ratio" for name in ("lesion", "nodule")]
    assert [n for n in feature_header(["a", "lesion", "nodule"], ["a"]) if n.endswith("_lung_ratio")] == [
        *ratios,
        "left_lung_ratio",
        "right_lung_ratio",
    ]
    assert "lung_lung_ratio" not in feature_header(["lung"], ["lung"])
    assert not {*ratios, "left_lung_ratio"} & set(feature_header(["lesion", "nodule"], []))


def test_classes_named_as_sides_keep_their_own_columns() -> None:
    columns = feature_header(["left_lung", "right_lung"], ["left_lung", "right_lung"])
    assert columns.count("left_lung_ratio") == 1
    assert "left_lung_count" in columns


@pytest.mark.parametrize("name", lung_columns(["lesion", "lung"], ["lung"]))
def test_columns_of_the_lungs_are_found_and_numeric(name: str) -> None:
    found = find_column(Table.FEATURES, name)
    assert found is not None
    column, class_name = found
    assert column.of_class(class_name) == name
    assert class_name == (name[: name.index("_lung") + 5] if "t_lung" in name else "lesion")
    assert column.kind in (Kind.FLOAT, Kind.INTEGER)


@pytest.mark.parametrize(
    ("old", "new"), [*OLD_NAMES.items(), *DEMO_NAMES.items(), ("rib_area", "rib_total_area")]
)
def test_older_names_have_a_name_of_today(old: str, new: str) -> None:
    assert canonical_name(old) == new


def test_columns_of_dicom_headers_are_in_the_table_only_on_request() -> None:
    plain = feature_header(["lung"], ["lung"])
    requested = feature_header(["lung"], ["lung"], requested=["age", "view"])
    assert set(requested) - set(plain) == {"age", "view"}
    after = requested.index("uncertainty")
    assert requested[after + 1 : after + 3] == ("view", "age")
    on_request = [column.name for column in columns_of(Table.FEATURES) if column.on_request]
    assert on_request == ["uncertainty_flip", *DICOM_COLUMNS]


def test_training_overlap_is_in_the_table_only_of_models_with_a_fingerprint() -> None:
    plain = feature_header(["lung"], ["lung"])
    assert feature_header(["lung"], ["lung"], in_training=True) == (*plain, "in_training")


@pytest.mark.parametrize("name", [*feature_header(["lesion", "lung"], ["lung"]), "age", "PatientAge"])
def test_names_of_today_and_clinical_names_are_kept(name: str) -> None:
    assert canonical_name(name) == name


def test_older_table_is_renamed_as_a_whole() -> None:
    columns = ["image", "lesion_ratio", *OLD_NAMES, "lung_area", "lesion_lung_ratio"]
    assert renamed_columns(columns) == OLD_NAMES | {"lung_area": "lung_total_area"}


def test_column_of_another_table_keeps_a_name_that_looks_old() -> None:
    assert renamed_columns(["image", "lung_ratio", "body_surface_area"]) == {}


def test_no_column_is_renamed_to_one_that_is_there() -> None:
    assert renamed_columns(["LesionRatio", "lesion_ratio", "NumLesions", "num_lesions"]) == {
        "NumLesions": "lesion_count"
    }


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("lesion_ratio", "share of the image"),
        ("lesion_lung_ratio", "share of the lungs"),
        ("lung_total_area_mm2", "mm²"),
        ("age", "years"),
        ("cell_count", ""),
        ("sex", ""),
    ],
)
def test_units_are_those_of_measured_and_clinical_columns(name: str, unit: str) -> None:
    assert unit_of(name) == unit
    assert with_unit(name) == (f"{name} ({unit})" if unit else name)


def test_columns_of_one_mask_are_one_family() -> None:
    names = feature_header(["lesion", "lung"], ["lung"])
    families = {family: {n for n in names if size_family(n) == family} for family in ("lesion", "lung")}
    sizes = ("ratio", "count", "mean_area", "total_area", "max_area", "total_area_mm2")
    assert families["lesion"] == {f"lesion_{size}" for size in sizes} | {"lesion_lung_ratio"}
    sides = {f"{side}_lung_{size}" for side in ("left", "right") for size in sizes[::3] + sizes[5:]}
    assert families["lung"] == {f"lung_{size}" for size in sizes} | sides


@pytest.mark.parametrize("lung_classes", [[], ["lung"]])
def test_sizes_of_a_class_whose_name_ends_with_lung_are_one_family(lung_classes: list[str]) -> None:
    columns = feature_header(["collapsed_lung", *lung_classes], lung_classes)
    names = [name for name in columns if name.startswith("collapsed_lung_")]
    sizes = ("ratio", "count", "mean_area", "total_area", "max_area", "total_area_mm2")
    expected = {f"collapsed_lung_{size}" for size in sizes} | (
        {"collapsed_lung_lung_ratio"} if lung_classes else set()
    )
    assert {name for name in names if size_family(name) == "collapsed"} == expected


def test_every_column_has_a_description_of_one_line() -> None:
    for column in COLUMNS:
        assert isinstance(column, Column)
        assert column.description
        assert "\n" not in column.description
        assert "|" not in column.description
        assert CLASS not in column.description
