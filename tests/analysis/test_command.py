"""`cxr-analyze`: fast help, one-line errors, a short result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cxr.analysis.command import command


def test_help_imports_no_heavy_package() -> None:
    code = """
import sys
from click.testing import CliRunner
from cxr.analysis.command import command
assert CliRunner().invoke(command, ["--help"]).exit_code == 0
heavy = {"numpy", "pandas", "torch", "sklearn", "matplotlib", "rich", "pyarrow"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_command_prints_a_table_of_scores(features: Path, tmp_path: Path) -> None:
    arguments = [str(features), "--out", str(tmp_path), "--models", "lgb", "--trials", "1", "--folds", "2"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    for text in ("LightGBM", "mean (baseline)", "linear (baseline)", "age 0.0", "left out", "report.html"):
        assert text in done.output
    assert "research use only" in done.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["none.csv"], 1),
        (["{features}", "--target", "nothing"], 1),
        (["{features}", "--features", "nothing"], 1),
        (["{features}", "--clinical", "none.csv"], 1),
        (["{features}", "--folds", "50"], 1),
        (["{features}", "--models", "cat"], 2),
        (["{features}", "--models", ","], 2),
        (["{features}", "--trials", "0"], 2),
        ([], 2),
    ],
)
def test_error_is_one_line_and_writes_nothing(
    features: Path, tmp_path: Path, arguments: list[str], code: int
) -> None:
    filled = [argument.format(features=features) for argument in arguments]
    done = CliRunner().invoke(command, [*filled, "--out", str(tmp_path / "out")])
    assert done.exit_code == code
    assert "Traceback" not in done.output
    if code == 1:
        assert done.output.count("\n") == 1
        assert "error: " in done.output
    assert not (tmp_path / "out").exists()


def test_empty_list_of_features_is_wrong_usage(features: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(features), "--features", "", "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "no column is named" in done.output
    assert not (tmp_path / "out").exists()
