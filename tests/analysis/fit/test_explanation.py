"""SHAP values of each family add up to its predictions; there is one value per column of the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxr.analysis.fit.explanation import OTHER, encoded_sources, shap_values
from cxr.analysis.fit.families import build_model, build_pipeline, feature_frame, first_params
from cxr.analysis.records import Family


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    raw = pd.DataFrame(
        {
            "site": [f"site_{n % 20}" for n in range(120)],
            "age": rng.normal(50, 10, 120),
            "sex": rng.choice(["M", "F", None], 120),
            "noise": rng.normal(0, 1, 120),
        }
    )
    return feature_frame(raw, list(raw.columns))


@pytest.mark.parametrize("family", Family)
def test_shap_values_and_base_add_up_to_the_prediction(family: Family, frame: pd.DataFrame) -> None:
    target = 1e-4 * (frame["age"] + 8 * (frame["sex"] == "M")).to_numpy()
    model = build_pipeline(frame, build_model(family, first_params(family), seed=0, rows=90))
    model.fit(frame.iloc[:90], target[:90])
    values, base = shap_values(family, model, frame.iloc[90:])
    assert values.shape == (30, 4)
    assert np.allclose(values.sum(axis=1) + base, model.predict(frame.iloc[90:]), rtol=1e-5)
    strength = dict(zip(frame.columns, np.abs(values).mean(axis=0), strict=True))
    assert sorted(strength, key=strength.__getitem__)[-2:] == ["sex", "age"]


def test_each_encoded_column_has_its_source_column_and_level(frame: pd.DataFrame) -> None:
    """Numbers come first, then one column per level; levels beyond the first eleven share the last column."""
    model = build_pipeline(frame, build_model(Family.LGB, first_params(Family.LGB), seed=0, rows=120))
    encoder = model.fit(frame, frame["age"].to_numpy()).regressor_.named_steps["encode"]
    sources = encoded_sources(encoder, frame)
    assert len(sources) == encoder.transform(frame).shape[1]
    assert sources[:2] == [(1, None), (3, None)]
    assert [level for place, level in sources if place == 2] == ["F", "M", "unknown"]
    sites = [level for place, level in sources if place == 0]
    assert len(sites) == 12
    assert sites[-1] == OTHER
