from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cxr.errors import InputError, ModelError, OutputError
from cxr.infer.outputs.dicom_seg import CONCEPTS, LOCAL_SCHEME, check_card, concepts_of, write_segmentation
from cxr.models.card import ModelCard

pytest.importorskip("highdicom", reason='needs pip install "cxr[dicom]"')

import highdicom
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

Mask = npt.NDArray[np.uint8]
MakeCard = Callable[..., ModelCard]

SHAPE = (37, 53)  # pixels of a frame are no whole number of bytes
HASH = "0123456789abcdef" * 4
REQUIRED = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]

FULL: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientName": "Doe^Jane",
    "PatientID": "4711",
    "PatientBirthDate": "19500203",
    "PatientSex": "F",
    "PatientAge": "073Y",
    "AccessionNumber": "A1",
    "StudyID": "S1",
    "StudyDate": "20230405",
    "StudyTime": "101112",
    "StudyDescription": "Chest",
    "AcquisitionDate": "20230405",
    "AcquisitionTime": "101530.25",
    "ReferringPhysicianName": "House^Gregory",
    "Manufacturer": "Tube & Sons",
    "FrameOfReferenceUID": "1.2.3.9",
    "PatientOrientation": ["L", "F"],
    "ImagerPixelSpacing": [0.2, 0.2],
}


def make_source(
    path: Path, *, syntax: str = ExplicitVRLittleEndian, without: str = "", **values: Any
) -> Path:
    """Write an image; its header has what an image must name, and `values`."""
    image = Dataset()
    image.SOPClassUID = DigitalXRayImageStorageForPresentation
    image.SOPInstanceUID, image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3.4.5", "1.2.3", "1.2.3.4"
    image.Modality = "DX"
    image.Rows, image.Columns = SHAPE
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.PixelData = bytes(SHAPE[0] * SHAPE[1] + 1)
    image["PixelData"].VR = "OW"
    for keyword, value in values.items():
        setattr(image, keyword, value)
    image.pop(without, None)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    image.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    image.save_as(path, enforce_file_format=True)
    return path


def make_masks(seed: int = 0) -> dict[str, Mask]:
    """Give a lesion that lies in a lung, both ragged."""
    rng = np.random.default_rng(seed)
    lung = (rng.random(SHAPE) > 0.3).astype(np.uint8)
    return {"lesion": lung & (rng.random(SHAPE) > 0.5).astype(np.uint8), "lung": lung}


@pytest.fixture
def card(card_of: MakeCard) -> ModelCard:
    return card_of()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path / "image.dcm", **FULL)


@pytest.fixture
def write(tmp_path: Path, card: ModelCard) -> Callable[..., Path]:
    """Give a function that writes the object of a source and says where."""

    def write_it(source: Path, masks: dict[str, Mask] | None = None, name: str = "out.dcm") -> Path:
        path = tmp_path / "masks" / name
        write_segmentation(path, source, make_masks() if masks is None else masks, card, model_hash=HASH)
        return path

    return write_it


def test_the_pixels_that_pydicom_reads_are_the_masks(source: Path, write: Callable[..., Path]) -> None:
    masks = make_masks()
    written = dcmread(write(source, masks))
    assert (written.SegmentationType, written.NumberOfFrames, written.SegmentsOverlap) == ("BINARY", 2, "YES")
    np.testing.assert_array_equal(written.pixel_array, np.stack(list(masks.values())))


def test_each_frame_is_of_its_class_and_lies_on_the_source(source: Path, write: Callable[..., Path]) -> None:
    masks = make_masks()
    read = highdicom.seg.segread(write(source, masks))
    for number, name in enumerate(masks, 1):
        assert read.get_segment_description(number).segment_label == name
        found = read.get_pixels_by_source_instance(["1.2.3.4.5"], segment_numbers=[number])
        np.testing.assert_array_equal(found[0, :, :, 0], masks[name])
    [derived] = read.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence
    assert derived.SourceImageSequence[0].SpatialLocationsPreserved == "YES"


