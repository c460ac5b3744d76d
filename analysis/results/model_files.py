"""The files of the final models: parameters, a joblib file, and a format that is safe to load."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...machine.extras import require
from ...machine.files import write_json
from ..fit.crossval import SearchResult
from ..fit.explanation import encoded_sources
from ..fit.families import UNKNOWN, fitted_steps, target_scaling
from ..records import Family

if TYPE_CHECKING:
    import pandas as pd

SAFE_FORMATS = {Family.XGB: "ubj", Family.LGB: "txt", Family.RF: "skops"}
"""Suffix of the format that is safe to load."""


def write_model(folder: Path, final: SearchResult, features: pd.DataFrame) -> None:
    """Write a family's final model: parameters, joblib (as the demo did) and a format that is safe to load.

    The native boosters take encoded columns and predict a scaled target; encoding.json describes both steps.
    """
    family = final.search.family
    write_json(folder / f"{family}_best_params.json", final.best.params)
    require("joblib", extra="analysis").dump(final.model, folder / f"{family}_best_model.joblib")
    _, bare = fitted_steps(final.model)
    # Written by Python: the boosters open no path that is not UTF-8.
    safe = folder / f"{family}_best_model.{SAFE_FORMATS[family]}"
    if family is Family.XGB:
        safe.write_bytes(bare.get_booster().save_raw(SAFE_FORMATS[family]))
    elif family is Family.LGB:
        safe.write_text(bare.booster_.model_to_string(), encoding="utf-8", newline="\n")
    else:
        import_skops().dump(final.model, safe)
    write_json(folder / "encoding.json", encoding(final.model, features))


def encoding(model: Any, features: pd.DataFrame) -> dict[str, Any]:
    """Describe the steps before and after a bare model: its inputs in order, and the target's scale."""
    encoder, _ = fitted_steps(model)
    names = list(features.columns)
    numbers = encoder.named_transformers_.get("numbers")
    medians = [] if numbers is None else list(numbers.statistics_)
    columns: list[dict[str, Any]] = []
    for source, level in encoded_sources(encoder, features):
        step = {"fill": float(medians[len(columns)])} if level is None else {"level": level}
        columns.append({"column": names[source], **step})
    mean, scale = target_scaling(model)
    return {"columns": columns, "empty_text": UNKNOWN, "target": {"mean": mean, "scale": scale}}


def best_hyperparams(finals: Iterable[SearchResult]) -> pd.DataFrame:
    """Tabulate the families' final parameters as the demo did: `model_type`, `mse`, one column each."""
    pandas = require("pandas", extra="analysis")
    rows = [
        {"model_type": str(final.search.family), "mse": final.best.mse, **final.best.params}
        for final in finals
    ]
    table: pd.DataFrame = pandas.DataFrame(rows)
    return table


def import_skops() -> Any:
    """Import skops.io without the torch that it would import."""
    # skops.io imports all of scikit-learn, including its optional adapter of torch, which loads torch if it
    # is installed; beside LightGBM that is two OpenMP runtimes in one process. None in sys.modules makes an
    # import fail.
    blocked = "torch" not in sys.modules
    if blocked:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        return require("skops.io", extra="analysis")
    finally:
        if blocked:
            del sys.modules["torch"]
