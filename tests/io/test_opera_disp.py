"""OPERA DISP: sign, units, baselines, versions, moving reference dates, extents; each against what went into the fake."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.store.zarr_store import open_store
from insarray.model.errors import FileError, StackError, StackWarning
from tests.io.products.opera_disp import SHAPE, WAVELENGTH, DispProduct

TIMES = [f"2016{day}T1407{second}" for day, second in (("0705", "55"), ("0729", "56"), ("0822", "57"), ("0915", "58"))]
PAIRS = ((0, 1), (0, 2), (2, 3))
"""The reference date moves on at the third product."""


@pytest.fixture
def truth():
    """Displacement (m) of each date, toward the satellite."""
    rng = np.random.default_rng(3)
    return np.concatenate([np.zeros((1, *SHAPE)), rng.normal(0, 0.03, (3, *SHAPE)).cumsum(axis=0)])


@pytest.fixture
def products(truth):
    made = []
    for k, (i, j) in enumerate(PAIRS):
        values = truth[j] - truth[i]
        values[3, 4] = np.nan if k == 1 else values[3, 4]
        made.append(DispProduct(TIMES[i], TIMES[j], values, baseline=10.0 * (k + 1)))
    return made


@pytest.fixture
def folder(tmp_path, products):
    for product in products:
        product.write(tmp_path / "disp")
    return tmp_path / "disp"


def test_phase_is_positive_away_and_no_data_is_nan(folder, products):
    stack = ia.open_stack(folder)
    assert stack.attrs["product"] == "opera-disp"
    expected = np.stack([product.displacement for product in products]) * -4 * np.pi / WAVELENGTH
    np.testing.assert_allclose(stack.unwrapped_phase.values, expected, rtol=1e-6, atol=1e-5)
    assert np.isnan(stack.unwrapped_phase.values[1, 3, 4])
    np.testing.assert_allclose(stack.coherence, 0.8, atol=1e-6)
    assert stack.connected_component_labels.values[1, 3, 4] == 0
    assert stack.connected_component_labels.values[1, 3, 5] == 1
    assert stack.attrs["wavelength"] == pytest.approx(WAVELENGTH)
    assert stack.water_mask.values[0, :3].tolist() == [False, False, True]
    assert (stack.x.values[0], stack.y.values[0]) == (600_015.0, 2_149_985.0)


def test_dates_have_their_time_of_day(folder):
    stack = ia.open_stack(folder)
    assert str(stack.reference_time.values[2])[:19] == "2016-08-22T14:07:57"


def test_baselines_have_our_sign(folder):
    """Of Sentinel-1 the opposite of the product's, of NISAR the product's."""
    np.testing.assert_array_equal(ia.open_stack(folder).perpendicular_baseline, [-10, -20, -30])


def test_baselines_of_nisar(tmp_path, products):
    for product in products:
        replace(product, mission="NI", wavelength=0.24).write(tmp_path)
    stack = ia.open_stack(tmp_path)
    np.testing.assert_array_equal(stack.perpendicular_baseline, [10, 20, 30])
    assert stack.attrs["wavelength"] == pytest.approx(0.24)


@pytest.mark.parametrize("right", [True, False])
def test_the_products_formula_has_the_sign_that_the_reader_takes_it_to_have(right):
    """Our baseline is the secondary's place along the direction in which a rising point moves at constant range."""
    theta, side = np.radians(35.0), 1 if right else -1
    line_of_sight = np.array([side * np.sin(theta), 0.0, -np.cos(theta)])  # east, north, up, from the satellite
    rising = np.array([side * np.cos(theta), 0.0, np.sin(theta)])
    secondary, velocity, distance, height = 120.0 * rising, np.array([0.0, 7500.0, 0.0]), 850e3, 15.0
    target = distance * line_of_sight
    raised = target + height / np.sin(theta) * rising
    ranges = [np.linalg.norm(point - satellite) for point in (target, raised) for satellite in (0.0, secondary)]
    toward = -((ranges[3] - ranges[2]) - (ranges[1] - ranges[0]))
    assert toward == pytest.approx(120.0 / (distance * np.sin(theta)) * height, rel=1e-3)
    products_sign = np.sign(np.cross(target, secondary) @ velocity)
    assert products_sign == (-1 if right else 1)


def test_products_without_baselines_say_so(tmp_path, products):
    for product in products:
        replace(product, baseline=0.0).write(tmp_path)
    with pytest.warns(StackWarning, match="perpendicular baselines are left out: 3 of 3 products have none"):
        assert "perpendicular_baseline" not in ia.open_stack(tmp_path).coords


def test_baselines_of_a_table_win(folder, tmp_path):
    rows = ["reference,secondary,bperp_m", *(f"{TIMES[i][:8]},{TIMES[j][:8]},{5 * j - 5 * i}" for i, j in PAIRS)]
    (tmp_path / "b.csv").write_text("\n".join(rows))
    stack = ia.open_stack(folder, baselines=tmp_path / "b.csv")
    np.testing.assert_array_equal(stack.perpendicular_baseline, [5, 10, 5])


