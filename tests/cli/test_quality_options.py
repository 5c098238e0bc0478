"""One notion of a good pixel on every way out: plots, files, pages, and the commands that make them."""

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr

import insarray as ia
from insarray.cli.main import cli
from insarray.model.conventions import FIT_FLAGS
from insarray.model.dataset import network_of
from insarray.simulate.stacks import WAVELENGTH, simulate_stack, write_geotiffs
from tests.cli.test_cli import insarray

QUALITY = {"--min-dates", "--min-temporal-coherence", "--max-residual-rms", "--exclude-flags", "--mask"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """GeoTIFFs of which a corner lacks pairs, and the series of all of them."""
    folder = tmp_path_factory.mktemp("quality")
    stack, _ = simulate_stack(shape=(24, 30), n_dates=10, water=False, missing=0.0, seed=3)
    phase = stack.unwrapped_phase.values.copy()
    late = (network_of(stack).pairs > 5).any(axis=1)
    phase[late, :6, :6] = np.nan  # six dates
    late = (network_of(stack).pairs > 2).any(axis=1)
    phase[late, :6, 20:] = np.nan  # three dates
    write_geotiffs(stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase)), folder / "ifgs")
    return folder


@pytest.fixture
def store(capsys, folder):
    out = folder / "series.zarr"
    if not out.exists():
        command = ("invert", folder / "ifgs/*.unw.tif", out, "--wavelength", WAVELENGTH, "--reference", "20,20")
        assert insarray(capsys, *command)[0] == 0
    return out


@pytest.fixture
def raster(folder, store):
    """A file that is 0 in some rows."""
    good = xr.open_zarr(store).temporal_coherence.astype("float32") * 0 + 1
    good[10:14] = 0
    path = folder / "mask.tif"
    return path if path.exists() else ia.to_cog(good.fillna(1), path)


def bands(path):
    with rasterio.open(path) as file:
        return file.read(), file.tags()


def test_the_commands_have_the_same_words():
    for verb in ("fit", "plot", "export", "report"):
        assert {option for p in cli.commands[verb].params for option in p.opts} >= QUALITY, verb
    for verb in ("fit", "invert"):
        assert {option for p in cli.commands[verb].params for option in p.opts} >= {"--min-dates", "--min-redundancy"}


def test_invert_and_fit_give_no_velocity_for_a_few_dates(capsys, folder, store, tmp_path):
    series = xr.open_zarr(store)
    few = FIT_FLAGS.index("too_few_observations")
    assert (series.fit_flag[:6, 20:] == few).all()
    assert np.isnan(series.velocity[:6, 20:]).all()
    assert np.isfinite(series.velocity[:6, :6]).all()  # 6 of 10 dates
    assert (series.fit_flag.attrs["fit_min_dates"], series.fit_flag.attrs["fit_min_redundancy"]) == (5, 2)
    out = tmp_path / "strict.zarr"
    command = ("invert", folder / "ifgs/*.unw.tif", out, "--wavelength", WAVELENGTH, "--reference", "20,20")
    assert insarray(capsys, *command, "--min-dates", 7, "--min-redundancy", 0)[0] == 0
    assert (xr.open_zarr(out).fit_flag[:6, :6] == few).all()
    for option, value, corner in (("--min-dates", 7, True), ("--min-redundancy", 5, True), ("--min-dates", 6, False)):
        out = tmp_path / f"model{option}{value}.zarr"
        assert insarray(capsys, "fit", store, out, option, value)[0] == 0
        assert bool((xr.open_zarr(out).fit_flag[:6, :6] == few).all()) is corner
    out = tmp_path / "all.zarr"
    assert insarray(capsys, "fit", store, out, "--min-dates", 0, "--min-redundancy", 0)[0] == 0
    assert np.isfinite(xr.open_zarr(out).velocity[:6, 20:]).all()


@pytest.mark.parametrize("name", ["--min-temporal-coherence", "--max-residual-rms", "--exclude-flags", "--mask"])
def test_fit_takes_every_criterion(capsys, store, raster, tmp_path, name):
    series, out = xr.open_zarr(store), tmp_path / "model.zarr"
    option, value, good = criterion(name, series, raster)
    assert insarray(capsys, "fit", store, out, option, value)[0] == 0
    model = xr.open_zarr(out)
    np.testing.assert_array_equal(model.fit_flag != FIT_FLAGS.index("masked"), good)
    assert not np.isfinite(model.velocity.values[~good]).any()


def criterion(name, series, raster):
    """Option, its value, and the pixels that it leaves, some but not all."""
    if name == "--min-dates":
        return name, 7, np.isfinite(series.displacement).sum("time").values >= 7
    if name == "--min-temporal-coherence":
        limit = float(np.nanmedian(series.temporal_coherence.values))
        return name, limit, series.temporal_coherence.values >= limit
    if name == "--max-residual-rms":
        limit = float(np.nanmedian(series.residual_rms.values))
        return name, limit, series.residual_rms.values <= limit
    if name == "--exclude-flags":
        return name, "dates_untied", series.solver_flag.values != 3
    good = np.ones(series.solver_flag.shape, bool)
    good[10:14] = False
    return name, raster, good


