"""Plot the time series of a point."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from insarray.model.dataset import grid_of
from insarray.model.dates import as_time, years_since
from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid
from insarray.plot.figures import add_legend, date_axis, new_axes, pixel_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def point(
    series: xr.Dataset,
    *,
    row: int | None = None,
    col: int | None = None,
    lon: float | None = None,
    lat: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """History of one pixel: displacement in mm, with bars of one standard error, and the line of its velocity.

    Dates that are not connected to the reference date (`network_subset` > 1) have another colour and marker per subset,
    as their level is arbitrary. Dates without displacement are marked along the lower edge. The line has the slope
    `velocity` and passes through the mean of the connected dates.

    Parameters
    ----------
    series
        Dataset with `displacement` (time, y, x); optional: `displacement_std`, `network_subset`, `velocity`,
        `velocity_std`.
    row, col
        Pixel, counted from 0 at the upper left.
    lon, lat
        Alternatively its position, WGS 84 degrees.
    ax
        Axes to plot in; None: a new figure (``.figure`` of the returned axes).

    Raises
    ------
    ArgumentError
        If the point is not given, given twice, outside, or has no displacement at any date.

    See Also
    --------
    insarray.plot.velocity : plot a map of the velocity.
    insarray.invert : invert pairs to displacement series.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> axes = ia.plot.point(series, row=3, col=4)
    >>> axes.get_ylabel().splitlines()[0]
    'LOS displacement (mm)'
    """
    if "displacement" not in series or set(series["displacement"].dims) != {"time", "y", "x"}:
        raise ArgumentError("series: has no displacement (time, y, x); give the result of an inversion")
    grid = grid_of(series)
    row, col = pixel_of(grid, row, col, lon, lat)
    names = [n for n in ("displacement_std", "network_subset", "velocity", "velocity_std") if n in series]
    pixel = series[["displacement", *names]].isel(y=row, x=col).compute()
    displacement = 1000 * pixel.displacement.values.astype(np.float64)
    seen = np.isfinite(displacement)
    if not seen.any():
        raise ArgumentError(f"point: row {row}, column {col} has no displacement at any date; it is masked")
    subset = pixel["network_subset"].values if "network_subset" in pixel else np.ones(len(seen))
    error = 1000 * pixel["displacement_std"].values if "displacement_std" in pixel else None
    ax = new_axes(ax, (7.5, 4.0))
    days = date_axis(pixel.time.values, ax)
    for number in np.unique(subset[seen]):
        inside, colour = seen & (subset == number), f"C{int(number) - 1}"
        marker, fill, text = "o", colour, "displacement"
        if number != 1:
            marker, fill, text = "s", "white", f"piece {number}, not tied to the reference date"
        bars = None if error is None else np.nan_to_num(error[inside])
        text += "" if bars is None else " ± one standard error"
        x, y = days[inside], displacement[inside]
        ax.errorbar(x, y, bars, fmt=marker, color=colour, mfc=fill, ms=4.5, elinewidth=0.9, capsize=2, label=text)
    if not seen.all():
        edge = ax.get_xaxis_transform()
        ax.plot(days[~seen], np.full((~seen).sum(), 0.02), "|", color="0.4", transform=edge, label="not observed")
    if "velocity" in pixel and np.isfinite(pixel["velocity"]):
        _velocity_line(ax, pixel, days, displacement, seen & (subset == subset[seen].min()))
    ax.axhline(0, color="0.7", lw=0.8, zorder=0)
    ax.set_ylabel("LOS displacement (mm)\npositive toward satellite")
    ax.set_title(_place(grid, row, col), fontsize="medium")
    if len(ax.get_legend_handles_labels()[1]) > 1 or error is not None:
        add_legend(ax)
    return ax


def _place(grid: Grid, row: int, col: int) -> str:
    position, pixel = grid.lonlat(row, col), f"row {row}, column {col}"
    if position is None:
        return pixel
    lon, lat = position
    return f"{abs(lat):.4f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.4f}° {'E' if lon >= 0 else 'W'}  ({pixel})"


def _velocity_line(ax: "Axes", pixel: xr.Dataset, days: np.ndarray, displacement: np.ndarray, tied: np.ndarray) -> None:
    rate = 1000 * float(pixel["velocity"])
    years = years_since(pixel.time.values, as_time(pixel.time.values[0]))
    offset = (displacement - rate * years)[tied].mean()
    text = f"{rate:.1f}".replace("-", "−")
    if "velocity_std" in pixel and np.isfinite(pixel["velocity_std"]):
        text += f" ± {1000 * float(pixel['velocity_std']):.1f}"
    ax.plot(days, offset + rate * years, "-", color="0.25", lw=1.2, zorder=1, label=f"velocity {text} mm/yr")
