from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cxr.errors import ModelError
from cxr.metrics.overlap import ImageScore
from cxr.train.scores.validation import read_scores, write_scores


def test_scores_are_written_with_guarded_and_quoted_text(tmp_path: Path) -> None:
    scores = [
        ImageScore("a.png", "p", "lesion", 10, 10, 5),
        ImageScore("a\rb.png", "=1+1", "lesion", 0, 3, 0),
    ]
    write_scores(tmp_path / "scores.csv", scores)
    with (tmp_path / "scores.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:3] == ["image", "patient_id", "class"]
    assert rows == [
        ["a.png", "p", "lesion", "10", "10", "5", "0.500000", "0.333333"],
        ["a\rb.png", "'=1+1", "lesion", "0", "3", "0", "", ""],
    ]


def test_scores_are_read_back_unchanged(tmp_path: Path) -> None:
    scores = [ImageScore("a.png", "p", "lesion", 10, 10, 5), ImageScore("b.png", "q", "lesion", 0, 3, 0)]
    write_scores(tmp_path / "scores.csv", scores)
    assert read_scores(tmp_path / "scores.csv") == scores


@pytest.mark.parametrize("text", ["image,class\na.png,lesion\n", "image\n\udcff\n"])
def test_table_that_holds_no_scores_is_rejected(text: str, tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError, match=r"scores\.csv: not a table of scores"):
        read_scores(tmp_path / "scores.csv")
