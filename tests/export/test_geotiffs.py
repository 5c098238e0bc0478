"""One GeoTIFF per interferogram and the maps of the link model: names, tags, signs; the readers read them again."""

import numpy as np
import pytest
import rasterio
import xarray as xr

import insarray as ia
from insarray.export import geotiffs
from insarray.export.geotiffs import model_maps, to_geotiffs
from insarray.model.conventions import SIGN, attributes
from insarray.model.errors import ArgumentError, StackError, StoreError


@pytest.fixture(scope="module")
def stack():
    """An unwrapped stack with the maps that `unwrap_stack` gives."""
    made, truth = ia.simulate_stack(shape=(30, 40), n_dates=4)
    like = truth.velocity.where(truth.water_mask)
    made = made.drop_vars("water_mask", errors="ignore")
    made["velocity"] = like.assign_attrs(attributes("velocity"))
    made["height_error"] = (like * 100).assign_attrs(attributes("height_error"))
    made["temporal_coherence"] = xr.ones_like(like).assign_attrs(attributes("temporal_coherence"))
    return made.chunk(y=16, x=16)


def read(path):
    with rasterio.open(path) as file:
        about = {"units": file.units[0], "epsg": file.crs.to_epsg(), "corner": file.transform * (0, 0)}
        return file.read(1), {**file.tags(), **about, "nodata": file.nodata, "description": file.descriptions[0]}


def test_the_interferograms_read_back_as_a_stack(stack, tmp_path):
    paths = to_geotiffs(stack, tmp_path / "unwrapped")
    labels = list(stack.pair.values)
    suffixes = (".unw.tif", ".unw.conncomp.tif", ".int.cor.tif")
    maps = {"velocity_mm_yr.tif", "dem_error_m.tif", "link_model_coherence.tif"}
    assert {path.name for path in paths} == {f"{label}{suffix}" for label in labels for suffix in suffixes} | maps
    assert sorted(paths) == sorted((tmp_path / "unwrapped").iterdir())
    again = ia.open_stack(str(tmp_path / "unwrapped"), product="dolphin", wavelength=stack.attrs["wavelength"])
    assert list(again.pair.values) == labels
    for name in ("unwrapped_phase", "coherence", "connected_component_labels"):
        np.testing.assert_array_equal(again[name], stack[name], err_msg=name)
    values, about = read(tmp_path / "unwrapped" / f"{labels[2]}.unw.tif")
    np.testing.assert_array_equal(values, stack.unwrapped_phase[2])
    assert np.isnan(values).any()
    assert np.isnan(about["nodata"])
    assert (about["units"], about["description"], about["sign"]) == ("radian", labels[2], SIGN)
    assert (about["epsg"], about["corner"]) == (32614, (485_000, 2_155_000))
    assert float(about["wavelength"]) == stack.attrs["wavelength"]


def test_the_maps_of_the_model_in_both_signs(stack, tmp_path):
    for signs, factor in (("insarray", 1.0), ("published", -1.0)):
        folder = tmp_path / signs
        to_geotiffs(stack, folder, signs=signs)
        velocity, about = read(folder / "velocity_mm_yr.tif")
        np.testing.assert_allclose(velocity, factor * 1e3 * stack.velocity, rtol=1e-6)
        assert about["units"] == "mm/year"
        toward = "toward" if factor > 0 else "away from"
        assert f"positive {toward} the satellite" in about["long_name"]
        height, about = read(folder / "dem_error_m.tif")
        np.testing.assert_allclose(height, factor * stack.height_error, rtol=1e-6)
        assert about["units"] == "m"
        assert np.isnan(about["nodata"])
        assert about["sign"].startswith("phase = -4 pi" if factor > 0 else "phase = 4 pi")
        coherence, about = read(folder / "link_model_coherence.tif")
        np.testing.assert_array_equal(coherence, stack.temporal_coherence)
        assert "agreement of the point's phases with its model" in about["long_name"]
    assert not model_maps(stack[["unwrapped_phase", "temporal_coherence"]])  # the coherence of no model


def test_what_is_there_from_an_interrupted_call_is_kept(stack, tmp_path, monkeypatch):
    monkeypatch.setattr(geotiffs, "_SLAB", 2)
    phases = stack[["unwrapped_phase"]]
    paths = to_geotiffs(phases, tmp_path / "u")
    kept = paths[0].stat().st_mtime_ns
    paths[-1].unlink()
    assert to_geotiffs(phases, tmp_path / "u") == paths
    assert paths[0].stat().st_mtime_ns == kept
    np.testing.assert_array_equal(read(paths[-1])[0], phases.unwrapped_phase[-1])
    with pytest.raises(StoreError, match="exists"):
        to_geotiffs(phases * 2, tmp_path / "u")
    with pytest.raises(StoreError, match="exists"):
        to_geotiffs(phases, tmp_path / "u", signs="published")
    np.testing.assert_array_equal(read(paths[0])[0], phases.unwrapped_phase[0])
    to_geotiffs(phases * 2, tmp_path / "u", overwrite=True)
    np.testing.assert_array_equal(read(paths[0])[0], 2 * phases.unwrapped_phase[0])
    paths[0].write_text("no raster")
    with pytest.raises(StoreError, match=r"unw\.tif.*choose another folder, or remove it"):
        to_geotiffs(phases * 2, tmp_path / "u")


def test_refusals(stack, tmp_path):
    with pytest.raises(ArgumentError, match="signs: 'away' is not one of insarray, published"):
        to_geotiffs(stack, tmp_path, signs="away")
    with pytest.raises(StackError, match="stack: has no unwrapped_phase"):
        to_geotiffs(stack[["coherence"]], tmp_path)
    to_geotiffs(stack[["unwrapped_phase"]], tmp_path / "u")
    own = ia.open_stack(str(tmp_path / "u"), wavelength=0.05)
    with pytest.raises(ArgumentError, match="input"):
        to_geotiffs(own * 2, tmp_path / "u", overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file: cannot be made"):
        to_geotiffs(stack, tmp_path / "file")
    assert len(list((tmp_path / "u").iterdir())) == stack.sizes["pair"]
