"""A cohort with a known truth: the lesion ratio depends on age most, then on sex, then on view."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxr.analysis.records import AnalysisSummary
from cxr.analysis.run import analyze_features

SIZE = 512
MM = 0.2


def _measure(rng: np.random.Generator, age: int, sex: str, view: str) -> dict[str, float]:
    burden = 0.0012 * (age - 35) + 0.016 * (sex == "M") + 0.008 * (view == "AP") + rng.normal(0, 0.008)
    number = int(rng.integers(1, 5)) if burden > 0.003 else 0
    total = round(burden * SIZE**2) if number else 0
    empty = float("nan")
    return {
        "width": SIZE,
        "height": SIZE,
        "spacing_mm": MM,
        "lesion_ratio": total / SIZE**2,
        "num_lesions": number,
        "mean_area": total / number if number else empty,
        "mean_centroid_dist": float(rng.uniform(40, 200)) if number else empty,
        "total_area": total,
        "max_area": total * rng.uniform(0.5, 1) if number else 0,
        "total_area_mm2": total * MM**2,
        "mean_probability": float(rng.uniform(0.6, 0.9)) if number else empty,
        "max_probability": float(rng.uniform(0.9, 1)) if number else float(rng.uniform(0, 0.4)),
    }


def make_cohort(folder: Path, *, patients: int = 60, seed: int = 0) -> Path:
    """Write features.csv, run.json and the clinical table beside the images; 1 to 4 images per patient."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    entries: list[dict[str, object]] = []
    for patient in range(1, patients + 1):
        age, sex = int(rng.integers(20, 90)), str(rng.choice(["M", "F"]))
        for follow_up in range(int(rng.integers(1, 5))):
            view = str(rng.choice(["PA", "AP"]))
            name = f"{patient:08d}_{follow_up:03d}.png"
            measured = _measure(rng, age, sex, view)
            rows.append({"image": name, "patient_id": str(patient), **measured})
            entries.append(
                {
                    "Image Index": name,
                    "Finding Labels": "Mass" if measured["num_lesions"] else "No Finding",
                    "Follow-up #": follow_up,
                    "Patient ID": patient,
                    "Patient Age": age,
                    "Patient Gender": sex,
                    "View Position": view,
                    "OriginalImage[Width": 2500,
                    "Height]": 2048,
                    "OriginalImagePixelSpacing[x": 0.14,
                    "y]": 0.14,
                }
            )
    images = folder / "set" / "images"
    images.mkdir(parents=True)
    pd.DataFrame(entries).to_csv(folder / "set" / "Data_Entry_2017_v2020.csv", index=False)
    pd.DataFrame(rows).to_csv(folder / "features.csv", index=False)
    (folder / "run.json").write_text(json.dumps({"folder": str(images)}))
    return folder / "features.csv"


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="session")
def analyzed(features: Path) -> AnalysisSummary:
    """One analysis with all three families; many tests read its results."""
    return analyze_features(features, out=features.parent / "analysis", trials=2, folds=3)
