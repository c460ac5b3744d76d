"""Images that are not plausible as frontal chest radiographs are left out, and reported either way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from cxr.analysis.command import command
from cxr.analysis.table.load import load_table
from cxr.errors import InputError

IMAGES = [f"{n}.png" for n in range(6)]
VERDICTS = ["yes", "doubtful", "no", "not assessed", None, "doubtful"]


def write(folder: Path, verdicts: list[str | None], **columns: object) -> Path:
    path = folder / "features.csv"
    ratios = [0.01 * n for n in range(len(verdicts))]
    table = {"image": [f"{n}.png" for n in range(len(verdicts))], "lesion_ratio": ratios, **columns}
    pd.DataFrame({**table, "plausible": verdicts}).to_csv(path, index=False)
    return path


def test_doubtful_images_are_left_out_and_named_with_counts(tmp_path: Path) -> None:
    table = load_table(write(tmp_path, VERDICTS))
    assert table.frame["image"].tolist() == ["0.png", "3.png", "4.png"]
    (note,) = (note for note in table.notes if "plausible" in note)
    assert "left out" in note
    assert "2 'doubtful' (1.png, 5.png); 1 'no' (2.png)" in note


def test_keep_doubtful_keeps_them_and_still_names_them(tmp_path: Path) -> None:
    table = load_table(write(tmp_path, VERDICTS), keep_doubtful=True)
    assert table.frame["image"].tolist() == IMAGES
    assert any("kept" in note and "1 'no' (2.png)" in note for note in table.notes)


def test_reasons_are_kept_for_the_report(tmp_path: Path) -> None:
    table = load_table(write(tmp_path, ["yes", "no", "doubtful"], plausible_why=["", "a mask", None]))
    assert [(one.image, one.verdict, one.reason) for one in table.implausible] == [
        ("1.png", "no", "a mask"),
        ("2.png", "doubtful", ""),
    ]


def test_table_without_the_column_is_used_whole(tmp_path: Path) -> None:
    path = write(tmp_path, ["yes", "yes"])
    pd.read_csv(path).drop(columns="plausible").to_csv(path, index=False)
    table = load_table(path)
    assert len(table.frame) == 2
    assert table.implausible == ()


def test_unknown_value_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'plausible' holds 'perhaps'; it can hold yes, doubtful, no, not"):
        load_table(write(tmp_path, ["yes", "perhaps"]))


def test_table_without_a_plausible_image_is_rejected(tmp_path: Path) -> None:
    path = write(tmp_path, ["no", "doubtful"])
    with pytest.raises(InputError, match=r"none of its 2 images .*0.png, 1.png.*--keep-doubtful"):
        load_table(path)


def test_command_reports_them_and_never_uses_the_columns_as_features(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    verdicts = ["no" if n % 10 == 0 else "doubtful" if n % 10 == 1 else "yes" for n in range(60)]
    path = write(
        tmp_path,
        list(verdicts),
        age=rng.integers(20, 90, 60),
        plausible_why=["<b>tiny" if verdict != "yes" else "" for verdict in verdicts],
        gray_from=rng.choice(["window 1", "VOI LUT"], 60),
    )
    arguments = [str(path), "--models", "lgb", "--trials", "1", "--folds", "2", "--features", "all"]
    out = ["--out", str(tmp_path / "left_out")]
    done = CliRunner().invoke(command, [*arguments, *out])
    assert done.exit_code == 0, done.output
    assert "48 images" in done.output
    assert "6 'doubtful'" in done.output.replace("\n", " ")
    page = (tmp_path / "left_out" / "report.html").read_text()
    assert "<td>10.png</td><td>no</td><td>&lt;b&gt;tiny</td>" in page
    header = pd.read_csv(tmp_path / "left_out" / "features_and_target.csv").columns
    assert list(header) == ["image", "patient_id", "age", "lesion_ratio"]
    kept = CliRunner().invoke(command, [*arguments, "--keep-doubtful", "--out", str(tmp_path / "kept")])
    assert "60 images" in kept.output
