"""`cxr doctor` on this machine, and on one where much is broken."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from cxr.cli import main
from cxr.errors import ProviderError
from cxr.infer.doctor.checks import (
    CheckResult,
    check_cache,
    check_extra,
    check_kernels,
    check_provider,
    check_telemetry,
)
from cxr.infer.doctor.command import _result_lines
from cxr.infer.doctor.diagnosis import Diagnosis, diagnose
from cxr.infer.runtime.providers import PROVIDERS
from cxr.machine.extras import install_command
from cxr.machine.packages import distributions_of

HAS_CUDA = "CUDAExecutionProvider" in import_module("onnxruntime").get_available_providers()

Install = Callable[..., None]


@pytest.fixture
def broken_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return a function that shadows a module in processes started by the test."""
    folder = tmp_path / "broken"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def write(name: str, code: str) -> None:
        (folder / f"{name}.py").write_text(code)

    return write


def test_working_machine_is_reported_within_80_columns_with_exit_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = CliRunner().invoke(main, ["doctor"])
    assert ran.exit_code == 0, ran.output
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("cxr ")
    assert any(line.startswith("  ok  cpu") for line in lines[lines.index("providers") :])
    assert "  ok  numpy, cv2, numba, pyarrow" in lines
    assert lines[-1] == "cxr-infer can run here"
    assert all(len(line) <= 80 for line in lines if " " in line.strip()), "only a long path may be longer"


@pytest.mark.skipif(HAS_CUDA, reason="CUDA works here")
def test_required_provider_that_does_not_work_is_exit_1_with_one_json_document() -> None:
    code = (
        "import sys\n"
        "from cxr.cli import main\n"
        "try: main(['doctor', '--json', '--provider', 'cpu', '--provider', 'cuda'])\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'onnxruntime', 'openvino', 'numba', 'cv2'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "LOADED []\n", "what may be broken is imported only in other processes"
    report = json.loads(done.stdout)
    (fault,) = report["faults"]
    assert fault.startswith("cuda: ")
    assert install_command("gpu") in fault
    works = {row["name"]: row["works"] for row in report["providers"]}
    assert list(works) == list(PROVIDERS)
    assert (works["cpu"], works["cuda"]) == (True, False)
    assert report["machine"]["cores"] >= 1
    assert {"cxr", "numpy", "onnxruntime"} <= set(report["versions"])
    assert {"isal", "pydicom"} <= {row["name"] for row in report["decoders"]}
    assert {row["name"]: row["works"] for row in report["telemetry"]} == dict.fromkeys(
        ("onnxruntime", "huggingface_hub", "ray", "openvino"), True
    )


@pytest.fixture
def broken(
    install: Install,
    broken_module: Callable[[str, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Diagnosis:
    """Diagnose a machine with overlapping wheels, a crash, a missing library, a GPU and an unusable cache."""
    install("onnxruntime-gpu", "1.24.0", module="onnxruntime")
    install("opencv-python", "5.0", module="cv2")
    install("numpy", "1.26.4")
    broken_module("cv2", "raise ImportError('libGL.so.1: cannot open shared object file')")
    broken_module("onnxruntime", "import os; os.kill(os.getpid(), 9)")
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho 'NVIDIA L4, 580.1'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(smi.parent), prepend=":")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    return diagnose(["openvino"])


def test_every_fault_of_a_broken_machine_is_reported_with_what_to_do(broken: Diagnosis) -> None:
    wheels, old, opencv, cpu, *_ = broken.faults
    assert wheels == (
        "onnxruntime and onnxruntime-gpu are installed together and have overwritten each other's files; "
        'run: pip uninstall -y onnxruntime onnxruntime-gpu && pip install "onnxruntime-gpu[cuda,cudnn]"'
    )
    assert 'cxr needs numpy>=2.2 (not 1.26.4); run: pip install "numpy>=2.2"' in old
    assert opencv == (
        "cv2 cannot be imported: ImportError: libGL.so.1: cannot open shared object file; "
        "run: pip install --force-reinstall --no-deps opencv-python-headless"
    )
    assert cpu == "cpu: it crashes (SIGKILL)"
    overlap, card, cache = broken.warnings
    assert "opencv-python and opencv-python-headless are installed together" in overlap
    assert card == "NVIDIA L4, 580.1 is not used: cuda: it crashes (SIGKILL)"
    assert "set XDG_CACHE_HOME" in cache
    assert broken.machine.cards == ("NVIDIA L4, 580.1",)


def test_unknown_provider_is_rejected_with_the_known_names() -> None:
    with pytest.raises(ProviderError, match="choose from cpu, openvino, cuda"):
        diagnose(["tpu"])


def test_runtime_whose_files_are_missing_is_reported_with_the_command_that_reinstalls_them(
    broken_module: Callable[[str, str], None],
) -> None:
    """Removing one of two overlapping wheels leaves the metadata of the other without its files."""
    (wheel,) = distributions_of("onnxruntime")
    broken_module("onnxruntime", "")
    found = check_provider("cpu")
    assert not found.works
    assert "has no attribute" in found.detail
    assert found.detail.endswith(f"; run: pip install --force-reinstall --no-deps {wheel}")


def test_unwritable_kernel_cache_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert check_kernels().works
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    found = check_kernels()
    assert not found.works
    assert "set NUMBA_CACHE_DIR" in found.detail


def test_writable_cache_is_reported_with_its_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert check_cache() == CheckResult("benchmarks and engines", True, str(tmp_path / "cxr"))


def test_extra_that_would_install_a_second_runtime_is_reported_with_the_removal_of_the_first(
    install: Install,
) -> None:
    install("onnxruntime", "1.24.0", module="onnxruntime")
    install(
        "cxr",
        "9",
        extras=["fast"],
        requires=['onnxruntime-fast>=1; extra == "fast"', 'click; extra == "fast"'],
    )
    assert check_extra("fast") == CheckResult(
        "fast",
        False,
        f"needs onnxruntime-fast>=1; run: pip uninstall -y onnxruntime && {install_command('fast')}",
    )


def test_consecutive_equal_results_share_a_line() -> None:
    results = [
        CheckResult("a", True),
        CheckResult("b", True),
        CheckResult("c", False, "missing"),
        CheckResult("d", True, "2.0"),
    ]
    assert list(_result_lines(results)) == ["  ok  a, b", "  no  c: missing", "  ok  d: 2.0"]


def test_telemetry_that_the_user_turned_on_is_reported_with_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    onnxruntime, *others = check_telemetry()
    assert onnxruntime == CheckResult("onnxruntime", False, "on, because ORT_DISABLE_TELEMETRY=0 is set")
    assert {result.detail for result in others} == {"off"}
