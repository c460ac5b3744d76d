"""What the tests of runs share: rectangles to draw, and what a run wrote."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

RECTANGLES = [(8, 8, 4, 5, 250), (40, 40, 10, 10, 250), (20, 0, 8, 64, 120)]
TABLES = ("features.csv", "components.csv", "failures.csv")


@pytest.fixture(scope="session")
def rectangles() -> list[tuple[int, int, int, int, int]]:
    """Two lesions of 20 and 100 pixels, and a lung of 512 pixels (row, column, height, width, gray value)."""
    return RECTANGLES


@pytest.fixture(scope="session")
def read_table() -> Callable[[Path], list[dict[str, str]]]:
    """Return a function that reads the rows of a CSV table."""

    def read(path: Path) -> list[dict[str, str]]:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Return a function that reads the tables and PNG files of an output folder, by relative path."""

    def read(out: Path) -> dict[str, bytes]:
        paths = [*(out / name for name in TABLES), *out.rglob("*.png")]
        return {str(path.relative_to(out)): path.read_bytes() for path in paths}

    return read
