"""Plot networks of pairs, and closure statistics of their loops."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from insarray.model.dataset import network_of
from insarray.model.dates import date_label
from insarray.model.errors import NetworkError, StackError
from insarray.model.network import Network
from insarray.plot.figures import add_legend, date_axis, new_axes, new_figure
from insarray.plot.maps import map  # noqa: A004  the field's word

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure


def network(data: xr.Dataset | Network, ax: "Axes | None" = None) -> "Axes":
    """Plot dates and pairs: perpendicular baseline over time, or arcs with the height of the temporal baseline.

    Pairs are coloured by mean coherence if `data` has the coordinate `mean_coherence` (pair). Subsets of dates that no
    chain of pairs connects to the first date have a colour and a legend entry each.

    Parameters
    ----------
    data
        Dataset with pair coordinates, or a network.
    ax
        Axes to plot in; None: a new figure (``.figure`` of the returned axes).

    Raises
    ------
    StackError
        If `data` has no pair coordinates.

    See Also
    --------
    insarray.plot.closure : plot closure in the network and as map.
    insarray.Network : pairs and dates of a stack.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> axes = ia.plot.network(stack)
    >>> axes.get_ylabel()
    'perpendicular baseline (m)'
    """
    pairs = data if isinstance(data, Network) else network_of(data)
    ax = new_axes(ax, (7.5, 4.2))
    edges = _draw(ax, pairs, np.arange(pairs.n_pairs))
    coherence = None if isinstance(data, Network) else data.coords.get("mean_coherence")
    if coherence is None:
        edges.set_color("0.55")
    else:
        shares = np.asarray(coherence.values, np.float64)
        limits = np.floor(10 * np.nanmin(shares)) / 10, np.ceil(10 * np.nanmax(shares)) / 10
        edges.set(array=shares, cmap="viridis_r", clim=limits)
        ax.figure.colorbar(edges, ax=ax, label="mean coherence", pad=0.02)
    if pairs.n_components > 1:
        add_legend(ax, title="pieces without a common pair", title_fontsize="small")
    return ax


def closure(summary: xr.Dataset, figure: "Figure | None" = None) -> "Figure":
    """Plot pairs by their fraction of non-zero closures, and a map of non-zero closures.

    On the left the network: grey pairs close, red ones do not, dotted ones are in no observed loop and therefore
    unchecked; suspect pairs (`pair_drop_order`) are thick. On the right, if `summary` has it, the map of
    `nonzero_closure_count`; pixels without an observed loop are grey.

    Parameters
    ----------
    summary
        Result of `insarray.closure_summary`, with ``maps=True`` for the map.
    figure
        Figure to plot in; None: a new one.

    Raises
    ------
    StackError
        If `summary` is not such a result.

    See Also
    --------
    insarray.closure_summary : statistics of loops and pairs.
    insarray.plot.network : plot dates and pairs.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> loops = ia.closure(stack, reference=(9, 12))
    >>> figure = ia.plot.closure(ia.closure_summary(loops, maps=True))
    >>> len(figure.axes) > 1
    True
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.lines import Line2D

    if "pair_nonzero_fraction" not in summary:
        raise StackError("summary: has no 'pair_nonzero_fraction'; make it with insarray.closure_summary")
    pairs, with_map = network_of(summary), "nonzero_closure_count" in summary
    figure = new_figure(figure, (13.5 if with_map else 8, 4.8))
    axes = figure.subplots(1, 1 + with_map, squeeze=False, width_ratios=(1.25, 1)[: 1 + with_map])[0]
    ax, share = axes[0], 100 * summary.pair_nonzero_fraction.values
    checked, doubted = np.isfinite(share), summary.pair_drop_order.values > 0
    order = np.argsort(share, kind="stable")  # plot the worst last, on top
    edges = _draw(ax, pairs, order)
    colours = LinearSegmentedColormap.from_list("closure", ["0.8", "#f4a582", "#d6604d", "#8b0016"])
    edges.set(
        array=np.ma.masked_invalid(share[order]),
        cmap=colours.with_extremes(bad="black"),
        clim=(0, max(float(np.nanmax(share)), 1.0) if checked.any() else 1.0),
        linewidths=np.where(doubted, 3.5, 1.2)[order],
        linestyles=np.where(checked, "-", ":")[order],
    )
    figure.colorbar(edges, ax=ax, label="non-zero integer closures (%)", pad=0.02)
    handles = [Line2D([], [], color="0.4", lw=3.5, label=f"pairs to doubt: {doubted.sum()}")]
    if not checked.all():
        handles.append(Line2D([], [], color="black", ls=":", lw=1.2, label=f"pairs not checked: {(~checked).sum()}"))
    ax.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize="small", frameon=False
    )
    ax.set_title(f"{pairs.n_pairs} pairs, {summary.sizes['loop']} loops", fontsize="medium")
    if with_map:
        map(summary, "nonzero_closure_count", axes[1])
        observed, nonzero = (int(summary.attrs[name]) for name in ("pixels_observed", "pixels_nonzero"))
        percent = 100 * nonzero / observed if observed else 0.0
        axes[1].set_title(f"{percent:.1f} % of the pixels with loops have one that does not close", fontsize="medium")
    return figure


def _draw(ax: "Axes", pairs: Network, order: np.ndarray) -> "LineCollection":
    """Plot dates and pairs in the given order; return the lines of the pairs."""
    from matplotlib.collections import LineCollection

    days = date_axis(pairs.times, ax)
    height, lines, label = _pair_lines(pairs, days)
    edges = LineCollection([lines[k] for k in order], linewidths=1.2, zorder=1)
    ax.add_collection(edges)
    pieces = pairs.components()
    for piece in range(pieces.max() + 1):
        inside = pieces == piece
        name = f"{inside.sum()} dates, {date_label(pairs.times[inside][0])} first"
        ax.plot(days[inside], height[inside], "o", ms=6, mec="white", mew=0.7, color=f"C{piece}", label=name)
    ax.margins(0.03, 0.08)
    ax.autoscale_view()
    ax.set_ylabel(label)
    ax.set_title(f"{pairs.n_dates} dates, {pairs.n_pairs} pairs", fontsize="medium")
    return edges


def _pair_lines(pairs: Network, days: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], str]:
    """Return the height of each date, the line of each pair, and the label of the height."""
    ends = days[pairs.pairs]
    try:
        baseline, _ = pairs.date_baselines()
    except NetworkError:  # none, or some unknown
        angle = np.linspace(0, np.pi, 40)
        middle, radius = ends.mean(1)[:, None], np.diff(ends, axis=1) / 2
        arcs = np.stack([middle - radius * np.cos(angle), 2 * radius * np.sin(angle)], axis=2)
        return np.zeros(len(days)), list(arcs), "temporal baseline (days)"
    return baseline, list(np.stack([ends, baseline[pairs.pairs]], axis=2)), "perpendicular baseline (m)"
