"""`midas` against a plain implementation of the published rules, on data of known velocity, and by properties."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.kernels.timefit.midas import midas as kernel
from insarray.model.dataset import grid_coords
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from insarray.model.grid import Grid

GRID = Grid(6, 7, 500_000.0, 4_100_000.0, 90.0, -90.0, "EPSG:32613")


def series(days, rate=0.02, noise=0.003, missing=0.1, seed=0):
    rng = np.random.default_rng(seed)
    times = np.datetime64("2018-01-01", "s") + np.asarray(days) * np.timedelta64(1, "D")
    years = np.asarray(days)[:, None, None] / 365.25
    values = rate * years + 0.01 * np.sin(2 * np.pi * years) + rng.normal(0, noise, (len(days), *GRID.shape))
    values[rng.random(values.shape) < missing] = np.nan
    coords = {**grid_coords(GRID), "time": times.astype("datetime64[ns]")}
    return xr.Dataset({"displacement": (("time", "y", "x"), values.astype("f4"))}, coords)


def pairs(times, segments, tolerance):
    """Pairs of dates forward in time, by the words of the paper."""
    found, used = [], set()
    for i, time in enumerate(times):
        candidates = [
            j for j in range(i + 1, len(times)) if segments[j] == segments[i] and times[j] - time >= 1 - tolerance
        ]
        if not candidates:
            continue
        exact = times[candidates[0]] - time <= 1 + tolerance
        free = [j for j in candidates if all(j > k for k in used)]
        partner = candidates[0] if exact or not free else free[0]
        found.append((i, partner))
        used.add(partner)
    return found


def plain(values, years, segments, tolerance):
    """Velocity and its standard error of one pixel."""
    use = np.flatnonzero(np.isfinite(values))
    t, d, s = years[use], values[use].astype(float), segments[use]
    slopes = [(d[j] - d[i]) / (t[j] - t[i]) for i, j in pairs(t, s, tolerance)]
    back = pairs(-t[::-1], s[::-1], tolerance)
    slopes += [(d[::-1][j] - d[::-1][i]) / (t[::-1][j] - t[::-1][i]) for i, j in back]
    if not slopes:
        return np.nan, np.nan
    slopes = np.array(slopes)
    spread = 1.4826 * np.median(abs(slopes - np.median(slopes)))
    kept = slopes[abs(slopes - np.median(slopes)) <= 2 * spread]
    spread = 1.4826 * np.median(abs(kept - np.median(kept)))
    error = 3 * np.sqrt(np.pi / 2) * spread / np.sqrt(len(kept) / 4) if len(kept) >= 8 else np.nan
    return np.median(kept), error


SAMPLINGS = {
    "every 12 days": np.arange(0, 1100, 12),
    "daily": np.arange(0, 450),
    "gap of half a year": np.r_[np.arange(0, 500, 12), np.arange(700, 1300, 12)],
    "uneven": np.sort(np.random.default_rng(1).choice(1500, 70, replace=False)),
    "a year and a bit": np.arange(0, 396, 12),
}


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("steps", [(), ("2019-01-20",)])
def test_equals_the_plain_rules(sampling, steps):
    data = series(SAMPLINGS[sampling])
    found = ia.midas(data, steps=steps)
    years = (data.time.values - data.time.values[0]) / np.timedelta64(1, "s") / 86400 / 365.25
    segments = np.searchsorted(np.array(steps, "datetime64[ns]"), data.time.values, side="right")
    for row, col in np.ndindex(3, 4):
        expected = plain(data.displacement.values[:, row, col], years, segments, 0.001)
        np.testing.assert_allclose(
            (found.velocity.values[row, col], found.velocity_std.values[row, col]), expected, rtol=1e-6
        )


def test_the_velocity_is_within_its_error_and_steps_and_seasons_do_not_bend_it():
    data = series(np.arange(0, 1800, 6), noise=0.004, missing=0)
    data["displacement"][120:] += 0.1  # a step that nobody knows
    found = ia.midas(data)
    error = found.velocity - 0.02
    assert float(abs(error).max()) < 0.004
    assert float(abs(error / found.velocity_std).max()) < 3
    line = ia.fit(data)
    assert float(abs(line.velocity - 0.02).min()) > 0.015


def test_a_known_step_is_not_spanned():
    data = series(np.arange(0, 1500, 12), noise=0.001, missing=0)
    data["displacement"][60:] += 1.0
    without, known = ia.midas(data), ia.midas(data, steps=["2019-12-20"])
    assert float(abs(known.velocity - 0.02).max()) < 0.002
    assert not np.array_equal(without.velocity, known.velocity)
    assert known.attrs["midas_steps"] == "20191220"


def test_the_tolerance_takes_dates_that_are_nearly_a_year_apart():
    data = series(np.arange(0, 1500, 11))
    assert not np.array_equal(ia.midas(data).velocity, ia.midas(data, tolerance=0.03).velocity)
    assert ia.midas(data, tolerance=0.03).attrs["midas_tolerance"] == 0.03


def test_pixels_without_a_pair_say_so():
    data = series(np.arange(0, 700, 12), missing=0)
    data["displacement"][:, 0, 0] = np.nan
    data["displacement"][20:, 1, 1] = np.nan
    data["displacement"][1:31, 2, 2] = np.nan
    found = ia.midas(data)
    assert found.fit_flag.values[0, 0] == 0
    assert found.fit_flag.values[1, 1] == 4
    assert found.fit_flag.values[3, 3] == 1
    assert np.isnan(found.velocity.values[[0, 1], [0, 1]]).all()
    assert np.isfinite(found.velocity.values[2, 2])


def test_properties():
    data = series(SAMPLINGS["every 12 days"])
    expected = ia.midas(data)
    lazy = ia.midas(data.chunk(y=4, x=3))
    assert lazy.velocity.chunks
    xr.testing.assert_identical(lazy.compute(), expected)
    scaled = ia.midas(data.assign(displacement=-2 * data.displacement))
    np.testing.assert_array_equal(scaled.velocity, -2 * expected.velocity)
    np.testing.assert_array_equal(scaled.velocity_std, 2 * expected.velocity_std)
    turned = ia.midas(data.isel(time=slice(None, None, -1)))
    np.testing.assert_array_equal(turned.velocity, expected.velocity)
    moved = ia.midas(data.assign(displacement=data.displacement + np.float32(0.25)))
    np.testing.assert_allclose(moved.velocity, expected.velocity, atol=1e-6)


def test_reversing_time_reverses_the_sign():
    years = np.sort(np.random.default_rng(2).uniform(0, 4, 60))
    values = np.random.default_rng(3).normal(size=(60, 20)).astype("f4")
    one = np.zeros(60, int)
    forward, backward = kernel(values, years, one, 0.001), kernel(values[::-1], -years[::-1], one, 0.001)
    np.testing.assert_allclose(backward[0], -forward[0], rtol=1e-6)
    np.testing.assert_allclose(backward[1], forward[1], rtol=1e-6)


def test_only_dates_connected_to_the_first_one_of_subsets():
    data = series(np.arange(0, 900, 12), missing=0)
    subset = xr.ones_like(data.displacement, dtype="uint8")
    subset[50:] = 2
    shifted = data.assign(network_subset=subset.copy(), displacement=data.displacement.copy())
    shifted["displacement"][50:] += 5
    shifted.attrs["gap"] = "subset"
    expected = ia.midas(data.isel(time=slice(0, 50)))
    np.testing.assert_array_equal(ia.midas(shifted).velocity, expected.velocity)


REFUSED = {
    "tolerance": ({"tolerance": 0.7}, ArgumentError, "tolerance: 0.7 is not a number of years"),
    "text": ({"steps": "early"}, ArgumentError, "date: 'early' is not a date"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_invalid_options_are_one_line(name):
    options, error, message = REFUSED[name]
    with pytest.raises(error, match=message) as found:
        ia.midas(series(SAMPLINGS["every 12 days"]), **options)
    assert isinstance(found.value, InsarrayError)


def test_less_than_a_year_is_refused():
    with pytest.raises(StackError, match=r"series: spans 0.5\d* years .* MIDAS needs one; use insarray.fit"):
        ia.midas(series(np.arange(0, 200, 12)))
