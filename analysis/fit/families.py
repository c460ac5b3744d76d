"""The models: how each is built, which hyperparameters are tuned, and the baselines to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...machine.extras import require
from ..records import Family, Floats, Task
from ..table.selection import MOST_LEVELS, is_number

if TYPE_CHECKING:
    import pandas as pd

Params = Mapping[str, float]

LABELS = {
    Family.XGB: "XGBoost",
    Family.LGB: "LightGBM",
    Family.RF: "random forest",
    "mean": "mean (baseline)",
    "ridge": "linear (baseline)",
    "prevalence": "prevalence (baseline)",
    "logistic": "logistic (baseline)",
}
BASELINES = {Task.REGRESSION: ("mean", "ridge"), Task.CLASSIFICATION: ("prevalence", "logistic")}
UNKNOWN = "unknown"
_EXACT_ROWS = 2000
_TREES_TUNING = 50
_TREES_FINAL = 200


@dataclass(frozen=True)
class Range:
    """The search range of a hyperparameter, both ends included, and the value that is tried first."""

    low: float
    high: float
    first: float
    log: bool = False


# Small ranges: tables of a few hundred images are fitted best by small models with a low learning rate.
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


# The weight of a row of an event is p (1 - p), at most 1/4, not 1.
_EVENT_SPACES: Mapping[Family, Mapping[str, Range]] = {
    Family.XGB: {"min_child_weight": Range(0.1, 5.0, 0.5, log=True)},
    Family.LGB: {},
    Family.RF: {},
}


def space_of(family: Family, task: Task) -> Mapping[str, Range]:
    """Return the search ranges of a family."""
    return {**SPACES[family], **(_EVENT_SPACES[family] if task is Task.CLASSIFICATION else {})}


def suggest_params(family: Family, trial: Any, task: Task = Task.REGRESSION) -> dict[str, float]:
    """Let an Optuna trial choose the parameters; those whose range is written in integers are integers."""
    chosen: dict[str, float] = {}
    for name, space in space_of(family, task).items():
        whole = isinstance(space.low, int)
        choose = trial.suggest_int if whole else trial.suggest_float
        chosen[name] = choose(name, space.low, space.high, log=space.log)
    return chosen


def first_params(family: Family, task: Task = Task.REGRESSION) -> dict[str, float]:
    """Return the parameters that are tried first."""
    return {name: space.first for name, space in space_of(family, task).items()}


def final_params(family: Family, params: Params) -> dict[str, float]:
    """Complete tuned parameters; a forest's number of trees is not tuned, since more are never worse."""
    return {"n_estimators": _TREES_FINAL, **params} if family is Family.RF else dict(params)


def build_model(family: Family, params: Params, *, seed: int, rows: int, task: Task = Task.REGRESSION) -> Any:
    """Build one regressor or classifier that uses one thread: on small tables more threads are slower.

    Parameters
    ----------
    family : Family
    params : mapping of str to float
    seed : int
    rows : int
        Number of training rows; on few of them XGBoost's exact splits are faster than its histograms.
    """
    kind = "Classifier" if task is Task.CLASSIFICATION else "Regressor"
    if family is Family.XGB:
        method = "exact" if rows <= _EXACT_ROWS else "hist"
        return getattr(require("xgboost", extra="analysis"), f"XGB{kind}")(
            **params, random_state=seed, n_jobs=1, tree_method=method, verbosity=0
        )
    if family is Family.LGB:
        return getattr(require("lightgbm", extra="analysis"), f"LGBM{kind}")(
            **params,
            random_state=seed,
            n_jobs=1,
            subsample_freq=1,
            deterministic=True,
            force_col_wise=True,
            verbosity=-1,
        )
    forest = getattr(require("sklearn.ensemble", extra="analysis"), f"RandomForest{kind}")
    return forest(**{"n_estimators": _TREES_TUNING, **params}, random_state=seed, n_jobs=1)


