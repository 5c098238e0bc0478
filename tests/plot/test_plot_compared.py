"""Profiles and comparisons, one-sided colours, given limits, what notebooks show: each picture has the numbers it is of."""

import io
import sys

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg

import insarray as ia
from insarray import plot
from insarray.model.dataset import grid_coords
from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid
from tests.cli.test_cli import insarray
from tests.plot.test_plot import colour_bar, image, lines, panels

GRID = Grid(30, 40, 485_000.0, 2_155_000.0, 80.0, -80.0, "EPSG:32614")


@pytest.fixture(scope="module")
def made():
    stack, _ = ia.simulate_stack(shape=(30, 40), n_dates=14, missing=0.0, water=False, seed=3)
    series = ia.invert(stack, reference=(9, 12))
    return series.merge(ia.fit(series)).compute()


@pytest.fixture
def flat():
    """Velocity 1, 2, 3, ... mm/yr along the columns, with its standard error."""
    columns = np.broadcast_to(1e-3 * np.arange(40, dtype=np.float32), (30, 40)).copy()
    data = {"velocity": (("y", "x"), columns), "velocity_std": (("y", "x"), np.full((30, 40), 2e-3, np.float32))}
    return xr.Dataset(data, grid_coords(GRID))


# -- colours --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_a_one_sided_field_uses_the_whole_bar(flat, sign):
    ax = plot.velocity(flat * sign)
    low, high = sorted(sign * end for end in image(ax).get_clim())
    assert low == 0
    assert high == pytest.approx(np.percentile(1000 * flat.velocity, 99), rel=1e-5)
    ends = image(ax).cmap(np.array([0.0, 1.0]))
    zero, far = ends if sign == 1 else ends[::-1]
    assert min(zero[:3]) > 0.95, "zero is white"
    assert (far[2] > far[0]) == (sign == 1), "blue toward the satellite, red away from it"


def test_a_field_of_both_signs_is_centred_and_a_small_side_is_short(flat):
    both = flat.assign(velocity=flat.velocity - 0.015)
    low, high = image(plot.velocity(both)).get_clim()
    assert low == -high
    short = flat.assign(velocity=flat.velocity - 0.005)
    ax = plot.velocity(short)
    low, high = image(ax).get_clim()
    assert low == pytest.approx(-5, abs=0.1)
    assert high == pytest.approx(33.6, abs=0.5)
    middle = image(ax).cmap(image(ax).norm(0.0))
    assert min(middle[:3]) > 0.93, "zero is white wherever it is on the bar"


@pytest.mark.parametrize("draw", [plot.velocity, lambda d, **k: plot.map(d, "velocity", **k)])
def test_limits_are_those_given_in_the_units_of_the_bar(flat, draw):
    ax = draw(flat, limits=(-10, 20))
    assert image(ax).get_clim() == (-10, 20)
    assert colour_bar(ax).get_ylim() == (-10, 20)
    assert min(image(ax).cmap(image(ax).norm(0.0))[:3]) > 0.93


@pytest.mark.parametrize("limits", [(3, 1), (1,), "ab", (0, np.inf), 5])
def test_limits_that_cannot_be(flat, limits):
    with pytest.raises(ArgumentError, match="are no two ascending numbers"):
        plot.velocity(flat, limits=limits)


def test_limits_of_multiples_and_counts(made):
    shown = panels(plot.multiples(made, "displacement", layers=[3, 5], limits=(-1, 2)))
    assert [image(ax).get_clim() for ax in shown] == [(-1, 2), (-1, 2)]
    assert image(plot.map(made, "degrees_of_freedom", limits=(0, 99))).get_clim() == (0, 99)


def test_what_the_mask_leaves_out_does_not_count_for_the_colours(flat):
    wild = flat.copy(deep=True)
    wild["velocity"][:, 30:] = 5.0
    good = wild.velocity < 1
    assert max(image(plot.velocity(wild, mask=good)).get_clim()) < 30 < max(image(plot.velocity(wild)).get_clim())


# -- multiples ------------------------------------------------------------------------------------------------------


def test_multiples_say_how_many_of_how_many(made):
    figure = plot.multiples(made, "displacement")
    assert figure.get_suptitle() == "12 of 14 dates"
    assert plot.multiples(made.isel(time=slice(5)), "displacement").get_suptitle() == ""


