"""Deramping: a plane or quadratic surface per date or pair, fitted over the map and subtracted."""

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks, sum_blocks
from insarray.kernels import ramps as kernel
from insarray.kernels.datum import relative_to_pieces
from insarray.kernels.ramps import Kind
from insarray.model.conventions import VARIABLES
from insarray.model.dataset import grid_of, on_grid_of
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError, StackError
from insarray.products.reference import Area, reference_of
from insarray.products.series import complete_pixels, only_series
from insarray.products.stack import Phase, Raster, good_pixels

_MOST_PASSES = 15
_STEADY = 1e-2  # change of a surface, in standard deviations of its residuals, at which passes end

_SURFACES = {"displacement": "ramp_of_date", "unwrapped_phase": "ramp_of_pair", "corrected_phase": "ramp_of_pair"}


@dataclass(frozen=True)
class _Fit:
    """All that one pass needs."""

    layer: str
    kind: Kind
    origin: tuple[float, float]
    scale: tuple[float, float]
    coefficients: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class _Ramps:
    """Surfaces as they are subtracted; coefficients per pixel of row and column, counted from the origin."""

    layer: str
    kind: Kind
    origin: tuple[float, float]
    coefficients: np.ndarray
    pieces: bool


def deramp(
    data: xr.Dataset,
    *,
    kind: Kind = "linear",
    mask: Raster | None = None,
    robust: bool = False,
    phase: Phase = "unwrapped_phase",
) -> xr.Dataset:
    """Take a surface out of every date of a series, or every pair of a stack.

    The surfaces are fitted now, in one pass over the data, and subtracted lazily if the data are lazy. They are the
    same to the bit however the data are chunked.

    Parameters
    ----------
    data
        Series with `displacement`, or stack.
    kind
        "linear", "quadratic", or along one axis alone: "linear_range" and "quadratic_range" along the columns,
        "linear_azimuth" and "quadratic_azimuth" along the rows (range and azimuth in radar geometry).
    mask
        Where to fit, a DataArray (y, x) or raster file: not where it is 0, NaN or its no-data value. The surface is
        subtracted everywhere.
    robust
        Leave aside what does not lie on the surface, as long as it is less than half of the pixels, so that ground that
        moves does not tilt it: least squares reweighted by Tukey's biweight, which takes up to 15 passes over the data
        instead of 1 (attribute `ramp_passes`). The skirts of a smooth bowl still count a little: mask it if you can.
    phase
        Which phase of a stack.

    Returns
    -------
    xarray.Dataset
        `data` with the surface subtracted, without the terms of motion (`velocity`, ...), which are to be fitted anew.
        The reference of a series does not move: the surface is taken relative to its value there (the mean over a
        reference area). A stack, which has no reference yet, loses the constant, too.

        Coordinate `ramp_coefficient` (time or pair, ramp_term) and its attributes say what was subtracted:
        factors of `terms` in row = (y - origin_y) / row_spacing and col = (x - origin_x) / col_spacing. `ramp_surface`
        makes maps of it.

    Raises
    ------
    ArgumentError
        If an argument is not one of those above, or the data are deramped already.
    StackError
        If a date or pair has too few pixels, or only pixels on a line, to determine the surface.
    """
    if kind not in get_args(Kind):
        raise ArgumentError(f"kind: {kind!r} is not one of {', '.join(get_args(Kind))}")
    if "ramp" in data.attrs:
        raise ArgumentError(f"data: has lost its {data.attrs['ramp']} ramp already; deramp what it was made from")
    layer = _layer_of(data, phase)
    task, passes = _fitted(data, layer, kind, mask, robust=robust)
    task = _referenced(data, task)
    sizes = {str(data[layer].dims[0]): data[layer].shape[0]}
    needed = _workspace(task)
    deramped = map_blocks(subtract_block, task, _inputs(data, layer), (layer,), sizes, bytes_per_pixel=needed)
    attrs = {"ramp": kind, "ramp_robust": str(robust), "ramp_passes": passes}
    attrs |= {} if mask is None else {"ramp_mask": "array" if isinstance(mask, xr.DataArray) else str(mask)}
    result = only_series(data) if layer == "displacement" else data
    result = result.assign({layer: deramped[layer].to_base_variable()}).assign_attrs(attrs)
    result[layer].attrs = dict(data[layer].attrs)
    return result.assign_coords(ramp_coefficient=_coordinate(data, task))


