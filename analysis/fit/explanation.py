"""SHAP values of held-out rows: what a prediction is made of, in the target's unit; not what causes it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ...machine.extras import require
from ..records import Family, Floats
from ..table.selection import is_number
from .families import fitted_steps, target_scaling

if TYPE_CHECKING:
    import pandas as pd

KIND = "tree_path_dependent"
"""The kind of SHAP values: features outside a coalition are averaged over the trees' own training rows."""

OTHER = "any other"
"""The level that rare values of a text column share."""


def shap_values(family: Family, model: Any, features: pd.DataFrame) -> tuple[Floats, Floats]:
    """Compute the SHAP values of some rows, one per column of the table, and their base values.

    XGBoost and LightGBM compute them natively: the same tree_path_dependent values as shap's TreeExplainer,
    which fails with some of their releases. The values of a text column's levels are summed.

    Parameters
    ----------
    family : Family
    model : fitted pipeline of `regressors.build_pipeline`
    features : DataFrame of n rows and m columns

    Returns
    -------
    values : ndarray of float64, shape (n, m)
        A row of them and its `base` add up to the prediction; for events, to the log-odds of XGBoost's and
        LightGBM's probability, and to the forest's probability.
    base : ndarray of float64, shape (n,)
    """
    encoder, bare = fitted_steps(model)
    encoded = np.asarray(encoder.transform(features), dtype=np.float64)
    values, base = _encoded_shap_values(family, bare, encoded)
    summed = np.zeros((len(features), features.shape[1]))
    for column, (source, _) in enumerate(encoded_sources(encoder, features)):
        summed[:, source] += values[:, column]
    mean, scale = target_scaling(model)
    return summed * scale, base * scale + mean


def encoded_sources(encoder: Any, features: pd.DataFrame) -> list[tuple[int, str | None]]:
    """Return the source of each encoded column: the table's column by position, and the level of a text."""
    names = list(features.columns)
    numbers = [place for place, name in enumerate(names) if is_number(features[name])]
    texts = [place for place in range(len(names)) if place not in numbers]
    sources: list[tuple[int, str | None]] = [(place, None) for place in numbers]
    if texts:
        levels = encoder.named_transformers_["texts"].named_steps["levels"]
        for place, known, rare in zip(texts, levels.categories_, levels.infrequent_categories_, strict=True):
            frequent = [str(level) for level in known if rare is None or level not in rare]
            sources += [(place, level) for level in (frequent if rare is None else [*frequent, OTHER])]
    return sources


def linear_weights(model: Any, features: pd.DataFrame) -> Floats:
    """Return how much each column of the table counts in a fitted linear baseline.

    Returns
    -------
    ndarray of float64, shape (m,)
        The largest absolute coefficient of its encoded columns, which the baseline scales to deviation 1.
    """
    encoder, bare = fitted_steps(model)
    weights = np.zeros(features.shape[1])
    coefficients = np.abs(np.ravel(bare[-1].coef_))
    for (source, _), weight in zip(encoded_sources(encoder, features), coefficients, strict=True):
        weights[source] = max(weights[source], weight)
    return weights


def spearman_correlations(features: pd.DataFrame, target: str) -> pd.DataFrame:
    """Compute Spearman's correlations of features and target: correlated features share SHAP's credit.

    Parameters
    ----------
    features : DataFrame
        With the target as one column; texts become one column per level.
    target : str
    """
    pandas = require("pandas", extra="analysis")
    encoded: pd.DataFrame = pandas.get_dummies(features.drop(columns=target), dtype=float, prefix_sep=" = ")
    table: pd.DataFrame = encoded.assign(**{target: features[target]}).corr(method="spearman")
    return table


def _encoded_shap_values(family: Family, bare: Any, encoded: Floats) -> tuple[Floats, Floats]:
    if family is Family.RF:
        with warnings.catch_warnings():  # shap registers its color maps in a way that matplotlib deprecates
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            shap = require("shap", extra="analysis")
        explainer = shap.TreeExplainer(bare, feature_perturbation=KIND)
        # A classifier has values for "no" and for "yes"; a regressor has one output.
        base = float(np.ravel(explainer.expected_value)[-1])
        values = np.asarray(explainer.shap_values(encoded))
        return values[..., -1] if values.ndim == 3 else values, np.full(len(encoded), base)
    if family is Family.XGB:
        matrix = require("xgboost", extra="analysis").DMatrix(encoded)
        values_and_base = bare.get_booster().predict(matrix, pred_contribs=True)
    else:
        values_and_base = bare.booster_.predict(encoded, pred_contrib=True)
    values_and_base = np.asarray(values_and_base, dtype=np.float64)
    return values_and_base[:, :-1], values_and_base[:, -1]
