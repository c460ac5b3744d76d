"""Compare `model.stream` in Python with `infer_folder` over the same images, and watch its memory.

python benchmarks/stream.py [--work benchmarks/work] [--model MODEL.onnx] [--images 2000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from setting import print_setting
from work import LITE, images, network

import cxr

EARLY = 200
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def stream(model: cxr.Model, paths: list[Path], resident_at: dict[int, list[int]]) -> float:
    """Return the seconds of a stream whose features are read, recording memory on the way."""
    started = time.perf_counter()
    for done, result in enumerate(model.stream(paths), 1):
        assert result.ok
        assert result.features["width"]
        if done in resident_at:
            resident_at[done].append(resident())
    return time.perf_counter() - started


def run(model: cxr.Model, folder: Path) -> float:
    """Return the seconds of a run over the same images."""
    with TemporaryDirectory(dir=folder.parent) as out:
        started = time.perf_counter()
        cxr.infer_folder(folder, model=model, out=out)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    parser.add_argument("--model", type=Path, help="Default: the int8 lite0 network of the benchmarks.")
    parser.add_argument("--provider", default="openvino")
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sources = images(options.work)
    path = options.model or network(options.work, "lite0", LITE).int8
    model = cxr.load(path, provider=options.provider)
    print_setting(("onnxruntime", "openvino", "numpy"))
    resident_at: dict[int, list[int]] = {EARLY: [], options.images // 2: [], options.images: []}
    with TemporaryDirectory(dir=options.work) as scratch:
        folder = Path(scratch) / "images"
        folder.mkdir()
        for index in range(options.images):
            os.link(sources[index % len(sources)], folder / f"{index:06}.png")
        paths = sorted(folder.iterdir())
        ways: dict[str, Callable[[], float]] = {
            "`model.stream(paths)`": lambda: stream(model, paths, resident_at),
            "`cxr.infer_folder(folder)`": lambda: run(model, folder),
        }
        stream(model, paths[: 4 * model.session.batch_size], {})  # warm-up
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, way in ways.items():
                seconds[name].append(way())
    print("\n| way | images/s | of each round |\n| --- | ---: | --- |")
    rates = {name: [options.images / one for one in times] for name, times in seconds.items()}
    for name, of_rounds in rates.items():
        each = ", ".join(f"{rate:.1f}" for rate in of_rounds)
        print(f"| {name} | {statistics.median(of_rounds):.1f} | {each} |")
    streamed, folder_run = (statistics.median(of_rounds) for of_rounds in rates.values())
    print(f"\nstream / infer_folder: {streamed / folder_run:.3f}.")
    print("\n| after images of the first stream | memory, MB |\n| ---: | ---: |")
    for done, sizes in resident_at.items():
        print(f"| {done:,} | {sizes[0] / 1e6:.0f} |")


if __name__ == "__main__":
    main()
