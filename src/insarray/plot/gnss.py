"""Pictures of components and of stations: arrows over up, panels of stations, a profile across a line."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from insarray.model.dataset import grid_of
from insarray.model.errors import ArgumentError
from insarray.plot.figures import add_legend, date_axis, new_axes
from insarray.plot.maps import map as draw_map
from insarray.products.gnss.given import require_stations
from insarray.products.gnss.stations import pixel_metres

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ARROWS = 18  # along the longer side of a map


def gnss(found: xr.Dataset) -> "Figure":
    """Panels of the stations of a comparison: what the pixels and the station say, without the offsets of both.

    Parameters
    ----------
    found
        Result of `insarray.compare_gnss`.

    Raises
    ------
    ArgumentError
        If `found` is not such a result.

    See Also
    --------
    insarray.compare_gnss : series against stations.
    insarray.plot.components : arrows over the vertical velocity.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> import insarray as ia
    >>> values = (("station", "time"), np.zeros((2, 4)))
    >>> names = ("displacement", "gnss_displacement", "gnss_displacement_std", "difference")
    >>> found = xr.Dataset({name: values for name in names}, {"station": ["A", "B"], "time": np.arange(4).astype("M8[D]")})
    >>> found = found.assign(offset_of_station=("station", [0, 0]), offset_of_date=("time", [0] * 4))
    >>> found = found.assign(rms_of_station=("station", [0, 0]))
    >>> len(ia.plot.gnss(found).axes)
    2
    """
    from matplotlib.figure import Figure

    needed = ("displacement", "gnss_displacement", "difference", "offset_of_station", "offset_of_date")
    if not isinstance(found, xr.Dataset) or any(name not in found for name in needed):
        raise ArgumentError("found: is no comparison; make it with insarray.compare_gnss")
    stations = found.sizes["station"]
    columns = min(3, stations)
    rows = math.ceil(stations / columns)
    figure = Figure(figsize=(4.2 * columns, 2.2 * rows + 0.6), dpi=120, layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for ax in axes[stations:]:
        ax.remove()
    # the offsets are of InSAR less GNSS: taking them from InSAR puts both on the datum of the station
    insar = found.displacement - found.offset_of_station - found.offset_of_date
    for k, ax in enumerate(axes[:stations]):
        one = found.isel(station=k)
        days = date_axis(found.time.values, ax)
        ground = one.gnss_displacement.values
        level = np.nanmean(ground) if np.isfinite(ground).any() else 0.0
        std = 1e3 * np.nan_to_num(one.gnss_displacement_std.values)
        ax.errorbar(days, 1e3 * (ground - level), std, fmt="s", color="0.35", ms=4, capsize=2, lw=0.9, label="GNSS")
        ax.plot(days, 1e3 * (insar.isel(station=k).values - level), "o", color="C0", ms=4, label="InSAR")
        ax.axhline(0, color="0.8", lw=0.8, zorder=0)
        ax.tick_params(labelbottom=k + columns >= stations)
        ax.set_title(f"{one.station.values}  rms {1e3 * float(one.rms_of_station):.1f} mm", fontsize="medium")
    add_legend(axes[0])
    figure.supylabel("toward the satellite (mm)")
    return figure


def components(data: xr.Dataset, ax: "Axes | None" = None, *, gnss: xr.Dataset | None = None) -> "Axes":
    """Vertical velocity as colours, horizontal velocity as arrows.

    Parameters
    ----------
    data
        Result of `insarray.decompose` of velocities. Without `velocity_north` arrows point to the east or west.
    ax
        Where to draw; a new figure if None.
    gnss
        Velocities of stations, whose arrows are drawn in another colour.

    Raises
    ------
    ArgumentError
        If `data` have no `velocity_up` and `velocity_east`.

    See Also
    --------
    insarray.decompose : east, north and up of several tracks.
    insarray.plot.gnss_profile : components across a line.

    Examples
    --------
    >>> import numpy as np
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> data = truth[["velocity"]].rename(velocity="velocity_up").assign(velocity_east=truth.velocity)
    >>> ia.plot.components(data).get_xlabel()
    'easting (km)'
    """
    _require(data, ("velocity_up", "velocity_east"), "insarray.decompose")
    ax = draw_map(data, "velocity_up", ax)
    grid = grid_of(data)
    step = max(1, max(grid.shape) // _ARROWS)
    coarse = data[[n for n in ("velocity_east", "velocity_north") if n in data]].coarsen(
        y=step, x=step, boundary="trim"
    )
    mean = coarse.mean().compute()
    east = 1e3 * mean.velocity_east.transpose("y", "x").values
    north = 1e3 * mean.velocity_north.transpose("y", "x").values if "velocity_north" in mean else np.zeros_like(east)
    size = np.hypot(east, north)
    length = _round(float(np.nanpercentile(size, 90))) if np.isfinite(size).any() else 1.0
    scale: dict[str, Any] = {"angles": "xy", "scale": 14 * max(length, 1e-9), "width": 0.004}
    arrows = ax.quiver(mean.x, mean.y, east, north, color="black", **scale)
    ax.quiverkey(arrows, 0.78, 0.95, length, f"{length:g} mm/yr", labelpos="E", coordinates="axes")
    if gnss is not None:
        gnss = require_stations(gnss, ("velocity_east", "velocity_north"), "the plot")
        places = [grid.position(float(lon), float(lat)) for lon, lat in zip(gnss.longitude, gnss.latitude, strict=True)]
        x, y = np.array(places).T
        ax.quiver(x, y, 1e3 * gnss.velocity_east, 1e3 * gnss.velocity_north, color="#cc3311", **scale)
    return ax


def gnss_profile(
    data: xr.Dataset,
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    name: str = "velocity_east",
    width: float = 5000.0,
    gnss: xr.Dataset | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Values near a line against the distance along it, in mm or mm/yr, perhaps with stations.

    Parameters
    ----------
    data
        Dataset on a grid with a CRS.
    start, end
        Longitude and latitude of the ends of the line.
    name
        Variable (y, x).
    width
        Pixels and stations up to so many metres beside the line count.
    gnss
        Velocities of stations that have the same variable (`insarray.open_gnss`).
    ax
        Where to draw; a new figure if None.

    Raises
    ------
    ArgumentError
        If there is no such variable, or the line has no length or no pixel.

    See Also
    --------
    insarray.plot.components : arrows over the vertical velocity.
    insarray.plot.map : a map of any layer.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> grid = stack.insar.grid
    >>> ax = ia.plot.gnss_profile(truth, grid.lonlat(10, 1), grid.lonlat(10, 22), name="velocity", width=200)
    >>> ax.get_xlabel()
    'distance (km)'
    """
    _require(data, (name,), "insarray.decompose")
    grid = grid_of(data)
    layer = data[name]
    if set(layer.dims) != {"y", "x"}:
        raise ArgumentError(f"{name}: dimensions are {layer.dims}, not (y, x); choose one layer with .isel(...)")
    size = np.array(pixel_metres(grid))[::-1] / (abs(grid.dx), abs(grid.dy))  # metres of one unit of x and y
    ends = [np.array(grid.position(*place)) * size for place in (start, end)]
    direction, length = ends[1] - ends[0], float(np.hypot(*(ends[1] - ends[0])))
    if not length > 0:
        raise ArgumentError(f"start, end: {start} and {end} are one place; give both ends of the line")
    direction = direction / length

    def along(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dx, dy = x * size[0] - ends[0][0], y * size[1] - ends[0][1]
        distance, beside = dx * direction[0] + dy * direction[1], dx * direction[1] - dy * direction[0]
        return distance, (np.abs(beside) <= width) & (distance >= 0) & (distance <= length)

    x, y = np.meshgrid(data.x.values, data.y.values)
    distance, near = along(x, y)
    values = 1e3 * layer.transpose("y", "x").values
    use = near & np.isfinite(values)
    if not use.any():
        raise ArgumentError(f"start, end: no pixel of {name} within {width:g} m of the line; widen it")
    ax = new_axes(ax, (7.5, 3.6))
    ax.plot(distance[use] / 1e3, values[use], ".", ms=2, color="C0", alpha=0.4, label="InSAR", rasterized=True)
    if gnss is not None:
        gnss = require_stations(gnss, (name,), "the plot")
        places = np.array(
            [grid.position(float(a), float(b)) for a, b in zip(gnss.longitude, gnss.latitude, strict=True)]
        )
        at, inside = along(places[:, 0], places[:, 1])
        std = 1e3 * np.nan_to_num(gnss[f"{name}_std"].values[inside]) if f"{name}_std" in gnss else None
        ax.errorbar(
            at[inside] / 1e3,
            1e3 * gnss[name].values[inside],
            std,
            fmt="s",
            color="#cc3311",
            ms=5,
            capsize=2,
            label="GNSS",
        )
        add_legend(ax)
    ax.axhline(0, color="0.8", lw=0.8, zorder=0)
    unit = "mm/yr" if str(layer.attrs.get("units", "m/year")).startswith("m/y") else "mm"
    ax.set(xlabel="distance (km)", ylabel=f"{name.replace('_', ' ')} ({unit})", xlim=(0, length / 1e3))
    return ax


def validation(found: xr.Dataset, ax: "Axes | None" = None) -> "Axes":
    """Share of pairs that meet a requirement, by distance, with what is required.

    Parameters
    ----------
    found
        Result of `insarray.validate`.
    ax
        Where to draw; a new figure if None.

    Raises
    ------
    ArgumentError
        If `found` is not a result of `insarray.validate`.

    See Also
    --------
    insarray.validate : requirement tests of missions.
    insarray.plot.gnss : panels of the stations.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(60, 80), n_dates=6, missing=0, water=False)
    >>> found = ia.validate(truth[["velocity"]], distances=(0.1, 1, 2), pairs=100)
    >>> ia.plot.validation(found).get_xlabel()
    'distance (km)'
    """
    if not isinstance(found, xr.Dataset) or "fraction" not in found or "share" not in found.attrs:
        raise ArgumentError("found: is no validation; make it with insarray.validate")
    ax = new_axes(ax, (6.5, 3.6))
    start, end = found.distance_from.values, found.distance_to.values
    colours = ["C0" if passed else "#cc3311" for passed in found.passed.values]
    ax.bar(start, 100 * found.fraction.values, end - start, align="edge", color=colours, edgecolor="white")
    ax.axhline(100 * found.attrs["share"], color="0.2", lw=1.2, ls="--", label="required")
    ax.set(xlabel="distance (km)", ylabel="pairs within the requirement (%)", ylim=(0, 100), xlim=(start[0], end[-1]))
    ax.set_title(f"{found.attrs['requirement'].replace('_', ' ')}, {found.attrs['method']}", fontsize="medium")
    ax.legend(fontsize="small", loc="lower left")
    return ax


def _require(data: xr.Dataset, names: tuple[str, ...], maker: str) -> None:
    missing = [name for name in names if not isinstance(data, xr.Dataset) or name not in data]
    if missing:
        raise ArgumentError(f"data: has no {missing[0]}; give what {maker} makes")


def _round(value: float) -> float:
    """One of 1, 2, 5 times a power of ten, not above a positive value."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return max(n * power for n in (1, 2, 5) if n * power <= value)
