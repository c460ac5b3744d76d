"""The rules of the package structure that import-linter cannot check."""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import cxr

ROOT = Path(__file__).resolve().parents[1]
NOT_PACKAGES = {"tests", "benchmarks", "examples", "docs", "build"}
PACKAGES = sorted(path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name not in NOT_PACKAGES)
MODULES = [
    *sorted(ROOT.glob("*.py")),
    *(path for folder in PACKAGES for path in sorted(folder.rglob("*.py"))),
]
MOST_LINES = 400
MOST_MODULES = {"": 4, "infer": 12, "data": 8, "models": 13, "train": 12}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Yield the public functions and classes of a module, and the public methods of those classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    inner
                    for inner in node.body
                    if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_")
                )


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_module_imports_its_own_package_relatively(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        assert not [name for name in names if name.partition(".")[0] == "cxr"], f"line {node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_module_is_documented_and_of_readable_length(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert [node.name for node in _public(tree) if not ast.get_docstring(node)] == []
    assert len(text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize(("folder", "most"), MOST_MODULES.items())
def test_package_holds_few_modules_at_its_own_level(folder: str, most: int) -> None:
    modules = [path for path in (ROOT / folder).glob("*.py") if folder == "" or path.name != "__init__.py"]
    assert len(modules) <= most


@pytest.mark.parametrize("name", cxr.__all__)
def test_public_name_exists_and_is_documented(name: str) -> None:
    assert getattr(cxr, name).__doc__


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = cxr.nonsense


def _loaded_by(script: str) -> set[str]:
    code = f"import sys\n{script}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_of_cxr_loads_no_heavy_module() -> None:
    loaded = {name.partition(".")[0] for name in _loaded_by("import cxr")}
    assert not loaded & {
        "torch",
        "numpy",
        "cv2",
        "numba",
        "pyarrow",
        "onnxruntime",
        "pandas",
        "click",
        "rich",
    }


def test_run_that_writes_csv_tables_loads_no_pyarrow() -> None:
    loaded = _loaded_by("import cxr.infer.folder_run, cxr.infer.outputs.tables, cxr.infer.outputs.report")
    assert "cxr.infer.folder_run" in loaded
    assert not loaded & {"pyarrow", "pandas", "jinja2"}


@pytest.mark.parametrize(
    "script",
    [
        "from cxr import infer_folder, measure, Session",
        "from cxr import analyze_features",
        "from cxr import read_image, open_dataset",
        "from cxr.infer.command import command",
        "from cxr.analysis.command import command",
    ],
)
def test_inference_and_analysis_load_no_torch(script: str) -> None:
    assert not {name.partition(".")[0] for name in _loaded_by(script)} & {"torch", "lightning"}


@pytest.mark.parametrize(
    "path", [path for path in MODULES if ">>> " in path.read_text(encoding="utf-8")], ids=_name
)
def test_examples_in_docstrings_are_true(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(["cxr", *parts]).removesuffix(".__init__")
    assert not doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS).failed
