"""Series at places and in polygons: of the pixel that is meant, with its standard error, or a weighted mean worked out by hand."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.dataset import grid_coords, on_grid_of
from insarray.model.errors import ArgumentError, FileError, InsarrayError, StackError, StackWarning
from insarray.model.grid import Grid
from insarray.products.series import pixels, zones
from tests.cli.test_cli import insarray
from tests.networks import nearest
from tests.stacks import GRID, stack_of


@pytest.fixture(scope="module")
def series():
    found = ia.invert(stack_of(nearest(8, 3), missing=0.0), reference=(5, 5))
    return found.merge(ia.fit(found))


@pytest.fixture(scope="module")
def holed(series):
    """Without data in rows 8 to 12, columns 10 to 16."""
    hole = (series.y < GRID.y[7]) & (series.y > GRID.y[13]) & (series.x > GRID.x[9]) & (series.x < GRID.x[17])
    return series.assign(displacement=series.displacement.where(~hole)).compute()


def polygon_file(path, shapes, names=None, crs=GRID.crs):
    geopandas = pytest.importorskip("geopandas", reason="needs the extra 'test'")
    pytest.importorskip("exactextract")
    data = {} if names is None else {"name": names}
    geopandas.GeoDataFrame(data, geometry=shapes, crs=crs).to_file(path)
    return path


def box(left, bottom, right, top):
    """Rectangle between edges of pixels, counted in columns and rows."""
    shapely = pytest.importorskip("shapely")
    return shapely.box(
        GRID.left + left * GRID.dx, GRID.top + bottom * GRID.dy, GRID.left + right * GRID.dx, GRID.top + top * GRID.dy
    )


# -- places ---------------------------------------------------------------------------------------------------------


def test_a_place_has_the_values_of_the_pixel_that_holds_it(series):
    lon, lat = GRID.lonlat(7.3, 11.4)
    found = ia.timeseries(series, lonlat=(lon, lat))
    assert (int(found.row[0]), int(found.col[0])) == (7, 11)
    assert float(found.distance[0]) == pytest.approx(np.hypot(0.3, 0.4) * 30, rel=2e-3)
    pixel = series.isel(y=7, x=11).compute()
    for name in ("displacement", "displacement_std", "network_subset", "number_of_observations"):
        np.testing.assert_array_equal(found[name][:, 0], pixel[name], err_msg=name)
    for name in ("velocity", "velocity_std", "temporal_coherence", "solver_flag"):
        assert found[name].item() == pixel[name].item()
        assert found[name].dtype == pixel[name].dtype
    assert (found.x.item(), found.y.item()) == (GRID.x[11], GRID.y[7])
    assert found.displacement.attrs["units"] == "m"
    assert found.attrs["reference_date"] == "2020-01-01T00:00:00"


def test_the_nearest_pixel_with_data_within_the_radius_is_taken(holed):
    lon, lat = GRID.lonlat(10, 15)  # 2 columns from data, 3 rows
    found = ia.timeseries(holed, lonlat=(lon, lat), radius=70)
    assert (int(found.row[0]), int(found.col[0])) == (10, 17)
    assert float(found.distance[0]) == pytest.approx(60, rel=2e-3)
    np.testing.assert_array_equal(found.displacement[:, 0], holed.displacement[:, 10, 17])
    with pytest.raises(ArgumentError, match=r"no data within 50 m of 1 of 1 places \(-104.* 37.*\); look at the map"):
        ia.timeseries(holed, lonlat=(lon, lat), radius=50)


def test_places_without_data_are_nan_and_said(holed):
    places = [GRID.lonlat(10, 13), GRID.lonlat(2, 3)]
    with pytest.warns(StackWarning, match="no data within 20 m of 1 of 2 places"):
        found = ia.timeseries(holed, lonlat=places, radius=20)
    assert np.isnan(found.displacement[:, 0]).all()
    assert (int(found.row[0]), int(found.network_subset[0, 0])) == (-1, 0)
    np.testing.assert_array_equal(found.displacement[:, 1], holed.displacement[:, 2, 3])


def test_a_mask_counts_as_no_data(series):
    place = GRID.lonlat(7, 11)
    good = xr.ones_like(series.velocity, bool)
    good[7, 11] = False
    found = ia.timeseries(series, lonlat=place, mask=good)
    assert (int(found.row[0]), int(found.col[0])) != (7, 11)
    assert float(found.distance[0]) == pytest.approx(30, rel=2e-3)


def test_a_place_beside_the_image_is_within_the_radius_of_its_edge(series):
    place = GRID.lonlat(4, -2)
    found = ia.timeseries(series, lonlat=place, radius=80)
    assert (int(found.row[0]), int(found.col[0])) == (4, 0)
    with pytest.raises(ArgumentError, match="no data within 40 m"):
        ia.timeseries(series, lonlat=place, radius=40)


def test_degrees_and_rows_that_run_north(series):
    grid = Grid(20, 30, 255.0, 37.0, 0.001, 0.0005, "EPSG:4326")
    bare = series.compute().drop_vars(["y", "x", "spatial_ref"])
    moved = on_grid_of(bare.assign_coords(grid_coords(grid)), bare)
    found = ia.timeseries(moved, lonlat=(255.0035 - 360, 37.00525))
    assert (int(found.row[0]), int(found.col[0])) == (10, 3)
    off = ia.timeseries(moved, lonlat=(255.0035 - 360, 37.00525 + 0.0001))
    assert float(off.distance[0]) == pytest.approx(0.0001 * 110970, rel=2e-3)


def test_a_table_of_places(series, tmp_path):
    (lon, lat), (west, south) = GRID.lonlat(7, 11), GRID.lonlat(3, 4)
    table = tmp_path / "places.csv"
    table.write_text(f"Station,Lat,LON\nhome,{lat},{lon}\n,{south},{west}\n")
    found = ia.timeseries(series, points=table)
    assert found.pid.values.tolist() == ["home", "2"]
    np.testing.assert_array_equal(found.row, [7, 3])


def test_only_the_blocks_with_places_are_read(series, monkeypatch):
    read = []
    real = pixels.PixelReader._block
    monkeypatch.setattr(pixels.PixelReader, "_block", lambda self, i, j: read.append((i, j)) or real(self, i, j))
    ia.timeseries(series, lonlat=[GRID.lonlat(1, 1), GRID.lonlat(17, 20), GRID.lonlat(2, 2)])
    assert set(read) == {(0, 0), (2, 2)}
    assert read == sorted(read), "places in one block come one after the other"


def test_the_result_is_points_for_everything_that_takes_points(series, tmp_path):
    found = ia.timeseries(series, lonlat=[GRID.lonlat(7, 11), GRID.lonlat(3, 4)])
    model = ia.fit(found)
    np.testing.assert_allclose(model.velocity, [series.velocity[7, 11], series.velocity[3, 4]], rtol=1e-5)
    back = ia.open(ia.to_table(found, tmp_path / "places.csv"))
    np.testing.assert_allclose(back.displacement, found.displacement, atol=0.51e-6, rtol=1e-6)
    assert back.pid.values.tolist() == found.pid.values.tolist()


def test_the_nearest_of_points(series, tmp_path):
    points = ia.open(ia.to_table(series, tmp_path / "all.csv", every=3))
    found = ia.timeseries(points, lonlat=GRID.lonlat(7, 11))
    assert found.point_taken.item() == "r07c10"
    assert float(found.distance[0]) == pytest.approx(30, rel=5e-3)
    np.testing.assert_allclose(found.displacement[:, 0], series.displacement[:, 7, 10], atol=0.51e-6)
    with pytest.raises(ArgumentError, match="no data within 10 m"):
        ia.timeseries(points, lonlat=GRID.lonlat(7, 11), radius=10)


def test_points_have_criteria_of_quality_too(series, tmp_path, capsys):
    table = ia.to_table(series, tmp_path / "all.csv", every=3)
    points = ia.open(table)
    limit = float(points.temporal_coherence.median())
    good = ia.quality_mask(points, min_temporal_coherence=limit, min_dates=8)
    assert good.dims == ("point",)
    np.testing.assert_array_equal(good, points.temporal_coherence >= limit)
    kept = ia.open(ia.to_table(points, tmp_path / "good.csv", mask=good))
    np.testing.assert_array_equal(kept.pid, points.pid[good.values])
    code, _, _ = insarray(capsys, "export", table, tmp_path / "c.csv", "--min-temporal-coherence", limit)
    assert code == 0
    assert (tmp_path / "c.csv").read_text() == (tmp_path / "good.csv").read_text()
    bad = points.isel(point=int(np.flatnonzero(~good.values)[0]))
    place = ia.timeseries(points, lonlat=(bad.x, bad.y), radius=200, mask=good)
    assert place.point_taken.item() in kept.pid.values
    with pytest.raises(ArgumentError, match=r"mask: is no array \(point\) of the \d+ points"):
        ia.to_table(points, tmp_path / "d.csv", mask=good[:5])
    with pytest.raises(ArgumentError, match="a raster is for images, and these are points"):
        ia.quality_mask(points, mask="water.tif")
    with pytest.raises(StackError, match=r"has no residual_rms \(point\), but"):
        ia.quality_mask(points.drop_vars("residual_rms"), max_residual_rms=1.0)


# -- polygons -------------------------------------------------------------------------------------------------------


def weighted(values, weights, level):
    """Percentile by its definition: each value in the middle of its weight."""
    order = np.argsort(values)
    values, weights = values[order], weights[order]
    return np.interp(level / 100, (np.cumsum(weights) - weights / 2) / weights.sum(), values)


@pytest.mark.parametrize("north_up", [True, False])
def test_polygons_have_the_weighted_statistics_of_what_they_cover(series, tmp_path, north_up):
    path = polygon_file(tmp_path / "p.gpkg", [box(3.5, 12, 9, 7.25), box(20.2, 5.4, 20.5, 5.1)], ["field", "house"])
    data = series if north_up else series.isel(y=slice(None, None, -1))
    found = ia.timeseries(data, polygons=path, percentiles=(10, 90))
    assert found.pid.values.tolist() == ["field", "house"]
    values = series.displacement[:, 7:12, 3:9].values.reshape(8, -1).astype(float)
    share = np.ones((5, 6))
    share[0], share[:, 0] = 0.75, 0.5
    share[0, 0] = 0.375
    share = share.ravel()
    np.testing.assert_allclose(
        found.displacement[:, 0], np.average(values, axis=1, weights=share), rtol=1e-5, atol=1e-9
    )
    for name, level in (("displacement_median", 50), (0, 10), (1, 90)):
        got = found[name][:, 0] if isinstance(name, str) else found.displacement_percentile[name, :, 0]
        np.testing.assert_allclose(got, [weighted(row, share, level) for row in values], rtol=1e-5, atol=1e-9)
    error = series.displacement_std[:, 7:12, 3:9].values.reshape(8, -1)
    np.testing.assert_allclose(found.displacement_std[:, 0], np.average(error, axis=1, weights=share), rtol=1e-5)
    np.testing.assert_allclose(found.number_of_pixels[:, 0], share.sum(), rtol=1e-6)
    np.testing.assert_array_equal(found.displacement[:, 1], series.displacement[:, 5, 20])
    np.testing.assert_allclose(found.number_of_pixels[:, 1], 0.09, rtol=1e-4)
    velocity = series.velocity[7:12, 3:9].values.ravel()
    assert found.velocity[0].item() == pytest.approx(np.average(velocity, weights=share), rel=1e-5)
    assert found.percentile.values.tolist() == [10, 90]


def test_polygons_of_another_crs_and_without_names(series, tmp_path):
    geopandas = pytest.importorskip("geopandas")
    shape = geopandas.GeoSeries([box(3, 12, 9, 7)], crs=GRID.crs).to_crs(4326)
    found = ia.timeseries(series, polygons=polygon_file(tmp_path / "p.geojson", shape.values, crs=4326))
    np.testing.assert_allclose(
        found.displacement[:, 0], series.displacement[:, 7:12, 3:9].mean(("y", "x")), rtol=1e-3, atol=1e-6
    )
    np.testing.assert_allclose(found.number_of_pixels, 30, rtol=1e-3)
    assert found.pid.values.tolist() == ["1"]


def test_pixels_without_data_and_untied_dates_do_not_count(holed, tmp_path):
    path = polygon_file(tmp_path / "p.gpkg", [box(8, 12, 12, 9)])
    found = ia.timeseries(holed, polygons=path)
    np.testing.assert_allclose(found.number_of_pixels, 6)
    np.testing.assert_allclose(found.displacement[:, 0], holed.displacement[:, 9:12, 8:10].mean(("y", "x")), rtol=1e-5)
    untied = holed.network_subset.copy()
    untied[5:, 9:12, 8] = 2
    pieces = holed.assign(network_subset=untied.assign_attrs(gap="subset"))
    found = ia.timeseries(pieces, polygons=path)
    np.testing.assert_allclose(found.number_of_pixels[:, 0], [6] * 5 + [3] * 3)


def test_polygons_over_nothing_are_nan_and_said(holed, tmp_path):
    path = polygon_file(
        tmp_path / "p.gpkg", [box(11, 12, 14, 9), box(-9, 5, -3, 1), box(2, 5, 4, 3)], ["hole", "off", "in"]
    )
    with pytest.warns(StackWarning, match=r"2 of 3 polygons cover nothing with data \(hole, off\)"):
        found = ia.timeseries(holed, polygons=path)
    assert np.isnan(found.displacement[:, :2]).all()
    assert np.isfinite(found.displacement[:, 2]).all()
    with pytest.raises(ArgumentError, match="no polygon covers a pixel with data"):
        ia.timeseries(holed, polygons=polygon_file(tmp_path / "q.gpkg", [box(11, 12, 14, 9)]))


def test_polygons_of_points_count_each_the_same(series, tmp_path):
    path = polygon_file(tmp_path / "p.gpkg", [box(3, 12, 9, 7)])
    points = ia.open(ia.to_table(series, tmp_path / "all.csv"))
    found = ia.timeseries(points, polygons=path)
    np.testing.assert_allclose(found.number_of_pixels, 30)
    np.testing.assert_allclose(found.displacement[:, 0], series.displacement[:, 7:12, 3:9].mean(("y", "x")), atol=1e-6)


def test_large_polygons_are_read_some_dates_at_a_time(series, tmp_path, monkeypatch):
    path = polygon_file(tmp_path / "p.gpkg", [box(1, 18, 28, 2)])
    expected = ia.timeseries(series, polygons=path)
    monkeypatch.setattr(zones, "_BYTES", 16 * 432 * 3)
    shapes = []
    real = pixels.PixelReader.read

    def counted(self, rows, cols, names, times=slice(None)):
        found = real(self, rows, cols, names, times)
        shapes.append(found.get("displacement", np.zeros((0, 0))).shape[0])
        return found

    monkeypatch.setattr(pixels.PixelReader, "read", counted)
    xr.testing.assert_identical(ia.timeseries(series, polygons=path), expected)
    assert max(shapes) == 3


# -- what cannot be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing given; give one of lonlat, points and polygons"),
        ({"lonlat": (0, 0), "points": "a.csv"}, "lonlat and points given"),
        ({"lonlat": (1, 2, 3)}, r"lonlat: \(1, 2, 3\) is not \(lon, lat\)"),
        ({"lonlat": "here"}, "lonlat: 'here' is not"),
        ({"lonlat": (19.0, -99.0)}, r"lonlat: \(19, -99\) is no position in degrees, longitude first"),
        ({"lonlat": (0, 0), "radius": -1}, "radius: -1 is not a number of metres"),
        ({"lonlat": (0, 0), "radius": 1e6}, "radius: 1e\\+06 m are more than 1000000 pixels"),
        ({"lonlat": (0, 0), "percentiles": (5, 101)}, "percentiles: 101 is not between 0 and 100"),
        ({"points": "none.csv"}, "none.csv does not exist"),
        ({"polygons": "none.gpkg"}, "none.gpkg does not exist"),
    ],
)
def test_a_bad_option_is_one_line(series, options, message):
    with pytest.raises(InsarrayError, match=message) as error:
        ia.timeseries(series, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,east,north\na,1,2\n", "has no columns lon and lat; its first line holds name, east, north"),
        ("lon,lat\n1,x\n", "line 2: lat is 'x', not a number of degrees"),
        ("lon,lat\n1,200\n", r"line 2: \(1, 200\) is no position"),
        ("lon,lat\n", "has no line of places"),
    ],
)
def test_a_bad_table_is_one_line(series, tmp_path, text, message):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(FileError, match=message):
        ia.timeseries(series, points=tmp_path / "p.csv")


def test_bad_polygons_are_one_line(series, tmp_path):
    shapely = pytest.importorskip("shapely")
    with pytest.raises(FileError, match="holds Point; give a file of polygons"):
        ia.timeseries(series, polygons=polygon_file(tmp_path / "p.gpkg", [shapely.Point(GRID.x[3], GRID.y[3])]))
    (tmp_path / "no.gpkg").write_text("no database")
    with pytest.raises(FileError, match=r"it is no \.gpkg"):
        ia.timeseries(series, polygons=tmp_path / "no.gpkg")
    (tmp_path / "no.geojson").write_text("http://example.org/elsewhere.json")
    with pytest.raises(FileError, match="is not GeoJSON"):
        ia.timeseries(series, polygons=tmp_path / "no.geojson")


def test_what_is_no_series_is_refused(series):
    with pytest.raises(StackError, match="has no variable 'displacement'"):
        ia.timeseries(series[["velocity"]], lonlat=(0, 0))
    radar = series.drop_vars(["y", "x", "spatial_ref"]).assign_coords(grid_coords(Grid(20, 30)))
    with pytest.raises(ArgumentError, match="radar coordinates"):
        ia.timeseries(radar, lonlat=(0, 0))


# -- command --------------------------------------------------------------------------------------------------------


def test_the_command_writes_a_line_for_each_place_and_date(series, tmp_path, capsys):
    store, table = tmp_path / "s.zarr", tmp_path / "out.csv"
    ia.run(series, store)
    (lon, lat), (west, south) = GRID.lonlat(7, 11), GRID.lonlat(3, 4)
    code, _, _ = insarray(capsys, "timeseries", store, "--lonlat", lon, lat, west, south, "-o", table)
    assert code == 0
    header, *lines = table.read_text().splitlines()
    assert header == "name,longitude,latitude,distance_m,date,displacement_mm,displacement_std_mm,network_subset"
    assert len(lines) == 16
    cells = lines[11].split(",")
    assert cells[4] == "20200206"
    assert float(cells[5]) == pytest.approx(1000 * float(series.displacement[3, 3, 4]), abs=6e-4)
    assert float(cells[6]) == pytest.approx(1000 * float(series.displacement_std[3, 3, 4]), abs=6e-4)
    code, out, _ = insarray(capsys, "timeseries", store, "--lonlat", lon, lat, west, south)
    assert (code, out.splitlines()) == (0, [header, *lines])
    code, _, error = insarray(capsys, "timeseries", store, "--lonlat", lon, lat, "-o", table)
    assert code == 2
    assert "exists" in error[0]
    code, _, _ = insarray(capsys, "timeseries", store, "--lonlat", lon, lat, "-o", table, "--overwrite", "--radius", 1)
    assert (code, len(table.read_text().splitlines())) == (0, 9)
    code, _, _ = insarray(capsys, "timeseries", store, "--lonlat", lon, lat, "--out", tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "out.nc", engine="h5netcdf") as back:
        np.testing.assert_array_equal(back.displacement[:, 0], series.displacement[:, 7, 11])
    code, _, error = insarray(capsys, "timeseries", store, "--lonlat", lon, lat, "-o", tmp_path / "out.txt")
    assert (code, "ends in '.txt'; use .csv" in error[0]) == (2, True)
    code, _, error = insarray(capsys, "timeseries", store, "--lonlat", lon)
    assert (code, "is not LON LAT, or several of them" in error[0]) == (2, True)


def test_the_command_of_polygons(series, tmp_path, capsys):
    path = polygon_file(tmp_path / "p.gpkg", [box(3, 12, 9, 7)], ["a, b"])
    store, table = tmp_path / "s.zarr", tmp_path / "out.csv"
    ia.run(series, store)
    command = ("timeseries", store, "--polygons", path, "--percentiles", "25,75", "-o", table)
    assert insarray(capsys, *command)[0] == 0
    header, first, *_ = table.read_text().splitlines()
    numbers = "displacement_mm,displacement_std_mm,median_mm,percentile_25_mm,percentile_75_mm,number_of_pixels"
    assert header == f"name,longitude,latitude,date,{numbers}"
    assert first.startswith('"a, b",-10')
    assert first.endswith(",30.00")
    assert insarray(capsys, "timeseries", store, "--polygons", path, "-o", path, "--overwrite")[0] == 2
