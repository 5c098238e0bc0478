"""Plot maps of points, and of links between them."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid
from insarray.plot.figures import new_axes
from insarray.plot.maps import Limits, Style, colouring, frame, ground_aspect, mark_reference, size_of_map
from insarray.products.points.selection import grid_of_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LINKS = 300_000  # more lines would overlap completely


def points(
    data: xr.Dataset, name: str = "velocity", ax: "Axes | None" = None, *, limits: Limits | None = None
) -> "Axes":
    """Map of a variable of points, coloured as `map` colours it; points without a value are grey.

    Parameters
    ----------
    data
        Result of `insarray.integrate_links`, `refine_points`, `unwrap_points`, or `select_points`; select one epoch of
        a variable with epochs, ``points(unwrapped.isel(time=5), "unwrapped_phase")``.
    name
        Variable or coordinate (point).
    ax
        Where to draw; a new figure (``.figure`` of what is returned) if None.
    limits
        Ends of the colours, as in `map`.

    Raises
    ------
    ArgumentError
        If there is no such variable, or its dimensions are not (point).
    StackError
        If the points lack the attributes of their grid.

    See Also
    --------
    insarray.plot.links : plot values of arcs.
    insarray.points_to_grid : convert points to maps.

    Examples
    --------
    >>> import insarray as ia
    >>> wrapped, truth = ia.simulate_wrapped(shape=(20, 20), n_dates=12, water=False)
    >>> points = ia.select_points(wrapped, min_temporal_coherence=0.7)
    >>> links = ia.estimate_links(points, height_error=(-40, 40), neighbours=4)
    >>> axes = ia.plot.points(ia.integrate_links(links, points))
    >>> len(axes.collections) > 0
    True
    """
    if name not in data:
        raise ArgumentError(f"name: {name!r} is not in the dataset; it has {', '.join(map(str, data.data_vars))}")
    layer = data[name]
    if layer.dims != ("point",):
        raise ArgumentError(f"{name}: dimensions are {layer.dims}, not (point); choose one epoch with .isel(time=...)")
    grid = grid_of_points(data)
    aspect = ground_aspect(grid)
    ax = new_axes(ax, size_of_map(grid, aspect))
    style = colouring(name, layer, limits)
    x, y = data.x.values, data.y.values
    unknown = np.ma.getmaskarray(style.values)
    ax.scatter(x[unknown], y[unknown], s=_size(len(x)), color="0.8", lw=0, rasterized=True)
    order = np.argsort(np.abs(np.ma.filled(style.values, 0.0))[~unknown], kind="stable")  # largest values on top
    shown = np.flatnonzero(~unknown)[order]
    drawn = ax.scatter(
        x[shown],
        y[shown],
        c=np.asarray(style.values)[shown],
        s=_size(len(x)),
        cmap=style.cmap,
        norm=style.norm,
        lw=0,
        rasterized=True,
    )
    _finish(ax, drawn, style, data, grid, aspect)
    if "time" in layer.coords and layer.time.ndim == 0:
        ax.set_title(str(layer.time.values.astype("datetime64[D]")), fontsize="medium")
    return ax


def links(data: xr.Dataset, points: xr.Dataset, name: str = "link_coherence", ax: "Axes | None" = None) -> "Axes":
    """Plot links as lines, coloured by a variable; the least coherent at the bottom.

    Parameters
    ----------
    data
        Result of `insarray.estimate_links`.
    points
        Points that they connect.
    name
        Variable (link).
    ax
        Axes to plot in; None: a new figure.

    Raises
    ------
    ArgumentError
        If there is no such variable, or there are too many links for a picture.

    See Also
    --------
    insarray.plot.points : plot values of points.
    insarray.estimate_links : velocity and DEM error differences of arcs.

    Examples
    --------
    >>> import insarray as ia
    >>> wrapped, truth = ia.simulate_wrapped(shape=(20, 20), n_dates=12, water=False)
    >>> points = ia.select_points(wrapped, min_temporal_coherence=0.7)
    >>> links = ia.estimate_links(points, height_error=(-40, 40), neighbours=4)
    >>> axes = ia.plot.links(links, points)
    >>> len(axes.collections) > 0
    True
    """
    from matplotlib.collections import LineCollection

    if name not in data or data[name].dims != ("link",):
        raise ArgumentError(f"name: {name!r} is not a variable (link); there are {', '.join(map(str, data.data_vars))}")
    if data.sizes["link"] > _MOST_LINKS:
        raise ArgumentError(f"links: {data.sizes['link']} are too many for a picture; select a part")
    grid = grid_of_points(points)
    aspect = ground_aspect(grid)
    ax = new_axes(ax, size_of_map(grid, aspect))
    style = colouring(name, data[name])
    order = np.argsort(np.nan_to_num(data.link_coherence.values), kind="stable")
    ends = [
        np.column_stack([points.x.values[at], points.y.values[at]]) for at in (data.point_a.values, data.point_b.values)
    ]
    lines: Any = np.stack(ends, axis=1)[order]
    drawn = LineCollection(lines, cmap=style.cmap, norm=style.norm, lw=0.8, rasterized=True)
    drawn.set_array(style.values[order])
    ax.add_collection(drawn)
    ax.autoscale()
    _finish(ax, drawn, style, points, grid, aspect)
    return ax


def _size(number: int) -> float:
    """Return the area of a marker, in square points, such that points remain separate."""
    return float(np.clip(120_000 / max(number, 1), 1.0, 30.0))


def _finish(ax: "Axes", drawn: Any, style: Style, data: xr.Dataset, grid: Grid, aspect: float | None) -> None:
    """Add frame, colour bar and reference point."""
    frame(ax, grid, aspect)
    if aspect is None:
        ax.invert_yaxis()
    ax.figure.colorbar(drawn, ax=ax, label=style.label, extend=style.extend, pad=0.02)
    attrs = data.attrs  # row and column in the image of the selected points, whose grid is in the same attributes
    known = {"reference_row", "reference_col"} <= set(attrs)
    mark_reference(ax, grid, (int(attrs["reference_row"]), int(attrs["reference_col"])) if known else None)
