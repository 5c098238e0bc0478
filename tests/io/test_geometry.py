"""Geometry of files, for the pairs and dates of a stack or series."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from affine import Affine

import insarray as ia
from insarray.io.geometry import open as geometry_module
from insarray.io.geometry.open import open_geometry
from insarray.model.dataset import grid_coords, pair_coords, time_coords
from insarray.model.errors import ArgumentError, FileError, InsarrayError, StackError
from insarray.model.grid import Grid
from insarray.model.network import Network
from tests.io.stack_files import PAIRS, UTM, write_raster

SHAPE = (20, 30)
GRID = Grid(*SHAPE, UTM.c, UTM.f, UTM.a, UTM.e, "EPSG:32614")
NETWORK = Network.from_pairs(PAIRS)
ROWS, COLS = np.indices(SHAPE)
INCIDENCE = (30 + COLS / 10 + ROWS / 100).astype(np.float32)
RANGE = (8e5 + 100.0 * COLS + ROWS).astype(np.float32)
HEIGHT = (ROWS * 30.0 + COLS).astype(np.float32)
# metres of each date, another one in each pixel, not zero at the first
OF_DATE = (np.array([12.0, -40.0, 103.0, 7.0])[:, None, None] * (1 + (ROWS + 2 * COLS) / 100)).astype(np.float32)
OF_PAIR = OF_DATE[NETWORK.secondary] - OF_DATE[NETWORK.reference]
RELATIVE = OF_DATE - OF_DATE[0]
ORDER, SWAPPED = [2, 0, 3, 1], [0, 3]


def like(kind: str, grid: Grid = GRID, block: int | None = 7) -> xr.Dataset:
    """A stack or series of which only grid and dates count."""
    dim, coords = ("pair", pair_coords(NETWORK)) if kind == "stack" else ("time", time_coords(NETWORK))
    name = "unwrapped_phase" if kind == "stack" else "displacement"
    data = xr.Dataset({name: ((dim, "y", "x"), np.zeros((4, *grid.shape), np.float32))})
    if block is not None:
        data = data.chunk({dim: -1, "y": block, "x": block})
    return data.assign_coords(coords | grid_coords(grid))


def maps() -> xr.Dataset:
    return xr.Dataset(
        {
            "incidence_angle": (("y", "x"), INCIDENCE, {"units": "degree"}),
            "slant_range": (("y", "x"), RANGE, {"units": "m"}),
            "height": (("y", "x"), HEIGHT, {"units": "m"}),
        },
        grid_coords(GRID),
    )


def with_pairs() -> xr.Dataset:
    """Pairs in another order than the stack's, two with the newer date first."""
    labels = [pair.split("_")[:: -1 if k in SWAPPED else 1] for k, pair in enumerate(PAIRS)]
    sign = np.where(np.isin(np.arange(4), SWAPPED), -1, 1)[:, None, None].astype(np.float32)
    return maps().assign(
        bperp=(("ifg", "y", "x"), (sign * OF_PAIR)[ORDER], {"units": "m"}),
        reference=("ifg", [labels[k][0] for k in ORDER]),
        secondary=("ifg", [labels[k][1] for k in ORDER]),
    )


def with_dates() -> xr.Dataset:
    return maps().assign(perpendicular_baseline=(("time", "y", "x"), OF_DATE[ORDER])).assign_coords(
        time=NETWORK.times[ORDER].astype("datetime64[ns]")
    )  # fmt: skip


def save(data: xr.Dataset, path: Path) -> Path:
    if path.suffix == ".zarr":  # which has no fixed way to store text
        for name in {"reference", "secondary"} & set(data.variables):
            data[name] = data[name].astype(np.int64)
        data.to_zarr(path, consolidated=False)
    else:
        data.to_netcdf(path, engine="netcdf4")
    return path


