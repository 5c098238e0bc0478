"""Pictures show the data: what the axes hold is compared with the dataset, not with pixels."""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

import insarray as ia
from insarray import plot
from insarray.model.dataset import grid_coords, network_of
from insarray.model.errors import ArgumentError, StackError, StoreError
from insarray.model.grid import Grid
from insarray.plot.figures import add_legend, new_axes
from insarray.simulate.stacks import simulate_stack

SHAPE = (30, 40)


@pytest.fixture(scope="module")
def stack():
    return simulate_stack(shape=SHAPE, n_dates=12)[0]


@pytest.fixture
def series():
    truth = simulate_stack(shape=SHAPE, n_dates=12)[1]
    data = truth[["displacement", "velocity", "water_mask", "height_error"]]
    data["displacement"] = data.displacement.where(truth.water_mask)
    data["velocity"] = data.velocity.where(truth.water_mask)
    data["velocity_std"] = xr.full_like(data.velocity, 0.0013)
    data["displacement_std"] = xr.full_like(data.displacement, 0.004)
    data["temporal_coherence"] = truth.coherence.mean("pair").drop_vars("pair", errors="ignore")
    data["network_subset"] = xr.ones_like(data.displacement, np.uint8)
    data["solver_flag"] = (("y", "x"), np.where(truth.water_mask, 1, 0).astype("uint8"))
    data["unwrapping_flag"] = data.solver_flag * np.uint8(3)
    data["fit_flag"] = data.solver_flag * np.uint8(2)
    data["number_of_observations"] = (
        xr.ones_like(data.displacement, np.uint16) * np.arange(12, dtype=np.uint16)[:, None, None]
    )
    data.attrs = {"reference_y": float(data.y[20]), "reference_x": float(data.x[10])}
    return data


def on(data, grid):
    placed = data.drop_vars(["x", "y", "spatial_ref"], errors="ignore").assign_coords(grid_coords(grid))
    return placed.assign_attrs(reference_y=float(placed.y[20]), reference_x=float(placed.x[10]))


def image(ax):
    (found,) = ax.images
    return found


def colour_bar(ax):
    return image(ax).colorbar.ax


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def draw(ax):
    FigureCanvasAgg(ax.figure).draw()
    return ax


# -- maps -----------------------------------------------------------------------------------------------------------


def test_velocity_is_in_millimetres_about_zero(series):
    ax = draw(plot.velocity(series))
    shown = image(ax).get_array()
    np.testing.assert_allclose(shown.filled(np.nan), series.velocity * 1000, rtol=1e-6)
    low, high = image(ax).get_clim()
    assert low == pytest.approx(-np.nanpercentile(np.abs(series.velocity) * 1000, 99))
    assert 0 <= high < -low / 3, "nothing moves toward the satellite"
    assert "mm/yr" in colour_bar(ax).get_ylabel()
    assert "positive toward satellite" in colour_bar(ax).get_ylabel()
    red, _, blue = image(ax).cmap(0.0)[:3]
    assert red > blue  # away from the satellite is red


def test_masked_pixels_are_grey(series):
    picture = image(plot.velocity(series))
    np.testing.assert_array_equal(picture.get_array().mask, ~series.water_mask)
    red, green, blue, alpha = picture.cmap.get_bad()
    assert red == green == blue == 0.8
    assert alpha == 1


def test_pixels_are_where_they_are(series):
    ax = plot.velocity(series)
    assert image(ax).get_extent() == [485_000, 485_000 + 40 * 80, 2_155_000 - 30 * 80, 2_155_000]
    assert image(ax).origin == "upper"
    assert ax.get_ylim() == (2_155_000 - 30 * 80, 2_155_000)
    assert ax.get_aspect() == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("easting (km)", "northing (km)")
    assert ax.xaxis.get_major_formatter()(486_500, 0) == "486.5"


