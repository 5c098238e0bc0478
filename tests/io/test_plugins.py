"""Readers of other packages: installed into a folder of their own and used, named, given as objects, or broken."""

import json
import os
import re
import subprocess
import sys
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.io import plugins
from insarray.io.open import GENERAL, SPECIFIC
from insarray.io.source import StackSource
from insarray.model.conventions import metres_per_radian
from insarray.model.errors import ArgumentError, FileError, StackWarning
from tests.io.stack_files import PAIRS, WAVELENGTH, Truth, write_raster

PACKAGE = Path(__file__).parents[1] / "packages" / "insarray_example_reader"
ABOUT = {"wavelength": WAVELENGTH, "left": 600_000.0, "top": 2_150_000.0, "dx": 30.0, "dy": -30.0, "epsg": 32614}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Folder into which the package was installed, from this machine alone."""
    pytest.importorskip("hatchling")
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    here = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([*command, "--target", str(target), str(PACKAGE)], check=True, env=here)
    return target


def write_product(folder: Path, truth: Truth) -> Path:
    """Centimetres toward the satellite; the second pair has the newer date first."""
    folder.mkdir()
    (folder / "example.json").write_text(json.dumps(ABOUT))
    for k, (pair, phase) in enumerate(zip(PAIRS, truth.phase, strict=True)):
        first, second = pair.split("_")[:: -1 if k == 1 else 1]
        metres = phase.astype(np.float64) * metres_per_radian(WAVELENGTH) * (-1 if k == 1 else 1)
        metres[0, 0] = -9.99
        np.save(folder / f"{first}_{second}.npy", (100 * metres).astype(np.float32))
    return folder


@pytest.fixture
def product(tmp_path, truth) -> Path:
    truth.phase[:, 0, 0] = np.nan
    return write_product(tmp_path / "product", truth)


def run(installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command of a process that has the package."""
    paths = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
    )


def insarray(installed: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(installed, "-m", "insarray", *words)


SAVE = """
import sys, numpy as np, insarray as ia
stack = ia.open_stack(sys.argv[1], **({"product": sys.argv[3]} if len(sys.argv) > 3 else {}))
assert stack.attrs["product"] == "example", stack.attrs
np.save(sys.argv[2], stack.unwrapped_phase.values)
"""


@pytest.mark.parametrize("named", [[], ["example"]])
def test_open_stack(installed, product, tmp_path, truth, named):
    done = run(installed, "-c", SAVE, str(product), str(tmp_path / "phase.npy"), *named)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "phase.npy"), truth.phase, rtol=1e-5, atol=1e-5)


def test_info_and_invert(installed, product, tmp_path, truth):
    done = insarray(installed, "info", str(product), "--json")
    assert done.returncode == 0, done.stderr
    assert "example.json" in json.loads(done.stdout)["recognised_by"], done.stdout
    assert "example" in insarray(installed, "info", str(product), "--product", "example").stdout
    out = tmp_path / "series.zarr"
    done = insarray(installed, "invert", str(product), str(out), "--reference", "none", "--block", "8")
    assert done.returncode == 0, done.stderr
    series = xr.open_zarr(out)
    expected = truth.phase[0] * metres_per_radian(WAVELENGTH)
    np.testing.assert_allclose(series.displacement[1], expected, atol=0.1)
    assert np.isnan(series.displacement[:, 0, 0]).all()
    assert insarray(installed, "status", str(out), "--verify").returncode == 0


def test_without_the_package_its_product_is_unknown(product):
    with pytest.raises(ArgumentError, match="is no known product"):
        ia.open_stack(product)
    with pytest.raises(ArgumentError, match=r"product: 'example' is not one of .*generic"):
        ia.open_stack(product, product="example")


# -- an object ------------------------------------------------------------------------------------------------------


