"""`insarray correct`: every option does what the keyword does; a page of how-to runs as it is written."""

import json

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.store.zarr_store import open_store
from insarray.products.corrections import geoid
from insarray.simulate.stacks import simulate_stack, write_geotiffs
from tests.io.corrections.delay_files import era5, gacos
from tests.products.corrections.test_ionosphere import ionex
from tests.test_docs_commands import shell_lines

SIGHT = ["--heading", "-13", "--incidence-angle", "37"]
HOUR = ["--time-of-day", "00:51:03"]
LAT, LON = np.arange(20.5, 18.4, -0.25), np.arange(-100.25, -98.2, 0.25)
FINE_LAT, FINE_LON = np.arange(19.6, 19.3, -0.01), np.arange(-99.25, -98.95, 0.01)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Interferograms, a stored series, a DEM, and files of corrections, in one folder."""
    folder = tmp_path_factory.mktemp("scene")
    stack, _ = simulate_stack(shape=(40, 48), n_dates=8, missing=0, water=False, pair_offsets=False, stratified=0.02)
    write_geotiffs(stack, folder / "ifgs")
    ia.to_cog(stack.height, folder / "dem.tif")
    ia.to_netcdf(stack[["incidence_angle", "height"]], folder / "geometry.nc")
    ia.run(ia.invert(stack.chunk(pair=-1, y=20, x=24), reference=(9, 12)), folder / "series.zarr")
    days = [str(time)[:10] for time in stack.insar.network.times]
    for folder_of in ("era5", "gacos", "ionex"):
        (folder / folder_of).mkdir()
    for k, day in enumerate(days):
        era5(folder / f"era5/{day}.nc", LAT, LON, [f"{day}T00:00:00", f"{day}T01:00:00"], 600.0 + 100 * k)
    for k, day in enumerate(days):
        values = 2.4 + 0.01 * k + 0 * (FINE_LAT[:, None] + FINE_LON) + 0.1 * k * (FINE_LON + 99.1)
        gacos(folder / "gacos", day.replace("-", ""), FINE_LAT, FINE_LON, values)
        ionex(folder / f"ionex/igsg{k:03d}0.19i", day, lambda hour, lat, lon, k=k: 10 + k * (1 + 0.02 * (lon + 180)))
    return folder


def run(scene, tmp_path, monkeypatch, *words):
    monkeypatch.chdir(scene)
    out = tmp_path / "out.zarr"
    code = run_command(["correct", words[0], str(out), *words[1:]])
    return code, out


def stored(scene, tmp_path, monkeypatch, *words):
    code, out = run(scene, tmp_path, monkeypatch, *words)
    assert code == 0
    return open_store(str(out))


def test_all_corrections_of_a_series(scene, tmp_path, monkeypatch, capsys):
    files = [
        "--troposphere",
        "era5/*.nc",
        "--dem",
        "dem.tif",
        "--ionosphere",
        "ionex/*",
        "--tides",
        "--stratified",
        "linear",
    ]
    found = stored(scene, tmp_path, monkeypatch, "series.zarr", *files, *HOUR, *SIGHT)
    assert "blocks computed" in capsys.readouterr().out
    names = found.attrs["corrections"].split()
    assert names == [
        "troposphere_wet",
        "troposphere_hydrostatic",
        "ionosphere",
        "solid_earth_tide",
        "troposphere_stratified",
    ]
    left = found.uncorrected_displacement - sum(found[name] for name in names)
    np.testing.assert_allclose(found.displacement, left, atol=1e-6)
    for name in set(names) - {"troposphere_hydrostatic"}:  # which is the same at all dates
        assert float(abs(found[name]).max()) > 1e-5, name


def test_interferograms_then_the_inversion(scene, tmp_path, monkeypatch):
    """The pairs corrected and inverted are the series corrected."""
    how = ["--tides", *HOUR, *SIGHT]
    wavelength = ["--wavelength", "0.05546576"]
    assert run(scene, tmp_path, monkeypatch, "ifgs/*.unw.tif", *how, *wavelength)[0] == 0
    inverted = tmp_path / "inverted.zarr"
    assert run_command(["invert", str(tmp_path / "out.zarr"), str(inverted), "--reference", "9,12"]) == 0
    (tmp_path / "b").mkdir()
    series = stored(scene, tmp_path / "b", monkeypatch, "series.zarr", *how)
    np.testing.assert_allclose(open_store(str(inverted)).displacement, series.displacement, atol=1e-6)
    assert open_store(str(inverted)).attrs["corrections"] == "solid_earth_tide"


def test_geometry_of_a_file_and_gacos(scene, tmp_path, monkeypatch):
    """Angles per pixel count, and a day's file needs no hour."""
    found = stored(scene, tmp_path, monkeypatch, "series.zarr", "--troposphere", "gacos", "--geometry", "geometry.nc")
    (tmp_path / "b").mkdir()
    one = stored(scene, tmp_path / "b", monkeypatch, "series.zarr", "--troposphere", "gacos", "--incidence-angle", "39")
    difference = (found.troposphere - one.troposphere).isel(time=-1)
    assert float(abs(difference).max()) > 1e-3
    geometry = ia.open_geometry(scene / "geometry.nc", found)
    expected = ia.troposphere(
        open_store(str(scene / "series.zarr")), scene / "gacos", incidence_angle=geometry.incidence_angle
    )
    np.testing.assert_array_equal(
        ia.correct(open_store(str(scene / "series.zarr")), expected).displacement, found.displacement
    )


