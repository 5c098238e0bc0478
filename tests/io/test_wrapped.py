"""Wrapped stacks: every kind of input against what was written, signs, dates, no-data, laziness, bad inputs."""

import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from rasterio.shutil import copy

from insarray.io.layers.hdf5 import Hdf5Layer
from insarray.io.layers.raster import RasterLayer
from insarray.io.wrapped.open import open_wrapped
from insarray.model.errors import ArgumentError, FileError, StackError
from tests.io.stack_files import UTM, write_raster

DATES = ("20200101", "20200113", "20200125", "20200206", "20200218")
SHAPE = (20, 30)
PI = np.float32(np.pi)


def principal(phase: np.ndarray) -> np.ndarray:
    return np.angle(np.exp(1j * phase)).astype(np.float32)


class Wrapped:
    """Phase of each date, positive away from the satellite, and files of it against any date."""

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.phase = rng.uniform(-20, 20, (len(DATES), *SHAPE))
        self.coherence = rng.uniform(0.1, 0.9, SHAPE).astype(np.float32)
        self.dispersion = rng.uniform(0.1, 1.5, SHAPE).astype(np.float32)
        self.baselines = np.round(rng.normal(0, 100, len(DATES)), 2)

    def against(self, reference: int) -> np.ndarray:
        """What a wrapped stack must hold."""
        return principal(self.phase - self.phase[reference])

    def between(self, first: int, second: int) -> np.ndarray:
        """Complex interferogram of the dates in this order, of uneven amplitude."""
        amplitude = 1 + np.arange(SHAPE[1])
        return (amplitude * np.exp(1j * (self.phase[second] - self.phase[first]))).astype(np.complex64)

    def write(self, folder: Path, reference: int = 0, order: str = "reference", *, real: bool = False) -> Path:
        """Write the interferograms; `order` of the dates in the names: reference, date, earlier or later first."""
        for k in range(len(DATES)):
            if k != reference:
                ends = {"reference": (reference, k), "date": (k, reference), "earlier": sorted((reference, k))}
                first, second = ends.get(order, sorted((reference, k), reverse=True))
                values = self.between(first, second)
                values = np.angle(values) if real else values
                write_raster(folder / f"{DATES[first]}_{DATES[second]}.int.tif", values)
        return folder

    def write_slcs(self, folder: Path, names: str = "{}.slc.tif") -> Path:
        """Write SLCs: their phase falls with the range."""
        for date, phase in zip(DATES, self.phase, strict=True):
            write_raster(folder / names.format(date), (5 * np.exp(-1j * phase)).astype(np.complex64))
        return folder

    def write_table(self, path: Path) -> Path:
        """Write baselines, the dates in no order."""
        rows = [f"{date},{value}" for date, value in zip(DATES, self.baselines, strict=True)]
        path.write_text("\n".join(["date,bperp_m", *rows[::-1]]))
        return path

    def write_hdf5(self, path: Path, ends: list[tuple[int, int]], **layout: object) -> Path:
        """Write interferograms of dates in any order."""
        with h5py.File(path, "w") as file:
            file.create_dataset("interferogram", data=np.stack([self.between(*pair) for pair in ends]), **layout)
            for name, dates in zip(("reference", "secondary"), zip(*ends, strict=True), strict=True):
                file[name] = [DATES[k].encode() for k in dates]
            file["avg_correlation"] = self.coherence
            file["amplitude_dispersion"] = self.dispersion
        return path


@pytest.fixture
def truth() -> Wrapped:
    return Wrapped()


def assert_phase(stack: xr.Dataset, expected: np.ndarray) -> None:
    """The same phase as phasors, in the interval, the reference exactly 0; float32 keeps a rounding of 20 rad."""
    phase = stack.wrapped_phase.values
    assert phase.dtype == np.float32
    np.testing.assert_allclose(np.exp(1j * phase), np.exp(1j * expected), atol=2e-6)
    assert (phase > -PI).all()
    assert (phase <= PI).all()


