"""Columns that leak the target are found by name and by content; honest columns are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxr.analysis.audit.leakage import find_identical_measurements, find_leaky_columns
from cxr.data.column_table import Table
from cxr.data.columns import columns_of

N = 80
SIZES = [column.of_class("lesion") for column in columns_of(Table.FEATURES) if column.size_of]


def make_images(seed: int = 0, *, zeros: bool = True) -> pd.DataFrame:
    """Images of different sizes whose ratio is the components' number times mean area, over the image's."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "count": rng.integers(1, 9, N).astype(float),
            "mean_size": rng.uniform(20, 900, N),
            "width_px": rng.integers(500, 3000, N).astype(float),
            "height_px": rng.integers(500, 3000, N).astype(float),
            "age": rng.integers(20, 90, N).astype(float),
            "weight": rng.uniform(50, 110, N),
        }
    )
    if zeros:
        table.loc[: N // 4, "count"] = 0
        table.loc[: N // 4, "mean_size"] = np.nan
    ratio = table["count"] * table["mean_size"].fillna(0) / (table["width_px"] * table["height_px"])
    return table.assign(ratio=ratio)


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("digits", [15, 6])
def test_factors_of_the_target_are_found(*, zeros: bool, digits: int) -> None:
    table = make_images(zeros=zeros)
    table["ratio"] = [float(f"{value:.{digits}g}") for value in table["ratio"]]
    leaky = find_leaky_columns(table, "ratio", [name for name in table.columns if name != "ratio"])
    assert {"count", "mean_size"} <= set(leaky)
    assert not {"age", "weight"} & set(leaky)


def test_a_second_way_to_compute_the_target_is_also_found() -> None:
    table = make_images(zeros=False)
    table["whole"] = table["count"] * table["mean_size"]
    leaky = find_leaky_columns(table, "ratio", [name for name in table.columns if name != "ratio"])
    assert {"count", "mean_size", "whole"} <= set(leaky)


def test_a_factor_that_is_0_in_some_rows_is_found() -> None:
    table = make_images(zeros=False)
    table.loc[:20, "whole"] = 0.0
    table["whole"] = table["whole"].fillna(table["count"] * table["mean_size"])
    table["share"] = table["whole"] / table["weight"]
    assert {"whole", "share"} <= set(find_leaky_columns(table, "weight", ["age", "whole", "share", "count"]))


def test_summands_of_the_target_are_found() -> None:
    table = make_images(zeros=False)
    table["both"] = table["mean_size"] + 2 * table["weight"]
    leaky = find_leaky_columns(table, "both", ["mean_size", "weight", "age", "count"])
    assert set(leaky) == {"mean_size", "weight"}


@pytest.mark.parametrize("target", SIZES)
def test_sizes_of_one_mask_leak_each_other(target: str) -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {name: rng.uniform(1, 2, N) for name in (*SIZES, "lesion_mean_centroid_dist", "age")}
    )
    others = [name for name in table.columns if name != target]
    assert set(find_leaky_columns(table, target, others)) == set(SIZES) - {target}


def test_sizes_of_another_class_do_not_leak_the_target() -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {name: rng.uniform(1, 2, N) for name in ("lesion_ratio", "lung_total_area", "lung_count")}
    )
    assert find_leaky_columns(table, "lesion_ratio", ["lung_total_area", "lung_count"]) == {}


def test_sizes_of_a_mask_do_not_leak_another_target() -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({name: rng.uniform(1, 2, N) for name in (*SIZES, "age")})
    assert find_leaky_columns(table, "age", SIZES) == {}


@pytest.mark.parametrize(
    ("zero_value", "positive", "reason"),
    [
        (np.nan, (0.0, 1.0), "empty only where the target is 0"),
        (0.0, (0.1, 1.0), "one threshold on it"),
        (5.0, (0.0, 1.0), "one threshold on it"),
        (0.5, (0.0, 1.0), None),
    ],
)
def test_column_that_reveals_where_the_target_is_0_is_found(
    zero_value: float, positive: tuple[float, float], reason: str | None
) -> None:
    rng = np.random.default_rng(2)
    table = make_images()
    column = pd.Series(rng.uniform(*positive, N)).where(table["ratio"] > 0, zero_value)
    found = find_leaky_columns(table.assign(revealing=column), "ratio", ["revealing", "age"])
    assert (reason in found["revealing"]) if reason else "revealing" not in found


