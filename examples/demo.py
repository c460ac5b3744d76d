"""The main job end to end on the synthetic sample: the same commands that a user types, then what they made.

    python examples/demo.py FOLDER

FOLDER is made anew; everything is written inside it.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

SAMPLE = "NIH-Chest-X-ray-dataset"
STEPS = (
    ("sample", SAMPLE),
    ("train",),
    ("export", "model.onnx"),
    ("infer", f"{SAMPLE}/images", "--provider", "cpu", "--masks", "--overlays"),
    ("analyze", "features.csv"),
)


def run_steps(folder: Path) -> dict[str, float]:
    """Run every command in `folder`; give the seconds that each took."""
    seconds = {}
    for step in STEPS:
        print(f"\n$ cxr {' '.join(step)}", flush=True)
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "cxr", *step], cwd=folder, check=True)
        seconds[step[0]] = time.perf_counter() - start
    return seconds


def results(folder: Path) -> dict[str, str]:
    """Read from the files that the commands wrote what each made."""
    card = json.loads((folder / "runs" / "latest" / "model_card.json").read_text())
    dice = card["metrics"]["lesion"]["dice"]
    parity = json.loads(_card_of(folder / "model.onnx"))["parity"]
    run = json.loads((folder / "run.json").read_text())
    rows = list(csv.DictReader((folder / "analysis" / "cv_metrics.csv").open()))
    pooled = {row["model"]: row for row in rows if row["fold"] == "pooled"}
    best = max((name for name in ("xgb", "lgb", "rf")), key=lambda name: float(pooled[name]["r2"]))
    pictures = len(list((folder / SAMPLE / "images").iterdir()))
    return {
        "sample": f"{pictures} pictures of known truth",
        "train": f"Dice {dice['value']:.3f} [{dice['low']:.3f}, {dice['high']:.3f}] on held-out patients",
        "export": f"parity: probabilities within {parity['max_difference']:.1g}, "
        f"{parity['mask_agreement']:.4%} of pixels agree",
        "infer": f"{run['counts']['done']} rows, {run['pictures_per_second']:.1f} pictures a second, "
        f"{run['provider']}",
        "analyze": f"R2 {float(pooled[best]['r2']):.2f} ({best}), "
        f"{float(pooled['dummy']['r2']):.2f} (predicting the mean)",
    }


def _card_of(path: Path) -> str:
    from cxr.infer.session import read_card

    return read_card(path).to_json()


def main(folder: Path) -> None:
    """Run the demo."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seconds = run_steps(folder)
    table = Table("step", "seconds", "made", title=f"cxr demo in {folder}/")
    for step, made in results(folder).items():
        table.add_row(step, f"{seconds[step]:.0f}", made)
    table.add_row("all", f"{sum(seconds.values()):.0f}", "")
    Console(width=110).print(table)
    print(f"Look at {folder}/report.html, {folder}/overlays/, {folder}/runs/latest/ and {folder}/analysis/.")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