# -- interferograms -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("order", ["reference", "date", "earlier", "later"])
@pytest.mark.parametrize("reference", [0, 2, 4])
def test_interferograms(tmp_path: Path, truth: Wrapped, reference: int, order: str, real: bool) -> None:
    stack = open_wrapped(truth.write(tmp_path, reference, order, real=real))
    assert stack.wrapped_phase.dims == ("time", "y", "x")
    assert [str(time)[:10].replace("-", "") for time in stack.time.values] == list(DATES)
    assert stack.time.dtype == "datetime64[ns]"
    assert_phase(stack, truth.against(reference))
    assert (stack.wrapped_phase[reference] == 0).all()
    assert stack.attrs["reference_date"] == str(stack.time.values[reference])[:19]
    assert stack.attrs["source_sign"] == "away"
    assert stack.attrs["product"] == "interferograms"
    with pytest.raises(AssertionError):  # neither flipped nor shuffled signs pass
        assert_phase(stack, -truth.against(reference))
    with pytest.raises(AssertionError):
        assert_phase(stack, truth.against(reference)[::-1])


def test_sign_toward(tmp_path: Path, truth: Wrapped) -> None:
    stack = open_wrapped(truth.write(tmp_path, 1), sign="toward")
    assert_phase(stack, -truth.against(1))
    assert stack.attrs["source_sign"] == "toward"


def test_pattern_list_and_order(tmp_path: Path, truth: Wrapped) -> None:
    folder = truth.write(tmp_path)
    by_pattern = open_wrapped(f"{folder}/*.int.tif")
    xr.testing.assert_identical(by_pattern, open_wrapped(sorted(folder.iterdir(), reverse=True)))
    assert_phase(by_pattern, truth.against(0))


def test_one_interferogram_is_against_the_first_date_of_its_name(tmp_path: Path, truth: Wrapped) -> None:
    for first, second in ((0, 2), (2, 0)):
        path = write_raster(tmp_path / f"{DATES[first]}_{DATES[second]}.int.tif", truth.between(first, second))
        stack = open_wrapped(path)
        assert_phase(stack, truth.against(first)[[0, 2]])


def test_coordinates_are_those_of_open_stack(tmp_path: Path, truth: Wrapped) -> None:
    stack = open_wrapped(truth.write(tmp_path), wavelength=0.031)
    assert stack.attrs["wavelength"] == 0.031
    assert stack.x[0] == UTM.c + 15
    assert stack.y[0] == UTM.f - 15
    assert 'EPSG",32614' in stack.spatial_ref.attrs["crs_wkt"]
    assert stack.wrapped_phase.attrs["grid_mapping"] == "spatial_ref"
    assert stack.wrapped_phase.attrs["units"] == "radian"
    assert stack.attrs["input_files"] == 4


def test_folder_of_vrts(tmp_path: Path, truth: Wrapped) -> None:
    truth.write(tmp_path / "tif")
    for path in (tmp_path / "tif").iterdir():
        copy(path, tmp_path / f"{path.stem}.vrt", driver="VRT")
    assert_phase(open_wrapped(tmp_path), truth.against(0))


def test_wavelength_of_the_tags(tmp_path: Path, truth: Wrapped) -> None:
    for k in (1, 2):
        path = tmp_path / f"{DATES[0]}_{DATES[k]}.int.tif"
        write_raster(path, truth.between(0, k), tags={"wavelength": "0.0311"})
    assert open_wrapped(tmp_path).attrs["wavelength"] == 0.0311


def test_times_of_one_pass_are_one_date(tmp_path: Path, truth: Wrapped) -> None:
    write_raster(tmp_path / "20200101T060000_20200113T060002.int.tif", truth.between(0, 1))
    write_raster(tmp_path / "20200101T060007_20200125T060001.int.tif", truth.between(0, 2))
    stack = open_wrapped(tmp_path)
    assert str(stack.time.values[0])[:19] == "2020-01-01T06:00:00"
    assert_phase(stack, truth.against(0)[:3])


def test_dates_pattern(tmp_path: Path, truth: Wrapped) -> None:
    for k in (1, 2):
        write_raster(tmp_path / f"made20240101_a{DATES[0]}_b{DATES[k]}_20240101.tif", truth.between(0, k))
    stack = open_wrapped(f"{tmp_path}/*.tif", dates=r"a(\d{8})_b(\d{8})")
    assert_phase(stack, truth.against(0)[:3])