def test_multiples_by_names(made):
    days = ["20190117", str(made.time.values[-1])[:10]]
    figure = plot.multiples(made, "displacement", layers=days)
    assert [ax.get_title() for ax in panels(figure)] == ["2019-01-17", days[1]]
    stack, _ = ia.simulate_stack(shape=(8, 8), n_dates=5)
    label = stack.insar.network.labels[3]
    (ax,) = panels(plot.multiples(stack, "coherence", layers=[label]))
    np.testing.assert_array_equal(image(ax).get_array().filled(np.nan), stack.coherence[3])
    with pytest.raises(ArgumentError, match=r"layers: '20300101_20300113' is not one of the \d+ pairs"):
        plot.multiples(stack, "coherence", layers=["20300101_20300113"])
    with pytest.raises(ArgumentError, match="date: 20300101 is not among"):
        plot.multiples(made, "displacement", layers=["20300101"])


# -- profiles -------------------------------------------------------------------------------------------------------


def test_a_profile_has_the_pixels_of_the_line_and_their_errors(flat):
    ax = plot.profile(flat, pixels=[(4, 2), (4, 32)])
    x, y = lines(ax)["velocity"].get_data()
    np.testing.assert_allclose(x, 0.08 * np.arange(31), rtol=2e-3)
    np.testing.assert_allclose(y, np.arange(2, 33), rtol=1e-5)
    (band,) = ax.collections
    assert band.get_label() == "± one standard error"
    low, high = band.get_paths()[0].vertices[:, 1].min(), band.get_paths()[0].vertices[:, 1].max()
    assert (low, high) == pytest.approx((0, 34), abs=1e-4)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("distance (km)", "LOS velocity (mm/yr)\npositive toward satellite")


def test_a_profile_between_places(flat):
    ax = plot.profile(flat, lonlat=[GRID.lonlat(4, 2), GRID.lonlat(20, 32)])
    x, y = lines(ax)["velocity"].get_data()
    assert x[-1] == pytest.approx(0.08 * np.hypot(16, 30), rel=2e-3)
    assert (y[0], y[-1]) == pytest.approx((2, 32), rel=1e-5)


def test_a_swath_has_the_median_and_the_spread_across(flat):
    noisy = flat.copy(deep=True)
    noisy["velocity"][10] = 1.0  # one row in five
    ax = plot.profile(noisy, pixels=[(10, 2), (10, 32)], width=330)
    (line,) = (line for label, line in lines(ax).items() if label == "median across 330 m")
    np.testing.assert_allclose(line.get_ydata(), np.arange(2, 33), rtol=1e-5)
    (band,) = ax.collections
    assert band.get_label() == "5th to 95th percentile"
    assert band.get_paths()[0].vertices[:, 1].max() > 500
    narrow = plot.profile(noisy, pixels=[(10, 2), (10, 32)])
    np.testing.assert_allclose(lines(narrow)["velocity"].get_ydata(), 1000, rtol=1e-5)


def test_a_profile_has_gaps_where_the_mask_does(flat):
    good = xr.ones_like(flat.velocity, bool)
    good[:, 10:20] = False
    y = lines(plot.profile(flat, pixels=[(4, 2), (4, 32)], mask=good))["velocity"].get_ydata()
    np.testing.assert_array_equal(np.isnan(y), (np.arange(2, 33) >= 10) & (np.arange(2, 33) < 20))


def test_a_profile_in_radar_coordinates_counts_pixels(flat):
    radar = flat.drop_vars(["y", "x", "spatial_ref"]).assign_coords(grid_coords(Grid(30, 40)))
    ax = plot.profile(radar, pixels=[(0, 0), (0, 39)])
    assert ax.get_xlabel() == "distance (pixels)"
    assert lines(ax)["velocity"].get_xdata()[-1] == 39


def test_a_profile_reads_the_blocks_that_it_crosses(flat):
    read = []

    def noted(block, block_info=None):
        read.append(block_info[0]["chunk-location"])
        return block

    import dask.array as da

    lazy = da.map_blocks(
        noted, flat.velocity.chunk(y=10, x=10).data, dtype=np.float32, meta=np.zeros((0, 0), np.float32)
    )
    ax = plot.profile(flat[["velocity"]].assign(velocity=(("y", "x"), lazy)), pixels=[(4, 2), (4, 17)])
    assert sorted(set(read)) == [(0, 0), (0, 1)]
    assert ax.get_legend() is None


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("velocity", {}, "give both ends either as lonlat or as pixels"),
        ("velocity", {"pixels": [(1, 2), (1, 2)]}, "both ends are the same"),
        ("velocity", {"pixels": [(1, 2), (30, 2)]}, "row 30, column 2 is outside 30 x 40"),
        ("velocity", {"pixels": (1, 2)}, "are no two ends of a line"),
        ("velocity", {"lonlat": [(-98, 19), (-99, 19)]}, "outside 30 x 40"),
        ("velocity", {"pixels": [(1, 2), (3, 4)], "width": -1}, "width: -1 is not a number of metres"),
        ("speed", {"pixels": [(1, 2), (3, 4)]}, "'speed' is not in the dataset"),
        ("velocity", {"pixels": [(1, 2), (3, 4)], "mask": "none"}, "no pixel on the line has velocity"),
    ],
)
def test_what_cannot_be_a_profile(flat, name, how, message):
    how = {**how, "mask": flat.velocity < 0} if "mask" in how else how
    with pytest.raises(ArgumentError, match=message):
        plot.profile(flat, name, **how)


