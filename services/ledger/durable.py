"""Folders that are still there after a crash of the machine: their entries are synchronised, not only their content."""

from __future__ import annotations

import os
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Makes the folder where there is none. It is on disk when this returns, also where a run before was killed
    between the two."""
    missing = [each for each in folder.parents if not each.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in (folder, *missing):
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """The names in the folder are on disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
