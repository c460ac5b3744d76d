"""Check that memory does not grow with the number of images, with hard links to a few images.

python benchmarks/memory.py [--work benchmarks/work] [--images 20000] [--provider openvino]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from setting import print_setting
from work import LITE, images, network

from cxr.infer.run import infer_folder

EARLY = 1_000
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--provider", default="openvino")
    options = parser.parse_args()
    sources = images(options.work)
    model = network(options.work, "lite0", LITE).int8
    print_setting(("onnxruntime", "openvino", "numpy"))
    # On the file system of the images, since hard links cannot cross file systems.
    with TemporaryDirectory(dir=options.work) as scratch:
        folder = Path(scratch) / "images"
        folder.mkdir()
        for index in range(options.images):
            os.link(sources[index % len(sources)], folder / f"{index:06}.png")
        resident_at: dict[int, int] = {}

        def record(done: int, _total: int) -> None:
            if done in (EARLY, options.images // 2, options.images):
                resident_at[done] = resident()

        started = time.perf_counter()
        infer_folder(
            folder, model=model, provider=options.provider, out=Path(scratch) / "out", progress=record
        )
        seconds = time.perf_counter() - started
    print("\n| after images | memory, MB |\n| ---: | ---: |")
    for done, size in sorted(resident_at.items()):
        print(f"| {done:,} | {size / 1e6:.0f} |")
    growth = resident_at[options.images] / resident_at[EARLY] - 1
    print(
        f"\n{options.images:,} images in {seconds:.0f} s; "
        f"growth after the first {EARLY:,}: {growth:+.1%} (limit 5 %)."
    )


if __name__ == "__main__":
    main()