def test_no_data(tmp_path: Path, truth: Wrapped) -> None:
    """0+0j, NaN and the no-data value are NaN; the reference date has data where any other has."""
    truth.write(tmp_path)
    values = truth.between(0, 1)
    values[0, :5] = 0
    values[1, 0] = np.nan
    values[1, 1] = complex(0, np.inf)
    values[2, 0] = -9
    write_raster(tmp_path / f"{DATES[0]}_{DATES[1]}.int.tif", values)
    for k in (2, 3, 4):
        values = truth.between(0, k)
        values[0, :3] = 0
        write_raster(tmp_path / f"{DATES[0]}_{DATES[k]}.int.tif", values)
    missing = np.isnan(open_wrapped(tmp_path).wrapped_phase.values)
    assert sorted(map(tuple, np.argwhere(missing[1]).tolist())) == [(0, k) for k in range(5)] + [(1, 0), (1, 1)]
    assert [tuple(at) for at in np.argwhere(missing[0]).tolist()] == [(0, 0), (0, 1), (0, 2)]
    assert np.argwhere(missing[2]).tolist() == [[0, 0], [0, 1], [0, 2]]
    assert np.isnan(open_wrapped(tmp_path, nodata=-9).wrapped_phase.values[1, 2, 0])


def test_no_data_value_of_the_files(tmp_path: Path, truth: Wrapped) -> None:
    values = np.angle(truth.between(0, 1))
    values[3, 4] = -9999.0
    write_raster(tmp_path / f"{DATES[0]}_{DATES[1]}.int.tif", values, nodata=-9999.0)
    phase = open_wrapped(tmp_path).wrapped_phase.values
    assert np.argwhere(np.isnan(phase)).tolist() == [[0, 3, 4], [1, 3, 4]]


@pytest.mark.parametrize("sign", ["away", "toward"])
def test_minus_pi_is_pi(tmp_path: Path, sign: str) -> None:
    values = np.full(SHAPE, -1 + 0j, np.complex64)
    values[0] = complex(-1, -0.0)
    values[1] = np.exp(1j * 3.14159)
    write_raster(tmp_path / f"{DATES[0]}_{DATES[1]}.int.tif", values)
    phase = open_wrapped(tmp_path, sign=sign).wrapped_phase.values[1]
    assert (phase[0] == PI).all()
    assert (phase[2:] == PI).all()


def test_radians_just_beyond_pi_are_rounding(tmp_path: Path) -> None:
    write_raster(tmp_path / f"{DATES[0]}_{DATES[1]}.int.tif", np.full(SHAPE, 3.1416, np.float32))
    assert (open_wrapped(tmp_path).wrapped_phase[1] <= PI).all()


# -- SLCs, HDF5, Zarr -----------------------------------------------------------------------------------------------


def test_slcs(tmp_path: Path, truth: Wrapped) -> None:
    stack = open_wrapped(truth.write_slcs(tmp_path))
    assert_phase(stack, truth.against(0))
    assert (stack.wrapped_phase[0] == 0).all()
    assert (stack.attrs["product"], stack.attrs["source_sign"]) == ("slc", "toward")
    assert_phase(open_wrapped(tmp_path, sign="away"), -truth.against(0))


def test_slcs_of_any_name(tmp_path: Path, truth: Wrapped) -> None:
    truth.write_slcs(tmp_path, "v20240101_{}.tif")
    stack = open_wrapped(f"{tmp_path}/*.tif", dates=r"_(\d{8})")
    assert_phase(stack, truth.against(0))


def test_slcs_by_pattern_and_in_whole_numbers(tmp_path: Path, truth: Wrapped) -> None:
    rng = np.random.default_rng(0)
    whole = rng.integers(-900, 900, (2, *SHAPE)) + 1j * rng.integers(1, 900, (2, *SHAPE))
    for date, values in zip(DATES, whole, strict=False):
        write_raster(tmp_path / f"{date}.slc.tif", values.astype(np.complex64), dtype="complex_int16")
    stack = open_wrapped(f"{tmp_path}/*.slc.tif")
    expected = np.angle(whole[0] * whole[1].conj())
    np.testing.assert_allclose(np.exp(1j * stack.wrapped_phase[1]), np.exp(1j * expected), atol=2e-6)


def test_slc_without_data_at_the_reference_date(tmp_path: Path, truth: Wrapped) -> None:
    truth.write_slcs(tmp_path)
    for date, at in ((DATES[0], 0), (DATES[2], 1)):
        values = np.ones(SHAPE, np.complex64)
        values[at] = 0
        write_raster(tmp_path / f"{date}.slc.tif", values)
    missing = np.isnan(open_wrapped(tmp_path).wrapped_phase.values)
    assert missing[:, 0].all()
    assert missing[2, 1].all()
    assert missing.sum() == 5 * SHAPE[1] + SHAPE[1]


