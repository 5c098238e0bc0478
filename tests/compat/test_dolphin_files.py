"""dolphin's functions on files: its golden files, its own run on the same files, and each defect put right.

Deviations from its answers, by the defects that its study numbers, each with its test: D1 to D11, D16 to D18. Those of
the functions on arrays are in test_dolphin.py.
"""

import datetime as dt
import itertools
import os
import threading

import numpy as np
import pytest
import rasterio
import xarray as xr

import insarray.compat.dolphin.rasters as rasters_module
from insarray.__main__ import cli  # noqa: F401 (the group is added there)
from insarray.cli.process import run_command
from insarray.compat import dolphin
from insarray.compat.dolphin import ReferencePoint
from insarray.engine.store.zarr_store import Store
from insarray.model.errors import (
    ArgumentError,
    FileError,
    InsarrayError,
    NetworkError,
    ReferencePointError,
    StackError,
    StoreError,
)
from tests.compat.peers import arguments, own_options
from tests.io.stack_files import UTM, write_raster

WAVELENGTH = 0.05546576
SHAPE = (24, 30)
DATES = ["20220101", "20220113", "20220125", "20220206", "20220218"]
PAIRS = [(i, j) for i, j in itertools.combinations(range(len(DATES)), 2) if j - i <= 3]
TIED = (3, 4)


class Files:
    """Noise-free interferograms of a known series, with components and correlation; positive away from the satellite."""

    def __init__(self, folder, dates=DATES, pairs=PAIRS, fmt="{0}_{1}"):
        rng = np.random.default_rng(3)
        self.folder, self.dates, self.pairs = folder, dates, pairs
        steps = rng.normal(0, 2, (len(dates), *SHAPE))
        steps[0] = 0
        self.truth = np.cumsum(steps, axis=0).astype(np.float32)
        self.names = [fmt.format(dates[i], dates[j]) for i, j in pairs]
        self.phase = np.array([self.truth[j] - self.truth[i] for i, j in pairs])
        self.labels = np.ones(self.phase.shape, np.uint16)
        self.correlation = np.full(self.phase.shape, 0.8, np.float32)
        self.nodata = np.nan

    def write(self, **place):
        for k, name in enumerate(self.names):
            write_raster(self.folder / f"{name}.unw.tif", self.phase[k], nodata=self.nodata, **place)
            write_raster(self.folder / f"{name}.unw.conncomp.tif", self.labels[k], nodata=65535, **place)
            write_raster(self.folder / f"{name}.cor.tif", self.correlation[k])
        return self

    def paths(self, kind):
        return [self.folder / f"{name}.{kind}.tif" for name in self.names]

    unw = property(lambda self: self.paths("unw"))
    conncomp = property(lambda self: self.paths("unw.conncomp"))
    cor = property(lambda self: self.paths("cor"))

    def pair(self, i, j):
        return self.pairs.index((i, j))

    def series(self, reference, scale=-1.0):
        """What is to come out, dates but the first."""
        row, col = reference
        return scale * (self.truth[1:] - self.truth[1:, row, col][:, None, None])


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "in")


def read(paths):
    return np.array([read_one(path) for path in paths])


def read_one(path):
    with rasterio.open(path) as file:
        return file.read(1)


def tags(path):
    with rasterio.open(path) as file:
        return {**file.tags(), "units": file.units[0]}


# -- golden ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def golden_files(golden, tmp_path):
    """The golden case, its interferograms, components and quality as files."""
    case = np.load(golden / "dolphin_file_level.npz")
    labels = [str(date).replace("-", "") for date in case["dates"]]
    unw, conncomp = [], []
    for (i, j), phase, component in zip(case["pairs"], case["unw"], case["conncomp"], strict=True):
        name = f"{labels[i]}_{labels[j]}.unw"
        unw.append(write_raster(tmp_path / "unw" / f"{name}.tif", phase, nodata=np.nan))
        conncomp.append(write_raster(tmp_path / "unw" / f"{name}.conncomp.tif", component, nodata=65535))
    quality = write_raster(tmp_path / "quality.tif", case["quality"])
    return case, unw, conncomp, quality


@pytest.mark.parametrize("method", ["L1", "L2"])
def test_golden_inversion(golden_files, tmp_path, method):
    case, unw, _, _ = golden_files
    wavelength, reference = float(case["wavelength"]), tuple(case["reference_row_col"])
    series, residuals = dolphin.invert_unw_network(
        unw, reference, tmp_path / "out", wavelength=wavelength, method=method
    )
    assert [path.name for path in series] == list(case["ts_names"])
    assert [path.name for path in residuals] == [f"residuals_{name}" for name in case["ts_names"]]
    total = read_one(tmp_path / "out" / "unw_inversion_residuals.tif")
    known = np.isfinite(case[f"{method}_displacement_m_f32"]).all(axis=0)
    if method == "L2":
        np.testing.assert_allclose(read(series)[:, known], case["L2_displacement_m_f32"][:, known], atol=1e-6)
        np.testing.assert_allclose(read(residuals)[:, known], case["L2_residuals_per_date_f32"][:, known], atol=1e-4)
        np.testing.assert_allclose(total[known], case["L2_residual_sum_f32"][known], atol=1e-4)
    else:  # the optimum, which its twenty steps do not reach
        assert (total[known] <= case["L1_residual_sum_f32"][known] * (1 + 1e-5) + 1e-5).all()
        assert total[known].mean() > 0.9 * case["L1_residual_sum_f32"][known].mean()
    assert np.isnan(read(series)[:, 15:, 18:]).all()  # no interferogram has data there


def test_golden_reference_and_counts(golden_files, tmp_path):
    case, _, conncomp, quality = golden_files
    point = dolphin.select_reference_point(
        quality_file=quality, output_dir=tmp_path / "out", ccl_file_list=conncomp, candidate_threshold=0.95
    )
    assert point == tuple(case["reference_row_col"])
    assert (tmp_path / "out" / "reference_point.txt").read_text() == "{},{}".format(*point)
    intersection = read_one(tmp_path / "out" / "conncomp_intersection.tif")
    np.testing.assert_array_equal(intersection, case["conncomp_intersection"])
    counts = dolphin.create_nonzero_conncomp_counts(conncomp, tmp_path / "counts")
    np.testing.assert_array_equal(read(counts), case["nonzero_conncomp_counts"])
    assert [path.name for path in counts][:2] == ["20210305_valid_count.tif", "20210317_valid_count.tif"]


def test_golden_velocity(golden_files, tmp_path):
    case, *_ = golden_files
    paths = []
    for name, layer in zip(case["ts_names"], case["L2_displacement_m_f32"], strict=True):
        paths.append(write_raster(tmp_path / "series" / str(name), layer, nodata=np.nan, units="meters"))
    dolphin.create_velocity(paths, tmp_path / "velocity.tif", reference=(8, 10))
    np.testing.assert_allclose(read_one(tmp_path / "velocity.tif"), case["L2_velocity_f32"], atol=1e-6)
    assert tags(tmp_path / "velocity.tif")["units"] == "meters / year"


