"""What `measure` takes, what it refuses, and how it runs: threads, cache, imports."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cxr.errors import InputError
from cxr.infer.features import COMPONENT_DTYPE, measure

RNG = np.random.default_rng(5)
MASK = (RNG.random((90, 150)) < 0.4).astype(np.uint8)
PROBABILITY = RNG.random((90, 150), dtype=np.float32)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(MASK.astype(bool), id="bool"),
        pytest.param(MASK * 255, id="255"),
        pytest.param(MASK * RNG.integers(1, 256, MASK.shape, np.uint8), id="any value"),
        pytest.param(np.asfortranarray(MASK), id="column by column"),
        pytest.param(np.repeat(np.repeat(MASK, 2, 0), 3, 1)[::2, ::3], id="strided"),
        pytest.param(np.pad(MASK, 7, constant_values=1)[7:-7, 7:-7], id="cut out"),
        pytest.param(MASK[::-1, ::-1].copy()[::-1, ::-1], id="backwards"),
        pytest.param(read_only(MASK), id="read only"),
    ],
)
def test_what_is_not_zero_is_foreground_however_it_lies_in_memory(same: npt.NDArray[Any]) -> None:
    np.testing.assert_array_equal(measure(same, PROBABILITY), measure(MASK, PROBABILITY))


@pytest.mark.parametrize(
    "same", [np.asfortranarray(PROBABILITY), read_only(PROBABILITY)], ids=["F", "read only"]
)
def test_a_probability_may_lie_in_memory_in_any_way(same: npt.NDArray[Any]) -> None:
    np.testing.assert_array_equal(measure(MASK, same), measure(MASK, PROBABILITY))


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_a_mask_without_pixels_has_no_components(shape: tuple[int, int]) -> None:
    table = measure(np.zeros(shape, bool), np.zeros(shape, np.float32))
    assert table.shape == (0,)
    assert table.dtype == COMPONENT_DTYPE


def test_the_inputs_are_left_as_they_are() -> None:
    mask, probability = MASK.copy(), PROBABILITY.copy()
    measure(mask, probability, min_area=3, connectivity=4)
    np.testing.assert_array_equal(mask, MASK)
    np.testing.assert_array_equal(probability, PROBABILITY)


def test_without_a_probability_its_mean_and_maximum_are_nan() -> None:
    table = measure(MASK)
    assert np.isnan(table["mean_probability"]).all()
    assert np.isnan(table["max_probability"]).all()


def test_a_nan_in_the_probability_shows_in_its_component_only() -> None:
    mask = np.array([[1, 1, 0, 1]], np.uint8)
    table = measure(mask, np.array([[0.5, np.nan, 0.1, 0.25]], np.float32))
    np.testing.assert_array_equal(table["mean_probability"], [np.nan, 0.25])
    np.testing.assert_array_equal(table["max_probability"], [np.nan, 0.25])


@pytest.mark.parametrize("min_area", [0, 1, 2, 5, 10_000])
def test_small_components_are_left_out_and_the_rest_numbered_anew(min_area: int) -> None:
    every = measure(MASK, PROBABILITY, connectivity=4)
    kept = measure(MASK, PROBABILITY, min_area=min_area, connectivity=4)
    assert kept["label"].tolist() == list(range(1, len(kept) + 1))
    fields = [name for name in COMPONENT_DTYPE.names or () if name != "label"]
    np.testing.assert_array_equal(kept[fields], every[every["area"] >= min_area][fields])


@pytest.mark.parametrize(
    ("mask", "probability", "options", "message"),
    [
        (np.zeros(3, bool), None, {}, "two dimensions"),
        (np.zeros((1, 3, 3), bool), None, {}, "two dimensions"),
        (np.zeros((3, 3), np.int64), None, {}, "int64"),
        (np.zeros((3, 3), np.float32), None, {}, "give mask > 0"),
        (np.zeros((1, 40_001), bool), None, {}, "40000"),
        (np.zeros((3, 3), bool), np.zeros((3, 4), np.float32), {}, r"\(3, 4\)"),
        (np.zeros((3, 3), bool), np.zeros((3, 3)), {}, "float64; give float32"),
        (np.zeros((3, 3), bool), None, {"connectivity": 6}, "must be 4 or 8"),
    ],
)
def test_what_cannot_be_measured_is_one_clear_line(
    mask: npt.NDArray[Any], probability: npt.NDArray[Any] | None, options: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        measure(mask, probability, **options)
    assert "\n" not in str(caught.value)


def test_threads_side_by_side_get_the_same_answer() -> None:
    maps = [np.random.default_rng(seed).random((200, 300), np.float32) for seed in range(40)]
    alone = [measure(values < 0.5, values) for values in maps]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda values: measure(values < 0.5, values), maps))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_the_function_is_still_there_after_it_has_loaded_numba() -> None:
    code = (
        "import sys, numpy; import cxr.infer.features as f; print('numba' in sys.modules);"
        "f.measure(numpy.ones((2, 2), bool)); print(callable(f.measure), 'numba' in sys.modules)"
    )
    assert run_python(code).split() == ["False", "True", "True"]


def test_a_second_process_takes_the_machine_code_from_the_cache(tmp_path: Path) -> None:
    code = (
        "import numpy as n; from cxr.infer.features.moments import centroids as c;"
        "c(n.ones((1, 5), n.int32), n.ones((1, 2), n.int64), n.empty((1, 2)));"
        "print(sum(c.stats.cache_hits.values()), sum(c.stats.cache_misses.values()))"
    )
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)) == "0 1"
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)) == "1 0"