PAIRS_OF_HDF5 = [(0, 2), (2, 4), (3, 2), (1, 2)]  # all with date 2, in no order, one with the newer date first


@pytest.mark.parametrize("layout", [{}, {"chunks": (2, 8, 16), "compression": "gzip"}])
def test_hdf5(tmp_path: Path, truth: Wrapped, layout: dict[str, object]) -> None:
    path = truth.write_hdf5(tmp_path / "stack.h5", PAIRS_OF_HDF5, **layout)
    stack = open_wrapped(path, wavelength=0.0555)
    assert_phase(stack, truth.against(2))
    assert stack.attrs["wavelength"] == 0.0555
    np.testing.assert_array_equal(stack.average_coherence, truth.coherence)
    np.testing.assert_array_equal(stack.amplitude_dispersion, truth.dispersion)
    assert_phase(open_wrapped(path, sign="toward"), -truth.against(2))
    np.testing.assert_array_equal(stack.x, np.arange(30))


def test_hdf5_variable_and_nodata(tmp_path: Path, truth: Wrapped) -> None:
    path = truth.write_hdf5(tmp_path / "stack.h5", PAIRS_OF_HDF5)
    with h5py.File(path, "a") as file:
        other = np.full((4, *SHAPE), 0.5, np.float32)
        other[1, 3, 4] = -1.0
        file["other"] = other
    with pytest.raises(FileError, match=r"found interferogram, other; name it with variable="):
        open_wrapped(path)
    assert_phase(open_wrapped(path, variable="interferogram"), truth.against(2))
    phase = open_wrapped(path, variable="other", nodata=-1.0).wrapped_phase.values
    assert np.argwhere(np.isnan(phase)).tolist() == [[4, 3, 4]]
    assert [float(phase[k, 0, 0]) for k in range(5)] == [-0.5, -0.5, 0, -0.5, 0.5]  # of four, only 2_4 has 2 first


def test_zarr_and_netcdf(tmp_path: Path, truth: Wrapped) -> None:
    folder = truth.write(tmp_path / "files", 1)
    write_raster(folder / "temporal_coherence.tif", truth.coherence)
    table = truth.write_table(tmp_path / "b.csv")
    stack = open_wrapped(folder, baselines=table, wavelength=0.031)
    stack.to_zarr(tmp_path / "a.zarr", consolidated=False)
    stack.to_netcdf(tmp_path / "a.nc")
    for name in ("a.zarr", "a.nc"):
        again = open_wrapped(tmp_path / name)
        xr.testing.assert_equal(again.compute(), stack.compute())
        for attribute in ("wavelength", "reference_date", "source_sign"):
            assert again.attrs[attribute] == stack.attrs[attribute]
        assert open_wrapped(tmp_path / name, wavelength=0.05).attrs["wavelength"] == 0.05
        with pytest.raises(ArgumentError, match=r"dates, sign: does not apply to a stack in insarray's own terms"):
            open_wrapped(tmp_path / name, sign="away", dates="(.)(.)")


# -- maps and baselines ---------------------------------------------------------------------------------------------


def test_maps_of_the_folder(tmp_path: Path, truth: Wrapped) -> None:
    truth.write(tmp_path)
    assert list(open_wrapped(tmp_path).data_vars) == ["wrapped_phase"]
    write_raster(tmp_path / "temporal_coherence.tif", truth.coherence)
    write_raster(tmp_path / "amplitude_dispersion.tif", truth.dispersion, nodata=truth.dispersion[0, 0])
    write_raster(tmp_path / "average_coherence.tif", 1 - truth.coherence)
    stack = open_wrapped(tmp_path)
    np.testing.assert_array_equal(stack.temporal_coherence, truth.coherence)
    np.testing.assert_array_equal(stack.average_coherence, 1 - truth.coherence)
    assert np.isnan(stack.amplitude_dispersion[0, 0])
    np.testing.assert_array_equal(stack.amplitude_dispersion[1:], truth.dispersion[1:])
    assert stack.attrs["temporal_coherence_file"] == "temporal_coherence.tif"
    assert "temporal_coherence" not in open_wrapped(f"{tmp_path}/*.int.tif")


@pytest.mark.parametrize("name", ["temporal_coherence", "amplitude_dispersion"])
def test_maps_that_are_given_come_first(tmp_path: Path, truth: Wrapped, name: str) -> None:
    folder = truth.write(tmp_path / "files")
    write_raster(folder / f"{name}.tif", truth.coherence)
    other = write_raster(tmp_path / "other.tif", truth.coherence / 2)
    stack = open_wrapped(folder, **{name: other})
    np.testing.assert_array_equal(stack[name], truth.coherence / 2)
    assert stack.attrs[f"{name}_file"] == "other.tif"