def test_the_other_displacement(folder):
    ratio = ia.open_stack(folder, variable="short_wavelength_displacement").unwrapped_phase / (
        ia.open_stack(folder).unwrapped_phase
    )
    np.testing.assert_allclose(ratio.values[0], 0.5, rtol=1e-5)


def test_the_newest_version_counts(folder, products):
    older = replace(products[0], displacement=products[0].displacement + 1, version="v0.9", made="20250101T000000Z")
    newer = replace(products[0], displacement=products[0].displacement + 2, made="20250101T000000Z")
    older.write(folder)
    newer.write(folder)
    with pytest.warns(StackWarning, match=r"older versions of the same pairs are left out: .*v0.9.*, .*v1.0_20241219"):
        stack = ia.open_stack(folder)
    expected = -4 * np.pi / WAVELENGTH * newer.displacement
    np.testing.assert_allclose(stack.unwrapped_phase.values[0], expected, rtol=1e-6, atol=1e-4)


def test_the_whole_way_of_a_user(folder, truth, tmp_path, capsys):
    """Folder to displacement with no option but the reference, over dates whose reference moves on."""
    assert run_command(["info", str(folder)]) == 0
    assert "opera-disp" in capsys.readouterr().out
    out = str(tmp_path / "out.zarr")
    assert run_command(["invert", str(folder), out, "--reference", "10,10"]) == 0
    series = open_store(out)
    expected = truth - truth[:, 10:11, 10:11]
    hit = np.ones(SHAPE, bool)
    hit[3, 4] = False  # where the pair that ties the later dates has no data
    np.testing.assert_allclose(series.displacement.values[:, hit], expected[:, hit], atol=1e-4 * WAVELENGTH / 4 / np.pi)
    assert np.isnan(series.displacement.values[2:, 3, 4]).all()


def test_frames_of_different_extent_need_to_be_told_so(tmp_path, products):
    products[0].write(tmp_path)
    replace(products[1], left=600_000.0 + 5 * 30).write(tmp_path)
    with pytest.raises(StackError, match="extent"):
        ia.open_stack(tmp_path)
    with pytest.warns(StackWarning, match="intersection"):
        stack = ia.open_stack(tmp_path, extent="intersection")
    assert stack.sizes["x"] == SHAPE[1] - 5
    expected = -4 * np.pi / WAVELENGTH * products[1].displacement[:, :-5]
    np.testing.assert_allclose(stack.unwrapped_phase.values[1], expected, rtol=1e-6, atol=1e-5)


def truncated(folder, products):
    path = folder / products[1].name
    path.write_bytes(path.read_bytes()[:2000])


def empty(folder, products):
    (folder / products[1].name).write_bytes(b"")


def other_wavelength(folder, products):
    replace(products[1], wavelength=0.24).write(folder)


def other_crs(folder, products):
    replace(products[1], epsg=32615).write(folder)


def no_group(folder, products):
    import h5py

    with h5py.File(folder / products[1].name, "a") as file:
        del file["identification"]


def no_map(folder, products):
    import h5py

    with h5py.File(folder / products[1].name, "a") as file:
        del file["displacement"]


def same_dates(folder, products):
    replace(products[1], reference=TIMES[2]).write(folder)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (truncated, FileError, "20160822T140757Z.*could not read it as HDF5"),
        (empty, FileError, "20160822T140757Z.*could not read it as HDF5"),
        (other_wavelength, StackError, "wavelength: 0.05546576 m in .* but 0.24 m in OPERA.*20160822"),
        (other_crs, StackError, "20160822.*CRS EPSG:32615 instead of EPSG:32614"),
        (no_group, FileError, "20160822.*has no identification/radar_wavelength"),
        (no_map, FileError, "20160822.*has no map 'displacement'"),
        (same_dates, StackError, "both dates are 20160822"),
    ],
)
def test_a_broken_product_is_named(folder, products, change, error, message):
    change(folder, products)
    with pytest.raises(error, match=message):
        ia.open_stack(folder)


@pytest.mark.parametrize("same", [True, False])
def test_the_reference_of_the_products_is_kept(tmp_path, same):
    """corrections/reference_point, if all products have the same."""
    dates = [("20160705T140755", "20160729T140756"), ("20160705T140755", "20160822T140756")]
    moved = np.random.default_rng(4).normal(0, 0.01, (2, *SHAPE)).astype(np.float32)
    moved -= moved[:, 7:8, 9:10]
    for k, (first, second) in enumerate(dates):
        point = (7, 9) if same or k == 0 else (7, 10)
        DispProduct(first, second, moved[k], reference_point=point).write(tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        stack = ia.open_stack(tmp_path)
    assert any("row 7, column 9 of its files (corrections/reference_point)" in str(one.message) for one in said) == same
    series = ia.invert(stack, reference="auto")
    assert ((series.attrs["reference_row"], series.attrs["reference_col"]) == (7, 9)) == same
    if same:
        np.testing.assert_allclose(series.displacement.values[1:], moved, atol=1e-7)
