"""`tie_to_gnss`: velocities and series in the frame of GNSS, by a surface through what both differ by."""

import logging
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels import ramps as kernel
from insarray.kernels.components.robust import left_out, robust_fit
from insarray.model.choices import TieSurface as Surface
from insarray.model.choices import Up
from insarray.model.errors import ArgumentError, StackError
from insarray.model.place import ATTRIBUTES as PLACE_ATTRIBUTES
from insarray.products.components.tracks import LINE_OF_SIGHT, map_view, on_pixels, require_line_of_sight
from insarray.products.gnss.differences import series_difference, velocity_difference
from insarray.products.gnss.given import require_stations
from insarray.products.gnss.stations import AXES, positions
from insarray.products.series.common import only_series
from insarray.products.series.surfaces import fit_surfaces, row_and_col
from insarray.products.stacks.selection import Raster, good_pixels, raster_name
from insarray.products.views.stacks import SeriesView, View, as_series

logger = logging.getLogger(__name__)

_TERMS = {"offset": "constant", "plane": "linear", "quadratic": "quadratic"}


@dataclass(frozen=True)
class _Tie:
    """Surface that is subtracted; coefficients (layer, term) per pixel of row and column, counted from the origin."""

    layer: str
    terms: tuple[tuple[int, int], ...]
    origin: tuple[float, float]
    coefficients: np.ndarray


@dataclass(frozen=True)
class _Found:
    """A surface, its covariance (layer, term, term), and what it leaves."""

    surface: str
    origin: tuple[float, float]
    coefficients: np.ndarray
    covariance: np.ndarray
    deviation: np.ndarray
    count: np.ndarray


