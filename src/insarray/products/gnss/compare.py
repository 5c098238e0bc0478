"""`compare_gnss`: displacement of the pixels at stations against that of the stations."""

import logging

import numpy as np
import xarray as xr

from insarray.model.arguments import whole
from insarray.model.choices import AtStation
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError, StackError
from insarray.products.components.tracks import require_line_of_sight
from insarray.products.gnss.given import require_stations
from insarray.products.gnss.stations import AXES, along, inside, lines_of_sight, sample
from insarray.products.views.stacks import SeriesView, as_series

logger = logging.getLogger(__name__)

_STEADY = 1e-12
_MOST_ROUNDS = 10_000


def compare_gnss(
    series: xr.Dataset,
    gnss: xr.Dataset,
    *,
    reference: str | None = None,
    radius: float = 0.0,
    at: AtStation = "nearest",
    days: int = 0,
) -> xr.Dataset:
    """Displacement of a series against that of GNSS stations, along the line of sight, per station and date.

    InSAR is relative to a place and a date, GNSS to the first day of each station: what both can say of each other are
    differences between stations of differences between dates. So of InSAR less GNSS an offset of each station and one of each
    date are taken away, by least squares: what is left does not depend on references.

    Parameters
    ----------
    series
        With `displacement` (time, y, x) and `los_east`, `los_north`, `los_up`, on a grid with a CRS.
    gnss
        Positions of stations (`insarray.open_gnss`).
    reference
        Station that the others are compared with, instead of all with all: the offset of a date is the difference there.
    radius
        Metres around a station in which pixels count; 0: the pixel that the station is in.
    at
        Which of them: "nearest", the nearest one of those with data on most dates; "mean", "median" of all.
    days
        The positions of so many days before and after a date are averaged; 0: that of the same day (UTC).

    Returns
    -------
    xarray.Dataset
        (station, time), in m toward the satellite: `displacement` of the pixels, `gnss_displacement` and
        `gnss_displacement_std`, and `difference`, InSAR less GNSS without
        the offsets. (station): `rms_of_station`, `trend_of_station` (m/year) of the difference, `correlation_of_station`
        of both without the offsets, `number_of_dates`, `number_of_pixels`, `distance` to the nearest pixel that counts, m;
        `offset_of_station`. (time): `rms_of_date`, `number_of_stations`, `offset_of_date`. Attributes `rms` and
        `standard_deviation`, which allows for the offsets. Stations without data on two dates are left out.

    Raises
    ------
    ArgumentError
        If an option cannot be.
    StackError
        If something is missing, or fewer than two stations have two dates in common with the series.

    See Also
    --------
    insarray.open_gnss : positions and velocities of stations.
    insarray.tie_to_gnss : velocities or series in the frame of stations.
    insarray.plot.gnss : panels of the stations.

    References
    ----------
    * Parizzi, A., Brcic, R. and De Zan, F. (2021), InSAR performance for large-scale deformation measurement, IEEE TGRS 59,
      8510-8520.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> los = {"los_east": 0.6, "los_north": 0.0, "los_up": 0.8}
    >>> series = series.assign({name: xr.full_like(series.residual_rms, value) for name, value in los.items()})
    >>> lon, lat = np.array([stack.insar.grid.lonlat(row, col) for row, col in ((4, 4), (9, 12), (15, 18))]).T
    >>> days = series.time.values.astype("datetime64[D]").astype("datetime64[ns]")
    >>> still = {name: (("station", "time"), np.zeros((3, 6))) for name in ("east", "north", "up")}
    >>> coords = {"station": ["A", "B", "C"], "longitude": ("station", lon), "latitude": ("station", lat), "time": days}
    >>> found = ia.compare_gnss(series, xr.Dataset(still, coords))
    >>> found.difference.dims, bool(found.attrs["rms"] < 0.05)
    (('station', 'time'), True)
    """
    gnss = require_stations(gnss, AXES, "a comparison of series")
    if "time" not in gnss.dims:
        raise StackError("gnss: holds no positions (station, time); open daily positions with insarray.open_gnss")
    days = whole("days", days)
    require_line_of_sight(series, "series")
    view = as_series(series)
    here = inside(view, gnss)
    if reference is not None and reference not in [str(name) for name in here.station.values]:
        raise ArgumentError(f"reference: station {reference!r} is not among those on the grid")
    sampled = sample(view, ("displacement",), here, radius, at)
    insar = sampled.values["displacement"]
    motion, std = along(lines_of_sight(view, here, radius), here)
    ground, ground_std = on_dates(view.times, here.time.values, motion, std, days)
    usable = (np.isfinite(insar) & np.isfinite(ground)).sum(axis=1) >= 2
    names = np.array([str(name) for name in here.station.values], object)
    if reference is not None and not usable[names == reference].any():
        raise StackError(f"reference: station {reference} has no two dates in common with a pixel of the series")
    if usable.sum() < 2:
        raise StackError(
            f"gnss: {usable.sum()} of {gnss.sizes['station']} stations have two dates in common with pixels of the series; two "
            "are needed: widen the radius, or take stations and dates of the series"
        )
    found = _compared(insar[usable], ground[usable], ground_std[usable], names[usable], reference)
    places = {name: ("station", here[name].values[usable], here[name].attrs) for name in ("longitude", "latitude")}
    found = found.assign_coords(places | {"time": view.data["time"].variable})
    found["number_of_pixels"] = ("station", sampled.pixels[usable], {"units": "1"})
    found["distance"] = ("station", sampled.distance[usable], {"units": "m"})
    found = _with_trends(found, view)
    attrs = {
        "reference_station": reference or "all",
        "radius": float(radius),
        "pixels_at_station": at,
        "gnss_days": days,
    }
    logger.info(
        "compare_gnss: %d stations, %d dates, rms %.1f mm", usable.sum(), len(view.times), 1e3 * found.attrs["rms"]
    )
    return found.assign_attrs(attrs)


