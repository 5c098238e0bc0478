"""Quality mask of a result, accepted by fits, plots, exports and reports."""

from collections.abc import Sequence
from functools import reduce
from operator import and_

import numpy as np
import xarray as xr

from insarray.engine.graph.stored_types import as_stored
from insarray.model.conventions import FILL, FLAGS, attributes
from insarray.model.deprecation import renamed
from insarray.model.errors import ArgumentError, StackError
from insarray.products.stacks.minimum import whole_number
from insarray.products.stacks.selection import Raster, good_pixels, raster_name, require_share
from insarray.products.views.aligning import in_blocks_of
from insarray.products.views.stacks import View, as_series, require_dataset

CRITERIA = "criteria"
"""Attribute of a quality mask that lists its criteria."""


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
    """Return the pixels of a result that pass all given criteria, lazily if the result is lazy.

    Parameters
    ----------
    result
        Result of `insarray.invert`, `insarray.fit`, or both merged, with the variables that the criteria need.
    min_dates
        Minimum number of dates with a displacement, in any subset of the network.
    min_temporal_coherence
        Minimum `temporal_coherence`.
    max_residual_rms
        Maximum `residual_rms`, rad.
    max_velocity_std
        Maximum `velocity_std`, m/year.
    exclude_flags
        Meanings of `solver_flag`, `fit_flag` or `unwrapping_flag`, such as "dates_untied" or "no_redundancy": pixels
        with one of them fail. A meaning shared by several flags of the result applies to each of them.
    mask
        Raster, a file or an array (y, x): pixels pass where it is neither 0 nor no-data.

    Returns
    -------
    xarray.DataArray
        `quality_mask` (y, x), boolean, with the coordinates of the result; missing values fail. It can be passed as
        `mask` to all functions, on this grid or a part of it; its attribute `criteria` lists the criteria.

    Raises
    ------
    ArgumentError
        If no criterion is given, or one is invalid.
    StackError
        If the result lacks a variable that a criterion needs.

    See Also
    --------
    insarray.mask : mask samples.
    insarray.fit : fit time functions with standard errors.
    insarray.to_cog : write a GeoTIFF.
    insarray.report : write an HTML report of a result.

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
    if mask is not None:
        layers = [v for v in (*conditions.values(), *result.data_vars.values()) if {"y", "x"} <= set(v.dims)]
        if not layers:
            raise StackError("result: has no layer with the dimensions y and x; give a series or a model")
        conditions[f"raster {raster_name(mask)}"] = good_pixels(View(result), layers[0], mask)
    if not conditions:
        raise ArgumentError("quality_mask: give at least one criterion, such as min_dates or min_temporal_coherence")
    good = reduce(and_, (condition.reset_coords(drop=True) for condition in conditions.values()))
    places = {name: c for name, c in result.coords.items() if set(c.dims) <= {"y", "x"} and name in _PLACES}
    criteria = {CRITERIA: " and ".join(conditions)}
    return (
        good.transpose("y", "x")
        .assign_coords(places)
        .rename("quality_mask")
        .assign_attrs(attributes("quality_mask") | criteria)
    )


_PLACES = ("y", "x", "spatial_ref")


def mask_name(mask: Raster | None) -> str | None:
    """Return the name of a mask in attributes: the file name, or the criteria of a quality mask."""
    if isinstance(mask, xr.DataArray) and CRITERIA in mask.attrs:
        return str(mask.attrs[CRITERIA])
    return raster_name(mask)


def masked(data: xr.Dataset, mask: Raster | None) -> xr.Dataset:
    """Remove values where a mask is not good, lazily if the data or the mask are lazy.

    Parameters
    ----------
    data
        Dataset on a grid; variables without y and x are unchanged.
    mask
        File or array (y, x); good is neither 0 nor no-data. None changes nothing.

    Returns
    -------
    xarray.Dataset
        Floats become NaN there, integers and flags 0. The attribute `masked_by` names the mask.

    Raises
    ------
    ArgumentError, FileError
        If the mask does not cover all pixels of the data, or cannot be read.
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
    """Return one variable masked as by `masked`."""
    if mask is None:
        return layer
    alone: xr.DataArray = masked(layer.to_dataset(name="layer"), mask)["layer"].rename(layer.name)
    return alone


# -- criteria -------------------------------------------------------------------------------------------------------


def _require_criteria(dates: int | None, coherence: float | None, residual: float | None, error: float | None) -> None:
    """Raise ArgumentError for invalid limits."""
    if dates is not None:
        whole_number("min_dates", dates)
    if coherence is not None:
        require_share("min_temporal_coherence", coherence)
    for name, limit in (("max_residual_rms", residual), ("max_velocity_std", error)):
        if limit is not None and not (limit > 0 and np.isfinite(limit)):
            raise ArgumentError(f"{name}: {limit!r} is not a positive number")


def _map(result: xr.Dataset, name: str, asked_by: str) -> xr.DataArray:
    if name not in result or set(result[name].dims) != {"y", "x"}:
        has = ", ".join(str(k) for k, v in result.data_vars.items() if set(v.dims) == {"y", "x"}) or "no map"
        raise StackError(
            f"{asked_by}: the result has no {name} (y, x), but {has}; merge it in, or leave the option out"
        )
    layer: xr.DataArray = result[name]
    return layer


def _dates(result: xr.Dataset) -> xr.DataArray:
    """Return the number of dates with a displacement, (y, x)."""
    if "displacement" not in result or "time" not in result["displacement"].dims:
        raise StackError(
            "min_dates: the result has no displacement (time, y, x) whose dates could be counted; merge the series in, or "
            "leave the option out"
        )
    series = as_series(result, "result").data
    seen = series["displacement"].notnull()
    if "network_subset" in series:
        seen = seen & (series["network_subset"] > 0)
    count: xr.DataArray = seen.sum("time")
    return count


def _has_flag(result: xr.Dataset, meaning: str) -> xr.DataArray:
    """Return the pixels where any flag of the result has the given meaning."""
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
