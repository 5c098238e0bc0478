"""Reference of a stack: a point, an area, or found automatically; its phase in every pair."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from scipy import ndimage

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels.limits import require_coherence, value_range
from insarray.model.errors import ArgumentError, ReferencePointError
from insarray.model.place import Area, Place
from insarray.products.views.stacks import StackView, View, as_stack

logger = logging.getLogger(__name__)

QUALITY_THRESHOLD = 0.85
"""Minimum mean coherence of candidates for the automatic reference."""

_SEARCH = 200  # search radius for a good pixel around an invalid reference, in rows and columns
_NAMED = 5  # pairs listed in a message
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class LonLat:
    """WGS 84 position of a reference point."""

    lon: float
    lat: float


Reference = Literal["auto"] | tuple[int, int] | LonLat | Area | Place
"""Specification of a reference."""

Asked = Reference | Literal["check"] | None
"""The same for stacks that may be referenced already: "check" tests whether they are, None does not."""

_SPOTS = (0.2, 0.35, 0.5, 0.65, 0.8)  # positions, as fractions of the image, where constants of the pairs are tested
_SPOT = 9  # rows and columns of a test window
_FEWEST_SPOTS = 3
_CONSTANT = 1.0  # rad: closure of a triplet that counts as unclosed; multilooking alone causes less
_STEADY = 0.5  # rad: difference of the closures of all windows up to which they are constant
_SHARE = 0.2  # fraction of triplets with a constant closure above which pairs have constants


def lonlat(lon: float, lat: float) -> LonLat:
    """Return a reference point at a WGS 84 position, in degrees.

    See Also
    --------
    insarray.area : define a rectangle of pixels.
    insarray.find_reference : find a reference pixel.
    insarray.invert : invert pairs to displacement series.

    Examples
    --------
    >>> import insarray as ia
    >>> ia.lonlat(-99.1067, 19.4697)
    LonLat(lon=-99.1067, lat=19.4697)
    """
    return LonLat(lon, lat)


def area(row_start: int, row_stop: int, col_start: int, col_stop: int) -> Area:
    """Return a reference area of rows and columns, stops excluded.

    See Also
    --------
    insarray.lonlat : define a point by longitude and latitude.
    insarray.find_reference : find a reference pixel.
    insarray.invert : invert pairs to displacement series.

    Examples
    --------
    >>> import insarray as ia
    >>> ia.area(2, 5, 10, 14)
    Area(row_start=2, row_stop=5, col_start=10, col_stop=14)
    """
    return Area(row_start, row_stop, col_start, col_stop)


@dataclass(frozen=True)
class ReferencePhase:
    """Phase (or displacement) to subtract from every pair (or date), and the place where it was taken."""

    phase: np.ndarray
    place: Place


def reference_phase(view: StackView, reference: Asked) -> ReferencePhase | None:
    """Return the phase of the reference in every pair; reads only that part of the stack ("auto": all, once).

    Parameters
    ----------
    view
        Stack with the masks that the inversion will use: a masked sample cannot be a reference.
    reference
        See `Asked`; None: no reference. "auto" keeps the reference of a product that states one, and finds one
        otherwise.

    Returns
    -------
    ReferencePhase or None
        Radians, float64, shape (pair,).

    Raises
    ------
    ReferencePointError
        If the point has no data in some pair (the message lists them and offers the nearest pixel that has all), if an
        area has no pixel with all pairs, or if no pixel at all has data in every pair. If "check" finds that the pairs
        have arbitrary constants.
    ArgumentError
        If the point lies outside the image.
    """
    if reference is None:
        return None
    if isinstance(reference, str) and reference == "check":
        _require_no_constants(view)
        return None
    if isinstance(reference, str) and reference == "auto":
        kept = _of_product(view)
        if kept is not None:
            return kept
        chosen = view.data.attrs.get("chosen_reference")
        reference = find_reference(view) if chosen is None else Place(float(chosen[0]), float(chosen[1]))
    return level_at(view, view.phase, reference, view.network.labels, "pairs")


def _of_product(view: StackView) -> ReferencePhase | None:
    """Return the reference that the product states; a masked pixel is accepted, with phase 0."""
    stated = view.data.attrs.get("product_reference")
    if stated is None:
        return None
    place = Place(float(stated[0]), float(stated[1]))
    where = place.on(*view.centres)
    values = np.zeros(view.network.n_pairs)
    if isinstance(where, tuple):
        found = view.phase.isel(y=where[0], x=where[1]).values.astype(np.float64)
        values = found if np.isfinite(found).all() else values
    return ReferencePhase(values, place)


def level_at(
    view: View,
    samples: xr.DataArray,
    where: tuple[int, int] | LonLat | Area | Place,
    labels: Sequence[str],
    layers: Literal["pairs", "dates"],
) -> ReferencePhase:
    """Return the value of `samples` (layer, y, x) at a reference in every layer; reads only there.

    Parameters
    ----------
    view
        View that the samples are a layer of.
    samples
        Phase of pairs or displacement of dates.
    where
        See `Reference`, or a recorded place.
    labels
        Names of the layers in errors.
    layers
        Kind of the layers.

    Raises
    ------
    ReferencePointError, ArgumentError
        As in `reference_phase`.
    """
    where = _on_image(view, where)
    if isinstance(where, Area):
        return _of_area(view, samples, where, layers)
    row, col = where
    values = samples.isel(y=row, x=col).values.astype(np.float64)
    if not np.isfinite(values).all():
        missing = [labels[k] for k in np.flatnonzero(~np.isfinite(values)).tolist()]
        raise ReferencePointError(_complaint(samples, row, col, missing, layers))
    return ReferencePhase(values, view.pixel(row, col))


def _on_image(view: View, where: object) -> tuple[int, int] | Area:
    """Return row and column, or area, within the image."""
    height, width = view.data.sizes["y"], view.data.sizes["x"]
    if isinstance(where, Place):
        found = where.on(*view.centres)
        if found is None:
            raise ReferencePointError(
                f"reference: y {where.y:.9g}, x {where.x:.9g} is not, or only partly, in this part of the image"
            )
        return found
    if isinstance(where, LonLat):
        return view.grid.index(where.lon, where.lat)
    if isinstance(where, Area):
        edges = (where.row_start, where.row_stop, where.col_start, where.col_stop)
        top, bottom, left, right = (_whole(edge, where) for edge in edges)
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise ArgumentError(
                f"reference: rows {top}:{bottom}, columns {left}:{right} is not an area within {height} x {width} pixels"
            )
        return Area(top, bottom, left, right)
    try:
        first, second = tuple[object, ...](where)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ArgumentError(f"reference: {where!r} is not 'auto', (row, col), lonlat(...) or area(...)") from None
    row, col = _whole(first, where), _whole(second, where)
    if not (0 <= row < height and 0 <= col < width):
        raise ArgumentError(f"reference: row {row}, column {col} lies outside {height} x {width} pixels")
    return row, col


def _whole(value: object, reference: object) -> int:
    """Return a row or column number, which must be whole: 19.47 is a latitude."""
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or isinstance(value, bool | str) or number != value:
        raise ArgumentError(
            f"reference: {value!r} of {reference!r} is not a whole number of a row or column; give a position in degrees "
            "as lonlat(lon, lat)"
        )
    return int(number)


def _of_area(view: View, samples: xr.DataArray, wanted: Area, layers: str) -> ReferencePhase:
    phase = samples.isel(y=wanted.rows, x=wanted.cols).values.astype(np.float64)
    complete = np.isfinite(phase).all(axis=0)  # the same pixels in every layer, so that loops close
    if not complete.any():
        raise ReferencePointError(
            f"reference: no pixel of rows {wanted.row_start}:{wanted.row_stop}, columns {wanted.col_start}:"
            f"{wanted.col_stop} has data in all {len(phase)} {layers}; choose another area"
            + (" or reference='auto'" if layers == "pairs" else "")
        )
    place = view.area(wanted, int(complete.sum()))
    return ReferencePhase(phase[:, complete].mean(axis=1), place)


def _require_no_constants(view: StackView) -> None:
    """Raise ReferencePointError if the pairs have arbitrary constants from unwrapping.

    If they do, the closure of a loop is a non-zero constant over the image, unlike unwrapping errors or noise. Tested
    for triplets in a few windows; a stack without triplets is accepted.
    """
    triplets = view.network.triplets()
    if not len(triplets):
        return
    closures = [found for at in _SPOTS if (found := _closure_at(view, triplets, at)) is not None]
    if len(closures) < _FEWEST_SPOTS:
        return
    values = np.array(closures)
    with np.errstate(invalid="ignore"):
        least, most = values.min(axis=0), values.max(axis=0)
        constant = (most - least < _STEADY) & (np.minimum(np.abs(least), np.abs(most)) > _CONSTANT)
    if constant.mean() > _SHARE:
        loop = int(np.flatnonzero(constant)[np.argmax(np.abs(values[0][constant]))])
        first, second, _ = (view.network.labels[pair] for pair in triplets[loop])
        name = f"{first}_{second.split('_')[1]}"
        raise ReferencePointError(
            f"reference: the stack is not referenced: its pairs have constants of their own ({int(constant.sum())} of "
            f"{len(triplets)} triplets do not close anywhere, {name} by {values[0][loop]:.2f} rad); give "
            "reference='auto', a pixel, lonlat(...) or an area, or None if that is intended"
        )


def _closure_at(view: StackView, triplets: np.ndarray, at: float) -> np.ndarray | None:
    """Return the median closure (triplet,) in a window; None if no pixel there has all pairs of any triplet."""
    spot = {}
    for dim in ("y", "x"):
        size = view.data.sizes[dim]
        middle, half = int(at * size), min(_SPOT // 2, size // 16)  # windows do not overlap
        spot[dim] = slice(middle - half, middle + half + 1)
    phase = view.phase.isel(spot).values.reshape(view.network.n_pairs, -1).astype(np.float64)
    closure = phase[triplets[:, 0]] + phase[triplets[:, 1]] - phase[triplets[:, 2]]
    known = np.isfinite(closure).any(axis=0)
    if not known.any():
        return None
    ordered = np.sort(closure[:, known], axis=1)  # NaN last
    last = np.isfinite(ordered).sum(axis=1) - 1
    return np.where(last >= 0, np.take_along_axis(ordered, (last // 2).clip(0)[:, None], axis=1)[:, 0], np.nan)


def _complaint(samples: xr.DataArray, row: int, col: int, missing: list[str], layers: str) -> str:
    names = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    text = f"reference: row {row}, column {col} has no data in {len(missing)} of {len(samples)} {layers} ({names})"
    rows, cols = (slice(max(0, at - _SEARCH), at + _SEARCH + 1) for at in (row, col))
    complete = np.isfinite(samples.isel(y=rows, x=cols).values).all(axis=0)
    if not complete.any():
        return f"{text}; no pixel within {_SEARCH} has data in all {layers}: leave out bad {layers} or masks"
    good = np.argwhere(complete) + np.array([rows.start, cols.start])
    near = good[np.argmin(((good - (row, col)) ** 2).sum(axis=1))]
    return f"{text}; the nearest pixel with data in all {layers} is row {near[0]}, column {near[1]}"


def find_reference(stack: xr.Dataset | StackView) -> tuple[int, int]:
    """Find row and column of a good reference pixel, in one pass over the stack.

    Candidates have data in every pair and, if the stack has connected components, a non-zero label in every pair. The
    largest 8-connected region of candidates is taken; among its pixels with a mean coherence of at least
    `QUALITY_THRESHOLD`, the one nearest to the centroid of their largest region is returned; if there is none, the
    pixel with the highest mean coherence.

    Raises
    ------
    ReferencePointError
        If no pixel has data in every pair.

    See Also
    --------
    insarray.lonlat : define a point by longitude and latitude.
    insarray.area : define a rectangle of pixels.
    insarray.invert : invert pairs to displacement series.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> ia.find_reference(stack)
    (9, 12)
    """
    view = as_stack(stack)
    data = view.data
    inputs = {"unwrapped_phase": view.phase}
    inputs |= {name: data[name] for name in ("coherence", "connected_component_labels") if name in data}
    maps = xr.Dataset(map_blocks(_candidates, None, inputs, ("average_coherence", "complete"), {})).compute()
    quality, candidates = maps.average_coherence.values, maps.complete.values
    if not candidates.any():
        raise ReferencePointError(_no_candidate(view))
    row, col = choose_pixel(candidates, quality if "coherence" in data else None)
    logger.info("find_reference: row %d, column %d", row, col)
    logger.debug("find_reference: %d complete pixels; average coherence %.3g", candidates.sum(), quality[row, col])
    return row, col


def empty_pairs(view: StackView) -> list[str]:
    """Return the labels of the pairs without any phase; reads the whole phase once."""
    some = view.phase.notnull().any(("y", "x")).values
    return [label for label, has in zip(view.network.labels, some, strict=True) if not has]


def _no_candidate(view: StackView) -> str:
    """Return why there is no reference candidate, naming empty pairs."""
    empty = empty_pairs(view)
    if not empty:
        return (
            "reference: no pixel has data in every pair; leave out bad pairs or masks, or give an area and gap='subset'"
        )
    listed = ", ".join(empty[:_NAMED]) + (f" and {len(empty) - _NAMED} more" if len(empty) > _NAMED else "")
    options = " ".join(f"--exclude-pairs {label}" for label in empty[:_NAMED])
    return (
        f"reference: no pixel has data in every pair: {listed} {'has' if len(empty) == 1 else 'have'} none at all; leave "
        f"{'it' if len(empty) == 1 else 'them'} out (select_pairs(exclude_pairs=...), {options})"
    )


def _candidates(_: None, arrays: Arrays) -> Arrays:
    candidates = np.asarray(np.isfinite(arrays["unwrapped_phase"]).all(axis=0))
    if "connected_component_labels" in arrays:
        candidates &= (arrays["connected_component_labels"] != 0).all(axis=0)
    quality = np.ones(candidates.shape, np.float32)
    if "coherence" in arrays:
        require_coherence("coherence", *value_range(arrays["coherence"]))
        quality = np.nan_to_num(arrays["coherence"]).mean(axis=0, dtype=np.float64).astype(np.float32)
    return {"average_coherence": quality, "complete": candidates}


def choose_pixel(
    candidates: np.ndarray, quality: np.ndarray | None, threshold: float = QUALITY_THRESHOLD
) -> tuple[int, int]:
    """Return the good candidate nearest to the centre of the largest region, as `find_reference` does.

    Parameters
    ----------
    candidates
        Boolean map with at least one True.
    quality
        Map of the same shape, or None if all are equally good.
    threshold
        Minimum quality of a good candidate.
    """
    region = _largest_region(candidates)
    if quality is not None:
        good = region & (quality >= threshold)
        if not good.any():
            row, col = np.unravel_index(np.argmax(np.where(region, quality, -np.inf)), region.shape)
            return int(row), int(col)
        region = _largest_region(good)
    pixels = np.argwhere(region)
    row, col = pixels[np.argmin(((pixels - pixels.mean(axis=0)) ** 2).sum(axis=1))]
    return int(row), int(col)


def _largest_region(where: np.ndarray) -> np.ndarray:
    labels, _ = ndimage.label(where, structure=_EIGHT)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(np.argmax(sizes)))