def tie_to_gnss(
    data: xr.Dataset,
    gnss: xr.Dataset,
    *,
    surface: Surface = "plane",
    up: Up = "gnss",
    robust: bool = True,
    mask: Raster | None = None,
    radius: float = 0.0,
    days: int = 0,
) -> xr.Dataset:
    """Velocities or a series in the frame of GNSS: without the surface by which both differ along the line of sight.

    Velocities of InSAR are relative to a place, and long wavelengths of atmosphere and orbits are in them; GNSS has neither.
    The surface is fitted now, and subtracted lazily if the data are lazy.

    Parameters
    ----------
    data
        `velocity` (y, x), or `displacement` (time, y, x), with `los_east`, `los_north`, `los_up`, on a grid with a CRS. Of data
        that have both, the one is tied that `gnss` is of, and the other left out.
    gnss
        Stations (`insarray.open_gnss`): velocities for a velocity, daily positions for a series. Or, for a velocity, maps
        `velocity_east`, `velocity_north` and perhaps `velocity_up` (y, x) in m/year on any grid, such as stations
        interpolated by somebody.
    surface
        "offset", "plane" or "quadratic" in row and column; "auto": that of them which predicts stations best that were left
        out.
    up
        "gnss": the vertical velocity is that of `gnss`, which must have it. "zero": there is none.
    robust
        Leave aside what does not lie on the surface: least squares reweighted by Tukey's biweight.
    mask
        Of maps: where to fit, a DataArray (y, x) or raster file; not where it is 0, NaN or its no-data value.
    radius
        Of stations: the mean of the pixels within so many metres counts; 0: the pixel that the station is in.
    days
        Of daily positions: those of so many days before and after a date are averaged. That of the reference date is what
        all others are relative to.

    Returns
    -------
    xarray.Dataset
        `data` with the surface subtracted, without what is no longer so: the place of reference, of a series the terms that
        were fitted to it. Coordinates `gnss_tie_coefficient` ((time,) tie_term), with the attributes by which they are in row
        and column, and `gnss_tie_covariance`; attributes `gnss_tie`, `gnss_tie_up`, `gnss_tie_deviation` (what is left,
        robustly, m/year or m; of a series the median), `gnss_tie_stations`, `reference_frame`. The covariance follows from
        what is left, as if that were independent from station to station, or pixel to pixel.

    Raises
    ------
    ArgumentError
        If an option cannot be, or the data are tied already.
    StackError
        If something is missing, or stations or pixels do not determine the surface.

    See Also
    --------
    insarray.compare_gnss : series against stations.
    insarray.decompose : east, north and up of several tracks.
    insarray.deramp : subtract surfaces that the data themselves say.

    References
    ----------
    * Hussain, E., Hooper, A., Wright, T. J., Walters, R. J. and Bekaert, D. P. S. (2016), Interseismic strain accumulation
      across the central North Anatolian Fault from iteratively unwrapped InSAR measurements, J. Geophys. Res. Solid Earth
      121, 9000-9019.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> data = truth[["velocity"]].assign(ia.line_of_sight(truth, incidence_angle=38.0, heading=-12.0))
    >>> still = {name: xr.zeros_like(truth.velocity) for name in ("velocity_east", "velocity_north", "velocity_up")}
    >>> tied = ia.tie_to_gnss(data, xr.Dataset(still), surface="offset")
    >>> tied.attrs["gnss_tie"], bool(abs(tied.velocity.median()) < 0.01)
    ('offset', True)
    """
    for name, value, choices in (("surface", surface, get_args(Surface)), ("up", up, get_args(Up))):
        if value not in choices:
            raise ArgumentError(f"{name}: {value!r} is not one of {', '.join(choices)}")
    if isinstance(data, xr.Dataset) and ("gnss_tie" in data.attrs or "gnss_tie_coefficient" in data.coords):
        raise ArgumentError("data: are tied to GNSS already; tie what they were made from")
    if isinstance(data, xr.Dataset) and not {"velocity", "displacement"} & set(data.data_vars):
        raise StackError("data: has neither 'velocity' nor 'displacement'; give what insarray.fit or invert makes")
    require_line_of_sight(data, "data")
    stations = isinstance(gnss, xr.Dataset) and "station" in gnss.dims
    if stations and mask is not None:
        raise ArgumentError("mask: belongs to maps, but gnss has stations; leave stations out instead")
    if "velocity" in data and not (stations and "time" in gnss.dims and "displacement" in data):
        data = data.drop_vars([name for name, layer in data.data_vars.items() if "time" in layer.dims])
        view = map_view(data[["velocity", *LINE_OF_SIGHT]], "data")
        if stations:
            used = require_stations(gnss, _needed(up, gnss), "a tie")
            used = used if up == "gnss" else used.drop_vars(("velocity_up", "velocity_up_std"), errors="ignore")
            found = _by_stations(view, used, surface, radius, robust=robust)
        else:
            found = _by_maps(view, gnss, surface, up, mask, robust=robust)
        result = _subtracted(view, "velocity", found, data)
    else:
        if up == "zero" and stations:
            gnss = gnss.assign(up=0.0 * gnss["up"]) if "up" in gnss else gnss
        series = as_series(data, "data")
        if not stations or "time" not in gnss.dims:
            raise StackError("gnss: a series is tied to daily positions; open them with insarray.open_gnss")
        gnss = require_stations(gnss, AXES, "a tie of a series")
        found = _by_dates(series, gnss, surface, radius, days, robust=robust)
        result = _subtracted(series, "displacement", found, only_series(series.data))
    attrs = {
        "gnss_tie": found.surface,
        "gnss_tie_up": up,
        "gnss_tie_robust": str(robust),
        "gnss_tie_deviation": float(np.nanmedian(found.deviation)),
        "gnss_tie_stations" if stations else "gnss_tie_pixels": int(found.count.max()),
        "reference_frame": str(gnss.attrs.get("reference_frame", "that of the GNSS velocities")),
    }
    attrs |= {} if mask is None else {"gnss_tie_mask": raster_name(mask)}
    logger.info("tie_to_gnss: %s, %.2g left", found.surface, attrs["gnss_tie_deviation"])
    return result.assign_attrs(attrs)


def _needed(up: Up, gnss: xr.Dataset) -> tuple[str, ...]:
    if up == "gnss" and isinstance(gnss, xr.Dataset) and "velocity_up" not in gnss:
        raise StackError("gnss: has no velocity_up; give it, or say that there is none with up='zero'")
    return ("velocity_east", "velocity_north", *(("velocity_up",) if up == "gnss" else ()))


# -- maps -----------------------------------------------------------------------------------------------------------


