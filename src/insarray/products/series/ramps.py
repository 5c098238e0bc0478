"""Deramp: fit a plane or quadratic surface per date or pair, and subtract it."""

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels import ramps as kernel
from insarray.kernels.network.datum import relative_to_pieces
from insarray.model.choices import Ramp
from insarray.model.conventions import VARIABLES
from insarray.model.errors import ArgumentError, ReferencePointError, StackError
from insarray.model.grid import Grid
from insarray.model.place import Area, Place
from insarray.products.series.common import complete_pixels, only_series
from insarray.products.series.surfaces import fit_surfaces, row_and_col
from insarray.products.stacks.selection import Raster, good_pixels, raster_name
from insarray.products.views.stacks import Phase, SeriesView, StackView, as_data

logger = logging.getLogger(__name__)

_SURFACES = {"displacement": "ramp_of_date", "unwrapped_phase": "ramp_of_pair", "corrected_phase": "ramp_of_pair"}


@dataclass(frozen=True)
class _Ramps:
    """Surfaces to subtract; coefficients per pixel of row and column, counted from the origin."""

    layer: str
    kind: Ramp
    origin: tuple[float, float]
    coefficients: np.ndarray
    pieces: bool


def deramp(
    data: xr.Dataset,
    *,
    kind: Ramp = "linear",
    mask: Raster | None = None,
    robust: bool = False,
    phase: Phase = "unwrapped_phase",
) -> xr.Dataset:
    """Subtract a fitted surface from every date of a series, or every pair of a stack.

    The surfaces are fitted immediately, in one pass over the data, and subtracted lazily if the data are lazy. They do
    not depend on the chunks, bit for bit.

    Parameters
    ----------
    data
        Series with `displacement`, or stack.
    kind
        "linear", "quadratic", or along one axis only: "linear_range" and "quadratic_range" along the columns,
        "linear_azimuth" and "quadratic_azimuth" along the rows (range and azimuth in radar geometry).
    mask
        Where to fit, a DataArray (y, x) or raster file: not where it is 0, NaN or its no-data value. The surface is
        subtracted everywhere.
    robust
        Reject outliers of up to half of the pixels, so that moving ground does not tilt the surface: least squares
        iteratively reweighted by Tukey's biweight, up to 15 passes over the data instead of 1 (attribute
        `ramp_passes`). The outskirts of a smooth bowl still have some influence: mask it if possible.
    phase
        Phase of a stack to deramp.

    Returns
    -------
    xarray.Dataset
        `data` with the surface subtracted, without the terms of motion (`velocity`, ...), which must be fitted again.
        The reference of a series does not change: the surface is relative to its value there (the mean over a reference
        area). A stack, which has no reference yet, also loses the constant.

        The coordinate `ramp_coefficient` (time or pair, ramp_term) and its attributes record what was subtracted:
        factors of `terms` in row = (y - origin_y) / row_spacing and col = (x - origin_x) / col_spacing. `ramp_surface`
        converts it to maps.

    Raises
    ------
    ArgumentError
        If an argument is not one of those above, or the data are deramped already.
    StackError
        If a date or pair has too few pixels, or only pixels on a line, to determine the surface.

    See Also
    --------
    insarray.ramp_surface : the subtracted surfaces.
    insarray.rereference : change the reference date or place.

    References
    ----------
    * Huber, P. J. (1981), Robust Statistics, Wiley, chapter 1.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> flat = ia.deramp(series, kind="linear")
    >>> flat.attrs["ramp"]
    'linear'
    """
    if kind not in get_args(Ramp):
        raise ArgumentError(f"kind: {kind!r} is not one of {', '.join(get_args(Ramp))}")
    if "ramp" in data.attrs or "ramp_coefficient" in data.coords:
        named = data.attrs.get("ramp", "")
        raise ArgumentError(f"data: has lost its {named} ramp already; deramp what it was made from")
    if phase not in get_args(Phase):
        raise ArgumentError(f"phase: {phase!r} is not one of {', '.join(get_args(Phase))}")
    view = as_data(data)
    data, layer = view.data, "displacement" if isinstance(view, SeriesView) else phase
    if layer not in data:
        raise StackError(f"phase: the stack has no {layer!r}; make it with correct_unwrapping")
    task, passes = _fitted(view, layer, kind, mask, robust=robust)
    task = _referenced(view, task)
    sizes = {str(data[layer].dims[0]): data[layer].shape[0]}
    needed = _workspace(task)
    deramped = map_blocks(subtract_block, task, _inputs(view, layer), (layer,), sizes, bytes_per_pixel=needed)
    attrs = {"ramp": kind, "ramp_robust": str(robust), "ramp_passes": passes}
    logger.info("deramp: %s ramps of %d layers of %s, %d pass(es)", kind, data[layer].shape[0], layer, passes)
    attrs |= {} if mask is None else {"ramp_mask": raster_name(mask)}
    result = only_series(data) if layer == "displacement" else data
    result = result.assign({layer: deramped[layer].to_base_variable()}).assign_attrs(attrs)
    result[layer].attrs = dict(data[layer].attrs)
    if isinstance(view, SeriesView):
        result = result.assign_attrs(view.reference_attributes())
    return view.on_grid(result.assign_coords(ramp_coefficient=_coordinate(view, task)))


