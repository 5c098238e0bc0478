"""Surfaces of tracks on one grid, adjusted by the differences in their overlaps and to stations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from insarray.kernels import ramps as kernel
from insarray.kernels.components import adjustment
from insarray.model.errors import StackError
from insarray.products.series.surfaces import Surfaces, Terms, fit_surfaces, frame_of, row_and_col

KINDS = {"offset": "constant", "plane": "linear", "quadratic": "quadratic"}
"""Kinds of ramps by the names of surfaces."""

Position = tuple[np.ndarray, np.ndarray]
"""Rows and columns on the grid of the result."""


@dataclass(frozen=True)
class AtStations:
    """Differences of one track to stations.

    Parameters
    ----------
    track
        Index of the track.
    positions
        Rows and columns (station,) on the grid of the result.
    values, std
        (layer, station); NaN = no value.
    """

    track: int
    positions: Position
    values: np.ndarray
    std: np.ndarray


@dataclass(frozen=True)
class Adjustment:
    """Surfaces of the tracks and how well they fit.

    Parameters
    ----------
    terms
        Exponents of (row, column) of each term.
    origin
        Row and column from which the terms are counted.
    coefficients
        (track, layer, term), per pixel of row and column; NaN where not determined.
    covariance
        (layer, track, term, track, term), of the coefficients.
    overlaps
        Pairs of tracks with common pixels.
    before, after
        (overlap,): root mean square of the difference of the two, of all layers, without and with the surfaces.
    pixels
        (overlap,): common samples.
    """

    terms: Terms
    origin: tuple[float, float]
    coefficients: np.ndarray
    covariance: np.ndarray
    overlaps: tuple[tuple[int, int], ...]
    before: np.ndarray
    after: np.ndarray
    pixels: np.ndarray


@dataclass(frozen=True)
class _Difference:
    """Sums of the difference of two tracks, with equal weights, and the surfaces fitted to it."""

    pair: tuple[int, int]
    plain: np.ndarray
    fitted: Surfaces


def adjust_tracks(
    names: Sequence[str],
    layers: Sequence[xr.DataArray],
    candidates: Sequence[tuple[int, int]],
    surface: str,
    stations: Sequence[AtStations],
    fixed: int | None,
    *,
    robust: bool,
) -> Adjustment:
    """Estimate the surfaces; reads the overlaps of the tracks.

    Parameters
    ----------
    names
        Of the tracks, for errors.
    layers
        Layer (layer, y, x) of each track on the grid of the result.
    candidates
        Pairs of tracks whose images overlap.
    surface
        "offset", "plane" or "quadratic".
    stations
        Differences to stations, if there are any.
    fixed
        Track whose surface is 0; None with stations.
    robust
        Reduce the influence of outliers.

    Raises
    ------
    StackError
        If a track has no overlap with the others, or the overlaps do not determine the surface.
    """
    terms = kernel.TERMS[KINDS[surface]]
    differences = [_difference(layers[i], layers[j], (i, j), terms, robust=robust) for i, j in candidates]
    differences = [one for one in differences if one.plain[:, 0].sum() > 0]
    origin, scale = frame_of(*layers[0].shape[-2:])
    units = np.array([scale[0] ** a * scale[1] ** b for a, b in terms])
    solve = partial(adjustment.adjust, tracks=len(layers), terms=len(terms), fixed=fixed, robust=robust)
    found = [
        solve(
            [_overlap(one, n, len(terms)) for one in differences],
            [part for one in stations if (part := _at_stations(one, n, terms, origin, scale)) is not None],
        )
        for n in range(layers[0].shape[0])
    ]
    coefficients = np.array([one.coefficients for one in found]).transpose(1, 0, 2)
    _require_determined(names, coefficients, differences, surface)
    many = np.tile(units, len(layers))
    covariance = np.array([one.covariance / np.outer(many, many) for one in found])
    fit = [_fit_of(one, coefficients) for one in differences]
    return Adjustment(
        terms,
        origin,
        coefficients / units,
        covariance.reshape(-1, len(layers), len(terms), len(layers), len(terms)),
        tuple(one.pair for one in differences),
        np.array([before for before, _ in fit]),
        np.array([after for _, after in fit]),
        np.array([int(one.plain[:, 0].sum()) for one in differences]),
    )


def _difference(
    first: xr.DataArray, second: xr.DataArray, pair: tuple[int, int], terms: Terms, *, robust: bool
) -> _Difference:
    layer = xr.DataArray((first.variable - second.variable).astype(np.float32))
    inputs: Mapping[str, xr.DataArray] = {"difference": layer, **row_and_col(layer)}
    solve = partial(adjustment.least_norm, terms=len(terms))
    plain = fit_surfaces(inputs, "difference", terms, solve, robust=False)
    fitted = fit_surfaces(inputs, "difference", terms, solve, robust=True) if robust else plain
    return _Difference(pair, plain.sums, fitted)


def _overlap(one: _Difference, layer: int, terms: int) -> adjustment.Overlap:
    normal, right = adjustment.normal_equations(one.fitted.sums[layer], terms)
    spread = float(one.fitted.spread[layer])
    variance = spread**2 if np.isfinite(spread) and spread > 0 else 1.0
    return adjustment.Overlap(*one.pair, normal / variance, right / variance)


def _at_stations(
    one: AtStations, layer: int, terms: Terms, origin: tuple[float, float], scale: tuple[float, float]
) -> adjustment.Stations | None:
    values, std = one.values[layer], one.std[layer]
    use = np.isfinite(values)
    if not use.any():
        return None
    least = float(np.nanmedian(std[std > 0])) if (std > 0).any() else 1.0
    row, col = ((at - middle) / unit for at, middle, unit in zip(one.positions, origin, scale, strict=True))
    design = np.stack([row**a * col**b for a, b in terms], axis=1)
    return adjustment.Stations(one.track, values[use], np.where(std > 0, std, least)[use], design[use])


def _fit_of(one: _Difference, coefficients: np.ndarray) -> tuple[float, float]:
    """Root mean square of the difference of two tracks over all layers, without and with the surfaces."""
    (first, second), sums = one.pair, one.plain
    number, before, after = 0.0, 0.0, 0.0
    for n in range(len(sums)):
        count = float(sums[n, 0].sum())
        surface = coefficients[first, n] - coefficients[second, n]
        if not count or not np.isfinite(surface).all():
            continue
        number += count
        before += count * adjustment.difference_rms(sums[n], 0.0 * surface) ** 2
        after += count * adjustment.difference_rms(sums[n], surface) ** 2
    return float(np.sqrt(before / number)), float(np.sqrt(after / number))


def _require_determined(
    names: Sequence[str], coefficients: np.ndarray, differences: Sequence[_Difference], surface: str
) -> None:
    lost = [k for k in range(len(names)) if not np.isfinite(coefficients[k]).any()]
    if not lost:
        return
    if lost[0] not in {k for one in differences for k in one.pair}:
        raise StackError(
            f"{names[lost[0]]}: has no pixel in common with the other tracks; give tracks that overlap, or leave it out"
        )
    raise StackError(
        f"{names[lost[0]]}: its overlaps with the other tracks do not determine the {surface}; use surface='offset', or "
        "give the tracks between them"
    )
