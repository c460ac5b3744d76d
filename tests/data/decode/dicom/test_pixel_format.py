from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom import uid

from cxr.data.decode.dicom.reader import read_dicom
from cxr.errors import DecodeError

MakeDicom = Callable[..., bytes]
IMAGE = np.arange(12, dtype=np.uint8).reshape(3, 4)


@pytest.mark.parametrize(
    "kind",
    [
        uid.ComputedRadiographyImageStorage,
        uid.DigitalXRayImageStorageForPresentation,
        uid.SecondaryCaptureImageStorage,
        uid.XRayRadiofluoroscopicImageStorage,
        uid.UID("1.2.826.0.1.3680043.2.9999.1"),
    ],
)
def test_gray_image_is_accepted_whatever_its_sop_class(make_dicom: MakeDicom, kind: str) -> None:
    data = make_dicom(IMAGE, SOPClassUID=kind)
    np.testing.assert_array_equal(read_dicom(data, max_pixels=12).pixels, IMAGE)


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    "elements",
    [
        {"SOPClassUID": uid.DigitalXRayImageStorageForProcessing},
        {"SOPClassUID": uid.DigitalMammographyXRayImageStorageForProcessing},
        {"SOPClassUID": uid.DigitalIntraOralXRayImageStorageForProcessing},
        {"PresentationIntentType": "FOR PROCESSING"},
        {"PresentationIntentType": "for processing "},
    ],
)
def test_raw_detector_data_are_rejected(make_dicom: MakeDicom, elements: dict[str, str]) -> None:
    with pytest.raises(DecodeError, match="for processing, not for presentation; export the image for"):
        read_dicom(make_dicom(IMAGE, **elements), max_pixels=12)


def test_image_for_presentation_is_accepted(make_dicom: MakeDicom) -> None:
    data = make_dicom(IMAGE, PresentationIntentType="FOR PRESENTATION")
    np.testing.assert_array_equal(read_dicom(data, max_pixels=12).pixels, IMAGE)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (uid.CTImageStorage, "a CT slice"),
        (uid.MRImageStorage, "an MR slice"),
        (uid.PositronEmissionTomographyImageStorage, "a PET slice"),
        (uid.NuclearMedicineImageStorage, "a nuclear medicine image"),
        (uid.UltrasoundImageStorage, "an ultrasound image"),
        (uid.SegmentationStorage, "a segmentation"),
        (uid.RTDoseStorage, "a dose distribution"),
    ],
)
def test_error_names_an_image_that_is_not_a_radiograph(make_dicom: MakeDicom, kind: str, name: str) -> None:
    with pytest.raises(DecodeError, match=f"{name}, not a radiograph; leave it out"):
        read_dicom(make_dicom(IMAGE, SOPClassUID=kind), max_pixels=12)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (uid.BasicTextSRStorage, "Basic Text SR Storage"),
        (uid.EncapsulatedPDFStorage, "Encapsulated PDF Storage"),
        (uid.GrayscaleSoftcopyPresentationStateStorage, "Grayscale Softcopy Presentation State Storage"),
        (uid.MediaStorageDirectoryStorage, "Media Storage Directory Storage"),
    ],
)
def test_error_names_the_class_of_an_object_without_an_image(
    make_dicom: MakeDicom, kind: str, name: str
) -> None:
    with pytest.raises(DecodeError, match=f"without an image \\({name}\\)"):
        read_dicom(make_dicom(IMAGE, SOPClassUID=kind, PixelData=None), max_pixels=12)


@pytest.mark.parametrize(
    ("elements", "why"),
    [
        ({"NumberOfFrames": 2}, "2 frames; save each frame as a separate file"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0}, "in color"),
        ({"PhotometricInterpretation": "YBR_FULL_422", "SamplesPerPixel": 3}, "in color"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "in color"),
        ({"SamplesPerPixel": 3}, "in color"),
        ({"PhotometricInterpretation": None}, "neither MONOCHROME1 nor MONOCHROME2"),
        ({"PixelData": None, "FloatPixelData": bytes(48)}, "floating-point pixels"),
        ({"Rows": None}, "without Rows"),
        ({"Rows": 0}, "4 x 0 pixels"),
        ({"Rows": 60000, "Columns": 60000}, "60000 x 60000 pixels, more than the limit of 12"),
        ({"BitsAllocated": None}, "without BitsAllocated"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "32 of 32 bits"),
        ({"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11}, "12 of 12 bits"),
        ({"BitsStored": 9}, "9 of 8 bits"),
        ({"BitsStored": 0, "HighBit": 7}, "0 of 8 bits"),
        ({"BitsStored": 6, "HighBit": 7}, "HighBit"),
    ],
)
def test_anything_but_one_gray_image_is_rejected_with_the_cause(
    make_dicom: MakeDicom, elements: dict[str, Any], why: str
) -> None:
    with pytest.raises(DecodeError, match=why):
        read_dicom(make_dicom(IMAGE, **elements), max_pixels=12)


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    "elements",
    [
        {"PhotometricInterpretation": "monochrome1"},
        {"PhotometricInterpretation": " Monochrome1 "},
        {"PresentationLUTShape": "inverse"},
        {"PresentationLUTShape": " Inverse "},
    ],
)
def test_case_and_blanks_of_code_strings_are_ignored(make_dicom: MakeDicom, elements: dict[str, str]) -> None:
    np.testing.assert_array_equal(
        read_dicom(make_dicom(IMAGE, **elements), max_pixels=12).pixels, 255 - IMAGE
    )


@pytest.mark.parametrize("frames", [None, "", 0, 1])
def test_number_of_frames_may_be_missing_for_one_frame(make_dicom: MakeDicom, frames: object) -> None:
    data = make_dicom(IMAGE, NumberOfFrames=frames)
    np.testing.assert_array_equal(read_dicom(data, max_pixels=12).pixels, IMAGE)
