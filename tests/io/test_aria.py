"""ARIA S1-GUNW: sign, swapped dates, baselines, no-data, versions, frames, geometry; each against what went in."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.store.zarr_store import open_store
from insarray.model.errors import FileError, StackError, StackWarning
from tests.io.products.aria import NORTH, SHAPE, STEP, WAVELENGTH, WEST, AriaProduct, geometry
from tests.io.products.opening import empty, opened, truncated
from tests.io.stack_files import write_raster

DATES = ("20150512", "20150605", "20150629", "20150723")
PAIRS = ((0, 1), (1, 2), (2, 3), (0, 2))


@pytest.fixture
def truth():
    """Displacement (m) of each date, toward the satellite; the first row and column at rest."""
    steps = np.random.default_rng(3).normal(0, 0.03, (3, *SHAPE))
    return np.concatenate([np.zeros((1, *SHAPE)), steps.cumsum(axis=0)])


@pytest.fixture
def products(truth):
    made = []
    for k, (i, j) in enumerate(PAIRS):
        phase = -4 * np.pi / WAVELENGTH * (truth[j] - truth[i])
        phase[3, 4] = np.nan if k == 1 else phase[3, 4]
        made.append(AriaProduct(DATES[j], DATES[i], phase, baseline=10.0 * (k + 1)))
    return made


@pytest.fixture
def folder(tmp_path, products):
    for product in products:
        product.write(tmp_path / "aria")
    return tmp_path / "aria"


@pytest.fixture
def dem(tmp_path):
    """Heights on another grid with larger pixels; the plane that they are is exact under bilinear interpolation."""
    step = STEP * 1.5
    west, north = WEST - 5.3 * step, NORTH + 6.6 * step
    longitude, latitude = west + step * (np.arange(40) + 0.5), north - step * (np.arange(36) + 0.5)
    heights = plane(longitude, latitude[:, None]).astype(np.float32)
    place = {"crs": "EPSG:4326", "transform": Affine(step, 0, west, 0, -step, north)}
    return write_raster(tmp_path / "dem.tif", heights, **place)


def plane(longitude, latitude):
    return 800 + 3e4 * (longitude - WEST) + 2e4 * (NORTH - latitude)


def expected(products):
    """Phases in the order of the dates: (0, 1), (0, 2), (1, 2), (2, 3)."""
    return np.stack([products[k].phase for k in (0, 3, 1, 2)])


def test_dates_are_swapped_and_the_phase_is_positive_away(folder, products):
    stack = opened(folder)
    assert stack.attrs["product"] == "aria"
    assert [str(time)[:10] for time in stack.reference_time.values] == ["2015-05-12"] * 2 + ["2015-06-05", "2015-06-29"]
    assert str(stack.secondary_time.values[0])[:19] == "2015-06-05T14:07:22"
    np.testing.assert_allclose(stack.unwrapped_phase.values, expected(products), rtol=1e-6, atol=1e-5)
    assert stack.attrs["wavelength"] == pytest.approx(WAVELENGTH, rel=1e-6)


def test_a_product_with_the_older_date_first_is_not_negated(tmp_path, products):
    product = replace(products[0], older_first=True)
    product.write(tmp_path)
    stack = opened(tmp_path)
    np.testing.assert_allclose(stack.unwrapped_phase.values[0], product.phase, rtol=1e-6, atol=1e-5)
    assert stack.perpendicular_baseline.values[0] == pytest.approx(-10, rel=1e-3)


def test_no_data(folder):
    stack = opened(folder)
    assert np.isnan(stack.unwrapped_phase.values[2, 3, 4])
    assert np.isnan(stack.coherence.values[2, 3, 4])
    assert stack.coherence.values[1, 3, 4] == pytest.approx(0.7)
    assert stack.connected_component_labels.values[2, 3, 4] == 0  # -1 in the file
    assert stack.connected_component_labels.values[0, :1, :2].tolist() == [[0, 2]]


def test_a_phase_of_zero_is_data_where_coherence_and_component_say_so(tmp_path, products):
    phase = products[0].phase.copy()
    phase[10, 10] = 0
    replace(products[0], phase=phase).write(tmp_path)
    stack = opened(tmp_path)
    assert stack.unwrapped_phase.values[0, 10, 10] == 0


def test_pixels_are_where_the_centres_say(folder):
    stack = opened(folder)
    np.testing.assert_allclose([stack.x.values[0], stack.y.values[0]], [WEST + STEP / 2, NORTH - STEP / 2], atol=1e-9)
    assert CRS.from_wkt(stack.spatial_ref.attrs["crs_wkt"]).to_epsg() == 4326


def test_baselines_are_those_of_the_later_date_in_our_sign(folder):
    """The middle of the grid is 0.01 degrees south of the edge, where the fake's cube is 1 - 1e-5 of the baseline."""
    found = opened(folder).perpendicular_baseline.values
    np.testing.assert_allclose(found, np.array([10, 40, 20, 30]) * (1 - 1e-3 * 12 * STEP), rtol=1e-6)


