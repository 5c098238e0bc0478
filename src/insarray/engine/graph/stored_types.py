"""Convert variables to the data types in which they are stored."""

from functools import partial
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr

from insarray.engine.graph.elementwise import elementwise
from insarray.model.conventions import VARIABLES
from insarray.model.errors import StackError

_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_NO_TIME = np.iinfo(np.int64).min


def as_stored(name: str, variable: xr.Variable) -> xr.Variable:
    """Return a variable of pixels in the data type in which it is stored, lazily if it is lazy.

    A variable of the conventions table gets the type of the table: a flag or count that ``where`` has turned into
    floats becomes an integer again, with 0 for NaN. Other variables keep their type; times become integers that decode
    to them.

    Raises
    ------
    StackError
        If it holds text or objects; when computed, if an integer layer holds fractional values.
    """
    dtype = variable.dtype
    wanted = np.dtype(VARIABLES[name].dtype) if name in VARIABLES else dtype.newbyteorder("=")
    if dtype.kind in "Mm":
        return _as_numbers(name, variable)
    if dtype.kind not in "biufc" or wanted.itemsize > (16 if dtype.kind == "c" else 8):
        remedy = "give numbers, and their meanings by the attributes flag_values and flag_meanings"
        raise StackError(f"{name}: holds {dtype} for each pixel, which is not stored; {remedy}")
    if dtype.kind == "c" and wanted.kind != "c":
        raise StackError(f"{name}: holds complex numbers, but is {wanted} in the data model; rename it")
    return variable if wanted == dtype else converted(variable, partial(convert, name, wanted), wanted)


def as_text(variable: xr.Variable) -> xr.Variable:
    """Return in-memory text objects or bytes as fixed-width text, which can be hashed; other variables unchanged."""
    if dask.is_dask_collection(variable.data) or variable.dtype.kind not in "OST":
        return variable
    values = np.asarray(variable.values)
    if values.dtype.kind == "S":
        return variable.copy(data=np.char.decode(values, "utf-8", "replace"))
    if values.dtype.kind == "O" and not all(isinstance(value, str) for value in values.ravel()):
        return variable
    return variable.copy(data=np.array(values.tolist(), np.str_))  # also variable-length text, as read from Zarr


def converted(variable: xr.Variable, function: Any, dtype: np.dtype[Any]) -> xr.Variable:
    """Return the variable with an elementwise function applied to its values, lazily if it is lazy."""
    data = variable.data
    if not isinstance(data, da.Array):
        return variable.copy(data=function(np.asarray(data)))
    return variable.copy(data=da.map_blocks(function, data, dtype=dtype, meta=np.empty((0,) * data.ndim, dtype)))


@elementwise
def convert(name: str, dtype: np.dtype[Any], values: np.ndarray) -> np.ndarray:
    """Return samples as `dtype`, with 0 for NaN if it has no NaN.

    Raises
    ------
    StackError
        If `dtype` is an integer type and `values` do not fit it.
    """
    if dtype.kind not in "biu" or values.dtype.kind == "b":
        return values.astype(dtype)
    with np.errstate(invalid="ignore"):
        found = np.where(np.isnan(values), 0, values) if values.dtype.kind == "f" else values
        whole = found.astype(dtype)
    if not np.array_equal(whole, found):
        wrong = found[whole != found].flat[0]
        raise StackError(
            f"{name}: holds {wrong:g}, but is {dtype} in the data model; rename or drop what is no such layer"
        )
    return whole


def _as_numbers(name: str, variable: xr.Variable) -> xr.Variable:
    """Return times as integers with the attributes that decode them."""
    unit = np.datetime_data(variable.dtype)[0]
    if unit not in _UNITS:
        raise StackError(f"{name}: holds {variable.dtype}; convert it with .astype('{variable.dtype.kind}8[ns]')")
    made = converted(variable, as_int64, np.dtype(np.int64))
    if variable.dtype.kind == "M":
        about = {"units": f"{_UNITS[unit]} since 1970-01-01", "calendar": "proleptic_gregorian"}
    else:
        about = {"units": _UNITS[unit], "dtype": str(variable.dtype)}
    made.attrs = {**variable.attrs, **about, "_FillValue": _NO_TIME}
    return made


@elementwise
def as_int64(values: np.ndarray) -> np.ndarray:
    """Return the integers that represent times."""
    return np.ascontiguousarray(values).view(np.int64)