def test_baselines(tmp_path: Path, truth: Wrapped) -> None:
    stack = open_wrapped(truth.write(tmp_path / "files", 3), baselines=truth.write_table(tmp_path / "b.csv"))
    assert stack.perpendicular_baseline.dims == ("time",)
    assert stack.perpendicular_baseline.attrs["units"] == "m"
    np.testing.assert_allclose(stack.perpendicular_baseline, truth.baselines - truth.baselines[3], rtol=1e-5)
    assert "perpendicular_baseline" not in open_wrapped(tmp_path / "files").coords


def test_baselines_of_pairs(tmp_path: Path, truth: Wrapped) -> None:
    """Closed to dates; a table that does not close says by how much."""
    folder, table, b = truth.write(tmp_path / "files", 2), tmp_path / "b.csv", truth.baselines
    rows = [f"{DATES[i]},{DATES[j]},{b[j] - b[i]}" for i, j in ((1, 0), (1, 2), (3, 2), (2, 4), (0, 2))]
    table.write_text("\n".join(["reference,secondary,bperp_m", *rows]))
    stack = open_wrapped(folder, baselines=table)
    np.testing.assert_allclose(stack.perpendicular_baseline, b - b[2], atol=1e-4)
    assert stack.perpendicular_baseline.attrs["misclosure_rms"] < 1e-9
    table.write_text("\n".join(["reference,secondary,bperp_m", *rows[:-1], f"{DATES[0]},{DATES[2]},{b[2] - b[0] + 3}"]))
    stack = open_wrapped(folder, baselines=table)
    assert stack.perpendicular_baseline.attrs["misclosure_rms"] == pytest.approx(np.sqrt(3 / 5))  # 1 m in each of 3
    stack.to_zarr(tmp_path / "a.zarr", consolidated=False)
    xr.testing.assert_identical(
        open_wrapped(tmp_path / "a.zarr").perpendicular_baseline.variable, stack.perpendicular_baseline.variable
    )


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("date,bperp\n20200101,1\n", FileError, r"b\.csv: has no column bperp_m; its first line holds date, bperp"),
        ("date,bperp_m\n20200101,0\n20200113,3\n", StackError, r"3 of 5 dates are not in .*20200125, 20200206"),
        ("date,bperp_m\n20200101,0\n2020-01-01,3\n", StackError, r"20200101"),
        ("reference,secondary,bperp_m\n20200101,20200113,3\n", StackError, r"3 of 5 dates are not in"),
    ],
)
def test_bad_baselines(tmp_path: Path, truth: Wrapped, text: str, error: type[Exception], message: str) -> None:
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(error, match=message):
        open_wrapped(truth.write(tmp_path / "files"), baselines=tmp_path / "b.csv")


# -- laziness -------------------------------------------------------------------------------------------------------


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """(files, rows, columns) of every read."""
    found: list[tuple[int, int, int]] = []
    for owner in (RasterLayer, Hdf5Layer):

        def method(self: object, *args: object, original: Callable[..., np.ndarray] = owner.read) -> np.ndarray:
            window = original(self, *args)
            found.append(window.shape)
            return window

        monkeypatch.setattr(owner, "read", method)
    return found


@pytest.mark.parametrize("kind", ["interferograms", "slc", "hdf5"])
def test_windows_that_are_read(tmp_path: Path, truth: Wrapped, windows: list[tuple[int, int, int]], kind: str) -> None:
    path = tmp_path / "stack.h5"
    if kind == "hdf5":
        truth.write_hdf5(path, PAIRS_OF_HDF5)
    else:
        path = truth.write(tmp_path, 2) if kind == "interferograms" else truth.write_slcs(tmp_path)
    stack = open_wrapped(path, block=10)
    repr(stack)
    assert not windows
    assert stack.wrapped_phase.chunks == ((5,), (10, 10), (10, 10, 10))
    files = 5 if kind == "slc" else 4
    whole = stack.wrapped_phase.values
    assert sorted(windows) == [(files, 10, 10)] * 6
    windows.clear()
    np.testing.assert_array_equal(stack.wrapped_phase[:, 3:7, 12:15], whole[:, 3:7, 12:15])
    assert windows == [(files, 4, 3)]
    windows.clear()
    np.testing.assert_array_equal(stack.wrapped_phase[3:, 3], whole[3:, 3])
    assert sorted(windows) == [(3 if kind == "slc" else 2, 1, 10)] * 3  # SLCs need the first date, too
    np.testing.assert_array_equal(stack.wrapped_phase[[3, 1], 3], whole[[3, 1], 3])
    np.testing.assert_array_equal(stack.wrapped_phase[[4, 2, 0], 3], whole[[4, 2, 0], 3])


