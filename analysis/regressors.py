"""The regressors: how each is built, what is tuned, and the plain models they must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..machine.extras import require
from .records import Family
from .selection import MOST_LEVELS, is_number

if TYPE_CHECKING:
    import pandas as pd

Params = Mapping[str, float]
Floats = npt.NDArray[np.float64]

LABELS = {
    Family.XGB: "XGBoost",
    Family.LGB: "LightGBM",
    Family.RF: "random forest",
    "mean": "mean (baseline)",
    "ridge": "linear (baseline)",
}
BASELINES = ("mean", "ridge")
UNKNOWN = "unknown"
_SMALL = 2000
_TREES_TUNING = 50
_TREES_FINAL = 200


@dataclass(frozen=True)
class Range:
    """Where a parameter is searched, both ends included, and the value that is tried first."""

    low: float
    high: float
    first: float
    log: bool = False


# Modest sizes: tables of some hundred images are fitted best by small, slow-learning models.
SPACES: Mapping[Family, Mapping[str, Range]] = {
    Family.XGB: {
        "n_estimators": Range(30, 200, 100),
        "max_depth": Range(1, 6, 3),
        "learning_rate": Range(0.02, 0.3, 0.05, log=True),
        "subsample": Range(0.6, 1.0, 0.8),
        "colsample_bytree": Range(0.6, 1.0, 1.0),
        "min_child_weight": Range(1, 20, 5, log=True),
        "reg_lambda": Range(0.01, 30.0, 1.0, log=True),
    },
    Family.LGB: {
        "n_estimators": Range(30, 200, 100),
        "num_leaves": Range(2, 31, 7, log=True),
        "learning_rate": Range(0.02, 0.3, 0.05, log=True),
        "subsample": Range(0.6, 1.0, 0.8),
        "colsample_bytree": Range(0.6, 1.0, 1.0),
        "min_child_samples": Range(3, 40, 10, log=True),
        "reg_lambda": Range(0.01, 30.0, 1.0, log=True),
    },
    Family.RF: {
        "max_depth": Range(2, 12, 8),
        "min_samples_leaf": Range(1, 20, 5, log=True),
        "max_features": Range(0.3, 1.0, 0.7),
    },
}


def suggest(family: Family, trial: Any) -> dict[str, float]:
    """Let an Optuna trial choose parameters; whole numbers where both ends are written as such."""
    chosen: dict[str, float] = {}
    for name, space in SPACES[family].items():
        whole = isinstance(space.low, int)
        choose = trial.suggest_int if whole else trial.suggest_float
        chosen[name] = choose(name, space.low, space.high, log=space.log)
    return chosen


def first_params(family: Family) -> dict[str, float]:
    """Give the parameters that are tried first."""
    return {name: space.first for name, space in SPACES[family].items()}


def final_params(family: Family, params: Params) -> dict[str, float]:
    """Complete tuned parameters; a forest's number of trees is not tuned, since more never are worse."""
    return {"n_estimators": _TREES_FINAL, **params} if family is Family.RF else dict(params)


def build(family: Family, params: Params, *, seed: int, rows: int) -> Any:
    """Build one regressor, for one thread: on small tables threads cost more than they give.

    Parameters
    ----------
    family : Family
    params : mapping of str to float
    seed : int
    rows : int
        Rows it will be fitted on; XGBoost's exact splits are the quicker ones on few.
    """
    if family is Family.XGB:
        method = "exact" if rows <= _SMALL else "hist"
        return require("xgboost", extra="analysis").XGBRegressor(
            **params, random_state=seed, n_jobs=1, tree_method=method, verbosity=0
        )
    if family is Family.LGB:
        return require("lightgbm", extra="analysis").LGBMRegressor(
            **params,
            random_state=seed,
            n_jobs=1,
            subsample_freq=1,
            deterministic=True,
            force_col_wise=True,
            verbosity=-1,
        )
    forest = require("sklearn.ensemble", extra="analysis").RandomForestRegressor
    return forest(**{"n_estimators": _TREES_TUNING, **params}, random_state=seed, n_jobs=1)


def model_frame(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Take the columns that a model sees: numbers as float64, texts with a level of their own for unknown."""
    numbers = {name: frame[name].astype("float64") for name in columns if is_number(frame[name])}
    texts = {
        name: frame[name].astype("object").where(frame[name].notna(), UNKNOWN).astype(str).astype("object")
        for name in columns
        if name not in numbers
    }
    return frame[list(columns)].assign(**numbers, **texts)


def preprocessor(features: pd.DataFrame) -> Any:
    """Build the encoding of the columns: medians for unknown numbers, one column a level for texts.

    It is fitted inside each training fold.
    """
    compose = require("sklearn.compose", extra="analysis")
    impute = require("sklearn.impute", extra="analysis")
    encode = require("sklearn.preprocessing", extra="analysis")
    numbers = [name for name in features.columns if is_number(features[name])]
    texts = [name for name in features.columns if name not in numbers]
    levels = encode.OneHotEncoder(
        sparse_output=False, handle_unknown="infrequent_if_exist", max_categories=MOST_LEVELS
    )
    steps = [
        ("numbers", impute.SimpleImputer(strategy="median", keep_empty_features=True), numbers),
        ("texts", levels, texts),
    ]
    return compose.ColumnTransformer([step for step in steps if step[2]], sparse_threshold=0)


def regressor(features: pd.DataFrame, model: Any) -> Any:
    """Wrap a model with the encoding of its columns and of its target.

    The target is brought to mean 0 and deviation 1: XGBoost refuses splits whose gain is under 1e-6 in the
    target's own unit, which a ratio of a thousandth never reaches.
    """
    compose = require("sklearn.compose", extra="analysis")
    encode = require("sklearn.preprocessing", extra="analysis")
    pipeline = require("sklearn.pipeline", extra="analysis")
    steps = pipeline.Pipeline([("encode", preprocessor(features)), ("model", model)])
    return compose.TransformedTargetRegressor(steps, transformer=encode.StandardScaler(), check_inverse=False)


def baseline(name: str, features: pd.DataFrame) -> Any:
    """Build one of `BASELINES`."""
    if name == "mean":
        return regressor(features, require("sklearn.dummy", extra="analysis").DummyRegressor())
    linear = require("sklearn.linear_model", extra="analysis").Ridge(alpha=1.0)
    scale = require("sklearn.preprocessing", extra="analysis").StandardScaler()
    pipeline = require("sklearn.pipeline", extra="analysis")
    return regressor(features, pipeline.Pipeline([("scale", scale), ("ridge", linear)]))
