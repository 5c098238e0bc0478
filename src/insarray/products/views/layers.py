"""Normalise layers to the data model: dimension order, data types, units, chunks."""

from typing import Any

import numpy as np
import xarray as xr

from insarray.engine.graph.coordinates import with_coordinates_in_memory
from insarray.engine.graph.edges import Cut, common_edge
from insarray.engine.graph.stored_types import as_stored
from insarray.model.conventions import UNITS, VARIABLES, Variable
from insarray.model.corrections import UNCORRECTED, record
from insarray.model.errors import StackError

_SHARES = ("%", "percent", "per cent")
"""Units in which a number without unit is 100 times as large."""

_ALSO_BY_DATE = ("temporal_coherence",)
"""Maps that some products have by date."""


def canonical(dataset: xr.Dataset, lead: str | None) -> xr.Dataset:
    """Convert a dataset to the data model; nothing is computed.

    Parameters
    ----------
    dataset
        Layers with y and x, optionally with another dimension. They may be transposed, be floats instead of integers
        (``where``), or have merged, split or shifted chunks.
    lead
        "pair", "time" or "loop": the dimension that must be in one chunk. None: maps alone.

    Raises
    ------
    StackError
        If a dimension is missing, or a layer's dimensions, kind of values or units do not match its name.
    """
    for dim in ("y", "x") if lead is None else (lead, "y", "x"):
        if dim not in dataset.dims and "point" in dataset.dims:
            raise StackError("dataset: holds points, not an image; fit their series in Python, with insarray.fit")
        if dim not in dataset.dims:
            raise StackError(
                f"dataset: has the dimensions {tuple(map(str, dataset.dims))}, but no {dim!r}; keep it when selecting "
                f"(isel({dim}=[0]) instead of isel({dim}=0)), or rename what is called otherwise"
            )
    empty = next((dim for dim in dataset.dims if dataset.sizes[dim] == 0), None)
    if empty is not None:
        hint = "; y often descends, so select with slice(high, low)" if empty == "y" else ""
        raise StackError(f"dataset: its dimension {empty!r} is empty, nothing is selected{hint}")
    dataset = _without_lazy_coordinates(_with_history(with_crs_as_coordinate(dataset)))
    changed = {}
    for name, array in dataset.data_vars.items():
        variable = array.variable
        found = _layer(str(name), variable, lead)
        if found is not variable:
            changed[name] = found
    return evenly_chunked(dataset.assign(changed) if changed else dataset)


def with_crs_as_coordinate(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with `spatial_ref` as a coordinate, which xarray reads from NetCDF as a variable."""
    return dataset.set_coords("spatial_ref") if "spatial_ref" in dataset.data_vars else dataset


def _with_history(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with the attributes of corrections and ramps that its layers show, if they were lost."""
    attrs: dict[str, Any] = {}
    if "corrections" not in dataset.attrs and any(name in dataset for name in UNCORRECTED.values()):
        layers = {str(name): layer for name, layer in dataset.data_vars.items() if layer.ndim == 3}
        sources = {
            name: layer.attrs.get("source", "unknown") for name, layer in layers.items() if name not in VARIABLES
        }
        attrs |= record({}, sources)
    if "ramp" not in dataset.attrs and "ramp_coefficient" in dataset.coords:
        attrs["ramp"] = dataset.coords["ramp_coefficient"].attrs.get("kind", "unknown")
    return dataset.assign_attrs(attrs) if attrs else dataset


def _without_lazy_coordinates(dataset: xr.Dataset) -> xr.Dataset:
    """Compute lazy coordinates of pairs and dates; drop those of pixels."""
    loaded = with_coordinates_in_memory(dataset)
    return loaded.drop_vars([name for name, coord in loaded.coords.items() if coord.variable.chunks])


def _layer(name: str, variable: xr.Variable, lead: str | None) -> xr.Variable:
    entry = VARIABLES.get(name)
    if entry is not None and entry.dims == (lead, "y", "x") and set(variable.dims) != set(entry.dims):
        raise StackError(f"{name}: dimensions {variable.dims}, expected {entry.dims}")
    is_map = entry is not None and entry.dims == ("y", "x") and name not in _ALSO_BY_DATE
    if is_map and {"y", "x"} < set(variable.dims):
        raise StackError(
            f"{name}: has the dimensions ({', '.join(map(str, variable.dims))}), expected (y, x); join datasets with "
            "xarray.concat(..., data_vars='minimal')"
        )
    if not {"y", "x"} <= set(variable.dims):
        return variable
    others = sorted((str(dim) for dim in variable.dims if dim not in ("y", "x")), key=lambda dim: dim != lead)
    order = (*others, "y", "x") if entry is None or set(entry.dims) != set(variable.dims) else entry.dims
    if variable.dims != order:
        variable = variable.transpose(*order)
    if entry is None or entry.dims != variable.dims:
        return variable
    _require_unit(name, variable, entry)
    return as_stored(name, _without_fill(variable, np.dtype(entry.dtype)))


def _without_fill(variable: xr.Variable, dtype: np.dtype[Any]) -> xr.Variable:
    """Replace the fill value of a reprojection by 0, which means none, in integer layers."""
    fill = variable.attrs.get("_FillValue")
    if fill is None or dtype.kind == "f" or variable.dtype.kind not in "iu":
        return variable
    kept = {name: value for name, value in variable.attrs.items() if name != "_FillValue"}
    filled: xr.Variable = variable if fill == 0 else variable.where(variable != fill, variable.dtype.type(0))
    return xr.Variable(filled.dims, filled.data, kept, variable.encoding)


def _require_unit(name: str, variable: xr.Variable, entry: Variable) -> None:
    stated = variable.attrs.get("units")
    if stated is None or entry.units not in UNITS or str(stated) == entry.units:
        return
    if entry.units == "1" and str(stated).strip().lower() not in _SHARES:  # xarray keeps units through arithmetic
        return
    if str(stated).strip().lower() not in UNITS[entry.units]:
        raise StackError(
            f"{name}: its attribute units says {stated!r}, but it must be in {entry.units}; convert the values, and set "
            f"units to {entry.units!r}"
        )


def evenly_chunked(dataset: xr.Dataset) -> xr.Dataset:
    """Rechunk lazy layers to common spatial blocks, equal except the last, with other dimensions in one chunk."""
    lazy = {name: v.variable for name, v in dataset.data_vars.items() if v.chunks and {"y", "x"} <= set(v.dims)}
    if not lazy:
        return dataset
    cuts = {dim: [Cut(v.chunksizes[dim], v.nbytes) for v in lazy.values()] for dim in ("y", "x")}
    edges = {dim: common_edge(of) for dim, of in cuts.items()}
    changed = {}
    for name, variable in lazy.items():
        wanted = {dim: edges.get(str(dim), -1) for dim in variable.dims}
        expected = {dim: _even(variable.sizes[dim], size) for dim, size in wanted.items()}
        if any(variable.chunksizes[dim] != chunks for dim, chunks in expected.items()):
            changed[name] = variable.chunk(wanted)
    return dataset.assign(changed) if changed else dataset


def _even(size: int, edge: int) -> tuple[int, ...]:
    if edge == -1 or size == 0:
        return (size,)
    whole, rest = divmod(size, edge)
    return (edge,) * whole + ((rest,) if rest else ())
