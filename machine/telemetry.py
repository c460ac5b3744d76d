"""Turn off the telemetry of the packages that `cxr` uses, before any of them is imported.

ONNX Runtime (on Windows always, elsewhere from 1.29) writes a device identifier and a database to the user's
cache folder when it is imported, and connects to Microsoft. OpenVINO connects to Google Analytics when it is
imported. Ray does so when a cluster starts. huggingface_hub, with which timm downloads weights, sends
telemetry for packages that ask it to. PyTorch, Lightning, Optuna, XGBoost, LightGBM, SHAP, skops, onnx,
numba and pydicom contain no telemetry.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

SWITCHES = {
    "onnxruntime": {"ORT_DISABLE_TELEMETRY": "1"},
    "huggingface_hub": {"HF_HUB_DISABLE_TELEMETRY": "1"},
    "ray": {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_USAGE_DISABLED": "1"},
}
"""The environment variables that turn telemetry off, by package. Child processes inherit them."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_OPENVINO_TELEMETRY = "openvino_telemetry"
_import_lock = Lock()


def disable_telemetry() -> None:
    """Set the variables of `SWITCHES`; one that the user has set keeps its value.

    Warns if onnxruntime was imported before, since it reads its variable only then.
    """
    too_late = "onnxruntime" in sys.modules and "ORT_DISABLE_TELEMETRY" not in os.environ
    for switches in SWITCHES.values():
        for variable, value in switches.items():
            os.environ.setdefault(variable, value)
    if too_late:
        disable_onnxruntime_events()
        warnings.warn(
            "onnxruntime was imported before cxr and may have sent telemetry to Microsoft; "
            "import cxr first, or set ORT_DISABLE_TELEMETRY=1 in the environment",
            stacklevel=3,
        )


def disable_onnxruntime_events() -> None:
    """Stop the events of an imported onnxruntime, which on Windows do not depend on the variable."""
    runtime = sys.modules.get("onnxruntime")
    if runtime is not None and telemetry_cause("onnxruntime") is None:
        runtime.disable_telemetry_events()


@contextmanager
def openvino_without_telemetry() -> Iterator[None]:
    """Import OpenVINO within this block: it does without the package that sends its telemetry.

    OpenVINO has no variable for this; it works without `openvino_telemetry`, whose ImportError it
    catches. After the block other packages can import `openvino_telemetry` again.
    """
    with _import_lock:
        imported = sys.modules.pop(_OPENVINO_TELEMETRY, None)
        sys.modules[_OPENVINO_TELEMETRY] = None  # type: ignore[assignment]
        try:
            yield
        finally:
            del sys.modules[_OPENVINO_TELEMETRY]
            if imported is not None:
                sys.modules[_OPENVINO_TELEMETRY] = imported


def telemetry_cause(package: str) -> str | None:
    """Return the user's variable that leaves a package's telemetry on, such as "ORT_DISABLE_TELEMETRY=0".

    Parameters
    ----------
    package : str
        A key of `SWITCHES`.

    Returns
    -------
    str or None
        None if telemetry is off.
    """
    for variable, off in SWITCHES[package].items():
        value = os.environ.get(variable, "")
        if (value.lower() in _TRUE) != (off in _TRUE):
            return f"{variable}={value}"
    return None
