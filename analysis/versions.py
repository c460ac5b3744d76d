"""The versions of what computed an analysis."""

from __future__ import annotations

import platform

from ..machine.packages import versions

_PACKAGES = ("cxr", "pandas", "scikit-learn", "xgboost", "lightgbm", "optuna", "shap")


def used_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that computed the results."""
    return {"python": platform.python_version(), **versions(_PACKAGES)}
