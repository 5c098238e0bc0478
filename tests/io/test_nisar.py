"""NISAR GUNW: sign, layers, mask, baselines of both look directions, versions, frames, geometry; each against truth."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from affine import Affine

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.store.zarr_store import open_store
from insarray.model.errors import FileError, StackError, StackWarning
from tests.io.products.nisar import LEFT, SHAPE, STEP, TOP, WAVELENGTH, NisarProduct, sight
from tests.io.products.opening import empty, opened, truncated
from tests.io.stack_files import write_raster

TIMES = tuple(f"2026-01-{day}T06:09:1{second}" for day, second in (("05", 1), ("17", 2), ("29", 3)))
PAIRS = ((0, 1), (1, 2), (0, 2))
GROUP = "science/LSAR/GUNW/grids/frequencyA/unwrappedInterferogram/"


@pytest.fixture
def truth():
    """Displacement (m) of each date, toward the satellite."""
    steps = np.random.default_rng(3).normal(0, 0.1, (2, *SHAPE))
    return np.concatenate([np.zeros((1, *SHAPE)), steps.cumsum(axis=0)])


@pytest.fixture
def products(truth):
    made = []
    for k, (i, j) in enumerate(PAIRS):
        phase = -4 * np.pi / WAVELENGTH * (truth[j] - truth[i])
        phase[3, 4] = np.nan if k == 1 else phase[3, 4]
        made.append(NisarProduct(TIMES[i], TIMES[j], phase, baseline=10.0 * (k + 1)))
    return made


@pytest.fixture
def folder(tmp_path, products):
    for product in products:
        product.write(tmp_path / "gunw")
    return tmp_path / "gunw"


@pytest.fixture
def dem(tmp_path):
    """Heights on another grid with larger pixels; the plane that they are is exact under bilinear interpolation."""
    step = 130.0
    left, top = LEFT - 5.3 * step, TOP + 6.6 * step
    x, y = left + step * (np.arange(40) + 0.5), top - step * (np.arange(36) + 0.5)
    place = {"transform": Affine(step, 0, left, 0, -step, top)}
    return write_raster(tmp_path / "dem.tif", plane(x, y[:, None]).astype(np.float32), **place)


def plane(x, y):
    return 800 + 0.3 * (x - LEFT) + 0.2 * (TOP - y)


def valid(product):
    """Phase where both images have a sample."""
    phase = product.phase.copy()
    phase[0, 0] = phase[1, 1] = phase[1, 2] = np.nan
    return phase


def test_the_phase_is_that_of_the_product_within_the_subswaths(folder, products):
    stack = opened(folder)
    assert stack.attrs["product"] == "nisar"
    assert stack.attrs["source_layer"] == "frequencyA/HH"
    expected = np.stack([valid(products[k]) for k in (0, 2, 1)])
    np.testing.assert_allclose(stack.unwrapped_phase.values, expected, rtol=1e-6, atol=1e-5)
    assert str(stack.secondary_time.values[0])[:19] == "2026-01-17T06:09:12"
    assert stack.attrs["wavelength"] == pytest.approx(WAVELENGTH, rel=1e-12)
    assert (stack.x.values[0], stack.y.values[0]) == (LEFT + STEP / 2, TOP - STEP / 2)


def test_the_mask_takes_coherence_and_components_too(folder):
    stack = opened(folder)
    assert np.isnan(stack.coherence.values[0, 1, 1:3]).all()
    assert stack.coherence.values[0, 1, 3] == pytest.approx(0.7)
    assert stack.connected_component_labels.values[0, 1].tolist()[:5] == [2, 0, 0, 2, 2]
    assert stack.connected_component_labels.values[2, 3, 4] == 0  # 65535 in the file


def test_water_is_a_map_and_no_gap(folder, products):
    stack = opened(folder)
    assert stack.unwrapped_phase.values[0, 1, 3] == pytest.approx(products[0].phase[1, 3], rel=1e-6)
    land = np.ones(SHAPE, bool)
    land[1, 3] = land[0, 0] = False  # water, and outside the mask
    np.testing.assert_array_equal(stack.water_mask, land)


def test_the_mask_of_later_products_has_flags_above_the_digits(tmp_path, products):
    for product in products:
        replace(product, mask_type=np.uint32).write(tmp_path)
    stack = opened(tmp_path)
    np.testing.assert_allclose(stack.unwrapped_phase.values[0], valid(products[0]), rtol=1e-6, atol=1e-5)
    assert not stack.water_mask.values[0, 0]
    assert stack.water_mask.values[5, 5]


def test_products_without_mask_say_so(folder, products):
    replace(products[1], has_mask=False).write(folder)
    stack = opened(folder, match="samples outside the subswaths are kept: .*20260117T060912.* has no mask")
    assert np.isfinite(stack.unwrapped_phase.values[:, 1, 1]).all()


def test_a_product_with_the_newer_date_first_is_swapped(tmp_path, products):
    turned = replace(products[0], reference=TIMES[1], secondary=TIMES[0], phase=-products[0].phase)
    turned.write(tmp_path)
    stack = opened(tmp_path)
    np.testing.assert_allclose(stack.unwrapped_phase.values[0], valid(products[0]), rtol=1e-6, atol=1e-5)
    assert stack.perpendicular_baseline.values[0] == pytest.approx(-10)


@pytest.mark.parametrize(("look", "sign"), [("Left", 1), ("Right", -1), ("right", -1)])
@pytest.mark.parametrize("full", [False, True])
def test_baselines_have_our_sign_for_both_look_directions(tmp_path, products, look, sign, full):
    for product in products:
        replace(product, look=look, full_baselines=full).write(tmp_path)
    np.testing.assert_allclose(opened(tmp_path).perpendicular_baseline, sign * np.array([10, 30, 20]), rtol=1e-6)


def test_baselines_whose_sign_nothing_tells_are_left_out(tmp_path, products):
    for product in products:
        replace(product, look=None).write(tmp_path)
    stack = opened(tmp_path, match="perpendicular baselines are left out: 3 of 3 products have none")
    assert "perpendicular_baseline" not in stack.coords


@pytest.mark.parametrize("left", [True, False])
def test_a_point_above_the_reference_height_moves_as_the_baseline_says(tmp_path, left):
    """Two passes, the products' formula, and the displacement that a height of 15 m feigns."""
    theta, distance, height, side = np.radians(39.0), 960e3, 15.0, -1 if left else 1
    rising = np.array([side * np.cos(theta), 0.0, np.sin(theta)])  # at constant range
    target = distance * np.array([side * np.sin(theta), 0.0, -np.cos(theta)])
    reference, secondary, velocity = np.zeros(3), 120.0 * rising, np.array([0.0, 7500.0, 0.0])
    baseline = np.sign(np.cross(target - reference, secondary - reference) @ velocity) * 120.0
    raised = target + height / np.sin(theta) * rising
    before, after = (
        np.linalg.norm(raised - place) - np.linalg.norm(target - place) for place in (reference, secondary)
    )
    look = "Left" if left else "Right"
    NisarProduct(TIMES[0], TIMES[1], np.ones(SHAPE), baseline=baseline, look=look).write(tmp_path)
    ours = float(opened(tmp_path).perpendicular_baseline.values[0])
    assert ours / (distance * np.sin(theta)) * height == pytest.approx(-(after - before), rel=2e-3)


