"""Golden answers for time functions with uncertainty: MintPy's propagated covariances, bootstrap and height error, others' fits."""

import json

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.kernels.network.elimination import solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.timefit.bootstrap import bootstrap
from insarray.kernels.timefit.covariance import propagate, series_covariance
from insarray.kernels.timefit.least_squares import fit_terms

MODELS = [
    *("linear", "constant_annual", "quadratic", "cubic", "linear_annual", "linear_annual_semi", "linear_p0.7"),
    *("linear_step", "linear_step_between", "polyline", "linear_exp", "linear_exp2", "linear_log", "all"),
]


@pytest.mark.parametrize("name", MODELS)
def test_mintpy_propagated_covariance(golden, name):
    """Full and diagonal covariance of the dates, intercept included."""
    data = np.load(golden / "mintpy_timefunc.npz")
    design = data[f"{name}/sec0/G"][:, 1:].astype(np.float64)
    diagonal = data["ts_var"][:, None] * np.eye(40)[:, :, None]
    for covariance, key in ((data["ts_cov_full"], "std_cov_full"), (diagonal, "std_cov_diag")):
        series = data["ts"][:, : covariance.shape[2]]
        fit = propagate(fit_terms(series, design), design, covariance, series)
        std = np.sqrt(np.vstack([fit.offset[1], np.einsum("iip->ip", fit.covariance)]))
        np.testing.assert_allclose(std, data[f"{name}/sec0/{key}"], rtol=1e-5)
        np.testing.assert_allclose(fit.offset[0], data[f"{name}/sec0/m"][0, : series.shape[1]], atol=2e-7)


def test_mintpy_bootstrap(golden):
    """The velocity's with MintPy's own draws, but for n instead of n - 1; its intercept moves with the first date drawn."""
    data = np.load(golden / "mintpy_timefunc.npz")
    design = data["linear/sec0/G"][:, 1:].astype(np.float64)
    draws = data["bootstrap/indices"]
    counts = np.stack([np.bincount(indices, minlength=40) for indices in draws]).astype(float)
    fit = bootstrap(fit_terms(data["ts"], design), data["ts"], design, counts)
    std = np.sqrt(fit.covariance[0, 0] * (len(draws) - 1) / len(draws))
    np.testing.assert_allclose(std, data["bootstrap/std"][1], rtol=1e-5)


@pytest.mark.parametrize("geometry", ["mean", "pixelwise"])
@pytest.mark.parametrize("name", ["poly1", "poly2", "poly3", "poly2_step", "poly1_annual"])
def test_mintpy_height_error(golden, name, geometry):
    """Height error, corrected series and residuals, with all dates and with two left out."""
    data = np.load(golden / "mintpy_demerr.npz")
    design = data[f"{name}/G_defo"][:, 1:].astype(np.float64)
    distance, angle = data["slantRangeDistance"], np.deg2rad(data["incidenceAngle_deg"])
    if geometry == "mean":
        distance, angle = np.full(10, distance.mean()), np.full(10, angle.mean())
    column = data["bperp"].astype(float)[:, None] / (distance * np.sin(angle))
    for dates in ("all", "flag"):
        series = data["ts"].astype(np.float64)
        if dates == "flag":
            series[~data["date_flag"]] = np.nan
        fit = fit_terms(series, design, columns=column[None], residuals=True)
        key = f"{name}/{geometry}/phase/{dates}"
        np.testing.assert_allclose(fit.terms[-1], data[f"{key}/dz"], atol=1e-9)
        np.testing.assert_allclose(data["ts"] - column * fit.terms[-1], data[f"{key}/ts_cor"], atol=1e-12)
        used = np.isfinite(series)
        np.testing.assert_allclose(fit.residual[used], data[f"{key}/ts_res"][used], atol=1e-9)


@pytest.mark.parametrize("name", ["poly1", "poly2", "poly3", "poly2_step", "poly1_annual"])
def test_mintpy_height_error_by_phase_velocity(golden, name):
    """Its other way is a fit to consecutive pairs, each divided by its time: weights 1 / dt^2, no offsets."""
    data = np.load(golden / "mintpy_demerr.npz")
    for dates in ("all", "flag"):
        used = np.ones(30, bool) if dates == "all" else data["date_flag"]
        step = np.diff(data["tbase_years"][used].astype(np.float64))
        column = data["bperp"].astype(float)[:, None] / (
            data["slantRangeDistance"] * np.sin(np.deg2rad(data["incidenceAngle_deg"]))
        )
        pairs = np.diff(data["ts"][used].astype(np.float64), axis=0)
        fit = fit_terms(
            pairs,
            np.diff(data[f"{name}/G_defo"][used, 1:].astype(np.float64), axis=0),
            offsets=False,
            weight=np.repeat(1 / step[:, None] ** 2, 10, axis=1),
            columns=np.diff(column[used], axis=0)[None],
        )
        np.testing.assert_allclose(fit.terms[-1], data[f"{name}/pixelwise/velocity/{dates}/dz"], rtol=1e-5, atol=1e-5)