# -- comparisons ----------------------------------------------------------------------------------------------------


def test_a_comparison_has_scatter_difference_and_its_numbers(flat):
    other = flat.assign(velocity=flat.velocity * 2)
    figure = plot.compare(flat, other, labels=("one", "two"))
    FigureCanvasAgg(figure).draw()
    scatter, difference, histogram = (ax for ax in figure.axes if ax.get_label() != "<colorbar>")
    dots = scatter.lines[0]
    np.testing.assert_allclose(dots.get_ydata(), 2 * dots.get_xdata(), rtol=1e-5)
    assert len(dots.get_xdata()) == 1200
    assert scatter.get_xlim() == scatter.get_ylim()
    assert (scatter.get_xlabel(), scatter.get_ylabel()) == ("LOS velocity (mm/yr), one", "LOS velocity (mm/yr), two")
    np.testing.assert_allclose(image(difference).get_array(), 1000 * flat.velocity, rtol=1e-4, atol=1e-4)
    assert difference.get_title() == "two − one"
    assert histogram.get_title() == "1,200 pixels, mean 19.5, std 11.5, r = 1.000"
    assert sum(bar.get_height() for bar in histogram.patches) == 1200


def test_a_comparison_is_of_pixels_that_both_have(flat):
    holed = flat.copy(deep=True)
    holed["velocity"][:10] = np.nan
    good = xr.ones_like(flat.velocity, bool)
    good[:, :20] = False
    figure = plot.compare(flat, holed, mask=good)
    assert figure.axes[2].get_title().startswith("400 pixels, mean 0, std 0, r = 1.000")
    part = flat.isel(y=slice(5, 25), x=slice(3, 30))
    assert (
        plot.compare(part, flat.isel(x=slice(None, None, -1)))
        .axes[2]
        .get_title()
        .startswith("540 pixels, mean 0, std 0")
    )
    with pytest.raises(ArgumentError, match="second: its grid differs"):
        plot.compare(flat, part)
    with pytest.raises(ArgumentError, match="no pixel has velocity in both"):
        plot.compare(flat.where(flat.velocity < 0.01), flat.where(flat.velocity > 0.02))
    with pytest.raises(ArgumentError, match=r"second: has no 'velocity' \(y, x\); it has velocity_std"):
        plot.compare(flat, flat[["velocity_std"]])
    with pytest.raises(ArgumentError, match="labels: 'ab' are not two names"):
        plot.compare(flat, flat, labels="ab")


def test_many_pixels_are_counted_in_cells(flat, monkeypatch):
    monkeypatch.setattr(sys.modules[plot.compare.__module__], "_DOTS", 100)
    figure = plot.compare(flat, flat)
    counts = figure.axes[0].collections[0].get_array()
    assert counts.sum() == 1200


# -- notebooks and files --------------------------------------------------------------------------------------------


def test_notebooks_show_the_picture_twice_as_sharp(made):
    from PIL import Image

    for picture in (plot.velocity(made), plot.multiples(made, "displacement", layers=[2, 3]), plot.network(made)):
        content, shown = picture._repr_png_()
        size = Image.open(io.BytesIO(content)).size
        assert size == pytest.approx((2 * shown["width"], 2 * shown["height"]), abs=2)
        assert 300 < shown["width"] < 1200


def test_ipython_takes_the_picture(made):
    formatters = pytest.importorskip("IPython.core.formatters")
    data, about = formatters.DisplayFormatter().format(plot.velocity(made))
    assert data["image/png"][:4] == b"\x89PNG"
    assert set(about["image/png"]) == {"width", "height"}


def test_given_figures_and_axes_are_drawn_into(made):
    from matplotlib.figure import Figure

    figure = Figure()
    assert plot.compare(made, made, figure=figure) is figure
    figure = Figure()
    assert plot.multiples(made, "displacement", layers=[1], figure=figure) is figure
    ax = Figure().subplots()
    assert plot.profile(made, ax=ax, pixels=[(1, 1), (5, 5)]) is ax


