"""The whole analysis of a cohort with a known truth."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxr.analysis.records import AnalysisSummary, Family
from cxr.analysis.run import analyze_features
from cxr.errors import InputError

FAST = {"models": ("lgb",), "trials": 1, "folds": 2}


def test_every_documented_file_is_written(analyzed: AnalysisSummary) -> None:
    expected = {
        "best_hyperparams.csv",
        "cv_metrics.csv",
        "features_and_target.csv",
        "report.html",
        "analysis.json",
    }
    for model in Family:
        expected |= {f"{model}_best_params.json", f"{model}_best_model.joblib", f"cv_scatter_{model}.png"}
        expected |= {f"shap_importance_{model}.png", f"shap_values_best_{model}.csv"}
    expected |= {"xgb_best_model.ubj", "lgb_best_model.txt", "rf_best_model.skops"}
    written = {path.name for path in analyzed.out.iterdir()}
    assert expected <= written
    assert written == {path.name for path in analyzed.files}
    assert all(path.stat().st_size > 0 for path in analyzed.files)


def test_features_are_ranked_by_their_true_effect(analyzed: AnalysisSummary) -> None:
    for family in Family:
        assert [name for name, _ in analyzed.top_features[family]][:3] == ["age", "sex", "view"]


def test_models_score_high_and_the_mean_baseline_does_not(analyzed: AnalysisSummary) -> None:
    scores = {score.model: score for score in analyzed.scores}
    assert list(scores) == ["xgb", "lgb", "rf", "mean", "ridge"]
    for model in ("xgb", "lgb", "rf", "ridge"):
        assert scores[model].r2 > 0.5
        assert scores[model].r2_low < scores[model].r2 < scores[model].r2_high
    assert scores["mean"].r2 < 0.02


def test_shuffle_check_passes_on_honest_folds(analyzed: AnalysisSummary) -> None:
    assert analyzed.shuffle.passed
    assert analyzed.shuffle.mean <= 0.05


def test_columns_that_leak_the_ratio_are_left_out(analyzed: AnalysisSummary) -> None:
    reasons = {note.column: note.reason for note in analyzed.selection.left_out}
    for name in ("count", "mean_area", "total_area", "max_area", "total_area_mm2"):
        assert "same mask" in reasons[f"lesion_{name}"]
    for name in ("lesion_mean_centroid_dist", "lesion_mean_probability"):
        assert "empty only where" in reasons[name]
    assert "one threshold" in reasons["lesion_max_probability"]
    assert set(analyzed.selection.features) == {"age", "sex", "view", "follow_up"}


def test_fold_metrics_begin_with_the_demos_columns_and_hold_models_and_baselines(
    analyzed: AnalysisSummary,
) -> None:
    table = pd.read_csv(analyzed.out / "cv_metrics.csv")
    assert list(table.columns[:3]) == ["fold", "r2", "rmse"]
    assert table.groupby("model")["fold"].apply(list).to_dict() == {
        name: [1, 2, 3] for name in ("xgb", "lgb", "rf", "mean", "ridge")
    }


def test_held_out_predictions_give_the_reported_scores(analyzed: AnalysisSummary) -> None:
    table = pd.read_csv(analyzed.out / "cv_predictions.csv")
    assert len(table) == analyzed.rows
    assert table.groupby("patient_id")["fold"].nunique().max() == 1
    for score in analyzed.scores:
        error = table["lesion_ratio"] - table[f"predicted_{score.model}"]
        assert np.isclose(np.sqrt((error**2).mean()), score.rmse)


@pytest.mark.parametrize("family", Family)
def test_shap_values_of_held_out_images_add_up_to_the_prediction(
    analyzed: AnalysisSummary, family: Family
) -> None:
    shap = pd.read_csv(analyzed.out / f"shap_values_best_{family}.csv")
    predicted = pd.read_csv(analyzed.out / "cv_predictions.csv")
    assert shap["fold"].equals(predicted["fold"])
    total = shap["base_value"] + shap.filter(like="shap_").sum(axis=1)
    assert np.allclose(total, predicted[f"predicted_{family}"], atol=1e-6)


def test_report_holds_every_section_and_no_link(analyzed: AnalysisSummary) -> None:
    page = (analyzed.out / "report.html").read_text()
    for text in (
        "research use only",
        "tree_path_dependent",
        "By view",
        "one threshold on it",
        "no leak is seen",
        "bootstrap of 1000 resamples",
    ):
        assert text.lower() in page.lower()
    assert page.count("data:image/png;base64,") == 6
    assert not re.search(r"https?:", page)


def test_record_is_strict_json(analyzed: AnalysisSummary) -> None:
    record = json.loads((analyzed.out / "analysis.json").read_text(), parse_constant=pytest.fail)
    assert record["rows"] == analyzed.rows
    assert record["merge"]["matched"] == analyzed.rows
    assert {"xgboost", "xgboost-cpu"} & record["versions"].keys()


def test_same_seed_gives_the_same_bytes_with_any_number_of_jobs(features: Path, tmp_path: Path) -> None:
    settings = {"models": ("xgb",), "trials": 2, "folds": 2}
    runs = {"one": (1, 0), "two": (2, 0), "other": (1, 1)}
    for name, (jobs, seed) in runs.items():
        analyze_features(features, out=tmp_path / name, jobs=jobs, seed=seed, **settings)
    for file in ("cv_metrics.csv", "best_hyperparams.csv", "shap_values_best_xgb.csv", "cv_scatter_xgb.png"):
        one = (tmp_path / "one" / file).read_bytes()
        assert one == (tmp_path / "two" / file).read_bytes()
        assert one != (tmp_path / "other" / file).read_bytes()


def test_analysis_never_imports_torch(features: Path, tmp_path: Path) -> None:
    """Torch and LightGBM each load an OpenMP runtime; both in one process can make it hang."""
    code = f"""