def test_options_are_handed_on(scene, tmp_path, monkeypatch):
    base = ["series.zarr", "--stratified", "linear", "--dem", "dem.tif"]
    outputs = {}
    for k, more in enumerate(
        ([], ["--windows", "2"], ["--keep-velocity"], ["--stratified", "power"], ["--mask", "half.tif"])
    ):
        (tmp_path / str(k)).mkdir()
        if "--mask" in more:
            height = ia.open_stack(str(scene / "ifgs/*.unw.tif"), wavelength=0.05546576).unwrapped_phase[0].load()
            half = (height.x > float(height.x[24])) & (height.y < 1e9)
            ia.to_cog(
                half.astype(np.float32).transpose("y", "x").rename("mask"), scene / "half.tif", attrs={}, overwrite=True
            )
        outputs[k] = stored(scene, tmp_path / str(k), monkeypatch, *base, *more).troposphere_stratified.values
    for k in range(1, 5):
        assert np.nanmax(np.abs(outputs[k] - outputs[0])) > 1e-6, k


def test_keep_missing_and_look(scene, tmp_path, monkeypatch, capsys):
    found = stored(scene, tmp_path, monkeypatch, "series.zarr", "--tides", "--no-keep", *HOUR, *SIGHT)
    assert "solid_earth_tide" not in found
    (tmp_path / "b").mkdir()
    left = stored(scene, tmp_path / "b", monkeypatch, "series.zarr", "--tides", "--look", "left", *HOUR, *SIGHT)
    assert float(abs(left.displacement - found.displacement).max()) > 1e-5
    (tmp_path / "c").mkdir()
    some = [str(path) for path in sorted((scene / "gacos").glob("*.ztd"))[:-1]]
    words = ["series.zarr", *(word for path in some for word in ("--troposphere", path)), "--incidence-angle", "37"]
    code, _ = run(scene, tmp_path / "c", monkeypatch, *words)
    assert code == 2
    assert "there is none for 1 of 8 times" in capsys.readouterr().err
    gap = stored(scene, tmp_path / "c", monkeypatch, *words, "--missing", "nan").displacement
    assert np.isnan(gap[-1]).all()
    (tmp_path / "d").mkdir()
    how = ["--troposphere", "era5/*.nc", "--dem", "dem.tif", *SIGHT[2:], "--time-of-day", "01:20"]
    assert run(scene, tmp_path / "d", monkeypatch, "series.zarr", *how, "--max-hours", "0.1")[0] == 2
    assert run(scene, tmp_path / "d", monkeypatch, "series.zarr", *how, "--max-hours", "0.5")[0] == 0


