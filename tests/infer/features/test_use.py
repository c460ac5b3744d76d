"""What `measure` accepts and rejects, and how it runs: threads, cache, imports."""

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
from PIL import Image

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
        pytest.param(np.asfortranarray(MASK), id="column-major"),
        pytest.param(np.repeat(np.repeat(MASK, 2, 0), 3, 1)[::2, ::3], id="strided"),
        pytest.param(np.pad(MASK, 7, constant_values=1)[7:-7, 7:-7], id="cut out"),
        pytest.param(MASK[::-1, ::-1].copy()[::-1, ::-1], id="backwards"),
        pytest.param(read_only(MASK), id="read only"),
        pytest.param(MASK.astype(np.int8) * -1, id="int8"),
        pytest.param(MASK.astype(np.int64) * 256, id="int64"),
        pytest.param(MASK.astype(">u2"), id="big-endian uint16"),
        pytest.param(MASK.tolist(), id="lists"),
        pytest.param(MASK.astype(bool).tolist(), id="lists of bool"),
        pytest.param(Image.fromarray(MASK * 255), id="PIL image of 8 bits"),
        pytest.param(Image.fromarray(MASK * 255).convert("1"), id="PIL image of 1 bit"),
    ],
)
def test_nonzero_is_foreground_in_any_memory_layout_and_integer_type(same: Any) -> None:
    np.testing.assert_array_equal(measure(same, PROBABILITY), measure(MASK, PROBABILITY))


@pytest.mark.parametrize(
    "same", [np.asfortranarray(PROBABILITY), read_only(PROBABILITY)], ids=["F", "read only"]
)
def test_probability_map_may_have_any_memory_layout(same: npt.NDArray[Any]) -> None:
    np.testing.assert_array_equal(measure(MASK, same), measure(MASK, PROBABILITY))


def test_masks_and_probability_maps_may_be_memory_maps(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", MASK)
    np.save(tmp_path / "probability.npy", PROBABILITY)
    mask = np.load(tmp_path / "mask.npy", mmap_mode="r")
    probability = np.load(tmp_path / "probability.npy", mmap_mode="r")
    np.testing.assert_array_equal(measure(mask, probability), measure(MASK, PROBABILITY))


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_mask_without_pixels_has_no_components(shape: tuple[int, int]) -> None:
    components = measure(np.zeros(shape, bool), np.zeros(shape, np.float32))
    assert components.shape == (0,)
    assert components.dtype == COMPONENT_DTYPE


def test_inputs_are_not_modified() -> None:
    mask, probability = MASK.copy(), PROBABILITY.copy()
    measure(mask, probability, min_area=3, connectivity=4)
    np.testing.assert_array_equal(mask, MASK)
    np.testing.assert_array_equal(probability, PROBABILITY)


def test_without_a_probability_map_its_mean_and_maximum_are_nan() -> None:
    components = measure(MASK)
    assert np.isnan(components["mean_probability"]).all()
    assert np.isnan(components["max_probability"]).all()


def test_nan_in_the_probability_map_affects_only_its_component() -> None:
    mask = np.array([[1, 1, 0, 1]], np.uint8)
    components = measure(mask, np.array([[0.5, np.nan, 0.1, 0.25]], np.float32))
    np.testing.assert_array_equal(components["mean_probability"], [np.nan, 0.25])
    np.testing.assert_array_equal(components["max_probability"], [np.nan, 0.25])


@pytest.mark.parametrize("min_area", [0, 1, 2, 5, 10_000])
def test_small_components_are_left_out_and_the_rest_renumbered(min_area: int) -> None:
    all_components = measure(MASK, PROBABILITY, connectivity=4)
    kept = measure(MASK, PROBABILITY, min_area=min_area, connectivity=4)
    assert kept["label"].tolist() == list(range(1, len(kept) + 1))
    fields = [name for name in COMPONENT_DTYPE.names or () if name != "label"]
    np.testing.assert_array_equal(kept[fields], all_components[all_components["area"] >= min_area][fields])


@pytest.mark.parametrize(
    ("mask", "probability", "options", "message"),
    [
        (np.zeros(3, bool), None, {}, "two dimensions"),
        (np.zeros((1, 3, 3), bool), None, {}, "two dimensions"),
        (np.zeros((3, 3), np.float32), None, {}, "float32: give mask > 0"),
        ([[0.5, 1.0]], None, {}, "float64: give mask > 0"),
        ([[True, False], [True]], None, {}, "must be a 2-D array"),
        ([["lesion"]], None, {}, "<U6"),
        (Image.new("RGB", (3, 3)), None, {}, r"\(3, 3, 3\)"),
        (np.zeros((1, 40_001), bool), None, {}, "40000"),
        (np.zeros((3, 3), bool), np.zeros((3, 4), np.float32), {}, r"\(3, 4\)"),
        (np.zeros((3, 3), bool), np.zeros((3, 3)), {}, "float64; give float32"),
        (np.zeros((3, 3), bool), None, {"connectivity": 6}, "must be 4 or 8"),
    ],
)
def test_unusable_input_is_rejected_in_one_line(
    mask: Any, probability: npt.NDArray[Any] | None, options: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        measure(mask, probability, **options)
    assert "\n" not in str(caught.value)


def test_concurrent_threads_get_the_same_result() -> None:
    maps = [np.random.default_rng(seed).random((200, 300), np.float32) for seed in range(40)]
    sequential = [measure(values < 0.5, values) for values in maps]
    with ThreadPoolExecutor(4) as pool:
        concurrent = list(pool.map(lambda values: measure(values < 0.5, values), maps))
    for one, other in zip(sequential, concurrent, strict=True):
        np.testing.assert_array_equal(one, other)


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_measure_loads_numba_on_its_first_call_and_stays_a_function() -> None:
    code = (
        "import sys, numpy; import cxr.infer.features as f; print('numba' in sys.modules);"
        "f.measure(numpy.ones((2, 2), bool)); print(callable(f.measure), 'numba' in sys.modules)"
    )
    assert run_python(code).split() == ["False", "True", "True"]


def test_second_process_loads_the_machine_code_from_the_cache(tmp_path: Path) -> None:
    code = (
        "import numpy; from cxr.infer.features.runs import pack_rows;"
        "pack_rows(numpy.ones(6, numpy.uint8), 2, 3); stats = pack_rows.stats;"
        "print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))"
    )
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)) == "0 1"
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)) == "1 0"