@pytest.mark.parametrize("name", sorted(QUALITY))
def test_export_takes_every_criterion(capsys, store, raster, tmp_path, name):
    series = xr.open_zarr(store)
    option, value, good = criterion(name, series, raster)
    assert 0 < good.sum() < good.size
    path = tmp_path / "velocity.tif"
    assert insarray(capsys, "export", store, path, option, value)[0] == 0
    (found,), tags = bands(path)
    np.testing.assert_array_equal(found, series.velocity.where(xr.DataArray(good, dims=("y", "x"))).values)
    assert tags["masked_by"]
    path = tmp_path / "all.nc"
    assert insarray(capsys, "export", store, path, option, value)[0] == 0
    with xr.open_dataset(path, engine="h5netcdf") as whole:
        assert np.isnan(whole.displacement.values[:, ~good]).all()
        assert (whole.solver_flag.values[~good] == 0).all()
        np.testing.assert_array_equal(whole.displacement.values[:, good], series.displacement.values[:, good])


def test_functions_that_write_take_a_mask(store, raster, tmp_path):
    series = xr.open_zarr(store)
    good = ia.quality_mask(series, min_dates=7)
    (found,), tags = bands(ia.to_cog(series.solver_flag, tmp_path / "flag.tif", mask=good))
    np.testing.assert_array_equal(found, series.solver_flag.where(good, 0))
    assert tags["masked_by"] == "dates >= 7"
    crop = series.isel(y=slice(2, 20), x=slice(None, None, -1))
    (found,), _ = bands(ia.to_cog(crop.velocity, tmp_path / "crop.tif", mask=good))
    np.testing.assert_array_equal(found, crop.velocity.where(good))
    ia.to_netcdf(crop, tmp_path / "crop.nc", mask=good)
    with xr.open_dataset(tmp_path / "crop.nc", engine="h5netcdf") as whole:
        np.testing.assert_array_equal(whole.displacement, crop.displacement.where(good).values)
        assert whole.attrs["masked_by"] == "dates >= 7"
    paths = {path.name: path for path in ia.to_mintpy(series, tmp_path / "mintpy", mask=raster)}
    with h5py.File(paths["timeseries.h5"]) as file, h5py.File(paths["velocity.h5"]) as model:
        assert np.isnan(file["timeseries"][:, 10:14]).all()
        assert np.isnan(model["velocity"][10:14]).all()
        assert np.isfinite(model["velocity"][16]).all()


def test_plots_are_grey_where_masked_and_colours_ignore_it(store, raster):
    series = xr.open_zarr(store)
    loud = series.assign(velocity=series.velocity.where(series.y != series.y[12], 9.0).assign_attrs(units="m/year"))
    good = ia.quality_mask(series, mask=raster)
    for mask in (good, str(raster)):
        for axes in (ia.plot.velocity(loud, mask=mask), ia.plot.map(loud, "velocity", mask=mask)):
            (image,) = axes.images
            assert np.ma.getmaskarray(image.get_array())[10:14].all()
            assert not np.ma.getmaskarray(image.get_array())[16].any()
            assert image.norm.vmax < 1000  # mm/yr; the 9 m/yr are masked
    assert ia.plot.velocity(loud).images[0].norm.vmax > 1000
    flags = ia.plot.map(series, "solver_flag", mask=good).images[0].get_array()
    assert (flags[10:14] == 0).all()
    figure = ia.plot.multiples(series, "displacement", mask=good)
    assert np.ma.getmaskarray(figure.axes[0].images[0].get_array())[10:14].all()
    counts = ia.plot.map(series.isel(time=1), "number_of_observations", mask=good).images[0].get_array()
    assert np.ma.getmaskarray(counts)[10:14].all()


@pytest.mark.parametrize(
    "name", [sorted(QUALITY)[0], *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(QUALITY)[1:])]
)
def test_plot_and_report_take_every_criterion(capsys, store, raster, tmp_path, name):
    series = xr.open_zarr(store)
    option, value, good = criterion(name, series, raster)
    pictures = {}
    for what in (("velocity",), ("map", "--variable", "temporal_coherence"), ("multiples",)):
        for extra in ((), (option, value)):
            path = tmp_path / f"{what[0]}{len(extra)}.png"
            assert insarray(capsys, "plot", what[0], store, path, *what[1:], *extra)[0] == 0
            pictures[what[0], len(extra)] = path.read_bytes()
        assert pictures[what[0], 0] != pictures[what[0], 2]
    path = tmp_path / "page.html"
    assert insarray(capsys, "report", store, path, option, value)[0] == 0
    text = path.read_text()
    assert "masked_by" in text
    assert f"{int((good & np.isfinite(series.velocity.values)).sum())}</td>" in text.replace(" ", "")


def test_what_has_no_pixels_refuses_the_options(capsys, store, tmp_path):
    code, _, errors = insarray(capsys, "plot", "network", store, tmp_path / "n.png", "--min-dates", 3)
    assert (code, len(errors)) == (2, 1)
    assert "network has no pixels to mask" in errors[0]
    code, _, errors = insarray(capsys, "export", store, tmp_path / "v.tif", "--exclude-flags", "bad")
    assert (code, len(errors)) == (2, 1)
    assert "'bad' is no meaning of a flag" in errors[0]


def test_interferograms_have_no_quality_yet(capsys, folder, tmp_path):
    command = ("fit", folder / "ifgs/*.unw.tif", tmp_path / "o.zarr", "--wavelength", WAVELENGTH)
    code, _, errors = insarray(capsys, *command, "--min-temporal-coherence", 0.5)
    assert (code, len(errors)) == (2, 1)
    assert "--min-temporal-coherence: is for a stored series" in errors[0]
