"""The whole analysis of a yes/no target with a known truth."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxr.analysis.fit.crossval import LearningData, outer_folds, plan_searches, run_search
from cxr.analysis.fit.families import feature_frame, predicted
from cxr.analysis.records import AnalysisSummary, EventScore, Family, Task
from cxr.analysis.run import analyze_features

PATIENTS = 60


def write_cohort(folder: Path, effect: float) -> Path:
    """Two images of each patient; the age decides about the event, the lung ratio does not."""
    rng = np.random.default_rng(0)
    age = rng.integers(20, 90, PATIENTS)
    event = rng.random(PATIENTS) < 1 / (1 + np.exp(-effect * (age - 55)))
    rows = np.repeat(np.arange(PATIENTS), 2)
    table = {
        "image": [f"{n}.png" for n in range(len(rows))],
        "patient_id": rows,
        "lung_ratio": rng.uniform(0.2, 0.4, len(rows)),
        "age": age[rows],
        "sex": rng.choice(["M", "F"], PATIENTS)[rows],
        "outcome": np.where(event, "died", "survived")[rows],
    }
    folder.mkdir(exist_ok=True)
    pd.DataFrame(table).to_csv(folder / "features.csv", index=False)
    return folder / "features.csv"


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory: pytest.TempPathFactory) -> AnalysisSummary:
    path = write_cohort(tmp_path_factory.mktemp("events"), effect=0.15)
    return analyze_features(path, out=path.parent / "out", target="outcome", trials=2, folds=3)


def test_scores_of_events_stand_beside_baselines_and_prevalence(analyzed: AnalysisSummary) -> None:
    scores = {score.model: score for score in analyzed.scores}
    assert list(scores) == ["xgb", "lgb", "rf", "prevalence", "logistic"]
    for model in ("xgb", "lgb", "rf", "logistic"):
        score = scores[model]
        assert isinstance(score, EventScore)
        assert score.auroc.low < score.auroc.value < score.auroc.high
        assert score.auroc.value > 0.7
        assert score.auprc.value > analyzed.prevalence
    for family in Family:
        assert 0 < scores[family].sensitivity.value < 1
        assert 0 < scores[family].specificity.value < 1
    prevalence = scores["prevalence"]
    assert np.isnan([prevalence.auroc.value, prevalence.auprc.value]).all()
    assert prevalence.brier.value == pytest.approx(analyzed.prevalence * (1 - analyzed.prevalence), rel=0.05)


def test_event_is_named_and_the_permuted_run_finds_nothing(analyzed: AnalysisSummary) -> None:
    assert analyzed.event is not None
    assert analyzed.event.text == "outcome = died"
    assert (analyzed.shuffle.metric, analyzed.shuffle.passed) == ("auroc", True)
    assert analyzed.top_features["lgb"][0][0] == "age"


def test_held_out_probabilities_give_the_reported_scores(analyzed: AnalysisSummary) -> None:
    table = pd.read_csv(analyzed.out / "cv_predictions.csv")
    assert set(table["outcome"]) == {0, 1}
    assert table.groupby("patient_id")["fold"].nunique().max() == 1
    for score in analyzed.scores:
        assert isinstance(score, EventScore)
        error = table["outcome"] - table[f"predicted_{score.model}"]
        assert (error**2).mean() == pytest.approx(score.brier.value)


@pytest.mark.parametrize("family", Family)
def test_shap_values_add_up_to_log_odds_or_to_the_forests_probability(
    analyzed: AnalysisSummary, family: Family
) -> None:
    shap = pd.read_csv(analyzed.out / f"shap_values_best_{family}.csv")
    predicted = pd.read_csv(analyzed.out / "cv_predictions.csv")[f"predicted_{family}"]
    total = shap["base_value"] + shap.filter(like="shap_").sum(axis=1)
    probability = total if family is Family.RF else 1 / (1 + np.exp(-total))
    assert np.allclose(probability, predicted, atol=1e-5)


def test_every_file_of_an_event_is_written_and_the_record_is_strict(analyzed: AnalysisSummary) -> None:
    written = {path.name for path in analyzed.out.iterdir()}
    assert written == {path.name for path in analyzed.files}
    assert {f"cv_curves_{family}.png" for family in Family} <= written
    record = json.loads((analyzed.out / "analysis.json").read_text(), parse_constant=pytest.fail)
    assert record["event"] == {"column": "outcome", "yes": "died", "no": "survived"}
    assert len(record["shuffle"]["auroc"]) == 3
    page = (analyzed.out / "report.html").read_text()
    assert "outcome = died" in page
    assert "calibration slope" in page


def test_model_that_is_loaded_predicts_the_same(analyzed: AnalysisSummary) -> None:
    """From the tables that the run wrote: the same seed gives the model that the run had."""
    import joblib

    table = pd.read_csv(analyzed.out / "features_and_target.csv")
    names = list(analyzed.selection.features)
    data = LearningData(
        feature_frame(table, names),
        table["outcome"].to_numpy(float),
        table["patient_id"].to_numpy(str),
        Task.CLASSIFICATION,
    )
    splits = outer_folds(data.patients, 3, 0, data.target)
    for search in plan_searches(list(Family), splits, len(table), trials=2, seed=0):
        if search.fold is None:
            model = joblib.load(analyzed.out / f"{search.family}_best_model.joblib")
            fitted = run_search(data, search).model
            assert np.array_equal(predicted(model, table[names]), predicted(fitted, data.features))


def test_high_score_of_a_baseline_alone_names_the_baseline(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    age, left, right = rng.normal(0, 1, (3, 60))
    table = {
        "image": [f"{n}.png" for n in range(60)],
        "patient_id": range(60),
        "age": age,
        "left": left,
        "right": right,
        "sex": rng.choice(["M", "F"], 60),
        "dose": left - right + rng.normal(0, 0.2, 60),
    }
    pd.DataFrame(table).to_csv(tmp_path / "f.csv", index=False)
    summary = analyze_features(
        tmp_path / "f.csv", out=tmp_path / "out", target="dose", models=("rf",), trials=1, folds=2
    )
    assert summary.scores[0].main[0] < 0.85
    (note,) = (note for note in summary.notes if "rare in honest data" in note)
    assert "by linear (baseline)" in note
    assert re.search("it rests on (left, right|right, left): ask", note)


def test_patients_can_be_the_unit(tmp_path: Path) -> None:
    path = write_cohort(tmp_path, effect=0.15)
    summary = analyze_features(
        path, out=tmp_path / "out", target="outcome", unit="patient", models=("rf",), trials=1, folds=2
    )
    assert summary.rows == summary.patients == PATIENTS
    assert any("120 images are aggregated to 60 patients" in note for note in summary.notes)


def test_where_nothing_is_to_be_learned_no_model_is_better_than_chance(tmp_path: Path) -> None:
    path = write_cohort(tmp_path, effect=0.0)
    summary = analyze_features(
        path, out=tmp_path / "out", target="outcome", models=("lgb",), trials=2, folds=3
    )
    assert any("no tuned model is shown to be better than chance" in note for note in summary.notes)
