"""One NetCDF raster per pair: rows and columns of the file, at its coordinates, whatever lies beside it."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from pyproj import CRS

from insarray.io.layers.netcdf import netcdf_image
from insarray.io.layers.warp import read_on_grid
from insarray.io.open import open_stack
from insarray.model.dataset import grid_of
from insarray.model.errors import FileError, StackError
from insarray.model.grid import Grid
from tests.io.stack_files import PAIRS, Truth, write_raster

SHAPE = (20, 30)
NORTH, EAST = {"units": "degrees_north"}, {"units": "degrees_east"}
LAT, LON = 34.1 - np.arange(20) / 3600, -118.2 + np.arange(30) / 3600
Y, X = 4e6 - 30.0 * np.arange(20), 5e5 + 30.0 * np.arange(30)
FORMS = {
    "units": (("lat", "lon"), {"lat": ("lat", LAT, NORTH), "lon": ("lon", LON, EAST)}, 4326),
    "names": (("latitude", "longitude"), {"latitude": LAT, "longitude": LON}, 4326),
    "units of y and x": (
        ("y", "x"),
        {"y": ("y", LAT, {"units": "degrees"}), "x": ("x", LON, {"units": "degrees"})},
        4326,
    ),
    "standard names": (
        ("y", "x"),
        {"y": ("y", LAT, {"standard_name": "latitude"}), "x": ("x", LON, {"standard_name": "longitude"})},
        4326,
    ),
    "float32": (("lat", "lon"), {"lat": LAT.astype("f4"), "lon": LON.astype("f4")}, 4326),
    "0 to 360": (("lat", "lon"), {"lat": LAT, "lon": LON + 360}, 4326),
    "metres": (("y", "x"), {"y": Y, "x": X}, None),
    "metres and a CRS": (("y", "x"), {"y": Y, "x": X, "spatial_ref": CRS.from_epsg(32611)}, 32611),
    "metres and a CRS by CF": (("y", "x"), {"y": Y, "x": X, "utm": CRS.from_epsg(32611)}, 32611),
    "none": (("row", "col"), {}, None),
}
FORMATS = {"netcdf4": {"engine": "h5netcdf"}, "classic": {"engine": "scipy"}}


def image(values: np.ndarray, form: str, *, up: bool = False, name: str = "unw") -> xr.Dataset:
    """An image in one of the forms; `up` has its rows turned round, with their coordinates."""
    dims, coords, _ = FORMS[form]
    data = xr.Dataset({name: (dims, values)})
    for axis, given in coords.items():
        if isinstance(given, CRS):
            attrs = {"crs_wkt": given.to_wkt()} if axis == "spatial_ref" else given.to_cf() | {"crs_wkt": ""}
            data[axis] = ((), 0, {key: value for key, value in attrs.items() if value != ""})
            data[name].attrs["grid_mapping"] = axis
        else:
            data = data.assign_coords({axis: given if isinstance(given, tuple) else (axis, given)})
    return data.isel({dims[0]: slice(None, None, -1)}) if up else data


def write(folder: Path, layers: np.ndarray, form: str, word: str = "unw", **how: object) -> Path:
    """One file per pair."""
    folder.mkdir(parents=True, exist_ok=True)
    up, kind = bool(how.pop("up", False)), FORMATS[str(how.pop("kind", "netcdf4"))]
    for pair, values in zip(PAIRS, layers, strict=True):
        image(values, form, up=up, name=word, **how).to_netcdf(folder / f"{pair}.{word}.nc", **kind)
    return folder


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_rows_are_in_the_order_of_the_file_at_its_coordinates(tmp_path, truth, form, up, kind):
    write(tmp_path, truth.phase, form, up=up, kind=kind)
    stack = open_stack(f"{tmp_path}/*.unw.nc")
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase[:, ::-1] if up else truth.phase)
    dims, coords, epsg = FORMS[form]
    if not coords:
        assert grid_of(stack) == Grid(*SHAPE)
        return
    written = image(truth.phase[0], form, up=up)
    exact = form != "float32"
    np.testing.assert_allclose(stack.y, written[dims[0]], rtol=0, atol=1e-9 if exact else 4e-6)
    west = 360.0 if form == "0 to 360" else 0.0
    np.testing.assert_allclose(stack.x, written[dims[1]] - west, rtol=0, atol=1e-9 if exact else 8e-6)
    crs = grid_of(stack).crs
    assert (None if crs is None else CRS(crs).to_epsg()) == epsg


def assert_they_lie_on_one_another(stack: xr.Dataset, truth: Truth) -> None:
    """Assert that each layer holds its values at the coordinates of the phase, whichever way the rows run."""
    down = (
        stack.isel(y=slice(None, None, -1)) if stack.unwrapped_phase.values[0, 0, 0] != truth.phase[0, 0, 0] else stack
    )
    np.testing.assert_array_equal(down.unwrapped_phase, truth.phase)
    np.testing.assert_array_equal(down.coherence, truth.coherence)
    np.testing.assert_array_equal(down.connected_component_labels, truth.components)


def georeference(form: str) -> dict[str, object]:
    """How a GeoTIFF says the same as a form, its rows from north to south."""
    from affine import Affine

    (_, coords, epsg), plain = FORMS[form], {"crs": None}
    if not coords:
        return plain
    y, x = (LAT, LON) if epsg == 4326 else (Y, X)
    dy, dx = y[1] - y[0], x[1] - x[0]
    return {"crs": epsg and f"EPSG:{epsg}", "transform": Affine(dx, 0, x[0] - dx / 2, 0, dy, y[0] - dy / 2)}


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("form", [form for form in FORMS if form != "metres"])
def test_geotiffs_beside_it_lie_on_it(tmp_path, truth, form, up):
    if form == "none" and up:
        pytest.skip("rows that are counted have no other order")
    write(tmp_path, truth.phase, form, up=up)
    place = georeference(form)
    for pair, coherence, labels in zip(PAIRS, truth.coherence, truth.components, strict=True):
        write_raster(tmp_path / f"{pair}.cor.tif", coherence, **place)
        write_raster(tmp_path / f"{pair}.ccl.tif", labels, **place)
    assert_they_lie_on_one_another(
        open_stack(f"{tmp_path}/*.unw.nc", coherence=f"{tmp_path}/*.cor.tif", components=f"{tmp_path}/*.ccl.tif"), truth
    )
    for pair, phase in zip(PAIRS, truth.phase, strict=True):  # and the other way round
        write_raster(tmp_path / f"{pair}.unw.tif", phase, **place)
    write(tmp_path, truth.coherence, form, "cor", up=up)
    write(tmp_path, truth.components.astype(np.int32), form, "ccl", up=not up if form != "none" else up)
    assert_they_lie_on_one_another(
        open_stack(f"{tmp_path}/*.unw.tif", coherence=f"{tmp_path}/*.cor.nc", components=f"{tmp_path}/*.ccl.nc"), truth
    )


@pytest.mark.parametrize("form", [form for form in FORMS if form != "none"])
def test_netcdf_files_whose_rows_run_the_other_way_lie_on_it(tmp_path, truth, form):
    write(tmp_path, truth.phase, form)
    write(tmp_path, truth.coherence, form, "cor", up=True)
    write(tmp_path, truth.components.astype(np.int32), form, "ccl", up=True, kind="classic")
    stack = open_stack(f"{tmp_path}/*.unw.nc", coherence=f"{tmp_path}/*.cor.nc", components=f"{tmp_path}/*.ccl.nc")
    assert_they_lie_on_one_another(stack, truth)
    assert "notes" not in stack.attrs
    window = stack.isel(y=slice(3, 11), x=slice(5, 7))
    np.testing.assert_array_equal(window.coherence, truth.coherence[:, 3:11, 5:7])


def test_pairs_that_run_both_ways(tmp_path, truth):
    write(tmp_path, truth.phase, "metres")
    for k in (1, 3):
        image(truth.phase[k], "metres", up=True).to_netcdf(tmp_path / f"{PAIRS[k]}.unw.nc")
    np.testing.assert_array_equal(open_stack(f"{tmp_path}/*.unw.nc").unwrapped_phase, truth.phase)


def test_files_that_say_nothing_do_not_fit_files_that_do(tmp_path, truth):
    write(tmp_path, truth.phase, "metres")
    write(tmp_path, truth.coherence, "none", "cor")
    with pytest.raises(StackError, match=r"4 of 8 files do not fit the pixels of 20200101_20200113.unw.nc"):
        open_stack(f"{tmp_path}/*.unw.nc", coherence=f"{tmp_path}/*.cor.nc")


@pytest.mark.parametrize("form", ["metres", "units", "none"])
def test_a_folder_of_grids(tmp_path, truth, form):
    for pair, phase, coherence in zip(PAIRS, truth.phase, truth.coherence, strict=True):
        image(phase, form, name="z").to_netcdf(tmp_path / f"{pair}_unw.grd", engine="h5netcdf")
        image(coherence, form, up=form != "none", name="z").to_netcdf(tmp_path / f"{pair}_cor.grd", engine="h5netcdf")
    stack = open_stack(tmp_path)
    assert stack.attrs["product"] == "folder"
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase)
    np.testing.assert_array_equal(stack.coherence, truth.coherence)


@pytest.mark.filterwarnings("ignore:.*are warped onto the grid")
def test_warping_takes_the_coordinates_of_the_file(tmp_path, truth):
    """Of half the pixel size and rows from the south, as the same raster in a GeoTIFF."""
    for pair, phase in zip(PAIRS, truth.phase, strict=True):
        write_raster(tmp_path / f"{pair}.unw.tif", phase, **georeference("metres and a CRS"))
    fine = np.repeat(np.repeat(truth.coherence, 2, axis=1), 2, axis=2)
    y, x = Y[0] + 7.5 - 15.0 * np.arange(40), X[0] - 7.5 + 15.0 * np.arange(60)
    from affine import Affine

    for pair, values in zip(PAIRS, fine, strict=True):
        data = xr.Dataset({"cor": (("y", "x"), values)}, {"y": y, "x": x})
        data["spatial_ref"] = ((), 0, {"crs_wkt": CRS.from_epsg(32611).to_wkt()})
        data.isel(y=slice(None, None, -1)).to_netcdf(tmp_path / f"{pair}.cor.nc")
        transform = Affine(15.0, 0, x[0] - 7.5, 0, -15.0, y[0] + 7.5)
        write_raster(tmp_path / f"{pair}.cor.tif", values, crs="EPSG:32611", transform=transform)
    opened = [
        open_stack(f"{tmp_path}/*.unw.tif", coherence=f"{tmp_path}/*.cor.{kind}", resample=True).coherence.values
        for kind in ("nc", "tif")
    ]
    np.testing.assert_allclose(*opened, atol=1e-6)


# -- rasters on the grid of a stack ---------------------------------------------------------------------------------


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_a_mask_or_dem_lies_where_its_coordinates_are(tmp_path, truth, form, up):
    if form == "none" and up:
        pytest.skip("rows that are counted have no other order")
    grid = netcdf_image(_saved(tmp_path / "grid.nc", image(truth.phase[0], form)), None)[1]
    path = _saved(tmp_path / "mask.nc", image(truth.coherence[0], form, up=up, name="mask"))
    np.testing.assert_allclose(read_on_grid(path, grid), truth.coherence[0], rtol=1e-6)
    np.testing.assert_allclose(
        read_on_grid(path, grid, window=(slice(2, 9), slice(4, 30))), truth.coherence[0, 2:9, 4:], rtol=1e-6
    )


def test_a_mask_elsewhere_is_refused(tmp_path, truth):
    """Of as many pixels, but at other coordinates of which no file names a CRS."""
    grid = netcdf_image(_saved(tmp_path / "grid.nc", image(truth.phase[0], "metres")), None)[1]
    other = image(truth.coherence[0], "metres").assign_coords(y=Y + 7.0)
    with pytest.raises(StackError, match=r"m\.nc: .* do not fit the stack's .*shifted by .* rows"):
        read_on_grid(_saved(tmp_path / "m.nc", other), grid)


def _saved(path: Path, data: xr.Dataset) -> Path:
    data.to_netcdf(path)
    return path


# -- what is refused ------------------------------------------------------------------------------------------------


def uneven() -> xr.Dataset:
    data = image(np.zeros(SHAPE, np.float32), "units")
    return data.assign_coords(lat=("lat", LAT - 1e-4 * (np.arange(20) > 10), NORTH))


def transposed() -> xr.Dataset:
    return xr.Dataset(
        {"unw": (("lon", "lat"), np.zeros((30, 20), np.float32))},
        {"lat": ("lat", LAT, NORTH), "lon": ("lon", LON, EAST)},
    )


def coarse() -> xr.Dataset:
    return image(np.zeros(SHAPE, np.float32), "metres").assign_coords(y=(4e6 - 0.3 * np.arange(20)).astype("f4"))


def several() -> xr.Dataset:
    return image(np.zeros(SHAPE, np.float32), "units").assign(other=(("lat", "lon"), np.zeros(SHAPE)))


def stacked() -> xr.Dataset:
    return image(np.zeros(SHAPE, np.float32), "units").expand_dims(band=3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (uneven, "its coordinate lat is not evenly spaced"),
        (transposed, r"unw has dimensions \('lon', 'lat'\); write it with rows along the latitude"),
        (coarse, "its coordinate y is not evenly spaced .dtype float32"),
        (several, "holds other, unw; choose one with variable="),
        (stacked, "has 3 bands"),
        (lambda: xr.Dataset({"t": ("time", np.arange(3.0))}), "holds no variable with rows and columns"),
    ],
)
def test_what_is_no_raster_is_refused(tmp_path, make, words):
    path = _saved(tmp_path / f"{PAIRS[0]}.unw.nc", make())
    with pytest.raises(FileError, match=words):
        open_stack([path])


def broken_links(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["nowhere"] = h5py.SoftLink("/none")
        file["lat"].attrs["units"] = np.array([3, 4])


def no_rows(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["unw"] = np.zeros((0, 5), np.float32)


def bad_transform(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["crs"] = 0
        file["crs"].attrs.update({"crs_wkt": "none", "GeoTransform": "a b c"})


@pytest.mark.parametrize("damage", [broken_links, no_rows, bad_transform])
def test_damaged_headers_are_one_line(tmp_path, damage):
    path = _saved(tmp_path / f"{PAIRS[0]}.unw.nc", image(np.zeros(SHAPE, np.float32), "units"))
    damage(path)
    with pytest.raises(FileError, match=r"unw\.nc: .*") as error:
        open_stack([path])
    assert "\n" not in str(error.value)


def test_one_more_dimension_of_length_one_is_no_band(tmp_path, truth):
    for pair, phase in zip(PAIRS, truth.phase, strict=True):
        _saved(tmp_path / f"{pair}.unw.nc", image(phase, "units").expand_dims(time=[0]))
    np.testing.assert_array_equal(open_stack(f"{tmp_path}/*.nc").unwrapped_phase, truth.phase)


def test_a_variable_in_a_group(tmp_path, truth):
    for pair, phase in zip(PAIRS, truth.phase, strict=True):
        image(phase, "units").to_netcdf(tmp_path / f"{pair}.unw.nc", group="science/grids")
    for variable in (None, "science/grids/unw", "/science/grids/unw"):
        stack = open_stack(f"{tmp_path}/*.nc", variable=variable)
        np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase)
        np.testing.assert_allclose(stack.y, LAT, atol=1e-9)


def test_coordinates_in_two_dimensions_and_bounds_are_no_image(tmp_path, truth):
    lat, lon = np.meshgrid(LAT, LON, indexing="ij")
    for pair, phase in zip(PAIRS, truth.phase, strict=True):
        data = xr.Dataset({"unw": (("y", "x"), phase)}, {"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)})
        _saved(tmp_path / f"{pair}.unw.nc", data)
    stack = open_stack(f"{tmp_path}/*.nc")
    np.testing.assert_array_equal(stack.unwrapped_phase, truth.phase)
    assert grid_of(stack) == Grid(*SHAPE)


def test_one_row_has_the_size_that_is_declared(tmp_path):
    data = image(np.zeros(SHAPE, np.float32), "metres and a CRS").isel(y=slice(0, 1))
    data["spatial_ref"].attrs["GeoTransform"] = "500000 30 0 4000000 0 -30"
    assert netcdf_image(_saved(tmp_path / "one.nc", data), None)[1].dy == -30.0


def test_another_kind_of_netcdf_is_named(tmp_path):
    netcdf4 = pytest.importorskip("netCDF4")
    path = tmp_path / f"{PAIRS[0]}.unw.nc"
    with netcdf4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
        file.createDimension("y", 4)
        file.createDimension("x", 5)
        file.createVariable("unw", "f4", ("y", "x"))[:] = 1
    with pytest.raises(FileError, match=r"unw\.nc: is not a readable netCDF raster .*nccopy -k nc4"):
        open_stack([path])