def test_a_point_above_the_reference_height_moves_as_the_baseline_says(tmp_path):
    """Two passes, the products' formula, and the displacement that a height of 15 m feigns."""
    theta, distance, height = np.radians(39.0), 870e3, 15.0
    rising = np.array([np.cos(theta), 0.0, np.sin(theta)])  # at constant range, looking right to the east
    target = distance * np.array([np.sin(theta), 0.0, -np.cos(theta)])
    newer, older, velocity = np.zeros(3), 120.0 * rising, np.array([0.0, 7500.0, 0.0])
    baseline = np.sign(np.cross(target - newer, older - newer) @ velocity) * 120.0
    raised = target + height / np.sin(theta) * rising
    ranges = {
        name: np.linalg.norm(raised - place) - np.linalg.norm(target - place)
        for name, place in (("newer", newer), ("older", older))
    }
    toward = -(ranges["newer"] - ranges["older"])
    AriaProduct("20150605", "20150512", np.ones(SHAPE), baseline=baseline).write(tmp_path)
    ours = float(opened(tmp_path).perpendicular_baseline.values[0])
    assert ours / (distance * np.sin(theta)) * height == pytest.approx(toward, rel=2e-3)


def test_products_without_baselines_say_so(folder, products):
    with h5py.File(folder / products[0].name, "a") as file:
        del file["science/grids/imagingGeometry/perpendicularBaseline"]
    stack = opened(folder, match="perpendicular baselines are left out: 1 of 4 products have none .*20150605_20150512")
    assert "perpendicular_baseline" not in stack.coords


def test_baselines_that_were_not_computed_are_none(folder, products):
    with h5py.File(folder / products[0].name, "a") as file:
        file["science/grids/imagingGeometry/perpendicularBaseline"][1] = -9999
    assert "perpendicular_baseline" not in opened(folder, match="1 of 4 products have none").coords


def test_components_of_minus_one_are_none_whatever_the_fill_value(folder, products):
    for product in products:
        with h5py.File(folder / product.name, "a") as file:
            file["science/grids/data/connectedComponents"].attrs["_FillValue"] = np.float32(0)
    assert opened(folder).connected_component_labels.values[2, 3, 4] == 0


def test_baselines_of_a_table_win(folder, tmp_path):
    rows = ["date,bperp_m", *(f"{date},{5 * k}" for k, date in enumerate(DATES))]
    (tmp_path / "b.csv").write_text("\n".join(rows))
    stack = opened(folder, baselines=tmp_path / "b.csv")
    np.testing.assert_allclose(stack.perpendicular_baseline, [5, 10, 5, 5])