def test_golden_extra_reference_date(golden_files, tmp_path):
    case, unw, _, quality = golden_files
    series, _, point = dolphin.run(
        unw, None, tmp_path / "out", quality_file=quality, method="L2", wavelength=float(case["wavelength"]),
        reference_point=(8, 10), extra_reference_date=dt.datetime(2021, 4, 22),
    )  # fmt: skip
    assert [path.name for path in series] == list(case["rereferenced_names"])
    known = np.isfinite(case["rereferenced_L2_f32"])
    np.testing.assert_allclose(read(series)[known], case["rereferenced_L2_f32"][known], atol=1e-6)
    assert point == ReferencePoint(8, 10)


# -- beside dolphin ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def peer():
    return pytest.importorskip("dolphin.timeseries", reason="dolphin is not installed; its run cannot be compared")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("extra", [None, dt.datetime(2022, 1, 25)])
def test_run_beside_dolphin(peer, tmp_path, single, extra):
    pairs = [(0, k) for k in range(1, len(DATES))] if single else PAIRS
    given = Files(tmp_path / "in", pairs=pairs)
    given.phase += np.random.default_rng(1).normal(0, 0.3, given.phase.shape).astype(np.float32)
    given.write()
    quality = write_raster(tmp_path / "quality.tif", np.linspace(0.5, 1, 720, dtype=np.float32).reshape(SHAPE))
    options = {"method": "L2", "wavelength": WAVELENGTH, "run_velocity": True, "quality_file": quality}
    options["extra_reference_date"] = None if single else extra
    theirs = peer.run(given.unw, given.conncomp, tmp_path / "theirs", **{**options, "method": peer.InversionMethod.L2})
    ours = dolphin.run(given.unw, given.conncomp, tmp_path / "ours", **options)
    names = [
        sorted(p.name for p in (tmp_path / who).iterdir() if p.suffix in (".tif", ".txt")) for who in ("theirs", "ours")
    ]
    assert names[0] == names[1]
    assert ours[2] == tuple(theirs[2])
    assert [p.name for p in ours[0]] == [p.name for p in theirs[0]]
    np.testing.assert_allclose(read(ours[0]), read(theirs[0]), atol=1e-6)
    assert (ours[1] is None) == (theirs[1] is None) == single
    if ours[1] is not None:
        np.testing.assert_allclose(read(ours[1]), read(theirs[1]), atol=2e-4)
    if options["extra_reference_date"] is None:  # with it, its velocity is D5
        dolphin.create_velocity(theirs[0], tmp_path / "velocity.tif", reference=ours[2])
        velocities = [read_one(folder / "velocity.tif") for folder in (tmp_path, tmp_path / "theirs")]
        np.testing.assert_allclose(*velocities, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "run", "invert_unw_network", "create_velocity", "select_reference_point", "create_temporal_average",
        "create_nonzero_conncomp_counts",
    ],
)  # fmt: skip
def test_arguments_are_dolphins(peer, name):
    found, wanted = arguments(getattr(dolphin, name)), arguments(getattr(peer, name))
    assert [(n, getattr(d, "value", d)) for n, d in found] == [(n, getattr(d, "value", d)) for n, d in wanted]
    assert "overwrite" in own_options(getattr(dolphin, name))


# -- inversion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["L1", "l2", "L2"])
def test_noise_free_series_comes_back(files, tmp_path, method):
    files.write()
    series, residuals = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out", method=method)
    np.testing.assert_allclose(read(series), files.series((5, 6)), atol=2e-5)
    np.testing.assert_allclose(read(residuals), 0, atol=2e-4)
    said = tags(series[0])
    assert (said["units"], said["reference"], said["method"]) == ("radians", "5,6", method.upper())
    assert "positive toward the satellite" in said["sign"]
    assert "insarray" in said["source"]
    with rasterio.open(series[0]) as file:
        assert (file.dtypes[0], np.isnan(file.nodata), file.transform) == ("float32", True, UTM)
        assert file.profile["tiled"]
        assert file.compression is rasterio.enums.Compression.deflate


def test_wavelength_makes_metres(files, tmp_path):
    files.write()
    series, _ = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out", wavelength=WAVELENGTH)
    np.testing.assert_allclose(read(series), files.series((5, 6), -WAVELENGTH / (4 * np.pi)), atol=1e-6)
    assert (tags(series[0])["units"], tags(series[0])["wavelength"]) == ("meters", str(WAVELENGTH))


def test_radar_coordinates(files, tmp_path):
    files.write(crs=None)
    series, _, _ = dolphin.run(files.unw, files.conncomp, tmp_path / "out", reference_point=(5, 6))
    np.testing.assert_allclose(read(series), files.series((5, 6)), atol=2e-5)
    with rasterio.open(series[0]) as file:
        assert file.crs is None


def test_an_unknown_method_is_refused(files, tmp_path):
    files.write()
    with pytest.raises(ArgumentError, match="method: 'L3'"):
        dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out", method="L3")


@pytest.mark.parametrize("method", ["L1", "L2"])
def test_d1_component_0_is_a_missing_pair(files, tmp_path, method):
    wrong = files.pair(1, 2)
    files.phase[wrong, 10:14, 10:14] += 6 * np.pi
    files.labels[wrong, 10:14, 10:14] = 0
    files.write()
    series, residuals = dolphin.invert_unw_network(
        files.unw, (5, 6), tmp_path / "out", conncomp_file_list=files.conncomp, method=method
    )
    np.testing.assert_allclose(read(series), files.series((5, 6)), atol=2e-5)
    np.testing.assert_allclose(read(residuals), 0, atol=2e-4)
    without, _ = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "without", method="L2")
    assert np.abs(read(without)[:, 12, 12] - files.series((5, 6))[:, 12, 12]).max() > 1


def test_d1_components_must_be_of_all_pairs(files, tmp_path):
    files.write()
    with pytest.raises(StackError, match="no file for 1 of"):
        dolphin.run(files.unw, files.conncomp[1:], tmp_path / "out", reference_point=(5, 6))


@pytest.mark.parametrize("method", ["L1", "L2"])
def test_d2_correlation_weights_bad_pairs_least(files, tmp_path, method):
    rng = np.random.default_rng(1)
    files.phase += rng.normal(0, 0.05, files.phase.shape).astype(np.float32)
    wrong = files.pair(0, 2)
    files.phase[wrong] += np.float32(2.0)
    files.phase[wrong, 5, 6] -= np.float32(2.0)
    files.correlation[wrong] = 0.1
    files.write()

    def error(folder, **options):
        series, _ = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / folder, method=method, **options)
        return np.sqrt(np.mean((read(series) - files.series((5, 6))) ** 2))

    plain = error("plain")
    weighted = error("weighted", cor_file_list=files.cor, n_cor_looks=10)
    assert weighted < (0.5 * plain if method == "L2" else 1.05 * plain)


