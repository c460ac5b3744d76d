"""The main job end to end on the synthetic sample: the same commands that a user types, then what they made.

    python examples/demo.py FOLDER

FOLDER is made anew; everything is written inside it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cxr.models.file.onnx_file import read_card

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
    dice = _read(folder / "runs" / "latest" / "model_card.json")["metrics"]["lesion"]["dice"]
    parity = read_card(folder / "model.onnx").parity
    run = _read(folder / "run.json")
    scores = {score["model"]: score["r2"] for score in _read(folder / "analysis" / "analysis.json")["scores"]}
    best = max(("xgb", "lgb", "rf"), key=lambda model: scores[model])
    rate = run["counts"]["rows"] / run["seconds"]["total"]
    return {
        "sample": f"{len(list((folder / SAMPLE / 'images').iterdir()))} images of known truth",
        "train": f"Dice {dice['value']:.3f} [{dice['low']:.3f}, {dice['high']:.3f}] on held-out patients",
        "export": f"parity: probabilities within {parity.max_difference:.1g}, "
        f"{parity.mask_agreement:.4%} of pixels agree",
        "infer": f"{run['counts']['rows']} rows, {rate:.1f} images a second on {run['provider']}",
        "analyze": f"R2 {scores[best]:.2f} ({best}) on held-out patients, {scores['mean']:.2f} by the mean",
    }


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


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