def test_baselines_of_a_table_win(folder, tmp_path):
    rows = ["date,bperp_m", *(f"{time[:10]},{5 * k}" for k, time in enumerate(TIMES))]
    (tmp_path / "b.csv").write_text("\n".join(rows))
    np.testing.assert_array_equal(opened(folder, baselines=tmp_path / "b.csv").perpendicular_baseline, [5, 10, 5])


def test_a_layer_has_to_be_chosen_among_several(tmp_path, products):
    layers = ("frequencyA/HH", "frequencyB/VV")
    for product in products:
        replace(product, layers=layers).write(tmp_path)
    with pytest.raises(FileError, match=r"has frequencyA/HH and frequencyB/VV; choose with variable \(--variable freq"):
        ia.open_stack(tmp_path)
    stack = opened(tmp_path, variable="frequencyB/VV")
    np.testing.assert_allclose(stack.unwrapped_phase.values[0], valid(products[0]) + 1, rtol=1e-5, atol=1e-5)
    assert stack.attrs["wavelength"] == pytest.approx(299_792_458 / (1_239_000_000 + 37.5e6))
    with pytest.raises(FileError, match="has no 'HV', only frequencyA/HH, frequencyB/VV"):
        ia.open_stack(tmp_path, variable="HV")


def test_geometry_at_the_heights_of_a_dem(folder, dem):
    stack = ia.open_stack(folder, dem=dem)
    x, y = stack.x.values, stack.y.values[:, None]
    heights = plane(x, y)
    east, north, distance = sight(x, y, heights)
    up = np.sqrt(1 - east**2 - north**2)
    np.testing.assert_allclose(stack.height, heights, atol=0.02)
    np.testing.assert_allclose(stack.los_east, east, atol=1e-6)
    np.testing.assert_allclose(stack.los_north, north, atol=1e-6)
    np.testing.assert_allclose(stack.los_up, up, atol=1e-6)
    np.testing.assert_allclose(stack.incidence_angle, np.degrees(np.arccos(up)), atol=1e-4)
    np.testing.assert_allclose(stack.slant_range, distance, atol=0.5)


def test_a_dem_for_products_without_geometry_is_not_silent(folder, products, dem):
    with h5py.File(folder / products[0].name, "a") as file:
        for name in ("losUnitVectorX", "losUnitVectorY", "incidenceAngle", "referenceSlantRange"):
            del file["science/LSAR/GUNW/metadata/radarGrid/" + name]
    stack = opened(folder, match="the products have no geometry cubes, so that the DEM is not used", dem=dem)
    assert "height" not in stack


