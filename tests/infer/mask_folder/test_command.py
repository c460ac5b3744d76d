"""`cxr measure` as it is typed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from cxr.cli import main

Draw = Callable[..., Path]
DrawMask = Callable[..., Path]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["measure", *map(str, arguments)])


def test_last_line_counts_rows_failures_and_images_without_a_mask(
    tmp_path: Path, draw: Draw, draw_mask: DrawMask
) -> None:
    for name in ("a.png", "b.png"):
        draw(tmp_path / "images" / name, size=(32, 40))
    draw_mask(tmp_path / "masks_lung" / "a.png")
    result = call(tmp_path / "masks_lung", "--images", tmp_path / "images", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"{tmp_path / 'out'}: features.csv, components.csv, failures.csv, run.json",
        "1 images measured, 0 failed, 1 images without a mask",
    ]


def test_failed_masks_give_exit_code_3_and_their_causes(tmp_path: Path, draw_mask: DrawMask) -> None:
    draw_mask(tmp_path / "masks_lung" / "a.png")
    (tmp_path / "masks_lung" / "b.png").write_bytes(b"")
    result = call(tmp_path / "masks_lung", "--out", tmp_path / "out")
    assert result.exit_code == 3
    first, *_, last = result.stdout.splitlines()
    assert first.startswith("  1 x decode: this mask cannot be read: the file is empty")
    assert last == "1 images measured, 1 failed"


def test_error_is_one_line(tmp_path: Path, draw_mask: DrawMask) -> None:
    draw_mask(tmp_path / "masks" / "a.png")
    result = call(tmp_path / "masks", "--out", tmp_path / "out")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "--class NAME" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--values", "1"),
        ("--values", "lung=1"),
        ("--values", "1=lung,1=lesion"),
        ("--values", "1="),
        ("--values", "1=lung", "--class", "lung"),
        ("--min-area", "-1"),
        ("--format", "xlsx"),
    ],
)
def test_wrong_usage_gives_exit_code_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert call(tmp_path, *arguments).exit_code == 2


def test_label_images_are_measured_by_their_values(tmp_path: Path) -> None:
    labels = np.zeros((8, 8), np.uint8)
    labels[:4], labels[0, 0] = 1, 2
    (tmp_path / "reader").mkdir()
    cv2.imwrite(str(tmp_path / "reader" / "a.png"), labels)
    result = call(tmp_path / "reader", "--values", "1=lung, 2=lesion", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    header, row = (tmp_path / "out" / "features.csv").read_text().splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    assert (values["lung_total_area"], values["lesion_total_area"]) == ("31", "1")


def test_results_go_to_the_working_directory_by_default(
    tmp_path: Path, draw_mask: DrawMask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_mask(tmp_path / "masks_lung" / "a.png")
    assert call("masks_lung").exit_code == 0
    assert (tmp_path / "features.csv").exists()


def test_help_imports_no_heavy_package() -> None:
    program = (
        "import sys\n"
        "from cxr.cli import main\n"
        "try:\n    main(['measure', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'torch', 'numba', 'pandas', 'pyarrow', 'rich', 'pydicom'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "--images" in done.stdout
    assert done.stdout.splitlines()[-1] == "heavy: []"
