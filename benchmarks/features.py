"""Compare `cxr.infer.features.measure` with other libraries, on one thread; prints Markdown tables.

    python benchmarks/features.py [--sizes 256 512 1024 2048 4096] [--rounds 7]

Every method gets the same mask (8-connectivity) and does all the work from mask to numbers. In each round the
methods are called in turn, each often enough to take a few milliseconds; the figure is the median over the
rounds. Ratios are of such medians. A package that is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from setting import print_setting

from cxr.infer.features import measure
from cxr.infer.features.components import find_components
from cxr.infer.features.moments import SUMS_DTYPE, sum_first_moments
from cxr.machine.cores import usable_cores

ALL, PROBABILITY, OPENCV_FIELDS = "cxr, all fields", "cxr, with probability", "cxr, OpenCV's fields"
OPENCV, OPENCV_THREADS, SKIMAGE, SCIPY, CC3D = (
    "OpenCV",
    "OpenCV, its threads",
    "scikit-image",
    "SciPy",
    "cc3d",
)
PACKAGES = (
    "numba",
    "numpy",
    "opencv-python-headless",
    "scikit-image",
    "scipy",
    "connected-components-3d",
)
SKIMAGE_FIELDS = ["label", "area", "bbox", "centroid", "perimeter", "eccentricity", "orientation"]
SKIMAGE_FIELDS += ["axis_major_length", "axis_minor_length", "extent"]
SAMPLE_SECONDS = 0.005
# scikit-image takes nearly a millisecond per component: with more components than this it is left out.
MOST_REGIONS = 5_000

Mask = np.ndarray
Method = Callable[[Mask], object]


def ellipses(count: int, size: int) -> Mask:
    """Draw ellipses that cover as much of the mask as lesions do: a few to a dozen percent."""
    rng = np.random.default_rng(count)
    mask = np.zeros((size, size), np.uint8)
    for _ in range(count):
        center = tuple(int(value) for value in rng.integers(size // 8, size - size // 8, 2))
        axes = tuple(int(value) for value in rng.integers(size // 64, size // 20, 2))
        cv2.ellipse(mask, center, axes, float(rng.integers(180)), 0, 360, 1, -1)
    return mask


def noise(size: int, blur: float = 0) -> Mask:
    """Draw noise, half of it foreground; white noise has 3,500 components at 1024 x 1024."""
    values = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
    return (cv2.GaussianBlur(values, (0, 0), blur) > 0 if blur else values > 0).astype(np.uint8)


def pattern(rule: Callable[[Mask, Mask], Mask], size: int) -> Mask:
    rows, columns = np.mgrid[:size, :size]
    return rule(rows, columns).astype(np.uint8)


TEXTURES: dict[str, Callable[[int], Mask]] = {
    "empty": lambda size: np.zeros((size, size), np.uint8),
    "4 ellipses": lambda size: ellipses(4, size),
    "40 ellipses": lambda size: ellipses(40, size),
    "blurred noise": lambda size: noise(size, 1.5),
    "white noise": noise,
}
HARD: dict[str, Callable[[int], Mask]] = {
    "full": lambda size: np.ones((size, size), np.uint8),
    "checkerboard": lambda size: pattern(lambda r, c: (r + c) % 2 == 0, size),
    "vertical lines": lambda size: pattern(lambda _, c: c % 2 == 0, size),
    "horizontal lines": lambda size: pattern(lambda r, _: r % 2 == 0, size),
    "diagonal lines": lambda size: pattern(lambda r, c: (r + c) % 3 == 0, size),
    "wide diagonal lines": lambda size: pattern(lambda r, c: (r + c) % 4 < 2, size),
    "zigzag lines": lambda size: pattern(lambda r, c: (c + abs(r % 16 - 8)) % 4 == 0, size),
    "dots": lambda size: pattern(lambda r, c: (r % 2 == 0) & (c % 2 == 0), size),
    "noise, 10 %": lambda size: (np.random.default_rng(1).random((size, size)) < 0.1).astype(np.uint8),
    "noise, 90 %": lambda size: (np.random.default_rng(1).random((size, size)) < 0.9).astype(np.uint8),
}


def opencv(mask: Mask, threads: int) -> object:
    cv2.setNumThreads(threads)
    return cv2.connectedComponentsWithStats(mask, connectivity=8)


def opencv_fields(mask: Mask) -> object:
    """Compute what connectedComponentsWithStats computes, by the kernels of `measure`."""
    found = find_components(mask, eight_connected=True)
    sums = np.empty(found.count, SUMS_DTYPE)
    sum_first_moments(found.bands, found.runs, found.labels, sums)
    doubled = 2.0 * sums["area"]
    return sums, sums["row"] / doubled, sums["column"] / doubled


def methods(size: int) -> dict[str, Method]:
    """List the methods of the installed libraries."""
    probability = np.random.default_rng(2).random((size, size), dtype=np.float32)
    found: dict[str, Method] = {
        ALL: measure,
        PROBABILITY: lambda mask: measure(mask, probability),
        OPENCV_FIELDS: opencv_fields,
        OPENCV: lambda mask: opencv(mask, 1),
        OPENCV_THREADS: lambda mask: opencv(mask, usable_cores()),
    }
    # scikit-image and SciPy are fastest with numpy's bool.
    if sk := import_peer("skimage.measure"):
        found[SKIMAGE] = lambda mask: sk.regionprops_table(
            sk.label(mask.view(bool)), properties=SKIMAGE_FIELDS
        )
    if nd := import_peer("scipy.ndimage"):
        found[SCIPY] = lambda mask: scipy_statistics(nd, mask.view(bool))
    if cc3d := import_peer("cc3d"):
        found[CC3D] = lambda mask: cc3d.statistics(cc3d.connected_components(mask, connectivity=8))
    return found


@functools.cache
def import_peer(module: str) -> Any:
    """Import another library, or report in one line that it is left out."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed and left out", file=sys.stderr)
        return None


