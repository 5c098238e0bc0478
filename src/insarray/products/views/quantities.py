"""Which quantity datasets of several tracks have in common."""

from collections.abc import Mapping
from typing import get_args

import xarray as xr

from insarray.model.choices import Quantity
from insarray.model.errors import ArgumentError, StackError


def common_quantity(named: Mapping[str, xr.Dataset], asked: Quantity | None) -> Quantity:
    """Return the quantity asked for, or the first that all tracks have.

    Raises
    ------
    ArgumentError
        If there is no such quantity.
    StackError
        If a track does not have it.
    """
    if asked is not None and asked not in get_args(Quantity):
        raise ArgumentError(f"quantity: {asked!r} is not one of {', '.join(get_args(Quantity))}")
    choices: tuple[Quantity, ...] = get_args(Quantity) if asked is None else (asked,)
    for quantity in choices:
        missing = [name for name, dataset in named.items() if quantity not in dataset]
        if not missing:
            return quantity
    has = "neither 'velocity' nor 'displacement'" if asked is None else f"no variable {asked!r}"
    name = missing[0]
    if asked is None and any(quantity in named[name] for quantity in choices):
        raise StackError(f"{name}: has no 'velocity', and not all tracks have 'displacement'; make them alike")
    raise StackError(f"{name}: has {has}; make it with insarray.fit or insarray.invert")