def on_dates(
    times: np.ndarray, days: np.ndarray, motion: np.ndarray, std: np.ndarray, around: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean motion (station, date) of the days about each date, and its standard deviation, as if days were independent."""
    dates, own = times.astype("datetime64[D]"), days.astype("datetime64[D]")
    found, spread = np.full((2, len(motion), len(dates)), np.nan)
    for n, day in enumerate(dates):
        near = np.abs((own - day).astype(int)) <= around
        values = motion[:, near]
        count = np.isfinite(values).sum(axis=1)
        known = count > 0
        found[known, n] = np.nansum(values[known], axis=1) / count[known]
        variance = np.where(np.isfinite(values), np.square(std[:, near]), 0.0).sum(axis=1)
        spread[known, n] = np.sqrt(variance[known]) / count[known]
    return found, spread


def without_offsets(values: np.ndarray, anchor: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (station, date) without the least-squares offsets of stations and dates, and these.

    Parameters
    ----------
    values
        NaN = none.
    anchor
        Station whose values are the offsets of the dates, instead.
    """
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    stations, dates = np.zeros(values.shape[0]), np.zeros(values.shape[1])
    if anchor is not None:
        dates = np.where(known[anchor], filled[anchor], np.nan)
        left = values - dates
        count = np.isfinite(left).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            stations = np.nansum(left, axis=1) / np.where(count > 0, count, np.nan)
        return left - stations[:, None], stations, dates
    of_station, of_date = np.maximum(known.sum(axis=1), 1), np.maximum(known.sum(axis=0), 1)
    for _ in range(_MOST_ROUNDS):
        before = stations
        dates = np.where(known, filled - stations[:, None], 0.0).sum(axis=0) / of_date
        stations = np.where(known, filled - dates, 0.0).sum(axis=1) / of_station
        if np.abs(stations - before).max() <= _STEADY:
            break
    level = stations.mean()
    stations, dates = stations - level, dates + level
    return np.where(known, values - stations[:, None] - dates, np.nan), stations, dates


def _compared(
    insar: np.ndarray, ground: np.ndarray, ground_std: np.ndarray, names: np.ndarray, reference: str | None
) -> xr.Dataset:
    both = np.isfinite(insar) & np.isfinite(ground)
    anchor = None if reference is None else int(np.flatnonzero(names == reference)[0])
    difference, of_station, of_date = without_offsets(np.where(both, insar - ground, np.nan), anchor)
    parts = [without_offsets(np.where(both, values, np.nan), anchor)[0] for values in (insar, ground)]
    known = np.isfinite(difference)
    if anchor is not None:
        known[anchor] = False
    dims, metres = ("station", "time"), {"units": "m"}
    number = int(known.sum())
    offsets = int(known.any(axis=1).sum()) + (0 if anchor is not None else int(known.any(axis=0).sum()) - 1)
    squares = float(np.square(difference[known]).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        rms = [np.sqrt(np.where(known, difference**2, 0).sum(axis=a) / known.sum(axis=a)) for a in (1, 0)]
    layers = {
        "displacement": (dims, insar, metres | {"long_name": "displacement of the pixels, toward the satellite"}),
        "gnss_displacement": (
            dims,
            ground,
            metres | {"long_name": "displacement of the station, toward the satellite"},
        ),
        "gnss_displacement_std": (
            dims,
            ground_std,
            metres | {"long_name": "standard deviation of the displacement of the station"},
        ),
        "difference": (
            dims,
            difference,
            metres | {"long_name": "InSAR less GNSS, without offsets of stations and dates"},
        ),
        "rms_of_station": ("station", rms[0], metres),
        "rms_of_date": ("time", rms[1], metres),
        "correlation_of_station": ("station", _correlations(parts[0], parts[1], known), {"units": "1"}),
        "number_of_dates": ("station", known.sum(axis=1), {"units": "1"}),
        "number_of_stations": ("time", known.sum(axis=0), {"units": "1"}),
        "offset_of_station": ("station", of_station, metres),
        "offset_of_date": ("time", of_date, metres),
    }
    attrs = {
        "rms": float(np.sqrt(squares / number)) if number else np.nan,
        "standard_deviation": float(np.sqrt(squares / (number - offsets))) if number > offsets else np.nan,
        "number_of_differences": number,
    }
    return xr.Dataset(layers, {"station": names}, attrs)


def _correlations(one: np.ndarray, other: np.ndarray, known: np.ndarray) -> np.ndarray:
    found = np.full(len(one), np.nan)
    for row, use in enumerate(known):
        a, b = one[row, use], other[row, use]
        if len(a) > 2 and a.std() > 0 and b.std() > 0:
            found[row] = np.corrcoef(a, b)[0, 1]
    return found


def _with_trends(found: xr.Dataset, view: SeriesView) -> xr.Dataset:
    """The dataset with the slope of the difference of each station in time."""
    years = (view.times - view.times[0]) / np.timedelta64(1, "D") / 365.25
    slopes = np.full(found.sizes["station"], np.nan)
    for row, values in enumerate(found["difference"].values):
        use = np.isfinite(values)
        if use.sum() > 2 and np.ptp(years[use]) > 0:
            slopes[row] = np.polyfit(years[use], values[use], 1)[0]
    return found.assign(trend_of_station=("station", slopes, {"units": "m/year"}))


def table(found: xr.Dataset) -> str:
    """Stations and dates of a comparison as text."""
    lines = [f"{'station':10} {'dates':>5} {'rms mm':>8} {'trend mm/yr':>12} {'correlation':>12} {'pixel m':>8}"]
    for row in range(found.sizes["station"]):
        one = found.isel(station=row)
        lines.append(
            f"{one.station.values!s:10} {int(one.number_of_dates):5d} {1e3 * float(one.rms_of_station):8.2f} "
            f"{1e3 * float(one.trend_of_station):12.2f} {float(one.correlation_of_station):12.2f} {float(one.distance):8.0f}"
        )
    lines += ["", f"{'date':15} {'stations':>8} {'rms mm':>8}"]
    for time, count, rms in zip(
        found.time.values, found.number_of_stations.values, found.rms_of_date.values, strict=True
    ):
        lines.append(f"{date_label(time.astype('datetime64[s]')):15} {int(count):8d} {1e3 * float(rms):8.2f}")
    lines += [
        "",
        f"rms {1e3 * found.attrs['rms']:.2f} mm, standard deviation {1e3 * found.attrs['standard_deviation']:.2f} mm",
    ]
    return "\n".join(lines)
