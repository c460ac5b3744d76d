from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from cxr.cli import main
from cxr.errors import ExitCode
from cxr.infer.evaluate.command import command
from cxr.infer.evaluate.records import MetricName


@pytest.fixture
def labeled(tmp_path: Path, draw: Callable[..., Path]) -> Path:
    """Five images; the first three show a lesion, which two readers drew."""
    root = tmp_path / "labeled"
    lines = ["image,patient_id,mask_lesion,mask_lesion_2,source,fold"]
    for number in range(5):
        shown = [(10 + number, 10, 12, 12, 250)] if number < 3 else []
        draw(root / f"{number}.png", shown)
        mask = np.zeros((64, 64), np.uint8)
        for row, column, height, width, _ in shown:
            mask[row : row + height, column : column + width] = 255
        cv2.imwrite(str(root / f"mask-{number}.png"), mask)
        lines.append(f"{number}.png,p{number},mask-{number}.png,mask-{number}.png,{number % 2},0")
    (root / "index.csv").write_text("\n".join(lines))
    return root


def test_the_last_line_says_where_the_page_is(model: Path, labeled: Path, tmp_path: Path) -> None:
    copy, out = tmp_path / "copy.onnx", tmp_path / "out"
    arguments = ["evaluate", str(model), str(labeled), "--out", str(out), "--provider", "cpu", "--by=source"]
    options = ["--second-reader", "lesion=mask_lesion_2", "--choose-threshold", str(copy), "--fold", "0"]
    result = CliRunner().invoke(main, [*arguments, *options])
    assert result.exit_code == ExitCode.DONE, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "lesion: 5 images of 5 patients, 3 show it"
    assert any(line.startswith("  Dice, images that show it: ") for line in lines)
    assert any(line.startswith("  model minus mean mask: Dice") for line in lines)
    assert lines[-1].startswith(f"{out}/evaluation.html")
    assert copy.is_file()
    assert json.loads((out / "evaluation.json").read_text())["identity"]["selection"]["fold"] == 0


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--map", "lesion"], "not of the form NAME=VALUE"),
        (["--where", "=x"], "not of the form NAME=VALUE"),
        (["--map", "a=b", "--map", "a=c"], "'a' is given twice"),
    ],
)
def test_wrong_assignments_are_wrong_usage(
    option: list[str], message: str, model: Path, labeled: Path
) -> None:
    result = CliRunner().invoke(main, ["evaluate", str(model), str(labeled), *option])
    assert result.exit_code == ExitCode.USAGE
    assert message in result.stderr


def test_an_error_is_one_line(model: Path, labeled: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", str(model), str(labeled), "--classes", "hart", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == ExitCode.ERROR
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_docs_page_names_the_options_and_metrics_that_there_are() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "evaluate.md").read_text(encoding="utf-8")
    options = {name for option in command.params for name in option.opts}
    named = set(re.findall(r"(--[a-z][a-z-]+)", page))
    assert named <= options
    metrics = re.search(r"\| `metric` \|.*?\n\n", page, re.S)
    assert metrics is not None
    first_cells = "".join(re.findall(r"^\| (.*?) \|", metrics[0], re.M)).replace("`, `_", "`, `lesion_f1_")
    assert {name.value for name in MetricName} <= set(re.findall(r"`([a-z0-9_.]+)`", first_cells))
