"""Every library that the package imports is one that installing it brings."""

import ast
import re
import sys
import tomllib
from importlib.metadata import metadata, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import napari_sa2va

PACKAGE = Path(napari_sa2va.__file__).parent
PYPROJECT = PACKAGE.parents[1] / "pyproject.toml"
# Libraries that others load by name: decoders of pydicom and tifffile, dask's arrays.
LOADED_BY_OTHERS = {"imagecodecs", "pylibjpeg", "tokenizers"}
# napari and what comes with it, for the rooms that napari alone opens.
WITH_NAPARI = {"napari", "superqt", "vispy"}
ROOMS_OF_NAPARI = {"gui", "plugin"}
# A library that comes with another one of the same project.
PART_OF = {"geff_spec": "geff"}
# Libraries of an extra, each with the files and folders that may ask for it.
OF_AN_EXTRA = {
    "aiohttp": {"core/zarr_tree.py"},
    "bitsandbytes": {"models/sa2va/quantise.py"},
    "dask_jobqueue": {"batch/engines"},
    "distributed": {"batch/engines"},
    "fsspec": {"core/zarr_tree.py"},
    "geff": {"writers/geff.py"},
    "h5py": {"readers/hdf5"},
    "highdicom": {"writers/dicom_seg.py", "writers/dicom_seg_frames.py"},
    "nd2": {"readers/nd2.py"},
    "nibabel": {"writers/nifti.py"},
    "pyarrow": {"batch/objects_table.py", "batch/planning/sheet.py", "writers/parquet.py"},
    "pylibCZIrw": {"readers/czi"},
}

pytestmark = pytest.mark.skipif(
    not PYPROJECT.is_file(), reason="the list of dependencies stands in the source tree only"
)


def imported(tree: ast.AST) -> set[str]:
    """Top-level names of all imports, at the top and in functions, but for type checking.

    A package that is asked for by name, `need("geff.core_io", ...)`, is imported as well.
    """
    names: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
        else:
            match node:
                case ast.Call(ast.Name("need"), [ast.Constant(str(module)), *_]):
                    names.add(module.split(".")[0])
            names |= imported(node)
    return names - set(sys.stdlib_module_names) - {"napari_sa2va"}


def declared() -> set[str]:
    requirements = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    names = [re.match(r"[\w.-]+", line).group() for line in requirements]  # type: ignore[union-attr]
    return {name.lower().replace("_", "-") for name in names}


@pytest.fixture(scope="module")
def used() -> dict[str, set[str]]:
    """Library -> files of the package that import it."""
    files: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        if room == "_tests":
            continue
        for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            if name in WITH_NAPARI and room in ROOMS_OF_NAPARI:
                continue
            file = path.relative_to(PACKAGE)
            places = {file.as_posix(), *(folder.as_posix() for folder in file.parents)}
            name = PART_OF.get(name, name)
            if not places & OF_AN_EXTRA.get(name, set()):
                files.setdefault(name, set()).add(file.as_posix())
    assert "torch" in files
    return files


def test_imports_in_functions_and_by_name_are_seen_and_those_for_type_checking_are_not() -> None:
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import dask
def late():
    from torch.nn import functional
    return need("geff.core_io", "geff", "write GEFF")
"""
    assert imported(ast.parse(source)) == {"torch", "geff"}


def test_every_library_that_is_imported_is_declared(used: dict[str, set[str]]) -> None:
    distributions = packages_distributions()
    undeclared = {
        name: sorted(files)
        for name, files in used.items()
        if not declared() & {d.lower().replace("_", "-") for d in distributions.get(name, [name])}
    }
    assert undeclared == {}


@pytest.mark.parametrize("name", OF_AN_EXTRA)
def test_a_library_of_an_extra_is_brought_by_it_and_installed_for_the_tests(name: str) -> None:
    fields = tomllib.loads(PYPROJECT.read_text())
    package = name.replace("_", "-")
    extras = fields["project"]["optional-dependencies"].values()
    assert any(Requirement(line).name == package for extra in extras for line in extra)
    tests = [line for line in fields["dependency-groups"]["test"] if isinstance(line, str)]
    assert package in {Requirement(line).name for line in tests}


def test_every_library_that_is_declared_is_used(used: dict[str, set[str]]) -> None:
    distributions = packages_distributions()
    brought = {d.lower().replace("_", "-") for name in used for d in distributions.get(name, [])}
    assert declared() - brought - LOADED_BY_OTHERS == set()


def brought_by(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Names of the distributions that installing `name` brings, itself included."""
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [(name, extras)]
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for line in requires(name) or []:
            wanted = Requirement(line)
            marker = wanted.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in extras | {""}):
                todo.append((wanted.name.lower(), frozenset(wanted.extras)))
    return {name for name, _ in seen}


def test_no_library_that_comes_along_is_under_the_gpl() -> None:
    """The package is under BSD-3-Clause, and so may its users' programs be."""
    names = brought_by("napari-sa2va")
    assert {"torch", "pydicom", "pylibjpeg-openjpeg"} <= names
    strict = {
        name
        for name in names
        for line in metadata(name).get_all("Classifier", [])
        if "General Public License" in line and "Lesser" not in line
    }
    assert strict == set()
