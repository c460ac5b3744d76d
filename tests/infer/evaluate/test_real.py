"""The evaluation of real radiographs with two readers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr.infer.evaluate.records import SECOND_READER
from cxr.infer.evaluate.run import evaluate_model

pytestmark = pytest.mark.real


def test_two_human_groups_agree_as_well_as_the_data_set_says(
    cxr_dev: Path, make_model: Callable[..., Path]
) -> None:
    """The masks of two groups, whose Dice is the ceiling of a model; the threshold model is far below."""
    result = evaluate_model(
        make_model(("lung",)),
        cxr_dev,
        classes=["lung"],
        second_readers={"lung": "mask_lung_2"},
        where={"lung_convention": "lung fields with the part behind the heart"},
        fold=0,
        out=None,
        threads=2,
        provider="cpu",
    )
    readers, model = result.metric("lung", "dice", prediction=SECOND_READER), result.metric("lung", "dice")
    assert readers is not None
    assert model is not None
    assert (readers.images, readers.patients) == (12, 8)
    assert readers.interval.value == pytest.approx(0.944, abs=0.001)
    assert model.interval.value < 0.8
    assert all(math.isfinite(one.second.with_first.surface.assd) for one in result.results if one.second)