def test_north_is_up_when_rows_run_northwards(series):
    flipped = on(series, Grid(*SHAPE, 485_000.0, 2_100_000.0, 80.0, 80.0, "EPSG:32614"))
    ax = plot.velocity(flipped)
    assert image(ax).get_extent() == [485_000, 488_200, 2_102_400, 2_100_000]
    assert ax.get_ylim() == (2_100_000, 2_102_400)
    mark = lines(ax)["reference"]
    assert mark.get_ydata() == 2_100_000 + 80 * 20.5


def bar_of(ax):
    (bar,) = [artist for artist in ax.artists if isinstance(artist, AnchoredSizeBar)]
    return bar.txt_label.get_text(), bar.size_bar.get_children()[0].get_width()


def test_scale_bar(series):
    assert bar_of(plot.velocity(series)) == ("1 km", pytest.approx(1000, rel=1e-3))  # the map is 3.2 km wide
    degrees = on(series, Grid(*SHAPE, 10.0, 60.02, 0.001, -0.001, "EPSG:4326"))
    ax = plot.velocity(degrees)
    text, length = bar_of(ax)
    assert text == "500 m"
    assert length == pytest.approx(500 / (111_320 * np.cos(np.radians(60.005))), rel=5e-3)
    assert ax.get_aspect() == pytest.approx(1 / np.cos(np.radians(60.005)), rel=1e-6)
    assert ax.get_xlabel() == "longitude (°)"


def test_radar_coordinates(series):
    ax = draw(plot.velocity(on(series, Grid(*SHAPE))))
    assert not [artist for artist in ax.artists if isinstance(artist, AnchoredSizeBar)]
    assert ax.get_ylim() == (29.5, -0.5)  # first line on top
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("range sample", "azimuth line")
    assert lines(ax)["reference"].get_xydata().tolist() == [[10, 20]]


def test_reference_point(series):
    ax = plot.velocity(series)
    x, y = lines(ax)["reference"].get_xydata()[0]
    assert (x, y) == (series.x[10], series.y[20])
    assert [text.get_text() for text in ax.texts] == ["reference"]
    series.attrs = {}
    assert "reference" not in lines(plot.velocity(series))


def test_reference_point_in_a_part_of_the_image(series):
    lon, lat = Grid(*SHAPE, 485_000.0, 2_155_000.0, 80.0, -80.0, "EPSG:32614").lonlat(20, 10)
    series.attrs |= {"reference_lon": lon, "reference_lat": lat}
    ax = plot.velocity(series.isel(y=slice(15, 30), x=slice(5, 40)))
    assert lines(ax)["reference"].get_xydata()[0].tolist() == [series.x[10], series.y[20]]
    assert "reference" not in lines(plot.velocity(series.isel(y=slice(0, 10))))
    series.attrs = {"reference_row": 20, "reference_col": 10}
    assert "reference" not in lines(plot.velocity(series.isel(y=slice(0, 10))))


def test_displacement_of_a_date(series):
    ax = plot.map(series.isel(time=-1), "displacement")
    np.testing.assert_allclose(image(ax).get_array().filled(np.nan), series.displacement[-1] * 1000, rtol=1e-6)
    low, high = image(ax).get_clim()
    assert low == -high
    assert "(mm)" in colour_bar(ax).get_ylabel()
    assert ax.get_title() == str(series.time.values[-1])[:10]


def test_coherence_goes_from_0_to_1(series):
    ax = plot.map(series, "temporal_coherence")
    assert image(ax).get_clim() == (0, 1)
    assert image(ax).cmap.name == "viridis"
    assert colour_bar(ax).get_ylabel() == "temporal coherence"


def test_deviations_are_sequential(series):
    series["velocity_std"] = abs(series.velocity)
    ax = plot.map(series, "velocity_std")
    assert image(ax).cmap.name == "magma_r"
    assert image(ax).get_clim() == pytest.approx(tuple(np.nanpercentile(abs(series.velocity) * 1000, (1, 99))))
    assert colour_bar(ax).get_ylabel() == "velocity std (mm/yr)"


