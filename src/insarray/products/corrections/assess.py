"""Does a correction help? Variance, structure, correlation with height and scale of each, date by date."""

import logging
from typing import NamedTuple

import numpy as np
import xarray as xr
from pyproj import CRS

from insarray.io.source import PathLike
from insarray.kernels.corrections import assessment as kernel
from insarray.model.arguments import whole
from insarray.model.conventions import metres_per_radian
from insarray.model.dataset import crs_of
from insarray.model.dates import date_label, years_since
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import is_geographic
from insarray.products.corrections.geometry import heights_of
from insarray.products.corrections.given import (
    Corrections,
    Given,
    dates_of_pairs,
    given_corrections,
    index_of,
    on_pixels,
)
from insarray.products.corrections.sampling import sample
from insarray.products.stacks.selection import Raster
from insarray.products.views.ground import layer_of
from insarray.products.views.stacks import SeriesView, StackView, as_data

logger = logging.getLogger(__name__)

_TILES = 4  # along each side of the image
_BINS, _PAIRS = 8, 60_000  # of distances, and of pixels
_PIXELS = 15_000
_FEWEST = 100
_ALL = "all"


class _Compared(NamedTuple):
    """Values and each correction, (date or pair, pixel) in m, and the place of each pixel."""

    values: np.ndarray
    corrections: dict[str, np.ndarray]
    height: np.ndarray | None
    tile: np.ndarray
    y: np.ndarray
    x: np.ndarray


def assess_corrections(
    data: xr.Dataset,
    corrections: Corrections,
    *,
    dem: PathLike | xr.DataArray | None = None,
    mask: Raster | None = None,
    degree: int = 1,
    seed: int = 0,
) -> xr.Dataset:
    """What corrections would do to each date of a series, or pair of a stack, and whether to keep, scale or drop them.

    Computed now, on a thin sample of the image of at most 15,000 pixels. Nothing is subtracted.

    Parameters
    ----------
    data
        Series, or stack.
    corrections
        As for `correct`. Each is assessed alone; several together, too, as "all".
    dem
        Heights of the pixels in m, for the correlation with the height: a raster, or a map (y, x). Default: `height` of the
        data if there is one.
    mask
        Where to look, a DataArray (y, x) or raster file. Leave out what moves most.
    degree
        Of the polynomial in time that is first taken from each pixel of a series, and from the corrections, so that
        motion counts neither for nor against them, nor the first date's atmosphere against all others.
    seed
        Of the pairs of pixels of the structure functions.

    Returns
    -------
    xarray.Dataset
        For each `correction` and date (or pair): `std_before`, `std_after` and `std_scaled` in m, `scale` and `scale_std`
        (the factor with which it fits best, 1 for a correction that is right), `verdict` (0 keep, 1 scale, 2 drop);
        `height_correlation_before`, `height_correlation_after`; with `distance` (m, or the unit of the coordinates)
        `structure_before` and `structure_after` in m^2, the mean squared difference of pixels so far apart.

        Standard deviations are over tiles of the image that had no part in the level and the scale they are taken with. The
        verdict is "scale" where that leaves less than 95 % of the variance otherwise, and the scale is below 3, more than 0.1
        from 1, and three standard errors from 0 and 1; else "keep" where there is less variance with the correction than
        without it.

    Raises
    ------
    ArgumentError
        If a correction lacks dates, or an argument is outside what it may be.
    StackError
        If fewer than 100 pixels have all dates and corrections.

    See Also
    --------
    insarray.correct : subtract corrections.
    insarray.stratified_troposphere : phase against height.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(40, 48), n_dates=8, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> found = ia.assess_corrections(series, {"troposphere": truth.atmosphere})
    >>> bool((found.std_after < found.std_before).all())
    True
    """
    if not isinstance(degree, int) or isinstance(degree, bool) or not 0 <= degree <= 5:
        raise ArgumentError(f"degree: {degree!r} is not a whole number from 0 to 5")
    seed = whole("seed", seed)
    view = as_data(data)
    given = given_corrections(corrections, view.wavelength)
    compared = _compared(view, given, dem, mask)
    if isinstance(view, SeriesView):
        compared = _without_motion(compared, years_since(view.times, view.times[0]), degree)
    if len(given) > 1:
        total = np.sum(list(compared.corrections.values()), axis=0)
        compared = compared._replace(corrections={**compared.corrections, _ALL: total})
    found = _table(view, compared, seed)
    drops = {
        str(name): int((of == 2).sum()) for name, of in zip(found.correction.values, found.verdict.values, strict=True)
    }
    logger.info("assess_corrections: %d pixels; to drop: %s", compared.values.shape[1], drops)
    return found


def _compared(
    view: SeriesView | StackView, given: list[Given], dem: PathLike | xr.DataArray | None, mask: Raster | None
) -> _Compared:
    series = isinstance(view, SeriesView)
    layer = layer_of(view)
    layers = {"values": layer}
    index = {}
    for one in given:
        dated = dates_of_pairs(one) if series and one.lead == "pair" else one
        layers[f"correction {one.name}"] = on_pixels(dated, view, layer).rename({dated.lead: f"lead_{one.name}"})
        index[one.name] = _index(view, dated)
    if dem is not None or "height" in view.data:
        layers["height"] = heights_of(view, dem, "assess_corrections")[0]
    thin = sample(view, layers, mask, _PIXELS)
    scale = 1.0 if series else metres_per_radian(view.require_wavelength())
    values = thin.layers["values"].astype(np.float64) * scale
    found = {}
    for one in given:
        first, second = index[one.name]
        raw = thin.layers[f"correction {one.name}"].astype(np.float64) * _unit(one, view)
        found[one.name] = raw[second] if first is None else raw[second] - raw[first]
    return _Compared(values, found, thin.layers.get("height"), thin.tiles(_TILES), thin.y, thin.x)


