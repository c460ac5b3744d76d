from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner

from cxr.cli import main
from cxr.data.datasets.masks import load_masks
from cxr.data.datasets.nih_layout import FINDINGS
from cxr.data.datasets.nih_tables import read_boxes, read_entries
from cxr.data.datasets.open import open_dataset
from cxr.data.decode.reader import read_image
from cxr.data.sample import write as sample
from cxr.data.sample.cohort import EFFECTS, SampleImage, draw_cohort
from cxr.data.sample.write import make_sample
from cxr.errors import InputError, OutputError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "NIH-Chest-X-ray-dataset"
    make_sample(folder, patients=12, size=256, seed=1)
    return folder


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        total.update(path.relative_to(folder).as_posix().encode())
        total.update(path.read_bytes() if path.is_file() else b"")
    return total.hexdigest()


def gray(path: Path) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)


def fit(images: tuple[SampleImage, ...]) -> tuple[npt.NDArray[np.float64], float]:
    """Linear effects on the burden in percent (of ten years, male sex, AP view), and R²."""
    causes = np.array([(1, image.age / 10, image.sex == "M", image.view == "AP") for image in images], float)
    burden = np.array([image.burden * 100 for image in images])
    weights = np.linalg.lstsq(causes, burden, rcond=None)[0]
    residual = burden - causes @ weights
    return weights[1:], 1 - residual.var() / burden.var()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        make_sample(tmp_path / name, patients=3, size=128, seed=seed)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_more_patients_do_not_change_the_first_ones() -> None:
    assert draw_cohort(30, 2)[: len(draw_cohort(10, 2))] == draw_cohort(10, 2)


def test_the_sample_opens_as_a_data_set_with_pixel_masks(made: Path) -> None:
    dataset = open_dataset(made)
    assert (dataset.classes, dataset.name) == (("lesion",), "cxr sample (synthetic)")
    assert "synthetic" in dataset.license
    assert {record.key for record in dataset.records} == {
        f"images/{path.name}" for path in made.glob("images/*")
    }
    for record in dataset.records:
        pixels = read_image(record.path).pixels
        masks, known = load_masks(record, dataset.classes, pixels.shape)
        assert pixels.shape == (256, 256)
        assert known == (True,)
        assert masks.any() == (record.finding != "No Finding")


def test_boxes_enclose_the_connected_components_in_pixels_of_1024(made: Path) -> None:
    boxes = read_boxes(made / "BBox_List_2017.csv").to_pylist()
    assert {box["label"] for box in boxes} <= set(FINDINGS)
    for path in sorted((made / "masks").glob("*.png")):
        mask = gray(path)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        expected = [tuple(4.0 * side for side in row[:4]) for row in stats[1:].tolist()]
        found = [
            (box["x"], box["y"], box["width"], box["height"]) for box in boxes if box["image"] == path.name
        ]
        assert found == expected


def test_the_clinical_table_has_the_nih_header_and_one_row_per_image(made: Path) -> None:
    entries = read_entries(made / "Data_Entry_2017_v2020.csv")
    assert sorted(entries["image"].to_pylist()) == sorted(path.name for path in made.glob("images/*.png"))
    assert set(entries["view"].to_pylist()) == {"PA", "AP"}
    assert set(entries["sex"].to_pylist()) == {"M", "F"}
    boxed = set(read_boxes(made / "BBox_List_2017.csv")["image"].to_pylist())
    nothing = {row["image"] for row in entries.to_pylist() if row["findings"] == "No Finding"}
    assert boxed & nothing == set()
    assert boxed | nothing == set(entries["image"].to_pylist())


def test_follow_ups_are_numbered_and_patients_do_not_get_younger(made: Path) -> None:
    rows = read_entries(made / "Data_Entry_2017_v2020.csv").to_pylist()
    assert max(row["follow_up"] for row in rows) > 0
    for before, after in pairwise(rows):
        if before["patient_id"] == after["patient_id"]:
            assert after["follow_up"] == before["follow_up"] + 1
            assert after["age"] >= before["age"]
            assert after["sex"] == before["sex"]


def test_masks_have_the_burden_of_the_cohort(made: Path) -> None:
    truth = json.loads((made / "truth.json").read_text())
    for image in draw_cohort(12, 1):
        mask = gray(made / "masks" / image.name)
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask > 0).mean() == pytest.approx(image.burden, abs=0.003)
        assert truth["lesion_ratio"][image.name] == pytest.approx((mask > 0).mean(), abs=1e-6)


def test_opacities_are_brighter_than_the_lung_around_them(made: Path) -> None:
    brighter = []
    for path in sorted((made / "masks").glob("*.png")):
        mask = gray(path) > 0
        image = gray(made / "images" / path.name).astype(float)
        around = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25))) > 0
        if mask.any():
            brighter.append(np.median(image[mask]) - np.median(image[around & ~mask]))
    assert np.median(brighter) > 5


def test_burden_depends_on_age_most_then_sex_then_view() -> None:
    (decade, male, ap), r2 = fit(draw_cohort(2000, 7))
    assert decade == pytest.approx(EFFECTS.per_decade, rel=0.2)
    assert male == pytest.approx(EFFECTS.male, rel=0.3)
    assert ap == pytest.approx(EFFECTS.ap_view, rel=0.4)
    assert decade * np.std([image.age / 10 for image in draw_cohort(2000, 7)]) > 3 * male / 2
    assert 0.6 < r2 < 0.8


@pytest.mark.parametrize("seed", range(4))
def test_the_default_number_of_patients_is_enough_to_find_the_effect_of_age(seed: int) -> None:
    images = draw_cohort(80, seed)
    (decade, _, _), r2 = fit(images)
    assert decade > 0.7
    assert r2 > 0.6
    assert 170 <= len(images) <= 260
    assert 0.08 < np.mean([image.burden == 0 for image in images]) < 0.28


def test_a_folder_that_is_not_empty_is_rejected_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        make_sample(tmp_path, patients=1, size=64)
    with pytest.raises(InputError, match="not an empty folder"):
        make_sample(tmp_path / "mine.txt", patients=1, size=64)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled_and_no_temporary_folder_remains(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    made = make_sample(tmp_path / "set", patients=2, size=64)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert made.images == len(list((tmp_path / "set" / "images").iterdir()))


def test_the_working_directory_can_be_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path / "set")
    make_sample(".", patients=1, size=64)
    assert Path("truth.json").is_file()


def test_an_interrupted_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "_write_tables", stop)
    with pytest.raises(KeyboardInterrupt):
        make_sample(tmp_path / "set", patients=1, size=64)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        make_sample(tmp_path / "file" / "set", patients=1, size=64)


@pytest.mark.parametrize("options", [{"patients": 0}, {"size": 32}, {"seed": -1}])
def test_numbers_out_of_range_are_rejected(options: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a sample needs"):
        make_sample(tmp_path / "set", **options)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_a_sample_and_reports_its_content(tmp_path: Path) -> None:
    arguments = ["sample", str(tmp_path / "set"), "--patients", "2", "--size", "64", "--seed", "3"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert "images of 2 patients" in result.output
    assert (tmp_path / "set" / "BBox_List_2017.csv").is_file()
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1
    assert "not an empty folder" in again.output
