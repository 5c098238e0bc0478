"""Areas of interest: what opens an area equals what is cut from the whole, to the bit, and nothing else is read."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from pyproj import Transformer

import insarray as ia
from insarray.cli.process import run_command
from insarray.io.areas import window_of
from insarray.io.layers.hdf5 import Hdf5Layer
from insarray.io.layers.hdf5_files import Hdf5FilesLayer
from insarray.io.layers.lazy import block_shape
from insarray.io.layers.raster import RasterLayer
from insarray.io.layers.windows import WindowLayer, edge_on_tiles, window_layer
from insarray.io.readers.stored import StoredLayer
from insarray.model.dataset import grid_of
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid
from tests.io.products import gmtsar, hyp3
from tests.io.products.aria import NORTH, SHAPE, STEP, WEST, AriaProduct
from tests.io.products.scene import Scene
from tests.io.stack_files import PAIRS, UTM, WAVELENGTH, Truth, write_raster

UTM_GRID = Grid(20, 30, UTM.c, UTM.f, UTM.a, UTM.e, "EPSG:32614")
DEGREES = Grid(20, 30, -99.3, 19.6, 0.001, -0.001, "EPSG:4326")
ROWS, COLS = slice(5, 16), slice(7, 22)
WINDOW = "rows:5:16,7:22"


# -- every family of readers ----------------------------------------------------------------------------------------


def rasters(folder: Path, truth: Truth) -> dict[str, object]:
    truth.write(folder, nodata=0.0)
    truth.write_components(folder)
    return {
        "files": f"{folder}/*.unw.tif",
        "coherence": f"{folder}/*.cor.tif",
        "components": f"{folder}/*.conncomp.tif",
    }


def mintpy(folder: Path, truth: Truth) -> dict[str, object]:
    truth.write_mintpy(folder / "inputs", chunks=(2, 8, 8))
    with h5py.File(folder / "inputs" / "geometryRadar.h5", "w") as file:
        file["height"] = np.arange(600, dtype=np.float32).reshape(20, 30)
    return {"files": folder}


def stored(kind: str) -> Callable[[Path, Truth], dict[str, object]]:
    def make(folder: Path, truth: Truth) -> dict[str, object]:
        stack = ia.open_stack(**rasters(folder, truth), wavelength=WAVELENGTH).compute().drop_attrs()
        path = folder / f"stack.{kind}"
        stack.to_zarr(path, consolidated=False) if kind == "zarr" else stack.to_netcdf(path)
        return {"files": path}

    return make


def aria(folder: Path, truth: Truth) -> dict[str, object]:
    """Files of each pair, with cubes that are interpolated at a DEM."""
    for k, (first, second) in enumerate((("20150512", "20150605"), ("20150605", "20150629"))):
        AriaProduct(second, first, np.random.default_rng(k).normal(size=SHAPE), baseline=10.0).write(folder / "aria")
    place = {"crs": "EPSG:4326", "transform": Affine(STEP * 1.5, 0, WEST - 5 * STEP, 0, -STEP * 1.5, NORTH + 5 * STEP)}
    heights = np.random.default_rng(5).uniform(100, 900, SHAPE).astype(np.float32)
    return {"files": folder / "aria", "dem": write_raster(folder / "dem.tif", heights, **place)}


def grids(folder: Path, truth: Truth) -> dict[str, object]:
    return {"files": gmtsar.write_products(folder / "F2", Scene(wavelength=gmtsar.WAVELENGTH))}


def jobs(folder: Path, truth: Truth) -> dict[str, object]:
    hyp3.write_jobs(folder / "jobs", Scene())
    return {"files": folder / "jobs"}


def warped(folder: Path, truth: Truth) -> dict[str, object]:
    truth.write(folder)
    fine = np.repeat(np.repeat(truth.phase[1], 2, axis=0), 2, axis=1)
    write_raster(folder / f"{PAIRS[1]}.unw.tif", fine, transform=UTM * Affine.scale(0.5))
    return {"files": f"{folder}/*.unw.tif", "resample": True}


def extents(folder: Path, truth: Truth) -> dict[str, object]:
    truth.write(folder)
    write_raster(folder / f"{PAIRS[1]}.unw.tif", truth.phase[1][8:], transform=UTM * Affine.translation(0, 8))
    return {"files": f"{folder}/*.unw.tif", "extent": "union"}


FAMILIES = {
    "rasters": rasters,
    "HDF5": mintpy,
    "Zarr": stored("zarr"),
    "NetCDF": stored("nc"),
    "cubes": aria,
    "grids": grids,
    "maps": jobs,
    "warped": warped,
    "extents": extents,
}


@pytest.mark.filterwarnings("ignore::insarray.model.errors.StackWarning")
@pytest.mark.parametrize("block", [None, 6])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_area_is_what_is_cut_from_the_whole(tmp_path, truth, family, block):
    given = FAMILIES[family](tmp_path, truth)
    files = given.pop("files")
    whole = ia.open_stack(files, **given)
    part = ia.open_stack(files, **given, area=WINDOW, block=block)
    expected = whole.isel(y=ROWS, x=COLS)
    assert set(part.variables) == set(whole.variables)
    for name, variable in expected.variables.items():
        np.testing.assert_array_equal(part[name].values, variable.values, err_msg=name, strict=True)
    assert part.attrs == whole.attrs
    assert grid_of(part).mismatch(grid_of(expected)) is None
    if "spatial_ref" in part.coords:
        assert part.spatial_ref.attrs == expected.spatial_ref.attrs
        assert part.rio.transform().almost_equals(expected.rio.transform(), 1e-6)
    small = part.isel(pair=[1], y=slice(2, 3), x=[0, 4])
    np.testing.assert_array_equal(
        small.unwrapped_phase, expected.unwrapped_phase.isel(pair=[1], y=slice(2, 3), x=[0, 4])
    )


@pytest.mark.parametrize("kind", ["interferograms", "hdf5"])
def test_wrapped(tmp_path, kind):
    phase = np.random.default_rng(1).uniform(-3, 3, (2, 20, 30)).astype(np.float32)
    dates = ("20200113", "20200125")
    if kind == "hdf5":
        files = tmp_path / "linked.h5"
        with h5py.File(files, "w") as file:
            file["interferogram"], file["average_coherence"] = phase, np.abs(phase[0]) / 4
            file["reference"], file["secondary"] = np.array(["20200101"] * 2, "S8"), np.array(dates, "S8")
    else:
        files = tmp_path
        for date, values in zip(dates, phase, strict=True):
            write_raster(tmp_path / f"20200101_{date}.int.tif", values)
        write_raster(tmp_path / "temporal_coherence.tif", np.abs(phase[0]) / 4)
    part, expected = ia.open_wrapped(files, area=WINDOW), ia.open_wrapped(files).isel(y=ROWS, x=COLS)
    for name, variable in expected.variables.items():
        np.testing.assert_array_equal(part[name].values, variable.values, err_msg=name, strict=True)
    assert part.attrs == expected.attrs


@pytest.mark.parametrize("at", [(8, 9), (2, 3)])
def test_series(tmp_path, at):
    """What is empty is so in both, and the reference is where it was, be it in the area or not."""
    values = np.random.default_rng(1).normal(size=(3, 20, 30)).astype(np.float32)
    values[0], values[:, 8:11, 9:12], values[:, at[0], at[1]] = 0, 0, 0
    with h5py.File(tmp_path / "timeseries.h5", "w") as file:
        file["date"], file["timeseries"] = np.array(["20200101", "20200113", "20200125"], "S8"), values
        place = {"X_FIRST": UTM.c, "Y_FIRST": UTM.f, "X_STEP": UTM.a, "Y_STEP": UTM.e, "EPSG": 32614}
        file.attrs.update({name: str(value) for name, value in {**place, "REF_Y": at[0], "REF_X": at[1]}.items()})
    whole = ia.open_series(tmp_path / "timeseries.h5")
    part = ia.open_series(tmp_path / "timeseries.h5", area=WINDOW)
    expected = whole.isel(y=ROWS, x=COLS)
    for name, variable in expected.variables.items():
        np.testing.assert_array_equal(part[name].values, variable.values, err_msg=name, strict=True)
    moved = {"reference_row": at[0] - 5, "reference_col": at[1] - 7} if at == (8, 9) else {}
    kept = {name: value for name, value in whole.attrs.items() if name not in ("reference_row", "reference_col")}
    assert part.attrs == kept | moved


# -- nothing else is read -------------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch) -> list[tuple[str, slice, slice]]:
    """Windows, in pixels of the files, that layers are asked for."""
    seen: list[tuple[str, slice, slice]] = []
    for kind in (RasterLayer, Hdf5Layer, Hdf5FilesLayer, StoredLayer):
        read = kind.read

        def spy(self, rows, cols, pairs=None, read=read):
            seen.append((type(self).__name__, rows, cols))
            return read(self, rows, cols, pairs)

        monkeypatch.setattr(kind, "read", spy)
    return seen


@pytest.mark.filterwarnings("ignore::insarray.model.errors.StackWarning")
@pytest.mark.parametrize("family", ["rasters", "HDF5", "Zarr", "cubes", "grids", "warped"])
def test_nothing_outside_is_read(tmp_path, truth, reads, family):
    given = FAMILIES[family](tmp_path, truth)
    files = given.pop("files")
    reads.clear()
    stack = ia.open_stack(files, **given, area=WINDOW, block=6)
    assert reads == []
    stack.load()
    assert reads
    for name, rows, cols in reads:
        assert ROWS.start <= rows.start < rows.stop <= ROWS.stop, name
        assert COLS.start <= cols.start < cols.stop <= COLS.stop, name
    pixels = sum((rows.stop - rows.start) * (cols.stop - cols.start) for name, rows, cols in reads)
    layers = [stack[name] for name in stack.data_vars if "x" in stack[name].dims]
    if family != "cubes":  # each quantity reads its own
        assert pixels == len(layers) * 11 * 15


def test_pixels_of_the_files_that_are_decoded(tmp_path, truth, monkeypatch):
    """At the very bottom: what is asked of rasterio."""
    truth.write(tmp_path)
    read, seen = RasterLayer._raw, []
    monkeypatch.setattr(
        RasterLayer,
        "_raw",
        lambda self, file, place, rows, cols: seen.append((rows, cols)) or read(self, file, place, rows, cols),
    )
    ia.open_stack(f"{tmp_path}/*.unw.tif", area=WINDOW).load()
    assert seen == [(ROWS, COLS)] * len(PAIRS)


# -- blocks ---------------------------------------------------------------------------------------------------------


class Tiled:
    """A layer of which only the shape counts."""

    dtype = np.dtype(np.float32)
    fingerprint = "x"

    def __init__(self, shape, tile):
        self.shape, self.tile = shape, tile


def cut_tiles(size: int, first: int, tile: int, edge: int) -> int:
    return sum((first + begin) % tile != 0 for begin in range(edge, size, edge))


@pytest.mark.parametrize("first", [0, 100, 256, 300, 511])
@pytest.mark.parametrize("size", [300, 700, 900, 1500, 4000])
def test_blocks_cut_as_few_tiles_as_can_be(first, size):
    for tile in (1, 128, 256, 512):
        edge = edge_on_tiles(512, size, first, tile)
        assert 256 < edge <= 512
        assert cut_tiles(size, first, tile, edge) <= cut_tiles(size, first, tile, 512)
        if first % tile == 0 or size <= 512:
            assert edge == 512


def test_an_area_that_begins_on_a_tile_has_the_blocks_of_the_whole():
    layer = Tiled((30, 4096, 4096), (512, 512))
    whole = block_shape(layer)
    assert block_shape(window_layer(layer, (slice(512, 3584), slice(1024, 4096)))) == whole


def test_two_blocks_meet_on_a_tile():
    layer = window_layer(Tiled((30, 4096, 4096), (512, 512)), (slice(100, 900), slice(200, 800)))
    assert block_shape(layer) == (412, 312)  # 100 + 412 and 200 + 312 are 512


def test_blocks_are_even_so_that_a_store_takes_them(tmp_path, truth):
    out = tmp_path / "out.zarr"
    files = rasters(tmp_path / "ifgs", truth)["files"]
    options = ["--wavelength", str(WAVELENGTH), "--reference", "none", "--block", "8", "--area", WINDOW]
    assert run_command(["invert", files, str(out), *options]) == 0
    series = xr.open_zarr(out)
    whole = ia.invert(ia.open_stack(files, wavelength=WAVELENGTH).isel(y=ROWS, x=COLS))
    np.testing.assert_array_equal(series.displacement, whole.displacement)
    np.testing.assert_array_equal(series.y, whole.y)


# -- which pixels an area is ----------------------------------------------------------------------------------------


def square(left, bottom, right, top):
    return [[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]


def geojson(path: Path, *rings, **more) -> Path:
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}} for ring in rings
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features, **more}))
    return path


INNER = (-99.2959, 19.5881, -99.2861, 19.5949)  # columns 4 to 13, rows 5 to 11 of DEGREES are touched
INNER_WINDOW = (slice(5, 12), slice(4, 14))


@pytest.mark.parametrize(
    "area",
    [
        "-99.2959,19.5881,-99.2861,19.5949",
        " -99.2959, 19.5881, -99.2861, 19.5949",
        "-99.2959,19.5881,-99.2861,19.5949@EPSG:4326",
        "260.7041,19.5881,260.7139,19.5949",
        INNER,
        list(INNER),
        np.array(INNER),
        (*INNER, "EPSG:4326"),
        (*INNER, 4326),
        "rows:5:12,4:14",
        "rows: 5:12, 4:14",
        ia.area(5, 12, 4, 14),
    ],
    ids=str,
)
def test_forms_of_an_area(area):
    assert window_of(area, DEGREES) == INNER_WINDOW


def test_in_another_crs():
    """Every pixel that the box touches in its own CRS is there, and hardly more."""
    to_lonlat = Transformer.from_crs("EPSG:32614", "EPSG:4326", always_xy=True)
    left, right = UTM.c + 5.2 * 30, UTM.c + 17.7 * 30
    top, bottom = UTM.f - 3.3 * 30, UTM.f - 12.6 * 30
    exact = (slice(3, 13), slice(5, 18))
    assert window_of((left, bottom, right, top, "EPSG:32614"), UTM_GRID) == exact
    assert window_of(f"{left},{bottom},{right},{top}@EPSG:32614", UTM_GRID) == exact
    lonlat = to_lonlat.transform_bounds(left, bottom, right, top)
    rows, cols = window_of(lonlat, UTM_GRID)
    assert rows.start in (2, 3)
    assert rows.stop in (13, 14)
    assert cols.start in (4, 5)
    assert cols.stop in (18, 19)
    assert window_of(lonlat, UTM_GRID) == window_of(",".join(map(repr, lonlat)), UTM_GRID)


def test_every_pixel_that_is_touched_and_no_other():
    grid = Grid(10, 10, 0.0, 10.0, 1.0, -1.0, "EPSG:4326")
    assert window_of((2.0, 3.0, 5.0, 6.0), grid) == (slice(4, 7), slice(2, 5))  # edges of pixels
    assert window_of((2.01, 3.01, 4.99, 5.99), grid) == (slice(4, 7), slice(2, 5))
    assert window_of((1.99, 2.99, 5.01, 6.01), grid) == (slice(3, 8), slice(1, 6))
    assert window_of((2.4, 3.4, 2.5, 3.5), grid) == (slice(6, 7), slice(2, 3))
    assert window_of((-50, -50, 5.5, 50), grid) == (slice(0, 10), slice(0, 6))  # as far as the image goes


def test_rows_that_run_north():
    assert window_of((2.4, 3.4, 4.5, 5.5), Grid(10, 10, 0.0, 0.0, 1.0, 1.0, "EPSG:4326")) == (slice(3, 6), slice(2, 5))


@pytest.mark.parametrize("left", [179.985, -180.015])
@pytest.mark.parametrize(
    "area",
    ["179.9921,19.9851,-179.9941,19.9899", "179.9921,19.9851,180.0059,19.9899", "-180.0079,19.9851,-179.9941,19.9899"],
)
def test_across_the_date_line(area, left):
    grid = Grid(20, 30, left, 20.0, 0.001, -0.001, "EPSG:4326")
    assert window_of(area, grid) == (slice(10, 15), slice(7, 21))


def test_across_the_date_line_in_metres():
    grid = Grid(400, 4000, 150_000.0, 8_000_000.0, 100.0, -100.0, "EPSG:32701")  # zone 1, from 180 W
    rows, cols = window_of("179.9,-18.3,-179.8,-18.2", grid)
    to_lonlat = Transformer.from_crs("EPSG:32701", "EPSG:4326", always_xy=True)
    lon = to_lonlat.transform(grid.x[[cols.start, cols.stop - 1]], grid.y[[rows.start] * 2])[0]
    np.testing.assert_allclose(lon % 360, [179.9, 180.2], atol=5e-3)


def test_a_global_image_is_not_cut_in_two():
    grid = Grid(180, 360, 0.0, 90.0, 1.0, -1.0, "EPSG:4326")
    assert window_of((-20, 0, -10, 10), grid)[1] == slice(340, 350)
    with pytest.raises(ArgumentError, match=r"area: -10,0,10,10 crosses the meridian at which the image begins"):
        window_of((-10, 0, 10, 10), grid)


@pytest.mark.parametrize(
    ("area", "words"),
    [
        ("0,0,1,1", r"area: 0,0,1,1 lies outside the image, which covers -99\.3,19\.58,-99\.27,19\.6$"),
        ((0, 0, 1, 1, "EPSG:32614"), r"lies outside the image, which covers 4685\d\d\.\d+,.*@EPSG:32614"),
        ("rows:5:12,4:34", r"area: columns 4:34 are not within 0:30; the image has 20 x 30 pixels"),
        ("rows:12:5,4:14", r"area: rows 12:5 are not within 0:20"),
        ("1,2,3", r"area: '1,2,3' is not W,S,E,N in degrees, LEFT,BOTTOM"),
        ("1,2,3,north", r"area: '1,2,3,north' is not W,S,E,N"),
        ("somewhere", r"area: 'somewhere' is not W,S,E,N"),
        ((1, 2, 3), r"area: \(1, 2, 3\) is not W,S,E,N"),
        (7, r"area: 7 is not W,S,E,N"),
        ("1,5,3,2", r"area: '1,5,3,2' has no extent"),
        ("1,nan,3,2", r"area: '1,nan,3,2' is not W,S,E,N"),
        ("600000,2100000,700000,2150000", r"are not degrees; say the CRS of metres: LEFT,BOTTOM,RIGHT,TOP@EPSG:CODE"),
        ("5,1,3,2@EPSG:32614", r"has its left beyond its right"),
        ("1,1,3,2@EPSG:1", r"area: 'EPSG:1' is not a coordinate reference system"),
        ("none.geojson", r"area: none\.geojson does not exist"),
    ],
)  # fmt: skip
def test_what_is_no_area_is_one_line(area, words):
    with pytest.raises((ArgumentError, FileError), match=words) as error:
        window_of(area, DEGREES)
    assert "\n" not in str(error.value)


def test_radar_coordinates_have_rows_and_columns_only(tmp_path, truth):
    assert window_of("rows:5:12,4:14", Grid(20, 30)) == INNER_WINDOW
    with pytest.raises(ArgumentError, match=r"the image has no CRS .*; give rows:ROW:ROW,COL:COL of its 20 x 30"):
        window_of(INNER, Grid(20, 30))


# -- vector files ---------------------------------------------------------------------------------------------------


def test_geojson(tmp_path):
    ring = square(*INNER)
    assert window_of(geojson(tmp_path / "a.geojson", ring), DEGREES) == INNER_WINDOW
    parts = [square(-99.2959, 19.5881, -99.294, 19.59), square(-99.29, 19.592, -99.2861, 19.5949)]
    assert window_of(str(geojson(tmp_path / "b.json", *parts)), DEGREES) == INNER_WINDOW
    (tmp_path / "c.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    assert window_of((tmp_path / "c.geojson").as_uri(), DEGREES) == INNER_WINDOW
    (tmp_path / "d.geojson").write_text(json.dumps({"type": "Point", "coordinates": [-99.2905, 19.5895, 12.0]}))
    assert window_of(tmp_path / "d.geojson", DEGREES) == (slice(10, 11), slice(9, 10))
    lines = {"type": "GeometryCollection", "geometries": [{"type": "LineString", "coordinates": ring}]}
    (tmp_path / "e.geojson").write_text(json.dumps({"type": "Feature", "geometry": lines, "properties": {}}))
    assert window_of(tmp_path / "e.geojson", DEGREES) == INNER_WINDOW


def test_older_geojson_says_its_crs(tmp_path):
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32614"}}
    path = geojson(tmp_path / "a.geojson", square(600_160, 2_149_650, 600_530, 2_149_890), crs=crs)
    assert window_of(path, UTM_GRID) == (slice(3, 12), slice(5, 18))
    crs["properties"]["name"] = "urn:ogc:def:crs:OGC:1.3:CRS84"
    assert window_of(geojson(tmp_path / "b.geojson", square(*INNER), crs=crs), DEGREES) == INNER_WINDOW


def test_a_polygon_that_is_cut_at_the_date_line(tmp_path):
    grid = Grid(20, 30, 179.985, 20.0, 0.001, -0.001, "EPSG:4326")
    parts = [square(179.9921, 19.9851, 180, 19.9899), square(-180, 19.9851, -179.9941, 19.9899)]
    assert window_of(geojson(tmp_path / "a.geojson", *parts), grid) == (slice(10, 15), slice(7, 21))
    round_it = geojson(tmp_path / "b.geojson", square(-180, 19, 180, 20))
    with pytest.raises(FileError, match=r"b\.geojson: a geometry goes round the earth.* W,S,E,N with W > E"):
        window_of(round_it, grid)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"type": "Polygon", "coordinates": [["a"]]}', '{"features": 3}'])
def test_what_is_no_geojson(tmp_path, text):
    (tmp_path / "a.geojson").write_text(text)
    with pytest.raises(FileError, match=r"a\.geojson: (is not GeoJSON|holds no geometry)") as error:
        window_of(tmp_path / "a.geojson", DEGREES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", ["gpkg", "shp"])
def test_other_vector_files(tmp_path, suffix):
    pyogrio = pytest.importorskip("pyogrio")
    path = tmp_path / f"a.{suffix}"
    write_polygon(pyogrio, path, INNER, "EPSG:4326")
    assert window_of(path, DEGREES) == INNER_WINDOW
    (tmp_path / "b.gpkg").write_text("none")
    with pytest.raises(FileError, match=r"b\.gpkg: cannot be read as a vector file"):
        window_of(tmp_path / "b.gpkg", DEGREES)


def write_polygon(pyogrio, path: Path, bounds, crs: str) -> None:
    import struct

    ring = square(*bounds)
    wkb = struct.pack("<BIII", 1, 3, 1, len(ring)) + b"".join(struct.pack("<dd", *point) for point in ring)
    pyogrio.raw.write(
        path, np.array([wkb], object), field_data=[], fields=np.array([], object), crs=crs, geometry_type="Polygon"
    )


def test_the_package_for_vector_files_is_named(tmp_path):
    (tmp_path / "a.gpkg").touch()
    code = (
        "import sys; sys.modules['pyogrio'] = None\n"
        "from insarray.io.areas import window_of\nfrom insarray.model.grid import Grid\n"
        f"try: window_of({str(tmp_path / 'a.gpkg')!r}, Grid(2, 2, crs='EPSG:4326'))\n"
        "except Exception as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == ["area: .gpkg files need pyogrio: pip install 'insarray[vector]'; or give GeoJSON, or bounds"]


# -- with what belongs to it ----------------------------------------------------------------------------------------


def test_geometry_of_the_whole_image_serves_an_area(tmp_path, truth, reads):
    files = rasters(tmp_path / "ifgs", truth)["files"]
    stack = ia.open_stack(files, area=WINDOW)
    rng = np.random.default_rng(3)
    incidence = rng.uniform(20, 40, (20, 30)).astype(np.float32)
    write_raster(tmp_path / "inc.tif", incidence)
    whole = ia.open_stack(files)
    height = xr.Dataset({"height": (("y", "x"), incidence * 10)}, {n: whole[n] for n in ("y", "x", "spatial_ref")})
    height.isel(y=slice(None, None, -1)).to_netcdf(tmp_path / "h.nc")
    reads.clear()
    found = ia.open_geometry({"incidence_angle": tmp_path / "inc.tif", "height": tmp_path / "h.nc"}, stack)
    np.testing.assert_array_equal(found.incidence_angle, incidence[ROWS, COLS])
    np.testing.assert_array_equal(found.height, incidence[ROWS, COLS] * 10)
    rasters_read = [(rows, cols) for name, rows, cols in reads if name == "RasterLayer"]
    assert all(ROWS.start <= rows.start and rows.stop <= ROWS.stop for rows, _ in rasters_read)
    write_raster(tmp_path / "part.tif", incidence[8:], transform=UTM * Affine.translation(0, 8))
    with pytest.raises(StackError, match=r"part\.tif: "):
        ia.open_geometry({"incidence_angle": tmp_path / "part.tif"}, stack)


def test_geometry_in_radar_coordinates(tmp_path, truth):
    given = mintpy(tmp_path, truth)
    stack = ia.open_stack(given["files"], area=WINDOW)
    with h5py.File(tmp_path / "inputs" / "geometryRadar.h5", "a") as file:
        file["incidenceAngle"] = np.linspace(20, 40, 600, dtype=np.float32).reshape(20, 30)
    found = ia.open_geometry(tmp_path / "inputs" / "geometryRadar.h5", stack)
    expected = np.linspace(20, 40, 600, dtype=np.float32).reshape(20, 30)[ROWS, COLS]
    np.testing.assert_array_equal(found.incidence_angle, expected)


@pytest.mark.parametrize("crs", ["EPSG:32614", None])
def test_masks_of_the_whole_image_serve_an_area(tmp_path, truth, crs):
    truth.write(tmp_path / "ifgs", crs=crs)
    good = np.random.default_rng(2).random((20, 30)) > 0.5
    write_raster(tmp_path / "mask.tif", good.astype(np.uint8), crs=crs)
    stack = ia.open_stack(f"{tmp_path}/ifgs/*.unw.tif", area=WINDOW)
    masked = ia.mask(stack, mask=tmp_path / "mask.tif")
    np.testing.assert_array_equal(np.isfinite(masked.unwrapped_phase[0]), good[ROWS, COLS])


def test_commands(tmp_path, truth, capsys):
    files = rasters(tmp_path / "ifgs", truth)["files"]
    assert run_command(["info", files, "--area", "0,0,1,1"]) == 2
    error = capsys.readouterr().err
    assert "area: 0,0,1,1 lies outside the image" in error
    common = ["--wavelength", str(WAVELENGTH), "--reference", "none"]
    assert run_command(["invert", files, str(tmp_path / "s.zarr"), *common]) == 0
    for name, source in (("a", files), ("b", str(tmp_path / "s.zarr"))):
        options = common if name == "a" else []
        assert run_command(["fit", source, str(tmp_path / f"{name}.zarr"), *options, "--area", WINDOW]) == 0
        assert xr.open_zarr(tmp_path / f"{name}.zarr").sizes == {"y": 11, "x": 15}
    whole = ia.fit(xr.open_zarr(tmp_path / "s.zarr"))
    part = xr.open_zarr(tmp_path / "b.zarr")
    np.testing.assert_array_equal(part.velocity, whole.velocity[ROWS, COLS])


def test_a_recipe_has_it_too(tmp_path, truth):
    """Bounds that begin with a minus are a value, not an option."""
    place = Affine(0.001, 0, -99.3, 0, -0.001, 19.6)
    truth.write(tmp_path / "ifgs", crs="EPSG:4326", transform=place)
    bounds = ",".join(map(str, INNER))
    assert run_command(["info", f"{tmp_path}/ifgs/*.unw.tif", "--area", bounds]) == 0
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"output: {tmp_path / 'out'}\n"
        f"stack: {{files: '{tmp_path}/ifgs/*.unw.tif', wavelength: {WAVELENGTH}, area: '{bounds}'}}\n"
        "invert: {reference: none}\n"
    )
    assert run_command(["run", str(recipe)]) == 0
    assert xr.open_zarr(tmp_path / "out" / "series.zarr").sizes["x"] == 10


def test_a_window_of_a_window_is_picklable(tmp_path, truth):
    import pickle

    truth.write(tmp_path)
    stack = ia.open_stack(f"{tmp_path}/*.unw.tif", area=WINDOW, block=6)
    again = pickle.loads(pickle.dumps(stack))
    np.testing.assert_array_equal(again.unwrapped_phase, truth.phase[:, ROWS, COLS])
    other = ia.open_stack(f"{tmp_path}/*.unw.tif", area="rows:4:15,7:22", block=6)
    assert other.unwrapped_phase.data.name != stack.unwrapped_phase.data.name
    assert isinstance(window_layer(Tiled((1, 9, 9), (1, 9)), (slice(1, 3), slice(2, 9))), WindowLayer)