def ramp_surface(data: xr.Dataset) -> xr.DataArray:
    """Surface that `deramp` has subtracted, lazily if `data` are lazy; adding it gives back what was there.

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
    """
    if "ramp_coefficient" not in data.coords:
        raise StackError("data: has no coordinate 'ramp_coefficient'; it is the result of deramp that has one")
    coefficient = data.ramp_coefficient
    attrs = coefficient.attrs
    layer, name = attrs["of"], _SURFACES[attrs["of"]]
    task = _Ramps(layer, data.attrs["ramp"], (0.0, 0.0), coefficient.values, _in_pieces(data))
    inputs = _inputs(
        data,
        layer,
        (data.y.values - attrs["origin_y"]) / attrs["row_spacing"],
        (data.x.values - attrs["origin_x"]) / attrs["col_spacing"],
    )
    sizes = {str(coefficient.dims[0]): len(coefficient)}
    found = map_blocks(surface_block, task, inputs, (name,), sizes, bytes_per_pixel=_workspace(task))
    coords = {name: coord for name, coord in data.coords.items() if coord.dims == (coefficient.dims[0],)}
    return on_grid_of(data, xr.Dataset(found, coords))[name]


def _layer_of(data: xr.Dataset, phase: Phase) -> str:
    if phase not in get_args(Phase):
        raise ArgumentError(f"phase: {phase!r} is not one of {', '.join(get_args(Phase))}")
    layer = "displacement" if "displacement" in data else phase
    if layer not in data or data[layer].dims != VARIABLES[layer].dims:
        raise StackError(f"data: has neither 'displacement' (time, y, x) nor {phase!r} (pair, y, x)")
    return layer


def _in_pieces(data: xr.Dataset) -> bool:
    return data.attrs.get("gap") == "subset" and "network_subset" in data


def _inputs(
    data: xr.Dataset, layer: str, rows: np.ndarray | None = None, cols: np.ndarray | None = None
) -> dict[str, xr.DataArray]:
    """Layer, its pieces if they count, and row and column of every pixel (views that take no memory)."""
    inputs = {layer: data[layer]}
    if layer == "displacement" and _in_pieces(data):
        inputs["network_subset"] = data.network_subset
    chunks = {dim: data[layer].chunksizes[dim] for dim in ("y", "x")} if data[layer].chunks else {}
    for name, dim, other, values in (("row", "y", "x", rows), ("col", "x", "y", cols)):
        positions = xr.DataArray(np.arange(data.sizes[dim]) if values is None else values, dims=dim)
        if chunks:  # first, so that the view is of one block
            positions = positions.chunk({dim: chunks[dim]})
        positions = positions.expand_dims({other: data.sizes[other]}).transpose("y", "x")
        inputs[name] = positions.chunk(chunks) if chunks else positions
    return inputs


