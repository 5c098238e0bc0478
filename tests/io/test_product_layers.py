"""Layers that ARIA, NISAR and OPERA DISP carry: each is what its cause adds to the phase, in our sign, and changes nothing."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from affine import Affine

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.store.zarr_store import open_store
from insarray.model.errors import ArgumentError, FileError, StackWarning
from tests.io.products import aria, nisar, opera_disp
from tests.io.products.aria import AriaProduct
from tests.io.products.nisar import NisarProduct
from tests.io.products.opening import opened
from tests.io.products.opera_disp import DispProduct
from tests.io.stack_files import write_raster

RANGES = (0.02, 0.03, 0.05, -0.04)
"""Metres that ionosphere, wet and hydrostatic troposphere and tide add to the range of the later date."""

CAUSES = ("ionosphere", "troposphere_wet", "troposphere_hydrostatic", "solid_earth_tide")
HEIGHT = 500.0


def per_metre(wavelength):
    return 4 * np.pi / wavelength


@pytest.fixture
def dem_nisar(tmp_path):
    transform = Affine(400, 0, nisar.LEFT - 2000, 0, -400, nisar.TOP + 2000)
    return write_raster(
        tmp_path / "dem.tif", np.full((20, 20), HEIGHT, np.float32), transform=transform, crs="EPSG:32614"
    )


@pytest.fixture
def dem_aria(tmp_path):
    transform = Affine(0.005, 0, aria.WEST - 0.05, 0, -0.005, aria.NORTH + 0.05)
    return write_raster(
        tmp_path / "dem.tif", np.full((30, 30), HEIGHT, np.float32), transform=transform, crs="EPSG:4326"
    )


def write(folder, *products):
    for product in products:
        product.write(folder)
    return folder


def nisar_product(**changes):
    phase = np.full(nisar.SHAPE, 1.5)
    product = NisarProduct("2026-01-05T06:09:11", "2026-01-17T06:09:12", phase, screens=RANGES)
    return replace(product, **changes)


def aria_product(**changes):
    product = AriaProduct("20150605", "20150512", np.full(aria.SHAPE, 1.5), 20.0, ranges=RANGES)
    return replace(product, **changes)


def at_height(cause):
    return 1 - HEIGHT / 20_000 if cause.startswith("troposphere") else 1.0


@pytest.mark.parametrize("swapped", [False, True])
def test_nisar(tmp_path, dem_nisar, swapped):
    product = nisar_product()
    if swapped:  # the newer date first: phase and all layers of the file are the other way round
        product = nisar_product(
            reference=product.secondary,
            secondary=product.reference,
            phase=-product.phase,
            screens=tuple(-r for r in RANGES),
        )
    stack = ia.open_stack(write(tmp_path / "gunw", product), dem=dem_nisar, layers=CAUSES)
    np.testing.assert_allclose(stack.unwrapped_phase[0, 5, 5], 1.5)  # nothing was subtracted
    for cause, metres in zip(CAUSES, RANGES, strict=True):
        layer = stack[cause]
        expected = per_metre(nisar.WAVELENGTH) * metres * at_height(cause)
        np.testing.assert_allclose(layer.values[0, 5:, 5:], expected, rtol=1e-4, err_msg=cause)
        assert layer.dims == ("pair", "y", "x")
        assert layer.chunks is not None
        assert layer.attrs["units"] == "radian"
        assert "subtract it to correct the phase" in layer.attrs["sign"]
        assert layer.attrs["long_name"]


@pytest.mark.parametrize("older_first", [False, True])
def test_aria(tmp_path, dem_aria, older_first):
    folder = write(tmp_path / "aria", aria_product(older_first=older_first))
    stack = ia.open_stack(folder, dem=dem_aria, layers=CAUSES)
    np.testing.assert_allclose(stack.unwrapped_phase[0, 5, 5], 1.5, rtol=1e-6)
    for cause, metres in zip(CAUSES, RANGES, strict=True):
        expected = per_metre(aria.WAVELENGTH) * metres * at_height(cause)
        if cause == "ionosphere":
            expected = expected * (1 + stack.x.values - aria.WEST) + 0 * stack.y.values[:, None]
        else:
            expected = np.full(aria.SHAPE, expected) * (1 if cause.startswith("tropo") else 1 - HEIGHT / 20_000)
        np.testing.assert_allclose(stack[cause].values[0], expected, rtol=2e-4, err_msg=cause)


def test_the_coarse_ionosphere_ends_where_its_pixels_do(tmp_path):
    far = aria_product(phase=np.full((24, 90), 1.5))  # coarse pixels end 0.055 degrees east of the first pixel
    stack = opened(write(tmp_path / "aria", far), layers="ionosphere")
    known = np.isfinite(stack.ionosphere.values[0, 3])
    np.testing.assert_array_equal(known, stack.x.values < aria.WEST + 0.055)
    beyond = known & (stack.x.values > aria.WEST + 0.05)  # of the outermost pixels the outer half, too
    assert beyond.any()


def test_one_weather_model_is_chosen_and_named(tmp_path, dem_aria):
    folder = write(tmp_path / "aria", aria_product(models=("HRRR", "ERA5")))
    stack = opened(folder, "troposphere is that of ERA5; the products have HRRR, too", dem=dem_aria, layers=CAUSES[1:2])
    assert np.isfinite(stack.troposphere_wet.values).all()


@pytest.mark.parametrize("swapped", [False, True])
def test_opera(tmp_path, swapped):
    dates = ("20160705T140755", "20160729T140756")
    first, second = dates[::-1] if swapped else dates
    toward = (0.01, -0.03)
    product = DispProduct(first, second, np.full(opera_disp.SHAPE, 0.2), 10.0, corrections=toward)
    folder = write(tmp_path / "disp", product)
    stack = ia.open_stack(folder, layers=("ionosphere", "solid_earth_tide", "recommended_mask"))
    sign, ramp = (1 if swapped else -1), np.linspace(1, 2, opera_disp.SHAPE[1])
    for cause, metres in zip(("ionosphere", "solid_earth_tide"), toward, strict=True):
        np.testing.assert_allclose(
            stack[cause].values[0, 7], sign * per_metre(opera_disp.WAVELENGTH) * metres * ramp, rtol=1e-5
        )
    np.testing.assert_allclose(
        stack.unwrapped_phase.values[0, 7], sign * per_metre(opera_disp.WAVELENGTH) * 0.2, rtol=1e-5
    )
    assert stack.recommended_mask.dtype == bool
    assert stack.recommended_mask.values[0, 2, 2:6].tolist() == [True, False, False, True]
    assert "ionosphere" not in ia.open_stack(folder)


def test_an_area_has_its_part_of_the_layers(tmp_path):
    folder = write(tmp_path / "aria", aria_product())
    whole = opened(folder, layers=["ionosphere"])
    part = opened(folder, layers=["ionosphere"], area="rows:3:9,4:20")
    np.testing.assert_array_equal(part.ionosphere, whole.ionosphere[:, 3:9, 4:20])


def test_the_option_of_the_command(tmp_path, capsys, dem_aria):
    folder = write(tmp_path / "aria", aria_product())
    further = ["--layers", "ionosphere,solid_earth_tide", "--dem", str(dem_aria)]
    assert run_command(["info", str(folder), *further, "--json"]) == 0
    assert '"ionosphere", "solid_earth_tide"' in capsys.readouterr().out
    assert run_command(["invert", str(folder), str(tmp_path / "out.zarr"), *further, "--reference", "5,5"]) == 0
    values = open_store(str(tmp_path / "out.zarr")).displacement.values
    assert not np.any(values[np.isfinite(values)])  # the phase is the same everywhere, whatever the ionosphere is


def test_what_is_not_there_is_refused_with_the_remedy(tmp_path, dem_nisar):
    bare = write(tmp_path / "bare", nisar_product(screens=None))
    with pytest.raises(
        FileError, match=r"NISAR_L2_.*has no .*ionospherePhaseScreen, of which ionosphere is made; leave"
    ):
        ia.open_stack(bare, dem=dem_nisar, layers="ionosphere")
    with pytest.raises(FileError, match=r"has no wetTropospheric.*leave troposphere_wet out of layers"):
        ia.open_stack(bare, dem=dem_nisar, layers="troposphere_wet")
    full = write(tmp_path / "full", nisar_product())
    with pytest.raises(ArgumentError, match=r"solid_earth_tide is on levels of height, give a raster .*\(--dem\)"):
        ia.open_stack(full, layers="solid_earth_tide")
    with pytest.raises(ArgumentError, match=r"layers: products of NISAR have no 'recommended_mask', only ionosphere"):
        ia.open_stack(full, layers="recommended_mask")
    with pytest.raises(ArgumentError, match=r"layers: 'tides' is not one of ionosphere"):
        ia.open_stack(full, layers="tides")
    with pytest.raises(ArgumentError, match=r"layers: does not apply to the product dolphin|does not apply"):
        ia.open_stack(dem_nisar, layers="ionosphere")
    other = write(tmp_path / "b", nisar_product(layers=("frequencyB/HH",)))
    with pytest.raises(ArgumentError, match=r"troposphere_wet of the products is that of frequencyA"):
        ia.open_stack(other, dem=dem_nisar, layers="troposphere_wet")


def test_layers_of_aria_that_are_not_there(tmp_path, dem_aria):
    bare = write(tmp_path / "bare", aria_product(ranges=None))
    for cause in CAUSES:
        with pytest.raises(FileError, match=rf"S1-GUNW.*of which {cause} is made"):
            ia.open_stack(bare, dem=dem_aria, layers=cause)


def test_layers_of_opera_that_were_not_computed(tmp_path):
    dates = ("20160705T140755", "20160729T140756")
    folder = write(tmp_path / "disp", DispProduct(*dates, np.full(opera_disp.SHAPE, 0.2), 10.0))
    with pytest.raises(
        FileError, match=r"corrections/ionospheric_delay holds zeros, it was not computed; leave ionosphere"
    ):
        ia.open_stack(folder, layers="ionosphere")
    path = next(folder.iterdir())
    with h5py.File(path, "a") as file:
        file["corrections/solid_earth_tide"].attrs["units"] = "radians"  # of products before 2025
        del file["recommended_mask"]
    with pytest.raises(FileError, match=r"solid_earth_tide is not in metres; leave"):
        ia.open_stack(folder, layers="solid_earth_tide")
    with pytest.raises(FileError, match=r"has no recommended_mask"):
        ia.open_stack(folder, layers="recommended_mask")


def test_no_warning_but_that_of_the_geometry(tmp_path):
    folder = write(tmp_path / "aria", aria_product())
    with pytest.warns(StackWarning) as told:
        ia.open_stack(folder, layers="ionosphere")
    assert ["--dem" in str(warning.message) for warning in told] == [True]
