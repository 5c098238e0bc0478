"""Views: determine and check once per call what a dataset holds, whatever xarray has done to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from insarray.engine.graph.coordinates import with_coordinates_in_memory
from insarray.model.arguments import of_attribute
from insarray.model.dataset import grid_of, network_of, on_grid_of, place_of, reference_time_of
from insarray.model.dates import date_label, times_of
from insarray.model.errors import ArgumentError, ReferencePointError, StackError
from insarray.model.grid import Grid
from insarray.model.network import Network
from insarray.model.place import ATTRIBUTES as PLACE_ATTRIBUTES
from insarray.model.place import Area, Place
from insarray.products.views.layers import canonical

Phase = Literal["unwrapped_phase", "corrected_phase"]
"""Phase to process: as unwrapped, or with the cycles added by `correct_unwrapping`."""

_MOST_ZEROS = 0.05  # of the pixels: if more are zero on all dates, zero is no-data and not a reference

_INHERITED = (
    "product_reference",
    "chosen_reference",
    "wavelength",
    "product",
    "input_fingerprint",
    "input_files",
    "notes",
    "mask_coherence",
    "mask_components",
    "mask_raster",
    "mask_raster_checksum",
    "unwrapping_correction",
    "ramp",
    "ramp_robust",
    "ramp_mask",
    "ramp_passes",
    "corrections",
    "correction_sources",
)


@dataclass(frozen=True, eq=False)
class View:
    """Common base of the views of stacks and series.

    Parameters
    ----------
    data
        Dataset whose layers have the dimension order and data types of the data model, the first dimension in one
        chunk, pairs and dates ascending, and uniform spatial blocks.
    order
        Per dimension, the index of each pair, date or point of `data` in the original dataset, if it was in another
        order.
    """

    data: xr.Dataset
    order: Mapping[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def grid(self) -> Grid:
        """Grid, from y, x and the CRS.

        Raises
        ------
        StackError
            If y and x are missing or not evenly spaced.
        """
        return grid_of(self.data)

    @cached_property
    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates y and x of the pixel centres, or rows and columns if there are none."""
        y, x = (
            np.asarray(self.data[dim].values, np.float64)
            if dim in self.data.coords
            else np.arange(self.data.sizes[dim])
            for dim in ("y", "x")
        )
        return y, x

    @property
    def wavelength(self) -> float | None:
        """Radar wavelength in m."""
        found = self.data.attrs.get("wavelength")
        return None if found is None else of_attribute("wavelength", found)

    @property
    def inherited(self) -> dict[str, Any]:
        """Attributes that products inherit."""
        return {name: self.data.attrs[name] for name in _INHERITED if name in self.data.attrs}

    def require_wavelength(self) -> float:
        """Return the wavelength in m.

        Raises
        ------
        StackError
            If it is unknown; no sensor is assumed.
        """
        if self.wavelength is None:
            raise StackError(
                "wavelength: the files do not say; give it in metres (--wavelength), Sentinel-1 has 0.05546576, or set it, "
                "dataset.attrs['wavelength'] = 0.05546576"
            )
        return self.wavelength

    def on_grid(self, result: xr.Dataset) -> xr.Dataset:
        """Return the result with the y, x and CRS of the data."""
        return on_grid_of(self.data, result)

    def record(self, place: Place | None) -> dict[str, Any]:
        """Return the attributes that record a place."""
        return {} if place is None else place.attributes(self._grid_if_any, *self.centres)

    def area(self, area: Area, pixels: int) -> Place:
        """Return the place of an area of rows and columns of this image."""
        return Place.of_area(*self.centres, area, pixels)

    def pixel(self, row: int, col: int) -> Place:
        """Return the place of a pixel of this image."""
        return Place.of_pixel(*self.centres, row, col)

    @cached_property
    def _grid_if_any(self) -> Grid | None:
        try:
            return self.grid
        except StackError:
            return None


@dataclass(frozen=True, eq=False)
class StackView(View):
    """Stack of pairs.

    Parameters
    ----------
    data, order
        See `View`.
    network
        Network of the pairs, in ascending order of their dates.
    phase_name
        Name of the phase to process.
    """

    network: Network = field(kw_only=True)
    phase_name: Phase = field(default="unwrapped_phase", kw_only=True)

    @property
    def phase(self) -> xr.DataArray:
        """Phase to process (pair, y, x), rad."""
        phase: xr.DataArray = self.data[self.phase_name]
        return phase

    @property
    def fingerprints(self) -> dict[str, xr.DataArray]:
        """Coordinate with the fingerprint of the files of each pair, if there is one."""
        return {name: self.data.coords[name] for name in ("pair_fingerprint",) if name in self.data.coords}