import importlib.abc, sys
class Watch(importlib.abc.MetaPathFinder):
    imported = []
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnxruntime"):
            self.imported.append(name)
sys.meta_path.insert(0, Watch())
from cxr.analysis.run import analyze_features
analyze_features({str(features)!r}, out={str(tmp_path / "out")!r}, trials=1, folds=2)
assert not Watch.imported, Watch.imported
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("column", "value", "target", "message"),
    [
        ("lesion_ratio", 0.0, "lesion_ratio", "lesion_ratio is 0 in all .* nothing to learn"),
        ("lesion_ratio", np.nan, "lesion_ratio", "known for 0 images"),
        ("lesion_ratio", "much", "lesion_ratio", "target lesion_ratio is not a column of numbers"),
        (
            "lesion_ratio",
            0.0,
            "ratio",
            "target ratio is not a column of the table; there are .*lesion_ratio, lesion_count",
        ),
        ("lesion_ratio", 0.0, "patient_id", "target patient_id is not a column of numbers"),
    ],
)
def test_target_that_cannot_be_learned_is_rejected(
    features: Path, tmp_path: Path, column: str, value: object, target: str, message: str
) -> None:
    path = tmp_path / "f.csv"
    pd.read_csv(features).assign(**{column: value}).to_csv(path, index=False)
    with pytest.raises(InputError, match=message):
        analyze_features(path, target=target, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_feature_is_enough_and_its_name_is_escaped_in_the_report(tmp_path: Path) -> None:
    """No clinical table, no patients, and a column whose name is markup."""
    rng = np.random.default_rng(0)
    column = rng.normal(0, 1, 40)
    name = "<script>alert(1)</script>"
    table = {
        "image": [f"{n}&.png" for n in range(40)],
        "lesion_ratio": column**3 / 50 + 1,
        name: column + rng.normal(0, 1, 40),
    }
    path = tmp_path / "f.csv"
    pd.DataFrame(table).to_csv(path, index=False)
    summary = analyze_features(path, out=tmp_path / "out", **FAST)
    assert summary.patients == 40
    assert any("each image counts as its own patient" in note for note in summary.notes)
    assert "<script>" not in (tmp_path / "out" / "report.html").read_text()


def test_high_score_from_leaky_features_is_reported_as_arithmetic(features: Path, tmp_path: Path) -> None:
    summary = analyze_features(features, out=tmp_path, features_mode="all", **FAST)
    assert {"lesion_count", "lesion_mean_area", "lesion_total_area"} <= {
        note.column for note in summary.selection.leaky
    }
    assert any("arithmetic, not a finding" in note for note in summary.notes)
    assert summary.scores[0].r2 > 0.9


@pytest.mark.parametrize("name", ["NumLesions", "num_lesions", "lesion_count"])
def test_columns_can_be_asked_for_by_older_names(features: Path, tmp_path: Path, name: str) -> None:
    summary = analyze_features(features, out=tmp_path, target="mean_area", features_mode=[name], **FAST)
    assert summary.target == "lesion_mean_area"
    assert summary.selection.features == ("lesion_count",)