def test_segments_say_what_they_show_in_codes_and_which_model_found_it(
    source: Path, write: Callable[..., Path]
) -> None:
    lesion, lung = dcmread(write(source)).SegmentSequence
    assert code_of(lesion.SegmentedPropertyTypeCodeSequence) == ("52988006", "SCT", "Lesion")
    assert code_of(lesion.SegmentedPropertyCategoryCodeSequence)[0] == "49755003"
    assert code_of(lung.SegmentedPropertyTypeCodeSequence) == ("39607008", "SCT", "Lung")
    assert code_of(lung.SegmentedPropertyCategoryCodeSequence)[0] == "91723000"
    for segment in (lesion, lung):
        assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == ("AUTOMATIC", "bright spots")
        [algorithm] = segment.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("bright spots", HASH)
        assert code_of(algorithm.AlgorithmFamilyCodeSequence)[2] == "Artificial Intelligence"


def code_of(sequence: list[Dataset]) -> tuple[str, str, str]:
    [item] = sequence
    return item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning


@pytest.mark.parametrize("name", [*CONCEPTS, "something else"])
def test_every_code_is_in_the_dictionary_of_the_standard(name: str) -> None:
    for concept in concepts_of(name):
        if concept.scheme != LOCAL_SCHEME:
            keyword = "".join(word.capitalize() for word in concept.meaning.split())
            known = getattr(getattr(codes, concept.scheme), keyword)
            assert (known.value, known.meaning) == (concept.code, concept.meaning)


def test_a_class_without_a_standard_code_is_its_own_code_in_a_private_scheme(
    source: Path, write: Callable[..., Path]
) -> None:
    masks = dict.fromkeys(["drain", "a name of more than sixteen"], make_masks()["lung"])
    short, long = dcmread(write(source, masks)).SegmentSequence
    assert code_of(short.SegmentedPropertyTypeCodeSequence) == ("drain", "99CXR", "drain")
    assert long.SegmentedPropertyTypeCodeSequence[0].LongCodeValue == "a name of more than sixteen"


def test_the_object_belongs_to_the_study_and_patient_of_its_source(
    source: Path, write: Callable[..., Path]
) -> None:
    image, written = dcmread(source), dcmread(write(source))
    for keyword in ("FrameOfReferenceUID", "StudyInstanceUID", "PatientOrientation", *list(FULL)[1:11]):
        assert written[keyword].value == image[keyword].value, keyword
    assert written.SeriesInstanceUID != image.SeriesInstanceUID
    [series] = written.ReferencedSeriesSequence
    [image] = series.ReferencedInstanceSequence
    assert series.SeriesInstanceUID == image.SeriesInstanceUID
    assert image.ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert image.ReferencedSOPClassUID == image.SOPClassUID


def test_the_object_says_that_it_is_for_research(source: Path, write: Callable[..., Path]) -> None:
    written = dcmread(write(source))
    assert (written.Modality, written.ContentQualification) == ("SEG", "RESEARCH")
    assert "research use only" in written.SeriesDescription
    assert written.ContentDescription == "research use only; not for diagnosis"


def test_the_content_has_the_moment_of_the_source(source: Path, write: Callable[..., Path]) -> None:
    written = dcmread(write(source))
    assert (written.ContentDate, written.ContentTime) == ("20230405", "101530.25")


