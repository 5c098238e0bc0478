"""Every file may be given as text, Path, any os.PathLike, file:// or http:// URL, alone or in a list; nothing else may."""

import gc
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import fsspec
import h5py
import numpy as np
import pytest
import xarray as xr
from affine import Affine

import insarray as ia
from insarray.io.baselines import read_baselines
from insarray.io.layers.warp import read_on_grid
from insarray.io.locations import local
from insarray.model.dataset import grid_of
from insarray.model.errors import ArgumentError, FileError
from tests.io.products.aria import NORTH, SHAPE, STEP, WEST, AriaProduct
from tests.io.stack_files import PAIRS, UTM, WAVELENGTH, write_raster
from tests.io.web import served

pytestmark = [
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Named:
    """A path by its protocol alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """The folder of the tests of this run, and its URL."""
    pytest.importorskip("aiohttp")
    top = tmp_path_factory.getbasetemp()
    with served(top) as url:
        yield top, url
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fsspec.filesystem("http").clear_instance_cache()
        gc.collect()


KINDS = ("text", "Path", "os.PathLike", "UPath", "file URL", "http")


@pytest.fixture(params=KINDS)
def address(request) -> Callable[[Path], object]:
    """What turns a path into one of the kinds of addresses."""
    if request.param == "http":
        top, url = request.getfixturevalue("web")
        return lambda path: f"{url}/{path.relative_to(top)}"
    if request.param == "UPath":
        from upath import UPath

        return UPath
    return {"text": str, "Path": Path, "os.PathLike": Named, "file URL": Path.as_uri}[request.param]


@pytest.fixture
def table(tmp_path, truth) -> Path:
    """Baselines of the pairs."""
    rows = [f"{pair.replace('_', ',')},{value}" for pair, value in zip(PAIRS, truth.baselines, strict=True)]
    path = tmp_path / "of pairs.csv"  # a space is written %20 in a URL
    path.write_text("\n".join(["reference,secondary,bperp_m", *rows]))
    return path


def test_stack_with_what_lies_beside_it(address, folder, truth, table):
    truth.write_components(folder)

    def files(word: str) -> list[object]:
        return [address(folder / f"{pair}.{word}.tif") for pair in PAIRS]

    stack = ia.open_stack(
        files("unw"),
        coherence=files("cor"),
        components=files("conncomp"),
        baselines=address(table),
        wavelength=WAVELENGTH,
    )
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase)
    np.testing.assert_allclose(stack.coherence, truth.coherence, atol=1e-7)
    np.testing.assert_array_equal(stack.connected_component_labels, truth.components)
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines, atol=1e-4)


def test_a_table_of_files(address, folder, truth):
    """Names in it are relative to the table, or URLs."""
    rows = [f"{pair.replace('_', ',')},{pair}.unw.tif" for pair in PAIRS[:2]]
    rows += [f"{pair.replace('_', ',')},{(folder / f'{pair}.unw.tif').as_uri()}" for pair in PAIRS[2:]]
    (folder / "stack.csv").write_text("\n".join(["reference,secondary,unwrapped", *rows]))
    np.testing.assert_array_equal(ia.open_stack(address(folder / "stack.csv")).unwrapped_phase, truth.phase)


def test_baselines_alone(address, table, truth):
    assert read_baselines(address(table)).of_pairs(ia.Network.from_pairs(PAIRS)).values.tolist() == pytest.approx(
        truth.baselines
    )


def test_series(address, tmp_path):
    values = np.random.default_rng(1).normal(size=(3, 6, 7)).astype(np.float32)
    with h5py.File(tmp_path / "timeseries.h5", "w") as file:
        file["date"], file["timeseries"] = np.array(["20200101", "20200113", "20200125"], "S8"), values
    np.testing.assert_array_equal(ia.open_series(address(tmp_path / "timeseries.h5")).displacement, values)


def test_wrapped(address, tmp_path):
    phase = np.random.default_rng(1).uniform(-3, 3, (2, 8, 9)).astype(np.float32)
    dates = ("20200113", "20200125")
    for date, values in zip(dates, phase, strict=True):
        write_raster(tmp_path / f"20200101_{date}.int.tif", values)
    write_raster(tmp_path / "tcoh.tif", np.full((8, 9), 0.7, np.float32))
    write_raster(tmp_path / "disp.tif", np.full((8, 9), 0.2, np.float32))
    (tmp_path / "b.csv").write_text("date,bperp_m\n20200101,0\n20200113,30\n20200125,-20\n")
    stack = ia.open_wrapped(
        [address(tmp_path / f"20200101_{date}.int.tif") for date in dates],
        temporal_coherence=address(tmp_path / "tcoh.tif"),
        amplitude_dispersion=address(tmp_path / "disp.tif"),
        baselines=address(tmp_path / "b.csv"),
    )
    np.testing.assert_allclose(stack.wrapped_phase[1:], phase, atol=1e-6)
    np.testing.assert_array_equal(stack.perpendicular_baseline, [0, 30, -20])
    assert float(stack.temporal_coherence.max()) == pytest.approx(0.7)
    assert float(stack.amplitude_dispersion.max()) == pytest.approx(0.2)


def test_geometry(address, folder, tmp_path, table, truth):
    stack = ia.open_stack(f"{folder}/*.unw.tif")
    write_raster(tmp_path / "inc.tif", np.full((20, 30), 35.0, np.float32))
    found = ia.open_geometry(
        {"incidence_angle": address(tmp_path / "inc.tif"), "perpendicular_baseline": address(table)}, stack
    )
    assert float(found.incidence_angle.min()) == 35.0
    np.testing.assert_allclose(found.perpendicular_baseline, truth.baselines)
    height = xr.Dataset({"height": (("y", "x"), np.full((20, 30), 7.0, np.float32))}, stack.coords).drop_vars(
        ["pair", "reference_time", "secondary_time", "pair_fingerprint"], errors="ignore"
    )
    height.drop_attrs().to_netcdf(tmp_path / "h.nc", engine="h5netcdf")
    assert float(ia.open_geometry(address(tmp_path / "h.nc"), stack).height.max()) == 7.0


def test_rasters_that_are_warped(address, folder, tmp_path):
    grid = grid_of(ia.open_stack(f"{folder}/*.unw.tif"))
    write_raster(tmp_path / "mask.tif", np.ones((40, 60), np.uint8), transform=UTM * Affine.scale(0.5))
    assert (read_on_grid(address(tmp_path / "mask.tif"), grid) == 1).all()


def test_dem(address, tmp_path):
    place = {"crs": "EPSG:4326", "transform": Affine(STEP, 0, WEST - 5 * STEP, 0, -STEP, NORTH + 5 * STEP)}
    dem = write_raster(tmp_path / "dem.tif", np.full((SHAPE[0] + 10, SHAPE[1] + 10), 500.0, np.float32), **place)
    AriaProduct("20150605", "20150512", np.ones(SHAPE), baseline=10.0).write(tmp_path / "aria")
    stack = ia.open_stack(tmp_path / "aria", dem=address(dem))
    np.testing.assert_allclose(stack.height, 500.0)


@pytest.mark.parametrize("given", [Path, Named, Path.as_uri], ids=["Path", "os.PathLike", "file URL"])
def test_folders_patterns_and_stores(given, tmp_path, folder, truth):
    stack = ia.open_stack(given(folder / "*.unw.tif"), wavelength=WAVELENGTH)
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase)
    truth.write_mintpy(tmp_path / "inputs")
    np.testing.assert_array_equal(ia.open_stack(given(tmp_path)).unwrapped_phase, truth.phase)
    stack.drop_attrs().to_zarr(tmp_path / "stack.zarr", consolidated=False)
    np.testing.assert_array_equal(ia.open_stack(given(tmp_path / "stack.zarr")).unwrapped_phase, truth.phase)


def test_an_array_of_text_is_a_list(folder, truth):
    files = np.array([str(folder / f"{pair}.unw.tif") for pair in PAIRS])
    np.testing.assert_array_equal(ia.open_stack(files).unwrapped_phase, truth.phase)
    np.testing.assert_array_equal(ia.open_stack(path for path in files).unwrapped_phase, truth.phase)


@pytest.mark.parametrize(
    "text", ["file:///a/b c", "file:///a/b%20c", "file:/a/b c", "file://localhost/a/b c", "FILE:///a/b c"]
)
def test_forms_of_a_file_url(text):
    assert local(text) == "/a/b c"


def test_a_file_url_of_another_machine_is_refused():
    with pytest.raises(ArgumentError, match=r"file://host/a: a file of this machine is file:///folder/name"):
        ia.open_stack("file://host/a")


ARRAY = np.zeros((3, 4))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f, s: ia.open_stack(ARRAY), "files: ndarray of shape (3, 4) is not a path; give a folder"),
        (lambda f, s: ia.open_stack([f, ARRAY]), "files: ndarray of shape (3, 4) is not a path"),
        (lambda f, s: ia.open_stack(7), "files: 7 is not a path"),
        (lambda f, s: ia.open_stack(s), "files: {'pair'"),
        (lambda f, s: ia.open_stack(f, coherence=ARRAY), "coherence: ndarray of shape (3, 4) is not a path"),
        (lambda f, s: ia.open_stack(f, baselines=np.zeros(4)), "baselines: ndarray of shape (4,) is not a path"),
        (lambda f, s: ia.open_stack(f, baselines=s.pair), "baselines: DataArray of shape (4,) is not a path"),
        (lambda f, s: ia.open_series(ARRAY), "path: ndarray of shape (3, 4) is not a path"),
        (lambda f, s: ia.open_wrapped(ARRAY), "files: ndarray of shape (3, 4) is not a path"),
        (lambda f, s: ia.open_wrapped(f.replace("*", PAIRS[0]), baselines=ARRAY), "baselines: ndarray"),
        (lambda f, s: ia.open_geometry(ARRAY, s), "geometry: ndarray of shape (3, 4) is not a path"),
        (lambda f, s: ia.open_geometry({"height": ARRAY}, s), "geometry: ndarray of shape (3, 4) is not a path"),
        (
            lambda f, s: read_on_grid(ARRAY, grid_of(s)),
            "raster: ndarray of shape (3, 4) is not a path; give a file, or an xarray",
        ),
        (lambda f, s: read_baselines(ARRAY), "ndarray of shape (3, 4) is not a path"),
    ],
)
def test_what_is_no_path_is_one_line(folder, call, words):
    files = str(folder / "*.unw.tif")
    stack = ia.open_stack(files)
    if "{'pair'" in words:
        words = "files: "
    with pytest.raises(ArgumentError) as error:
        call(files, stack)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


# -- what must be installed -----------------------------------------------------------------------------------------

HIDDEN = """
import sys
for name in {hidden!r}:
    sys.modules[name] = None
import insarray as ia
try:
    ia.open_stack({url!r})
except ia.InsarrayError as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""


@pytest.mark.parametrize(
    ("url", "hidden", "extra"),
    [
        ("https://host.invalid/a.tif", ["aiohttp"], "http"),
        ("http://host.invalid/*.tif", ["aiohttp"], "http"),
        ("s3://bucket/a.tif", ["s3fs"], "s3"),
    ],
)
def test_a_package_that_is_not_there_is_named_with_its_extra(url, hidden, extra):
    command = [sys.executable, "-c", HIDDEN.format(hidden=hidden, url=url)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    lines = run.stdout.splitlines()
    assert len(lines) == 1, run
    assert lines[0].startswith(f"ArgumentError: {url}: {url.partition('://')[0]}:// needs a package")
    assert lines[0].endswith(f"pip install 'insarray[{extra}]'")


def test_the_extras_bring_what_they_say():
    """The remedies above are extras of the package, and bring what was missing."""
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert any(requirement.startswith("aiohttp") for requirement in extras["http"])
    assert any(requirement.startswith("s3fs") for requirement in extras["s3"])


def test_what_is_not_there_is_named(web, tmp_path):
    _, url = web
    with pytest.raises(FileError, match=f"files: {url}/none.tif does not exist"):
        ia.open_stack(f"{url}/none.tif")
    phase = write_raster(tmp_path / f"{PAIRS[0]}.unw.tif", np.ones((4, 5), np.float32))
    with pytest.raises(FileError, match=f"baselines: {url}/none.csv does not exist"):
        ia.open_stack(phase, baselines=f"{url}/none.csv")