_PLACED = ("of", "kind", "origin_y", "origin_x", "row_spacing", "col_spacing")
"""Attributes by which coefficients of a surface are placed."""


def ramp_surface(data: xr.Dataset) -> xr.DataArray:
    """Return the surface that `deramp` has subtracted, lazily if `data` are lazy; adding it restores the original.

    Parameters
    ----------
    data
        Result of `deramp`, or a part of it.

    Returns
    -------
    xarray.DataArray
        `ramp_of_date` (time, y, x) in m, or `ramp_of_pair` (pair, y, x) in rad.

    Raises
    ------
    StackError
        If `data` were not deramped.

    See Also
    --------
    insarray.deramp : subtract fitted surfaces.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> surface = ia.ramp_surface(ia.deramp(series))
    >>> surface.dims
    ('time', 'y', 'x')
    """
    if not isinstance(data, xr.Dataset) or "ramp_coefficient" not in data.coords:
        raise StackError("data: has no coordinate 'ramp_coefficient'; it is the result of deramp that has one")
    view = as_data(data)
    data, coefficient = view.data, view.data["ramp_coefficient"]
    attrs = coefficient.attrs
    lost = [name for name in _PLACED if name not in attrs]
    if lost:
        raise StackError(
            f"data: its coordinate ramp_coefficient has lost the attribute {lost[0]!r}; take it as deramp made it, or deramp "
            "again (xarray.set_options(keep_attrs=True) keeps attributes in computations)"
        )
    layer, name = attrs["of"], _SURFACES[attrs["of"]]
    task = _Ramps(layer, attrs["kind"], (0.0, 0.0), coefficient.values, _in_pieces(view))
    inputs = _inputs(
        view,
        layer,
        (data.y.values - attrs["origin_y"]) / attrs["row_spacing"],
        (data.x.values - attrs["origin_x"]) / attrs["col_spacing"],
    )
    sizes = {str(coefficient.dims[0]): len(coefficient)}
    found = map_blocks(surface_block, task, inputs, (name,), sizes, bytes_per_pixel=_workspace(task))
    coords = {name: coord for name, coord in data.coords.items() if coord.dims == (coefficient.dims[0],)}
    return view.on_grid(xr.Dataset(found, coords))[name]


def _in_pieces(view: StackView | SeriesView) -> bool:
    return isinstance(view, SeriesView) and view.in_pieces


def _inputs(
    view: StackView | SeriesView, layer: str, rows: np.ndarray | None = None, cols: np.ndarray | None = None
) -> dict[str, xr.DataArray]:
    """Layer, its pieces if they count, and row and column of every pixel."""
    data = view.data
    inputs = {layer: data[layer]}
    if _in_pieces(view):
        inputs["network_subset"] = data.network_subset
    return inputs | row_and_col(data[layer], rows, cols)


