"""The code blocks of the documentation run as they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from cxr.cli import main
from cxr.data.datasets.open import open_dataset

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


def test_the_lines_of_finetune_md_list_a_set_that_opens(
    draw: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("p01_1", "p01_2", "p02_1"):
        draw(tmp_path / "my-set" / "images" / f"{name}.png", [(10, 10, 20, 20, 250)])
    for name in ("p01_1", "p02_1"):
        draw(tmp_path / "my-set" / "masks" / f"{name}.png", [(10, 10, 20, 20, 250)])
    (block,) = _python_blocks(DOCS / "finetune.md")
    exec(compile(block, "docs/finetune.md", "exec"), {})
    records = open_dataset(tmp_path / "my-set", classes=("nodule",)).records
    assert [(record.key, record.patient_id) for record in records] == [
        ("images/p01_1.png", "p01"),
        ("images/p02_1.png", "p02"),
    ]


def _command_lines(page: Path) -> list[str]:
    return re.findall(r"^    (cxr[- ].*)$", page.read_text(encoding="utf-8"), flags=re.M)


@pytest.mark.parametrize("line", _command_lines(DOCS / "finetune.md"))
def test_the_commands_of_finetune_md_have_these_options(line: str) -> None:
    name, *arguments = shlex.split(line.replace("cxr-", "cxr ", 1))[1:]
    assert isinstance(main, click.Group)
    command = main.get_command(click.Context(main), name)
    assert command is not None
    command.make_context(name, arguments)
