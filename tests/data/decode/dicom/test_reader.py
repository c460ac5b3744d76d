from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom import uid
from pydicom.data import get_testdata_file

from cxr.data.decode.dicom.reader import read_dicom
from cxr.data.decode.formats import is_dicom, recognize
from cxr.data.decode.reader import decode_image
from cxr.data.pseudonym import pseudonym
from cxr.errors import DecodeError, InputError, MissingExtraError

MakeDicom = Callable[..., bytes]

IMAGE = np.random.default_rng(0).integers(0, 256, (30, 41)).astype(np.uint8)
SALT = "a long secret"


def test_png_and_dicom_of_the_same_image_give_the_same_pixels(make_dicom: MakeDicom) -> None:
    for image, depth in ((IMAGE, 8), (IMAGE.astype(np.uint16) * 257, 16)):
        png = decode_image(cv2.imencode(".png", image)[1].tobytes()).pixels
        for photometric, pixels in (("MONOCHROME2", image), ("MONOCHROME1", ~image)):
            data = make_dicom(pixels, PhotometricInterpretation=photometric, BitsStored=depth)
            np.testing.assert_array_equal(read_dicom(data, max_pixels=IMAGE.size).pixels, png)


@pytest.mark.parametrize("name", ["ExplVR_LitEndNoMeta.dcm", "rtstruct.dcm"])
def test_error_names_a_data_set_without_a_preamble(name: str) -> None:
    data = Path(str(get_testdata_file(name, download=False))).read_bytes()
    assert not is_dicom(data)
    with pytest.raises(DecodeError, match="a DICOM data set without the preamble of a file"):
        recognize(data)


def test_dicom_is_recognized_by_its_prefix_even_after_the_start_of_a_tiff() -> None:
    data = Path(str(get_testdata_file("MR_small.dcm", download=False))).read_bytes()
    assert data.startswith(b"II*\0")
    assert is_dicom(data)


def test_pixel_limit_is_set_by_the_caller(make_dicom: MakeDicom) -> None:
    read_dicom(make_dicom(IMAGE), max_pixels=IMAGE.size)
    with pytest.raises(DecodeError, match="41 x 30 pixels, more than the limit of 1,229"):
        read_dicom(make_dicom(IMAGE), max_pixels=IMAGE.size - 1)


def patient(data: bytes, salt: str | bytes | None) -> str | None:
    return read_dicom(data, max_pixels=IMAGE.size, salt=salt).patient_id


def test_patient_is_not_reported_without_a_salt(make_dicom: MakeDicom) -> None:
    assert patient(make_dicom(IMAGE), None) is None


def test_patient_is_reported_by_a_pseudonym_with_a_salt(make_dicom: MakeDicom) -> None:
    data = make_dicom(IMAGE, PatientID=" 4711 ", IssuerOfPatientID="here")
    assert patient(data, SALT) == pseudonym(SALT.encode(), "4711", "here")
    assert patient(data, SALT.encode()) == patient(data, SALT)
    assert patient(make_dicom(IMAGE, PatientID="4711"), SALT) != patient(data, SALT)


@pytest.mark.parametrize("identifier", [None, "", "  "])
def test_patient_without_an_identifier_has_no_pseudonym(
    make_dicom: MakeDicom, identifier: str | None
) -> None:
    assert patient(make_dicom(IMAGE, PatientID=identifier), SALT) is None


def test_pseudonym_does_not_depend_on_the_character_set(make_dicom: MakeDicom) -> None:
    sets = ("ISO_IR 100", "ISO_IR 192")
    found = {
        patient(make_dicom(IMAGE, SpecificCharacterSet=name, PatientID="Müller-7"), SALT) for name in sets
    }
    assert found == {pseudonym(SALT.encode(), "Müller-7", "")}


def test_short_salt_is_an_input_error_not_a_decode_error(make_dicom: MakeDicom) -> None:
    with pytest.raises(InputError, match="can be guessed") as caught:
        patient(make_dicom(IMAGE), "x")
    assert not isinstance(caught.value, DecodeError)


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_no_error_quotes_the_header(make_dicom: MakeDicom) -> None:
    secret = "Doe^Jane"
    for keyword in ("PhotometricInterpretation", "VOILUTFunction", "PresentationLUTShape", "SOPClassUID"):
        data = make_dicom(IMAGE, WindowCenter=9, WindowWidth=9, **{keyword: secret.upper()[:8]})
        try:
            read_dicom(data, max_pixels=IMAGE.size)
        except DecodeError as error:
            assert "DOE" not in str(error)  # noqa: PT017
    broken = make_dicom(IMAGE, NumberOfFrames=1).replace(b"IS\x02\x001 ", b"IS\x02\x00JD")
    with pytest.raises(DecodeError, match="NumberOfFrames is not a number") as caught:
        read_dicom(broken, max_pixels=IMAGE.size)
    assert "JD" not in str(caught.value)


def test_any_other_damage_is_a_one_line_error(make_dicom: MakeDicom) -> None:
    broken = make_dicom(IMAGE).replace(b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00ZZ")
    with pytest.raises(DecodeError, match=r"header is damaged \(\w+\); copy or export it again$"):
        read_dicom(broken, max_pixels=IMAGE.size)


def test_concurrent_threads_read_the_same_pixels(make_dicom: MakeDicom) -> None:
    files = [make_dicom(np.roll(IMAGE, shift), uid.ExplicitVRBigEndian) for shift in range(8)] * 6
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda data: read_dicom(data, max_pixels=IMAGE.size).pixels, files))
    for shift, pixels in enumerate(images):
        np.testing.assert_array_equal(pixels, np.roll(IMAGE, shift % 8))


def test_error_for_missing_pydicom_names_the_extra(
    make_dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_dicom(IMAGE)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingExtraError, match=r'pip install .*\[dicom\]"'):
        read_dicom(data, max_pixels=IMAGE.size)


def test_import_loads_no_pydicom_and_reading_prints_nothing(make_dicom: MakeDicom, tmp_path: Path) -> None:
    odd = {
        "uid.dcm": make_dicom(IMAGE).replace(b"1.2.840.10008.5.1.4.1.1.1.1", b"1.2.840.10008.5.1.4.1.1.1.x"),
        "vr.dcm": Path(str(get_testdata_file("badVR.dcm", download=False))).read_bytes(),
        "cut.dcm": Path(str(get_testdata_file("rtplan_truncated.dcm", download=False))).read_bytes(),
        "j2k.dcm": make_dicom(IMAGE, uid.JPEG2000, b"\xff\x4f\xff\x51" + bytes(60) + b"\xff\xd9"),
    }
    for name, data in odd.items():
        (tmp_path / name).write_bytes(data)
    script = """
import sys, warnings, logging
from pathlib import Path
from cxr.data.decode.dicom.reader import read_dicom
from cxr.errors import DecodeError
assert "pydicom" not in sys.modules and "imagecodecs" not in sys.modules
before = list(warnings.filters)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_dicom(path.read_bytes(), max_pixels=9999)
    except DecodeError:
        pass
assert warnings.filters == before and logging.getLogger("pydicom").level == logging.WARNING
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
