"""What travels through a run: an item of the folder, then its row or the reason why it has none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Stage(StrEnum):
    """The steps that an image goes through, as `failures.csv` and `run.json` name them."""

    LIST = "list"
    DECODE = "decode"
    PREPARE = "prepare"
    MODEL = "model"
    MEASURE = "measure"
    WRITE = "write"


@dataclass(frozen=True)
class Item:
    """One file of the folder; `key` is its path relative to the folder, with forward slashes."""

    key: str
    path: Path


@dataclass(frozen=True)
class Failure:
    """Something of the folder that gave no row, at which stage, and why."""

    key: str
    stage: Stage
    error: str


@dataclass(frozen=True)
class Row:
    """One image's lines for the tables, as text, ready to append; `masks` only where a table holds them."""

    key: str
    features: str
    lesions: str
    masks: str = ""
