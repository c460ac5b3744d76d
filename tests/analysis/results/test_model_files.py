"""The files of the final models."""

from __future__ import annotations

import json

import joblib
import numpy as np
import pandas as pd

from cxr.analysis.fit.families import feature_frame
from cxr.analysis.records import AnalysisSummary
from cxr.analysis.results.model_files import import_skops


def test_safe_formats_predict_the_same_as_the_joblib_files(analyzed: AnalysisSummary) -> None:
    """encoding.json describes the input of the native files; no pickle needs to be loaded."""
    import lightgbm
    import xgboost

    skops = import_skops()
    table = pd.read_csv(analyzed.out / "features_and_target.csv")
    inputs = feature_frame(table, analyzed.selection.features)
    encoding = json.loads((analyzed.out / "encoding.json").read_text())
    encoded = np.column_stack(
        [
            table[c["column"]].fillna(c["fill"]) if "fill" in c else table[c["column"]] == c["level"]
            for c in encoding["columns"]
        ]
    ).astype(float)
    matrix = xgboost.DMatrix(encoded)
    booster = xgboost.Booster(model_file=analyzed.out / "xgb_best_model.ubj")
    forest = analyzed.out / "rf_best_model.skops"
    trusted = ["numpy.dtype", "sklearn.tree._tree.Tree"]
    assert skops.get_untrusted_types(file=forest) == trusted
    found = {
        "xgb": booster.predict(matrix),
        "lgb": lightgbm.Booster(model_file=analyzed.out / "lgb_best_model.txt").predict(encoded),
    }
    for family, scaled in found.items():
        expected = joblib.load(analyzed.out / f"{family}_best_model.joblib").predict(inputs)
        assert np.allclose(
            scaled * encoding["target"]["scale"] + encoding["target"]["mean"], expected, atol=1e-6
        )
    expected = joblib.load(analyzed.out / "rf_best_model.joblib").predict(inputs)
    assert np.array_equal(skops.load(forest, trusted=trusted).predict(inputs), expected)