class Mine:
    """Takes any file for a stack that a GeoTIFF beside it holds."""

    name = "mine"
    looks_for = "files of mine"
    options = frozenset({"wavelength", "dates"})

    def recognises(self, path):
        return path.suffix == ".mine" or path.suffix == ".h5"

    def scan(self, paths, options):
        from insarray.io.readers.generic import GenericReader

        return GenericReader().scan([path.with_suffix(".tif") for path in paths], options)


@pytest.fixture
def mine(folder) -> list[Path]:
    files = [folder / f"{pair}.unw.mine" for pair in PAIRS]
    for file in files:
        file.touch()
    return files


def test_a_reader_may_be_given(mine, truth):
    stack = ia.open_stack(mine, product=Mine(), wavelength=0.03)
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase)
    assert (stack.attrs["product"], stack.attrs["wavelength"]) == ("mine", 0.03)
    with pytest.raises(ArgumentError, match="nodata: does not apply to the product mine"):
        ia.open_stack(mine, product=Mine(), nodata=3)


class NoScan(Mine):
    scan = None


class NoName(Mine):
    name = ""


class OtherOptions(Mine):
    options = frozenset({"wavelength", "colour"})


class ListOfOptions(Mine):
    options = ("wavelength",)


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (Mine, r"product: Mine is a class; give an object, Mine\(\)"),
        (NoScan(), "product: NoScan has no method scan; a reader has name, looks_for"),
        (NoName(), "product: NoName has no name, a text"),
        (OtherOptions(), "product: OtherOptions has the options colour, which open_stack does not; known: coherence"),
        (ListOfOptions(), "product: ListOfOptions has no options, a set"),
        (7, "product: int has no name"),
    ],
)
def test_an_object_that_is_no_reader(mine, reader, words):
    with pytest.raises(ArgumentError, match=words):
        ia.open_stack(mine, product=reader)


class Fails(Mine):
    def scan(self, paths, options):
        return {}[paths[0]]


class Refuses(Mine):
    def scan(self, paths, options):
        raise FileError("x.mine: is not mine")


class ReturnsNone(Mine):
    def scan(self, paths, options):
        return None


class WithoutPhase(Mine):
    def scan(self, paths, options):
        found = super().scan(paths, options)
        return StackSource(found.network, found.grid, {}, found.paths)


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (Fails(), r"files: the reader 'mine' failed \(KeyError: .*\); report it to its authors"),
        (Refuses(), "x.mine: is not mine"),
        (ReturnsNone(), "files: the reader 'mine' returned NoneType; it must be a StackSource"),
        (WithoutPhase(), "files: the reader 'mine' returned no unwrapped_phase"),
    ],
)
def test_a_reader_that_fails_says_so_in_one_line(mine, reader, words):
    with pytest.raises(FileError, match=words) as error:
        ia.open_stack(mine, product=reader)
    assert "\n" not in str(error.value)


# -- entry points ---------------------------------------------------------------------------------------------------


class NeverRecognises(Mine):
    name = "never"

    def recognises(self, path):
        raise RuntimeError("no idea")


class Loaded(Mine):
    """What the entry points of these tests name."""


BROKEN = {
    "absent": ("no_such_package_anywhere:Reader", "cannot be loaded .ModuleNotFoundError: No module named"),
    "empty": ("tests.io.test_plugins:NoSuchReader", "cannot be loaded .AttributeError"),
    "halved": ("tests.io.test_plugins:NoScan", "has no method scan"),
    "raises": ("tests.io.test_plugins:NeverRecognises", r"failed at recognising .*unw.mine .RuntimeError: no idea."),
}


@pytest.fixture
def entries(monkeypatch):
    """What sets the entry points that there are."""

    def use(**values: str) -> None:
        found = [EntryPoint(name, value, plugins.GROUP) for name, value in values.items()]
        monkeypatch.setattr(plugins, "entry_points", lambda group: found if group == plugins.GROUP else [])
        plugins._entry_points.cache_clear()

    yield use
    plugins._entry_points.cache_clear()


