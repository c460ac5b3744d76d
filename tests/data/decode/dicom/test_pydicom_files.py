"""Every image among pydicom's test files is read as pydicom and the standard say, or rejected."""

from __future__ import annotations

import io
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments

from cxr.data.decode.reader import decode_image
from cxr.errors import DecodeError

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = {
    path.relative_to(FOLDER).as_posix(): path
    for path in sorted(FOLDER.rglob("*"))
    if path.is_file() and path.read_bytes()[128:132] == b"DICM"
}

# What gray values are computed from.
RADIOGRAPHS = {
    "JPEG-lossy.dcm": "stated range",
    "JPGExtended.dcm": "stated range",
    "JPEG2000.dcm": "range in use",  # -30 to 245 in 16 bits, and no window
    "JPEGLSNearLossless_08.dcm": "stored",
    "JPEGLSNearLossless_16.dcm": "full range",
    "image_dfl.dcm": "stored",
    "dicomdirtests/77654033/CR1/6154": "window",
    "dicomdirtests/77654033/CR2/6247": "window",
    "dicomdirtests/77654033/CR3/6278": "window",
}

# CT and MR slices are rejected by their class; declared as secondary captures, they test the arithmetic.
SLICES = {
    "693_J2KI.dcm": "range in use",
    "CT_small.dcm": "range in use",
    "J2K_pixelrep_mismatch.dcm": "window",
    **dict.fromkeys(
        (
            f"MR_small{kind}.dcm"
            for kind in ("", "_RLE", "_bigendian", "_expb", "_implicit", "_jp2klossless", "_padded")
        ),
        "window",
    ),
    "MR_small_jpeg_ls_lossless.dcm": "window",
    "dicomdirtests/77654033/CT2/17106": "range in use",
    "dicomdirtests/98892001/CT2N/6293": "range in use",
    "dicomdirtests/98892001/CT2N/6924": "window",
    "dicomdirtests/98892001/CT5N/2062": "window",
    "dicomdirtests/98892003/MR1/15820": "window",
    "dicomdirtests/98892003/MR2/15970": "window",
    "dicomdirtests/98892003/MR700/4467": "range in use",
    "examples_overlay.dcm": "window",
}

REJECTED = {
    "GDCMJ2K_TextGBR.dcm": "in color",
    "SC_*2frame.dcm": "2 frames",
    "SC_*.dcm": "in color",
    "JPEG2000-embedded-sequence-delimiter.dcm": "its codestream 3722445056 x 1024",
    "ExplVR_BigEnd.dcm": "an ultrasound image",
    "examples_ybr_color.dcm": "30 frames",
    "examples_overlay.dcm": "an MR slice",
    "examples_*.dcm": "an ultrasound image",
    "rtdose*.dcm": "a dose distribution",
    "liver*.dcm": "a segmentation",
    "badVR.dcm": "NumberOfFrames is not a number",
    "me*_missing_tsyntax.dcm": "neither MONOCHROME1 nor MONOCHROME2",
    "nested_priv_SQ.dcm": "neither MONOCHROME1 nor MONOCHROME2",
    "*": "not a radiograph; leave it out|without an image|whose header is damaged|2 frames",
}


def relabeled(data: bytes) -> bytes:
    """Declare a CT or MR slice as a secondary capture."""
    for kind in (b"2", b"4"):
        data = data.replace(b"1.2.840.10008.5.1.4.1.1." + kind + b"\0", b"1.2.840.10008.5.1.4.1.1.7\0")
    return data


def stored_values(dataset: Dataset) -> npt.NDArray[np.float64]:
    """Return the values of pydicom; where it lacks a decoder, those of imagecodecs."""
    uid = dataset.file_meta.TransferSyntaxUID
    if uid.name.startswith(("JPEG Extended", "JPEG-LS", "JPEG Lossless")):
        _offsets, *fragments = generate_fragments(dataset.PixelData)
        decode = imagecodecs.jpegls_decode if "LS" in uid.name else imagecodecs.jpeg8_decode
        values = np.asarray(decode(b"".join(fragments)))
        kind = "i" if dataset.PixelRepresentation else "u"
        return np.asarray(values.view(f"{kind}{values.itemsize}"), np.float64)
    return np.asarray(dataset.pixel_array, np.float64)


def by_hand(dataset: Dataset, source: str) -> npt.NDArray[np.float64]:
    """Compute gray values by PS3.3, C.11.1 and C.11.2.1.2."""
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    values = slope * stored_values(dataset) + intercept
    low = -(2 ** (dataset.BitsStored - 1)) if dataset.PixelRepresentation else 0
    ends = {
        "stored": (0, 255),
        "full range": (low, low + 2**dataset.BitsStored - 1),
        "stated range": tuple(dataset.get(f"{end}ImagePixelValue") for end in ("Smallest", "Largest")),
    }
    if source == "window":
        center, width = (_first(dataset[f"Window{keyword}"].value) for keyword in ("Center", "Width"))
        gray = (values - (center - 0.5)) / (width - 1) + 0.5
    elif source == "range in use":
        shown = values[stored_values(dataset) != dataset.get("PixelPaddingValue")]
        gray = (values - shown.min()) / np.ptp(shown)
    else:
        black, white = (slope * end + intercept for end in ends[source])
        gray = (values - black) / (white - black)
    gray = 255 * gray.clip(0, 1)
    return 255 - gray if dataset.PhotometricInterpretation == "MONOCHROME1" else gray


def _first(value: Any) -> float:
    return float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*RADIOGRAPHS, *SLICES])
def test_gray_values_are_those_of_the_standard(name: str) -> None:
    data = relabeled(FILES[name].read_bytes())
    image = decode_image(data)
    dataset = pydicom.dcmread(io.BytesIO(data))
    assert image.gray_from == (RADIOGRAPHS | SLICES)[name]
    padding = stored_values(dataset) == dataset.get("PixelPaddingValue")
    exact = np.where(padding, 0, by_hand(dataset, image.gray_from))
    assert np.abs(image.pixels - exact).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("name", [name for name in FILES if name not in RADIOGRAPHS])
def test_everything_else_is_rejected_with_the_reason(name: str) -> None:
    why = next(why for pattern, why in REJECTED.items() if fnmatch(name, pattern))
    with pytest.raises(DecodeError, match=why):
        decode_image(FILES[name].read_bytes())