@pytest.mark.parametrize("scale", [1, 2])
def test_labels_stay_inside(made, scale):
    """Of every picture, at either resolution."""
    pictures = [
        plot.velocity(made),
        plot.multiples(made, "displacement").axes[0],
        plot.point(made, row=5, col=6),
        plot.profile(made, pixels=[(1, 1), (25, 35)]),
        plot.compare(made, made.assign(velocity=made.velocity * 1.5)).axes[0],
        plot.network(made),
    ]
    for picture in pictures:
        figure = picture.figure
        figure.set_dpi(80 * scale)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        box, whole = figure.get_tightbbox(canvas.get_renderer()), figure.bbox_inches
        assert box.x0 >= -0.02, picture
        assert box.y0 >= -0.02, picture
        assert box.x1 <= whole.x1 + 0.02, picture
        assert box.y1 <= whole.y1 + 0.02, picture


def test_vector_files_have_lines_and_text(made, tmp_path):
    text = plot.save(plot.profile(made, pixels=[(1, 1), (25, 35)]), tmp_path / "a.svg").read_text()
    assert "distance (km)</text>" in text
    assert "<image" not in text
    assert plot.save(plot.compare(made, made), tmp_path / "a.pdf").read_bytes()[:5] == b"%PDF-"


# -- command --------------------------------------------------------------------------------------------------------


def test_commands_draw_them(made, tmp_path, capsys):
    store, other = tmp_path / "a.zarr", tmp_path / "b.zarr"
    ia.run(made.chunk(y=15, x=20), store)
    ia.run(made.assign(velocity=made.velocity * 2).chunk(y=15, x=20), other)
    ends = (*GRID.lonlat(3, 3), *GRID.lonlat(25, 30))
    for what, options in (
        ("profile", ("--lonlat", *ends, "--width", 400)),
        ("compare", ("--with", other, "--min-temporal-coherence", 0.5)),
        ("velocity", ("--limits", -5, 20)),
        ("multiples", ("--dates", "20190117,20190129", "--limits", -5, 20)),
    ):
        assert insarray(capsys, "plot", what, store, tmp_path / f"{what}.png", *options)[0] == 0, what
        assert (tmp_path / f"{what}.png").stat().st_size > 5000
    for options, message in (
        (("profile",), "lonlat: give both ends of the line"),
        (("compare",), "with: give the other result"),
        (("point", "--limits", 0, 1), "limits: is for velocity, map, multiples, points, and not for point"),
        (("velocity", "--dates", "20190117"), "dates: is for multiples, and not for velocity"),
        (("velocity", "--with", other), "with: is for compare, and not for velocity; leave --with out"),
        (("map", "--row", 3), "row: is for point, and not for map"),
        (("velocity", "--limits", 3, 1), "limits: (3.0, 1.0) are no two ascending numbers"),
    ):
        code, _, errors = insarray(capsys, "plot", options[0], store, tmp_path / "no.png", *options[1:])
        assert (code, message in errors[0]) == (2, True), (options, errors)
    assert not (tmp_path / "no.png").exists()


def test_the_command_uses_its_options(made, tmp_path, capsys, monkeypatch):
    """What the function gets."""
    store = tmp_path / "a.zarr"
    ia.run(made.chunk(y=15, x=20), store)
    got = {}
    for name in ("profile", "compare", "multiples", "velocity"):
        real = getattr(plot, name)
        monkeypatch.setattr(plot, name, lambda *a, of=name, real=real, **k: got.update({of: k}) or real(*a, **k))
    ends = (*GRID.lonlat(3, 3), *GRID.lonlat(25, 30))
    insarray(capsys, "plot", "profile", store, tmp_path / "p.png", "--lonlat", *ends, "--width", 400)
    insarray(capsys, "plot", "compare", store, tmp_path / "c.png", "--with", store)
    insarray(capsys, "plot", "multiples", store, tmp_path / "m.png", "--dates", "20190117", "--limits", -5, 20)
    insarray(capsys, "plot", "velocity", store, tmp_path / "v.png", "--limits", -5, 20)
    assert got["profile"]["width"] == 400
    np.testing.assert_allclose(np.ravel(got["profile"]["lonlat"]), ends)
    assert got["compare"]["labels"] == ["a", "a"]
    assert got["multiples"]["layers"] == ("20190117",)
    assert got["multiples"]["limits"] == got["velocity"]["limits"] == (-5.0, 20.0)
