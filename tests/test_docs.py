"""The code blocks of the documentation run as they stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


def _python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def test_the_lines_of_python_md_run(
    make_model: Callable[..., Path],
    draw: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    make_model(("lung",)).rename("model.onnx")
    draw(tmp_path / "images" / "a.png", [(10, 10, 20, 20, 250)], size=(80, 100))
    draw(tmp_path / "images" / "b.png", [(30, 30, 9, 9, 250)], size=(80, 100))
    (block,) = _python_blocks(DOCS / "python.md")
    exec(compile(block, "docs/python.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == "2 True"
    assert sorted(path.name for path in (tmp_path / "saved" / "a.png").iterdir()) == [
        "components.csv",
        "features.csv",
        "lung.png",
        "overlay.png",
    ]
