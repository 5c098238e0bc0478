"""Statistics of the displacement in polygons, date by date: weighted by the share of each pixel that is inside."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import xarray as xr

from insarray.io.polygons import Polygons
from insarray.model.conventions import attributes
from insarray.products.series.pixels import PixelReader
from insarray.products.views.stacks import SeriesView

_MAPS = ("velocity", "velocity_std", "height_error", "height_error_std", "temporal_coherence", "residual_rms")
"""Maps whose mean is of use; that of a standard error is one of fully correlated errors."""

_BYTES = 256 * 2**20  # of the values of a polygon at once
_Read = Callable[[Sequence[str], slice], dict[str, np.ndarray]]
"""Values (time, pixel) or (pixel,) of layers in a polygon, at some dates."""


def statistics_of_pixels(view: SeriesView, polygons: Polygons, percentiles: Sequence[float]) -> dict[str, xr.Variable]:
    """Mean, median and percentiles of the pixels that each polygon covers.

    Returns
    -------
    dict
        Variables (time, point), (percentile, time, point) and (point,), a point for each polygon.
    """
    data = view.data
    if view.in_pieces:
        data = data.assign(displacement=view.displacement.where(data["network_subset"] == 1))
    names = [name for name in ("displacement", "displacement_std", *_MAPS) if name in data]
    reader = PixelReader(data[names])

    def each() -> Iterator[tuple[np.ndarray, _Read]]:
        for rows, cols, share in polygons.coverage(view.grid):
            yield share, partial(reader.read, rows, cols)

    return _statistics(names, data.sizes["time"], each(), percentiles)


def statistics_of_points(data: xr.Dataset, polygons: Polygons, percentiles: Sequence[float]) -> dict[str, xr.Variable]:
    """The same of the points in each polygon, all with the same weight."""
    names = [name for name in ("displacement", "displacement_std", *_MAPS) if name in data]
    held = data[names].transpose("time", "point").compute()
    x, y = (np.asarray(data[name].values, np.float64) for name in ("x", "y"))

    def values(inside: np.ndarray) -> _Read:
        def read(wanted: Sequence[str], times: slice) -> dict[str, np.ndarray]:
            layers = {name: held[name] for name in wanted}
            return {n: (v.values[times] if "time" in v.dims else v.values)[..., inside] for n, v in layers.items()}

        return read

    def each() -> Iterator[tuple[np.ndarray, _Read]]:
        for shape in polygons.shapes:
            inside = np.flatnonzero(Polygons(polygons.path, [""], [shape]).contain(x, y))
            yield np.ones(inside.size), values(inside)

    return _statistics(names, data.sizes["time"], each(), percentiles)


def _statistics(
    names: Sequence[str], dates: int, each: Iterator[tuple[np.ndarray, _Read]], percentiles: Sequence[float]
) -> dict[str, xr.Variable]:
    maps = [name for name in names if name in _MAPS]
    columns = [_of_polygon(share, read, names, maps, dates, percentiles) for share, read in each]
    joined = {name: np.stack([column[name] for column in columns], axis=-1) for name in columns[0]}
    about: dict[str, Mapping[str, object]] = {
        "displacement": {
            **attributes("displacement"),
            "long_name": f"mean of the {attributes('displacement')['long_name']}",
        },
        "displacement_median": {"units": "m", "long_name": "median of the displacement"},
        "displacement_percentile": {"units": "m", "long_name": "percentile of the displacement"},
        "displacement_std": {
            "units": "m",
            "long_name": "standard error of the mean if the errors of the pixels are the same, else an upper bound",
        },
        "number_of_pixels": {"units": "1", "long_name": "pixels with data, each by the share that is inside"},
    }
    about |= {name: attributes(name) for name in maps}
    dims = {"displacement_percentile": ("percentile", "time", "point")} | dict.fromkeys(maps, ("point",))
    exact = ("number_of_pixels",)
    return {
        name: xr.Variable(
            dims.get(name, ("time", "point")), values.astype(np.float64 if name in exact else np.float32), about[name]
        )
        for name, values in joined.items()
    }


def _of_polygon(
    share: np.ndarray,
    read: _Read,
    names: Sequence[str],
    maps: Sequence[str],
    dates: int,
    percentiles: Sequence[float],
) -> dict[str, np.ndarray]:
    """Statistics of one polygon, so many dates at a time as fit into memory."""
    levels = [50.0, *percentiles]
    found = {
        "displacement": np.full(dates, np.nan),
        "displacement_median": np.full(dates, np.nan),
        "displacement_percentile": np.full((len(percentiles), dates), np.nan),
        "number_of_pixels": np.zeros(dates),
    }
    if "displacement_std" in names:
        found["displacement_std"] = np.full(dates, np.nan)
    found |= {name: np.array(np.nan) for name in maps}
    if not share.size:
        return found
    lead = [name for name in names if name.startswith("displacement")]
    step = max(1, _BYTES // (16 * share.size))
    for start in range(0, dates, step):
        part = slice(start, start + step)
        values = read(lead, part)
        for k, row in enumerate(values["displacement"]):
            known = np.isfinite(row)
            weights, at = share[known], start + k
            found["number_of_pixels"][at] = weights.sum()
            if not known.any():
                continue
            found["displacement"][at] = np.average(row[known].astype(np.float64), weights=weights)
            quantiles = _quantiles(row[known], weights, levels)
            found["displacement_median"][at], found["displacement_percentile"][:, at] = quantiles[0], quantiles[1:]
            if "displacement_std" in values:
                found["displacement_std"][at] = _mean(values["displacement_std"][k], share)
    for name, layer in (read(maps, slice(None)) if maps else {}).items():
        found[name] = np.array(_mean(layer, share))
    return found


def _mean(values: np.ndarray, share: np.ndarray) -> float:
    known = np.isfinite(values)
    return float(np.average(values[known].astype(np.float64), weights=share[known])) if known.any() else np.nan


def _quantiles(values: np.ndarray, weights: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Weighted percentiles: each value is in the middle of its weight, and between them the line counts."""
    order = np.argsort(values, kind="stable")
    ordered, sizes = values[order].astype(np.float64), weights[order]
    middles = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    return np.interp(np.asarray(levels) / 100, middles, ordered)