def test_a_few_gaps_by_chance_are_not_a_leak() -> None:
    table = make_images()
    table.loc[:1, "weight"] = np.nan
    assert find_leaky_columns(table, "ratio", ["weight", "age"]) == {}


@pytest.mark.parametrize("transform", [np.sqrt, np.log1p, lambda x: -x, lambda x: 1 / (1 + x)])
def test_monotonic_transform_of_the_target_is_found(transform: object) -> None:
    table = make_images(zeros=False)
    assert callable(transform)
    table["other"] = transform(table["ratio"].to_numpy())
    assert "other" in find_leaky_columns(table, "ratio", ["other", "age"])


@pytest.mark.parametrize("seed", range(5))
def test_correlated_columns_are_not_a_leak(seed: int) -> None:
    table = make_images(seed)
    table["risk"] = 2 * table["age"] + np.random.default_rng(seed).normal(0, 1, N)
    assert find_leaky_columns(table, "risk", ["age", "weight", "width_px", "height_px", "count"]) == {}


def test_one_image_under_the_names_of_two_patients_is_found() -> None:
    table = make_images(zeros=False).assign(
        image=[f"{n}.png" for n in range(N)], patient_id=[f"P{n}" for n in range(N)]
    )
    columns = ["mean_size", "weight", "width_px"]
    assert find_identical_measurements(table, columns, "ratio") == []
    table.loc[5, [*columns, "ratio"]] = table.loc[9, [*columns, "ratio"]]
    assert find_identical_measurements(table, columns, "ratio") == [("5.png", "9.png")]
    table.loc[5, "patient_id"] = "P9"
    assert find_identical_measurements(table, columns, "ratio") == []


@pytest.mark.parametrize(("target", "found"), [("died", True), ("lesion_ratio", False)])
def test_one_image_under_two_names_is_found_where_0_is_a_value_of_the_target(
    target: str, *, found: bool
) -> None:
    table = make_images(zeros=False).assign(
        image=[f"{n}.png" for n in range(N)], patient_id=[f"P{n}" for n in range(N)], **{target: 0.0}
    )
    columns = ["mean_size", "weight", "width_px"]
    table.loc[5, columns] = table.loc[9, columns]
    assert find_identical_measurements(table, columns, target) == ([("5.png", "9.png")] if found else [])


def _copies(goal: np.ndarray) -> dict[str, pd.Series]:
    ranks = pd.Series(goal).rank()
    corrected = goal.copy()
    corrected[[3, 40]] = goal[[50, 7]]
    return {
        "rounded": pd.Series(goal).round(2),
        "root": pd.Series(np.sqrt(goal)).round(2),
        "falling": pd.Series(-(goal**3)),
        "decile": pd.qcut(ranks, 10, labels=False),
        "grade": pd.cut(ranks, [0, 20, 40, 60, N], labels=["mild", "severe", "critical", "none"]).astype(
            "object"
        ),
        "corrected": pd.Series(corrected),
    }


@pytest.mark.parametrize("name", ["rounded", "root", "falling", "decile", "grade", "corrected"])
def test_rounded_binned_and_corrected_copies_are_found(name: str) -> None:
    goal = np.random.default_rng(0).gamma(2, 0.1, N)
    table = pd.DataFrame({"goal": goal, name: _copies(goal)[name]})
    assert "a copy of it" in find_leaky_columns(table, "goal", [name])[name]


@pytest.mark.parametrize("seed", range(5))
def test_groups_that_only_follow_the_target_are_no_copies(seed: int) -> None:
    rng = np.random.default_rng(seed)
    goal = rng.normal(0, 1, N)
    noisy = goal + rng.normal(0, 0.2, N)
    table = pd.DataFrame(
        {
            "goal": goal,
            "third": pd.qcut(noisy, 3, labels=False),
            "grade": pd.qcut(noisy, 3, labels=["mild", "moderate", "severe"]).astype("object"),
            "sex": rng.choice(["M", "F"], N),
            "noisy": noisy,
        }
    )
    assert find_leaky_columns(table, "goal", ["third", "grade", "sex", "noisy"]) == {}


def test_sum_is_found_though_a_column_has_a_gap() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.random(N), rng.random(N)
    table = pd.DataFrame(
        {"goal": left + right, "left": np.where(np.arange(N) == 4, np.nan, left), "right": right}
    )
    assert set(find_leaky_columns(table, "goal", ["left", "right"])) == {"left", "right"}