def test_without_a_dem_there_is_no_geometry_and_a_word_of_it(folder):
    stack = opened(folder, match=r"los_up, incidence_angle, slant_range are left out: .* given with dem \(--dem\)")
    assert "los_east" not in stack


def test_the_newest_version_counts(folder, products):
    newer = replace(products[0], counter="002", phase=products[0].phase + 1)
    newer.write(folder)
    newest = replace(products[2], release="P06001", phase=products[2].phase + 2)
    newest.write(folder)
    stack = opened(folder, match=r"older versions of the same pairs are left out: .*P05006_N_F_J_001.h5, .*001.h5")
    np.testing.assert_allclose(stack.unwrapped_phase.values[0], valid(newer), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(stack.unwrapped_phase.values[1], valid(newest), rtol=1e-5, atol=1e-5)


def test_frames_of_one_pair_are_refused(folder, products):
    replace(products[0], frame="013").write(folder)
    with pytest.raises(StackError, match=r"pair 20260105T060911_20260117T060912: has 2 granules .* of one frame"):
        ia.open_stack(folder)


def test_extents_that_shift_have_their_intersection(folder, products):
    shifted = replace(products[0], cols_right=3)
    shifted.write(folder)
    stack = opened(folder, match="2 extents; their intersection is used, 24 x 27 pixels")
    np.testing.assert_allclose(stack.unwrapped_phase.values[0, 2:], shifted.phase[2:, :-3], rtol=1e-6, atol=1e-5)
    union = opened(folder, extent="union")
    assert np.isnan(union.unwrapped_phase.values[0, :, :3]).all()
    assert "water_mask" not in union  # no product has all of it


def test_the_whole_way_of_a_user(folder, truth, tmp_path, capsys):
    assert run_command(["info", str(folder)]) == 0
    assert "nisar" in capsys.readouterr().out
    out = str(tmp_path / "out.zarr")
    with pytest.warns(StackWarning, match="--dem"):
        assert run_command(["invert", str(folder), out]) == 0
    series = open_store(out)
    row, col = series.attrs["reference_row"], series.attrs["reference_col"]
    wanted = truth - truth[:, row : row + 1, col : col + 1]
    hit = np.isfinite(series.displacement.values).all(axis=0)
    assert hit.sum() >= hit.size - 4
    np.testing.assert_allclose(series.displacement.values[:, hit], wanted[:, hit], atol=1e-4 * WAVELENGTH / 4 / np.pi)


def changed(**options):
    return lambda folder, products: replace(products[1], **options).write(folder)


def without(name):
    def change(folder, products):
        with h5py.File(folder / products[1].name, "a") as file:
            del file[name]

    return change


def stored(name, value):
    def change(folder, products):
        with h5py.File(folder / products[1].name, "a") as file:
            del file[name]
            file[name] = value

    return change


SECOND = "20260117T060912_20260129T060913_20260129T060913"
TIME = "science/LSAR/identification/referenceZeroDopplerStartTime"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (truncated, FileError, f"{SECOND}.*could not read it as HDF5"),
        (empty, FileError, f"{SECOND}.*could not read it as HDF5"),
        (changed(frequency=3.2e9), StackError, f"wavelength: 0.2419632 m in .* but 0.09368514 m in .*{SECOND}"),
        (changed(frequency=0.0), FileError, f"{SECOND}.*has no .*frequencyA/centerFrequency"),
        (
            changed(frequency=1.2),
            FileError,
            f"{SECOND}.*centerFrequency gives a wavelength of 2498.* which is not plausible",
        ),
        (changed(epsg=32615), StackError, f"{SECOND}.*CRS EPSG:32615 instead of EPSG:32614"),
        (changed(layers=("frequencyA/VV",)), StackError, f"has frequencyA/HH but .*{SECOND}.* frequencyA/VV"),
        (changed(orbit="031"), StackError, f"is of track 030A, .*{SECOND}.* of track 031A"),
        (without(GROUP + "HH"), FileError, f"{SECOND}.*has no unwrappedPhase in science/LSAR/GUNW/grids/frequency"),
        (without(GROUP + "HH/xCoordinates"), FileError, f"{SECOND}.*has no coordinates of its pixels"),
        (without(GROUP + "HH/projection"), FileError, f"{SECOND}.*has no projection with an EPSG code"),
        (without(TIME), FileError, f"{SECOND}.*has no {TIME}"),
        (stored(TIME, np.bytes_("yesterday")), FileError, f"{SECOND}.*{TIME}: date: 'yesterday' is not a date"),
        (stored(TIME, np.bytes_(TIMES[2])), StackError, f"{SECOND}.*both dates are 20260129"),
    ],
)
def test_a_broken_product_is_named(folder, products, change, error, message):
    change(folder, products)
    if change not in (truncated, empty) and len(list(folder.iterdir())) > len(products):
        (folder / products[1].name).unlink()
    with pytest.raises(error, match=message):
        ia.open_stack(folder)
