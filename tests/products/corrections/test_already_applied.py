"""Corrections that products have already are known by their metadata and names, and refused."""

import h5py
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import ArgumentError
from tests.io.products.opera_disp import SHAPE, DispProduct
from tests.io.test_mintpy_series import GEO, write
from tests.networks import nearest
from tests.stacks import stack_of


def opera(folder, **said):
    """Two products that say what was done to them, as opera-adt/disp-s1 writes `metadata`."""
    for secondary in ("20190117T003000", "20190129T003000"):
        product = DispProduct(
            "20190105T003000", secondary, np.zeros(SHAPE, np.float32), baseline=10.0, corrections=(0.01, 0.02)
        )
        path = product.write(folder)
        with h5py.File(path, "a") as file:
            for name, value in said.items():
                file[f"metadata/ceos_{name}_phase_correction"] = np.bytes_(value)
    return folder


def some(like, name):
    """A correction of a stack or series."""
    layer = like.displacement if "displacement" in like else like.unwrapped_phase
    return xr.zeros_like(layer).rename(name).assign_attrs(units="m")


def test_opera_says_none(tmp_path):
    stack = ia.open_stack(opera(tmp_path / "a", atmospheric="None", ionospheric="None"), layers=["solid_earth_tide"])
    assert "corrections" not in stack.attrs
    assert ia.correct(stack, stack[["solid_earth_tide"]]).attrs["corrections"] == "solid_earth_tide"


def test_opera_says_what_it_has(tmp_path):
    stack = ia.open_stack(opera(tmp_path / "a", atmospheric="tropospheric", ionospheric="split spectrum"))
    assert stack.attrs["corrections"] == "troposphere ionosphere"
    assert stack.attrs["correction_sources"].endswith("ionosphere: the product (split spectrum)")
    for name in ("ionosphere", "troposphere_wet"):
        with pytest.raises(ArgumentError, match=f"{name} is applied already, as"):
            ia.correct(stack, some(stack, name))


def test_layers_of_opera_are_subtracted_with_their_sign(tmp_path):
    """Apparent displacement in metres, "subtract from /displacement": a plane of 1 cm to 2 cm in zeros."""
    stack = ia.open_stack(opera(tmp_path / "a"), layers=["ionosphere", "solid_earth_tide"])
    found = ia.invert(ia.correct(stack, stack[["ionosphere", "solid_earth_tide"]]), reference=None).displacement
    np.testing.assert_allclose(found[1], -np.broadcast_to(0.03 * np.linspace(1, 2, SHAPE[1]), SHAPE), atol=1e-6)
    again = ia.correct(ia.invert(stack, reference=None), stack[["ionosphere", "solid_earth_tide"]]).displacement
    np.testing.assert_allclose(again, found, atol=1e-6)


def test_names_of_mintpys_series_say_what_it_has(tmp_path):
    values = np.random.default_rng(2).normal(0, 0.05, (5, 12, 14)).astype(np.float32)
    path = write(tmp_path / "timeseries_SET_ERA5_ramp_demErr.h5", values, **GEO)
    series = ia.open(str(path))
    assert series.attrs["corrections"] == "solid_earth_tide troposphere"
    assert series.attrs["correction_sources"] == "solid_earth_tide: MintPy (SET); troposphere: MintPy (ERA5)"
    with pytest.raises(ArgumentError, match="solid_earth_tide is applied already"):
        ia.correct(series, some(series, "solid_earth_tide"))
    assert "corrections" not in ia.open(str(write(tmp_path / "timeseries_ramp_demErr.h5", values, **GEO))).attrs


def test_a_stack_that_was_stored_knows_its_corrections(tmp_path):
    stack = ia.correct(stack_of(nearest(4, 2)), some(stack_of(nearest(4, 2)), "ionosphere"))
    ia.run(stack, tmp_path / "stack.zarr")
    back = ia.open_stack(str(tmp_path / "stack.zarr"))
    assert back.attrs["corrections"] == "ionosphere"
    with pytest.raises(ArgumentError, match="ionosphere is applied already"):
        ia.correct(back, some(back, "ionosphere"))
    assert ia.invert(back, reference=(5, 5)).attrs["corrections"] == "ionosphere"