def _positions(arrays: Arrays, origin: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    return arrays["row"][:, 0] - origin[0], arrays["col"][0] - origin[1]


# -- fit ------------------------------------------------------------------------------------------------------------


def _fitted(
    view: StackView | SeriesView, layer: str, kind: Ramp, mask: Raster | None, *, robust: bool
) -> tuple[_Ramps, int]:
    """Fit surfaces centred on the image; return them and the number of passes."""
    data, inputs = view.data, _inputs(view, layer)
    if mask is not None:
        inputs["mask"] = good_pixels(view, data[layer], mask)
    found = fit_surfaces(inputs, layer, kernel.TERMS[kind], partial(_solved, view, kind), robust=robust)
    return _Ramps(layer, kind, found.origin, found.coefficients, _in_pieces(view)), found.passes


def _solved(view: StackView | SeriesView, kind: Ramp, sums: np.ndarray) -> np.ndarray:
    terms = len(kernel.TERMS[kind])
    coefficients = kernel.solve_surfaces(sums, terms)
    bad = np.flatnonzero(np.isnan(coefficients).any(axis=1))
    if len(bad):
        n = bad[0]
        if isinstance(view, SeriesView):
            what, name = "date", view.labels[n]
        else:
            what, name = "pair", view.network.labels[n]
        pixels = int(sums[n, 0].sum())
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        pieces = " tied to the reference date" if _in_pieces(view) else ""
        found = (
            f"{pixels} pixels{pieces} to fit" if pixels < terms else f"{pixels} pixels, which lie on too small a part"
        )
        raise StackError(
            f"deramp: {what} {name}{more} has only {found}; a {kind} ramp needs {terms} spread over the image: "
            f"widen the mask, take a simpler kind, or leave the {what} out"
        )
    return coefficients


# -- subtraction ----------------------------------------------------------------------------------------------------


def _referenced(view: StackView | SeriesView, task: _Ramps) -> _Ramps:
    """Return the surfaces relative to the reference, where they are 0 (on average over an area)."""
    place = view.zero_place() if isinstance(view, SeriesView) else None
    if place is None or not isinstance(view, SeriesView):
        return task
    terms = kernel.TERMS[task.kind]
    if place.bounds is None:
        row, col = _row_col(view, place.y, place.x)  # may lie outside cropped data
        coefficients = kernel.moved(task.coefficients, terms, row - task.origin[0], col - task.origin[1])
        coefficients[:, 0] = 0.0
        return replace(task, origin=(row, col), coefficients=coefficients)
    area = place.on(*view.centres)
    if not isinstance(area, Area):
        raise ReferencePointError(
            "deramp: the reference area of the series is not, or only partly, in this part of it; deramp before "
            "cropping, or rereference"
        )
    rows, cols = (np.arange(part.start, part.stop) for part in (area.rows, area.cols))
    values = kernel.surfaces(task.coefficients, terms, rows - task.origin[0], cols - task.origin[1])
    coefficients = task.coefficients.copy()
    coefficients[:, 0] -= values[:, complete_pixels(view, area)].mean(axis=1)
    return replace(task, coefficients=coefficients)


def _row_col(view: SeriesView, y: float, x: float) -> tuple[float, float]:
    """Return row and column of coordinates, which may lie outside the image."""
    found = Place(y, x).on(*view.centres)
    if isinstance(found, tuple):
        return float(found[0]), float(found[1])
    grid: Grid = view.grid
    return (y - grid.top) / grid.dy - 0.5, (x - grid.left) / grid.dx - 0.5


def _surfaces(task: _Ramps, arrays: Arrays) -> np.ndarray:
    values = kernel.surfaces(task.coefficients, kernel.TERMS[task.kind], *_positions(arrays, task.origin))
    return relative_to_pieces(values, arrays["network_subset"]) if task.pieces else values


def _workspace(task: _Ramps) -> int:
    """Return the working memory per pixel: surfaces in float64, those of the subsets, and the difference."""
    return (30 if task.pieces else 13) * len(task.coefficients)


def subtract_block(task: _Ramps, arrays: Arrays) -> Arrays:
    """Deramp one block."""
    return {task.layer: (arrays[task.layer] - _surfaces(task, arrays)).astype(np.float32)}


def surface_block(task: _Ramps, arrays: Arrays) -> Arrays:
    """Return the surfaces of one block."""
    return {_SURFACES[task.layer]: _surfaces(task, arrays).astype(np.float32)}


def _coordinate(view: StackView | SeriesView, task: _Ramps) -> xr.DataArray:
    grid = view.grid
    terms = [_monomial(*exponents) for exponents in kernel.TERMS[task.kind]]
    attrs = {
        "long_name": "coefficients of the ramp that was subtracted",
        "units": VARIABLES[task.layer].units,
        "of": task.layer,
        "kind": task.kind,
        "terms": " ".join(terms),
        "origin_y": grid.top + (task.origin[0] + 0.5) * grid.dy,
        "origin_x": grid.left + (task.origin[1] + 0.5) * grid.dx,
        "row_spacing": grid.dy,
        "col_spacing": grid.dx,
    }
    return xr.DataArray(task.coefficients, dims=(view.data[task.layer].dims[0], "ramp_term"), attrs=attrs)


def _monomial(rows: int, cols: int) -> str:
    factors = ["row"] * rows + ["col"] * cols
    return "*".join(factors) or "1"
