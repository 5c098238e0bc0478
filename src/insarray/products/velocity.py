"""Velocity of a displacement series with its standard error."""

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.engine.plan import BYTES_ATTRIBUTE
from insarray.kernels.temporal import fit_linear
from insarray.model.dataset import on_grid_of
from insarray.model.dates import years_since
from insarray.model.errors import StackError

OUTPUTS = ("velocity", "velocity_std")


def fit(series: xr.Dataset) -> xr.Dataset:
    """Linear velocity of every pixel by least squares over its dates, lazily if the series is lazy.

    Parameters
    ----------
    series
        With `displacement` (time, y, x) in m; dates of each `network_subset`, if there, share an offset, so that a
        gap in the network does not bend the velocity.

    Returns
    -------
    xarray.Dataset
        `velocity` in m per year of 365.25 days, positive toward the satellite, and `velocity_std`, its standard error
        from the residuals (NaN where there is no redundancy).

    Raises
    ------
    StackError
        If the series has no displacement or fewer than two dates.
    """
    if "displacement" not in series or series.displacement.dims != ("time", "y", "x"):
        raise StackError("series: has no variable 'displacement' (time, y, x); make it with insarray.invert")
    if series.sizes["time"] < 2:
        raise StackError(f"series: {series.sizes['time']} date(s); a velocity needs at least two")
    times = series.time.values
    inputs = {name: series[name] for name in ("displacement", "network_subset") if name in series}
    years = years_since(times, times[0])
    model = xr.Dataset(map_blocks(fit_block, years, inputs, OUTPUTS, {}))
    kept = ("wavelength", "sign", "reference_row", "reference_col", "reference_lon", "reference_lat", "reference_area")
    attrs = {name: series.attrs[name] for name in (*kept, BYTES_ATTRIBUTE) if name in series.attrs}
    if "job_fingerprint" in series.attrs:
        attrs["series_fingerprint"] = series.attrs["job_fingerprint"]
    attrs |= {"model": "linear", "first_time": str(times[0])[:19], "last_time": str(times[-1])[:19]}
    return on_grid_of(series, model).assign_attrs(attrs)


def fit_block(years: np.ndarray, arrays: Arrays) -> Arrays:
    """Velocity of one block; `arrays` holds `displacement` and perhaps `network_subset`, each (time, y, x)."""
    displacement = arrays["displacement"]
    dates, *pixels = displacement.shape
    subset = arrays.get("network_subset")
    label = np.ones(displacement.shape, np.uint8) if subset is None else subset
    slope, std = fit_linear(displacement.reshape(dates, -1), label.reshape(dates, -1), years)
    return {
        "velocity": slope.astype(np.float32).reshape(pixels),
        "velocity_std": std.astype(np.float32).reshape(pixels),
    }
