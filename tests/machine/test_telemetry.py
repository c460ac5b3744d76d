"""No package that `cxr` uses sends telemetry, unless the user turned it on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from cxr.machine import telemetry
from cxr.machine.telemetry import SWITCHES, openvino_without_telemetry, telemetry_cause

VARIABLES = {variable: off for switches in SWITCHES.values() for variable, off in switches.items()}
ORT_FOLDER = "cache/Microsoft/DeveloperTools/.onnxruntime"
OPENVINO_FILE = "intel/openvino_ga_cid"

UPLOAD_DELAY_S = 14
"""ONNX Runtime 1.32 connects about ten seconds after its import."""

Run = Callable[..., Any]

needs_ort_telemetry = pytest.mark.skipif(
    sys.platform != "linux" or Version(version("onnxruntime")) < Version("1.29"),
    reason="this onnxruntime has no telemetry on this system",
)


def assert_no_telemetry(run: Any) -> None:
    """Check a run of `run_in_new_home`."""
    assert [name for name in run.files if name.startswith(("cache/Microsoft", "intel"))] == []
    if run.connections is None:
        pytest.skip("strace is not installed: no telemetry files, but connections were not observed")
    assert run.connections == ()


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=kept | environment, check=True, capture_output=True, text=True)


def test_import_of_cxr_sets_every_variable() -> None:
    code = f"import cxr, os; print(all(os.environ[name] == off for name, off in {VARIABLES}.items()))"
    assert run_python(code).stdout == "True\n"


def test_child_processes_inherit_the_variables() -> None:
    code = (
        "import cxr, subprocess, sys; subprocess.run([sys.executable, '-c', 'import os; print(*os.environ)'])"
    )
    assert set(VARIABLES) <= set(run_python(code).stdout.split())


@pytest.mark.parametrize("variable", VARIABLES)
def test_variable_that_the_user_has_set_keeps_its_value(variable: str) -> None:
    code = f"import cxr, os; print(os.environ['{variable}'])"
    assert run_python(code, **{variable: "as the user set it"}).stdout == "as the user set it\n"


def test_import_after_onnxruntime_warns_with_what_to_do() -> None:
    warned = run_python("import onnxruntime\nimport cxr", CI="true", ORT_RUNNING_UNIT_TESTS="1").stderr
    assert "import cxr first, or set ORT_DISABLE_TELEMETRY=1" in warned
    assert "<string>:2: UserWarning" in warned, "the warning points to the user's line"


@pytest.mark.parametrize("code", ["import cxr\nimport onnxruntime", "import cxr"])
def test_import_before_onnxruntime_does_not_warn(code: str) -> None:
    assert run_python(code).stderr == ""


def test_import_after_onnxruntime_does_not_warn_if_the_user_decided() -> None:
    assert run_python("import onnxruntime\nimport cxr", ORT_DISABLE_TELEMETRY="1").stderr == ""


@pytest.mark.parametrize(
    ("variable", "value", "package", "cause"),
    [
        ("ORT_DISABLE_TELEMETRY", "1", "onnxruntime", None),
        ("ORT_DISABLE_TELEMETRY", "True", "onnxruntime", None),
        ("ORT_DISABLE_TELEMETRY", "0", "onnxruntime", "ORT_DISABLE_TELEMETRY=0"),
        ("ORT_DISABLE_TELEMETRY", "", "onnxruntime", "ORT_DISABLE_TELEMETRY="),
        ("RAY_USAGE_STATS_ENABLED", "0", "ray", None),
        ("RAY_USAGE_STATS_ENABLED", "1", "ray", "RAY_USAGE_STATS_ENABLED=1"),
        ("HF_HUB_DISABLE_TELEMETRY", "0", "huggingface_hub", "HF_HUB_DISABLE_TELEMETRY=0"),
    ],
)
def test_telemetry_that_the_user_turned_on_is_reported_with_its_variable(
    variable: str, value: str, package: str, cause: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, off in VARIABLES.items():
        monkeypatch.setenv(name, off)
    monkeypatch.setenv(variable, value)
    assert telemetry_cause(package) == cause


@pytest.mark.parametrize(("value", "calls"), [("1", 1), ("0", 0)])
def test_events_are_stopped_unless_the_user_turned_telemetry_on(
    value: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    called: list[None] = []
    monkeypatch.setattr(onnxruntime, "disable_telemetry_events", lambda: called.append(None))
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", value)
    telemetry.disable_onnxruntime_events()
    assert len(called) == calls


def test_openvino_telemetry_can_be_imported_again_after_the_block() -> None:
    module = pytest.importorskip("openvino_telemetry", reason="OpenVINO is an extra")
    with openvino_without_telemetry(), pytest.raises(ModuleNotFoundError):
        __import__("openvino_telemetry")
    assert sys.modules["openvino_telemetry"] is module


@needs_ort_telemetry
def test_onnxruntime_alone_leaves_its_folder_and_connects_and_a_session_of_cxr_does_neither(
    run_in_new_home: Run, model: Path
) -> None:
    wait = f"import time; time.sleep({UPLOAD_DELAY_S})"
    alone = f"import onnxruntime; session = onnxruntime.InferenceSession({str(model)!r}); {wait}"
    ours = f"from cxr import Session; session = Session.open({str(model)!r}); {wait}"
    with ThreadPoolExecutor(2) as pool:
        control, run = pool.map(lambda code: run_in_new_home("-c", code), (alone, ours))
    assert f"{ORT_FOLDER}/deviceid" in control.files
    assert control.connections is None or control.connections, "the control must connect"
    assert_no_telemetry(run)


def test_openvino_alone_leaves_its_file_and_connects_and_a_session_of_cxr_does_neither(
    run_in_new_home: Run, model: Path
) -> None:
    pytest.importorskip("openvino_telemetry", reason="OpenVINO is an extra")
    control = run_in_new_home("-c", "import openvino")
    assert OPENVINO_FILE in control.files
    assert control.connections is None or control.connections, "the control must connect"
    code = f"from cxr import Session; Session.open({str(model)!r}, provider='openvino')"
    assert_no_telemetry(run_in_new_home("-c", code))


def test_infer_leaves_no_trace_of_telemetry_and_opens_no_connection(
    run_in_new_home: Run, model: Path, draw_many: Callable[..., Path], tmp_path: Path
) -> None:
    images, out = draw_many(tmp_path / "images", 3), tmp_path / "out"
    arguments = ("infer", str(images), "--model", str(model), "--out", str(out), "--masks")
    assert_no_telemetry(run_in_new_home("-m", "cxr", *arguments))


def test_bench_leaves_no_trace_of_telemetry_and_opens_no_connection(
    run_in_new_home: Run, model: Path, draw_many: Callable[..., Path], tmp_path: Path
) -> None:
    images = draw_many(tmp_path / "images", 2)
    one_setting = (
        "from cxr.infer.bench import compare\n"
        "compare.batch_sizes, compare.usable_cores = lambda _provider: (2,), lambda: 1\n"
        f"compare.bench_models([{str(model)!r}], {str(images)!r}, providers=['cpu'])"
    )
    assert_no_telemetry(run_in_new_home("-c", one_setting))


@pytest.mark.slow
def test_doctor_leaves_no_trace_of_telemetry_and_opens_no_connection(run_in_new_home: Run) -> None:
    assert_no_telemetry(run_in_new_home("-m", "cxr", "doctor"))
