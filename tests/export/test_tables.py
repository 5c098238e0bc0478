"""Tables of points: what is written is what the result holds, in the units it says, as GIS programs and we read it."""

import csv
import json
import sqlite3
import weakref
import zipfile
from xml.dom import minidom

import dask
import dask.array as da
import numpy as np
import pytest

import insarray as ia
from insarray.export import rows, tables
from insarray.export.columns import columns_of
from insarray.model.dataset import grid_coords, on_grid_of
from insarray.model.errors import ArgumentError, InsarrayError, StoreError
from insarray.model.grid import Grid
from tests.cli.test_cli import insarray
from tests.points import scene

VECTORS = ("gpkg", "geojson", "fgb", "shp", "parquet")


@pytest.fixture(scope="module")
def made():
    stack, _ = ia.simulate_stack(shape=(20, 24), n_dates=7, seed=5)
    series = ia.invert(stack, reference=(9, 12))
    return series.merge(ia.fit(series)).compute()


@pytest.fixture
def result(made):
    return made.chunk(y=8, x=10)


def pixels(result):
    """Rows and columns of the pixels with a displacement."""
    return np.argwhere(result.displacement.notnull().any("time").values)


def frame(path, **options):
    geopandas = pytest.importorskip("geopandas", reason="needs the extra 'test'")
    return geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path, **options)


# -- CSV ------------------------------------------------------------------------------------------------------------


def test_our_own_reader_reads_the_same_numbers(tmp_path, result):
    back = ia.open(ia.to_table(result, tmp_path / "series.csv"))
    where = {name: int(back.pid.values.tolist().index(name)) for name in back.pid.values.tolist()}
    rows = pixels(result)
    assert len(where) == back.sizes["point"] == len(rows)
    order = [where[f"r{row:02d}c{col:02d}"] for row, col in rows]
    at = tuple(rows.T)
    np.testing.assert_allclose(
        back.displacement.values[:, order], result.displacement.values[:, at[0], at[1]], rtol=1e-6, atol=0.51e-6
    )
    np.testing.assert_array_equal(back.time, result.time)
    for name, tolerance in (
        ("velocity", 1e-7),
        ("velocity_std", 1e-7),
        ("temporal_coherence", 1e-4),
        ("residual_rms", 1e-4),
    ):
        assert back[name].attrs["units"] == result[name].attrs["units"]
        np.testing.assert_allclose(back[name].values[order], result[name].values[at], rtol=1e-6, atol=tolerance)
    lon, lat = zip(*(result.insar.grid.lonlat(*row) for row in rows), strict=True)
    np.testing.assert_allclose(back.x.values[order], lon, atol=1e-8)
    np.testing.assert_allclose(back.y.values[order], lat, atol=1e-8)
    assert "notes" not in back.attrs
    assert ia.fit(back).velocity.sizes == {"point": len(rows)}


def test_the_table_has_the_names_of_egms_and_says_its_units(tmp_path, result):
    lines = ia.to_table(result, tmp_path / "series.csv").read_text().splitlines()
    header, first = (line.split(",") for line in lines[:2])
    assert header[:7] == [
        "pid",
        "units",
        "latitude",
        "longitude",
        "mean_velocity",
        "mean_velocity_std",
        "temporal_coherence",
    ]
    assert header[-7:] == ["20190105", "20190117", "20190129", "20190210", "20190222", "20190306", "20190318"]
    assert first[1] == "mm toward the satellite"
    pixel = result.isel(y=int(first[0][1:3]), x=int(first[0][4:]))
    assert float(first[4]) == pytest.approx(1000 * float(pixel.velocity), abs=1e-4)
    assert float(first[-1]) == pytest.approx(1000 * float(pixel.displacement[-1]), abs=1e-3)


