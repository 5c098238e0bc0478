"""The link model on real data: unwrapped pairs wrapped again, and a wrapped stack without baselines."""

import h5py
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.kernels.timefit.least_squares import fit_terms
from insarray.model.conventions import metres_per_radian
from tests.cli.test_cli import insarray

WAVELENGTH = 0.0554657595


@pytest.mark.slow
def test_links_of_wrapped_phases_are_those_of_the_unwrapped_ones(shared):
    """Mexico City, baselines per pixel: at least 98 % of coherent links within 3 rad/yr and 3 m of the plain fit."""
    folder = shared / "data/s1_mexico_cropA"
    series = ia.invert(ia.open_stack(str(folder / "unw/*.tif"), wavelength=WAVELENGTH), reference=(33, 8)).compute()
    geometry = ia.open_geometry(folder / "geometry.nc", series).compute()
    scale = metres_per_radian(WAVELENGTH)
    phase = series.displacement.values.astype(float) / scale
    wrapped = xr.Dataset(
        {
            "wrapped_phase": (("time", "y", "x"), np.angle(np.exp(1j * phase)).astype(np.float32)),
            **{name: geometry[name] for name in ("perpendicular_baseline", "slant_range", "incidence_angle")},
        },
        {name: series[name] for name in ("time", "y", "x", "spatial_ref")},
        {"wavelength": WAVELENGTH},
    )
    complete = xr.DataArray(np.isfinite(phase).all(axis=0).astype(np.uint8), dims=("y", "x"))
    points = ia.select_points(wrapped, mask=complete)
    links = ia.estimate_links(points, velocity=(-0.15, 0.15), height_error=(-60, 60), network="delaunay")
    a, b = links.point_a.values, links.point_b.values
    unwrapped = phase[:, points.row.values, points.col.values]
    years = ((series.time - series.time[0]) / np.timedelta64(1, "D")).values / 365.25
    baseline = points.perpendicular_baseline.values
    factor = 1 / (points.slant_range.values * np.sin(np.deg2rad(points.incidence_angle.values)))
    column = (baseline[:, a] + baseline[:, b]) / 2 * (factor[a] + factor[b]) / 2
    plain = fit_terms((unwrapped[:, b] - unwrapped[:, a]) * scale, years[:, None], columns=column[None])
    coherent = links.link_coherence.values > 0.85
    assert coherent.sum() > 10_000
    velocity = np.abs(links.velocity_difference.values - plain.terms[0])[coherent] / abs(scale)
    height = np.abs(links.height_error_difference.values - plain.terms[1])[coherent]
    assert np.mean((velocity <= 3) & (height <= 3)) >= 0.98


@pytest.fixture
def psps(shared):
    return shared / "data/s1_wrapped_psps/wrapped_stack.h5"


def test_a_wrapped_stack_without_baselines_has_velocities_only(psps):
    """Links of persistent scatterers; the study found constant velocities of median coherence 0.68."""
    with h5py.File(psps) as file:
        similar = xr.DataArray((file["psps_max_similarity"][:] > 0.6).astype(np.uint8), dims=("y", "x"))
    points = ia.select_points(ia.open_wrapped(psps, wavelength=WAVELENGTH), mask=similar)
    assert points.sizes == {"time": 93, "point": 1505}
    links = ia.estimate_links(points, velocity=(-0.04, 0.04), network="delaunay")
    assert 0.6 < float(links.link_coherence.median()) < 0.8
    assert float(links.link_coherence.quantile(0.9)) > 0.8
    assert np.isnan(links.height_error_difference).all()
    model = ia.refine_points(points, ia.integrate_links(links, points))
    assert "height_error" not in model
    assert float(model.velocity_std.median()) < 0.001


def test_its_height_error_is_refused(capsys, psps, tmp_path):
    words = ("--wavelength", WAVELENGTH, "--max-amplitude-dispersion", 0.2, "--height-error-range", -50, 50)
    code, _, errors = insarray(capsys, "links", psps, tmp_path / "o", *words)
    assert (code, len(errors)) == (2, 1)
    assert "there are no perpendicular baselines" in errors[0]
    assert not (tmp_path / "o").exists()
