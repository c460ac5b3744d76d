"""Does memory grow with the folder? Hard links to a few images, and the process's memory at two moments.

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
    """Give the bytes of this process that lie in memory."""
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
    # On the disk of the images, so that links can be made.
    with TemporaryDirectory(dir=options.work) as scratch:
        folder = Path(scratch) / "images"
        folder.mkdir()
        for index in range(options.images):
            os.link(sources[index % len(sources)], folder / f"{index:06}.png")
        seen: dict[int, int] = {}

        def watch(done: int, _total: int) -> None:
            if done in (EARLY, options.images // 2, options.images):
                seen[done] = resident()

        started = time.perf_counter()
        infer_folder(
            folder, model=model, provider=options.provider, out=Path(scratch) / "out", progress=watch
        )
        seconds = time.perf_counter() - started
    print("\n| after images | memory, MB |\n| ---: | ---: |")
    for done, held in sorted(seen.items()):
        print(f"| {done:,} | {held / 1e6:.0f} |")
    growth = seen[options.images] / seen[EARLY] - 1
    print(f"\n{options.images:,} images in {seconds:.0f} s; growth from {EARLY:,} on: {growth:+.1%} (< 5 %).")


if __name__ == "__main__":
    main()
