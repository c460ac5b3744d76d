"""The house itself: who may import whom, what the public API loads, what the package holds."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cxr

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "data": set(),
    "models": {"data", "infer"},  # infer: only the command that shows a card, see below
    "infer": {"data", "models"},
    "export": {"data", "models", "infer", "train"},
    "train": {"data", "models"},
    "analysis": {"data"},
}
TORCH = {"torch", "torchvision", "lightning", "torchmetrics", "segmentation_models_pytorch", "timm"}
NO_TORCH = ("data", "infer", "analysis")


def _imports(path: Path) -> set[tuple[int, str]]:
    """Give every import of a module as (level, dotted name)."""
    found: set[tuple[int, str]] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.add((node.level, node.module or ""))
        elif isinstance(node, ast.Import):
            found.update((0, alias.name) for alias in node.names)
    return found


def _modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_arrows_run_one_way(room: str) -> None:
    for path in _modules(room):
        depth = len(path.relative_to(ROOT).parts)
        for level, name in _imports(path):
            assert not (level == 0 and name.split(".")[0] == "cxr"), f"{path}: import rooms relatively"
            if level == depth and name.split(".")[0] in MAY_IMPORT:
                other = name.split(".")[0]
                assert other in MAY_IMPORT[room], f"{path} imports {other}/"
                if (room, other) == ("models", "infer"):
                    assert path.name == "command.py"


@pytest.mark.parametrize("room", NO_TORCH)
def test_torch_is_never_imported_where_it_must_not_be(room: str) -> None:
    for path in _modules(room):
        for level, name in _imports(path):
            assert level or name.split(".")[0] not in TORCH, f"{path} imports {name}"


def test_no_module_grows_past_400_lines() -> None:
    lines = {path: len(path.read_text().splitlines()) for room in MAY_IMPORT for path in _modules(room)}
    assert {path: n for path, n in lines.items() if n > 400} == {}


@pytest.mark.parametrize("name", cxr.__all__)
def test_public_name_is_there(name: str) -> None:
    assert getattr(cxr, name).__doc__


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = cxr.nonsense


def test_import_of_cxr_loads_no_room() -> None:
    script = (
        "import sys, cxr; print([m for m in sys.modules if m.startswith('cxr.') or m in ('torch', 'numpy')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
