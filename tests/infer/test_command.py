from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cxr.infer import run as run_module
from cxr.infer.command import command
from cxr.machine.extras import install_command

Fill = Callable[[Path, int], Path]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_run_ends_with_a_short_summary(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    result = call(draw_many(tmp_path / "in", 3), "--model", model, "--out", tmp_path / "out", "--masks")
    assert result.exit_code == 0, result.output
    first, second, third = result.stdout.splitlines()
    assert first == "3 images measured, 0 failed"
    assert "images per second on cpu" in second
    assert "features.csv" in third
    assert "masks/" in third


def test_failed_images_give_exit_code_3_and_their_causes_on_every_call(
    model: Path, tmp_path: Path, draw_many: Fill
) -> None:
    folder = draw_many(tmp_path / "in", 3)
    (folder / "x.png").write_bytes(b"")
    for _ in range(2):
        result = call(folder, "--model", model, "--out", tmp_path / "out")
        assert result.exit_code == 3
        assert "3 images measured, 1 failed\n  1 x decode: " in result.stdout
    assert "nothing to do" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--threshold", "0"),
        ("--threshold", "1"),
        ("--batch-size", "0"),
        ("--min-area", "-1"),
        ("--provider", "x"),
    ],
)
def test_wrong_usage_gives_exit_code_2(tmp_path: Path, arguments: tuple[str, str]) -> None:
    assert call(tmp_path, *arguments).exit_code == 2


def test_missing_provider_is_one_line_with_the_pip_command(
    model: Path, tmp_path: Path, draw_many: Fill
) -> None:
    folder = draw_many(tmp_path / "in", 1)
    result = call(folder, "--model", model, "--out", tmp_path / "out", "--provider", "cuda")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert install_command("gpu") in result.stderr
    assert not (tmp_path / "out").exists()


def test_interruption_reports_how_to_resume(
    model: Path, tmp_path: Path, draw_many: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "infer_folder", interrupt)
    result = call(draw_many(tmp_path / "in", 1), "--model", model)
    assert result.exit_code == 130
    assert result.stderr.endswith(
        "interrupted; finished images are kept: run the same command again to resume\n"
    )
    assert "Traceback" not in result.output


def test_results_go_to_the_working_directory_by_default(
    model: Path, tmp_path: Path, draw_many: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes(model.read_bytes())
    draw_many(tmp_path / "in", 2)
    assert call("in").exit_code == 0
    assert (tmp_path / "features.csv").exists()


def test_help_imports_no_heavy_package() -> None:
    program = (
        "import sys\n"
        "from cxr.infer.command import command\n"
        "try:\n    command(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'torch', 'numba', 'pandas', 'pyarrow', 'rich'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"
    assert "--allow-external-data" in done.stdout
