from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr.data.datasets.open import open_dataset
from cxr.errors import InputError


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"masks": "voc"}, "masks can be chestx-det, coco, rle, .*; got 'voc'"),
        ({"masks": "coco"}, "masks in the format coco need their file; give --annotations FILE"),
        ({"annotations": ["a.json"]}, r"a\.json: annotations of which format\? give masks"),
        ({"masks": "coco", "annotations": ["gone.json"]}, r"gone\.json: cannot be read \(No such file"),
        ({"masks": "rle", "annotations": ["gone.csv"]}, r"gone\.csv: .*No such file"),
        ({"masks": "chestx-det", "findings": ["Mass"]}, "findings select boxes of the NIH layout only"),
    ],
)
def test_options_that_do_not_fit_are_an_error(
    options: dict[str, Any], why: str, make_folder: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match=why):
        open_dataset(make_folder(), **options)