def test_other_variables_by_their_attributes(series):
    ax = plot.map(series, "height_error")
    np.testing.assert_allclose(image(ax).get_array(), series.height_error, rtol=1e-6)
    assert image(ax).get_clim()[0] == -image(ax).get_clim()[1]  # both signs
    assert colour_bar(ax).get_ylabel() == "height error (m)"
    for name, units in (
        ("step_20200301", "m"),
        ("velocity_change_20200301_std", "m/year"),
        ("semiannual_amplitude", "m"),
        ("intercept_std", "m"),
        ("fit_residual_std", "m"),
    ):
        series[name] = (("y", "x"), np.full(SHAPE, 0.005), {"units": units})
        ax = plot.map(series, name)
        np.testing.assert_allclose(image(ax).get_array(), 5.0)
        assert colour_bar(ax).get_ylabel().endswith("(mm)" if units == "m" else "(mm/yr)")
    series["slope"] = (("y", "x"), np.full(SHAPE, 5.0), {"units": "m/year"})
    assert image(plot.map(series, "slope")).get_clim() == (4.5, 5.5)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        (
            "solver_flag",
            ["no data", "complete", "missing pairs", "dates untied", "reference date missing", "not converged"],
        ),
        (
            "fit_flag",
            ["no data", "determined", "no redundancy", "undetermined terms", "too few observations", "masked"],
        ),
        ("unwrapping_flag", ["no data", "closed", "corrected", "ambiguous", "no loops"]),
        ("water_mask", ["water", "land"]),
    ],
)
def test_classes_have_names(series, name, labels):
    ax = draw(plot.map(series, name))
    np.testing.assert_array_equal(image(ax).get_array(), series[name].astype(int))
    assert [tick.get_text() for tick in colour_bar(ax).get_yticklabels()] == labels
    assert image(ax).cmap(image(ax).norm(0)) == mpl.colors.to_rgba("0.8")
    assert len({image(ax).cmap(image(ax).norm(k)) for k in range(len(labels))}) == len(labels)


def test_counts_and_labels_have_zero_masked(series, stack):
    ax = plot.map(series.isel(time=5), "number_of_observations")
    assert (image(ax).get_array() == 5).all()
    assert image(plot.map(series.isel(time=0), "number_of_observations")).get_array().mask.all()
    labels = stack.connected_component_labels[2]
    shown = image(plot.map(stack.isel(pair=2), "connected_component_labels")).get_array()
    np.testing.assert_array_equal(shown.mask, labels == 0)


def test_all_masked(series):
    series["velocity"] = series.velocity * np.nan
    ax = plot.velocity(series)
    draw(ax)
    assert image(ax).get_array().mask.all()


def test_large_images_are_thinned(series, monkeypatch):
    monkeypatch.setattr(plot.maps, "_MAX_SIDE", 20)
    ax = plot.velocity(series)
    assert image(ax).get_array().shape == (15, 20)
    assert image(ax).get_extent() == [485_000, 485_000 + 40 * 80, 2_155_000 - 30 * 80, 2_155_000]


def test_what_cannot_be_a_map(series):
    with pytest.raises(ArgumentError, match="'speed' is not in the dataset; it has displacement"):
        plot.map(series, "speed")
    with pytest.raises(ArgumentError, match=r"displacement: dimensions .*isel"):
        plot.map(series, "displacement")
    with pytest.raises(ArgumentError, match="velocity"):
        plot.velocity(series[["displacement"]])
    with pytest.raises(StackError, match="coordinate"):
        plot.velocity(series[["velocity"]].drop_vars("x"))


def test_given_axes_are_used(series, stack):
    figure = Figure()
    axes = figure.subplots(1, 3)
    assert plot.velocity(series, axes[0]) is axes[0]
    assert plot.point(series, row=12, col=20, ax=axes[1]) is axes[1]
    assert plot.network(stack, axes[2]) is axes[2]
    draw(axes[0])


# -- networks -------------------------------------------------------------------------------------------------------


def edges_of(ax):
    (edges,) = [c for c in ax.collections if isinstance(c, LineCollection)]
    return edges