def test_a_source_without_any_date_gives_the_date_that_stands_for_unknown(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    written = dcmread(write(make_source(tmp_path / "image.dcm")))
    assert (written.ContentDate, written.ContentTime) == ("19000101", "000000")


def test_written_again_it_is_the_same_file(source: Path, write: Callable[..., Path]) -> None:
    assert write(source).read_bytes() == write(source, name="again.dcm").read_bytes()


def test_other_masks_another_source_and_another_model_are_other_objects(
    tmp_path: Path, source: Path, card: ModelCard, write: Callable[..., Path]
) -> None:
    other_source = make_source(tmp_path / "other.dcm", **{**FULL, "SOPInstanceUID": "1.2.3.4.6"})
    other_model = tmp_path / "model.dcm"
    write_segmentation(other_model, source, make_masks(), card, model_hash=HASH[::-1])
    paths = [write(source), write(source, make_masks(1), "a"), write(other_source, name="b"), other_model]
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert len({str(dcmread(path)[keyword].value) for path in paths}) == len(paths)


@pytest.mark.parametrize("empty", [["lesion"], ["lesion", "lung"]])
def test_a_class_that_was_not_found_has_a_segment_and_a_frame_without_a_pixel(
    empty: list[str], source: Path, write: Callable[..., Path]
) -> None:
    masks = make_masks() | {name: np.zeros(SHAPE, np.uint8) for name in empty}
    written = dcmread(write(source, masks))
    assert [segment.SegmentLabel for segment in written.SegmentSequence] == ["lesion", "lung"]
    assert written.NumberOfFrames == 2
    np.testing.assert_array_equal(written.pixel_array, np.stack(list(masks.values())))


def test_one_class_is_one_frame(source: Path, write: Callable[..., Path]) -> None:
    lesion = make_masks()["lesion"]
    written = dcmread(write(source, {"lesion": lesion}))
    np.testing.assert_array_equal(written.pixel_array, lesion)


@pytest.mark.parametrize(
    ("charset", "patient"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 192", "李^明"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_a_name_in_any_script_is_carried_over(
    charset: str | list[str], patient: str, tmp_path: Path, write: Callable[..., Path]
) -> None:
    values = {"SpecificCharacterSet": charset, "PatientName": patient, "StudyDescription": ""}
    written = dcmread(write(make_source(tmp_path / "image.dcm", **values)))
    assert written.SpecificCharacterSet == "ISO_IR 192"
    assert str(written.PatientName) == patient


def test_text_inside_a_sequence_is_carried_over(tmp_path: Path, write: Callable[..., Path]) -> None:
    other = Dataset()
    other.PatientID, other.TypeOfPatientID, other.IssuerOfPatientID = "7", "TEXT", "Zürich"
    image = make_source(tmp_path / "image.dcm", **FULL, OtherPatientIDsSequence=[other])
    [carried] = dcmread(write(image)).OtherPatientIDsSequence
    assert carried.IssuerOfPatientID == "Zürich"


def test_what_a_source_does_not_say_is_there_and_empty(tmp_path: Path, write: Callable[..., Path]) -> None:
    written = dcmread(write(make_source(tmp_path / "image.dcm")))
    demanded = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID")
    for keyword in (*demanded, "ReferringPhysicianName", "PatientOrientation", "ContentCreatorName"):
        assert not written[keyword].value


def test_a_patient_is_never_printed(
    tmp_path: Path,
    write: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    caplog.set_level(logging.DEBUG)
    write(make_source(tmp_path / "image.dcm", PatientName="Name Without Caret"))
    told = caplog.text + "".join(str(warning.message) for warning in recwarn)
    assert "Caret" not in told


SOURCES: dict[str, dict[str, Any]] = {
    "full": FULL,
    "bare": {},
    "computed radiography": {**FULL, "SOPClassUID": ComputedRadiographyImageStorage, "Modality": "CR"},
    "secondary capture": {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "OT"},
    "implicit": {**FULL, "syntax": ImplicitVRLittleEndian},
    "big endian": {**FULL, "syntax": ExplicitVRBigEndian},
    "with a place in space": {
        **FULL,
        "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
        "PixelSpacing": [0.15, 0.15],
        "SliceThickness": 1,
    },
    "with half a place": {**FULL, "ImagePositionPatient": [0, 0, 0], "PixelSpacing": [0.15, 0.15]},
    "with a place of too few numbers": {
        **FULL,
        "ImagePositionPatient": [0, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
        "PixelSpacing": [0.15, 0.15],
        "SliceThickness": 1,
    },
    "with an empty frame of reference": {**FULL, "FrameOfReferenceUID": ""},
    "with a spacing alone": {"PixelSpacing": [0.15, 0.15]},
    "of an anonymised patient": {
        **FULL,
        "PatientName": "ANON",
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": "by hand",
        "StudyDate": "",
        "StudyTime": "",
    },
    "lossy": {**FULL, "LossyImageCompression": "01", "LossyImageCompressionRatio": 10},
}


@pytest.mark.parametrize("kind", SOURCES)
def test_images_of_every_kind_have_a_segmentation(
    kind: str, tmp_path: Path, write: Callable[..., Path]
) -> None:
    masks = make_masks()
    written = dcmread(write(make_source(tmp_path / "image.dcm", **SOURCES[kind]), masks))
    np.testing.assert_array_equal(written.pixel_array, np.stack(list(masks.values())))
    assert written.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not on PATH")
@pytest.mark.parametrize("masks", ["found", "empty"])
@pytest.mark.parametrize("kind", SOURCES)
def test_dciodvfy_finds_no_error(kind: str, masks: str, tmp_path: Path, write: Callable[..., Path]) -> None:
    given = make_masks() | {"drain": np.zeros(SHAPE, np.uint8)}
    if masks == "empty":
        given = dict.fromkeys(given, np.zeros(SHAPE, np.uint8))
    path = write(make_source(tmp_path / "image.dcm", **SOURCES[kind]), given)
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    told = (done.stdout + done.stderr).splitlines()
    assert "Segmentation" in told
    assert [line for line in told if line.startswith("Error")] == []


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientSex", "FEMALE"),
        ("StudyDate", "5 April 2023"),
        ("StudyTime", "noon"),
        ("PatientBirthDate", "?"),
    ],
)
def test_a_value_that_cannot_be_read_is_left_empty(
    keyword: str, value: str, tmp_path: Path, write: Callable[..., Path]
) -> None:
    written = dcmread(write(make_source(tmp_path / "image.dcm", **{**FULL, keyword: value})))
    assert not written[keyword].value


@pytest.mark.parametrize("keyword", REQUIRED)
def test_a_source_that_cannot_be_named_is_refused(
    keyword: str, tmp_path: Path, write: Callable[..., Path]
) -> None:
    source = make_source(tmp_path / "image.dcm", without=keyword, **FULL)
    with pytest.raises(InputError, match=rf"image.dcm: has no {keyword}.*--masks-as png"):
        write(source)
    assert not (tmp_path / "masks").exists()


def test_a_source_of_an_unknown_kind_is_refused(tmp_path: Path, write: Callable[..., Path]) -> None:
    source = make_source(tmp_path / "image.dcm", **{**FULL, "SOPClassUID": "1.2.3.4.5.6.7"})
    with pytest.raises(InputError, match=r"can be built on its header \(KeyError\); use --masks-as png"):
        write(source)


def test_masks_of_another_size_are_refused(source: Path, write: Callable[..., Path]) -> None:
    masks = {name: mask[:, :-1] for name, mask in make_masks().items()}
    with pytest.raises(InputError, match="is of 37 x 53 pixels, the masks of 37 x 52"):
        write(source, masks)


def test_a_image_that_is_not_dicom_is_refused_with_what_to_do(
    tmp_path: Path, draw: Callable[..., Path], write: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match=r"p.png: is not DICOM.*use --masks-as png"):
        write(draw(tmp_path / "p.png"))


def test_a_source_that_is_gone_is_an_error_of_the_input(tmp_path: Path, write: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"gone.dcm: cannot be read again \(No such file"):
        write(tmp_path / "gone.dcm")


def test_a_place_that_cannot_be_written_is_an_error_of_the_output(
    tmp_path: Path, source: Path, write: Callable[..., Path]
) -> None:
    (tmp_path / "masks").write_text("in the way")
    with pytest.raises(OutputError):
        write(source)


@pytest.mark.parametrize("name", ["", " lung", "left\\right", "two\nlines", "n" * 65])
def test_a_class_whose_name_dicom_cannot_hold_is_told_before_a_run(name: str, card_of: MakeCard) -> None:
    with pytest.raises(ModelError, match=r"cannot stand in a DICOM file.*--masks-as png"):
        check_card(card_of([name]))


def test_classes_in_any_script_are_accepted(card_of: MakeCard) -> None:
    check_card(card_of(["lesion", "肺", "poumon gauche"]))
