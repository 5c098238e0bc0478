"""Pictures of components and stations: what is drawn is what the data say."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.quiver import Quiver, QuiverKey

import insarray as ia
from insarray.model.errors import ArgumentError
from tests.components import GRIDS, motion, track
from tests.products.test_compare_gnss import series, stations
from tests.products.test_tie_to_gnss import at_stations

HERE = GRIDS["ascending"]


@pytest.fixture(scope="module")
def components():
    tracks = {name: track(name, noise=0.001) for name in GRIDS}
    return ia.decompose(tracks, north="free")


def test_panels_have_insar_and_gnss_on_one_level():
    gnss, rate = stations()
    found = ia.compare_gnss(series(rate, noise=0.003), gnss)
    figure = ia.plot.gnss(found)
    assert [ax.get_title().split()[0] for ax in figure.axes] == ["AAAA", "BBBB", "CCCC", "DDDD"]
    for k, ax in enumerate(figure.axes):
        ground = np.asarray(ax.containers[0].lines[0].get_ydata())
        pixels = np.asarray(next(line for line in ax.lines if line.get_label() == "InSAR").get_ydata())
        np.testing.assert_allclose(pixels - ground, 1e3 * found.difference[k], atol=1e-6)
        assert f"rms {1e3 * float(found.rms_of_station[k]):.1f} mm" in ax.get_title()
    assert "toward the satellite (mm)" in figure.get_supylabel()
    with pytest.raises(ArgumentError, match="found: is no comparison"):
        ia.plot.gnss(found.drop_vars("difference"))


def test_arrows_are_the_mean_motion_about_them(components):
    ax = ia.plot.components(components)
    (arrows,) = [one for one in ax.get_children() if isinstance(one, Quiver)]
    step = 160 // 18
    mean = components[["velocity_east", "velocity_north"]].coarsen(y=step, x=step, boundary="trim").mean()
    np.testing.assert_allclose(np.ma.filled(arrows.U, np.nan), 1e3 * mean.velocity_east.values.ravel(), rtol=1e-5)
    np.testing.assert_allclose(np.ma.filled(arrows.V, np.nan), 1e3 * mean.velocity_north.values.ravel(), rtol=1e-5)
    assert any(isinstance(one, QuiverKey) for one in ax.get_children())
    flat = ia.plot.components(components.drop_vars("velocity_north"))
    (arrows,) = [one for one in flat.get_children() if isinstance(one, Quiver)]
    assert not np.any(np.ma.filled(arrows.V, 0))
    both = ia.plot.components(components, gnss=at_stations(5))
    assert len([one for one in both.get_children() if isinstance(one, Quiver)]) == 2
    for name, data in (
        ("velocity_up", components.drop_vars("velocity_up")),
        ("velocity_east", components[["velocity_up"]]),
    ):
        with pytest.raises(ArgumentError, match=f"data: has no {name}"):
            ia.plot.components(data)


def test_a_profile_along_a_row(components):
    start, end = HERE.lonlat(70, 10), HERE.lonlat(70, 150)
    ax = ia.plot.gnss_profile(components, start, end, name="velocity_up", width=100.0, gnss=at_stations(40))
    distance, values = (np.asarray(of) for of in ax.lines[0].get_data())
    assert distance.max() == pytest.approx(140 * 0.09, abs=0.1)
    col = np.rint(distance / 0.09 + 10).astype(int)
    expected = 1e3 * motion(HERE)[2][70, col]
    assert np.abs(values - expected).max() < 15
    assert abs(np.median(values - expected)) < 0.5
    assert ax.get_ylabel() == "velocity up (mm/yr)"
    assert ax.get_legend() is not None
    back = ia.plot.gnss_profile(components, end, start, name="velocity_up", width=100.0)
    np.testing.assert_allclose(np.sort(14 * 0.9 - back.lines[0].get_xdata()), np.sort(distance), atol=0.02)


def test_profiles_that_cannot_be(components):
    place = HERE.lonlat(70, 10)
    for options, message in (
        ({"start": place, "end": place}, "are one place"),
        ({"start": place, "end": HERE.lonlat(70, 90), "name": "height"}, "data: has no height"),
        ({"start": (10.0, 36.0), "end": (11.0, 36.0)}, "no pixel of velocity_east within 5000 m"),
    ):
        with pytest.raises(ArgumentError, match=message):
            ia.plot.gnss_profile(components, **options)
    stack = xr.Dataset({"velocity_east": components.velocity_east.expand_dims("time")})
    with pytest.raises(ArgumentError, match="choose one layer"):
        ia.plot.gnss_profile(stack, place, HERE.lonlat(70, 90))


def test_bars_are_the_shares():
    found = ia.validate(track("ascending", noise=0.002)[["velocity"]], distances=(0.1, 2, 5, 9), pairs=300)
    ax = ia.plot.validation(found)
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], 100 * found.fraction)
    np.testing.assert_allclose([bar.get_x() for bar in ax.patches], [0.1, 2, 5])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 68.3)
    assert "nisar secular" in ax.get_title()
    with pytest.raises(ArgumentError, match="found: is no validation"):
        ia.plot.validation(found.drop_vars("fraction"))