def test_names_and_pickles(tmp_path: Path, truth: Wrapped) -> None:
    folder = truth.write(tmp_path)
    stack = open_wrapped(folder)
    first = stack.wrapped_phase.data.name
    assert open_wrapped(folder).wrapped_phase.data.name == first
    assert open_wrapped(folder, sign="toward").wrapped_phase.data.name != first
    content = pickle.dumps(stack)
    assert len(content) < 30_000
    xr.testing.assert_identical(pickle.loads(content).compute(), stack.compute())
    (folder / f"{DATES[0]}_{DATES[1]}.int.tif").touch()
    again = open_wrapped(folder)
    assert again.attrs["input_fingerprint"] != stack.attrs["input_fingerprint"]
    assert again.wrapped_phase.data.name != first
    raster = write_raster(folder / "temporal_coherence.tif", truth.coherence)
    with_map = open_wrapped(folder)
    assert with_map.attrs["input_fingerprint"] != again.attrs["input_fingerprint"]
    raster.touch()
    assert open_wrapped(folder).attrs["input_fingerprint"] != with_map.attrs["input_fingerprint"]


# -- bad inputs -----------------------------------------------------------------------------------------------------

FIRST = f"{DATES[0]}_{DATES[1]}.int.tif"
ONE = np.ones(SHAPE, np.complex64)


def _replace(data: np.ndarray = ONE, name: str = FIRST, **options: object) -> Callable[[Path], None]:
    return lambda folder: (write_raster(folder / name, data, **options), None)[1]


def _cut(folder: Path) -> None:
    path = write_raster(folder / FIRST, np.random.default_rng(1).normal(size=SHAPE).astype(np.complex64))
    path.write_bytes(path.read_bytes()[:2000])


def _text(folder: Path) -> None:
    (folder / FIRST).write_text("not a tiff")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_cut, FileError, rf"{FIRST}: is not a readable GTiff raster"),
        (_text, FileError, rf"{FIRST}: is not a readable GTiff raster"),
        (_replace(ONE[:10]), StackError, rf"1 of 4 files are not on the grid .*{FIRST}: 10 x 30 pixels instead"),
        (_replace(crs="EPSG:32615"), StackError, rf"{FIRST}: CRS EPSG:32615 instead of EPSG:32614"),
        (
            _replace(name=f"{DATES[1]}_{DATES[0]}.int.tif"),
            StackError,
            r"pair 20200101_20200113: both .* and .*keep one",
        ),
        (
            _replace(name=f"{DATES[1]}_{DATES[2]}.int.tif"),
            StackError,
            rf"{FIRST} is against 20200101, {DATES[1]}_{DATES[2]}\.int\.tif is not; a wrapped stack has one reference",
        ),
        (_replace(name=f"{DATES[1]}_{DATES[1]}.int.tif"), StackError, r"both dates are 20200113"),
        (_replace(name="linked.int.tif"), ArgumentError, r"linked\.int\.tif: found no two dates"),
        (_replace(np.ones(SHAPE, np.int16)), FileError, rf"{FIRST}: holds int16; wrapped phase is complex, or radians"),
        (_replace(units="degrees"), FileError, rf"{FIRST}: its unit tag says 'degrees'; turn the phase into radians"),
        (_replace(scale=0.5), FileError, rf"{FIRST}: has a scale of 0.5"),
        (_replace(name="20200101.slc.tif"), FileError, r"holds both \*\.int\.tif and \*\.slc\.tif"),
        (
            _replace(np.ones((5, 5), np.float32), "temporal_coherence.tif"),
            StackError,
            r"temporal_coherence: .*temporal_coherence\.tif: 5 x 5 pixels instead of 20 x 30",
        ),
        (_replace(name="temporal_coherence.tif"), FileError, r"temporal_coherence\.tif: holds complex numbers"),
        (
            _replace(np.ones(SHAPE, np.float32), "amplitude_dispersion.tif", scale=0.1),
            FileError,
            r"amplitude_dispersion\.tif: has a scale of 0\.1",
        ),
    ],
)
def test_bad_files(
    tmp_path: Path, truth: Wrapped, change: Callable[[Path], None], error: type[Exception], message: str
) -> None:
    change(truth.write(tmp_path))
    with pytest.raises(error, match=message) as caught:
        open_wrapped(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [7.0, 180.0, -3.2])