def test_looks_decide_on_the_weights_of_the_residuals(files, tmp_path):
    files.phase += np.random.default_rng(1).normal(0, 0.3, files.phase.shape).astype(np.float32)
    files.write()
    totals = []
    for looks in (1, 5):
        dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / f"{looks}", cor_file_list=files.cor, n_cor_looks=looks)
        totals.append(read_one(tmp_path / f"{looks}" / "unw_inversion_residuals.tif"))
    np.testing.assert_allclose(totals[1], 5 * totals[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["L1", "L2"])
def test_d3_a_missing_interferogram_does_not_lose_the_pixel(files, tmp_path, method):
    files.phase[files.pair(0, 1), 3, 3] = np.nan
    for i, j in PAIRS:
        if TIED[1] in (i, j):
            files.phase[files.pair(i, j), 4, 4] = np.nan  # the last date has no pair at all
    files.write()
    series, residuals = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out", method=method)
    found, wanted = read(series), files.series((5, 6))
    np.testing.assert_allclose(found[:, 3, 3], wanted[:, 3, 3], atol=2e-5)
    np.testing.assert_allclose(found[:-1, 4, 4], wanted[:-1, 4, 4], atol=2e-5)
    assert np.isnan(found[-1, 4, 4])
    assert np.isnan(read(residuals)[-1, 4, 4])
    assert np.isnan(found).sum() == 1


@pytest.mark.parametrize("nodata", [np.nan, 0.0, -9999.0])
def test_d4_a_reference_without_data_is_an_error_that_names_the_file(files, tmp_path, nodata):
    files.nodata = nodata
    files.phase[files.pair(1, 3), 5, 6] = nodata
    files.write()
    with pytest.raises(ReferencePointError, match=r"row 5, column 6.*1 of 9.*20220113_20220206\.unw\.tif.*nearest"):
        dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out")


def test_d4_a_reference_of_component_0_is_an_error(files, tmp_path):
    files.labels[files.pair(1, 3), 5, 6] = 0
    files.write()
    with pytest.raises(ReferencePointError, match=r"20220113_20220206\.unw\.tif"):
        dolphin.run(files.unw, files.conncomp, tmp_path / "out", reference_point=(5, 6))


def test_a_reference_outside_is_an_error(files, tmp_path):
    files.write()
    with pytest.raises(ArgumentError, match="row 99, column 6 lies outside 24 x 30"):
        dolphin.invert_unw_network(files.unw, (99, 6), tmp_path / "out")


def test_d6_order_and_folders_do_not_matter(files, tmp_path):
    files.write()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    unw = files.unw
    for k in (0, 3):
        unw[k] = unw[k].rename(elsewhere / unw[k].name)
    order = np.random.default_rng(0).permutation(len(unw))
    series, _ = dolphin.invert_unw_network(
        [unw[k] for k in order], (5, 6), tmp_path / "out", conncomp_file_list=files.conncomp[::-1]
    )
    np.testing.assert_allclose(read(series), files.series((5, 6)), atol=2e-5)


def test_pairs_that_are_given_count_instead_of_names(files, tmp_path):
    files.names = [f"scene{k}" for k in range(len(PAIRS))]
    files.write()
    pairs = [(dt.date(2022, 1, 1 + 3 * i), dt.datetime(2022, 1, 1 + 3 * j)) for i, j in PAIRS]
    series, _ = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out", ifg_date_pairs=pairs)
    assert series[-1].name == "20220101_20220113.tif"
    np.testing.assert_allclose(read(series), files.series((5, 6)), atol=2e-5)
    with pytest.raises(ArgumentError, match="8 pairs for 9 files"):
        dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "two", ifg_date_pairs=pairs[1:])
    with pytest.raises(ArgumentError, match="0 dates like %Y%m%d in its name"):
        dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "three")


def test_d7_a_product_date_in_the_name_is_no_acquisition(tmp_path):
    given = Files(tmp_path / "in", fmt="made20230101_x_{0}_{1}").write()
    series, _ = dolphin.invert_unw_network(given.unw, (5, 6), tmp_path / "out")
    assert [path.name for path in series] == [f"20220101_{date}.tif" for date in DATES[1:]]
    np.testing.assert_allclose(read(series), given.series((5, 6)), atol=2e-5)


def test_d7_dates_that_cannot_be_told_apart_are_an_error(tmp_path):
    given = Files(tmp_path / "in", fmt="20230101_{0}_{1}").write()
    with pytest.raises(ArgumentError, match="has 3 dates in its name"):
        dolphin.invert_unw_network(given.unw, (5, 6), tmp_path / "out")


def test_d7_acquisitions_of_one_day_do_not_collide(tmp_path):
    dates = ["20220101T060000", "20220101T180000", "20220113T060000", "20220113T180000", "20220125T060000"]
    given = Files(tmp_path / "in", dates=dates).write()
    fmt = "%Y%m%dT%H%M%S"
    series, _ = dolphin.invert_unw_network(given.unw, (5, 6), tmp_path / "out", file_date_fmt=fmt)
    assert [path.name for path in series] == [f"{dates[0]}_{date}.tif" for date in dates[1:]]
    np.testing.assert_allclose(read(series), given.series((5, 6)), atol=2e-5)
    with pytest.raises(StackError, match="both"):  # by day two files are of one pair, or a pair of one day
        dolphin.invert_unw_network(given.unw, (5, 6), tmp_path / "days")


@pytest.mark.parametrize(
    ("fmt", "write"), [("%Y-%m-%d", "%Y-%m-%d"), ("%d%b%Y", "%d%b%Y"), ("%y%m%d", "%y%m%d"), ("%Y%j", "%Y%j")]
)
def test_date_formats(tmp_path, fmt, write):
    given = Files(tmp_path / "in")
    labels = [dt.datetime.strptime(date, "%Y%m%d").strftime(write) for date in DATES]
    given.names = [f"{labels[i]}_{labels[j]}" for i, j in PAIRS]
    given.write()
    series, _ = dolphin.invert_unw_network(given.unw, (5, 6), tmp_path / "out", file_date_fmt=fmt)
    assert [path.name for path in series] == [f"20220101_{date}.tif" for date in DATES[1:]]


@pytest.mark.parametrize("fmt", ["dates", "%Y%Q"])
def test_a_date_format_that_cannot_be_looked_for(files, tmp_path, fmt):
    files.write()
    with pytest.raises(ArgumentError, match="file_date_fmt"):
        dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out", file_date_fmt=fmt)


def test_a_disconnected_network_is_an_error(tmp_path):
    given = Files(tmp_path / "in", pairs=[(0, 1), (2, 3), (3, 4)]).write()
    with pytest.raises(NetworkError):
        dolphin.invert_unw_network(given.unw, (5, 6), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_pixels_have_no_data(files, tmp_path):
    files.write()
    bad = np.zeros(SHAPE, bool)
    bad[2:4] = True
    series, residuals = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out", bad_pixel_mask=bad)
    for found in (read(series), read(residuals)):
        assert (np.isnan(found) == bad).all()
    with pytest.raises(ArgumentError, match="bad_pixel_mask: shape"):
        dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "two", bad_pixel_mask=bad[1:])