def _positions(arrays: Arrays, origin: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    return arrays["row"][:, 0] - origin[0], arrays["col"][0] - origin[1]


# -- fit ------------------------------------------------------------------------------------------------------------


def _fitted(data: xr.Dataset, layer: str, kind: Kind, mask: Raster | None, *, robust: bool) -> tuple[_Ramps, int]:
    """Surfaces about the middle of the image, and the number of passes that they took."""
    inputs = _inputs(data, layer)
    if mask is not None:
        inputs["mask"] = good_pixels(data[layer], mask)
    layers, terms = data[layer].shape[0], kernel.TERMS[kind]
    size = np.array([data.sizes["y"], data.sizes["x"]])
    # powers of two: positions in these units, and coefficients per pixel, are not rounded
    unit = 2.0 ** np.ceil(np.log2(np.maximum(size, 2) / 2))
    middle, units = (float((size[0] - 1) / 2), float((size[1] - 1) / 2)), (float(unit[0]), float(unit[1]))
    task = _Fit(layer, kind, middle, units, np.zeros((layers, len(terms))), np.full(layers, np.inf))
    sums, _ = _pass(task, inputs)
    coefficients, passes = _solved(data, task, sums), 1
    if robust:
        coefficients, passes = _reweighted(
            data, task, inputs, coefficients, kernel.least_squares_rms(sums, coefficients)
        )
    per_pixel = coefficients / np.array([units[0] ** a * units[1] ** b for a, b in terms])
    return _Ramps(layer, kind, middle, per_pixel, _in_pieces(data)), passes


def _reweighted(
    data: xr.Dataset, first: _Fit, inputs: dict[str, xr.DataArray], coefficients: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, int]:
    """Iteratively reweighted least squares from a first solution; every pass also measures the scale for the next."""
    least = 1e-6 * spread  # data without noise: weights stay defined
    passes, steady = 1, False
    while passes < _MOST_PASSES and not steady:
        passes += 1
        task = replace(first, coefficients=coefficients, spread=spread)
        sums, histogram = _pass(task, inputs)
        previous, coefficients = coefficients, _solved(data, task, sums)
        steady = bool((np.abs(coefficients - previous) <= _STEADY * spread[:, None]).all())
        spread = np.maximum(kernel.residual_scale(histogram, spread), least)
    return coefficients, passes


def _pass(task: _Fit, inputs: dict[str, xr.DataArray]) -> tuple[np.ndarray, np.ndarray]:
    layers, terms = task.coefficients.shape
    zero = {
        "sums": xr.Variable(("layer", "sum", "part"), np.zeros((layers, kernel.number_of_sums(terms), 2))),
        "histogram": xr.Variable(("layer", "bin"), np.zeros((layers, kernel.BINS), np.int64)),
    }
    found = xr.Dataset(sum_blocks(sum_block, task, inputs, zero)).compute()
    return found["sums"].values, found.histogram.values


def sum_block(task: _Fit, arrays: Arrays) -> Arrays:
    """Sums over one block; `arrays` holds the layer, row, col and perhaps `network_subset` and `mask`."""
    samples = arrays[task.layer]
    if "network_subset" in arrays:  # later pieces have a datum of their own
        samples = np.where(arrays["network_subset"] == 1, samples, np.float32(np.nan))
    rows, cols = _positions(arrays, task.origin)
    sums, histogram = kernel.sum_samples(
        samples,
        arrays.get("mask", np.ones(samples.shape[1:], bool)),
        rows / task.scale[0],
        cols / task.scale[1],
        kernel.TERMS[task.kind],
        task.coefficients,
        task.spread,
    )
    return {"sums": sums, "histogram": histogram}


def _solved(data: xr.Dataset, task: _Fit, sums: np.ndarray) -> np.ndarray:
    terms = len(kernel.TERMS[task.kind])
    coefficients = kernel.solve_surfaces(sums, terms)
    bad = np.flatnonzero(np.isnan(coefficients).any(axis=1))
    if len(bad):
        n = bad[0]
        if task.layer == "displacement":
            what, name = "date", date_label(data.time.values[n])
        else:
            what, name = "pair", data.insar.network.labels[n]
        pixels = int(sums[n, 0].sum())
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        pieces = " tied to the reference date" if _in_pieces(data) else ""
        found = (
            f"{pixels} pixels{pieces} to fit" if pixels < terms else f"{pixels} pixels, which lie on too small a part"
        )
        raise StackError(
            f"deramp: {what} {name}{more} has only {found}; a {task.kind} ramp needs {terms} spread over the image: "
            f"widen the mask, take a simpler kind, or leave the {what} out"
        )
    return coefficients


# -- subtraction ----------------------------------------------------------------------------------------------------


def _referenced(data: xr.Dataset, task: _Ramps) -> _Ramps:
    """The same surfaces counted from the reference, where they are 0 (on average over an area)."""
    reference = reference_of(data) if task.layer == "displacement" else None
    if reference is None:
        return task
    terms = kernel.TERMS[task.kind]
    if isinstance(reference, Area):
        rows, cols = (
            np.arange(reference.row_start, reference.row_stop) - task.origin[0],
            np.arange(reference.col_start, reference.col_stop) - task.origin[1],
        )
        values = kernel.surfaces(task.coefficients, terms, rows, cols)
        coefficients = task.coefficients.copy()
        coefficients[:, 0] -= values[:, complete_pixels(data, reference)].mean(axis=1)
        return replace(task, coefficients=coefficients)
    row, col = reference
    coefficients = kernel.moved(task.coefficients, terms, row - task.origin[0], col - task.origin[1])
    coefficients[:, 0] = 0.0
    return replace(task, origin=(float(row), float(col)), coefficients=coefficients)


def _surfaces(task: _Ramps, arrays: Arrays) -> np.ndarray:
    values = kernel.surfaces(task.coefficients, kernel.TERMS[task.kind], *_positions(arrays, task.origin))
    return relative_to_pieces(values, arrays["network_subset"]) if task.pieces else values


def _workspace(task: _Ramps) -> int:
    """Working memory of a pixel: surfaces in float64, those of the pieces, and what is left when they are subtracted."""
    return (30 if task.pieces else 13) * len(task.coefficients)


def subtract_block(task: _Ramps, arrays: Arrays) -> Arrays:
    """Deramped layer of one block."""
    return {task.layer: (arrays[task.layer] - _surfaces(task, arrays)).astype(np.float32)}


def surface_block(task: _Ramps, arrays: Arrays) -> Arrays:
    """Surfaces of one block."""
    return {_SURFACES[task.layer]: _surfaces(task, arrays).astype(np.float32)}


def _coordinate(data: xr.Dataset, task: _Ramps) -> xr.DataArray:
    grid = grid_of(data)
    terms = [_monomial(*exponents) for exponents in kernel.TERMS[task.kind]]
    attrs = {
        "long_name": "coefficients of the ramp that was subtracted",
        "units": VARIABLES[task.layer].units,
        "of": task.layer,
        "terms": " ".join(terms),
        "origin_y": _position(data.y.values, grid.dy, task.origin[0]),
        "origin_x": _position(data.x.values, grid.dx, task.origin[1]),
        "row_spacing": grid.dy,
        "col_spacing": grid.dx,
    }
    return xr.DataArray(task.coefficients, dims=(data[task.layer].dims[0], "ramp_term"), attrs=attrs)


def _position(centres: np.ndarray, spacing: float, index: float) -> float:
    whole = int(index)
    return float(centres[whole]) + (index - whole) * spacing


def _monomial(rows: int, cols: int) -> str:
    factors = ["row"] * rows + ["col"] * cols
    return "*".join(factors) or "1"
