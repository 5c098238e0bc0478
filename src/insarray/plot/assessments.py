"""What corrections would do: spread of each date without and with them, and structure by distance."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from insarray.model.errors import ArgumentError, StackError
from insarray.plot.figures import add_legend, date_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"keep": "tab:green", "scale": "tab:orange", "drop": "tab:red"}
_MM = 1e3


def assessment(assessed: xr.Dataset, correction: str | None = None, figure: "Figure | None" = None) -> "Figure":
    """Standard deviation of every date without and with a correction, coloured by the verdict; and by distance.

    On the left each date (or pair) without the correction, in grey, and with it. On the right the root of the structure
    function, mean of all dates.

    Parameters
    ----------
    assessed
        Result of `insarray.assess_corrections`.
    correction
        Which; default: the last, of several all together.
    figure
        Where to draw; a new one if None.

    Raises
    ------
    StackError
        If `assessed` is not such a result.
    ArgumentError
        If it has no such correction.

    See Also
    --------
    insarray.assess_corrections : the numbers.
    insarray.correct : subtract corrections.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(40, 48), n_dates=8, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> found = ia.assess_corrections(series, {"troposphere": truth.atmosphere})
    >>> figure = ia.plot.assessment(found)
    >>> figure.axes[0].get_ylabel()
    'standard deviation (mm)'
    """
    from matplotlib.figure import Figure

    if "std_after" not in assessed or "correction" not in assessed.coords:
        raise StackError("assessed: has no 'std_after'; make it with insarray.assess_corrections")
    names = [str(name) for name in assessed["correction"].values]
    name = names[-1] if correction is None else correction
    if name not in names:
        raise ArgumentError(f"correction: {name!r} is not one of {', '.join(names)}")
    one = assessed.isel(correction=names.index(name))
    figure = Figure((11, 4.2), dpi=120, layout="compressed") if figure is None else figure
    dates, structure = figure.subplots(1, 2, width_ratios=(2, 1))
    _dates(one, name, dates)
    _structure(one, structure)
    return figure


def _dates(one: xr.Dataset, name: str, ax: "Axes") -> None:
    before, after = (_MM * one[part].values for part in ("std_before", "std_after"))
    at = date_axis(one["time"].values, ax) if "time" in one.dims else np.arange(len(before))
    ax.vlines(at, before, after, color="0.8", zorder=1)
    ax.plot(at, before, "o", color="0.5", markersize=4, label="without")
    meanings = str(one["verdict"].attrs["flag_meanings"]).split()
    for number, meaning in enumerate(meanings):
        here = one["verdict"].values == number
        ax.plot(at[here], after[here], "o", color=_COLOURS[meaning], markersize=5, label=f"with: {meaning}")
    ax.set(ylabel="standard deviation (mm)", title=name, ylim=(0, None))
    if "time" not in one.dims:
        ax.set_xlabel("number of the pair")
    add_legend(ax)


def _structure(one: xr.Dataset, ax: "Axes") -> None:
    lead = "time" if "time" in one.dims else "pair"
    unit = one["distance"].attrs.get("units", "1")
    metres = unit in ("m", "metre", "meter")
    distance = one["distance"].values / (1e3 if metres else 1)
    for part, label, colour in (("before", "without", "0.5"), ("after", "with", "tab:blue")):
        mean = one[f"structure_{part}"].mean(lead)
        ax.plot(distance, _MM * np.sqrt(mean.values), "o-", color=colour, label=label)
    ax.set(
        xlabel=f"distance ({'km' if metres else unit if unit != '1' else 'pixels'})",
        ylabel="root mean square difference (mm)",
        xlim=(0, None),
        ylim=(0, None),
    )
    add_legend(ax)