def scipy_statistics(ndimage: Any, mask: Mask) -> object:
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    index = np.arange(1, count + 1)
    boxes = ndimage.find_objects(labels)
    return boxes, ndimage.center_of_mass(mask, labels, index), ndimage.sum(mask, labels, index)


def time_calls(method: Method, mask: Mask, calls: int) -> float:
    """Return the seconds per call."""
    begin = time.perf_counter()
    for _ in range(calls):
        method(mask)
    return (time.perf_counter() - begin) / calls


def median_times(mask: Mask, rounds: int) -> dict[str, float]:
    """Time every method on one mask, in milliseconds."""
    compared = methods(mask.shape[0])
    if len(measure(mask)) > MOST_REGIONS:
        compared.pop(SKIMAGE, None)
    calls = {}
    for name, method in compared.items():
        method(mask)
        calls[name] = max(1, round(SAMPLE_SECONDS / time_calls(method, mask, 1)))
    samples: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(rounds):
        for name, method in compared.items():
            samples[name].append(time_calls(method, mask, calls[name]))
    return {name: 1000 * statistics.median(values) for name, values in samples.items()}


def print_table(title: str, cases: list[tuple[str, Mask]], rounds: int) -> dict[str, dict[str, float]]:
    columns = [ALL, PROBABILITY, OPENCV_FIELDS, OPENCV, OPENCV_THREADS, CC3D, SCIPY, SKIMAGE]
    print(f"\n{title}\n")
    print(
        "| mask | components |",
        " | ".join(columns),
        "| OpenCV / all | OpenCV / its fields | scikit-image / all |",
    )
    print("| --- |" + " ---: |" * (len(columns) + 4))
    results = {}
    for name, mask in cases:
        times = results[name] = median_times(mask, rounds)
        cells = [f"{times[column]:.3g}" if column in times else "" for column in columns]
        skimage = f"{times[SKIMAGE] / times[ALL]:.0f} x" if SKIMAGE in times else ""
        ratios = [
            f"{times[OPENCV] / times[ALL]:.1f} x",
            f"{times[OPENCV] / times[OPENCV_FIELDS]:.1f} x",
            skimage,
        ]
        print("|", " | ".join([name, str(len(measure(mask))), *cells, *ratios]), "|", flush=True)
    return results


def print_targets(usual: dict[str, dict[str, float]], hard: dict[str, dict[str, float]]) -> None:
    """Print each target ratio at 1024 x 1024 and the measured ratio."""
    lines = [
        ("OpenCV / all fields, 4 ellipses", usual["4 ellipses"], OPENCV, ALL, 40),
        ("OpenCV / all fields, 40 ellipses", usual["40 ellipses"], OPENCV, ALL, 15),
        ("OpenCV / all fields, white noise", usual["white noise"], OPENCV, ALL, 0.7),
        ("scikit-image / all fields, 4 ellipses", usual["4 ellipses"], SKIMAGE, ALL, 75),
    ]
    print("\n| at 1024 x 1024 | at least | measured |\n| --- | ---: | ---: |")
    for title, times, peer, ours, least in lines:
        if peer in times:
            print(f"| {title} | {least} x | {times[peer] / times[ours]:.1f} x |")
    ratio, name = min((times[OPENCV] / times[OPENCV_FIELDS], name) for name, times in (usual | hard).items())
    print(f"| OpenCV / OpenCV's fields, worst mask ({name}) | 1 x | {ratio:.2f} x |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048, 4096])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print_setting(PACKAGES)
    print("8-connectivity, milliseconds, on one thread unless stated otherwise.")
    usual = {
        size: print_table(
            f"{size} x {size}", [(name, make(size)) for name, make in TEXTURES.items()], options.rounds
        )
        for size in options.sizes
    }
    hard = print_table(
        "Hard masks, 1024 x 1024", [(name, make(1024)) for name, make in HARD.items()], options.rounds
    )
    if 1024 in usual:
        print_targets(usual[1024], hard)


if __name__ == "__main__":
    main()