def test_correlation_below_the_threshold_is_missing(files, tmp_path):
    wrong = files.pair(0, 3)
    files.phase[wrong, 10:] += 9
    files.correlation[wrong, 10:] = 0.2
    files.write()
    series, _ = dolphin.invert_unw_network(
        files.unw, (5, 6), tmp_path / "out", cor_file_list=files.cor, cor_threshold=0.3
    )
    np.testing.assert_allclose(read(series), files.series((5, 6)), atol=2e-5)


@pytest.mark.parametrize("option", [{"block_shape": (16, 16)}, {"block_shape": (8, 100), "num_threads": 1}])
def test_blocks_and_threads_do_not_change_the_numbers(files, tmp_path, monkeypatch, option):
    files.phase += np.random.default_rng(1).normal(0, 0.3, files.phase.shape).astype(np.float32)
    files.write()
    whole, _ = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "whole")
    seen = []

    def watched(dataset, url, **options):
        seen.append((max(dataset.chunksizes["y"]), max(dataset.chunksizes["x"]), options["workers"]))
        return original(dataset, url, **options)

    original = rasters_module.run
    monkeypatch.setattr(rasters_module, "run", watched)
    parts, _ = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "parts", **option)
    edge = min(option["block_shape"])
    assert seen == [(edge, edge, option.get("num_threads", 4))]
    np.testing.assert_array_equal(read(parts), read(whole))


@pytest.mark.parametrize(
    ("budget", "number", "largest"),
    [(1, 20, (16, 16)), (3 * 4 * 16 * 32, 12, (16, 32)), (3 * 4 * 40 * 70, 2, (32, 70)), (1e9, 1, (50, 70))],
)
def test_windows_are_whole_chunks_within_the_budget(monkeypatch, budget, number, largest):
    monkeypatch.setattr(rasters_module, "_WINDOW_BYTES", budget)
    layers = xr.DataArray(np.zeros((3, 50, 70), np.float32), dims=("time", "y", "x")).chunk(y=16, x=16)
    times = np.zeros(layers.shape[1:], int)
    windows = rasters_module._windows(layers)
    for rows, cols in windows:
        assert rows[0] % 16 == cols[0] % 16 == 0
        times[slice(*rows), slice(*cols)] += 1
    assert (times == 1).all()
    assert len(windows) == number
    assert max((rows[1] - rows[0], cols[1] - cols[0]) for rows, cols in windows) == largest


@pytest.mark.parametrize("budget", [1, 8000])
def test_windows_do_not_change_the_files(files, tmp_path, monkeypatch, budget):
    files.write()
    whole, _ = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "whole", block_shape=(8, 8))
    monkeypatch.setattr(rasters_module, "_WINDOW_BYTES", budget)
    parts, _ = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "parts", block_shape=(8, 8))
    np.testing.assert_array_equal(read(parts), read(whole))


def test_impossible_blocks_are_refused(files, tmp_path):
    files.write()
    with pytest.raises(ArgumentError, match="not positive"):
        dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out", block_shape=(0, 16))


def test_progress_is_told(files, tmp_path):
    files.write()
    told = []
    dolphin.invert_unw_network(
        files.unw, (5, 6), tmp_path / "out", block_shape=(16, 16), progress=lambda *numbers: told.append(numbers)
    )
    assert told[-1] == (4, 4)


# -- what is there already ---------------------------------------------------------------------------------------------


def state(folder):
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.iterdir())}


def test_the_same_job_is_not_done_again(files, tmp_path):
    files.write()
    first = dolphin.run(files.unw, files.conncomp, tmp_path / "out", reference_point=(5, 6), run_velocity=True)
    before = state(tmp_path / "out")
    assert dolphin.run(files.unw, files.conncomp, tmp_path / "out", reference_point=(5, 6), run_velocity=True) == first
    assert state(tmp_path / "out") == before
    assert not [name for name in before if name.startswith(".")]  # the work is gone


def test_what_is_missing_is_made_and_nothing_else(files, tmp_path):
    files.write()
    series, _, _ = dolphin.run(files.unw, None, tmp_path / "out", reference_point=(5, 6))
    before, content = state(tmp_path / "out"), read_one(series[1])
    series[1].unlink()
    dolphin.run(files.unw, None, tmp_path / "out", reference_point=(5, 6), run_velocity=True)
    after = state(tmp_path / "out")
    assert {name for name in after if after[name] != before.get(name)} == {series[1].name, "velocity.tif"}
    np.testing.assert_array_equal(read_one(series[1]), content)


def test_d8_a_run_that_broke_off_goes_on(files, tmp_path, monkeypatch):
    files.write()
    out, fail = tmp_path / "out", itertools.count()

    def broken(*arguments):
        if next(fail) >= 2:
            raise OSError(28, "No space left on device")
        return original(*arguments)

    import insarray.engine.run.workers as workers

    original = workers.write_block
    monkeypatch.setattr(workers, "write_block", broken)
    options = {"block_shape": (16, 16), "num_threads": 1}
    with pytest.raises(StoreError, match="No space left"):
        dolphin.invert_unw_network(files.unw, (5, 6), out, **options)
    assert not list(out.glob("*.tif"))
    (work,) = out.glob(".insarray-*")
    assert len(Store(str(work)).done()) == 2
    assert "lz4" in (work / "displacement/zarr.json").read_text()  # it goes soon
    monkeypatch.setattr(workers, "write_block", original)
    told = []
    series, _ = dolphin.invert_unw_network(
        files.unw, (5, 6), out, **options, progress=lambda *numbers: told.append(numbers)
    )
    assert told[0] == (2, 4)
    np.testing.assert_allclose(read(series), files.series((5, 6)), atol=2e-5)
    assert not list(out.glob(".insarray-*"))


@pytest.mark.parametrize("half", ["truncated", "foreign"])
def test_d8_a_half_written_file_is_an_error(files, tmp_path, half):
    files.write()
    series, _ = dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out")
    content = read_one(series[2])
    if half == "truncated":
        series[2].write_bytes(series[2].read_bytes()[:700])
    else:
        write_raster(series[2], np.zeros(SHAPE, np.float32))
    with pytest.raises(StoreError, match=f"{series[2].name}.*overwrite=True"):
        dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out")
    dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out", overwrite=True)
    np.testing.assert_array_equal(read_one(series[2]), content)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"method": "L1"}, "method was 'L2' and is now 'L1'"),
        ({"wavelength": WAVELENGTH}, "wavelength was 'None' and is now '0.05546576'"),
        ({"reference": (7, 7)}, "reference was"),
        ({"bad_pixel_mask": np.eye(*SHAPE, dtype=bool)}, "mask was 'None'"),
        ({"unw_file_list": 1}, "other or changed input files|pairs was"),
    ],
)
def test_d9_files_of_another_job_are_not_taken(files, tmp_path, changed, said):
    files.write()
    job = {"unw_file_list": files.unw, "reference": (5, 6), "output_dir": tmp_path / "out"}
    dolphin.invert_unw_network(**job)
    before = state(tmp_path / "out")
    if "unw_file_list" in changed:
        changed = {"unw_file_list": files.unw[1:]}
    with pytest.raises(StoreError, match=said):
        dolphin.invert_unw_network(**{**job, **changed})
    assert state(tmp_path / "out") == before
    series, _ = dolphin.invert_unw_network(**{**job, **changed}, overwrite=True)
    fresh, _ = dolphin.invert_unw_network(**{**job, **changed, "output_dir": tmp_path / "fresh"})
    np.testing.assert_array_equal(read(series), read(fresh))


