"""Measure the time to the first row of features.csv, in a new process each time, with warm caches.

python benchmarks/first_row.py [--work benchmarks/work] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from setting import print_setting
from work import RESNET, images, network


def first_row(folder: Path, model: Path) -> float:
    """Return the seconds from the start of `cxr-infer` to its first row on disk."""
    with TemporaryDirectory() as out:
        command = [str(Path(sys.executable).with_name("cxr-infer")), str(folder), "--model", str(model)]
        started = time.perf_counter()
        run = subprocess.Popen([*command, "--out", out, "--provider", "cpu"], stderr=subprocess.DEVNULL)
        table = Path(out) / "features.csv"
        while not (table.exists() and table.read_bytes().count(b"\n") > 1):
            if run.poll() is not None:
                raise SystemExit("cxr-infer exited without writing a row")
            time.sleep(0.005)
        seconds = time.perf_counter() - started
        run.kill()
        run.wait()
        return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    folder = images(options.work)[0].parent
    model = network(options.work, "resnet34", RESNET).fp32
    print_setting(("onnxruntime", "numba"))
    first_row(folder, model)
    times = [first_row(folder, model) for _ in range(options.rounds)]
    print(
        f"\nFirst row, Unet-resnet34 fp32 on cpu: {statistics.median(times):.2f} s "
        f"({min(times):.2f} to {max(times):.2f} in {len(times)} runs; limit 2 s)."
    )


if __name__ == "__main__":
    main()