@dataclass(frozen=True, eq=False)
class SeriesView(View):
    """Displacement time series.

    Parameters
    ----------
    data, order
        See `View`.
    times
        Dates, ascending, ``datetime64[s]``.
    network
        Network of its pairs; None if the dataset does not record it.
    reference_time
        Date at which the displacement is zero; not necessarily in `times`.
    in_pieces
        Whether each network subset is relative to its own first date (``gap="subset"``).
    """

    times: np.ndarray = field(kw_only=True)
    network: Network | None = field(kw_only=True)
    reference_time: np.datetime64 = field(kw_only=True)
    in_pieces: bool = field(kw_only=True)

    @property
    def displacement(self) -> xr.DataArray:
        """Displacement (time, y, x) in m."""
        displacement: xr.DataArray = self.data["displacement"]
        return displacement

    @property
    def labels(self) -> list[str]:
        """``YYYYMMDD`` of each date."""
        return [date_label(time) for time in self.times]

    @cached_property
    def place(self) -> Place | None:
        """Place at which the displacement is zero; None if the dataset does not record it.

        Raises
        ------
        ReferencePointError
            If it is recorded by a row and column at which the displacement is not zero.
        """
        stated = place_of(self.data)
        if stated is not None or not {"reference_row", "reference_area"} & set(self.data.attrs):
            return stated
        return self._numbered_place()

    def _numbered_place(self) -> Place:
        """Return the place of a dataset that records only row and column, checked with the data after a crop."""
        attrs, shape = self.data.attrs, (self.data.sizes["y"], self.data.sizes["x"])
        if "reference_area" in attrs:
            area = Area(*(int(value) for value in attrs["reference_area"]))
            if area.row_stop <= shape[0] and area.col_stop <= shape[1]:
                values = self.displacement.isel(y=area.rows, x=area.cols).values.astype(np.float64)
                complete = np.isfinite(values).all(axis=0)
                level = values[:, complete].mean(axis=1) if complete.any() else np.full(1, np.nan)
                if np.abs(level).max() <= 1e-6 + 1e-5 * np.abs(values[:, complete]).max(initial=0):
                    return self.area(area, int(complete.sum()))
            name = f"area {list(attrs['reference_area'])}"
        else:
            row, col = int(attrs["reference_row"]), int(attrs["reference_col"])
            if row < shape[0] and col < shape[1] and self._is_zero(self.displacement.isel(y=[row], x=[col]))[0, 0]:
                return self.pixel(row, col)
            found = np.argwhere(self._is_zero(self.displacement))
            if 0 < len(found) <= _MOST_ZEROS * shape[0] * shape[1]:  # any will do; a crop only lowers numbers
                away = np.abs(found - (row, col)).sum(axis=1) + (found > (row, col)).any(axis=1) * sum(shape)
                return self.pixel(*(int(at) for at in found[np.argmin(away)]))
            name = f"row {row}, column {col}"
        raise ReferencePointError(
            f"reference: {name} of the attributes is not where the displacement is zero; the data were cropped or sorted: "
            "set the attributes reference_y and reference_x to its coordinates, or rereference"
        )

    @staticmethod
    def _is_zero(displacement: xr.DataArray) -> np.ndarray:
        """Return a mask (y, x) of the pixels with data that are zero on all dates."""
        missing = displacement.isnull()
        zero: np.ndarray = (((displacement == 0) | missing).all("time") & ~missing.all("time")).values
        return zero

    def zero_place(self) -> Place | None:
        """Return the reference place, found in the data if the attributes that record it are lost.

        Raises
        ------
        ReferencePointError
            If a reference was subtracted, but neither attributes nor data show where it is.
        """
        if self.place is not None:
            return self.place
        level = self.data.coords.get("reference_phase")
        referenced = level is not None and bool((level != 0).any())
        if self.data.attrs and not referenced:
            return None
        found = np.argwhere(self._is_zero(self.displacement))
        if 0 < len(found) <= max(1, _MOST_ZEROS * self.displacement[0].size):
            return self.pixel(int(found[0, 0]), int(found[0, 1]))
        if not referenced:
            return None
        raise ReferencePointError(
            "series: has lost the attributes of its reference, and no pixel is zero on all dates; set the attributes "
            "reference_y and reference_x to its coordinates, or use rereference"
        )

    def reference_attributes(self) -> dict[str, Any]:
        """Return the attributes of reference place and date, for products of the series."""
        attrs = self.data.attrs
        numbered = {"reference_row", "reference_area"} & set(attrs)
        stated = place_of(self.data)
        kept = {name: attrs[name] for name in PLACE_ATTRIBUTES if name in attrs} if stated is None and numbered else {}
        return kept | self.record(stated) | {"reference_date": str(self.reference_time)[:19]}


