"""Plot small multiples: one variable at several dates or pairs, with a common colour scale."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from insarray.model.dataset import grid_of, network_of, reference_in
from insarray.model.dates import date_index
from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid
from insarray.plot.figures import new_figure
from insarray.plot.maps import Limits, colouring, frame, ground_aspect, mark_reference
from insarray.products.stacks.quality import masked_layer
from insarray.products.stacks.selection import Raster

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANELS = 12
_MAX_SIDE = 800  # pixels of a panel
_WIDTH = 2.6  # inches of a panel
_NAMES = {"time": "dates", "pair": "pairs"}


def multiples(
    data: xr.Dataset,
    name: str,
    *,
    layers: Sequence[int | str] | None = None,
    wrap: bool = False,
    mask: Raster | None = None,
    limits: Limits | None = None,
    figure: "Figure | None" = None,
) -> "Figure":
    """Plot maps of a variable at several dates or pairs, with one colour bar.

    Parameters
    ----------
    data
        Dataset on a grid.
    name
        Variable (time, y, x), such as `displacement`, or (pair, y, x), such as `unwrapped_phase`. Colours, units and
        reference point as in `map`. If the image is larger than 800 pixels, only every n-th row and column is read.
    layers
        Dates or pairs to draw: their numbers, or "20190105" and "20190105_20190117"; by default twelve at equal steps, first
        and last included, or all if there are no more. The title says how many of how many are shown.
    wrap
        Plot a phase (radian) modulo 2 pi, from -pi to pi, in cyclic colours: fringes, as in the interferogram.
    mask
        Pixels to draw, as in `map`.
    limits
        Ends of the colours, as in `map`.
    figure
        Where to draw; a new one if None.

    Raises
    ------
    ArgumentError
        If there is no such variable, its dimensions are not supported, a layer does not exist, or `wrap` is set for a
        variable that is not a phase.
    StackError
        If `data` has no grid.

    See Also
    --------
    insarray.plot.map : plot a map of any variable.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> figure = ia.plot.multiples(stack, "unwrapped_phase", wrap=True)
    >>> len(figure.axes) >= 12
    True
    """
    kind = _kind(data, name, wrap=wrap)
    layer, grid = masked_layer(data[name], mask), grid_of(data)
    count = layer.sizes[kind]
    chosen = _chosen(data, count, layers, kind)
    step = max(1, math.ceil(max(grid.shape) / _MAX_SIDE))
    shown = layer.transpose(kind, "y", "x")[chosen, ::step, ::step].load()
    if wrap:
        shown = shown.copy(data=np.angle(np.exp(1j * shown.values.astype(np.float64))))
    style = colouring("wrapped_phase" if wrap else name, shown, limits)
    columns = min(len(chosen), 4)
    rows = math.ceil(len(chosen) / columns)
    aspect = ground_aspect(grid)
    size = (_WIDTH * columns + 1, (_WIDTH * _shape(grid, aspect) + 0.3) * rows)
    figure = new_figure(figure, size)
    if len(chosen) < count:
        figure.suptitle(f"{len(chosen)} of {count} {_NAMES.get(kind, kind)}", fontsize="medium")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    right, bottom = grid.left + shown.shape[2] * step * grid.dx, grid.top + shown.shape[1] * step * grid.dy
    for k, ax in enumerate(axes[: len(chosen)]):
        edges = (grid.left, right, bottom, grid.top)
        image = ax.imshow(
            style.values[k], style.cmap, style.norm, extent=edges, origin="upper", interpolation="nearest"
        )
        frame(ax, grid, aspect)
        ax.set(xlabel="", ylabel="", xticks=[], yticks=[], title=_title(shown[k], chosen[k]))
        ax.title.set_fontsize("small")
    for ax in axes[1 : len(chosen)]:  # one scale bar suffices
        for artist in list(ax.artists):
            artist.remove()
    for ax in axes[len(chosen) :]:
        ax.set_visible(False)
    mark_reference(axes[0], grid, reference_in(data))
    figure.colorbar(image, ax=axes.tolist(), label=style.label, extend=style.extend, shrink=0.7, pad=0.02)
    return figure


def _kind(data: xr.Dataset, name: str, *, wrap: bool) -> str:
    """Return the dimension of the layers of a variable; raise ArgumentError if it cannot be plotted."""
    if name not in data:
        raise ArgumentError(f"name: {name!r} is not in the dataset; it has {', '.join(str(k) for k in data.data_vars)}")
    layer = data[name]
    others = [str(dim) for dim in layer.dims if dim not in ("y", "x")]
    if len(others) != 1 or layer.ndim != 3:
        raise ArgumentError(f"{name}: dimensions are {layer.dims}, not (time, y, x) or (pair, y, x); map draws one map")
    if wrap and layer.attrs.get("units") != "radian":
        raise ArgumentError(f"wrap: {name} is in {layer.attrs.get('units')!r}, not in 'radian'; leave it out")
    return others[0]


def _chosen(data: xr.Dataset, count: int, layers: Sequence[int | str] | None, kind: str) -> list[int]:
    """Numbers of the layers to draw."""
    if layers is None:
        return sorted({int(k) for k in np.linspace(0, count - 1, min(_PANELS, count)).round()})
    if isinstance(layers, str) or not len(layers):
        raise ArgumentError(
            f"layers: {layers!r}; give numbers from 0 to {count - 1}, or the names, one for each {kind}"
        )
    numbers = [_number(data, layer, kind) if isinstance(layer, str) else int(layer) for layer in layers]
    wrong = [number for number in numbers if not -count <= number < count]
    if wrong:
        raise ArgumentError(f"layers: {list(layers)}; give numbers from 0 to {count - 1}, one for each {kind} to draw")
    return [number % count for number in numbers]


def _number(data: xr.Dataset, layer: str, kind: str) -> int:
    """Number of a date or pair by its name."""
    if kind == "time":
        return date_index(data["time"].values, layer)
    labels = network_of(data).labels if kind == "pair" else []
    if layer not in labels:
        raise ArgumentError(f"layers: {layer!r} is not one of the {len(labels)} pairs, such as {', '.join(labels[:2])}")
    return labels.index(layer)


def _shape(grid: Grid, aspect: float | None) -> float:
    """Return the ratio of height to width of a panel."""
    if aspect is None:
        return 0.75
    return float(np.clip(aspect * abs(grid.height * grid.dy / (grid.width * grid.dx)), 0.4, 2.5))


def _title(layer: xr.DataArray, number: int) -> str:
    """Return the date of a layer, or the dates of its pair."""
    if "time" in layer.coords:
        return _day(layer.time)
    if "reference_time" in layer.coords:
        return f"{_day(layer.reference_time)} to {_day(layer.secondary_time)}"
    return str(number)


def _day(time: xr.DataArray) -> str:
    return str(time.values.astype("datetime64[D]"))