def test_real_values_that_are_not_wrapped(tmp_path: Path, values: float) -> None:
    write_raster(tmp_path / FIRST, np.full(SHAPE, values, np.float32))
    stack = open_wrapped(tmp_path)
    with pytest.raises(StackError, match=rf"{FIRST}: holds values from .* outside -pi to pi radian; open unwrapped"):
        stack.compute()


def test_bad_slcs(tmp_path: Path, truth: Wrapped) -> None:
    write_raster(tmp_path / f"{DATES[0]}.slc.tif", ONE)
    with pytest.raises(StackError, match=r"20200101\.slc\.tif: is the only date"):
        open_wrapped(tmp_path)
    truth.write_slcs(tmp_path)
    write_raster(tmp_path / f"x{DATES[1]}.slc.tif", ONE)
    with pytest.raises(StackError, match=r"20200113: both .*20200113\.slc\.tif and .*x20200113\.slc\.tif; keep one"):
        open_wrapped(tmp_path)
    (tmp_path / f"x{DATES[1]}.slc.tif").unlink()
    write_raster(tmp_path / f"{DATES[1]}.slc.tif", ONE.real)
    with pytest.raises(FileError, match=r"20200113\.slc\.tif: holds float32; an SLC is complex"):
        open_wrapped(tmp_path)
    write_raster(tmp_path / "a.slc.tif", ONE)
    with pytest.raises(ArgumentError, match=r"a\.slc\.tif: expected one date in the name, found none"):
        open_wrapped(tmp_path)
    with pytest.raises(ArgumentError, match=r"date pattern .*: does not find one group in "):
        open_wrapped(tmp_path, dates=r"q(\d{8})")


def test_bad_hdf5(tmp_path: Path, truth: Wrapped) -> None:
    path = truth.write_hdf5(tmp_path / "s.h5", PAIRS_OF_HDF5)

    def refused(change: Callable[[h5py.File], None], error: type[Exception], message: str, **options: object) -> None:
        truth.write_hdf5(path, PAIRS_OF_HDF5)
        with h5py.File(path, "a") as file:
            change(file)
        with pytest.raises(error, match=message):
            open_wrapped(path, **options)

    def move(name: str, value: object) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            del file[name]
            if value is not None:
                file[name] = value

        return change

    refused(move("reference", None), FileError, r"s\.h5: has no list reference; a wrapped stack needs the dates")
    refused(move("secondary", [b"20200101"]), FileError, r"has 4 reference and 1 secondary dates")
    refused(move("secondary", [b"2020"] * 4), FileError, r"s\.h5/secondary: date: '2020' is not a date")
    refused(move("secondary", [b"20210101", b"20210102", b"20210103", b"20210104"]), StackError, r"is against 20200")
    refused(move("interferogram", None), FileError, r"needs one dataset \(interferogram, row, col\), found none")
    refused(move("interferogram", np.ones((3, 5, 5), "c8")), FileError, r"shape \(3, 5, 5\); wrapped .*\(4, row, col\)")
    refused(move("interferogram", np.ones((4, 5, 5), "i2")), FileError, r"s\.h5/interferogram: is int16")
    refused(
        move("avg_correlation", np.ones((2, 2))), StackError, r"average_coherence has the shape \(2, 2\), the phase"
    )
    refused(lambda _: None, FileError, r"has no dataset 'x'; it holds ", variable="x")
    refused(lambda _: None, ArgumentError, r"dates: does not apply to HDF5", dates="(.)(.)")
    path.write_bytes(b"\0" * 100)
    with pytest.raises(FileError, match=r"s\.h5: could not read it as HDF5"):
        open_wrapped(path)


