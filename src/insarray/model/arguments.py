"""Arguments in the forms in which people have them: lists and arrays, numbers, whole numbers, durations."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from insarray.model.errors import ArgumentError

_ONE = str | bytes | bool | float | int | np.generic | dt.date


Duration = float | np.timedelta64 | dt.timedelta
"""Days, or a timedelta."""


def as_list(name: str, given: Any) -> list[Any]:
    """Return the values of a list, an array or a DataArray as a list; a single value as a list of one.

    Raises
    ------
    ArgumentError
        If it cannot be iterated over.
    """
    if isinstance(given, xr.DataArray):
        given = given.values
    if isinstance(given, np.ndarray):
        return list(np.atleast_1d(given))
    if isinstance(given, _ONE):
        return [given]
    try:
        items = list(given)
    except TypeError:
        raise ArgumentError(f"{name}: {given!r} is not a list") from None
    return [item.values[()] if isinstance(item, xr.DataArray) and not item.ndim else item for item in items]


def number(name: str, given: Any) -> float:
    """Return an argument that must be one number and not NaN, as a float; text and booleans are refused.

    Raises
    ------
    ArgumentError
        If it is not a number.
    """
    found = np.nan
    if not isinstance(given, str | bytes | bool | np.bool_ | Mapping) and np.ndim(given) == 0:
        try:
            found = float(given)
        except (TypeError, ValueError):
            found = np.nan
    if np.isnan(found):
        raise ArgumentError(f"{name}: {_shown(given)} is not a number")
    return found


def whole(name: str, given: Any, least: int = 0) -> int:
    """Return an argument that must be a whole number of at least `least`.

    Raises
    ------
    ArgumentError
        If it is not, or is smaller.
    """
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < least:
        raise ArgumentError(f"{name}: {_shown(given)} is not a whole number of at least {least}")
    return int(given)


def days(name: str, given: Any) -> float:
    """Return a duration in days, given as a number of days or as a timedelta.

    Raises
    ------
    ArgumentError
        If it is neither.
    """
    if isinstance(given, np.timedelta64 | dt.timedelta) and not np.isnat(np.timedelta64(given)):
        return float(np.timedelta64(given) / np.timedelta64(1, "D"))
    return number(name, given)


def of_attribute(name: str, value: Any) -> float:
    """Return the number that an attribute holds, also as text or in an array of one value.

    Raises
    ------
    ArgumentError
        If it does not hold a number.
    """
    one = value[0] if isinstance(value, list | tuple | np.ndarray) and np.shape(value) == (1,) else value
    try:
        return number(name, float(one) if isinstance(one, str) else one)
    except (ArgumentError, ValueError):
        raise ArgumentError(
            f"{name}: the attribute {name!r} of the data is {_shown(value)}, not a number; correct it with assign_attrs"
        ) from None


def _shown(value: Any) -> str:
    """Return a value as text of one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
