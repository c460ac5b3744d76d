"""Columns that carry the target are found by name and by data; honest ones are left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxr.analysis.leakage import find_carriers, repeated_measurements
from cxr.data.columns import SIZE_FAMILY

N = 80


def images(seed: int = 0, *, zeros: bool = True) -> pd.DataFrame:
    """Images of different sizes whose ratio is number times size of parts over image."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "parts": rng.integers(1, 9, N).astype(float),
            "part_size": rng.uniform(20, 900, N),
            "wide": rng.integers(500, 3000, N).astype(float),
            "high": rng.integers(500, 3000, N).astype(float),
            "age": rng.integers(20, 90, N).astype(float),
            "weight": rng.uniform(50, 110, N),
        }
    )
    if zeros:
        table.loc[: N // 4, "parts"] = 0
        table.loc[: N // 4, "part_size"] = np.nan
    ratio = table["parts"] * table["part_size"].fillna(0) / (table["wide"] * table["high"])
    return table.assign(ratio=ratio)


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("digits", [15, 6])
def test_the_identity_of_the_ratio_is_found_in_the_data(*, zeros: bool, digits: int) -> None:
    table = images(zeros=zeros)
    table["ratio"] = [float(f"{value:.{digits}g}") for value in table["ratio"]]
    carriers = find_carriers(table, "ratio", [name for name in table.columns if name != "ratio"])
    assert {"parts", "part_size"} <= set(carriers)
    assert not {"age", "weight"} & set(carriers)


def test_a_second_way_to_compute_the_target_is_found_too() -> None:
    table = images(zeros=False)
    table["whole"] = table["parts"] * table["part_size"]
    carriers = find_carriers(table, "ratio", [name for name in table.columns if name != "ratio"])
    assert {"parts", "part_size", "whole"} <= set(carriers)


def test_a_parent_that_is_0_in_some_rows_is_found() -> None:
    table = images(zeros=False)
    table.loc[:20, "whole"] = 0.0
    table["whole"] = table["whole"].fillna(table["parts"] * table["part_size"])
    table["share"] = table["whole"] / table["weight"]
    assert {"whole", "share"} <= set(find_carriers(table, "weight", ["age", "whole", "share", "parts"]))


def test_a_sum_is_found() -> None:
    table = images(zeros=False)
    table["both"] = table["part_size"] + 2 * table["weight"]
    carriers = find_carriers(table, "both", ["part_size", "weight", "age", "parts"])
    assert set(carriers) == {"part_size", "weight"}


@pytest.mark.parametrize("target", SIZE_FAMILY)
def test_sizes_of_one_mask_are_parents_of_each_other(target: str) -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({name: rng.uniform(1, 2, N) for name in (*SIZE_FAMILY, "mean_centroid_dist", "age")})
    others = [name for name in table.columns if name != target]
    assert set(find_carriers(table, target, others)) == set(SIZE_FAMILY) - {target}


def test_sizes_are_free_for_another_target() -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({name: rng.uniform(1, 2, N) for name in (*SIZE_FAMILY, "age")})
    assert find_carriers(table, "age", SIZE_FAMILY) == {}


@pytest.mark.parametrize(
    ("zero_value", "positive", "reason"),
    [
        (np.nan, (0.0, 1.0), "empty only where the target is 0"),
        (0.0, (0.1, 1.0), "one cut of it tells"),
        (5.0, (0.0, 1.0), "one cut of it tells"),
        (0.5, (0.0, 1.0), None),
    ],
)
def test_a_column_that_tells_where_the_target_is_0(
    zero_value: float, positive: tuple[float, float], reason: str | None
) -> None:
    rng = np.random.default_rng(2)
    table = images()
    column = pd.Series(rng.uniform(*positive, N)).where(table["ratio"] > 0, zero_value)
    found = find_carriers(table.assign(teller=column), "ratio", ["teller", "age"])
    assert (reason in found["teller"]) if reason else "teller" not in found


def test_a_few_gaps_by_chance_tell_nothing() -> None:
    table = images()
    table.loc[:1, "weight"] = np.nan
    assert find_carriers(table, "ratio", ["weight", "age"]) == {}


@pytest.mark.parametrize("turn", [np.sqrt, np.log1p, lambda x: -x, lambda x: 1 / (1 + x)])
def test_the_target_in_another_unit_is_found(turn: object) -> None:
    table = images(zeros=False)
    assert callable(turn)
    table["other"] = turn(table["ratio"].to_numpy())
    assert "other" in find_carriers(table, "ratio", ["other", "age"])


@pytest.mark.parametrize("seed", range(5))
def test_honest_columns_are_left_alone(seed: int) -> None:
    table = images(seed)
    table["risk"] = 2 * table["age"] + np.random.default_rng(seed).normal(0, 1, N)
    assert find_carriers(table, "risk", ["age", "weight", "wide", "high", "parts"]) == {}


def test_one_image_under_two_names_is_told() -> None:
    table = images(zeros=False).assign(
        image=[f"{n}.png" for n in range(N)], patient_id=[f"P{n}" for n in range(N)]
    )
    columns = ["part_size", "weight", "wide"]
    assert repeated_measurements(table, columns, "ratio") == []
    table.loc[5, [*columns, "ratio"]] = table.loc[9, [*columns, "ratio"]]
    assert repeated_measurements(table, columns, "ratio") == [("5.png", "9.png")]
    table.loc[5, "patient_id"] = "P9"
    assert repeated_measurements(table, columns, "ratio") == []