def _by_maps(view: View, gnss: xr.Dataset, surface: Surface, up: Up, mask: Raster | None, *, robust: bool) -> _Found:
    """Surface through the difference to maps of GNSS."""
    if surface == "auto":
        raise ArgumentError("surface: 'auto' leaves stations out, but gnss has maps; say which")
    if not isinstance(gnss, xr.Dataset):
        raise StackError(f"gnss: is a {type(gnss).__name__}, not an xarray.Dataset of velocities")
    names = _needed(up, gnss)
    missing = [name for name in names if name not in gnss]
    if missing:
        raise StackError(f"gnss: has no {missing[0]} (y, x) nor stations; give velocities in m/year")
    velocity = view.data["velocity"]
    chunks = velocity.data.chunks if velocity.chunks else None
    maps = on_pixels(map_view(gnss[list(names)], "gnss"), names, view, chunks, "bilinear", "gnss")
    ground = sum(
        view.data[f"los_{name.removeprefix('velocity_')}"].variable * layer.variable for name, layer in maps.items()
    )
    residual = (velocity.variable - ground).astype(np.float32).expand_dims("layer")
    layer = xr.DataArray(residual)
    inputs = {"residual": layer, **row_and_col(layer)}
    if mask is not None:
        inputs["mask"] = good_pixels(view, velocity, mask)
    terms = kernel.TERMS[_TERMS[surface]]
    fitted = fit_surfaces(inputs, "residual", terms, partial(_solved, surface), robust=robust)
    covariance = _covariance_of_sums(fitted.sums, terms, fitted.spread, fitted.scale)
    return _Found(surface, fitted.origin, fitted.coefficients, covariance, fitted.spread, fitted.sums.sum(axis=2)[:, 0])


def _solved(surface: str, sums: np.ndarray) -> np.ndarray:
    terms = len(kernel.TERMS[_TERMS[surface]])
    found = kernel.solve_surfaces(sums, terms)
    if np.isnan(found).any():
        raise StackError(
            f"gnss: {int(sums[0, 0].sum())} pixels have both velocities, which do not determine the {surface}; take a simpler "
            "surface or a wider mask"
        )
    return found


def _covariance_of_sums(
    sums: np.ndarray, terms: tuple[tuple[int, int], ...], spread: np.ndarray, scale: tuple[float, float]
) -> np.ndarray:
    """Covariance of coefficients per pixel, of residuals that are independent with the standard deviation given."""
    count = len(terms)
    matrix = np.empty((count, count))
    upper = np.triu_indices(count)
    matrix[upper] = matrix.T[upper] = sums.sum(axis=2)[0, 2 + count :]
    units = np.array([scale[0] ** a * scale[1] ** b for a, b in terms])
    found: np.ndarray = spread[0] ** 2 * np.linalg.inv(matrix) / np.outer(units, units)
    return found[None]


# -- stations -------------------------------------------------------------------------------------------------------


def _by_stations(view: View, gnss: xr.Dataset, surface: Surface, radius: float, *, robust: bool) -> _Found:
    """Surface through the difference of a velocity to that of stations."""
    gnss, difference, std = velocity_difference(view, gnss, radius)
    return _through(view, gnss, difference, std, surface, ["velocity"], robust=robust)


def _by_dates(
    view: SeriesView, gnss: xr.Dataset, surface: Surface, radius: float, days: int, *, robust: bool
) -> _Found:
    """Surface of every date through the difference to stations, relative to the reference date."""
    gnss, difference, std = series_difference(view, gnss, radius, days)
    return _through(view, gnss, difference, std, surface, view.labels, robust=robust)