def test_a_reader_installed_while_python_runs_is_found(tmp_path, monkeypatch):
    """The packages are looked through again only when a folder of packages has changed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "late" not in plugins.third_party_names()
    assert plugins._entry_points.cache_info().currsize == 1
    info = tmp_path / "late-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[insarray.readers]\nlate = late:Reader\n")
    assert "late" in plugins.third_party_names()


def test_they_are_asked_before_the_generic_ones(entries, mine, truth):
    entries(zz="tests.io.test_plugins:Loaded")
    np.testing.assert_array_equal(ia.open_stack(mine).unwrapped_phase, truth.phase)
    assert ia.open_stack(mine).attrs["product"] == "mine"
    for name in ("zz", "mine"):  # of the entry point, of the reader
        assert ia.open_stack(mine, product=name).attrs["product"] == "mine"


def test_an_hdf5_file_of_another_is_not_taken_for_mintpys(entries, folder, truth, tmp_path):
    import h5py

    for pair in PAIRS:
        h5py.File(folder / f"{pair}.unw.h5", "w").close()
    entries(mine="tests.io.test_plugins:Loaded")
    np.testing.assert_array_equal(ia.open_stack(f"{folder}/*.h5").unwrapped_phase, truth.phase)
    truth.write_mintpy(tmp_path / "inputs")
    assert ia.open_stack(tmp_path / "inputs" / "ifgramStack.h5").attrs["product"] == "mintpy"
    entries()
    with pytest.raises(FileError, match=r"has no dataset 'date', only nothing; give MintPy's ifgramStack\.h5"):
        ia.open_stack(f"{folder}/{PAIRS[0]}.unw.h5")


def test_our_own_products_come_first(entries, folder, truth):
    class_of_all = "tests.io.test_plugins:Everything"
    entries(all=class_of_all)
    truth.write_mintpy(folder / "inputs")
    assert ia.open_stack(folder / "inputs").attrs["product"] == "mintpy"


class Everything(Mine):
    name = "everything"

    def recognises(self, path):
        return True


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_reported_and_skipped(entries, mine, truth, name):
    value, words = BROKEN[name]
    entries(**{name: value}, zz="tests.io.test_plugins:Loaded")
    with pytest.warns(StackWarning, match=words) as caught:
        stack = ia.open_stack(mine)
    assert stack.attrs["product"] == "mine"
    assert len(caught) == 1
    assert re.search(r"it is left out$", str(caught[0].message))
    assert "\n" not in str(caught[0].message)


@pytest.mark.parametrize("name", ["absent", "empty", "halved"])
def test_a_broken_one_asked_for_by_name_is_an_error(entries, mine, name):
    value, words = BROKEN[name]
    entries(**{name: value})
    with pytest.raises(ArgumentError, match=f"product: the reader '{name}' of the package .*{words}"):
        ia.open_stack(mine, product=name)


def test_others_that_are_broken_do_not_concern_a_product_that_is_ours(entries, folder, truth):
    entries(absent=BROKEN["absent"][0])
    truth.write_mintpy(folder / "inputs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stacks = ia.open_stack(folder / "inputs"), ia.open_stack(f"{folder}/*.unw.tif", product="generic")
    assert [stack.attrs["product"] for stack in stacks] == ["mintpy", "generic"]


def test_names_that_are_known_are_listed(entries, mine):
    entries(zz="tests.io.test_plugins:Loaded")
    with pytest.raises(ArgumentError, match=r"product: 'none' is not one of aria, .*zz"):
        ia.open_stack(mine, product="none")


def test_the_protocol_is_that_of_our_own_readers():
    for reader in (*SPECIFIC, *GENERAL):
        assert plugins.problem_of(reader) is None


def test_a_raster_is_still_generic(tmp_path):
    for pair in PAIRS:
        write_raster(tmp_path / f"{pair}.unw.tif", np.ones((4, 5), np.float32))
    assert ia.open_stack(f"{tmp_path}/*.tif").attrs["product"] == "generic"