def test_d9_changed_inputs_are_another_job(files, tmp_path):
    files.write()
    dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out")
    os.utime(files.unw[0], ns=(1, 1))
    with pytest.raises(StoreError, match="other or changed input files"):
        dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out")


def test_d10_write_errors_are_raised(files, tmp_path, monkeypatch):
    files.write()
    monkeypatch.setattr(threading, "excepthook", lambda _: pytest.fail("an error was lost in a thread"))
    out = tmp_path / "out"

    def full(*arguments, **options):
        raise rasterio.errors.RasterioIOError("Write failed")

    monkeypatch.setattr(rasters_module, "_create", full)
    with pytest.raises(StoreError, match=r"cannot be written.*Write failed"):
        dolphin.invert_unw_network(files.unw, (5, 6), out)
    assert not [path for path in out.iterdir() if path.suffix == ".tif" or not path.name.startswith(".insarray")]


def test_d10_a_file_that_was_cut_off_in_silence_is_noticed(files, tmp_path, monkeypatch):
    files.write()

    def cut(path, edge):
        path.write_bytes(path.read_bytes()[:500])
        original(path, edge)

    original = rasters_module._finish
    monkeypatch.setattr(rasters_module, "_finish", cut)
    with pytest.raises(StoreError, match="cannot be written"):
        dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "out")


# -- velocity --------------------------------------------------------------------------------------------------------


def write_series(folder, series, dates=DATES[1:], first=DATES[0], units="meters"):
    return [
        write_raster(folder / f"{first}_{date}.tif", layer.astype(np.float32), nodata=np.nan, units=units)
        for date, layer in zip(dates, series, strict=True)
    ]


@pytest.fixture
def line(tmp_path):
    """Files of a series of 12 days that rises by a unit per day times the column; the rate per year."""
    days = np.array([12, 24, 36, 48.0])
    columns = np.broadcast_to(np.arange(SHAPE[1], dtype=float), SHAPE)
    return write_series(tmp_path / "line", days[:, None, None] * columns), columns * 365.25


def test_velocity_of_a_line(line, tmp_path):
    paths, rate = line
    dolphin.create_velocity(paths[::-1], tmp_path / "v.tif")
    np.testing.assert_allclose(read_one(tmp_path / "v.tif"), rate, rtol=1e-5, atol=1e-3)
    said = tags(tmp_path / "v.tif")
    assert (said["units"], said["start_datetime"], said["end_datetime"]) == ("meters / year", "20220113", "20220218")
    with rasterio.open(tmp_path / "v.tif") as file:
        assert file.overviews(1)
    dolphin.create_velocity(paths, tmp_path / "w.tif", add_overviews=False)
    with rasterio.open(tmp_path / "w.tif") as file:
        assert not file.overviews(1)


def test_velocity_against_a_reference(line, tmp_path):
    paths, rate = line
    dolphin.create_velocity(paths, tmp_path / "v.tif", reference=(3, 9))
    np.testing.assert_allclose(read_one(tmp_path / "v.tif"), rate - rate[3, 9], rtol=1e-5, atol=1e-2)


def test_velocity_of_given_dates(line, tmp_path):
    paths, rate = line
    dates = [dt.date(2022, 1, 1 + 6 * k) for k in range(4)]  # half the time: twice as fast
    dolphin.create_velocity(paths, tmp_path / "v.tif", date_list=dates)
    np.testing.assert_allclose(read_one(tmp_path / "v.tif"), 2 * rate, rtol=1e-5, atol=1e-2)
    with pytest.raises(ArgumentError, match="3 dates for 4 files"):
        dolphin.create_velocity(paths, tmp_path / "w.tif", date_list=dates[1:])
    with pytest.raises(ArgumentError, match="2 files of 20220101"):
        dolphin.create_velocity(paths, tmp_path / "w.tif", date_list=[dates[0], *dates[:3]])


def test_d11_masked_pixels_have_no_velocity(line, tmp_path):
    paths, rate = line
    bad = np.zeros(SHAPE, bool)
    bad[:, :4] = True
    dolphin.create_velocity(paths, tmp_path / "v.tif", bad_pixel_mask=bad)
    found = read_one(tmp_path / "v.tif")
    assert np.isnan(found[bad]).all()
    np.testing.assert_allclose(found[~bad], rate[~bad], rtol=1e-5)


@pytest.mark.parametrize("nodata", [np.nan, -9999.0, 0.0])
def test_d11_a_missing_date_is_left_out(tmp_path, nodata):
    series = np.ones((4, *SHAPE)) * np.array([1, 2, 3, 4.0])[:, None, None]
    series[1, 2, 2] = nodata
    series[:3, 5, 5] = nodata
    paths = [
        write_raster(tmp_path / f"{date}.tif", layer.astype(np.float32), nodata=nodata)
        for date, layer in zip(DATES[1:], series, strict=True)
    ]
    dolphin.create_velocity(paths, tmp_path / "v.tif")
    found = read_one(tmp_path / "v.tif")
    assert np.isnan(found[5, 5])
    found[5, 5] = 365.25 / 12
    np.testing.assert_allclose(found, 365.25 / 12, rtol=1e-5)


def test_velocity_of_a_series_of_dolphin(tmp_path):
    """Relative to its reference, where it is 0 in all files, and 0 means no-data."""
    series = np.ones((4, *SHAPE)) * np.array([1, 2, 3, 4.0])[:, None, None]
    series[:, 5, 6] = 0
    paths = [
        write_raster(tmp_path / f"{date}.tif", layer.astype(np.float32), nodata=0.0)
        for date, layer in zip(DATES[1:], series, strict=True)
    ]
    dolphin.create_velocity(paths, tmp_path / "v.tif", reference=(5, 6))
    found = read_one(tmp_path / "v.tif")
    assert np.isnan(found[5, 6])
    found[5, 6] = 365.25 / 12
    np.testing.assert_allclose(found, 365.25 / 12, rtol=1e-5)
    series[1, 5, 6] = 0.5  # a reference without data in some files only
    write_raster(paths[1], series[1].astype(np.float32), nodata=0.0)
    with pytest.raises(dolphin.ReferencePointError, match="no data in 3 of 4 dates"):
        dolphin.create_velocity(paths, tmp_path / "w.tif", reference=(5, 6))