def test_geometry_at_the_heights_of_a_dem(folder, dem):
    """Against the geometry of the points themselves: cells of 0.1 degrees bend by less than these tolerances."""
    stack = ia.open_stack(folder, dem=dem)
    longitude, latitude = stack.x.values, stack.y.values[:, None]
    heights = plane(longitude, latitude)
    incidence, _, direction, distance = geometry(longitude, latitude, heights, WEST - 5.0)
    np.testing.assert_allclose(stack.height, heights, atol=0.02)
    np.testing.assert_allclose(stack.incidence_angle, incidence, atol=3e-3)
    sine = np.sin(np.radians(incidence))
    np.testing.assert_allclose(stack.los_east, sine * np.cos(np.radians(direction)), atol=1e-4)
    np.testing.assert_allclose(stack.los_north, sine * np.sin(np.radians(direction)), atol=1e-4)
    np.testing.assert_allclose(stack.los_up, np.cos(np.radians(incidence)), atol=1e-4)
    assert (stack.los_east.values < 0).all()  # an ascending satellite that looks right is in the west
    np.testing.assert_allclose(stack.slant_range, distance, rtol=3e-4)


def test_another_dem_is_another_input(folder, dem):
    before = ia.open_stack(folder, dem=dem).attrs["input_fingerprint"]
    again = dem.with_name("again.tif")
    again.write_bytes(dem.read_bytes())
    assert ia.open_stack(folder, dem=again).attrs["input_fingerprint"] != before


def test_the_dem_is_read_window_by_window_as_a_whole(folder, dem):
    whole = ia.open_stack(folder, dem=dem).los_east.values
    part = (
        ia.open_stack(folder, dem=str(dem.with_name("d*.tif")), block=8)
        .los_east.isel(y=slice(5, 15), x=slice(7, 19))
        .values
    )
    np.testing.assert_array_equal(part, whole[5:15, 7:19])


def test_a_height_error_is_found_with_the_products_own_geometry(tmp_path, dem):
    """From files to height error: the sign of the baselines, the slant range and the incidence angle all count."""
    baselines, height, out = (80.0, -60.0, 110.0, -30.0, 50.0), 12.0, str(tmp_path / "out.zarr")
    dates = [f"2015{month:02}12" for month in range(1, 7)]
    longitude, latitude = WEST + STEP * (np.arange(30) + 0.5), NORTH - STEP * (np.arange(24)[:, None] + 0.5)
    incidence, _, _, distance = geometry(longitude, latitude, plane(longitude, latitude), WEST - 5.0)
    raised = np.zeros(SHAPE)
    raised[8:16, 10:20] = height
    for k, baseline in enumerate(baselines):  # of the later date in our sign, which the fake has as it stands
        toward = baseline / (distance * np.sin(np.radians(incidence))) * raised
        phase = -4 * np.pi / WAVELENGTH * toward
        AriaProduct(dates[k + 1], dates[k], phase + 0.5, baseline=baseline).write(tmp_path / "stack")
    command = ["fit", str(tmp_path / "stack"), out, "--dem", str(dem), "--height-error", "--reference", "2,2"]
    assert run_command(command) == 0
    np.testing.assert_allclose(open_store(out).height_error, raised, atol=0.02)


def test_without_a_dem_there_is_no_geometry_and_a_word_of_it(folder):
    stack = opened(folder, match=r"los_up, slant_range are left out: they need heights, a raster given with dem")
    assert "los_east" not in stack


