"""Good pixels: one mask by what a result says of itself, which fits, pictures, files and pages all take."""

from collections.abc import Sequence
from functools import reduce
from operator import and_

import numpy as np
import xarray as xr

from insarray.engine.graph.stored_types import as_stored
from insarray.model.arguments import number
from insarray.model.conventions import FILL, FLAGS, attributes
from insarray.model.deprecation import renamed
from insarray.model.errors import ArgumentError, StackError
from insarray.products.stacks.minimum import whole_number
from insarray.products.stacks.selection import Raster, good_pixels, is_good, raster_name, require_share
from insarray.products.views.aligning import in_blocks_of
from insarray.products.views.stacks import View, as_series, require_dataset

CRITERIA = "criteria"
"""Attribute of a quality mask that says what it is made of."""


@renamed(raster="mask")
def quality_mask(
    result: xr.Dataset,
    *,
    min_dates: int | None = None,
    min_temporal_coherence: float | None = None,
    max_residual_rms: float | None = None,
    max_velocity_std: float | None = None,
    exclude_flags: str | Sequence[str] = (),
    mask: Raster | None = None,
) -> xr.DataArray:
    """Pixels of a result that pass every criterion given, lazily if the result is lazy.

    Parameters
    ----------
    result
        Result of `insarray.invert`, `insarray.fit`, or both merged, or points; it has what the criteria are of.
    min_dates
        Pixels with a displacement at no fewer dates, in whatever piece of the network.
    min_temporal_coherence
        Pixels of at least this `temporal_coherence`.
    max_residual_rms
        Pixels of at most this `residual_rms`, rad.
    max_velocity_std
        Pixels of at most this `velocity_std`, m/year.
    exclude_flags
        Meanings of `solver_flag`, `fit_flag` or `unwrapping_flag`, such as "dates_untied" or "no_redundancy": pixels with
        one of them fail. A meaning that several flags of the result have counts in each of them.
    mask
        Pixels where this raster, a file or an array (y, x), is neither 0 nor without data.

    Returns
    -------
    xarray.DataArray
        `quality_mask` (y, x), boolean, with the coordinates of the result; what has no value fails. Every `mask` takes it,
        on this grid or any part of it; its attribute `criteria` says what it is made of. Of points it is (point).

    Raises
    ------
    ArgumentError
        If no criterion is given, or one cannot be.
    StackError
        If the result lacks what a criterion is of.

    See Also
    --------
    insarray.mask : leave samples out.
    insarray.fit : time functions with standard errors.
    insarray.to_cog : write a GeoTIFF.
    insarray.report : one page about a result.

    References
    ----------
    * Pepe, A. and Lanari, R. (2006), On the extension of the minimum cost flow algorithm for phase
      unwrapping of multitemporal differential SAR interferograms, IEEE TGRS 44, 2374-2383.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, _ = ia.simulate_stack(shape=(40, 40), n_dates=8)
    >>> series = ia.invert(stack, reference="auto")
    >>> good = ia.quality_mask(series, min_dates=6, min_temporal_coherence=0.7)
    >>> model = ia.fit(series, mask=good)
    """
    require_dataset(result, "result", "insarray.invert or insarray.fit")
    _require_criteria(min_dates, min_temporal_coherence, max_residual_rms, max_velocity_std)
    flags = [exclude_flags] if isinstance(exclude_flags, str) else list(exclude_flags)
    conditions: dict[str, xr.DataArray] = {}
    if min_dates is not None:
        conditions[f"dates >= {min_dates}"] = _dates(result) >= min_dates
    if min_temporal_coherence is not None:
        layer = _map(result, "temporal_coherence", "min_temporal_coherence")
        conditions[f"temporal_coherence >= {min_temporal_coherence:g}"] = layer >= min_temporal_coherence
    for name, limit in (("residual_rms", max_residual_rms), ("velocity_std", max_velocity_std)):
        if limit is not None:
            conditions[f"{name} <= {limit:g}"] = _map(result, name, f"max_{name}") <= limit
    for meaning in flags:
        conditions[f"not {meaning}"] = ~_has_flag(result, meaning)
    if mask is not None and "point" in result.dims:
        raise ArgumentError("mask: a raster is for images, and these are points; give other criteria, or use polygons")
    if mask is not None:
        layers = [v for v in (*conditions.values(), *result.data_vars.values()) if {"y", "x"} <= set(v.dims)]
        if not layers:
            raise StackError("result: has no layer with the dimensions y and x; give a series or a model")
        conditions[f"raster {raster_name(mask)}"] = good_pixels(View(result), layers[0], mask)
    if not conditions:
        raise ArgumentError("quality_mask: give at least one criterion, such as min_dates or min_temporal_coherence")
    good = reduce(and_, (condition.reset_coords(drop=True) for condition in conditions.values()))
    dims = _map_dims(result)
    places = {name: c for name, c in result.coords.items() if set(c.dims) <= set(dims) and name in _PLACES}
    criteria = {CRITERIA: " and ".join(conditions)}
    return (
        good.transpose(*dims)
        .assign_coords(places)
        .rename("quality_mask")
        .drop_attrs(deep=False)  # those of the layers that criteria are of
        .assign_attrs(attributes("quality_mask") | criteria)
    )


