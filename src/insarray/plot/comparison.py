"""Two results of one place against each other: scatter, map and histogram of their difference."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from insarray.model.dataset import grid_of
from insarray.model.errors import ArgumentError
from insarray.plot.figures import new_figure
from insarray.plot.maps import labelled, map  # noqa: A004  the field's word
from insarray.products.stacks.quality import masked_layer
from insarray.products.stacks.selection import Raster
from insarray.products.views.aligning import aligned
from insarray.products.views.stacks import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_SIDE = 3000
_DOTS = 20_000  # more points than these are counted in cells
_CELLS = 200


def compare(
    first: xr.Dataset,
    second: xr.Dataset,
    name: str = "velocity",
    *,
    labels: Sequence[str] = ("first", "second"),
    mask: Raster | None = None,
    figure: "Figure | None" = None,
) -> "Figure":
    """Two results against each other, where both have data: scatter, map of second minus first, and its histogram.

    Both have what their reference has: a constant between them is one of their references.

    Parameters
    ----------
    first, second
        Datasets on one grid; `second` may have more pixels. Larger than 3000 pixels, only every n-th row and column is read.
    name
        Variable (y, x) of both.
    labels
        What to call them.
    mask
        Pixels to compare, as in `map`.
    figure
        Where to draw; a new one if None.

    Returns
    -------
    matplotlib.figure.Figure
        Above the histogram are number of pixels, mean and standard deviation of the difference, and the correlation.

    Raises
    ------
    ArgumentError
        If one has no such variable, their grids differ, or no pixel has data in both.

    See Also
    --------
    insarray.plot.map : a map of any layer.
    insarray.plot.profile : a variable along a line.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> robust = ia.invert(stack, reference=(9, 12), norm="l1")
    >>> figure = ia.plot.compare(ia.fit(series), ia.fit(robust), labels=("least squares", "least absolute deviations"))
    >>> len(figure.axes) >= 3
    True
    """
    if isinstance(labels, str) or len(labels) != 2:
        raise ArgumentError(f"labels: {labels!r} are not two names")
    one, other = _layers(first, second, name, mask)
    label, scale = labelled(name, first[name])
    label = label.partition("\n")[0]
    x, y = (scale * layer.values.astype(np.float64) for layer in (one, other))
    both = np.isfinite(x) & np.isfinite(y)
    if not both.any():
        raise ArgumentError(f"compare: no pixel has {name} in both; are they of one place?")
    figure = new_figure(figure, (14.5, 4.6))
    axes = figure.subplots(1, 3, width_ratios=(1, 1.45, 1))
    _scatter(axes[0], x[both], y[both], [f"{label}, {text}" for text in labels])
    difference = (other - one).assign_attrs(one.attrs).to_dataset(name=name)
    map(difference, name, axes[1])
    axes[1].set_title(f"{labels[1]} − {labels[0]}", fontsize="medium")
    _histogram(axes[2], x[both], y[both], label, labels)
    return figure


def _layers(first: xr.Dataset, second: xr.Dataset, name: str, mask: Raster | None) -> tuple[xr.DataArray, xr.DataArray]:
    """A variable of both on the pixels of the first, thinned, in memory."""
    for which, data in (("first", first), ("second", second)):
        if name not in data or set(data[name].dims) != {"y", "x"}:
            has = ", ".join(str(k) for k, v in data.data_vars.items() if set(v.dims) == {"y", "x"})
            raise ArgumentError(f"{which}: has no {name!r} (y, x); it has {has or 'no map'}")
    one = masked_layer(first[name], mask).transpose("y", "x")
    other = aligned("second", second[name], View(first), ("y", "x"))
    step = max(1, math.ceil(max(grid_of(first).shape) / _MAX_SIDE))
    cells = {"y": slice(None, None, step), "x": slice(None, None, step)}
    one = one.isel(cells).load()
    return one, one.copy(data=other.isel(cells).values)


def _scatter(ax: "Axes", x: np.ndarray, y: np.ndarray, labels: Sequence[str]) -> None:
    from matplotlib.colors import LogNorm

    low, high = np.percentile(np.concatenate([x, y]), (0.05, 99.95))
    room = 0.03 * (high - low) or 1.0
    ends = low - room, high + room
    if x.size <= _DOTS:
        ax.plot(x, y, ".", ms=3, mew=0, alpha=0.5, color="C0", rasterized=True)
    else:
        *_, cells = ax.hist2d(x, y, _CELLS, range=(ends, ends), norm=LogNorm(), cmap="viridis", rasterized=True)
        ax.figure.colorbar(cells, ax=ax, label="pixels", pad=0.02)
    ax.axline((0, 0), slope=1, color="0.4", lw=0.9, ls="--")
    ax.set(xlim=ends, ylim=ends, aspect="equal", xlabel=labels[0], ylabel=labels[1])


def _histogram(ax: "Axes", x: np.ndarray, y: np.ndarray, label: str, labels: Sequence[str]) -> None:
    difference = y - x
    low, high = np.percentile(difference, (0.1, 99.9))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    ax.hist(np.clip(difference, low, high), bins=80, range=(low, high), color="#4477aa")
    ax.axvline(0, color="0.5", lw=0.8)
    correlation = np.corrcoef(x, y)[0, 1] if x.size > 1 and x.std() > 0 and y.std() > 0 else np.nan
    text = f"{x.size:,} pixels, mean {difference.mean():.3g}, std {difference.std():.3g}, r = {correlation:.3f}"
    ax.set_title(text.replace("-", "−"), fontsize="medium")
    ax.set(xlabel=f"{labels[1]} − {labels[0]}\n{label}", ylabel="pixels")