def test_the_newest_version_of_a_granule_counts(folder, products):
    """Version 3 has another place in its name and another extent."""
    newer = replace(products[0], version="v3_0_1", place="00119W_00034N", rows_down=2, phase=products[0].phase[2:] + 1)
    newer.write(folder)
    stack = opened(folder, match="older versions of the same pairs are left out: .*20150605_20150512.*-v2_0_4.nc")
    assert stack.sizes["y"] == SHAPE[0] - 2
    np.testing.assert_allclose(stack.unwrapped_phase.values[0], newer.phase, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(stack.unwrapped_phase.values[2, 5], products[1].phase[7], rtol=1e-6, atol=1e-5)


def test_frames_of_one_pair_are_refused(folder, products):
    replace(products[0], time="140747", place="38000N_36000N", rows_down=20).write(folder)
    with pytest.raises(
        StackError, match=r"pair 20150512T140722_20150605T140722: has 2 granules .* one frame, or the G"
    ):
        ia.open_stack(folder)


def test_one_product_twice_is_no_second_frame(folder, products):
    products[0].write(folder / "again")
    with pytest.raises(StackError, match=r"pair 20150512T140722_20150605T140722: both .*; keep one of them"):
        ia.open_stack(folder)


def test_extents_that_shift_have_their_intersection(folder, products):
    (folder / products[0].name).unlink()
    shifted = replace(products[0], rows_down=3, cols_right=-2)
    shifted.write(folder)
    stack = opened(folder, match="2 extents; their intersection is used, 21 x 28 pixels")
    np.testing.assert_allclose(stack.unwrapped_phase.values[0], shifted.phase[:21, 2:], rtol=1e-6, atol=1e-5)
    union = opened(folder, extent="union")
    assert union.sizes["y"] == SHAPE[0] + 3
    assert np.isnan(union.unwrapped_phase.values[0, :3]).all()
    assert (union.connected_component_labels.values[0, :3] == 0).all()


def test_the_whole_way_of_a_user(folder, truth, tmp_path, capsys):
    assert run_command(["info", str(folder)]) == 0
    assert "aria" in capsys.readouterr().out
    out = str(tmp_path / "out.zarr")
    with pytest.warns(StackWarning, match="--dem"):
        assert run_command(["invert", str(folder), out]) == 0
    series = open_store(out)
    row, col = series.attrs["reference_row"], series.attrs["reference_col"]
    wanted = truth - truth[:, row : row + 1, col : col + 1]
    hit = np.isfinite(series.displacement.values).all(axis=0)
    assert hit.sum() >= hit.size - 1
    np.testing.assert_allclose(series.displacement.values[:, hit], wanted[:, hit], atol=1e-4 * WAVELENGTH / 4 / np.pi)


def other_wavelength(folder, products):
    replace(products[1], wavelength=0.24).write(folder)


def other_crs(folder, products):
    replace(products[1], epsg=32614).write(folder)


def without(name):
    def change(folder, products):
        with h5py.File(folder / products[1].name, "a") as file:
            del file[name]

    return change


def no_dates(folder, products):
    (folder / products[1].name).rename(folder / products[1].name.replace("20150605", "20151305"))


def same_dates(folder, products):
    replace(products[1], newer=DATES[1]).write(folder)


def other_track(folder, products):
    replace(products[1], track="043").write(folder)


def other_fill(folder, products):
    with h5py.File(folder / products[1].name, "a") as file:
        file["science/grids/data/unwrappedPhase"].attrs["_FillValue"] = np.float32(-9999)


def jumping(folder, products):
    with h5py.File(folder / products[1].name, "a") as file:
        file["science/grids/data/latitude"][3] += STEP


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (truncated, FileError, "20150629_20150605.*could not read it as HDF5"),
        (empty, FileError, "20150629_20150605.*could not read it as HDF5"),
        (other_wavelength, StackError, "wavelength: .* but 0.24.* m in S1-GUNW.*20150629_20150605"),
        (other_crs, StackError, "20150629_20150605.*CRS EPSG:32614 instead of EPSG:4326"),
        (without("science/grids/data"), FileError, "20150629_20150605.*has no map science/grids/data/unwrappedPhase"),
        (without("science/grids/data/latitude"), FileError, "20150629_20150605.*has no coordinates"),
        (without("science/radarMetaData"), FileError, "20150629_20150605.*has no science/radarMetaData/wavelength"),
        (no_dates, FileError, "20151305.*is not a date"),
        (same_dates, StackError, "both dates are 20150605"),
        (other_track, StackError, "is of track A-R-042, .*20150629_20150605.* of track A-R-043"),
        (other_fill, StackError, "unwrappedPhase: the fill value is 0 in .* but -9999 in .*20150629_20150605"),
        (jumping, FileError, "20150629_20150605.*not in equal steps"),
    ],
)
def test_a_broken_product_is_named(folder, products, change, error, message):
    change(folder, products)
    with pytest.raises(error, match=message):
        ia.open_stack(folder)