def mintpy(path: Path, rows: list[list[str]], bperp: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs.update({"FILE_TYPE": "geometry", "X_UNIT": "meters", "EPSG": "32614"})
        file.attrs.update({"X_FIRST": str(UTM.c), "Y_FIRST": str(UTM.f), "X_STEP": "30", "Y_STEP": "-30"})
        file["incidenceAngle"], file["slantRangeDistance"], file["height"] = INCIDENCE, RANGE, HEIGHT
        file["date"] = np.array(rows, "S8").squeeze()
        file.create_dataset("bperp", data=bperp, chunks=(2, 8, 8) if bperp.ndim == 3 else None)
    return path


def days() -> list[list[str]]:
    return [[str(NETWORK.times[k].astype("datetime64[D]")).replace("-", "")] for k in ORDER]


def every_source(folder: Path) -> dict[str, object]:
    """The same geometry in each form."""
    pairs, rasters = with_pairs(), {}
    for name in ("incidence_angle", "slant_range", "height"):
        rasters[name] = write_raster(folder / f"{name}.tif", maps()[name].values)
    turned = [[str(pairs.reference[k].item()), str(pairs.secondary[k].item())] for k in range(4)]
    return {
        "netcdf pairs": save(pairs, folder / "pairs.nc"),
        "netcdf dates": save(with_dates(), folder / "dates.nc"),
        "netcdf in an .h5": save(pairs, folder / "pairs.h5"),
        "zarr pairs": save(pairs, folder / "pairs.zarr"),
        "zarr dates": save(with_dates(), folder / "dates.zarr"),
        "mintpy dates": mintpy(folder / "geometryGeo.h5", days(), OF_DATE[ORDER]),
        "mintpy pairs": mintpy(folder / "pairs_geo.h5", turned, pairs.bperp.values),
        "rasters": rasters | {"perpendicular_baseline": folder / "pairs.nc"},
    }


FORMS = ("netcdf pairs", "netcdf dates", "netcdf in an .h5", "zarr pairs", "zarr dates", "mintpy dates", "mintpy pairs", "rasters")  # fmt: skip


@pytest.mark.parametrize("block", [7, None])
@pytest.mark.parametrize("kind", ["stack", "series"])
@pytest.mark.parametrize("form", FORMS)
def test_every_source(tmp_path: Path, form: str, kind: str, block: int | None) -> None:
    data = like(kind, block=block)
    found = open_geometry(every_source(tmp_path)[form], data)
    assert set(found) == {"incidence_angle", "slant_range", "height", "perpendicular_baseline"}
    np.testing.assert_array_equal(found.incidence_angle, INCIDENCE)
    np.testing.assert_array_equal(found.slant_range, RANGE)
    np.testing.assert_array_equal(found.height, HEIGHT)
    dim, truth = ("pair", OF_PAIR) if kind == "stack" else ("time", RELATIVE)
    assert found.perpendicular_baseline.dims == (dim, "y", "x")
    np.testing.assert_allclose(found.perpendicular_baseline, truth, atol=1e-4)
    assert found.perpendicular_baseline.dtype == np.float32
    for name in found:
        assert found[name].attrs["units"] == ("degree" if name == "incidence_angle" else "m")
        assert found[name].attrs["grid_mapping"] == "spatial_ref"
        assert (found[name].chunks is None) == (block is None)
        if block is not None:
            assert found[name].chunksizes["x"] == data.chunksizes["x"]
    for name, coord in data.coords.items():
        np.testing.assert_array_equal(found[name], coord)


def test_a_part_of_the_stack(tmp_path: Path) -> None:
    """Pairs and dates that nobody asks for do not matter, and the dates start anew."""
    for source in (save(with_pairs(), tmp_path / "p.nc"), save(with_dates(), tmp_path / "d.nc")):
        stack = like("stack").isel(pair=[3, 1]).isel(pair=[1, 0])
        np.testing.assert_allclose(open_geometry(source, stack).perpendicular_baseline, OF_PAIR[[1, 3]], atol=1e-4)
        series = like("series").isel(time=[1, 3])
        truth = OF_DATE[[1, 3]] - OF_DATE[1]
        np.testing.assert_allclose(open_geometry(source, series).perpendicular_baseline, truth, atol=1e-4)


def test_baselines_that_all_pixels_share(tmp_path: Path) -> None:
    per_date, per_pair = OF_DATE[:, 0, 0], OF_PAIR[:, 0, 0]
    own = save(xr.Dataset({}, pair_coords(Network.from_pairs(PAIRS, per_pair))), tmp_path / "stack.zarr")
    (tmp_path / "b.csv").write_text(
        "\n".join(["date,bperp_m", *(f"{day[0]},{per_date[k]}" for day, k in zip(days(), ORDER, strict=True))])
    )
    plain = xr.Dataset({"bperp": ("date", per_date[ORDER])}, {"date": [int(day[0]) for day in days()]})
    for source in (
        own,
        tmp_path / "b.csv",
        {"perpendicular_baseline": tmp_path / "b.csv"},
        save(plain, tmp_path / "numbers.nc"),
        mintpy(tmp_path / "timeseries.h5", days(), per_date[ORDER]),
    ):
        stack, series = open_geometry(source, like("stack")), open_geometry(source, like("series"))
        assert stack.perpendicular_baseline.dims == ("pair",)
        np.testing.assert_allclose(stack.perpendicular_baseline, per_pair, atol=1e-4)
        np.testing.assert_allclose(series.perpendicular_baseline, per_date - per_date[0], atol=1e-4)
        assert series.perpendicular_baseline.attrs.get("misclosure_rms", 0) < 1e-4
    off = per_pair + np.array([0, 3, 0, 0], np.float32)  # a triangle that does not close by 3 m: 1 m for each side
    own = save(xr.Dataset({}, pair_coords(Network.from_pairs(PAIRS, off))), tmp_path / "off.zarr")
    found = open_geometry(own, like("series")).perpendicular_baseline
    assert found.attrs["misclosure_rms"] == pytest.approx(np.sqrt(3 / 4), rel=1e-4)


def test_pygmtsar_names_and_degrees(tmp_path: Path) -> None:
    """Coordinates lat and lon, dates ref and rep as times, no CRS: the stack's is taken."""
    grid = Grid(*SHAPE, -99.0, 19.0, 0.001, -0.001, "EPSG:4326")
    data = with_pairs().drop_vars("spatial_ref").rename(y="lat", x="lon", reference="ref", secondary="rep")
    data = data.assign_coords(lat=grid.y, lon=grid.x)
    for name in ("ref", "rep"):
        times = [f"{label[:4]}-{label[4:6]}-{label[6:]}" for label in data[name].values]
        data[name] = ("ifg", np.array(times, "datetime64[ns]"))
    found = open_geometry(save(data, tmp_path / "g.nc"), like("stack", grid))
    np.testing.assert_array_equal(found.perpendicular_baseline, OF_PAIR)
    with pytest.raises(StackError, match=r"g.nc: origin \(-99.0, "):
        open_geometry(tmp_path / "g.nc", like("stack", Grid(*SHAPE, -98.0, 19.0, 0.001, -0.001, "EPSG:4326")))


def test_radians_are_converted_and_said(tmp_path: Path) -> None:
    data = maps().assign(incidence_angle=(("y", "x"), np.deg2rad(INCIDENCE), {"units": "radians"}))
    found = open_geometry(save(data, tmp_path / "g.nc"), like("stack"))
    np.testing.assert_allclose(found.incidence_angle, INCIDENCE, rtol=1e-6)
    assert found.incidence_angle.attrs["source_units"] == "radians"
    assert found.incidence_angle.attrs["units"] == "degree"
    assert "source_units" not in found.slant_range.attrs
    path = write_raster(tmp_path / "inc.tif", np.deg2rad(INCIDENCE), units="rad")
    found = open_geometry({"incidence_angle": path}, like("stack"))
    np.testing.assert_allclose(found.incidence_angle, INCIDENCE, rtol=1e-6)


def test_no_data(tmp_path: Path) -> None:
    """0 is none in range and angle but a height; so is the no-data value."""
    incidence, height = INCIDENCE.copy(), HEIGHT.copy()
    incidence[0, :4] = 0, np.nan, -9999, np.inf
    height[0, :4] = 0, np.nan, -9999, np.inf
    found = open_geometry(
        {
            "incidence_angle": write_raster(tmp_path / "inc.tif", incidence, nodata=-9999),
            "height": write_raster(tmp_path / "hgt.tif", height, nodata=-9999),
        },
        like("series"),
    )
    assert np.isfinite(found.incidence_angle.values[0, :5]).tolist() == [False, False, False, False, True]
    assert np.isfinite(found.height.values[0, :5]).tolist() == [True, False, False, False, True]


def test_radar_coordinates(tmp_path: Path) -> None:
    path = mintpy(tmp_path / "geometryRadar.h5", days(), OF_DATE[ORDER])
    with h5py.File(path, "a") as file:
        for name in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP"):
            del file.attrs[name]
    found = open_geometry(path, like("stack", Grid(*SHAPE)))
    np.testing.assert_allclose(found.perpendicular_baseline, OF_PAIR, atol=1e-4)
    with pytest.raises(StackError, match=r"geometryRadar.h5: CRS none .* instead of EPSG:32614"):
        open_geometry(path, like("stack"))


def test_values_that_cannot_be_are_noticed_where_they_are_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(geometry_module, "_PROBE", 8)
    bad = RANGE.copy()
    bad[0, 0] = 800.0
    found = open_geometry({"slant_range": write_raster(tmp_path / "r.tif", bad)}, like("stack", block=10))
    np.testing.assert_array_equal(found.slant_range[10:, 10:], RANGE[10:, 10:])
    with pytest.raises(StackError, match=r"r.tif: holds slant_range from 800 to .*, outside 10000 to 1e\+08 metre"):
        found.slant_range[:10, :10].compute()


def _changed(**variables: object):
    return lambda folder: save(with_pairs().assign(variables), folder / "g.nc")


def _raster(name: str, data: np.ndarray, **options: object):
    return lambda folder: {name: write_raster(folder / "g.tif", data, **options)}


def _mintpy(rows, bperp):
    return lambda folder: mintpy(folder / "g.h5", rows, bperp)


def _h5(change):
    def make(folder: Path) -> Path:
        path = mintpy(folder / "g.h5", days(), OF_DATE)
        with h5py.File(path, "a") as file:
            change(file)
        return path

    return make


def _saved(make):
    return lambda folder: save(make(), folder / "g.nc")


def _text(name: str):
    def make(folder: Path) -> Path:
        (folder / name).write_text("no such thing")
        return folder / name

    return make


MAP = ("y", "x")
CUBE = ("ifg", "y", "x")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        # units
        (_changed(incidence_angle=(MAP, INCIDENCE, {"units": "gon"})), FileError, "is in 'gon'; it needs degree or rad"),
        (_changed(slant_range=(MAP, RANGE / 1e3, {"units": "km"})), FileError, "slant_range is in 'km'; it needs metre"),
        (_changed(height=(MAP, HEIGHT, {"units": "radian"})), FileError, "height is in 'radian'; it needs metre"),
        (_raster("slant_range", RANGE, units="feet"), FileError, "slant_range is in 'feet'; it needs metre"),
        (_raster("slant_range", RANGE, scale=2.0), FileError, "has a scale of 2; write the values themselves"),
        # values
        (_changed(incidence_angle=(MAP, INCIDENCE / 57)), StackError, r"g.nc: holds incidence_angle from 0.5.* 2 to 90"),
        (_raster("incidence_angle", INCIDENCE + 60), StackError, "holds incidence_angle from 90.* outside 2 to 90 deg"),
        (_raster("incidence_angle", -INCIDENCE), StackError, "holds incidence_angle from -33"),
        (_raster("slant_range", RANGE / 1e3), StackError, "holds slant_range from 800 to 802.9"),
        (_raster("height", HEIGHT * 1e3), StackError, "holds height from 0 to"),
        (_changed(bperp=(CUBE, OF_PAIR * 1e4)), StackError, "holds perpendicular_baseline from"),
        # grid
        (_saved(lambda: with_pairs().isel(y=slice(1, None))), StackError, "19 x 30 pixels instead of 20 x 30"),
        (_saved(lambda: with_pairs().drop_vars(MAP).isel(x=slice(9))), StackError, "20 x 9 pixels instead of 20 x 30"),
        (_saved(lambda: with_pairs().assign_coords(x=GRID.x + 12.0)), StackError, r"g.nc: origin .* and pixel"),
        (_saved(lambda: with_pairs().assign_coords(x=GRID.x + 15)), StackError, r"g.nc: origin \(600015.0"),
        (_saved(lambda: with_pairs().assign_coords(x=np.sqrt(GRID.x - GRID.left))), FileError, "x: the coordinate is not evenly spaced"),
        (_raster("height", HEIGHT, crs="EPSG:32615"), StackError, "CRS EPSG:32615 instead of EPSG:32614"),
        (_raster("height", HEIGHT, crs=None), StackError, "CRS none .* instead of EPSG:32614"),
        (_raster("height", HEIGHT, transform=UTM * Affine.translation(0.5, 0)), StackError, "origin"),
        (_h5(lambda file: file.attrs.update(EPSG="32615")), StackError, "CRS EPSG:32615 instead of EPSG:32614"),
        # pairs and dates
        (_saved(lambda: with_pairs().isel(ifg=[0, 1, 3])), StackError, rf"1 of 4 pairs are not in .*{PAIRS[3]}"),
        (_saved(lambda: with_dates().isel(time=[0, 1, 3])), StackError, "1 of 4 dates are not in .*g.nc: 20200206"),
        (_saved(lambda: with_pairs().isel(ifg=[0, 1, 2, 3, 0])), StackError, "g.nc: pair 20200113_20200125 is listed"),
        (_saved(lambda: with_dates().isel(time=[0, 1, 2, 3, 0])), StackError, "g.nc: date 20200125 is listed more"),
        (_saved(lambda: with_pairs().drop_vars("secondary")), FileError, "bperp has no dates along ifg; it needs"),
        (_changed(reference=("ifg", ["20200101", "x", "y", "z"])), FileError, "g.nc: date: 'x' is not a date"),
        (_changed(bperp=(MAP, HEIGHT)), FileError, r"bperp has dimensions \('y', 'x'\); it needs dates or pairs"),
        (_changed(height=(CUBE, OF_PAIR)), FileError, r"height has dimensions \('ifg', 'y', 'x'\); it needs \('y', 'x'"),
        (_changed(bperp=("ifg", [1.0, np.nan, 2, 3])), StackError, "the baseline of 2020-01-13_2020-01-01 is nan"),
        (_mintpy(days()[:3], OF_DATE), FileError, r"bperp has shape \(4, 20, 30\) and date \(3,\); they need one"),
        (_mintpy(days(), HEIGHT), FileError, r"bperp has shape \(20, 30\) and date \(4,\)"),
        (_h5(lambda file: file.__delitem__("date")), FileError, "and date None; they need one date or pair"),
        (_h5(lambda file: file.move("bperp", "height2") or file.move("height", "x") or file.move("height2", "height")),
         FileError, r"height has shape \(4, 20, 30\); it needs \(y, x\)"),
        # what there is
        (_saved(lambda: with_pairs()[["reference"]]), FileError, "holds none of incidence_angle, .*; it has reference"),
        (_changed(perpendicular_baseline=(CUBE, OF_PAIR)), FileError, "has both perpendicular_baseline and bperp"),
        (_h5(lambda file: [file.__delitem__(name) for name in list(file)]), FileError, "holds none of .* has nothing"),
        (_text("g.nc"), FileError, "g.nc: cannot be opened as NetCDF or Zarr"),
        (_text("g.h5"), FileError, "g.h5: could not read it as HDF5"),
        (lambda folder: {"height": _text("g.tif")(folder)}, FileError, "g.tif: is not a readable GTiff raster"),
        (_text("g.tif"), ArgumentError, "g.tif does not state its contents; give {'slant_range': file"),
        (lambda folder: folder, FileError, "is not a Zarr folder; give the file of the geometry"),
        (lambda folder: folder / "none.nc", FileError, "geometry: .*none.nc does not exist"),
        (lambda folder: str(save(maps(), folder / "a.nc").parent / "*") if save(maps(), folder / "b.nc") else "",
         ArgumentError, "matches 2 files; give one"),
        (lambda folder: {}, ArgumentError, "geometry: names no file"),
        (lambda folder: {"range": folder}, ArgumentError, "geometry: 'range' is not one of incidence_angle, slant_range"),
        (_raster("perpendicular_baseline", HEIGHT), ArgumentError, "does not say the dates of its baselines"),
        (lambda folder: {"slant_range": save(maps()[["height"]], folder / "g.nc")}, FileError,
         "has no slant_range, only height"),
    ],
)  # fmt: skip
def test_bad_geometry(tmp_path: Path, make, error: type[InsarrayError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        open_geometry(make(tmp_path), like("stack"))
    assert "\n" not in str(caught.value)


def test_baselines_for_something_without_dates(tmp_path: Path) -> None:
    path = save(with_pairs(), tmp_path / "g.nc")
    with pytest.raises(StackError, match="has neither pairs nor dates; give a stack or series"):
        open_geometry(path, maps())
    found = open_geometry(save(maps(), tmp_path / "maps.nc"), maps())
    np.testing.assert_array_equal(found.slant_range, RANGE)


def test_height_error_of_a_stack_of_other_pairs(tmp_path: Path) -> None:
    """Baselines know whose they are: those of other pairs are refused, though as many; in another order they are found."""
    geometry = open_geometry(save(with_pairs(), tmp_path / "g.nc"), like("stack"))
    other = geometry.perpendicular_baseline.isel(pair=[1, 0, 2, 3]).assign_coords(pair=range(4))
    stack = like("stack").assign_attrs(wavelength=0.0555)
    maps_of = {"slant_range": geometry.slant_range, "incidence_angle": geometry.incidence_angle}
    fits = [ia.fit(stack, height_error=True, baselines=b, **maps_of) for b in (other, geometry.perpendicular_baseline)]
    xr.testing.assert_identical(*fits)
    wrong = geometry.perpendicular_baseline.isel(pair=[1, 1, 2, 3])
    with pytest.raises(ArgumentError, match="baselines: has the pair 20200101_20200125 more than once"):
        ia.fit(stack, height_error=True, baselines=wrong, **maps_of)
    series = open_geometry(tmp_path / "g.nc", like("series")).perpendicular_baseline
    wrong = series.assign_coords(time=series.time + np.timedelta64(1, "D"))
    with pytest.raises(ArgumentError, match=r"baselines: lacks \d of \d dates of the data: 20200101"):
        ia.fit(like("series"), height_error=True, baselines=wrong, **maps_of)


# -- real data ------------------------------------------------------------------------------------------------------


def test_mexico(shared: Path) -> None:
    """Baselines of pair k are those of its dates; the height error of pairs and of dates agree."""
    crop = shared / "data" / "s1_mexico_cropA"
    stack = ia.open_stack(f"{crop}/unw/*.tif", baselines=crop / "baselines.csv", wavelength=0.0554657595)
    geometry = ia.open_geometry(crop / "geometry.nc", stack)
    stored = xr.open_dataset(crop / "geometry.nc")
    for k, label in enumerate(stack.insar.network.labels):
        first, second = label.split("_")
        (at,) = np.flatnonzero((stored.reference.values == first) & (stored.secondary.values == second))
        np.testing.assert_array_equal(geometry.perpendicular_baseline[k], stored.bperp[at])
    np.testing.assert_allclose(
        geometry.perpendicular_baseline.mean(("y", "x")), stack.perpendicular_baseline, atol=0.05
    )

    def height(data: xr.Dataset, **options: object) -> np.ndarray:
        found = ia.open_geometry(crop / "geometry.nc", data)
        maps_of = {"slant_range": found.slant_range, "incidence_angle": found.incidence_angle}
        model = ia.fit(data, height_error=True, baselines=found.perpendicular_baseline, **maps_of, **options)
        return np.asarray(model.height_error)

    of_pairs, of_dates = height(stack, reference=(33, 8)), height(ia.invert(stack, reference=(33, 8)))
    both = np.isfinite(of_pairs) & np.isfinite(of_dates)
    assert both.mean() > 0.97
    assert abs(np.median(of_pairs[both]) - np.median(of_dates[both])) < 1  # m, of 20
    assert np.corrcoef(of_pairs[both], of_dates[both])[0, 1] > 0.8


def test_mintpy_project(shared: Path) -> None:
    folder = shared / "golden" / "mintpy_stack" / "inputs"
    stack = ia.open_stack(folder / "ifgramStack.h5")
    geometry = ia.open_geometry(folder / "geometryRadar_bperp3D.h5", stack)
    np.testing.assert_array_equal(geometry.slant_range, stack.slant_range)
    np.testing.assert_array_equal(geometry.incidence_angle, stack.incidence_angle)
    middle = geometry.perpendicular_baseline[:, 60, 80]
    np.testing.assert_allclose(middle, stack.perpendicular_baseline, atol=0.02)
