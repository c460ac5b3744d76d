"""The NIH ChestX-ray14 layout: the names of its files and the folders of its images."""

from __future__ import annotations

from pathlib import Path

BOXES = "BBox_List_2017.csv"
ENTRIES = (
    "Data_Entry_2017_v2020.csv",
    "Data_Entry_2017_v2020.csv.gz",
    "Data_Entry_2017.csv",
    "Data_Entry_2017.csv.gz",
)
MASKS = "masks"
SYNTHETIC = "truth.json"
"""Present only in a synthetic sample."""

FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
)
LESION = "lesion"
NO_FINDING = "No Finding"
BOX_FRAME = 1024
"""Boxes are in pixels of an image of this height and width."""

DOWNLOAD = "https://nihcc.app.box.com/v/ChestXray-NIHCC"
HOW_TO_GET = (
    "create a synthetic data set with `cxr sample NIH-Chest-X-ray-dataset`, "
    f"or download the NIH data set to this folder ({DOWNLOAD})"
)
LICENSE = f"NIH Clinical Center: no restrictions on use, attribution required ({DOWNLOAD})"


def find_entries(folder: Path) -> Path | None:
    """Find the clinical table of the NIH layout in a folder; the newer edition takes precedence."""
    return next((folder / name for name in ENTRIES if (folder / name).is_file()), None)


def is_in_nih_set(folder: Path) -> bool:
    """Return whether a folder holds images of an NIH set: one of its tables is there or above `images*`."""
    places = {folder.absolute(), folder.resolve()}
    return any(_is_nih_root(root) for place in places for root in _roots(place))


def _roots(folder: Path) -> list[Path]:
    """Return the folders whose images may lie in a folder, as `find_images` looks for them."""
    roots = [folder]
    if folder.name.startswith("images"):
        roots.append(folder.parent)
        if folder.name == "images" and folder.parent.name.startswith("images"):
            roots.append(folder.parent.parent)
    return roots


def _is_nih_root(folder: Path) -> bool:
    return (folder / BOXES).is_file() or find_entries(folder) is not None


def find_images(root: Path) -> dict[str, str]:
    """Map the file names of the images in the NIH layout to their paths relative to `root`.

    If a name occurs twice, the first folder takes precedence.
    """
    found: dict[str, str] = {}
    for numbered in sorted(root.glob("images*")):
        for folder in (numbered, numbered / "images"):
            if folder.is_dir():
                for file in sorted(folder.glob("*.png")):
                    found.setdefault(file.name, file.relative_to(root).as_posix())
    return found