def test_network_with_baselines(stack):
    network = network_of(stack)
    ax = draw(plot.network(stack))
    baseline, _ = network.date_baselines()
    (dots,) = ax.lines
    np.testing.assert_allclose(dots.get_xdata(), date2num(network.times))
    np.testing.assert_allclose(dots.get_ydata(), baseline)
    segments = edges_of(ax).get_segments()
    assert len(segments) == network.n_pairs
    for segment, (i, j) in zip(segments, network.pairs, strict=True):
        np.testing.assert_allclose(segment[:, 0], date2num(network.times[[i, j]]))
        np.testing.assert_allclose(segment[:, 1], baseline[[i, j]], atol=1e-9)
    assert ax.get_ylabel() == "perpendicular baseline (m)"
    assert ax.get_legend() is None
    assert edges_of(ax).get_array() is None
    low, high = ax.get_ylim()
    assert low < baseline.min() < baseline.max() < high


def test_network_coloured_by_coherence(stack):
    mean = stack.coherence.mean(("y", "x")).values
    ax = plot.network(stack.assign_coords(mean_coherence=("pair", mean)))
    np.testing.assert_allclose(edges_of(ax).get_array(), mean)
    low, high = edges_of(ax).get_clim()
    assert 0 <= low <= mean.min() < mean.max() <= high <= 1
    assert edges_of(ax).colorbar.ax.get_ylabel() == "mean coherence"


def test_network_without_baselines_is_drawn_as_arcs(stack):
    ax = draw(plot.network(stack.drop_vars("perpendicular_baseline")))
    network = network_of(stack)
    for arc, days, (i, j) in zip(edges_of(ax).get_segments(), network.temporal_baseline, network.pairs, strict=True):
        np.testing.assert_allclose(arc[[0, -1], 0], date2num(network.times[[i, j]]))
        assert arc[:, 1].max() == pytest.approx(days, rel=0.01)
    assert (ax.lines[0].get_ydata() == 0).all()
    assert ax.get_ylabel() == "temporal baseline (days)"


def test_pieces_of_a_network_are_told_apart(stack):
    network = network_of(stack)
    split = network.subset((network.reference < 5) == (network.secondary < 5))
    ax = plot.network(split)
    assert len(ax.lines) == 2
    assert [len(line.get_xdata()) for line in ax.lines] == [5, 7]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "5 dates, 20190105 first",
        f"7 dates, {str(network.times[5])[:10].replace('-', '')} first",
    ]


def test_a_dataset_without_pairs_has_no_network(series):
    with pytest.raises(StackError, match="reference_time"):
        plot.network(series)


# -- points ---------------------------------------------------------------------------------------------------------


def bars_of(ax):
    return {str(container.get_label()): container for container in ax.containers}


def test_history_of_a_point(series):
    ax = draw(plot.point(series, row=12, col=20))
    displacement = series.displacement[:, 12, 20] * 1000
    points, _, (bars,) = bars_of(ax)["displacement ± one standard error"]
    np.testing.assert_allclose(points.get_xdata(), date2num(series.time.values))
    np.testing.assert_allclose(points.get_ydata(), displacement, rtol=1e-6)
    for bar, value in zip(bars.get_segments(), displacement.values, strict=True):
        np.testing.assert_allclose(bar[:, 1], [value - 4, value + 4], rtol=1e-5)
    assert "LOS displacement (mm)" in ax.get_ylabel()
    lon, lat = Grid(*SHAPE, 485_000.0, 2_155_000.0, 80.0, -80.0, "EPSG:32614").lonlat(12, 20)
    assert ax.get_title() == f"{lat:.4f}° N, {-lon:.4f}° W  (row 12, column 20)"


def test_velocity_line(series):
    ax = plot.point(series, row=12, col=20)
    rate = float(series.velocity[12, 20]) * 1000
    ((label, line),) = [(k, v) for k, v in lines(ax).items() if k.startswith("velocity")]
    assert label == f"velocity −{-rate:.1f} ± 1.3 mm/yr"
    x, y = line.get_xdata(), line.get_ydata()
    assert (y[-1] - y[0]) / (x[-1] - x[0]) * 365.25 == pytest.approx(rate, rel=1e-6)
    assert y.mean() == pytest.approx(float(series.displacement[:, 12, 20].mean()) * 1000, rel=1e-5)
    without = plot.point(series.drop_vars(["velocity", "displacement_std"]), row=12, col=20)
    assert not [k for k in lines(without) if k.startswith("velocity")]
    assert bars_of(without)["displacement"][2] == ()
    assert without.get_legend() is None