def test_plate_heights_and_places(scene, tmp_path, monkeypatch, capsys):
    """A plate; heights that need a geoid, which is not there; data in radar coordinates by their geometry."""
    found = stored(scene, tmp_path, monkeypatch, "series.zarr", "--plate", "NorthAmerica", *SIGHT)
    assert found.attrs["correction_sources"] == "plate_motion: motion of NorthAmerica (ITRF2020)"
    assert float(abs(found.plate_motion).max()) > 1e-6
    monkeypatch.setattr(geoid, "GRIDS", ("no_such_geoid.tif",))
    (tmp_path / "b").mkdir()
    how = ["--troposphere", "era5/*.nc", "--dem", "dem.tif", *HOUR, *SIGHT[2:], "--dem-heights", "ellipsoid"]
    assert run(scene, tmp_path / "b", monkeypatch, "series.zarr", *how)[0] == 2
    assert "dem_heights: the heights of the DEM have to be converted" in capsys.readouterr().err
    series = open_store(str(scene / "series.zarr"))
    grid = series.insar.grid
    lon, lat = (np.array([[grid.lonlat(r, c)[k] for c in range(48)] for r in range(40)], np.float32) for k in (0, 1))
    radar = series.displacement.drop_vars(["spatial_ref"], errors="ignore").assign_coords(
        y=np.arange(40), x=np.arange(48)
    )
    radar.attrs.pop("grid_mapping", None)
    plain = radar.to_dataset().assign_attrs(reference_row=9, reference_col=12)
    ia.run(plain, tmp_path / "radar.zarr")
    maps = xr.Dataset({"latitude": (("y", "x"), lat), "longitude": (("y", "x"), lon)}, {"y": plain.y, "x": plain.x})
    maps.to_netcdf(tmp_path / "maps.nc", engine="h5netcdf")
    words = ["--tides", *HOUR, *SIGHT]
    (tmp_path / "c").mkdir()
    tide = stored(
        scene,
        tmp_path / "c",
        monkeypatch,
        str(tmp_path / "radar.zarr"),
        *words,
        "--geometry",
        str(tmp_path / "maps.nc"),
    )
    (tmp_path / "d").mkdir()
    expected = stored(scene, tmp_path / "d", monkeypatch, "series.zarr", *words)
    np.testing.assert_allclose(tide.solid_earth_tide, expected.solid_earth_tide, atol=1e-6)


def test_assess(scene, tmp_path, monkeypatch, capsys):
    words = ["series.zarr", "--stratified", "power", "--dem", "dem.tif", "--assess"]
    picture = tmp_path / "assessed.png"
    code, out = run(scene, tmp_path, monkeypatch, *words, "--dry-run", "--plot", str(picture))
    assert picture.stat().st_size > 5000
    text = capsys.readouterr().out
    assert code == 0
    assert not out.exists()
    assert text.splitlines()[0].split() == ["correction", "date", "before", "after", "scale", "+-", "verdict"]
    assert text.splitlines()[-1].startswith("troposphere_stratified: keep ")
    assert "standard deviation" in text.splitlines()[-1]
    assert run(scene, tmp_path, monkeypatch, *words, "--dry-run", "--json")[0] == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 8
    assert {row["verdict"] for row in rows} <= {"keep", "scale", "drop"}
    assert run(scene, tmp_path, monkeypatch, *words)[0] == 0
    assert out.exists()
    pairs = ["ifgs/*.unw.tif", "--wavelength", "0.05546576", "--tides", *HOUR, *SIGHT, "--assess", "--dry-run"]
    capsys.readouterr()
    assert run(scene, tmp_path, monkeypatch, *pairs)[0] == 0
    assert "pair" in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["series.zarr"], "correct: name a correction: --troposphere, --tides"),
        (["series.zarr", "--tides", *SIGHT], "time_of_day: 2019-01-05 has none in the data"),
        (["series.zarr", "--troposphere", "era5/*.nc", *HOUR, *SIGHT[2:]], "the data have no height; give dem"),
        (["series.zarr", "--troposphere", "none/*.nc"], "troposphere: nothing matches 'none/*.nc'"),
    ],
)
def test_bad_usage_is_one_line(scene, tmp_path, monkeypatch, capsys, words, message):
    code, _ = run(scene, tmp_path, monkeypatch, *words)
    assert code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_once_only(scene, tmp_path, monkeypatch, capsys):
    stored(scene, tmp_path, monkeypatch, "series.zarr", "--tides", *HOUR, *SIGHT)
    code = run_command(["correct", str(tmp_path / "out.zarr"), str(tmp_path / "b.zarr"), "--tides", *HOUR, *SIGHT])
    assert code == 2
    assert "solid_earth_tide is applied already" in capsys.readouterr().err


def test_the_page_runs_as_it_is_written(scene, tmp_path, monkeypatch, capsys):
    """Every command of docs/how_to/corrections.md, in its order, on files with the names that it uses."""
    for path in scene.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    lines = shell_lines("docs/how_to/corrections.md")
    assert len(lines) >= 8
    assert sum(marked for _, marked in lines) <= 3
    for words, marked in lines:
        if marked:
            continue
        code = run_command(words[1:])
        assert code == 0, f"{' '.join(words)}: {capsys.readouterr().err}"