def test_mintpy_height_error_through_fit(golden):
    """The same with a dataset, its own baselines and maps of the geometry."""
    data = np.load(golden / "mintpy_demerr.npz")
    times = np.array([f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in data["dates"]], "datetime64[ns]")
    maps = {"slant_range": data["slantRangeDistance"], "incidence_angle": data["incidenceAngle_deg"]}
    series = xr.Dataset(
        {"displacement": (("time", "y", "x"), data["ts"][:, None])}
        | {name: (("y", "x"), values[None]) for name, values in maps.items()},
        {"time": times, "perpendicular_baseline": ("time", data["bperp"])},
    )
    model = ia.fit(series, height_error=True)
    theirs = data["poly1/pixelwise/phase/all/dz"]
    np.testing.assert_allclose(model.height_error[0], theirs, atol=0.05)  # its clock differs by up to 0.75 days
    corrected = ia.remove_terms(series, model, ["height_error"])
    cor = data["poly1/pixelwise/phase/all/ts_cor"]
    np.testing.assert_allclose(corrected.displacement[:, 0] - corrected.displacement[0, 0], cor - cor[0], atol=2e-5)


def test_mintpy_covariance_of_the_series(golden):
    """Of equal weights with given standard deviations; where the first date is lost, MintPy's is that of a minimum norm."""
    data = np.load(golden / "mintpy_cov.npz")
    index = {date: i for i, date in enumerate(data["dates"])}
    pairs = np.array([[index[date] for date in pair.split("_")] for pair in data["date12"]])
    variance = np.where(np.isfinite(data["y"]), data["y_std"] ** 2, np.nan)
    label = solve(data["y"], plan_elimination(pairs, 10), None, scale=1.0, std=False).label
    covariance = series_covariance(pairs, label, variance)
    lost = (label[0] == 0).nonzero()[0]
    assert lost.tolist() == [4]
    for p in np.setdiff1d(np.arange(6), lost):
        np.testing.assert_allclose(covariance[1:, 1:, p], data["ts_cov"][p], atol=2e-6)
        other = np.eye(10) - np.outer(np.ones(10), np.eye(10)[4])  # relative to date 4
        moved = np.delete(np.delete(other @ covariance[..., p] @ other.T, 4, 0), 4, 1)
        np.testing.assert_allclose(moved, data["ts_cov_ref4"][p], atol=2e-6)
    assert np.isnan(covariance[0, :, 4]).all()


def test_dolphin_velocity(golden):
    """Unweighted, and with weights that multiply residuals there and are inverse variances here."""
    data = np.load(golden / "dolphin_velocity.npz")
    times = np.datetime64("2020-01-01", "ns") + (data["days"] * 86400e9).astype("timedelta64[ns]")
    series = xr.Dataset({"displacement": (("time", "y", "x"), data["stack"])}, {"time": times})
    np.testing.assert_allclose(ia.fit(series).velocity, data["velocity_unweighted_f64"], rtol=1e-6, atol=1e-6)
    weights = xr.DataArray(data["weights"].astype(float) ** 2, dims=("time", "y", "x"))
    weighted = ia.fit(series, weights=weights)
    np.testing.assert_allclose(weighted.velocity, data["velocity_weighted_f64"], rtol=2e-6, atol=2e-6)


def test_pygdalsar_linear_and_annual(shared):
    """Another program's fit of a landslide with date weights, in mm: each coefficient within 0.01."""
    import rasterio

    folder = shared / "data/alos_landslide_pygdalsar"
    cube = xr.open_dataset(folder / "displacement_flat.nc")
    # its clock is decimal years, ours days / 365.25: times at which ours reads what its does
    days = (cube.decimal_year.values - 2007.0) * 365.25
    times = np.datetime64("2007-01-01", "ns") + (days * 86400e9).astype("timedelta64[ns]")
    values = np.concatenate([np.full((1, *cube.displacement.shape[1:]), np.nan), cube.displacement.values])
    times = np.concatenate([[np.datetime64("2007-01-01", "ns")], times])
    series = xr.Dataset({"displacement": (("time", "y", "x"), (values * 1e-3).astype(np.float32))}, {"time": times})
    weights = xr.DataArray(np.concatenate([[1.0], 1 / cube.sigma_relative.values**2]), dims="time")
    model = ia.fit(series, periods=(1.0,), weights=weights)
    own = {
        "lin": model.velocity,
        "coswt": model.annual_amplitude * np.cos(model.annual_phase),
        "sinwt": model.annual_amplitude * np.sin(model.annual_phase),
        "ref": model.intercept,
    }
    for name, found in own.items():
        with rasterio.open(folder / f"reference_fit/{name}_coeff.tif") as file:
            theirs = file.read(1)
        both = np.isfinite(found.values) & np.isfinite(theirs)
        assert both.sum() > 49_000
        assert np.abs(found.values * 1e3 - theirs)[both].max() < 0.01, name


def test_models_are_those_of_the_golden_file(golden):
    assert list(json.loads(str(np.load(golden / "mintpy_timefunc.npz")["models_json"]))) == MODELS