def test_untied_dates_look_different(series):
    series["network_subset"][5:8] = 2
    series["displacement"][5:8] += 0.5
    series["displacement"][9] = np.nan
    series["network_subset"][9] = 0
    ax = draw(plot.point(series, row=12, col=20))
    found = bars_of(ax)
    names = [f"{name} ± one standard error" for name in ("displacement", "piece 2, not tied to the reference date")]
    assert set(found) == set(names)
    tied, untied = (found[name][0] for name in names)
    assert (len(tied.get_xdata()), len(untied.get_xdata())) == (8, 3)
    assert tied.get_marker() != untied.get_marker()
    assert tied.get_color() != untied.get_color()
    line = next(v for k, v in lines(ax).items() if k.startswith("velocity"))
    assert np.abs(line.get_ydata()).max() < 100  # the level of the other piece doesn't count
    np.testing.assert_allclose(lines(ax)["not observed"].get_xdata(), date2num(series.time.values[[9]]))
    assert len(ax.get_legend().get_texts()) == 4


def test_a_point_by_position(series):
    lon, lat = Grid(*SHAPE, 485_000.0, 2_155_000.0, 80.0, -80.0, "EPSG:32614").lonlat(12, 20)
    assert plot.point(series, lon=lon, lat=lat).get_title().endswith("(row 12, column 20)")
    assert plot.point(on(series, Grid(*SHAPE)), row=12, col=20).get_title() == "row 12, column 20"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"row": 30, "col": 0}, "row 30, column 0 is outside 30 x 40"),
        ({"row": 0, "col": -1}, "outside 30 x 40"),
        ({"lon": -99.0, "lat": 19.0}, "outside 30 x 40"),
        ({}, "either row and col, or lon and lat"),
        ({"row": 1}, "either row and col, or lon and lat"),
        ({"row": 1, "col": 1, "lon": 1.0, "lat": 1.0}, "either row and col, or lon and lat"),
    ],
)
def test_points_that_are_none(series, where, message):
    with pytest.raises(ArgumentError, match=message):
        plot.point(series, **where)


def test_points_without_data(series):
    row, col = np.argwhere(~series.water_mask.values)[0]
    with pytest.raises(ArgumentError, match="no displacement at any date"):
        plot.point(series, row=int(row), col=int(col))
    with pytest.raises(ArgumentError, match="has no displacement"):
        plot.point(series[["velocity"]], row=1, col=1)
    with pytest.raises(ArgumentError, match="radar coordinates"):
        plot.point(on(series, Grid(*SHAPE)), lon=1.0, lat=1.0)


def test_only_the_point_is_read(series):
    chunked = series.chunk(y=10, x=10)
    seen = []

    def look(block, block_info=None):
        seen.append(block_info[0]["chunk-location"])
        return block

    lazy = chunked.displacement.data.map_blocks(look, dtype="float32", meta=np.empty((0, 0, 0), "float32"))
    plot.point(chunked.assign(displacement=chunked.displacement.copy(data=lazy)), row=12, col=20)
    assert set(seen) == {(0, 1, 2)}


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_save(series, tmp_path, suffix):
    ax = plot.point(series, row=12, col=20)
    path = plot.save(ax if suffix == "png" else ax.figure, tmp_path / f"point.{suffix}")
    start = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(start)


def test_files_that_cannot_be_written(series, tmp_path):
    ax = plot.point(series, row=12, col=20)
    with pytest.raises(ArgumentError, match=r"point\.xyz: .*png"):
        plot.save(ax, tmp_path / "point.xyz")
    with pytest.raises(StoreError, match="cannot write into its folder"):
        plot.save(ax, tmp_path / "nowhere" / "point.png")


