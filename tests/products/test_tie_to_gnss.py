"""`tie_to_gnss`: planes that were put in come out, robustly; of maps, stations and dates; the North Anatolian Fault."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.kernels.components.robust import robust_fit
from insarray.model.dataset import grid_coords
from insarray.model.errors import ArgumentError, InsarrayError, StackError
from insarray.model.grid import Grid
from insarray.products.components.tracks import map_view, on_pixels
from tests import naf
from tests.components import GRIDS, PARTS, lazily, motion, track, vectors
from tests.products.test_compare_gnss import GRID, PLACES, TIMES, series, stations

HERE = GRIDS["ascending"]
NAMES = ("velocity_east", "velocity_north", "velocity_up")
ROW, COL = (np.arange(n) - (n - 1) / 2 for n in HERE.shape)
PLANE = 0.012 + 3e-5 * ROW[:, None] - 5e-5 * COL[None, :]


def field(grid=HERE):
    return xr.Dataset({n: (("y", "x"), v) for n, v in zip(NAMES, motion(grid), strict=True)}, grid_coords(grid))


def tilted(noise=0.002, **options):
    data = track("ascending", noise=noise, **options)
    data["velocity"] = data.velocity + PLANE.astype("f4")
    return data.assign_attrs(reference_row=3, reference_col=4)


def truth():
    return np.einsum("ayx,ayx->yx", vectors("ascending", HERE), motion(HERE))


def off(tied):
    """How far from the truth it is on average, and how much that changes over the image."""
    error = tied.velocity.values - truth()
    fit = np.isfinite(error)
    rows, cols = np.meshgrid(ROW, COL, indexing="ij")
    design = np.stack([np.ones(fit.sum()), rows[fit], cols[fit]], axis=1)
    found = np.linalg.lstsq(design, error[fit], rcond=None)[0]
    return np.abs(found * (1, HERE.height, HERE.width)).max()


# -- maps -----------------------------------------------------------------------------------------------------------


def test_a_plane_goes_and_is_recorded():
    data = tilted()
    tied = ia.tie_to_gnss(data, field())
    assert off(tied) < 2e-4
    assert off(ia.tie_to_gnss(data, field(), surface="offset")) > 1e-3
    found = tied.gnss_tie_coefficient
    assert (np.abs(found.values - [0.012, 3e-5, -5e-5]) < [1e-4, 2e-6, 2e-6]).all()
    assert found.attrs["terms"] == "1 row col"
    where = [
        (HERE.y[70] - found.attrs["origin_y"]) / found.attrs["row_spacing"],
        (HERE.x[80] - found.attrs["origin_x"]) / found.attrs["col_spacing"],
    ]
    removed = found.values @ [1, *where]
    np.testing.assert_allclose((data.velocity - tied.velocity)[70, 80], removed, rtol=1e-4)
    assert tied.attrs["gnss_tie"] == "plane"
    assert "reference_row" not in tied.attrs
    assert tied.velocity_std.equals(data.velocity_std)
    with pytest.raises(ArgumentError, match="are tied to GNSS already"):
        ia.tie_to_gnss(tied, field())


def test_the_covariance_is_that_of_drawn_noise():
    drawn, said = [], []
    for seed in range(40):
        small = Grid(30, 40, HERE.left, HERE.top, HERE.dx, HERE.dy, HERE.crs)
        data = track("ascending", grid=small, noise=0.004, seed=seed, missing=0)
        data["velocity"] = (data.velocity * 0 + np.random.default_rng(seed).normal(0, 0.004, small.shape)).astype("f4")
        tied = ia.tie_to_gnss(data, field(small) * 0, robust=False)
        drawn.append(tied.gnss_tie_coefficient.values)
        said.append(tied.gnss_tie_covariance.values)
    np.testing.assert_allclose(np.std(drawn, axis=0), np.sqrt(np.diag(np.mean(said, axis=0))), rtol=0.35)


def test_ground_that_moves_otherwise_does_not_tilt_it():
    data = tilted()
    data["velocity"][:50, :60] += 0.03
    assert off_outside(ia.tie_to_gnss(data, field())) < 5e-4
    assert off_outside(ia.tie_to_gnss(data, field(), robust=False)) > 2e-3
    mask = xr.ones_like(data.velocity, dtype=bool)
    mask[:50, :60] = False
    assert off_outside(ia.tie_to_gnss(data, field(), robust=False, mask=mask)) < 5e-4


def off_outside(tied):
    error = (tied.velocity.values - truth())[60:, 70:]
    return abs(np.nanmedian(error))


def test_up_is_given_or_said_to_be_zero():
    data, gnss = tilted(), field()
    with pytest.raises(StackError, match="gnss: has no velocity_up; give it, or say that there is none with up='zero'"):
        ia.tie_to_gnss(data, gnss.drop_vars("velocity_up"))
    without = ia.tie_to_gnss(data, gnss.drop_vars("velocity_up"), up="zero", surface="offset")
    still = ia.tie_to_gnss(data, gnss.assign(velocity_up=0 * gnss.velocity_up), surface="offset")
    np.testing.assert_allclose(without.velocity, still.velocity)
    ignored = ia.tie_to_gnss(data, gnss, up="zero", surface="offset")
    np.testing.assert_allclose(ignored.velocity, still.velocity)
    assert abs(float((still.velocity - ia.tie_to_gnss(data, gnss, surface="offset").velocity).mean())) > 1e-4
    assert ignored.attrs["gnss_tie_up"] == "zero"


def test_maps_on_another_grid_lazily():
    coarse = field(Grid(60, 60, 499_000.0, 4_101_000.0, 500.0, -500.0, "EPSG:32613"))
    eager = ia.tie_to_gnss(tilted(), coarse, surface="quadratic")
    lazy = ia.tie_to_gnss(lazily(tilted()), coarse, surface="quadratic")
    assert lazy.velocity.chunks
    assert lazy.gnss_tie_coefficient.sizes["tie_term"] == 6
    xr.testing.assert_identical(lazy.compute(), eager)
    assert off(eager) < 3e-4


# -- stations -------------------------------------------------------------------------------------------------------


def at_stations(count=12, *, noise=0.0, seed=3):
    """Velocities of stations where the field has them."""
    rng = np.random.default_rng(seed)
    rows, cols = rng.uniform(5, HERE.height - 6, count), rng.uniform(5, HERE.width - 6, count)
    one = [
        Grid(1, 1, HERE.left + (c + 0.5) * HERE.dx - 45, HERE.top + (r + 0.5) * HERE.dy + 45, 90.0, -90.0, HERE.crs)
        for r, c in zip(rows, cols, strict=True)
    ]
    values = np.array([motion(grid)[:, 0, 0] for grid in one]).T + rng.normal(0, noise, (3, count))
    lonlat = np.array([HERE.lonlat(r, c) for r, c in zip(rows, cols, strict=True)])
    layers = {n: ("station", v) for n, v in zip(NAMES, values, strict=True)}
    layers |= {f"{n}_std": ("station", np.full(count, 0.0005)) for n in NAMES}
    coords = {
        "station": [f"S{k:03d}" for k in range(count)],
        "longitude": ("station", lonlat[:, 0]),
        "latitude": ("station", lonlat[:, 1]),
    }
    return xr.Dataset(layers, coords, {"reference_frame": "IGS14"})


def test_stations_do_the_same_as_maps():
    data, gnss = tilted(noise=0.0005, missing=0), at_stations()
    tied = ia.tie_to_gnss(data, gnss)
    assert off(tied) < 2e-3
    assert tied.attrs["gnss_tie_stations"] == 12
    assert tied.attrs["reference_frame"] == "IGS14"
    level = float((ia.tie_to_gnss(data, gnss, up="zero").velocity - tied.velocity).mean())
    assert level == pytest.approx(-float((gnss.velocity_up * 0.78).mean()), rel=0.3)
    gnss["velocity_up"][4] += 0.1
    assert off(ia.tie_to_gnss(data, gnss)) < 2e-3
    assert off(ia.tie_to_gnss(data, gnss, robust=False)) > 5e-3
    data = tilted(noise=0.006, missing=0.3)
    near = ia.tie_to_gnss(data, at_stations(), radius=500.0)
    assert near.attrs["gnss_tie_stations"] == 12
    assert near.attrs["gnss_tie_deviation"] < 0.5 * ia.tie_to_gnss(data, at_stations()).attrs["gnss_tie_deviation"]


def test_precise_stations_count_more():
    rng = np.random.default_rng(0)
    std = np.where(np.arange(30) < 15, 0.01, 0.001)
    values = 0.02 + std * rng.normal(size=30)
    fit = robust_fit(values, np.ones((30, 1)), std, robust=False)
    assert fit.coefficients[0] == pytest.approx(np.average(values, weights=1 / std**2))
    assert abs(fit.coefficients[0] - 0.02) < 0.001
    assert np.sqrt(fit.covariance[0, 0]) == pytest.approx(1 / np.sqrt((1 / std**2).sum()), rel=0.3)


def test_the_surface_that_predicts_stations_is_chosen():
    flat = track("ascending", noise=0.001, missing=0)
    assert ia.tie_to_gnss(flat, at_stations(20, noise=0.001), surface="auto").attrs["gnss_tie"] == "offset"
    assert ia.tie_to_gnss(tilted(missing=0), at_stations(20, noise=0.0005), surface="auto").attrs["gnss_tie"] == "plane"
    bent = tilted(missing=0)
    bent["velocity"] = bent.velocity + (3e-6 * ROW[:, None] ** 2).astype("f4")
    assert ia.tie_to_gnss(bent, at_stations(30, noise=0.0005), surface="auto").attrs["gnss_tie"] == "quadratic"


# -- series ---------------------------------------------------------------------------------------------------------


def test_every_date_of_a_series_is_tied():
    gnss, rate = stations()
    data = series(rate)
    rows, cols = (np.arange(n) - (n - 1) / 2 for n in GRID.shape)
    plane = np.linspace(0, 1, len(TIMES))[:, None, None] * (2e-4 * rows[:, None] - 1e-4 * cols[None, :])
    data["displacement"] = (data.displacement + plane - data.displacement[0]).astype("f4")
    tied = ia.tie_to_gnss(data, gnss, robust=False)
    years = (TIMES - TIMES[0]) / np.timedelta64(1, "D") / 365.25
    los = np.array([float(data[n][0, 0]) for n in PARTS])
    for k, (row, col) in enumerate(PLACES.values()):
        expected = (los @ rate[:, k, 0]) * years
        np.testing.assert_allclose(tied.displacement[:, row, col], expected, atol=1e-6)
    assert tied.gnss_tie_coefficient.dims == ("time", "tie_term")
    np.testing.assert_allclose(tied.gnss_tie_coefficient[-1, 1:], [2e-4, -1e-4], atol=1e-6)
    np.testing.assert_allclose(tied.gnss_tie_coefficient[0], 0, atol=1e-9)
    level = ia.tie_to_gnss(data, gnss, up="zero", surface="offset", robust=False)
    other = ia.tie_to_gnss(data, gnss.assign(up=0 * gnss.up), surface="offset", robust=False)
    np.testing.assert_array_equal(level.displacement, other.displacement)
    fitted = data.assign(intercept=data.los_up)
    assert "intercept" not in ia.tie_to_gnss(fitted, gnss)


def test_of_both_the_one_is_tied_that_gnss_is_of():
    gnss, rate = stations()
    data = series(rate)
    both = data.assign(velocity=data.displacement[0] * 0)
    assert "velocity" not in ia.tie_to_gnss(both, gnss)
    mean = gnss.mean("time").rename({n: f"velocity_{n}" for n in ("east", "north", "up")})
    tied = ia.tie_to_gnss(both, mean, surface="offset")
    assert "displacement" not in tied
    assert "velocity" in tied


def bad(change):
    return change(tilted(missing=0), at_stations())


REFUSED = {
    "surface": (lambda d, g: (d, g), {"surface": "cubic"}, "surface: 'cubic' is not one of offset, plane, quadratic, auto"),
    "up": (lambda d, g: (d, g), {"up": "free"}, "up: 'free' is not one of gnss, zero"),
    "auto of maps": (lambda d, g: (d, field()), {"surface": "auto"}, "surface: 'auto' leaves stations out"),
    "mask of stations": (lambda d, g: (d, g), {"mask": tilted().velocity > 0}, "mask: belongs to maps"),
    "no line of sight": (lambda d, g: (d.drop_vars("los_up"), g), {}, "data: has no los_up"),
    "nothing to tie": (lambda d, g: (d.drop_vars("velocity"), g), {}, "data: has neither 'velocity' nor 'displacement'"),
    "no stations": (lambda d, g: (d, d.drop_vars("velocity")), {"up": "zero"}, "gnss: has no velocity_east"),
    "stations elsewhere": (lambda d, g: (d, g.assign_coords(latitude=g.latitude + 5)), {}, "none of 12 stations"),
    "too few stations": (lambda d, g: (d, g.isel(station=[0, 1])), {}, "gnss: 2 stations have velocity in common"),
    "too few to choose": (lambda d, g: (d, g.isel(station=[0])), {"surface": "auto"}, "too few stations"),
    "positions for a velocity": (lambda d, g: (d, stations()[0]), {"up": "zero"}, "gnss: has no velocity_east"),
    "maps elsewhere": (
        lambda d, g: (d, field().assign_coords(x=HERE.x + 1e6)), {}, "gnss: does not overlap the grid",
    ),
    "nothing in common": (lambda d, g: (d, field() * np.nan), {}, "0 pixels have both velocities"),
    "velocities for a series": (lambda d, g: (series(stations()[1]), g), {}, "a series is tied to daily positions"),
    "other dates": (
        lambda d, g: (series(stations()[1]), stations()[0].sel(time=slice("2020-02-01", None))),
        {},
        "no station has a position on the reference date 20200103",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_one_line(name):
    change, options, message = REFUSED[name]
    data, gnss = bad(change)
    with pytest.raises(InsarrayError, match=message) as error:
        ia.tie_to_gnss(data, gnss, **options)
    assert "\n" not in str(error.value)


# -- North Anatolian Fault ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def anatolia(shared):
    folder = shared / "data/naf_two_tracks"
    return {name: naf.track(folder, name) for name in naf.TRACKS}, naf.gnss(folder)


def test_east_agrees_with_gnss_where_the_tie_was_not_fitted(anatolia):
    """The tie is fitted to a random half of the pixels of each track; east less GNSS east is looked at in the other half."""
    tracks, gnss = anatolia
    rng = np.random.default_rng(0)
    like = tracks["ascending"]
    east = on_pixels(map_view(gnss, "gnss"), NAMES[:2], map_view(like, "like"), None, "bilinear", "gnss")[
        "velocity_east"
    ]
    halves = {n: xr.DataArray(rng.random(d.velocity.shape) < 0.5, dims=("y", "x")) for n, d in tracks.items()}
    tied = {n: ia.tie_to_gnss(d, gnss, up="zero", mask=halves[n]) for n, d in tracks.items()}
    found = {
        name: ia.decompose(of, north="gnss", gnss=gnss[["velocity_north"]], like=like)
        for name, of in (("tied", tied), ("as it was", tracks))
    }
    difference = {
        n: 1e3 * (d.velocity_east.values - east.values)[~halves["ascending"].values] for n, d in found.items()
    }
    assert np.isfinite(difference["tied"]).sum() > 10_000
    assert naf.spread(difference["tied"]) < 3.5  # mm/yr
    assert abs(np.nanmedian(difference["tied"])) < 0.5
    assert abs(np.nanmedian(difference["as it was"])) > 5
    assert abs(1e3 * float(found["tied"].velocity_up.median())) < 2
    fault = found["tied"].velocity_east.sel(x=slice(33.0, 33.4))  # right lateral
    assert 1e3 * float(fault.sel(y=slice(41.6, 41.2)).median() - fault.sel(y=slice(40.8, 40.2)).median()) > 15
