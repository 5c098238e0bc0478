"""Make lazy displacement series from layers of dates."""

import hashlib
import warnings

import numpy as np
import xarray as xr

from insarray.io.layers.lazy import block_shape, lazy_variable
from insarray.io.layers.windows import window_coords
from insarray.io.source import Layer, Window
from insarray.model.conventions import attributes
from insarray.model.dataset import epoch_coords, with_nodata
from insarray.model.errors import StackWarning
from insarray.model.grid import Grid


def lazy_displacement(layer: Layer, block: int | None) -> xr.DataArray:
    """Return the layer as displacement (time, y, x), with all dates of a block in one chunk."""
    rows, cols = block_shape(layer, block)
    token = hashlib.sha256(layer.fingerprint.encode()).hexdigest()
    lazy = xr.Dataset({"displacement": lazy_variable(layer, "time")})
    return lazy.chunk({"time": -1, "y": rows, "x": cols}, token=token)["displacement"]


def series_of(
    displacement: xr.DataArray,
    times: np.ndarray,
    baseline: np.ndarray | None,
    grid: Grid,
    window: Window | None,
    known: dict[str, object],
) -> xr.Dataset:
    """Return a canonical time series.

    Parameters
    ----------
    displacement
        Metres, positive toward the satellite.
    times, baseline
        Dates in order, and their baselines in metres, None if unknown. With a warning, they are left out if one is no
        number.
    grid, window
        Grid of the files, and the window covered by the displacement; None for all.
    known
        Attributes of the series.
    """
    series = xr.Dataset({"displacement": displacement})
    if baseline is not None and not np.isfinite(baseline).all():
        unknown = ", ".join(str(time)[:10] for time in times[~np.isfinite(baseline)][:3])
        warnings.warn(f"no perpendicular baselines: that of {unknown} is no number", StackWarning, stacklevel=2)
        baseline = None
    along = None if baseline is None else xr.DataArray(baseline, dims="time")
    coords = epoch_coords(times, along) | window_coords(grid, window)
    mapping = {"grid_mapping": "spatial_ref"} if "spatial_ref" in coords else {}
    series["displacement"].attrs = attributes("displacement") | mapping
    return with_nodata(series.assign_coords(coords).assign_attrs(known))
