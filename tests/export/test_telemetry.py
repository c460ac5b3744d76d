"""Exporting a model sends no telemetry; tests/machine/test_telemetry.py has the control without `cxr`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="fp32"),
        pytest.param(("--int8", "--max-dice-drop", "1"), id="int8", marks=pytest.mark.slow),
    ],
)
def test_export_leaves_no_trace_of_telemetry_and_opens_no_connection(
    options: tuple[str, ...], run_folder: Path, run_in_new_home: Callable[..., Any], tmp_path: Path
) -> None:
    model = tmp_path / "model.onnx"
    run = run_in_new_home("-m", "cxr", "export", str(model), "--run", str(run_folder), *options)
    assert model.exists()
    assert [name for name in run.files if name.startswith(("cache/Microsoft", "intel"))] == []
    if run.connections is None:
        pytest.skip("strace is not installed: no telemetry files, but connections were not observed")
    assert run.connections == ()