def test_hdf5_links_are_not_followed(tmp_path: Path, truth: Wrapped) -> None:
    path = truth.write_hdf5(tmp_path / "s.h5", PAIRS_OF_HDF5)
    (tmp_path / "t.h5").write_bytes(path.read_bytes())
    with h5py.File(path, "a") as file:
        del file["interferogram"]
        file["interferogram"] = h5py.ExternalLink("t.h5", "interferogram")
    with pytest.raises(FileError, match="found none"):
        open_wrapped(path)
    with pytest.raises(FileError, match="is a link"):
        open_wrapped(path, variable="interferogram")


def test_bad_stores(tmp_path: Path, truth: Wrapped) -> None:
    stack = open_wrapped(truth.write(tmp_path / "files")).compute()
    for k, (change, error, message) in enumerate(
        (
            (lambda s: s.rename(wrapped_phase="p"), FileError, r"has no wrapped_phase; it holds "),
            (lambda s: s.isel(time=[1, 0, 2]), StackError, r"its times do not ascend"),
            (
                lambda s: s.assign_attrs(reference_date="20210101"),
                StackError,
                r"date: 20210101 is not among the 5 dates",
            ),
            (lambda s: s.transpose("y", "time", "x"), StackError, r"has dimensions \('y', 'time', 'x'\)"),
            (lambda s: s.isel(x=[0, 1, 5]), StackError, r"x: the coordinate is not evenly spaced"),
        )
    ):
        path = tmp_path / f"{k}.zarr"
        change(stack).to_zarr(path, consolidated=False)
        with pytest.raises(error, match=message):
            open_wrapped(path)
    with pytest.raises(FileError, match=r"HDF5 and Zarr are read one at a time, not 0\.zarr, 1\.zarr"):
        open_wrapped(f"{tmp_path}/[01].zarr")


def test_bad_arguments(tmp_path: Path, truth: Wrapped) -> None:
    folder = truth.write(tmp_path / "files")
    (tmp_path / "empty").mkdir()
    for files, options, error, message in (
        (folder, {"sign": "up"}, ArgumentError, r"sign: 'up' is not one of away, toward"),
        (folder, {"wavelength": 5.6e9}, ArgumentError, r"wavelength: 56.* is not a radar wavelength"),
        (folder, {"nodata": np.inf}, ArgumentError, r"nodata: infinite values"),
        (folder, {"variable": "a"}, ArgumentError, r"variable: does not apply to rasters"),
        (folder, {"dates": "("}, ArgumentError, r"dates: '\(' is not a regular expression"),
        (folder, {"dates": "(.)(.)(.)"}, ArgumentError, r"has 3 groups; it needs two"),
        (folder, {"block": 0}, ArgumentError, r"block: 0"),
        (folder, {"temporal_coherence": f"{folder}/*"}, ArgumentError, r"temporal_coherence: .* matches 4 files; give"),
        (folder, {"baselines": "no.csv"}, FileError, r"baselines: no\.csv does not exist"),
        (tmp_path / "empty", {}, FileError, r"empty: holds no \*\.int\.tif, no \*\.slc\.tif"),
        ([tmp_path / "empty", folder], {}, FileError, r"one of them a folder; give one folder, or files"),
        (f"{tmp_path}/*.nothing", {}, ArgumentError, r"nothing matches"),
        ([], {}, ArgumentError, r"files: the list is empty"),
    ):
        with pytest.raises(error, match=message):
            open_wrapped(files, **options)


# -- real data ------------------------------------------------------------------------------------------------------


def test_real_stack(shared: Path) -> None:
    """92 Sentinel-1 interferograms against 2018-01-15, named earlier date first."""
    path = shared / "data" / "s1_wrapped_psps" / "wrapped_stack.h5"
    stack = open_wrapped(path).compute()
    assert stack.sizes == {"time": 93, "y": 96, "x": 96}
    assert stack.attrs["reference_date"] == "2018-01-15T00:00:00"
    days = np.array([str(time)[:10].replace("-", "") for time in stack.time.values])
    assert all(first < second for first, second in pairwise(days))
    phase = stack.wrapped_phase.values
    with h5py.File(path) as file:
        for k, (first, second) in enumerate(
            zip(file["reference"].asstr()[:], file["secondary"].asstr()[:], strict=True)
        ):
            angle = np.angle(file["interferogram"][k])
            if first == "20180115":  # later dates are the second of the name
                np.testing.assert_array_equal(phase[days == second][0], angle)
            else:
                assert second == "20180115"
                np.testing.assert_array_equal(phase[days == first][0], -angle)
        np.testing.assert_array_equal(stack.average_coherence, file["avg_correlation"][:])
    assert (phase[days == "20180115"] == 0).all()