def as_stack(stack: xr.Dataset | StackView, phase: Phase = "unwrapped_phase", *, phaseless: bool = False) -> StackView:
    """Return a view of a stack: names, dimensions and data types of the data model, pairs in order.

    Parameters
    ----------
    stack
        Dataset with pairs, rows, columns and dimensions in any order.
    phase
        Phase to process.
    phaseless
        Accept a stack without phase, for products of other layers.

    Raises
    ------
    ArgumentError, StackError
        If something is missing or different; the message names it.
    """
    if isinstance(stack, StackView):
        return stack
    if phase not in get_args(Phase):
        raise ArgumentError(f"phase: {phase!r} is not one of {', '.join(get_args(Phase))}")
    require_dataset(stack, "stack", "insarray.open_stack")
    if "unwrapped_phase" not in stack and not phaseless:
        what = "a series" if "displacement" in stack else "it"
        raise StackError(f"stack: {what} has no variable 'unwrapped_phase'; open a stack with insarray.open_stack")
    if phase not in stack and not phaseless:
        raise StackError(f"phase: the stack has no {phase!r}; make it with correct_unwrapping")
    stack = with_coordinates_in_memory(stack)
    network = network_of(stack)
    order = np.lexsort((network.secondary, network.reference))
    if (order == np.arange(len(order))).all():
        return StackView(canonical(stack, "pair"), network=network, phase_name=phase)
    ordered = stack.isel(pair=order)
    baseline = network.perpendicular_baseline
    pairs = Network(network.times, network.pairs[order], None if baseline is None else baseline[order])
    return StackView(canonical(ordered, "pair"), {"pair": order}, network=pairs, phase_name=phase)


def as_series(series: xr.Dataset | SeriesView, name: str = "series") -> SeriesView:
    """Return a view of a displacement series: dates ascending, layers as in the data model.

    Parameters
    ----------
    series
        Dataset with dates, rows, columns and dimensions in any order.
    name
        Name of the argument, for errors.

    Raises
    ------
    StackError
        If something is missing or different; the message names it.
    """
    if isinstance(series, SeriesView):
        return series
    require_dataset(series, name, "insarray.invert")
    if "displacement" not in series or "time" not in series["displacement"].dims:
        what = "is a stack and has" if "unwrapped_phase" in series else "has"
        raise StackError(f"{name}: {what} no variable 'displacement' (time, y, x); make it with insarray.invert")
    if "time" not in series.coords or series["time"].dims != ("time",):
        raise StackError(f"{name}: has no coordinate 'time' that dates its displacement")
    series = with_coordinates_in_memory(series)
    times = times_of(series["time"].values, "time")
    if series["time"].dtype.kind != "M":
        series = series.assign_coords(time=("time", times.astype("datetime64[ns]"), series["time"].attrs))
    order = np.argsort(times, kind="stable")
    if (np.diff(times[order]) == np.timedelta64(0, "s")).any():
        twice = date_label(times[order][1:][np.diff(times[order]) == np.timedelta64(0, "s")][0])
        raise StackError(f"{name}: has the date {twice} more than once; keep one of them")
    sorted_already = bool((order == np.arange(len(order))).all())
    data = canonical(series if sorted_already else series.isel(time=order), "time")
    return SeriesView(
        data,
        {} if sorted_already else {"time": order},
        times=times[order],
        network=network_of(series) if {"reference_time", "secondary_time"} <= set(series.coords) else None,
        reference_time=reference_time_of(series),
        in_pieces=_in_pieces(series, name),
    )


def as_data(data: xr.Dataset | View, phase: Phase = "unwrapped_phase") -> "SeriesView | StackView":
    """Return a view of a series if there is a displacement, else of a stack."""
    if isinstance(data, SeriesView | StackView):
        return data
    require_dataset(data, "data", "insarray.invert or insarray.open_stack")
    assert isinstance(data, xr.Dataset)  # noqa: S101  for the type checker
    if "displacement" in data:
        return as_series(data, "data")
    if "unwrapped_phase" not in data:
        raise StackError(
            "data: has neither 'displacement' nor 'unwrapped_phase'; give a series of insarray.invert or a stack"
        )
    return as_stack(data, phase)


def require_dataset(data: object, name: str, maker: str) -> None:
    """Raise StackError unless an argument is a dataset; the message names the function that makes one."""
    if isinstance(data, xr.DataArray):
        raise StackError(f"{name}: is one variable, {data.name!r}; give the whole dataset of {maker}")
    if not isinstance(data, xr.Dataset):
        raise StackError(f"{name}: is a {type(data).__name__}, not an xarray.Dataset; open it with {maker}")


def _in_pieces(series: xr.Dataset, name: str) -> bool:
    """Return whether each network subset has a datum of its own; stated on the labels, too, as attributes are easily lost."""
    if "network_subset" in series:
        return bool(series["network_subset"].attrs.get("gap", series.attrs.get("gap")) == "subset")
    if series.attrs.get("gap") == "subset" and "number_of_observations" in series:
        raise StackError(
            f"{name}: was inverted with gap='subset', but has no network_subset, which says what each date is relative to; "
            "keep that variable"
        )
    return False
