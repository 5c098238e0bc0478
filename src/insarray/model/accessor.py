"""xarray accessor ``.insar`` for properties derived from a canonical dataset."""

from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr

from insarray.model.dataset import crs_of, grid_of, network_of, place_of, reference_in, reference_time_of
from insarray.model.dates import times_of
from insarray.model.grid import Grid
from insarray.model.network import Network
from insarray.model.place import Area


@xr.register_dataset_accessor("insar")  # type: ignore[no-untyped-call, unused-ignore]
class InsarAccessor:
    """Properties derived from the current state of a stack or series: ``stack.insar.network``.

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
        """Network of the pairs, in the order of the dataset."""
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
        """``YYYYMMDD_YYYYMMDD`` of each pair, in the order of the dataset."""
        return self.network.labels

    @property
    def times(self) -> np.ndarray:
        """Acquisition times in ascending order, ``datetime64[s]``: of a series, or of the pairs of a stack."""
        if "time" in self._dataset.coords:
            return np.sort(times_of(self._dataset["time"].values, "time"))
        return self.network.times

    @property
    def wavelength(self) -> float | None:
        """Wavelength in m; None if unknown."""
        found = self._dataset.attrs.get("wavelength")
        return None if found is None else float(found)

    @property
    def reference(self) -> tuple[int, int] | Area | None:
        """Row and column, or area, of this dataset at which a result is zero.

        None if it is unknown or outside, as after a crop; `reference_position` is then still valid.
        """
        return reference_in(self._dataset)

    @property
    def reference_position(self) -> tuple[float, float] | None:
        """Coordinates (x, y), in the CRS of the dataset, where a result is zero; None if unknown."""
        place = place_of(self._dataset)
        return None if place is None else (place.x, place.y)

    @property
    def reference_date(self) -> np.datetime64:
        """Date at which a series is zero; not necessarily one of its dates."""
        return reference_time_of(self._dataset)

    def explore(self, *, height: int = 700, port: int = 0, gnss: str | None = None, basemap: str | None = None) -> Any:
        """Show the page of ``insarray view`` in a notebook: maps to click, series, profiles, another reference.

        A server of this program on 127.0.0.1 computes what is looked at; nothing else can ask it, and no network is needed.
        It ends with the program, or with `close` of what is returned.

        Parameters
        ----------
        height
            Height in the notebook, in pixels.
        port
            Port on this machine; 0: any free port. Where the kernel runs on another machine, forward it.
        gnss
            NetCDF file of a comparison with stations (`insarray.compare_gnss`).
        basemap
            Tiles of a base map, which the browser then asks for: an address with {z}, {x} and {y}.

        Returns
        -------
        insarray.viewer.explore.Explorer
            What the notebook shows; its `url` opens the page in a browser, `close` ends it.

        Raises
        ------
        ArgumentError
            If the dataset has nothing to show.
        """
        viewer = import_module("insarray.viewer.explore")  # a later layer, which a dataset needs only here
        return viewer.explore(self._dataset, height=height, port=port, gnss=gnss, basemap=basemap)

    def __repr__(self) -> str:
        facts: dict[str, Any] = {"grid": f"{self._dataset.sizes.get('y')} x {self._dataset.sizes.get('x')}"}
        if "reference_time" in self._dataset.coords:
            facts["network"] = repr(self.network)
        return f"<insar {', '.join(f'{name}: {value}' for name, value in facts.items())}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: kind, grid, dates, reference, wavelength, the network, and Dask's dashboard."""
        from insarray.model.notebook import page_of

        return page_of(self._dataset)
