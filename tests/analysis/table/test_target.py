"""The target where none is named: the lesion ratio, else the first class that is not a lung."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxr.analysis.run import analyze_features
from cxr.analysis.table.target import default_target


@pytest.mark.parametrize(
    ("columns", "classes", "lungs", "expected"),
    [
        (("lung_ratio", "lesion_ratio"), ("lung", "lesion"), ("lung",), "lesion_ratio"),
        (("lung_ratio", "heart_ratio"), ("lung", "heart"), ("lung",), "heart_ratio"),
        (("left_ratio", "heart_ratio"), ("left", "heart"), ("left", "right"), "heart_ratio"),
        (("lung_ratio", "left_lung_ratio"), ("lung",), ("lung",), "lung_ratio"),
        (("left_lung_ratio", "left_lung_count", "lung_ratio", "lung_count"), (), ("lung",), "lung_ratio"),
        (("lung_ratio", "lung_count", "heart_ratio", "heart_count"), (), ("lung",), "heart_ratio"),
        (("age",), (), ("lung",), "lesion_ratio"),
    ],
)
def test_default_target(
    columns: tuple[str, ...], classes: tuple[str, ...], lungs: tuple[str, ...], expected: str
) -> None:
    assert default_target(columns, classes, lungs) == expected


def test_table_of_a_lungs_only_model_is_analyzed_without_options(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = {"image": [f"{n}.png" for n in range(40)], "lung_ratio": rng.uniform(0.2, 0.4, 40)}
    pd.DataFrame({**table, "age": rng.integers(20, 90, 40)}).to_csv(tmp_path / "features.csv", index=False)
    (tmp_path / "run.json").write_text(json.dumps({"model": {"classes": ["lung"]}, "lung_classes": ["lung"]}))
    summary = analyze_features(
        tmp_path / "features.csv", out=tmp_path / "out", models=("lgb",), trials=1, folds=2
    )
    assert summary.target == "lung_ratio"