@pytest.mark.parametrize("average", [np.nanmean, np.nanmax])
def test_an_average_of_nothing_is_no_data(tmp_path, average):
    """Zeros that are no-data count as dolphin counts them, but a pixel that has nothing else in any file is no zero."""
    samples = np.full((3, *SHAPE), 0.6, np.float32)
    samples[:, :2] = 0
    samples[0, 4] = 0
    paths = [write_raster(tmp_path / f"{k}.tif", layer, nodata=0.0) for k, layer in enumerate(samples)]
    dolphin.create_temporal_average(paths, tmp_path / "a.tif", average_func=average)
    found, expected = read_one(tmp_path / "a.tif"), average(samples, 0)
    expected[:2] = np.nan
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_names_that_dolphins_own_workflows_import(tmp_path):
    """`InversionMethod` and `_read_reference_point` of dolphin.timeseries 0.42.9."""
    assert dolphin.InversionMethod("L1") is dolphin.InversionMethod.L1
    assert issubclass(dolphin.ReferencePointError, ValueError)
    (tmp_path / "reference_point.txt").write_text("12,7")
    assert dolphin._read_reference_point(tmp_path / "reference_point.txt") == ReferencePoint(12, 7)
    (tmp_path / "reference_point.txt").write_text("12")
    with pytest.raises(dolphin.ReferencePointError, match="is not 'row,column'"):
        dolphin._read_reference_point(tmp_path / "reference_point.txt")


def test_velocity_weighted_by_correlation(line, tmp_path):
    paths, rate = line
    wrong = read_one(paths[2]) + np.float32(1e4)
    write_raster(paths[2], wrong, nodata=np.nan, units="meters")
    cor = [
        write_raster(tmp_path / "cor" / path.name, np.full(SHAPE, value, np.float32))
        for path, value in zip(paths, (0.9, 0.9, 0.1, 0.9), strict=True)
    ]
    dolphin.create_velocity(paths, tmp_path / "v.tif", cor_file_list=cor[::-1])
    np.testing.assert_allclose(read_one(tmp_path / "v.tif"), rate, rtol=1e-4, atol=1e-2)
    dolphin.create_velocity(paths, tmp_path / "low.tif", cor_file_list=cor, cor_threshold=0.05)
    weighted = dolphin.estimate_velocity([12, 24, 36, 48], read(paths), read(cor))
    np.testing.assert_allclose(read_one(tmp_path / "low.tif"), weighted, rtol=1e-4)
    assert np.abs(weighted - rate).max() > 1
    with pytest.raises(ArgumentError, match="3 files for 4"):
        dolphin.create_velocity(paths, tmp_path / "w.tif", cor_file_list=cor[1:])


def test_velocity_of_names_in_another_format(tmp_path):
    paths = [write_raster(tmp_path / f"{day:02d}Jan2022.tif", np.full(SHAPE, day, np.float32)) for day in (1, 2, 4, 8)]
    dolphin.create_velocity(paths, tmp_path / "v.tif", file_date_fmt="%d%b%Y")
    np.testing.assert_allclose(read_one(tmp_path / "v.tif"), 365.25, rtol=1e-5)
    with pytest.raises(ArgumentError, match="has no date like %Y%m%d"):
        dolphin.create_velocity(paths, tmp_path / "w.tif")


def test_d5_velocity_of_files_that_change_their_first_date(tmp_path):
    first = write_series(tmp_path / "s", np.array([12, 24.0])[:, None, None] * np.ones(SHAPE), DATES[1:3])
    later = write_series(tmp_path / "s", np.array([12, 24.0])[:, None, None] * np.ones(SHAPE), DATES[3:], DATES[2])
    dolphin.create_velocity([*later, *first], tmp_path / "v.tif")
    np.testing.assert_allclose(read_one(tmp_path / "v.tif"), 365.25, rtol=1e-5)
    with pytest.raises(ArgumentError, match="no file to tie it to"):
        dolphin.create_velocity([first[0], *later], tmp_path / "w.tif")


@pytest.mark.parametrize("single", [False, True])
def test_d5_velocity_of_a_run_with_an_extra_reference_date(tmp_path, single):
    given = Files(tmp_path / "in", pairs=[(0, k) for k in range(1, 5)] if single else PAIRS)
    given.write()
    plain = dolphin.run(given.unw, None, tmp_path / "plain", method="L2", reference_point=(5, 6), run_velocity=True)
    cut = dolphin.run(
        given.unw, None, tmp_path / "cut", method="L2", reference_point=(5, 6), run_velocity=True,
        extra_reference_date=dt.datetime(2022, 1, 25),
    )  # fmt: skip
    velocities = [read_one(tmp_path / folder / "velocity.tif") for folder in ("plain", "cut")]
    np.testing.assert_array_equal(*velocities)
    whole = np.concatenate([np.zeros((1, *SHAPE)), files_series := given.series((5, 6))])
    expected = dolphin.estimate_velocity(np.arange(5) * 12.0, whole, None)  # with the zero of the first date
    np.testing.assert_allclose(velocities[0], expected, atol=1e-2)
    assert [path.name for path in cut[0]][2:] == ["20220125_20220206.tif", "20220125_20220218.tif"]
    np.testing.assert_allclose(read(cut[0])[2:], files_series[2:] - files_series[1], atol=4e-5)
    assert plain[1] is None if single else len(plain[1]) == 4


def test_d17_masked_pixels_stay_without_data_behind_the_extra_date(files, tmp_path):
    files.phase[:, 7] = np.nan
    for i, j in PAIRS:
        if 2 in (i, j):
            files.phase[files.pair(i, j), 9, 9] = np.nan  # the extra date itself has no data
    files.write()
    series, _, _ = dolphin.run(
        files.unw, None, tmp_path / "out", reference_point=(5, 6), extra_reference_date=dt.datetime(2022, 1, 25)
    )
    assert np.isnan(read(series)[:, 7]).all()
    assert np.isnan(read(series)[1:, 9, 9]).all()
    assert np.isfinite(read(series)[0, 9, 9])
    with pytest.raises(ArgumentError, match="20220126 is not among"):
        dolphin.run(
            files.unw, None, tmp_path / "two", reference_point=(5, 6), extra_reference_date=dt.datetime(2022, 1, 26)
        )


# -- reference point ---------------------------------------------------------------------------------------------------


def write_quality(tmp_path, quality, **options):
    return write_raster(tmp_path / "quality.tif", quality.astype(np.float32), **options)


def write_labels(tmp_path, *layers):
    return [write_raster(tmp_path / f"labels{k}.tif", layer.astype(np.uint16)) for k, layer in enumerate(layers)]


def test_reference_is_in_the_middle_of_the_best_region(tmp_path):
    quality = np.full(SHAPE, 0.5)
    quality[2:7, 2:9] = 0.97
    quality[20, 20] = 1.0
    path = write_quality(tmp_path, quality)
    assert dolphin.select_reference_point(quality_file=path, output_dir=tmp_path / "out") == (4, 5)
    assert not (tmp_path / "out" / "conncomp_intersection.tif").exists()
    low = dolphin.select_reference_point(quality_file=path, output_dir=tmp_path / "low", candidate_threshold=0.98)
    assert low == (20, 20)


def test_the_threshold_itself_is_not_enough(tmp_path):
    quality = np.full(SHAPE, 0.5)
    quality[3, 3] = 0.75
    path = write_quality(tmp_path, quality)
    point = dolphin.select_reference_point(quality_file=path, output_dir=tmp_path / "a", candidate_threshold=0.5)
    assert point == (3, 3)


