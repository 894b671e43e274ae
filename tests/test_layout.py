"""The five packages are ours, and tests mirror modules."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("matrix", "launch", "benchmarks", "runners", "aggregate")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_imported_from_this_checkout(package: str) -> None:
    """A stray `benchmarks` in site-packages would otherwise win outside the root."""
    assert importlib.import_module(package).__file__ == str(ROOT / package / "__init__.py")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_test_folder_mirrors_a_folder_of_the_package(package: str) -> None:
    tests = ROOT / "tests" / package
    folders = {
        path.relative_to(tests) for path in tests.rglob("*") if path.is_dir() and "__pycache__" not in path.parts
    }
    missing = [str(folder) for folder in folders if not (ROOT / package / folder).is_dir()]
    assert not missing


@pytest.mark.parametrize("package", PACKAGES)
def test_every_test_module_names_a_module_of_the_package(package: str) -> None:
    tests = ROOT / "tests" / package
    strays = [str(path.relative_to(ROOT)) for path in tests.rglob("test_*.py") if not _names_a_module(path, package)]
    assert strays == []


def _names_a_module(test: Path, package: str) -> bool:
    """`test_client.py` or `test_client_faults.py` beside `client.py` (or a folder `client/`)."""
    folder = ROOT / package / test.parent.relative_to(ROOT / "tests" / package)
    words = test.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:n]) for n in range(1, len(words) + 1)]
    return any((folder / f"{name}.py").exists() or (folder / name).is_dir() for name in names)
