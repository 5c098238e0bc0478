"""`decompose` of series whose dates differ: errors as large as it says, knots, gaps, offsets, laziness, refusals."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.conventions import COMPONENT_FLAGS
from insarray.model.errors import InsarrayError
from insarray.products.components.knots import timeline
from tests.components import COURSE, DATES, GRIDS, KNOTS, lazily, motion, series

FLAG = {name: k for k, name in enumerate(COMPONENT_FLAGS)}
COMPONENTS = ("east", "north", "up")
ROWS = 12


def errors(found, name, truth):
    """Errors of every knot but the first by their standard errors, (knot, pixel)."""
    error = found[f"displacement_{name}"].values - COURSE[:, None, None] * truth
    with np.errstate(invalid="ignore", divide="ignore"):
        return (error / found[f"displacement_{name}_std"].values)[1:].reshape(len(COURSE) - 1, -1)


def rms(values):
    return np.sqrt(np.nanmean(np.square(values)))


def test_three_tracks_with_dates_and_grids_of_their_own_have_the_errors_that_they_say():
    tracks = {name: series(name, std=0.002) for name in GRIDS}
    found = ia.decompose(tracks, north="free", noise=0.004, knots=KNOTS, max_dilution=8.0)
    assert (found.time.values.astype("datetime64[s]") == KNOTS).all()
    for name, truth in zip(COMPONENTS, motion(GRIDS["ascending"]), strict=True):
        normalised = errors(found, name, truth)
        assert (np.isfinite(normalised).sum(axis=1) > 18_000).all()
        for knot in normalised:
            assert rms(knot) == pytest.approx(1, abs=0.05), name
        assert abs(np.nanmean(normalised)) < 0.02
    assert float(found.reduced_chi_square.mean()) == pytest.approx(1, abs=0.02)
    assert float(abs(found.displacement_up[0]).max()) == 0
    largest = 0.0
    last = {n: errors(found, n, truth)[-1] for n, truth in zip(COMPONENTS, motion(GRIDS["ascending"]), strict=True)}
    for one, other in (("east", "up"), ("east", "north"), ("north", "up")):
        std = found[f"displacement_{one}_std"][-1] * found[f"displacement_{other}_std"][-1]
        correlation = float((found[f"displacement_covariance_{one}_{other}"][-1] / std).mean())
        assert np.nanmean(last[one] * last[other]) == pytest.approx(correlation, abs=0.03)
        largest = max(largest, abs(correlation))
    assert largest > 0.3


def test_without_noise_the_residuals_say_how_large_errors_are():
    tracks = {name: series(name, north=False) for name in ("ascending", "descending")}
    found = ia.decompose(tracks, north="zero", knots=KNOTS)
    for name, k in (("east", 0), ("up", 2)):
        normalised = errors(found, name, motion(GRIDS["ascending"])[k])
        freedom = float(found.degrees_of_freedom.where(found.degrees_of_freedom > 0).mean())
        assert rms(normalised) == pytest.approx(np.sqrt(freedom / (freedom - 2)), rel=0.05)  # Student's t
    assert float(np.square(found.fit_residual_std).mean()) == pytest.approx(0.004**2, rel=0.02)
    assert "displacement_north" not in found
    assert found.attrs["component_noise"] == "residuals"


def test_north_of_gnss_is_taken_out_with_its_error():
    tracks = {name: series(name, north="even") for name in ("ascending", "descending")}
    years = (KNOTS[-1] - KNOTS[0]) / np.timedelta64(1, "D") / 365.25
    truth = motion(GRIDS["ascending"])
    drawn = np.random.default_rng(0).normal(0, 0.05, GRIDS["ascending"].shape)
    maps = {"velocity_north": truth[1] / years + drawn, "velocity_north_std": np.full(drawn.shape, 0.05)}
    gnss = tracks["ascending"][["los_up"]].assign({k: (("y", "x"), v) for k, v in maps.items()})
    found = ia.decompose(tracks, north="gnss", gnss=gnss, noise=0.004, knots=KNOTS)
    without = ia.decompose(tracks, north="gnss", gnss=gnss.velocity_north, noise=0.004, knots=KNOTS)
    for name, k in (("east", 0), ("up", 2)):
        normalised = errors(found, name, truth[k])
        assert np.isfinite(normalised).sum() > 8 * 18_000
        for knot in normalised:
            assert rms(knot) == pytest.approx(1, abs=0.05), name
    assert rms(errors(without, "up", truth[2])) > 1.1
    expected = np.where(np.isfinite(found.displacement_up[-1]), years * maps["velocity_north"], np.nan)
    np.testing.assert_allclose(found.displacement_north[-1], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.displacement_north_std[-1].max(), years * 0.05, rtol=1e-4)
    error = (found.displacement_north[-1] - truth[1]) * (found.displacement_up[-1] - truth[2])
    assert float(error.mean()) == pytest.approx(float(found.displacement_covariance_north_up[-1].mean()), rel=0.1)
    lost = ia.decompose(tracks, north="gnss", gnss=gnss.where(gnss.x > gnss.x[20]), noise=0.004, knots=KNOTS)
    assert (lost.component_flag[:, :20] == FLAG["north_unknown"]).all()


def test_a_gap_makes_its_dates_undetermined_and_no_others():
    tracks = {name: series(name, missing=0, rows=ROWS) for name in ("ascending", "descending")}
    days = tracks["descending"].time
    inside = (days > KNOTS[3]) & (days < KNOTS[6])
    tracks["descending"]["displacement"] = tracks["descending"].displacement.where(~inside)
    found = ia.decompose(tracks, north="zero", noise=0.004, knots=KNOTS).isel(y=slice(1, 11))
    determined = np.isfinite(found.displacement_up).all(("y", "x")).values
    assert determined.tolist() == [True, True, True, True, False, False, True, True, True]
    assert (found.component_flag == FLAG["dates_undetermined"]).all()
    assert (found.observed_tracks == 3).all()
    assert (found.observed_tracks_of_date[4:6] == 1).all()
    assert (found.observed_tracks_of_date[[0, 2, 7]] == 3).all()


def test_one_direction_alone_gives_nothing():
    tracks = [series("ascending", rows=ROWS), series("ascending", rows=ROWS, seed=1)]
    found = ia.decompose(tracks, north="zero", noise=0.004)
    assert (found.component_flag == FLAG["weak_geometry"]).all()
    assert np.isnan(found.displacement_up).all()
    alone = ia.decompose(tracks[:1], north="zero", noise=0.004)
    assert (alone.component_flag == FLAG["too_few_tracks"]).all()
    assert (alone.degrees_of_freedom == 0).all()


def test_lazy_is_eager_whatever_the_blocks():
    tracks = {name: series(name, std=0.002, rows=40) for name in GRIDS}
    options = {"north": "free", "noise": [0.004, 0.003, 0.005], "resampling": "bilinear"}
    eager = ia.decompose(tracks, **options)
    for edges in ((64, 64, 64), (50, 37, 81)):
        lazy = ia.decompose({n: lazily(d, e) for (n, d), e in zip(tracks.items(), edges, strict=True)}, **options)
        assert all(v.chunks for v in lazy.data_vars.values())
        xr.testing.assert_identical(lazy.compute(), eager)


def test_the_noise_of_a_date_is_its_own_and_what_is_given():
    tracks = {name: series(name, std=0.002, rows=ROWS) for name in ("ascending", "descending")}
    both = ia.decompose(tracks, north="zero", noise=0.004)
    given = ia.decompose({n: d.drop_vars("displacement_std") for n, d in tracks.items()}, north="zero", noise=0.004)
    assert float((both.displacement_up_std[-1] / given.displacement_up_std[-1]).min()) > 1.05
    uneven = ia.decompose(tracks, north="zero", noise=[0.004, 0.02])
    assert float(uneven.displacement_up_std[-1].mean()) > 1.5 * float(both.displacement_up_std[-1].mean())


def test_dates_of_another_piece_are_not_used():
    track = series("ascending", rows=ROWS, missing=0)
    subset = xr.ones_like(track.displacement, dtype=np.uint8)
    subset[10:] = 2
    pieces = track.assign(network_subset=subset.assign_attrs(gap="subset"))
    pieces["displacement"] = pieces.displacement + xr.where(subset == 2, 0.5, 0.0)
    other = series("descending", rows=ROWS, missing=0)
    found = ia.decompose([pieces, other], north="zero", noise=0.004, knots=KNOTS)
    expected = ia.decompose([track.isel(time=slice(10)), other], north="zero", noise=0.004, knots=KNOTS)
    xr.testing.assert_equal(found, expected)
    found = found.isel(y=slice(1, 11))
    assert 0 < np.isfinite(found.displacement_up).all(("y", "x")).sum() < len(KNOTS)


def test_which_of_both_is_decomposed():
    pair = [series("ascending", rows=ROWS), series("descending", rows=ROWS)]
    fitted = [d.merge(ia.fit(d)) for d in pair]
    assert "velocity_up" in ia.decompose(fitted, north="zero")
    assert "displacement_up" in ia.decompose(fitted, north="zero", quantity="displacement")
    assert "displacement_up" in ia.decompose([pair[0], fitted[1]], north="zero")


# -- knots ----------------------------------------------------------------------------------------------------------


def test_by_default_two_dates_of_every_track_lie_between_knots():
    when = timeline(DATES, None)
    assert when.times[0] == max(times[0] for times in DATES.values())
    assert when.times[-1] == min(times[-1] for times in DATES.values())
    for times in DATES.values():
        after = np.searchsorted(times, when.times, side="right")
        assert (np.diff(after) >= 2).all()
    assert len(when.times) > 8
    assert when.outside == sum(((t < when.times[0]) | (t > when.times[-1])).sum() for t in DATES.values())


def test_knots_by_days_and_by_dates():
    when = timeline(DATES, 30)
    steps = np.diff(when.times) / np.timedelta64(1, "D")
    assert steps.min() > 25
    assert steps.max() < 35
    given = timeline(DATES, ["2020-02-01", "2020-03-01", "2020-05-01"])
    assert [str(t)[:10] for t in given.times] == ["2020-02-01", "2020-03-01", "2020-05-01"]
    at = given.times[0] + (given.part + given.knot)[given.knot >= 0] * np.timedelta64(0, "s")
    assert len(at) == len(given.track) - given.outside
    inside = given.knot == 1
    every = np.concatenate(list(DATES.values()))[inside]
    np.testing.assert_allclose(given.part[inside], (every - given.times[1]) / (given.times[2] - given.times[1]))


ONE = slice(0, 1)
REFUSED = {
    "one date": (lambda: [series("ascending", rows=ROWS), series("descending", rows=ROWS).isel(time=ONE)], {}, r"track_\d: has [01] date"),
    "no common time": (
        lambda: [
            series("ascending", rows=ROWS),
            series("descending", rows=ROWS).assign_coords(time=DATES["descending"].astype("M8[ns]") + np.timedelta64(900, "D")),
        ],
        {},
        "has 0 date",
    ),
    "no noise": (lambda: [series("ascending", rows=ROWS)], {"noise": 0}, "noise: 0 would make the reference date exact"),
    "weights": (lambda: [series("ascending", rows=ROWS)], {"weights": "none"}, "weights: belong to velocities"),
    "descending knots": (lambda: [series("ascending", rows=ROWS)], {"knots": KNOTS[::-1]}, "knots: 9 dates; give at least two, ascending"),
    "knots elsewhere": (
        lambda: [series("ascending", rows=ROWS)],
        {"knots": ["2010-01-01", "2011-01-01"]},
        "knots: none lies in the time",
    ),
    "days": (lambda: [series("ascending", rows=ROWS)], {"knots": 0}, "knots: 0.0 is not a number of days"),
    "quantity": (lambda: [series("ascending", rows=ROWS)], {"quantity": "height"}, "quantity: 'height' is not one of"),
    "no velocity": (lambda: [series("ascending", rows=ROWS)], {"quantity": "velocity"}, "has no variable 'velocity'"),
    "knots of velocities": (
        lambda: [series("ascending", rows=ROWS).assign(ia.fit(series("ascending", rows=ROWS)))],
        {"knots": 30},
        "knots: belong to series",
    ),
    "not alike": (
        lambda: [series("ascending", rows=ROWS), ia.fit(series("ascending", rows=ROWS)).assign(series("ascending", rows=ROWS)[["los_up", "los_east", "los_north"]])],
        {},
        "make them alike",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_one_line(name):
    make, options, message = REFUSED[name]
    with pytest.raises(InsarrayError, match=message) as error:
        ia.decompose(make(), **{"north": "zero", **options})
    assert "\n" not in str(error.value)
