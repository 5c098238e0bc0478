"""Views of wrapped stacks, points, and links between points."""

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from insarray.engine.graph.stored_types import as_stored
from insarray.kernels.links.arcs import Arcs
from insarray.model.dates import date_label, times_of
from insarray.model.errors import StackError
from insarray.products.views.layers import canonical
from insarray.products.views.stacks import SeriesView, View, as_series, require_dataset


@dataclass(frozen=True, eq=False)
class WrappedView(View):
    """Wrapped stack: `wrapped_phase` (time, y, x).

    Parameters
    ----------
    data, order
        See `View`.
    times
        Dates, ascending, ``datetime64[s]``.
    """

    times: np.ndarray = field(kw_only=True)

    @property
    def labels(self) -> list[str]:
        """``YYYYMMDD`` of each date."""
        return [date_label(time) for time in self.times]


@dataclass(frozen=True, eq=False)
class PointsView(View):
    """Points with their phases: `wrapped_phase` (time, point).

    Parameters
    ----------
    data, order
        See `View`; points in ascending order of their numbers.
    times
        Dates, ascending, ``datetime64[s]``.
    numbers
        Numbers of the points, which identify them in links, int64, shape (point,).
    """

    times: np.ndarray = field(kw_only=True)
    numbers: np.ndarray = field(kw_only=True)

    @property
    def labels(self) -> list[str]:
        """``YYYYMMDD`` of each date."""
        return [date_label(time) for time in self.times]

    @property
    def phase(self) -> xr.DataArray:
        """Phase (time, point) in rad."""
        phase: xr.DataArray = self.data["wrapped_phase"]
        return phase

    def computed(self) -> "PointsView":
        """Return a view of the same points in memory."""
        return PointsView(self.data.compute(), self.order, times=self.times, numbers=self.numbers)


@dataclass(frozen=True, eq=False)
class PointSeriesView(SeriesView):
    """Displacement series of points as an image of one row, for products that process each pixel independently.

    Parameters
    ----------
    points
        Dataset from which the row was made.
    """

    points: xr.Dataset = field(kw_only=True)

    def on_grid(self, result: xr.Dataset) -> xr.Dataset:
        """Return the result with the dimension point and the coordinates of the points."""
        found = result.isel(y=0).drop_vars(["y", "x"], errors="ignore").rename(x="point")
        of_points = {name: coord for name, coord in self.points.coords.items() if set(coord.dims) <= {"point"}}
        return found.assign_coords(of_points)


def as_row(series: xr.Dataset | View) -> xr.Dataset | View:
    """Return a view of a series of points as an image of one row; other data unchanged.

    Raises
    ------
    StackError
        If something is missing or different; the message names it.
    """
    if not isinstance(series, xr.Dataset) or "point" not in series.get("displacement", xr.DataArray()).dims:
        return series
    if "time" not in series.coords:
        raise StackError("series: has no coordinate 'time' that dates its displacement")
    displacement = series["displacement"].transpose("time", "point")
    x = np.arange(series.sizes["point"], dtype=np.float64)
    row = xr.Dataset(
        {"displacement": (("time", "y", "x"), displacement.data[:, None], displacement.attrs)},
        {"time": series["time"], "y": [0.0], "x": x},
        series.attrs,
    )
    view = as_series(row)
    fields = {name: getattr(view, name) for name in ("order", "times", "network", "reference_time", "in_pieces")}
    return PointSeriesView(view.data, **fields, points=series)


def as_wrapped(stack: xr.Dataset | WrappedView) -> WrappedView:
    """Return a view of a wrapped stack.

    Raises
    ------
    StackError
        If something is missing or different; the message names it.
    """
    if isinstance(stack, WrappedView):
        return stack
    require_dataset(stack, "stack", "insarray.open_wrapped")
    if "wrapped_phase" not in stack or "time" not in stack.coords:
        raise StackError("stack: has no variable 'wrapped_phase' with dates; points are selected from a wrapped stack")
    stack, order = in_order(stack, "time")
    return WrappedView(canonical(stack, "time"), order, times=times_of(stack["time"].values, "time"))