def test_no_window_is_opened():
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


# -- closure --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def summary(stack):
    """Pairs 9 and 15 are one cycle off in parts of the image; pair 0 is masked, so not checked."""
    phase = stack.unwrapped_phase - stack.unwrapped_phase[:, 25, 10]
    phase[9, :20] += 2 * np.pi
    phase[15, :, 25:] -= 2 * np.pi
    phase[0] = np.nan
    return ia.closure_summary(ia.closure(stack.assign(unwrapped_phase=phase)), maps=True)


def test_closure_colours_pairs_by_their_share(summary):
    figure = plot.closure(summary)
    FigureCanvasAgg(figure).draw()
    left, right = figure.axes[:2]
    share = 100 * summary.pair_nonzero_fraction.values
    edges = edges_of(left)
    order = np.argsort(share, kind="stable")
    np.testing.assert_allclose(edges.get_array().filled(np.nan), share[order])
    assert edges.get_clim() == (0, pytest.approx(np.nanmax(share)))
    network = network_of(summary)
    ends = date2num(network.times[network.pairs])[order]
    for segment, end, width, style, k in zip(
        edges.get_segments(), ends, edges.get_linewidths(), edges.get_linestyles(), order, strict=True
    ):
        np.testing.assert_allclose(segment[:, 0], end)
        assert (width > 3) == (summary.pair_drop_order[k] > 0)
        assert (style[1] is not None) == np.isnan(share[k])  # dotted: not checked
    assert edges.colorbar.ax.get_ylabel() == "non-zero integer closures (%)"
    words = [text.get_text() for text in left.get_legend().get_texts()]
    assert words == [f"pairs to doubt: {int((summary.pair_drop_order > 0).sum())}", "pairs not checked: 1"]
    assert left.get_title() == "30 pairs, 28 loops"
    assert {9, 15} <= set(np.flatnonzero(summary.pair_drop_order))
    percent = 100 * summary.attrs["pixels_nonzero"] / summary.attrs["pixels_observed"]
    assert right.get_title().startswith(f"{percent:.1f} % of the pixels")


def test_counts_of_non_zero_closures_show_0_where_loops_are(summary):
    picture = image(plot.closure(summary).axes[1])
    np.testing.assert_array_equal(picture.get_array().mask, summary.number_of_loops == 0)
    np.testing.assert_array_equal(picture.get_array().data, summary.nonzero_closure_count)
    assert picture.get_clim() == (0, int(summary.nonzero_closure_count.max()))
    assert "loops with non-zero" in picture.colorbar.ax.get_ylabel()
    clean = summary.assign(nonzero_closure_count=xr.zeros_like(summary.nonzero_closure_count))
    assert image(plot.map(clean, "nonzero_closure_count")).get_clim() == (0, 1)
    alone = image(plot.map(summary.drop_vars("number_of_loops"), "nonzero_closure_count"))
    np.testing.assert_array_equal(alone.get_array().mask, summary.nonzero_closure_count == 0)


def test_closure_without_maps_is_the_network_alone(summary, stack):
    given = Figure()
    figure = plot.closure(summary.drop_vars(["number_of_loops", "nonzero_closure_count"]), given)
    assert figure is given
    FigureCanvasAgg(figure).draw()
    assert len(figure.axes) == 2  # and the colour bar
    lost = ia.closure_summary(ia.closure(stack.assign(unwrapped_phase=stack.unwrapped_phase * np.nan)), maps=True)
    FigureCanvasAgg(plot.closure(lost)).draw()
    with pytest.raises(StackError, match="closure_summary"):
        plot.closure(stack)


# -- small multiples ------------------------------------------------------------------------------------------------


def panels(figure):
    return [ax for ax in figure.axes if ax.images and ax.get_visible()]