def test_d16_without_a_candidate_the_components_still_count(tmp_path):
    quality = np.tile(np.linspace(0.9, 0.1, SHAPE[0])[:, None], SHAPE[1])
    one, two = np.ones((2, *SHAPE))
    one[:6], two[:, :4] = 0, 0
    point = dolphin.select_reference_point(
        quality_file=write_quality(tmp_path, quality),
        output_dir=tmp_path,
        ccl_file_list=write_labels(tmp_path, one, two),
    )
    assert point == (6, 4)
    assert (read_one(tmp_path / "conncomp_intersection.tif") == (one * two)).all()


@pytest.mark.parametrize("nodata", [np.nan, 255.0])
def test_d16_pixels_without_quality_are_never_chosen(tmp_path, nodata):
    quality = np.full(SHAPE, 0.2)
    quality[10:20, 10:20] = nodata
    quality[3, 4] = 0.6
    for threshold in (0.95, 0.5):
        point = dolphin.select_reference_point(
            quality_file=write_quality(tmp_path, quality, nodata=255.0),
            output_dir=tmp_path / f"{threshold}",
            candidate_threshold=threshold,
        )
        assert point == (3, 4)


def test_d16_masked_pixels_are_never_the_reference(files, tmp_path):
    files.write()
    quality = np.full(SHAPE, 0.5)
    quality[2:9, 2:9] = 0.99
    quality[18, 18] = 0.98
    mask = np.ones(SHAPE, np.uint8)
    mask[:12] = 0
    write_raster(tmp_path / "mask.tif", mask)
    series, _, point = dolphin.run(
        files.unw, files.conncomp, tmp_path / "out", quality_file=write_quality(tmp_path, quality),
        mask_path=tmp_path / "mask.tif", run_velocity=True,
    )  # fmt: skip
    assert point == ReferencePoint(18, 18)
    for path in (*series, tmp_path / "out" / "velocity.tif", tmp_path / "out" / "unw_inversion_residuals.tif"):
        assert (np.isnan(read_one(path)) == (mask == 0)).all()


def test_a_reference_that_nothing_allows(tmp_path):
    quality, labels = write_quality(tmp_path, np.ones(SHAPE)), write_labels(tmp_path, np.zeros(SHAPE))
    with pytest.raises(ReferencePointError, match="no pixel has quality"):
        dolphin.select_reference_point(quality_file=quality, output_dir=tmp_path, ccl_file_list=labels)


def test_d9_a_reference_of_before_is_not_silently_taken(tmp_path):
    quality = np.full(SHAPE, 0.5)
    quality[3, 3] = 0.99
    path = write_quality(tmp_path, quality)
    assert dolphin.select_reference_point(quality_file=path, output_dir=tmp_path) == (3, 3)
    quality[3, 3], quality[8, 8] = 0.1, 0.99
    write_quality(tmp_path, quality)
    with pytest.raises(StoreError, match=r"reference_point.txt: says 3,3, and these files and options give 8,8"):
        dolphin.select_reference_point(quality_file=path, output_dir=tmp_path)
    assert dolphin.select_reference_point(quality_file=path, output_dir=tmp_path, overwrite=True) == (8, 8)
    assert (tmp_path / "reference_point.txt").read_text() == "8,8"


def test_quality_on_another_grid_is_refused(tmp_path):
    quality = write_raster(tmp_path / "q.tif", np.ones((5, 5), np.float32))
    with pytest.raises(StackError, match="pixels instead of"):
        dolphin.select_reference_point(
            quality_file=quality, output_dir=tmp_path, ccl_file_list=write_labels(tmp_path, np.ones(SHAPE))
        )


def test_a_reference_needs_a_quality(files, tmp_path):
    files.write()
    with pytest.raises(ArgumentError, match="quality_file: is needed"):
        dolphin.run(files.unw, files.conncomp, tmp_path / "out")


# -- run -------------------------------------------------------------------------------------------------------------


def test_d18_the_correlation_threshold_of_a_run_works(files, tmp_path):
    wrong = files.pair(0, 3)
    files.phase[wrong, 10:] += 9
    files.correlation[wrong, 10:] = 0.2
    files.write()
    options = {"method": "L2", "reference_point": (5, 6), "corr_paths": files.cor}
    series, _, _ = dolphin.run(files.unw, None, tmp_path / "out", correlation_threshold=0.3, **options)
    np.testing.assert_allclose(read(series), files.series((5, 6)), atol=2e-5)
    without, _, _ = dolphin.run(files.unw, None, tmp_path / "without", **options)
    assert np.abs(read(without) - files.series((5, 6))).max() > 1
    with pytest.raises(ArgumentError, match="correlation_threshold: needs"):
        dolphin.run(files.unw, None, tmp_path / "three", reference_point=(5, 6), correlation_threshold=0.3)


def test_d18_method_in_lower_case_is_weighted_too(files, tmp_path):
    files.phase += np.random.default_rng(1).normal(0, 0.3, files.phase.shape).astype(np.float32)
    files.correlation[:] = np.random.default_rng(2).uniform(0.1, 0.9, files.correlation.shape)
    files.write()
    found = [
        read(dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / m, cor_file_list=files.cor, method=m)[0])
        for m in ("L2", "l2")
    ]
    np.testing.assert_array_equal(*found)
    plain = read(dolphin.invert_unw_network(files.unw, (5, 6), tmp_path / "plain")[0])
    assert np.abs(plain - found[0]).max() > 0.05


def test_weighted_velocity_of_a_run(tmp_path):
    given = Files(tmp_path / "in", pairs=[(0, k) for k in range(1, 5)])
    given.correlation[:] = np.array([0.9, 0.2, 0.7, 0.4])[:, None, None]
    given.write()
    options = {"method": "L2", "reference_point": (5, 6), "run_velocity": True, "weight_velocity_by_corr": True}
    dolphin.run(given.unw, None, tmp_path / "out", corr_paths=given.cor[::-1], **options)
    whole = np.concatenate([np.zeros((1, *SHAPE)), given.series((5, 6))])
    weights = np.concatenate([np.ones((1, *SHAPE)), given.correlation])
    expected = dolphin.estimate_velocity(np.arange(5) * 12.0, whole, weights)
    np.testing.assert_allclose(read_one(tmp_path / "out" / "velocity.tif"), expected, atol=1e-2)
    with pytest.raises(ArgumentError, match="needs corr_paths"):
        dolphin.run(given.unw, None, tmp_path / "two", **options)


def test_d18_weights_that_are_not_there_are_not_silently_left_out(files, tmp_path):
    files.write()
    with pytest.raises(ArgumentError, match=r"1 dates have no interferogram with the first one \(20220218\)"):
        dolphin.run(
            files.unw, None, tmp_path / "out", reference_point=(5, 6), corr_paths=files.cor, run_velocity=True,
            weight_velocity_by_corr=True,
        )  # fmt: skip


