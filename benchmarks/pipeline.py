"""Compare cxr with other methods, from a folder of images to a table of features; prints Markdown.

    python benchmarks/pipeline.py [--work benchmarks/work] [--rounds 3] [--images 48]

Every method gets the same 1024 x 1024 PNG images and the same weights. In each round all methods run in turn;
a result is the median over the rounds, a ratio the median of the ratios within a round. Models are loaded
before timing starts, for every method; cxr's time includes writing and syncing its tables.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import openvino
from peers import Demo, OneByOne
from setting import print_setting
from work import INPUT, LITE, RESNET, archive, images, network

from cxr.data.decode.reader import read_image
from cxr.infer.image_features import measure_image
from cxr.infer.run import infer_folder
from cxr.infer.runtime.session import Session
from cxr.machine.cores import usable_cores
from cxr.models.preprocess import prepare

CORES = usable_cores()
NIH_IMAGES = 112_120
DEMO = "the demo: PIL, PyTorch eager, scikit-image"
LOOP = "one image at a time: PIL, ONNX Runtime, scikit-image"
PACKAGES = ("torch", "onnxruntime", "openvino", "opencv-python-headless", "scikit-image", "numpy", "pillow")

Work = Callable[[], int]


@dataclass(frozen=True)
class Limits:
    """Images per second that the steps of cxr allow, each step measured alone on all cores."""

    decode_and_model: float
    all_steps: float


def rate(work: Work) -> float:
    """Time a function that returns the number of images it processed; return images per second."""
    started = time.perf_counter()
    return work() / (time.perf_counter() - started)


def cxr_method(folder: Path, model: Path, provider: str) -> Callable[[], float]:
    """Return a function that runs `infer_folder` and returns its own rate."""

    def run() -> float:
        with TemporaryDirectory() as out:
            return infer_folder(folder, model=model, provider=provider, out=out).rate

    return run


def core_seconds(function: Callable[[int], object], count: int) -> float:
    """Return the core-seconds per call when all cores make only this call."""
    with ThreadPoolExecutor(CORES) as pool:
        started = time.perf_counter()
        list(pool.map(function, range(count)))
        return (time.perf_counter() - started) * CORES / count


def limits(paths: Sequence[Path], model: Path, provider: str) -> Limits:
    """Measure the steps of one method, each alone."""
    session = Session.open(model, provider=provider)
    images = [read_image(path).pixels for path in paths[:8]]
    ready, placements = zip(*(prepare(pixels, session.card.pixels) for pixels in images), strict=True)
    batch = np.stack(ready[: session.batch_size])[:, None]
    maps = session.run(batch)
    cv2.setNumThreads(1)
    count = len(paths)
    decode = core_seconds(lambda index: read_image(paths[index]), count)
    model_alone = core_seconds(lambda _: session.run(batch), count // len(batch)) / len(batch)
    rest = core_seconds(lambda index: prepare(images[index % 8], session.card.pixels), count)
    rest += core_seconds(lambda _: measure_image(maps[0], placements[0], session.card), count)
    return Limits(CORES / (decode + model_alone), CORES / (decode + model_alone + rest))


def openvino_direct(model: Path, hint: str, count: int) -> float:
    """Return the images per second of OpenVINO's runtime, called as its documentation recommends."""
    compiled = openvino.Core().compile_model(
        str(model), "CPU", {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": "f32"}
    )
    queue = openvino.AsyncInferQueue(compiled)
    batch = np.random.default_rng(0).integers(0, 256, (8, 1, INPUT, INPUT), np.uint8)

    def work() -> int:
        for _ in range(count // 8):
            queue.start_async({0: batch})
        queue.wait_all()
        return count // 8 * 8

    work()
    return rate(work)


def openvino_session(model: Path, count: int) -> float:
    """Return the images per second of a cxr session."""
    session = Session.open(model, provider="openvino")
    batch = np.random.default_rng(0).integers(0, 256, (8, 1, INPUT, INPUT), np.uint8)

    def work() -> int:
        with ThreadPoolExecutor(session.streams) as pool:
            list(pool.map(lambda _: session.run(batch), range(count // 8)))
        return count // 8 * 8

    work()
    return rate(work)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=48, help="Images per round for each slow method.")
    options = parser.parse_args()
    paths = images(options.work)
    resnet, lite = (network(options.work, *pair) for pair in (("resnet34", RESNET), ("lite0", LITE)))
    print_setting(PACKAGES)

    demo = Demo(resnet.run)
    loop = OneByOne(resnet.fp32, demo.card)
    some = paths[: options.images]
    methods: dict[str, Callable[[], float]] = {
        DEMO: lambda: rate(lambda: len(demo.run(some))),
        LOOP: lambda: rate(lambda: len(loop.run(some))),
    }
    cxr_methods = {
        f"cxr, {title}, {precision} on {provider}": (model, provider)
        for title, made in (("Unet-resnet34", resnet), ("Unet-efficientnet-lite0", lite))
        for precision, model in (("fp32", made.fp32), ("int8", made.int8))
        for provider in ("cpu", "openvino")
    }
    for name, pair in cxr_methods.items():
        # Enough images for several seconds: in a large archive, start and end do not matter.
        methods[name] = cxr_method(archive(options.work, 2 if "resnet34, fp32" in name else 6), *pair)
        cxr_method(paths[0].parent, *pair)()  # compiles kernels and fills caches
    demo.run(paths[:8])
    loop.run(paths[:8])
    rates: dict[str, list[float]] = {name: [] for name in methods}
    found: dict[str, list[Limits]] = {name: [] for name in cxr_methods}
    direct, inside = [], []
    for _ in range(options.rounds):
        for name, method in methods.items():
            rates[name].append(method())
            if name in cxr_methods:
                found[name].append(limits(paths, *cxr_methods[name]))
        direct.append(max(openvino_direct(resnet.int8, hint, 96) for hint in ("LATENCY", "THROUGHPUT")))
        inside.append(openvino_session(resnet.int8, 96))
    print_rates(rates, found)
    print_targets(rates, found, ratio(inside, direct))


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the ratios of each round."""
    return statistics.median(one / other for one, other in zip(above, below, strict=True))


def print_rates(rates: dict[str, list[float]], found: dict[str, list[Limits]]) -> None:
    columns = "method", "images/s", "per round", "x the demo", "limit: decode + model", "limit: all steps"
    print(f"\n| {' | '.join(columns)} | cxr / decode + model | cxr / all steps |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for name, values in rates.items():
        cells = [f"{statistics.median(values):.1f}", ", ".join(f"{value:.1f}" for value in values)]
        cells.append("" if "lite0" in name else f"{ratio(values, rates[DEMO]):.2f}")
        if name in found:
            near = [limit.decode_and_model for limit in found[name]]
            whole = [limit.all_steps for limit in found[name]]
            cells += [f"{statistics.median(near):.1f}", f"{statistics.median(whole):.1f}"]
            cells += [f"{ratio(values, near):.3f}", f"{ratio(values, whole):.3f}"]
        else:
            cells += [""] * 4
        print(f"| {name} | {' | '.join(cells)} |")


def print_targets(rates: dict[str, list[float]], found: dict[str, list[Limits]], inside: float) -> None:
    resnet = [name for name in found if "resnet34" in name]
    best = max((name for name in resnet if "int8" in name), key=lambda name: statistics.median(rates[name]))
    (fp32,) = (name for name in resnet if name.endswith("fp32 on cpu"))
    share = min(ratio(rates[name], [limit.decode_and_model for limit in found[name]]) for name in resnet)
    print("\n| measure | at least | measured |\n| --- | ---: | ---: |")
    print(f"| cxr, best int8 provider / the demo | 7 x | {ratio(rates[best], rates[DEMO]):.2f} x |")
    print(f"| cxr, fp32 on cpu / the demo | 1.8 x | {ratio(rates[fp32], rates[DEMO]):.2f} x |")
    print(f"| cxr / the limit of decode and model, worst case of Unet-resnet34 | 0.95 | {share:.3f} |")
    print(f"| OpenVINO int8 session in cxr / OpenVINO called directly | 0.95 | {inside:.3f} |")
    fastest = max(
        (name for name in rates if "lite0" in name), key=lambda name: statistics.median(rates[name])
    )
    speed = statistics.median(rates[fastest])
    minutes = NIH_IMAGES / speed / 60
    print(
        f"\n{fastest}: {speed:.0f} images per second; NIH's {NIH_IMAGES:,} images in {minutes:.0f} minutes."
    )


if __name__ == "__main__":
    main()