def as_points(points: xr.Dataset | PointsView, name: str = "points") -> PointsView:
    """Return a view of points with wrapped phases.

    Raises
    ------
    StackError
        If something is missing or different; the message names it.
    """
    if isinstance(points, PointsView):
        return points
    require_dataset(points, name, "insarray.select_points")
    if "wrapped_phase" not in points or set(points["wrapped_phase"].dims) != {"time", "point"}:
        raise StackError(f"{name}: have no 'wrapped_phase' (time, point); make them with insarray.select_points")
    if "time" not in points.coords:
        raise StackError(f"{name}: have no coordinate 'time' that dates their phases")
    points, by_time = in_order(points, "time")
    points, by_number = in_order(points, "point")
    phase = points["wrapped_phase"].variable.transpose("time", "point")
    data = points.assign(wrapped_phase=as_stored("wrapped_phase", phase))
    return PointsView(
        data,
        by_time | by_number,
        times=times_of(points["time"].values, "time"),
        numbers=_numbers(points),
    )


def _numbers(points: xr.Dataset) -> np.ndarray:
    if "point" not in points.coords:
        return np.arange(points.sizes["point"])
    if points["point"].dtype.kind not in "iu":
        raise StackError(
            f"point: the coordinate holds {points['point'].dtype}, but points are identified by whole numbers; rename it, "
            "or use .drop_vars('point') for their order"
        )
    return np.asarray(points["point"].values.astype(np.int64))


def in_order(data: xr.Dataset, dim: str) -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """Sort a dataset along a dimension by its coordinate; return the order if it has changed.

    Raises
    ------
    StackError
        If a coordinate value is repeated.
    """
    if dim not in data.coords or data[dim].dtype.kind not in "iuM":
        return data, {}
    order = np.argsort(data[dim].values, kind="stable")
    values = data[dim].values[order]
    if len(values) > 1 and (values[1:] == values[:-1]).any():
        twice = values[1:][values[1:] == values[:-1]][0]
        raise StackError(f"{dim}: {str(twice)[:19]} is there more than once; keep one of them")
    if (order == np.arange(len(order))).all():
        return data, {}
    return data.isel({dim: order}), {dim: order}


def arcs_of(links: xr.Dataset, points: PointsView) -> Arcs:
    """Return links as indices of their end points.

    Raises
    ------
    StackError
        If `links` are not links, or some of their points are missing.
    """
    require_dataset(links, "links", "insarray.estimate_links")
    for name in ("point_a", "point_b"):
        if name not in links.coords and name not in links:
            raise StackError(f"links: have no {name!r}; make them with insarray.estimate_links")
    ends = []
    for name in ("point_a", "point_b"):
        wanted = links[name].values.astype(np.int64)
        at = np.searchsorted(points.numbers, wanted).clip(max=max(len(points.numbers) - 1, 0))
        missing = wanted[points.numbers[at] != wanted] if len(points.numbers) else wanted
        if len(missing):
            raise StackError(
                f"links: {len(np.unique(missing))} of their points, such as {missing[0]}, are not among the "
                f"{len(points.numbers)} points; give the points that they were estimated of, or estimate the links anew"
            )
        ends.append(at)
    return Arcs(ends[0], ends[1])


def model_of(model: xr.Dataset, points: PointsView, maker: str = "insarray.integrate_links") -> xr.Dataset:
    """Return the model of points (`velocity`, ...) in the order of the points.

    Raises
    ------
    StackError
        If it has no velocity for these points.
    """
    require_dataset(model, "model", maker)
    if "velocity" not in model or model["velocity"].dims != ("point",):
        raise StackError(f"model: has no 'velocity' (point); make it with {maker}")
    numbers = _numbers(model)
    order = np.argsort(numbers, kind="stable")
    at = np.searchsorted(numbers[order], points.numbers).clip(max=max(len(numbers) - 1, 0))
    if not len(numbers) or (numbers[order][at] != points.numbers).any():
        raise StackError(
            f"model: is of {model.sizes['point']} points, which are not, or not all of, the {len(points.numbers)} points"
        )
    return model.isel(point=order[at])
