"""Packages that overwrite each other's files are reported with the command that repairs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from cxr.infer.doctor.overlaps import describe_overlap

Install = Callable[..., None]

OPENCV = "opencv-python-headless>=5"


def install_all(install: Install, module: str, packages: Sequence[str], requires: Sequence[str]) -> None:
    """Install the metadata of some packages with one module, and of a `cxr` with some requirements."""
    for package in packages:
        install(package, "9.9", module=module)
    install("cxr", "9", requires=requires, extras=["cpu", "gpu", "analysis"])


@pytest.mark.parametrize(
    "packages",
    [
        ["opencv-python", "opencv-python-headless"],
        ["opencv-contrib-python", "opencv-python-headless"],
        ["opencv-contrib-python-headless", "opencv-python-headless"],
        ["opencv-contrib-python", "opencv-python", "opencv-python-headless"],
    ],
    ids="+".join,
)
def test_opencv_variants_are_replaced_by_the_headless_one(packages: list[str], install: Install) -> None:
    install_all(install, "cv2", packages, [OPENCV])
    overlap = describe_overlap("cv2", has_gpu=False)
    assert overlap is not None
    assert overlap.startswith(f"{', '.join(packages[:-1])} and {packages[-1]} are installed together")
    command = f"pip uninstall -y {' '.join(packages)} && pip install opencv-python-headless"
    assert overlap.endswith(f"; run: {command}")


@pytest.mark.parametrize("used", ["xgboost", "xgboost-cpu"])
def test_xgboost_variants_are_replaced_by_the_one_that_cxr_requires(used: str, install: Install) -> None:
    install_all(install, "xgboost", ["xgboost", "xgboost-cpu"], [OPENCV, f'{used}>=3.1; extra == "analysis"'])
    overlap = describe_overlap("xgboost", has_gpu=False)
    assert overlap is not None
    assert overlap.endswith(f"; run: pip uninstall -y xgboost xgboost-cpu && pip install {used}")


@pytest.mark.parametrize(
    ("has_gpu", "kept"), [(False, "onnxruntime"), (True, '"onnxruntime-gpu[cuda,cudnn]"')]
)
def test_onnxruntime_variants_are_replaced_by_the_one_that_fits_the_machine(
    has_gpu: bool, kept: str, install: Install
) -> None:
    requires = ['onnxruntime>=1.24; extra == "cpu"', 'onnxruntime-gpu[cuda,cudnn]>=1.24; extra == "gpu"']
    install_all(install, "onnxruntime", ["onnxruntime", "onnxruntime-gpu"], requires)
    overlap = describe_overlap("onnxruntime", has_gpu=has_gpu)
    assert overlap is not None
    assert overlap.endswith(f"; run: pip uninstall -y onnxruntime onnxruntime-gpu && pip install {kept}")


def test_single_package_is_no_overlap() -> None:
    assert describe_overlap("pytest", has_gpu=True) is None
    assert describe_overlap("no_such_module", has_gpu=False) is None
