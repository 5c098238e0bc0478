"""Corrections as they are given: which variables, in which unit and sign, of which dates or pairs, on which pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.model.conventions import UNITS, VARIABLES, metres_per_radian
from insarray.model.dataset import network_of, pair_coords
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError
from insarray.products.series.inversion import invert
from insarray.products.views.aligning import in_blocks_of, require_same_grid
from insarray.products.views.stacks import View

Corrections = xr.Dataset | xr.DataArray | Mapping[str, xr.DataArray]
"""One or several corrections, by name."""

_DUMMY_WAVELENGTH = 0.05  # m: to and fro, so it cancels
_MEASURED = {name for name, entry in VARIABLES.items() if "sign" not in entry.attrs}
"""Names of the data model that are no correction."""


@dataclass(frozen=True)
class Given:
    """One correction in metres of line of sight, positive toward the satellite.

    Parameters
    ----------
    name
        What it is called.
    layer
        (time or pair, y, x), in any order of dates, on any pixels, lazy or not.
    scale
        By which the values are multiplied.
    source
        Where it is from.
    """

    name: str
    layer: xr.DataArray
    scale: float
    source: str

    @property
    def lead(self) -> str:
        """Dimension of dates or pairs."""
        return "time" if "time" in self.layer.dims else "pair"

    @property
    def labels(self) -> list[str]:
        """What its dates or pairs are called."""
        if self.lead == "pair":
            return network_of(self.layer.to_dataset(name="layer")).labels
        return [date_label(time) for time in self.layer["time"].values.astype("datetime64[s]")]


def given_corrections(corrections: Corrections, wavelength: float | None) -> list[Given]:
    """What is given, checked; nothing is computed.

    Raises
    ------
    ArgumentError
        If one has no name, unit or dates, or is called like something else.
    """
    if isinstance(corrections, xr.DataArray):
        if corrections.name is None:
            raise ArgumentError("corrections: the array has no name; give {'troposphere': array}, or rename it")
        corrections = {str(corrections.name): corrections}
    if isinstance(corrections, xr.Dataset):
        corrections = {str(name): layer for name, layer in corrections.data_vars.items()}
    if not isinstance(corrections, Mapping) or not corrections:
        raise ArgumentError("corrections: give a dataset, a named array, or arrays by name, at least one")
    return [_given(str(name), layer, wavelength) for name, layer in corrections.items()]


def _given(name: str, layer: xr.DataArray, wavelength: float | None) -> Given:
    if not isinstance(layer, xr.DataArray):
        raise ArgumentError(f"corrections: {name} is a {type(layer).__name__}, not an xarray.DataArray")
    if name in _MEASURED or not name.isidentifier():
        raise ArgumentError(
            f"corrections: {name!r} is no name of a correction; rename it, for example to 'troposphere'"
        )
    leads = [set(layer.dims) == {lead, "y", "x"} for lead in ("time", "pair")]
    if not any(leads):
        raise ArgumentError(f"corrections: {name} has the dimensions {layer.dims}, expected (time or pair, y, x)")
    if leads[0] and ("time" not in layer.coords or layer["time"].dtype.kind != "M"):
        raise ArgumentError(f"corrections: {name} has no coordinate 'time' that dates it")
    source = str(layer.attrs.get("source", "given as an array"))
    return Given(name, layer, _scale(name, layer, wavelength), source)


def _scale(name: str, layer: xr.DataArray, wavelength: float | None) -> float:
    """Metres toward the satellite of one unit: of phase the sign is the other one."""
    units = str(layer.attrs.get("units", "")).strip().lower()
    if units in UNITS["m"]:
        return 1.0
    if units in UNITS["radian"]:
        if wavelength is None:
            raise ArgumentError(f"corrections: {name} is in radians, and the wavelength is not known; give metres")
        return metres_per_radian(wavelength)
    raise ArgumentError(
        f"corrections: {name} has the unit {units!r}; set its attribute units to 'm' (line of sight, positive toward the "
        "satellite) or 'radian' (phase, positive away)"
    )


def dates_of_pairs(given: Given) -> Given:
    """A correction of pairs as one of dates, zero at the first, by least squares with equal weights.

    Raises
    ------
    NetworkError
        If the pairs do not tie the dates together.
    """
    layer = given.layer
    network = network_of(layer.to_dataset(name="layer"))
    phase = (layer * (given.scale / metres_per_radian(_DUMMY_WAVELENGTH))).astype(np.float32)
    phase.attrs = {"units": "radian"}
    coords = {name: c for name, c in layer.coords.items() if not {"pair"} & set(c.dims) and name in ("y", "x")}
    stack = xr.Dataset({"unwrapped_phase": phase.drop_vars(list(phase.coords))}, coords)
    stack = stack.assign_coords(pair_coords(network)).assign_attrs(wavelength=_DUMMY_WAVELENGTH)
    found = invert(stack, reference=None).displacement
    source = f"{given.source} (pairs, inverted to dates)"
    return Given(given.name, found.assign_attrs(units="m", source=source), 1.0, source)


def on_pixels(given: Given, view: View, like: xr.DataArray) -> xr.DataArray:
    """Its layer on the pixels of the data and in the blocks of `like`; all of its dates or pairs, in their order.

    Raises
    ------
    ArgumentError
        If it lacks pixels.
    """
    found = require_same_grid(f"corrections: {given.name}", given.layer.to_dataset(name="layer"), view)
    layer = given.layer.isel(found).transpose(given.lead, "y", "x")
    return in_blocks_of(layer.drop_vars(list(layer.coords)), like)


def index_of(given: Given, wanted: list[str], *, missing_is_nan: bool) -> np.ndarray:
    """Index of the wanted dates or pairs among those of a correction, -1 where it has none.

    Raises
    ------
    ArgumentError
        If it has one of them twice, or lacks one and that is no NaN.
    """
    labels = given.labels
    at = {label: k for k, label in enumerate(labels)}
    if len(at) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ArgumentError(f"corrections: {given.name} has {twice} more than once; keep one of them")
    absent = [label for label in wanted if label not in at]
    if absent and not missing_is_nan:
        what = "pairs" if given.lead == "pair" else "dates"
        more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        raise ArgumentError(
            f"corrections: {given.name} lacks {len(absent)} of {len(wanted)} {what}: {', '.join(absent[:3])}{more}; add "
            "them, leave the dates out, or give missing='nan'"
        )
    return np.array([at.get(label, -1) for label in wanted])