def _unit(given: Given, view: SeriesView | StackView) -> float:
    """Metres of what was sampled: a correction of pairs was inverted to metres for a series."""
    return 1.0 if isinstance(view, SeriesView) and given.lead == "pair" else given.scale


def _index(view: SeriesView | StackView, given: Given) -> tuple[np.ndarray | None, np.ndarray]:
    """Rows of a correction that belong to each date or pair, and what is subtracted from them."""
    if isinstance(view, SeriesView):
        return None, index_of(given, view.labels, missing_is_nan=False)
    if given.lead == "pair":
        return None, index_of(given, view.network.labels, missing_is_nan=False)
    at = index_of(given, [date_label(time) for time in view.network.times], missing_is_nan=False)
    return at[view.network.reference], at[view.network.secondary]


def _without_motion(compared: _Compared, years: np.ndarray, degree: int) -> _Compared:
    """Pixels that have all dates, less a polynomial in time."""
    if len(years) < degree + 3:
        raise StackError(
            f"assess_corrections: {len(years)} dates are too few for what a polynomial of degree {degree} leaves; give a lower "
            "degree, or assess the pairs"
        )
    whole = np.isfinite(compared.values).all(axis=0)
    for layer in compared.corrections.values():
        whole &= np.isfinite(layer).all(axis=0)
    if whole.sum() < _FEWEST:
        raise StackError(
            f"assess_corrections: {int(whole.sum())} sampled pixels have all dates and corrections, {_FEWEST} are needed; "
            "leave bad dates or masks out"
        )
    layers = {n: kernel.without_motion(c[:, whole], years, degree) for n, c in compared.corrections.items()}
    height = None if compared.height is None else compared.height[whole]
    values = kernel.without_motion(compared.values[:, whole], years, degree)
    return _Compared(values, layers, height, compared.tile[whole], compared.y[whole], compared.x[whole])


def _table(view: SeriesView | StackView, compared: _Compared, seed: int) -> xr.Dataset:
    lead = "time" if isinstance(view, SeriesView) else "pair"
    y, x, unit = _places(view, compared)
    pairs, number, distance = kernel.distance_bins(y, x, _BINS, _PAIRS, seed)
    scores = {
        name: [kernel.score(d, c, compared.tile) for d, c in zip(compared.values, layer, strict=True)]
        for name, layer in compared.corrections.items()
    }
    names = list(scores)

    def of(part: str) -> np.ndarray:
        return np.array([[getattr(score, part) for score in row] for row in scores.values()], np.float64)

    def structure(values: np.ndarray) -> np.ndarray:
        return np.stack([kernel.structure_function(plane, pairs, number, _BINS) for plane in values])

    both = ("correction", lead)
    left = {name: compared.values - layer for name, layer in compared.corrections.items()}
    columns: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, object]]] = {
        "std_before": (both, np.sqrt(of("before")), {"units": "m", "long_name": "standard deviation without it"}),
        "std_after": (both, np.sqrt(of("after")), {"units": "m", "long_name": "standard deviation with it"}),
        "std_scaled": (both, np.sqrt(of("scaled")), {"units": "m", "long_name": "standard deviation with it, scaled"}),
        "scale": (both, of("scale"), {"units": "1", "long_name": "factor with which it fits best"}),
        "scale_std": (both, of("scale_std"), {"units": "1", "long_name": "standard error of the scale"}),
        "verdict": (
            both,
            of("verdict").astype(np.uint8),
            {"units": "1", "flag_values": [0, 1, 2], "flag_meanings": " ".join(kernel.VERDICTS)},
        ),
        "structure_before": ((lead, "distance"), structure(compared.values), {"units": "m^2"}),
        "structure_after": ((*both, "distance"), np.stack([structure(left[name]) for name in names]), {"units": "m^2"}),
    }
    if compared.height is not None:
        height = compared.height
        columns["height_correlation_before"] = (
            (lead,), np.array([kernel.correlation(plane, height) for plane in compared.values]), {"units": "1"},
        )  # fmt: skip
        columns["height_correlation_after"] = (
            both, np.array([[kernel.correlation(plane, height) for plane in left[name]] for name in names]), {"units": "1"},
        )  # fmt: skip
    coords = {name: coord for name, coord in view.data.coords.items() if coord.dims == (lead,)}
    found = xr.Dataset(columns, coords)
    about = {"units": unit, "long_name": "distance between pixels"}
    return found.assign_coords(correction=np.array(names, object), distance=("distance", distance, about))


def _places(view: SeriesView | StackView, compared: _Compared) -> tuple[np.ndarray, np.ndarray, str]:
    """Places y and x of the pixels in metres, or in pixels without a CRS, and the unit; a degree is 111 km."""
    crs = crs_of(view.data)
    if crs is None:
        return compared.y, compared.x, "1"
    if is_geographic(crs):
        metres = np.deg2rad(6_371_000.0)
        return compared.y * metres, compared.x * metres * np.cos(np.deg2rad(compared.y.mean())), "m"
    metres = CRS.from_user_input(crs).axis_info[0].unit_conversion_factor
    return compared.y * metres, compared.x * metres, "m"
