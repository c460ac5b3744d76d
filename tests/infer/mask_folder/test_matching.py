"""Which image a mask belongs to."""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.errors import InputError
from cxr.infer.mask_folder.matching import group_masks, match_images
from cxr.infer.mask_folder.records import MaskFile
from cxr.infer.outputs.distinct_names import check_distinct_names
from cxr.infer.outputs.png_files import png_name
from cxr.infer.records import ImageFile

NAMES = st.lists(
    st.sampled_from(["a", "b"]), min_size=1, max_size=2
).map("/".join)  # fmt: skip
SUFFIXES = st.sampled_from(["", ".png", ".PNG", ".jpg", ".tif", ".dcm", ".seg.dcm", ".5"])
KEYS = st.sets(
    st.builds("{}{}{}".format, NAMES, SUFFIXES, SUFFIXES), min_size=1, max_size=8
)  # fmt: skip


def masks(*names: str) -> list[MaskFile]:
    return [MaskFile(ImageFile(f"lung/{name}", Path(name)), name, "lung") for name in names]


def images(*keys: str) -> list[ImageFile]:
    return [ImageFile(key, Path(key)) for key in keys]


def is_writable(keys: set[str]) -> bool:
    try:
        check_distinct_names(Path(gettempdir()), keys, png_name)
    except InputError:
        return False
    return True


@given(KEYS.filter(is_writable))
def test_image_is_found_by_every_name_that_a_run_gives_its_masks(keys: set[str]) -> None:
    for name_of in (png_name, "{}.seg.dcm".format):
        names = {name_of(key): key for key in keys}
        matched = match_images(masks(*names), images(*sorted(keys)))
        assert {image.masks[0].name: image.key for image in matched.images} == names
        assert (matched.failures, matched.without_mask) == ((), ())


@pytest.mark.parametrize(
    ("mask", "keys", "expected"),
    [
        ("a.png", ["a.png", "a.jpg"], "a.png"),
        ("a.jpg.png", ["a.png", "a.jpg"], "a.jpg"),
        ("a.png", ["a.jpg", "b.jpg"], "a.jpg"),
        ("a.tif", ["a.dcm"], "a.dcm"),
        ("a.png", ["a", "a.jpg"], "a"),
        ("1.2.840.5.png", ["1.2.840.5", "1.2.840.6"], "1.2.840.5"),
        ("sub/a.png", ["a.png", "sub/a.jpg"], "sub/a.jpg"),
        ("a.seg.dcm", ["a.dcm"], "a.dcm"),
        ("a.dcm", ["a.dcm"], "a.dcm"),
    ],
)
def test_mask_belongs_to(mask: str, keys: list[str], expected: str) -> None:
    (image,) = match_images(masks(mask), images(*keys)).images
    assert image.key == expected


def test_mask_that_may_belong_to_two_images_fails() -> None:
    matched = match_images(masks("a.png", "b.png"), images("a.jpg", "a.tif", "b.png"))
    assert [image.key for image in matched.images] == ["b.png"]
    (failure,) = matched.failures
    assert failure.key == "lung/a.png"
    assert failure.error.startswith("belongs to one of a.jpg, a.tif")


def test_mask_without_an_image_fails_and_images_without_a_mask_are_listed() -> None:
    matched = match_images(masks("a.png", "sub/b.png"), images("a.png", "b.png", "c.png"))
    assert [failure.key for failure in matched.failures] == ["lung/sub/b.png"]
    assert matched.without_mask == ("b.png", "c.png")


def test_masks_stand_for_their_images_if_there_are_none() -> None:
    matched = group_masks(masks("b.png", "a.dcm.seg.dcm", "b.png"))
    assert [(image.key, len(image.masks)) for image in matched.images] == [("a.dcm", 1), ("b.png", 2)]
    assert matched.without_mask is None
