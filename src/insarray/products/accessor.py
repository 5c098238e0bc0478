"""Accessor ``.insar``: what a dataset is, as the products see it."""

from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from insarray.model.dataset import crs_of, grid_of, network_of
from insarray.model.errors import StackError
from insarray.model.grid import Grid
from insarray.model.network import Network
from insarray.model.place import Area
from insarray.products.views import SeriesView, StackView, as_series, as_stack


@xr.register_dataset_accessor("insar")  # type: ignore[no-untyped-call, unused-ignore]
class InsarAccessor:
    """What is derived from a stack or series, whatever xarray has done to it: ``stack.insar.network``.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, _ = ia.simulate_stack(shape=(8, 8), n_dates=4)
    >>> stack.insar.network.n_dates
    4
    >>> series = ia.invert(stack, reference=(2, 3))
    >>> series.isel(y=slice(1, None)).insar.reference
    (1, 3)
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    @property
    def network(self) -> Network:
        """Network of the pairs, in their order in the dataset."""
        return network_of(self._dataset)

    @property
    def grid(self) -> Grid:
        """Grid, from y, x and the CRS."""
        return grid_of(self._dataset)

    @property
    def crs(self) -> str | None:
        """CRS as WKT; None in radar coordinates."""
        return crs_of(self._dataset)

    @property
    def pairs(self) -> list[str]:
        """``YYYYMMDD_YYYYMMDD`` of each pair, in their order in the dataset."""
        return self.network.labels

    @property
    def times(self) -> np.ndarray:
        """Acquisition times, ascending, ``datetime64[s]``: of a series its dates, of a stack those of its pairs."""
        return self._view.times if isinstance(self._view, SeriesView) else self._view.network.times

    @property
    def wavelength(self) -> float | None:
        """Wavelength in m; None if it is not known."""
        return self._view.wavelength

    @property
    def reference(self) -> tuple[int, int] | Area | None:
        """Row and column, or area, of this very dataset at which a series is zero.

        None if it is not in it, as after a crop, or not known; `reference_position` still says where it is.
        """
        place = self._series.place
        return None if place is None else place.on(*self._series.centres)

    @property
    def reference_position(self) -> tuple[float, float] | None:
        """Coordinates (x, y) of the place at which a series is zero, in its CRS; None if it is not known."""
        place = self._series.place
        return None if place is None else (place.x, place.y)

    @property
    def reference_date(self) -> np.datetime64:
        """Date at which a series is zero; it need not be among its dates."""
        return self._series.reference_time

    def to_canonical(self) -> xr.Dataset:
        """Dataset in the terms of the data model: order of dimensions and dates, data types, even blocks."""
        return self._view.data

    @cached_property
    def _view(self) -> StackView | SeriesView:
        dataset = self._dataset
        return as_series(dataset) if "displacement" in dataset else as_stack(dataset, phaseless=True)

    @property
    def _series(self) -> SeriesView:
        if not isinstance(self._view, SeriesView):
            raise StackError("reference: a stack has none; it is chosen by invert, and recorded in the series")
        return self._view

    def __repr__(self) -> str:
        facts: dict[str, Any] = {"grid": f"{self._dataset.sizes.get('y')} x {self._dataset.sizes.get('x')}"}
        if "reference_time" in self._dataset.coords:
            facts["network"] = repr(self.network)
        return f"<insar {', '.join(f'{name}: {value}' for name, value in facts.items())}>"
