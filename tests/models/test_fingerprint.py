from __future__ import annotations

import base64
import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cxr.data.image import Gray
from cxr.errors import ModelError
from cxr.models.fingerprint import MAX_BYTES, Fingerprint, hash_pixels

IMAGES = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=6))


def hashes(count: int, seed: int = 0) -> list[bytes]:
    return [hashlib.blake2b(f"{seed}-{n}".encode(), digest_size=16).digest() for n in range(count)]


@given(st.lists(IMAGES, max_size=30))
def test_every_added_image_is_found(images: list[Gray]) -> None:
    fingerprint = Fingerprint.of([hash_pixels(pixels) for pixels in images])
    assert all(fingerprint.contains(pixels) for pixels in images)
    assert fingerprint.images == len({(pixels.shape, pixels.tobytes()) for pixels in images})


@given(st.sets(st.binary(min_size=16, max_size=16)), st.integers(1, 40))
def test_every_added_hash_is_found_whatever_the_size_of_the_filter(added: set[bytes], size: int) -> None:
    fingerprint = Fingerprint.of(added, max_bytes=size)
    assert all(fingerprint.contains_hash(one) for one in added)


@pytest.mark.parametrize("count", [200, 1000, 20_000])
def test_about_one_percent_of_other_images_are_found(count: int) -> None:
    fingerprint = Fingerprint.of(hashes(count))
    others = hashes(20_000, seed=1)
    rate = sum(map(fingerprint.contains_hash, others)) / len(others)
    assert fingerprint.false_positive_rate == pytest.approx(0.01, abs=0.002)
    assert rate == pytest.approx(0.01, abs=0.005)


def test_stated_rate_holds_when_the_filter_is_too_small_for_one_percent() -> None:
    fingerprint = Fingerprint.of(hashes(20_000), max_bytes=8_000)
    others = hashes(5_000, seed=1)
    rate = sum(map(fingerprint.contains_hash, others)) / len(others)
    assert len(fingerprint.bits) == 8_000
    assert rate > 0.1
    assert fingerprint.false_positive_rate == pytest.approx(rate, abs=0.03)


def test_largest_filter_has_150_kilobytes_in_base64_and_one_percent_for_93000_images() -> None:
    assert len(base64.b64encode(bytes(MAX_BYTES))) == 150_000
    assert 8 * MAX_BYTES > 93_000 * 9.6


def test_few_images_have_a_fingerprint_that_finds_hardly_any_other() -> None:
    fingerprint = Fingerprint.of(hashes(10))
    assert fingerprint.false_positive_rate < 1e-6
    assert sum(map(fingerprint.contains_hash, hashes(20_000, seed=1))) <= 2


def test_nothing_is_found_in_the_fingerprint_of_no_image() -> None:
    fingerprint = Fingerprint.of([])
    assert not any(map(fingerprint.contains_hash, hashes(1000)))


@given(IMAGES)
def test_hash_depends_on_pixels_and_shape_but_not_on_the_memory_layout(pixels: Gray) -> None:
    assert hash_pixels(np.asfortranarray(pixels)) == hash_pixels(pixels)
    changed = pixels.copy()
    changed[0, 0] ^= 1
    assert hash_pixels(changed) != hash_pixels(pixels)
    flat = pixels.reshape(1, -1)
    assert (hash_pixels(flat) == hash_pixels(pixels)) == (flat.shape == pixels.shape)


def test_fingerprint_without_bits_is_rejected() -> None:
    with pytest.raises(ModelError, match="fingerprint"):
        Fingerprint(1, 0.01, 7, b"")


def test_module_imports_neither_numpy_nor_torch() -> None:
    program = "import sys, cxr.models.fingerprint; sys.exit({'numpy', 'torch'} & set(sys.modules) != set())"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
