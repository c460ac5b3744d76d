"""The versions of the packages that an analysis uses."""

from __future__ import annotations

import platform

from ..machine.packages import versions

_PACKAGES = ("cxr", "pandas", "scikit-learn", "xgboost", "xgboost-cpu", "lightgbm", "optuna", "shap")


def used_versions() -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed."""
    return {"python": platform.python_version(), **versions(_PACKAGES)}