def test_velocity_file_and_overviews_of_a_run(files, tmp_path):
    files.write()
    series, _, _ = dolphin.run(
        files.unw, None, tmp_path / "out", reference_point=(5, 6), run_velocity=True,
        velocity_file=tmp_path / "out" / "rate.tif", add_overviews=False,
    )  # fmt: skip
    assert not (tmp_path / "out" / "velocity.tif").exists()
    for path in (series[0], tmp_path / "out" / "rate.tif"):
        with rasterio.open(path) as file:
            assert not file.overviews(1)
    series, _, _ = dolphin.run(files.unw, None, tmp_path / "two", reference_point=(5, 6))
    with rasterio.open(series[0]) as file:
        assert file.overviews(1)


def test_a_file_that_is_not_there(files, tmp_path):
    files.write()
    with pytest.raises(FileError, match=r"unwrapped_paths: .* does not exist"):
        dolphin.run([*files.unw, tmp_path / "none.tif"], None, tmp_path / "out", reference_point=(5, 6))
    with pytest.raises(ArgumentError, match="is not a list of files"):
        dolphin.run([], None, tmp_path / "out", reference_point=(5, 6))


# -- averages and counts -----------------------------------------------------------------------------------------------


def test_average_of_rasters(tmp_path):
    layers = np.random.default_rng(0).normal(size=(5, *SHAPE)).astype(np.float32)
    layers[2, 3, 3] = -1e4
    layers[:, 4, 4] = np.nan
    paths = [write_raster(tmp_path / f"{k}.tif", layer, nodata=-1e4) for k, layer in enumerate(layers)]
    known = np.where(layers == -1e4, np.nan, layers)
    for name, options, expected in (
        ("mean", {}, np.nanmean(np.nan_to_num(layers), axis=0)),
        ("masked", {"read_masked": True}, np.nanmean(np.nan_to_num(known, nan=0), axis=0) * 5 / 4),
        ("max", {"average_func": np.nanmax, "read_masked": True}, None),
    ):
        dolphin.create_temporal_average(paths, tmp_path / f"{name}.tif", (16, 16), 1, **options)
        found = read_one(tmp_path / f"{name}.tif")
        assert np.isnan(found[4, 4])
        where = (3, 3) if name == "masked" else (5, 5)
        if expected is not None:
            np.testing.assert_allclose(found[where], expected[where], rtol=1e-4)
    assert found[3, 3] == np.delete(layers[:, 3, 3], 2).max()
    with pytest.raises(StoreError, match="average_func was"):
        dolphin.create_temporal_average(paths, tmp_path / "max.tif", read_masked=True, average_func=np.nanmin)
    dolphin.create_temporal_average(paths, tmp_path / "max.tif", average_func=np.nanmin, overwrite=True)
    assert read_one(tmp_path / "max.tif")[3, 3] == -1e4


def test_a_function_of_two_arguments_by_position(tmp_path):
    paths = [write_raster(tmp_path / f"{k}.tif", np.full(SHAPE, k, np.float32)) for k in range(4)]

    def last(samples, over):
        return samples.take(-1, over)

    dolphin.create_temporal_average(paths, tmp_path / "last.tif", average_func=last)
    assert (read_one(tmp_path / "last.tif") == 3).all()


def test_counts_of_components(files, tmp_path):
    files.labels[files.pair(0, 1), 2] = 0
    files.write()
    pairs = [(dt.date(2022, 1, 1 + i), dt.date(2022, 1, 1 + j)) for i, j in PAIRS]
    for folder, options in (("named", {}), ("given", {"ifg_date_pairs": pairs})):
        counts = read(dolphin.create_nonzero_conncomp_counts(files.conncomp, tmp_path / folder, **options))
        degree = np.bincount(np.ravel(PAIRS))
        np.testing.assert_array_equal(counts[:, 5, 5], degree)
        np.testing.assert_array_equal(counts[:, 2, 5], degree - np.array([1, 1, 0, 0, 0]))
    assert (tmp_path / "given" / "20220105_valid_count.tif").exists()
    assert tags(tmp_path / "named" / "20220101_valid_count.tif")["units"] == "count"


# -- command ---------------------------------------------------------------------------------------------------------


def command(*words):
    return run_command(["dolphin", "timeseries", *map(str, words)])


def test_the_command_does_what_the_function_does(files, tmp_path, capsys):
    files.write()
    quality = write_quality(tmp_path, np.linspace(0.5, 1, 720).reshape(SHAPE))
    mask = write_raster(tmp_path / "mask.tif", np.ones(SHAPE, np.uint8))
    code = command(
        "--unwrapped-paths", *files.unw, "--conncomp-paths", *files.conncomp, "--output-dir", tmp_path / "out",
        "--quality-file", quality, "--method", "l2", "--reference-candidate-threshold", 0.9, "--run-velocity",
        "--mask-path", mask, "--corr-paths", *files.cor, "--no-weight-velocity-by-corr", "--velocity-file",
        tmp_path / "v.tif", "--correlation-threshold", 0.1, "--block-shape", 16, 16, "--num-threads", 1,
        "--reference-point", "None", "--wavelength", WAVELENGTH, "--no-add-overviews", "--extra-reference-date",
        "2022-01-25", "--file-date-fmt", "%Y%m%d",
    )  # fmt: skip
    assert code == 0
    assert "4 dates, residuals; reference row" in capsys.readouterr().out
    series, _, point = dolphin.run(
        files.unw, files.conncomp, tmp_path / "same", quality_file=quality, method="L2", run_velocity=True,
        reference_candidate_threshold=0.9, mask_path=mask, corr_paths=files.cor, correlation_threshold=0.1,
        wavelength=WAVELENGTH, extra_reference_date=dt.datetime(2022, 1, 25), add_overviews=False,
    )  # fmt: skip
    for path in series:
        np.testing.assert_array_equal(read_one(tmp_path / "out" / path.name), read_one(path))
    np.testing.assert_array_equal(read_one(tmp_path / "v.tif"), read_one(tmp_path / "same" / "velocity.tif"))
    assert (tmp_path / "out" / "reference_point.txt").read_text() == "{},{}".format(*point)
    with rasterio.open(tmp_path / "out" / series[0].name) as file:
        assert not file.overviews(1)


def test_the_command_says_what_is_wrong_in_a_line(files, tmp_path, capsys):
    files.write()
    assert command("--unwrapped-paths", *files.unw, "--output-dir", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.startswith("insarray: quality_file: is needed")
    assert len(error.splitlines()) == 1
    job = ["--unwrapped-paths", *files.unw, "--output-dir", tmp_path / "out", "--reference-point", 5, 6]
    assert command(*job, "--method", "L2") == 0
    assert command(*job, "--method", "L1") == 2
    assert "method was 'L2' and is now 'L1'" in capsys.readouterr().err
    assert command(*job, "--method", "L1", "--overwrite") == 0
    assert issubclass(StoreError, InsarrayError)


def test_the_options_of_the_command_are_those_of_dolphin():
    from insarray.compat.dolphin_cli import timeseries

    options = {name for param in timeseries.params for name in param.opts}
    names = [name for name, _ in arguments(dolphin.run)]
    assert options == {f"--{name.replace('_', '-')}" for name in names} | {"--overwrite"}