def _through(
    view: View,
    gnss: xr.Dataset,
    difference: np.ndarray,
    std: np.ndarray,
    surface: Surface,
    labels: list[str],
    *,
    robust: bool,
) -> _Found:
    """Surfaces through values (layer, station), in row and column from the middle of the image."""
    grid = view.grid
    origin = (grid.height - 1) / 2, (grid.width - 1) / 2
    rows, cols = (at - middle for at, middle in zip(positions(grid, gnss), origin, strict=True))
    least = np.nanmedian(std[std > 0]) if (std > 0).any() else 1.0
    std = np.where(std > 0, std, least)
    if surface == "auto":
        surface = _best(difference, std, rows, cols)
    terms = kernel.TERMS[_TERMS[surface]]
    design = np.stack([rows**a * cols**b for a, b in terms], axis=1)
    fits, counts = [], []
    for values, deviations, label in zip(difference, std, labels, strict=True):
        use = np.isfinite(values)
        fit = robust_fit(values[use], design[use], deviations[use], robust=robust)
        if not np.isfinite(fit.coefficients).all():
            raise StackError(
                f"gnss: {int(use.sum())} stations have {label} in common with the data, which do not determine the {surface}; "
                "take a simpler surface, a wider radius or more stations"
            )
        fits.append(fit)
        counts.append(int(use.sum()))
    return _Found(
        surface,
        origin,
        np.array([fit.coefficients for fit in fits]),
        np.array([fit.covariance for fit in fits]),
        np.array([fit.deviation for fit in fits]),
        np.array(counts),
    )


def _best(difference: np.ndarray, std: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> Surface:
    """Surface that predicts stations best that were left out, by the median of how far it is off."""
    scores: dict[str, float] = {}
    for surface, kind in _TERMS.items():
        design = np.stack([rows**a * cols**b for a, b in kernel.TERMS[kind]], axis=1)
        off = []
        for values, deviations in zip(difference, std, strict=True):
            use = np.isfinite(values)
            off.append(left_out(values[use], design[use], deviations[use]))
        every = np.concatenate(off)
        scores[surface] = float(np.median(np.abs(every))) if np.isfinite(every).all() and every.size else np.inf
    best = min(scores, key=scores.__getitem__)
    if not np.isfinite(scores[best]):
        raise StackError("gnss: too few stations are on the data to leave one out; take a surface, such as 'offset'")
    return best  # type: ignore[return-value]


# -- subtraction ----------------------------------------------------------------------------------------------------


def _subtracted(view: View, name: str, found: _Found, data: xr.Dataset) -> xr.Dataset:
    """Data whose layer has lost the surface, with coordinates that say which."""
    terms = kernel.TERMS[_TERMS[found.surface]]
    layer = view.data[name]
    task = _Tie(name, terms, found.origin, found.coefficients)
    sizes = {str(dim): size for dim, size in layer.sizes.items() if dim not in ("y", "x")}
    inputs = {name: layer, **row_and_col(layer)}
    made = map_blocks(subtract_block, task, inputs, (name,), sizes, bytes_per_pixel=13 * len(found.coefficients))
    index = {dim: view.data[dim].variable for dim in ("y", "x") if dim in view.data.coords}
    changed = xr.DataArray(made[name], {**index, **{d: view.data[d].variable for d in sizes if d in view.data.coords}})
    kept = {key: value for key, value in data.attrs.items() if key not in PLACE_ATTRIBUTES}
    attrs = dict(layer.attrs)
    result = data.assign({name: changed.assign_attrs(attrs) if len(index) == 2 else made[name]})
    result.attrs = kept
    grid = view.grid
    about = {
        "long_name": "coefficients of the surface that was subtracted",
        "units": str(attrs.get("units", "")),
        "terms": " ".join("*".join(["row"] * a + ["col"] * b) or "1" for a, b in terms),
        "origin_y": grid.top + (found.origin[0] + 0.5) * grid.dy,
        "origin_x": grid.left + (found.origin[1] + 0.5) * grid.dx,
        "row_spacing": grid.dy,
        "col_spacing": grid.dx,
    }
    lead = tuple(sizes)
    coefficients, covariance = found.coefficients, found.covariance
    if not lead:
        coefficients, covariance = coefficients[0], covariance[0]
    return view.on_grid(
        result.assign_coords(
            gnss_tie_coefficient=((*lead, "tie_term"), coefficients, about),
            gnss_tie_covariance=((*lead, "tie_term", "other_tie_term"), covariance),
        )
    )


def subtract_block(task: _Tie, arrays: Arrays) -> Arrays:
    """Layer of one block without the surface."""
    layer = arrays[task.layer]
    rows, cols = arrays["row"][:, 0] - task.origin[0], arrays["col"][0] - task.origin[1]
    surfaces = kernel.surfaces(task.coefficients, task.terms, rows, cols)
    return {task.layer: (layer - surfaces.reshape(layer.shape)).astype(np.float32)}