_PLACES = ("point", "y", "x", "spatial_ref")


def _map_dims(result: xr.Dataset) -> tuple[str, ...]:
    """Dimensions of a map."""
    return ("point",) if "point" in result.dims else ("y", "x")


def good_points(points: xr.Dataset, mask: object) -> np.ndarray:
    """Whether each point is good by a mask of points.

    Raises
    ------
    ArgumentError
        If it is no mask of these points.
    """
    count = points.sizes["point"]
    if not isinstance(mask, xr.DataArray) or mask.dims != ("point",) or mask.sizes["point"] != count:
        raise ArgumentError(f"mask: is no array (point) of the {count} points; make it with insarray.quality_mask")
    return np.asarray(is_good(mask))


def mask_name(mask: Raster | None) -> str | None:
    """What the attributes call a mask: a file by its name, a quality mask by its criteria."""
    if isinstance(mask, xr.DataArray) and CRITERIA in mask.attrs:
        return str(mask.attrs[CRITERIA])
    return raster_name(mask)


def masked(data: xr.Dataset, mask: Raster | None) -> xr.Dataset:
    """Dataset without values where a mask is not good, lazily if the data or the mask are lazy.

    Parameters
    ----------
    data
        Dataset on a grid; variables without y and x stay as they are.
    mask
        A file, or an array (y, x): good is what is neither 0 nor without data. None leaves all as it is.

    Returns
    -------
    xarray.Dataset
        Floats are NaN there, whole numbers and flags 0. The attribute `masked_by` names the mask.

    Raises
    ------
    ArgumentError, FileError
        If the mask lacks pixels of the data, or cannot be read.
    """
    layers = {name: v for name, v in data.data_vars.items() if {"y", "x"} <= set(v.dims)}
    if mask is None or not layers:
        return data
    good = good_pixels(View(data), next(iter(layers.values())), mask)
    if good.chunks and not any(layer.chunks for layer in layers.values()):
        good = good.compute()
    changed = {}
    for name, layer in layers.items():
        fill = FILL.get(layer.dtype.name, np.nan if layer.dtype.kind in "fc" else 0)
        changed[name] = layer.where(in_blocks_of(good, layer), fill).astype(layer.dtype).assign_attrs(layer.attrs)
    return data.assign(changed).assign_attrs(masked_by=mask_name(mask))


def masked_layer(layer: xr.DataArray, mask: Raster | None) -> xr.DataArray:
    """One variable as `masked` leaves it."""
    if mask is None:
        return layer
    alone: xr.DataArray = masked(layer.to_dataset(name="layer"), mask)["layer"].rename(layer.name)
    return alone


# -- criteria -------------------------------------------------------------------------------------------------------


def _require_criteria(dates: int | None, coherence: float | None, residual: float | None, error: float | None) -> None:
    """Raise ArgumentError for a limit that cannot be."""
    if dates is not None:
        whole_number("min_dates", dates)
    if coherence is not None:
        require_share("min_temporal_coherence", coherence)
    for name, limit in (("max_residual_rms", residual), ("max_velocity_std", error)):
        if limit is not None and not (number(name, limit) > 0 and np.isfinite(limit)):
            raise ArgumentError(f"{name}: {limit!r} is not a positive number")


def _map(result: xr.Dataset, name: str, asked_by: str) -> xr.DataArray:
    dims = _map_dims(result)
    if name not in result or set(result[name].dims) != set(dims):
        has = ", ".join(str(k) for k, v in result.data_vars.items() if set(v.dims) == set(dims)) or "no map"
        raise StackError(
            f"{asked_by}: the result has no {name} ({', '.join(dims)}), but {has}; merge it in, or leave the option out"
        )
    layer: xr.DataArray = result[name]
    return layer


def _dates(result: xr.Dataset) -> xr.DataArray:
    """Number of dates with a displacement, (y, x)."""
    if "displacement" not in result or "time" not in result["displacement"].dims:
        raise StackError(
            "min_dates: the result has no displacement (time, y, x) whose dates could be counted; merge the series in, or "
            "leave the option out"
        )
    series = result if "point" in result.dims else as_series(result, "result").data
    seen = series["displacement"].notnull()
    if "network_subset" in series:
        seen = seen & (series["network_subset"] > 0)
    count: xr.DataArray = seen.sum("time")
    return count


def _has_flag(result: xr.Dataset, meaning: str) -> xr.DataArray:
    """Pixels that some flag of the result says this of."""
    known = {name: meanings for name, meanings in FLAGS.items() if name in result}
    found = None
    for name, meanings in known.items():
        if meaning in meanings:
            flag = xr.DataArray(as_stored(name, result[name].variable))
            here = flag == meanings.index(meaning)
            found = here if found is None else found | here
    if found is None:
        names = sorted({text for meanings in known.values() for text in meanings})
        raise ArgumentError(
            f"exclude_flags: {meaning!r} is no meaning of a flag of the result, which has "
            + (", ".join(names) if names else "no flags")
        )
    return found