def feature_frame(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Select the columns that a model uses: numbers as float64; texts with a level "unknown" for gaps."""
    numbers = {name: frame[name].astype("float64") for name in columns if is_number(frame[name])}
    texts = {
        name: frame[name].astype("object").where(frame[name].notna(), UNKNOWN).astype(str).astype("object")
        for name in columns
        if name not in numbers
    }
    return frame[list(columns)].assign(**numbers, **texts)


def build_encoder(features: pd.DataFrame) -> Any:
    """Build the encoding of the columns: medians for missing numbers, one column per level for texts.

    It is fitted inside each training fold.
    """
    compose = require("sklearn.compose", extra="analysis")
    impute = require("sklearn.impute", extra="analysis")
    encode = require("sklearn.preprocessing", extra="analysis")
    numbers = [name for name in features.columns if is_number(features[name])]
    texts = [name for name in features.columns if name not in numbers]
    pipeline = require("sklearn.pipeline", extra="analysis")
    one_hot = encode.OneHotEncoder(
        sparse_output=False, handle_unknown="infrequent_if_exist", max_categories=MOST_LEVELS
    )
    # Gaps are filled here too, so that a model that is loaded takes the tables that the analysis wrote.
    filled = impute.SimpleImputer(strategy="constant", fill_value=UNKNOWN)
    levels = pipeline.Pipeline([("gaps", filled), ("levels", one_hot)])
    steps = [
        ("numbers", impute.SimpleImputer(strategy="median", keep_empty_features=True), numbers),
        ("texts", levels, texts),
    ]
    return compose.ColumnTransformer([step for step in steps if step[2]], sparse_threshold=0)


def build_pipeline(features: pd.DataFrame, model: Any, task: Task = Task.REGRESSION) -> Any:
    """Wrap a model with the encoding of its columns and, for numbers, of its target.

    The target is scaled to mean 0 and standard deviation 1: XGBoost makes no split whose gain is below 1e-6
    in the target's own unit, a gain that a ratio near 0.001 never reaches.
    """
    compose = require("sklearn.compose", extra="analysis")
    encode = require("sklearn.preprocessing", extra="analysis")
    pipeline = require("sklearn.pipeline", extra="analysis")
    steps = pipeline.Pipeline([("encode", build_encoder(features)), ("model", model)])
    if task is Task.CLASSIFICATION:
        return steps
    # XGBoost predicts in single precision, in which a target far from 0 (a date, a count) loses its digits.
    precise = encode.FunctionTransformer(inverse_func=np.float64)
    scaling = pipeline.Pipeline([("scale", encode.StandardScaler()), ("precise", precise)])
    return compose.TransformedTargetRegressor(steps, transformer=scaling, check_inverse=False)


def predicted(model: Any, features: pd.DataFrame | Floats) -> Floats:
    """Predict the target, or the probability of the event."""
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(features)[:, 1], dtype=np.float64)
    return np.asarray(model.predict(features), dtype=np.float64)


def fitted_steps(model: Any) -> tuple[Any, Any]:
    """Return the encoder and the bare model of a fitted pipeline."""
    steps = getattr(model, "regressor_", model).named_steps
    return steps["encode"], steps["model"]


def target_scaling(model: Any) -> tuple[float, float]:
    """Return the mean and the standard deviation of the target's scaling; 0 and 1 for events."""
    if not hasattr(model, "transformer_"):
        return 0.0, 1.0
    scaler = model.transformer_.named_steps["scale"]
    return float(scaler.mean_[0]), float(scaler.scale_[0])


def build_baseline(name: str, features: pd.DataFrame) -> Any:
    """Build one of `BASELINES`."""
    dummy = require("sklearn.dummy", extra="analysis")
    if name == "mean":
        return build_pipeline(features, dummy.DummyRegressor())
    if name == "prevalence":
        return build_pipeline(features, dummy.DummyClassifier(strategy="prior"), Task.CLASSIFICATION)
    linear = require("sklearn.linear_model", extra="analysis")
    scale = require("sklearn.preprocessing", extra="analysis").StandardScaler()
    pipeline = require("sklearn.pipeline", extra="analysis")
    if name == "logistic":
        steps = pipeline.Pipeline([("scale", scale), ("logistic", linear.LogisticRegression(max_iter=1000))])
        return build_pipeline(features, steps, Task.CLASSIFICATION)
    return build_pipeline(features, pipeline.Pipeline([("scale", scale), ("ridge", linear.Ridge(alpha=1.0))]))
