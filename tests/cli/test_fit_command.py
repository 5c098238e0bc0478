"""`insarray fit` and `insarray remove`: from a series and from interferograms, every option, every refusal."""

import re

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.simulate.stacks import WAVELENGTH, simulate_stack, write_geotiffs
from tests.cli.test_cli import insarray

REFERENCE = "4,6"  # has data in all pairs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """GeoTIFFs with a table of baselines, a geometry file, and a stored series."""
    folder = tmp_path_factory.mktemp("fit")
    stack, _ = simulate_stack(shape=(24, 30), n_dates=10, water=False, seed=3)
    write_geotiffs(stack, folder / "ifgs")
    stack[["slant_range", "incidence_angle"]].reset_coords(drop=True).assign_coords(y=stack.y, x=stack.x).to_netcdf(
        folder / "geometry.nc"
    )
    return folder


@pytest.fixture(scope="module")
def wavelength():
    return WAVELENGTH


@pytest.fixture
def reading(folder, wavelength):
    """What every command on the interferograms is given."""
    return (
        *("--coherence", folder / "ifgs/*.cor.tif", "--wavelength", wavelength, "--reference", REFERENCE),
        *("--baselines", folder / "ifgs/baselines.csv"),
    )


@pytest.fixture
def series(capsys, folder, reading):
    out = folder / "series.zarr"
    assert insarray(capsys, "invert", folder / "ifgs/*.unw.tif", out, *reading)[0] == 0
    return out


def opened(folder, wavelength):
    return ia.open_stack(
        str(folder / "ifgs/*.unw.tif"),
        coherence=str(folder / "ifgs/*.cor.tif"),
        baselines=folder / "ifgs/baselines.csv",
        wavelength=wavelength,
    )


def test_pairs_as_in_python(capsys, folder, reading, wavelength, tmp_path):
    out = tmp_path / "direct.zarr"
    options = ("--weights", "variance", "--looks", 20, "--uncertainty", "covariance", "--height-error", "--residuals")
    geometry = ("--geometry", folder / "geometry.nc")
    code, _, errors = insarray(capsys, "fit", folder / "ifgs/*.unw.tif", out, *reading, *options, *geometry)
    assert (code, errors) == (0, [])
    stack = opened(folder, wavelength)
    maps = ia.open_geometry(folder / "geometry.nc", stack)
    expected = ia.fit(
        stack,
        weights="variance",
        looks=20,
        reference=(4, 6),
        uncertainty="covariance",
        height_error=True,
        residuals=True,
        slant_range=maps.slant_range,
        incidence_angle=maps.incidence_angle,
    )
    found = xr.open_zarr(out)
    assert set(expected) == set(found)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_series_with_height_error_of_one_geometry_and_then_without_it(capsys, series, tmp_path):
    model, corrected, still = (tmp_path / f"{name}.zarr" for name in ("model", "corrected", "still"))
    geometry = ("--slant-range", 850e3, "--incidence-angle", 39)
    code, output, _ = insarray(capsys, "fit", series, model, "--height-error", *geometry)
    assert code == 0
    assert "quality alone" not in output
    expected = ia.fit(xr.open_zarr(series), height_error=True, slant_range=850e3, incidence_angle=39.0)
    np.testing.assert_array_equal(xr.open_zarr(model).height_error, expected.height_error)
    assert insarray(capsys, "remove", series, model, corrected, "--terms", "height_error", *geometry)[0] == 0
    assert insarray(capsys, "remove", series, model, still)[0] == 0
    same = ia.remove_terms(xr.open_zarr(series), expected, ["height_error"], slant_range=850e3, incidence_angle=39.0)
    np.testing.assert_allclose(xr.open_zarr(corrected).displacement, same.displacement, atol=1e-7)
    np.testing.assert_allclose(
        xr.open_zarr(still).displacement, ia.remove_terms(xr.open_zarr(series), expected).displacement, atol=1e-7
    )


def test_part_of_the_time(capsys, folder, series, reading, wavelength, tmp_path):
    data = xr.open_zarr(series)
    days = [str(time)[:10] for time in data.time.values]
    part = ("--start", days[2], "--end", days[8], "--exclude-dates", days[4])
    assert insarray(capsys, "fit", series, tmp_path / "a.zarr", *part)[0] == 0
    expected = ia.fit(data.isel(time=[2, 3, 5, 6, 7, 8]))
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "a.zarr").velocity, expected.velocity)
    assert insarray(capsys, "fit", folder / "ifgs/*.unw.tif", tmp_path / "b.zarr", *reading, *part)[0] == 0
    left_out = [days[k] for k in (0, 1, 4, 9)]
    expected = ia.fit(ia.select_pairs(opened(folder, wavelength), exclude_dates=left_out), reference=(4, 6))
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "b.zarr").velocity, expected.velocity)


def test_bootstrap_of_a_series(capsys, series, tmp_path):
    out = tmp_path / "boot.zarr"
    assert insarray(capsys, "fit", series, out, "--uncertainty", "bootstrap", "--samples", 20, "--seed", 5)[0] == 0
    expected = ia.fit(xr.open_zarr(series), uncertainty="bootstrap", samples=20, seed=5)
    np.testing.assert_array_equal(xr.open_zarr(out).velocity_std, expected.velocity_std)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--reference", "3,3"), "--reference: .*is a stored series"),
        (("--weights", "variance"), "--weights: .*is a stored series"),
        (("--coherence", "*.tif"), "--coherence: .*is a stored series"),
        (("--uncertainty", "covariance"), "needs weights that are inverse variances"),
        (("--height-error",), "no slant_range"),
        (("--height-error", "--slant-range", "850", "--incidence-angle", "39"), "slant_range: 850 is not between"),
        (("--height-error", "--geometry", "nowhere.nc"), "nowhere.nc"),
        (("--start", "20300101"), "leave 0 of 10 dates"),
        (("--exclude-dates", "20300101"), "is not among the 10 dates"),
    ],
)
def test_what_cannot_be_is_one_line(capsys, series, tmp_path, options, message):
    code, _, errors = insarray(capsys, "fit", series, tmp_path / "x.zarr", *options)
    assert (code, len(errors)) == (2, 1)
    assert re.search(message, errors[0])
    assert not (tmp_path / "x.zarr").exists()


def test_terms_that_are_not_there_are_one_line(capsys, series, tmp_path):
    assert insarray(capsys, "fit", series, tmp_path / "m.zarr")[0] == 0
    code, _, errors = insarray(capsys, "remove", series, tmp_path / "m.zarr", tmp_path / "x.zarr", "--terms", "annual")
    assert (code, len(errors)) == (2, 1)
    assert "'annual' is not in the model" in errors[0]
    code, _, errors = insarray(capsys, "remove", series, series, series)
    assert (code, "is an input" in errors[0]) == (2, True)