def test_multiples_show_the_dates_in_one_scale(series):
    figure = plot.multiples(series, "displacement", layers=[3, -1])
    FigureCanvasAgg(figure).draw()
    shown = panels(figure)
    assert [ax.get_title() for ax in shown] == [str(series.time.values[k])[:10] for k in (3, -1)]
    for ax, k in zip(shown, (3, -1), strict=True):
        np.testing.assert_allclose(image(ax).get_array().filled(np.nan), series.displacement[k] * 1000, rtol=1e-6)
    assert image(shown[0]).get_clim() == image(shown[1]).get_clim()
    assert "reference" in lines(shown[0])
    assert [sum(isinstance(artist, AnchoredSizeBar) for artist in ax.artists) for ax in shown] == [1, 0]


def test_multiples_choose_layers_at_equal_steps(stack, series):
    assert len(panels(plot.multiples(series, "displacement"))) == 12
    titles = [ax.get_title() for ax in panels(plot.multiples(stack, "coherence"))]
    ends = [
        f"{str(stack.reference_time.values[k])[:10]} to {str(stack.secondary_time.values[k])[:10]}" for k in (0, -1)
    ]
    assert (len(titles), titles[0], titles[-1]) == (12, *ends)


def test_fringes(stack):
    whole, fringes = (plot.multiples(stack, "unwrapped_phase", layers=[5], wrap=wrap) for wrap in (False, True))
    phase = stack.unwrapped_phase[5].values
    np.testing.assert_allclose(image(panels(whole)[0]).get_array().filled(np.nan), phase)
    shown = image(panels(fringes)[0])
    np.testing.assert_allclose(np.exp(1j * shown.get_array().filled(np.nan)), np.exp(1j * phase), atol=1e-6)
    assert shown.get_clim() == (-np.pi, np.pi)
    assert shown.cmap.name == "twilight"


def test_multiples_of_large_images_read_every_nth_pixel(series, monkeypatch):
    monkeypatch.setattr(sys.modules[plot.multiples.__module__], "_MAX_SIDE", 20)
    shown = image(panels(plot.multiples(series, "displacement", layers=[4]))[0])
    np.testing.assert_allclose(shown.get_array().filled(np.nan), series.displacement[4, ::2, ::2] * 1000, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("velocity", {}, r"velocity: dimensions are \('y', 'x'\)"),
        ("nothing", {}, "'nothing' is not in the dataset"),
        ("displacement", {"layers": [12]}, r"layers: \[12\]; give numbers from 0 to 11"),
        ("displacement", {"layers": []}, r"layers: \[\]"),
        ("displacement", {"wrap": True}, "wrap: displacement is in 'm', not in 'radian'"),
    ],
)
def test_what_cannot_be_multiples(series, name, how, message):
    series["displacement"].attrs["units"] = "m"
    with pytest.raises(ArgumentError, match=message):
        plot.multiples(series, name, **how)


def test_phases_of_seasons_are_cyclic(series):
    series["annual_phase"] = xr.full_like(series.velocity, 3.0).assign_attrs(units="radian")
    assert image(plot.map(series, "annual_phase")).cmap.name == "twilight"


@pytest.mark.parametrize(("start", "end", "free"), [(0, 1, "upper left"), (1, 0, "upper right")])
@pytest.mark.parametrize("kind", ["line", "segments", "bars"])
def test_a_legend_leaves_the_drawn_points_free(start, end, free, kind):
    """Never by "best", whose search warns on a busy machine."""
    ax = new_axes(None, (5, 3))
    x, y = np.linspace(0, 1, 50), np.linspace(start, end, 50)
    if kind == "line":
        ax.plot(x, y, label="rise")
        ax.plot(x, np.zeros(50), "o")
    elif kind == "segments":
        ax.vlines(x, 0, y, label="rise")
    else:
        ax.bar(x, y, 0.02, label="rise")
    add_legend(ax)
    assert ax.get_legend().codes[free] == ax.get_legend()._loc


def test_no_plot_leaves_the_place_of_its_legend_to_a_search():
    calls = [line for path in Path(ia.plot.__file__).parent.glob("*.py") for line in path.read_text().splitlines()]
    assert not [line for line in calls if ".legend(" in line and "loc=" not in line and not line.endswith(".legend(")]
