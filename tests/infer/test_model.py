"""`cxr.load`: one image in, one result out, equal to what a run over its folder writes."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import cxr
from cxr.data.csv_files import read_csv_rows
from cxr.errors import DecodeError, InputError, OutputError
from cxr.infer.model import Model, load
from cxr.infer.run import infer_folder

Draw = Callable[..., Path]
SPOTS = [(10, 10, 20, 20, 250), (40, 50, 7, 9, 200), (60, 20, 10, 30, 120)]


@pytest.fixture
def image(draw: Draw, tmp_path: Path) -> Path:
    return draw(tmp_path / "images" / "a.png", SPOTS, size=(80, 100))


@pytest.fixture
def loaded(model: Path) -> Model:
    return load(model, provider="cpu", threads=2)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return list(read_csv_rows(path))


def test_features_equal_the_row_of_features_csv(loaded: Model, image: Path, tmp_path: Path) -> None:
    infer_folder(image.parent, model=loaded, out=tmp_path / "out")
    (row,) = rows_of(tmp_path / "out" / "features.csv")
    features = loaded(image).features
    assert list(features) == list(row)
    for name, cell in row.items():
        value = features[name]
        if isinstance(value, str):
            assert value == cell
        else:
            assert value == (float(cell) if cell else pytest.approx(np.nan, nan_ok=True))


def test_image_too_small_for_a_radiograph_is_an_error_that_names_it(
    loaded: Model, tmp_path: Path, draw: Draw
) -> None:
    icon = draw(tmp_path / "icon.png", size=(20, 40))
    with pytest.raises(DecodeError, match=r"icon\.png: 40 x 20 pixels, fewer than 32 on a side"):
        loaded(icon)
    (result,) = loaded.stream([icon])
    assert not result.ok


def test_components_have_the_fields_and_values_of_components_csv(
    loaded: Model, image: Path, tmp_path: Path
) -> None:
    infer_folder(image.parent, model=loaded, out=tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "components.csv")
    components = loaded(image).components
    assert ["image", *components.dtype.names] == list(rows[0])
    assert components["class"].tolist() == [row["class"] for row in rows]
    for name in components.dtype.names[2:]:
        written = [float(row[name]) for row in rows]
        np.testing.assert_allclose(components[name].astype(float), written, atol=6e-7)


def test_masks_equal_those_that_a_run_writes(loaded: Model, image: Path, tmp_path: Path) -> None:
    infer_folder(image.parent, model=loaded, out=tmp_path / "out", masks="png")
    result = loaded(image)
    for name in loaded.classes:
        written = cv2.imread(str(tmp_path / "out" / "masks" / name / "a.png"), cv2.IMREAD_UNCHANGED)
        assert result.masks[name].dtype == np.bool_
        np.testing.assert_array_equal(result.masks[name], written > 0)


def test_mask_is_where_the_probability_reaches_the_threshold(loaded: Model, image: Path) -> None:
    result = loaded(image)
    for name, threshold in zip(loaded.classes, loaded.card.thresholds, strict=True):
        assert result.probabilities[name].shape == result.pixels.shape
        np.testing.assert_array_equal(result.masks[name], result.probabilities[name] >= np.float32(threshold))


def test_file_bytes_and_array_of_an_image_give_the_same(loaded: Model, image: Path) -> None:
    expected = dict(loaded(image).features) | {"image": "x"}
    pixels = cv2.imread(str(image), cv2.IMREAD_UNCHANGED)
    for given in (str(image), image.read_bytes(), pixels, np.asfortranarray(pixels)):
        assert dict(loaded(given, name="x").features) == pytest.approx(expected, nan_ok=True)


def test_stream_gives_in_order_what_single_calls_give(loaded: Model, draw: Draw, tmp_path: Path) -> None:
    paths = [draw(tmp_path / f"{n}.png", SPOTS[: n % 4], size=(64 + n, 90)) for n in range(9)]
    results = list(loaded.stream(map(str, paths), batch_size=4))
    assert [result.name for result in results] == [path.name for path in paths]
    for result, path in zip(results, paths, strict=True):
        assert dict(result.features) == pytest.approx(dict(loaded(path).features), nan_ok=True)


def test_file_that_cannot_be_read_is_a_failed_result_of_the_stream(
    loaded: Model, image: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    first, failed, last = loaded.stream([image, broken, image])
    assert first.ok
    assert last.ok
    assert not failed.ok
    assert failed.failure is not None
    assert "failed at decode" in repr(failed)
    with pytest.raises(DecodeError, match=r"broken\.png: decode: "):
        _ = failed.masks


def test_stream_reads_its_paths_as_they_are_needed(loaded: Model, image: Path) -> None:
    asked = 0

    def paths() -> Any:
        nonlocal asked
        while True:
            asked += 1
            yield image

    stream = loaded.stream(paths(), batch_size=1)
    assert next(stream).ok
    stream.close()
    assert asked < 50


def test_single_image_that_cannot_be_read_raises_with_its_name(loaded: Model, tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match=r"missing\.png"):
        loaded(tmp_path / "missing.png")


def test_overlay_has_the_size_of_the_image_and_leaves_what_is_far_from_outlines(
    loaded: Model, draw: Draw, tmp_path: Path
) -> None:
    path = draw(tmp_path / "a.png", [(200, 200, 40, 40, 250)], size=(300, 400))
    result = loaded(path)
    overlay = result.overlay()
    assert overlay.shape == (300, 400, 3)
    assert overlay.dtype == np.uint8
    np.testing.assert_array_equal(overlay[-20:], np.repeat(result.pixels[-20:, :, None], 3, axis=2))
    assert (overlay[190:250, 190:250].min(axis=2) != overlay[190:250, 190:250].max(axis=2)).any()


def test_save_writes_masks_overlay_and_tables_once(loaded: Model, image: Path, tmp_path: Path) -> None:
    folder = loaded(image).save(tmp_path / "saved")
    assert {path.name for path in folder.iterdir()} == {
        "features.csv",
        "components.csv",
        "overlay.png",
        *(f"{name}.png" for name in loaded.classes),
    }
    with (folder / "features.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["image"] == "a.png"
    with pytest.raises(OutputError, match="exists already"):
        loaded(image).save(str(tmp_path / "saved"))
    loaded(image).save(tmp_path / "saved", overwrite=True)


def test_result_shows_itself_in_a_notebook(loaded: Model, image: Path) -> None:
    png = loaded(image)._repr_png_()
    assert png is not None
    assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).shape == (80, 100, 3)


def test_representations_are_short(loaded: Model, image: Path) -> None:
    assert repr(loaded) == "Model('bright spots', classes=('lesion', 'lung'), provider='cpu')"
    assert repr(loaded(image)).startswith("Result('a.png', 100 x 80 pixels, lesion 0.0")


def test_threshold_and_smallest_area_of_the_model_count(model: Path, image: Path) -> None:
    all_of_them = load(model, provider="cpu")(image)
    some = load(model, provider="cpu", min_area=100)(image)
    assert some.features["lesion_count"] < all_of_them.features["lesion_count"]
    assert (
        load(model, provider="cpu", threshold=0.9)(image).masks["lung"].sum()
        <= all_of_them.masks["lung"].sum()
    )


@pytest.mark.parametrize("settings", [{"threshold": 1.0}, {"threshold": 0.0}, {"min_area": -1}])
def test_setting_out_of_range_is_an_input_error(model: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        load(model, provider="cpu", **settings)


def test_table_of_a_run_has_typed_columns(loaded: Model, image: Path, tmp_path: Path) -> None:
    table = cxr.infer_folder(str(image.parent), model=loaded, out=str(tmp_path / "out")).table()
    assert table.num_rows == 1
    assert str(table.schema.field("lesion_count").type) == "int64"
    assert str(table.schema.field("lesion_ratio").type) == "double"


def test_config_and_keywords_say_the_same(loaded: Model, image: Path, tmp_path: Path) -> None:
    config = cxr.InferConfig(model=loaded, out=tmp_path / "one", min_area=30)
    cxr.infer_folder(image.parent, config)
    cxr.infer_folder(image.parent, config, out=tmp_path / "two")
    first, second = ((tmp_path / name / "features.csv").read_bytes() for name in ("one", "two"))
    assert first == second


def test_unknown_setting_is_a_type_error(image: Path) -> None:
    with pytest.raises(TypeError, match="thresold"):
        cxr.infer_folder(image.parent, thresold=0.3)