def test_egms_goes_through_unchanged(tmp_path):
    header = (
        "pid,easting,northing,height,rmse,temporal_coherence,los_east,los_north,los_up,mean_velocity,mean_velocity_std"
    )
    table = tmp_path / "EGMS_L2b_088_0282_IW2_VV_2019_2023_1.csv"
    table.write_text(
        f'{header},20190105,20190117\n"a,b",4494111,2495345,67.4,4.5,0.54,-0.6,-0.1,0.8,-4.5,0.1,0.5,-1.5\n'
    )
    points = ia.open(table)
    back = ia.open(ia.to_table(points, tmp_path / "again.csv"))
    np.testing.assert_allclose(back.displacement, points.displacement, atol=1e-9)
    assert back.pid.item() == "a,b"
    for name in ("velocity", "velocity_std", "rmse", "height", "los_east", "temporal_coherence"):
        np.testing.assert_allclose(back[name], points[name], rtol=1e-4, err_msg=name)


def test_a_vertical_displacement_stays_one(tmp_path):
    table = tmp_path / "EGMS_L3_E32N34_100km_U_2018_2022_1.csv"
    table.write_text("pid,easting,northing,mean_velocity,20190105,20190117\nx,4494111,2495345,-4.5,0.5,-1.5\n")
    path = ia.to_table(ia.open(table), tmp_path / "up.csv")
    assert ",mm upward," in path.read_text()
    back = ia.open(path)
    assert (back.los_up.item(), back.los_east.item()) == (1, 0)
    assert back.displacement.attrs["long_name"] == "vertical displacement, positive up"


def test_a_table_whose_units_change_is_refused(tmp_path, result):
    path = ia.to_table(result, tmp_path / "series.csv", every=4)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], lines[3].replace("mm toward", "m toward"), *lines[4:]]))
    with pytest.raises(InsarrayError, match=r"line 4: its units are 'm toward the satellite'"):
        ia.open(path)
    with pytest.raises(ArgumentError, match=r"units: .* is of insarray, which says so itself"):
        ia.open_points(ia.to_table(result, tmp_path / "b.csv"), units="metre")


