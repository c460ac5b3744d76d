"""SHAP values of held-out rows: how a prediction is made up, in the target's unit; not what causes it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..machine.extras import require
from .records import Family
from .regressors import Floats
from .selection import is_number

if TYPE_CHECKING:
    import pandas as pd

KIND = "tree_path_dependent"
"""Which SHAP values these are: unknown features are averaged over the trees' own training rows."""

OTHER = "any other"
"""The level that rare texts share."""


def contributions(family: Family, model: Any, features: pd.DataFrame) -> tuple[Floats, Floats]:
    """Give the SHAP values of some rows, one a column of the table, and the value they start from.

    XGBoost and LightGBM compute them natively, the same tree_path_dependent values as shap's
    TreeExplainer, which breaks on some of their releases. The values of a text column's levels are summed.

    Parameters
    ----------
    family : Family
    model : fitted regressor of `models.regressor`
    features : DataFrame of n rows and m columns

    Returns
    -------
    values : ndarray of float64, shape (n, m)
        With `base` they add up to the prediction.
    base : ndarray of float64, shape (n,)
    """
    encoder, bare = model.regressor_.named_steps["encode"], model.regressor_.named_steps["model"]
    encoded = np.asarray(encoder.transform(features), dtype=np.float64)
    values, base = _encoded_contributions(family, bare, encoded)
    summed = np.zeros((len(features), features.shape[1]))
    for column, (place, _) in enumerate(encoded_sources(encoder, features)):
        summed[:, place] += values[:, column]
    scale, mean = float(model.transformer_.scale_[0]), float(model.transformer_.mean_[0])
    return summed * scale, base * scale + mean


def encoded_sources(encoder: Any, features: pd.DataFrame) -> list[tuple[int, str | None]]:
    """Tell for each encoded column the place of the table's column it comes from, and its level if a text."""
    names = list(features.columns)
    numbers = [place for place, name in enumerate(names) if is_number(features[name])]
    texts = [place for place in range(len(names)) if place not in numbers]
    sources: list[tuple[int, str | None]] = [(place, None) for place in numbers]
    if texts:
        levels = encoder.named_transformers_["texts"]
        for place, known, rare in zip(texts, levels.categories_, levels.infrequent_categories_, strict=True):
            own = [str(level) for level in known if rare is None or level not in rare]
            sources += [(place, level) for level in (own if rare is None else [*own, OTHER])]
    return sources


def correlations(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    """Give Spearman's correlations of features and target: features that go together share SHAP's credit."""
    pandas = require("pandas", extra="analysis")
    encoded: pd.DataFrame = pandas.get_dummies(frame.drop(columns=target), dtype=float, prefix_sep=" = ")
    table: pd.DataFrame = encoded.assign(**{target: frame[target]}).corr(method="spearman")
    return table


def _encoded_contributions(family: Family, bare: Any, encoded: Floats) -> tuple[Floats, Floats]:
    if family is Family.RF:
        with warnings.catch_warnings():  # shap sets its color maps in a way that matplotlib gives up
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            shap = require("shap", extra="analysis")
        explainer = shap.TreeExplainer(bare, feature_perturbation=KIND)
        start = float(np.ravel(explainer.expected_value)[0])
        return np.asarray(explainer.shap_values(encoded)), np.full(len(encoded), start)
    if family is Family.XGB:
        matrix = require("xgboost", extra="analysis").DMatrix(encoded)
        both = np.asarray(bare.get_booster().predict(matrix, pred_contribs=True), dtype=np.float64)
    else:
        both = np.asarray(bare.booster_.predict(encoded, pred_contrib=True), dtype=np.float64)
    return both[:, :-1], both[:, -1]
