"""A folder of images to a table of features: cxr beside what people would use instead; prints Markdown.

    python benchmarks/pipeline.py [--work benchmarks/work] [--rounds 3] [--images 48]

Every way gets the same 1024 x 1024 PNG images and the same weights. In a round each way is run in turn; a
figure is the median over the rounds, a ratio the median of the ratios within a round. Models are loaded
before the clock starts, in every way; cxr's figure includes the writing and syncing of its tables.
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
DEMO, LOOP = "the demo's way: PIL, PyTorch eager, scikit-image", "one by one: PIL, ONNX Runtime, scikit-image"
PACKAGES = ("torch", "onnxruntime", "openvino", "opencv-python-headless", "scikit-image", "numpy", "pillow")

Work = Callable[[], int]


@dataclass(frozen=True)
class Limits:
    """Images a second that the parts of cxr allow: each part alone, on all cores at once."""

    decode_and_model: float
    all_parts: float


def rate(work: Work) -> float:
    """Give the images a second of something that says how many it did."""
    started = time.perf_counter()
    return work() / (time.perf_counter() - started)


def cxr_way(folder: Path, model: Path, provider: str) -> Callable[[], float]:
    """Give a whole `cxr-infer` run, by its own clock."""

    def run() -> float:
        with TemporaryDirectory() as out:
            return infer_folder(folder, model=model, provider=provider, out=out).rate

    return run


def side_by_side(function: Callable[[int], object], count: int) -> float:
    """Give the core-seconds of a call when all cores do nothing else."""
    with ThreadPoolExecutor(CORES) as pool:
        started = time.perf_counter()
        list(pool.map(function, range(count)))
        return (time.perf_counter() - started) * CORES / count


def limits(paths: Sequence[Path], model: Path, provider: str) -> Limits:
    """Measure the parts of one way, each alone."""
    session = Session.open(model, provider=provider)
    images = [read_image(path).pixels for path in paths[:8]]
    ready, placements = zip(*(prepare(pixels, session.card.pixels) for pixels in images), strict=True)
    batch = np.stack(ready[: session.batch_size])[:, None]
    maps = session.run(batch)
    cv2.setNumThreads(1)
    count = len(paths)
    decode = side_by_side(lambda index: read_image(paths[index]), count)
    model_alone = side_by_side(lambda _: session.run(batch), count // len(batch)) / len(batch)
    rest = side_by_side(lambda index: prepare(images[index % 8], session.card.pixels), count)
    rest += side_by_side(lambda _: measure_image(maps[0], placements[0], session.card), count)
    return Limits(CORES / (decode + model_alone), CORES / (decode + model_alone + rest))


def openvino_direct(model: Path, hint: str, count: int) -> float:
    """Give the images a second of OpenVINO's runtime as its documentation calls it for throughput."""
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
    """Give the same of a session of cxr."""
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
    parser.add_argument("--images", type=int, default=48, help="Of each slow way in a round.")
    options = parser.parse_args()
    paths = images(options.work)
    resnet, lite = (network(options.work, *pair) for pair in (("resnet34", RESNET), ("lite0", LITE)))
    print_setting(PACKAGES)

    demo = Demo(resnet.run)
    loop = OneByOne(resnet.fp32, demo.card)
    some = paths[: options.images]
    ways: dict[str, Callable[[], float]] = {
        DEMO: lambda: rate(lambda: len(demo.run(some))),
        LOOP: lambda: rate(lambda: len(loop.run(some))),
    }
    ours = {
        f"cxr, {title}, {precision} on {provider}": (model, provider)
        for title, made in (("Unet-resnet34", resnet), ("Unet-efficientnet-lite0", lite))
        for precision, model in (("fp32", made.fp32), ("int8", made.int8))
        for provider in ("cpu", "openvino")
    }
    for name, pair in ours.items():
        # As many images as fill some seconds: an archive is long, and its beginning and end do not count.
        ways[name] = cxr_way(archive(options.work, 2 if "resnet34, fp32" in name else 6), *pair)
        cxr_way(paths[0].parent, *pair)()  # compiles, fills caches
    demo.run(paths[:8])
    loop.run(paths[:8])
    rates: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, list[Limits]] = {name: [] for name in ours}
    direct, inside = [], []
    for _ in range(options.rounds):
        for name, way in ways.items():
            rates[name].append(way())
            if name in ours:
                found[name].append(limits(paths, *ours[name]))
        direct.append(max(openvino_direct(resnet.int8, hint, 96) for hint in ("LATENCY", "THROUGHPUT")))
        inside.append(openvino_session(resnet.int8, 96))
    print_rates(rates, found)
    print_targets(rates, found, ratio(inside, direct))


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Give the median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(above, below, strict=True))


def print_rates(rates: dict[str, list[float]], found: dict[str, list[Limits]]) -> None:
    columns = "way", "images/s", "of each round", "x the demo", "limit: decode + model", "limit: all parts"
    print(f"\n| {' | '.join(columns)} | ours / decode + model | ours / all parts |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for name, values in rates.items():
        cells = [f"{statistics.median(values):.1f}", ", ".join(f"{value:.1f}" for value in values)]
        cells.append("" if "lite0" in name else f"{ratio(values, rates[DEMO]):.2f}")
        if name in found:
            near = [limit.decode_and_model for limit in found[name]]
            whole = [limit.all_parts for limit in found[name]]
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
    print(f"| ours, best int8 provider / demo's way | 7 x | {ratio(rates[best], rates[DEMO]):.2f} x |")
    print(f"| ours, fp32 on cpu / demo's way | 1.8 x | {ratio(rates[fp32], rates[DEMO]):.2f} x |")
    print(f"| ours / the limit of decode and model, the worst of Unet-resnet34 | 0.95 | {share:.3f} |")
    print(f"| OpenVINO int8 session inside cxr / OpenVINO called directly | 0.95 | {inside:.3f} |")
    quick = max((name for name in rates if "lite0" in name), key=lambda name: statistics.median(rates[name]))
    speed = statistics.median(rates[quick])
    minutes = NIH_IMAGES / speed / 60
    print(f"\n{quick}: {speed:.0f} images a second; NIH's {NIH_IMAGES:,} images in {minutes:.0f} minutes.")


if __name__ == "__main__":
    main()