def test_a_foreign_table_with_a_column_units_is_asked_for_its_units(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("pid,units,lat,lon,20190105,20190117\na,cm,45,9,0,1\n")
    with pytest.raises(InsarrayError, match="does not say what its numbers are"):
        ia.open_points(path)


# -- which points ---------------------------------------------------------------------------------------------------


def names_in(path):
    return {line.split(",")[0] for line in path.read_text().splitlines()[1:]}


def test_every_nth_pixel_from_the_middle_of_the_first_step(tmp_path, result):
    found = names_in(ia.to_table(result, tmp_path / "a.csv", every=3))
    assert found == {f"r{r:02d}c{c:02d}" for r, c in pixels(result) if r % 3 == 1 and c % 3 == 1}


def test_an_area_has_the_names_and_the_pixels_of_the_whole(tmp_path, result):
    every = names_in(ia.to_table(result, tmp_path / "a.csv", every=3))
    found = names_in(ia.to_table(result, tmp_path / "b.csv", every=3, area=ia.area(5, 17, 2, 20)))
    assert found == {name for name in every if 5 <= int(name[1:3]) < 17 and 2 <= int(name[4:]) < 20}
    assert 0 < len(found) < len(every)


def test_a_mask_leaves_points_out(tmp_path, result):
    good = ia.quality_mask(result, min_temporal_coherence=0.9)
    found = names_in(ia.to_table(result, tmp_path / "a.csv", mask=good))
    assert found == {
        f"r{r:02d}c{c:02d}" for r, c in np.argwhere((good & result.displacement.notnull().any("time")).values)
    }
    assert 0 < len(found) < len(pixels(result))


def test_points_in_polygons(tmp_path, result):
    geopandas = pytest.importorskip("geopandas")
    shapely = pytest.importorskip("shapely")
    x, y = result.x.values, result.y.values
    shape = shapely.Polygon([(x[3] + 7, y[4] + 1), (x[15] + 9, y[2] + 3), (x[9] + 11, y[16] - 1)])
    geopandas.GeoDataFrame(geometry=[shape], crs=result.insar.crs).to_crs(4326).to_file(tmp_path / "in.gpkg")
    found = names_in(ia.to_table(result, tmp_path / "a.csv", polygons=tmp_path / "in.gpkg"))
    inside = {f"r{r:02d}c{c:02d}" for r, c in pixels(result) if shapely.contains_xy(shape, x[c], y[r])}
    assert found == inside
    points = ia.open(ia.to_table(result, tmp_path / "all.csv"))
    again = names_in(ia.to_table(points, tmp_path / "b.csv", polygons=tmp_path / "in.gpkg"))
    assert again == inside


def test_dates_of_other_pieces_are_left_out(tmp_path, result):
    untied = result.network_subset.copy(data=result.network_subset.data).compute()
    untied[3:, :, :5] = 2
    pieces = result.assign(network_subset=untied.assign_attrs(gap="subset"))
    rows = [line.split(",") for line in ia.to_table(pieces, tmp_path / "a.csv").read_text().splitlines()[1:]]
    assert all((row[-4:] == [""] * 4) == (int(row[0][4:]) < 5) for row in rows)
    assert all(row[-7] for row in rows)


def test_a_model_alone_and_points_of_links(tmp_path, made):
    model = made[["velocity", "velocity_std"]]
    header, *rows = ia.to_table(model, tmp_path / "model.csv").read_text().splitlines()
    assert header == "pid,units,latitude,longitude,mean_velocity,mean_velocity_std"
    assert len(rows) == int(made.velocity.notnull().sum())
    points = ia.select_points(scene(epochs=12).wrapped, min_temporal_coherence=0.7)
    links = ia.estimate_links(points, slant_range=850e3, incidence_angle=35.0, height_error=(-60, 60), neighbours=4)
    found = ia.integrate_links(links, points, slant_range=850e3, incidence_angle=35.0)
    header, *rows = ia.to_table(found, tmp_path / "points.csv").read_text().splitlines()
    assert header.split(",")[4:8] == ["mean_velocity", "mean_velocity_std", "height_error", "height_error_std"]
    assert len(rows) == int(found.velocity.notnull().sum())
    one = dict(zip(header.split(","), rows[5].split(","), strict=True))
    point = found.isel(point=5)
    assert one["pid"] == f"r{int(point.row)}c{int(point.col)}"
    assert float(one["height_error"]) == pytest.approx(float(point.height_error), abs=1e-3)
    assert float(one["mean_velocity"]) == pytest.approx(1e3 * float(point.velocity), abs=1e-3)


def test_longitudes_to_360_become_those_of_maps(tmp_path, made):
    grid = Grid(20, 24, 260.5, 20.0, 0.01, -0.01, "EPSG:4326")
    bare = made.drop_vars(["y", "x", "spatial_ref"])
    moved = on_grid_of(bare.assign_coords(grid_coords(grid)), bare)
    rows = ia.to_table(moved, tmp_path / "a.csv").read_text().splitlines()[1:]
    longitudes = [float(row.split(",")[3]) for row in rows]
    assert -99.5 < min(longitudes) < max(longitudes) < -99.2


# -- vector files ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*field name.*:RuntimeWarning")
@pytest.mark.parametrize("suffix", VECTORS)
def test_geopandas_opens_it_and_finds_the_same(tmp_path, result, suffix):
    pytest.importorskip("pyarrow")
    path = tmp_path / f"series.{suffix}"
    found = frame(path) if path.exists() else frame(ia.to_table(result, path))
    short = suffix == "shp"
    velocity, dates = ("velocity", "D") if short else ("mean_velocity", "")
    rows = pixels(result)
    assert len(found) == len(rows)
    by_name = found.set_index("pid")
    for row, col in rows[::17]:
        one, pixel = by_name.loc[f"r{row:02d}c{col:02d}"], result.isel(y=row, x=col).compute()
        assert one[velocity] == pytest.approx(1000 * float(pixel.velocity), rel=1e-6, abs=1e-4)
        series = np.array([one[f"{dates}{day}"] for day in pixel.time.dt.strftime("%Y%m%d").values], float)
        np.testing.assert_allclose(series, 1000 * pixel.displacement, rtol=1e-6, atol=1e-3)
        lon, lat = result.insar.grid.lonlat(row, col)
        place = (lon, lat) if suffix == "geojson" else (float(pixel.x), float(pixel.y))
        np.testing.assert_allclose((one.geometry.x, one.geometry.y), place, atol=1e-6)
        assert one["units"] == "mm toward the satellite"
    assert found.crs.to_epsg() == (4326 if suffix == "geojson" else 32614)
    others = {"series.shx", "series.dbf", "series.prj", "series.cpg"} if short else set()
    assert {file.name for file in tmp_path.iterdir()} == {path.name} | others


def test_no_data_is_null(tmp_path, made):
    pytest.importorskip("pyarrow")
    hole = made.displacement.values.copy()
    hole[2, :, :4] = np.nan
    found = frame(
        ia.to_table(
            made.assign(displacement=(made.displacement.dims, hole, made.displacement.attrs)), tmp_path / "a.gpkg"
        )
    )
    with sqlite3.connect(tmp_path / "a.gpkg") as file:
        (nulls,) = file.execute('select count(*) from a where "20190129" is null').fetchone()
    file.close()
    assert nulls == found["20190129"].isna().sum() == sum(int(pid[4:]) < 4 for pid in found.pid)


def test_units_are_in_the_files_that_have_a_place_for_them(tmp_path, result):
    pytest.importorskip("pyogrio")
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    ia.to_table(result, tmp_path / "a.gpkg", every=4)
    with sqlite3.connect(tmp_path / "a.gpkg") as file:
        about = dict(file.execute("select column_name, description from gpkg_data_columns").fetchall())
    file.close()
    assert about["mean_velocity"].endswith("positive toward the satellite (year of 365.25 days) (mm/year)")
    assert about["20190105"] == "displacement toward the satellite since the reference date (mm)"
    schema = parquet.read_schema(ia.to_table(result, tmp_path / "a.parquet", every=4))
    assert schema.field("mean_velocity").metadata[b"unit"] == b"mm/year"
    geo = json.loads(parquet.read_metadata(tmp_path / "a.parquet").metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["crs"]["id"] == {"authority": "EPSG", "code": 32614}
    west, south, east, north = geo["columns"]["geometry"]["bbox"]
    assert west < east < result.x.values[-1] + 1
    assert south < north < result.y.values[0] + 1


def test_names_for_shapefiles_are_short_and_each_its_own(made):
    wide = made.assign({f"annual_amplitude_{k}": made.velocity for k in range(12)})
    columns = columns_of(wide)
    short = columns.short_names()
    assert len(set(short.values())) == len(short) == len(columns.maps) + len(columns.dates)
    assert max(map(len, short.values())) <= 10
    assert (short["mean_velocity"], short["20190105"]) == ("velocity", "D20190105")


def test_kmz_has_places_colours_and_a_legend(tmp_path, result):
    path = ia.to_table(result, tmp_path / "a.kmz", every=2)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("legend.png")[:4] == archive.read("dot.png")[:4] == b"\x89PNG"
        text = archive.read("doc.kml").decode()
    kept = [(r, c) for r, c in pixels(result) if r % 2 == 1 and c % 2 == 1]
    assert text.count("<Placemark>") == len(kept)
    assert "<href>legend.png</href>" in text
    row, col = kept[0]
    lon, lat = result.insar.grid.lonlat(row, col)
    mark = text.split(f"<name>r{row:02d}c{col:02d}</name>")[1].split("</Placemark>")[0]
    assert f"<coordinates>{lon:.7f},{lat:.7f}</coordinates>" in mark
    velocity = result.velocity.values
    assert f'<SimpleData name="mean_velocity">{1000 * velocity[row, col]:.4f}</SimpleData>' in mark
    fastest = max(kept, key=lambda at: velocity[at])
    slowest = min(kept, key=lambda at: velocity[at])
    shade = {
        at: int(text.split(f"<name>r{at[0]:02d}c{at[1]:02d}</name><styleUrl>#s")[1].split("<")[0])
        for at in (fastest, slowest)
    }
    assert shade[slowest] < shade[fastest] == 31
    pyogrio = pytest.importorskip("pyogrio")
    assert pyogrio.read_info(path)["features"] == len(kept)


def test_names_of_variables_stay_text(tmp_path, made):
    hostile = made.rename(residual_rms='a"/><script>,\x1b').chunk(y=8, x=10)
    with zipfile.ZipFile(ia.to_table(hostile, tmp_path / "a.kmz", every=5)) as archive:
        text = archive.read("doc.kml").decode()
    assert "<script" not in text
    assert "\x1b" not in text
    assert minidom.parseString(text).getElementsByTagName("Placemark")
    header = ia.to_table(hostile, tmp_path / "a.csv", every=5).read_text().splitlines()[0]
    assert len(next(csv.reader([header]))) == len(columns_of(hostile).maps) + 4 + 7


def test_a_globe_does_not_get_more_than_it_shows(tmp_path, result, monkeypatch):
    monkeypatch.setattr("insarray.export.kml._MOST", 50)
    with pytest.raises(
        ArgumentError, match=r"a\.kmz: has more than 50 points, which viewers of KML cannot show; .*--every"
    ):
        ia.to_table(result, tmp_path / "a.kmz")
    assert list(tmp_path.iterdir()) == []


# -- what cannot be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every: 0 is not a whole number of at least 1"),
        ({"every": 2.0}, "every: 2.0 is not a whole number"),
        ({"area": "0,0,1,1"}, "area: 0,0,1,1 lies outside the image"),
        ({"polygons": "none.gpkg"}, "polygons: none.gpkg does not exist"),
        ({"mask": "none"}, "no point is left"),
    ],
)
def test_a_bad_option_is_one_line_and_leaves_nothing(tmp_path, made, options, message):
    if options.get("mask") == "none":
        options = {"mask": made.velocity < -1e9}
    with pytest.raises(InsarrayError) as error:
        ia.to_table(made, tmp_path / "a.csv", **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_table_is_refused(tmp_path, made):
    with pytest.raises(ArgumentError, match=r"a\.xlsx: ends in '\.xlsx'; a table is one of \.csv, \.parquet"):
        ia.to_table(made, tmp_path / "a.xlsx")
    radar = made.drop_vars(["y", "x", "spatial_ref"]).assign_coords(grid_coords(Grid(20, 24)))
    with pytest.raises(ArgumentError, match=r"has no CRS \(radar coordinates\)"):
        ia.to_table(radar, tmp_path / "a.csv")
    with pytest.raises(ArgumentError, match="nor a map"):
        ia.to_table(made[["solver_flag"]], tmp_path / "a.csv")
    times = made.time.values.copy()
    times[1] = times[0] + np.timedelta64(6, "h")
    with pytest.raises(ArgumentError, match="several acquisitions on 20190105"):
        ia.to_table(made.assign_coords(time=("time", times)), tmp_path / "a.csv")
    with pytest.raises(ArgumentError, match="two of its variables are 'mean_velocity'"):
        ia.to_table(made.assign(mean_velocity=made.velocity), tmp_path / "a.csv")


@pytest.mark.parametrize("suffix", ["csv", "shp"])
def test_an_existing_file_is_not_overwritten_unasked(tmp_path, made, suffix):
    if suffix == "shp":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"a.{suffix}"
    path.write_text("mine")
    with pytest.raises(StoreError, match="exists"):
        ia.to_table(made, path)
    assert path.read_text() == "mine"
    (tmp_path / "a.qix").write_text("an index of the old points")
    ia.to_table(made, path, overwrite=True)
    assert path.read_bytes()[:4] != b"mine"
    assert (tmp_path / "a.qix").exists() == (suffix == "csv")


def test_another_file_of_a_shapefile_is_not_overwritten_unasked(tmp_path, made):
    pytest.importorskip("pyarrow")
    (tmp_path / "a.dbf").write_text("mine")
    with pytest.raises(StoreError, match=r"a\.dbf: exists"):
        ia.to_table(made, tmp_path / "a.shp")
    assert (tmp_path / "a.dbf").read_text() == "mine"
    assert not (tmp_path / "a.shp").exists()


@pytest.mark.parametrize("suffix", ["csv", "kmz", "gpkg", "parquet"])
def test_a_block_that_fails_leaves_no_part_of_a_file(tmp_path, made, suffix):
    if suffix in ("gpkg", "parquet"):
        pytest.importorskip("pyarrow")

    def failing(block, block_info=None):
        if block_info[0]["chunk-location"] == (0, 2, 1):
            raise OSError("disk gone")
        return block

    data = made.displacement.chunk(y=8, x=10)
    broken = made.chunk(y=8, x=10).assign(
        displacement=(data.dims, da.map_blocks(failing, data.data, dtype=np.float32, meta=data.data._meta), data.attrs)
    )
    with pytest.raises((StoreError, OSError), match="disk gone"):
        ia.to_table(broken, tmp_path / f"a.{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["csv", "gpkg"])
def test_an_interrupt_stays_one(tmp_path, made, suffix, monkeypatch):
    if suffix == "gpkg":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(rows.Source, "_loaded", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        ia.to_table(made, tmp_path / f"a.{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named_with_its_remedy(tmp_path, made, monkeypatch):
    import importlib

    real = importlib.import_module
    monkeypatch.setattr(
        importlib, "import_module", lambda name, *a: real(name, *a) if "arrow" not in name else real("no_such_module")
    )
    with pytest.raises(
        ArgumentError, match=r"a\.parquet: \.parquet needs pyarrow: pip install 'insarray\[vector\]'; \.csv"
    ):
        ia.to_table(made, tmp_path / "a.parquet")


# -- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "parquet", "gpkg", "kmz"])
def test_no_more_than_a_block_and_some_rows_are_held_whatever_the_image(tmp_path, made, suffix, monkeypatch):
    if suffix in ("parquet", "gpkg"):
        pytest.importorskip("pyarrow")
    held, most, longest = weakref.WeakValueDictionary(), [], []

    def counted(block):
        made_here = block.copy()
        held[len(most)] = made_here
        most.append(len(held))
        return made_here

    real = rows.Rows.__len__
    monkeypatch.setattr(rows, "_ROWS", 16)
    monkeypatch.setattr("insarray.export.vectors._GROUP", 64)
    monkeypatch.setattr(rows.Rows, "__len__", lambda self: longest.append(real(self)) or longest[-1])
    data = made.displacement.chunk(y=5, x=6)
    lazy = da.map_blocks(counted, data.data, dtype=np.float32, meta=data.data._meta)
    result = made.chunk(y=5, x=6).assign(displacement=(data.dims, lazy, data.attrs))
    with dask.config.set(scheduler="synchronous"):
        ia.to_table(result, tmp_path / f"a.{suffix}")
    assert len(most) >= 16
    assert max(most) <= 2
    assert max(longest) == 16


# -- command --------------------------------------------------------------------------------------------------------


def test_the_command_writes_what_the_function_does(tmp_path, capsys, made):
    store = tmp_path / "series.zarr"
    ia.run(made.chunk(y=10, x=12), store)
    code, _, _ = insarray(
        capsys,
        "export",
        store,
        tmp_path / "a.csv",
        "--every",
        2,
        "--min-temporal-coherence",
        0.9,
        "--area",
        "rows:2:18,3:20",
    )
    assert code == 0
    good = ia.quality_mask(made, min_temporal_coherence=0.9)
    ia.to_table(made, tmp_path / "b.csv", every=2, mask=good, area=ia.area(2, 18, 3, 20))
    assert sorted((tmp_path / "a.csv").read_text().splitlines()) == sorted(
        (tmp_path / "b.csv").read_text().splitlines()
    )
    code, _, error = insarray(capsys, "export", store, tmp_path / "a.csv")
    assert code == 2
    assert "exists" in error[0]
    code, _, error = insarray(capsys, "export", store, tmp_path / "velocity.tif", "--every", 2)
    assert code == 2
    assert "every: is for tables" in error[0]
    code, _, error = insarray(capsys, "export", store, tmp_path / "c.csv", "--variable", "velocity")
    assert code == 2
    assert "a table has all of them" in error[0]
    code, _, _ = insarray(capsys, "export", store, tmp_path / "velocity.tif", "--area", "rows:2:18,3:20")
    import rasterio

    with rasterio.open(tmp_path / "velocity.tif") as file:
        assert file.shape == (16, 17)


def test_tables_are_known_by_their_suffix():
    assert all(tables.is_table(f"a.{suffix}") for suffix in (*VECTORS, "csv", "kmz", "CSV"))
    assert not tables.is_table("a.tif")
