"""What a stored result has to show: layers of a map, dates, series, and what the page must know of them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from insarray.engine.open import job_of
from insarray.engine.open import open as open_result
from insarray.io.files import name_of
from insarray.io.locations import is_url
from insarray.model.conventions import SIGN, VARIABLES
from insarray.model.dataset import crs_of, geozarr_attributes, grid_of, reference_in
from insarray.model.errors import ArgumentError, InsarrayError
from insarray.model.grid import Grid, is_geographic
from insarray.model.place import Area
from insarray.model.secrets import shown, shown_values, without_secrets
from insarray.model.text import printable
from insarray.plot.maps import CLASS_COLOURS, CLASSES, colours_of, ground_aspect, labelled
from insarray.products.timefit.prediction import design_of, term_name
from insarray.products.views.layers import evenly_chunked
from insarray.products.views.points import as_row
from insarray.products.views.stacks import as_series
from insarray.reports.checks import quick_problems
from insarray.reports.summary import FLAG_MEANINGS, MAIN, Source, option_rows, provenance_rows, reference_words
from insarray.viewer.stations import open_comparison, stations_of
from insarray.viewer.straight import stored_arrays

TILE = 256
"""Rows and columns of a chunk of a map."""

_CURVE = 200  # times at which fitted functions are drawn
_LATTICE = 17  # rows and columns of pixels whose longitude and latitude the page interpolates
_RELATIVE = {"velocity", "intercept", "height_error", "displacement"}
"""Layers that are 0 at the reference, and change with it; and terms of the fit but periods."""
_IN_SERIES = ("displacement", "displacement_std", "network_subset")
_SCHEMES = ("RdBu", "viridis", "magma_r", "twilight")


@dataclass(frozen=True)
class Layer:
    """A variable as the page shows it.

    Parameters
    ----------
    key
        Name in the addresses of its chunks.
    name
        Name in the result.
    array
        (time, y, x), time has a single entry for a map.
    dated
        Whether it has a map for each date.
    averaged
        Whether a coarser level is the mean of its pixels, and not one of them.
    """

    key: str
    name: str
    array: xr.DataArray
    dated: bool
    averaged: bool


class Result:
    """A stored result.

    Parameters
    ----------
    shown
        Store, or what else `insarray.open` opens; or a dataset of any of these.
    gnss
        Comparison with stations; None: there is none.

    Raises
    ------
    InsarrayError
        If it cannot be opened, or has nothing to show.
    """

    def __init__(self, shown: str | xr.Dataset, gnss: str | None = None) -> None:
        self.path = path_of(shown)
        self._job = job_of(shown) if isinstance(shown, str) else None
        self.name = name_of_shown(shown)
        data = without_secrets(open_result(shown) if isinstance(shown, str) else shown)
        self.is_points = "point" in data.dims
        self._source = data
        self.data = _row_of_points(data) if self.is_points else _image(data)
        self.layers = list(_layers(self.data))
        if not self.layers:
            raise ArgumentError(f"{self.name}: has no map (y, x), series or points of numbers to show")
        self.series = {name: self.data[name] for name in _IN_SERIES if name in self.data and self._has_dates}
        self.stored = {} if self.is_points else stored_arrays(self.path, self.data, data)
        """Arrays of a local store that are shown as they are there, by the names of layers."""
        self.gnss = None if gnss is None else self._stations(gnss)

    @property
    def _has_dates(self) -> bool:
        return "displacement" in self.data and "time" in self.data["displacement"].dims

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; points are one row."""
        return self.data.sizes["y"], self.data.sizes["x"]

    @cached_property
    def dates(self) -> np.ndarray:
        """Dates of the layers that have them."""
        return np.asarray(self.data["time"].values) if "time" in self.data.dims else np.zeros(0, "datetime64[ns]")

    @cached_property
    def grid(self) -> Grid | None:
        """Grid of an image."""
        return None if self.is_points else grid_of(self.data)

    @property
    def levels(self) -> int:
        """Levels of the pyramid: the last one is a single chunk."""
        if self.is_points:
            return 1
        return max(int(np.ceil(np.log2(max(self.shape) / TILE))), 0) + 1

    @property
    def maps(self) -> list[Layer]:
        """Layers without dates."""
        return [layer for layer in self.layers if not layer.dated]

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """X and y of points, longitudes and latitudes in degrees if there is a CRS."""
        x, y = (np.asarray(self._source[name].values, np.float64) for name in ("x", "y"))
        if (crs := crs_of(self._source)) is None:
            return x, y
        from pyproj import Transformer

        lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
        return np.asarray(lon), np.asarray(lat)

    def about(self) -> dict[str, Any]:
        """All that the page must know besides the arrays, as plain values."""
        source = Source(self._source, shown(self.path), shown_values(self._job))
        found: dict[str, Any] = {
            "name": self.name,
            "kind": "points" if self.is_points else "image",
            "shape": list(self.shape),
            "levels": self.levels,
            "dates": [str(time) for time in self.dates.astype("datetime64[s]")],
            "layers": [self._described(layer) for layer in self.layers],
            "series": list(self.series),
            "maps": [layer.name for layer in self.maps],
            "sign": str(self._source.attrs.get("sign", SIGN)),
            "colours": _palettes(),
            "model": self._model(),
            "options": [[name, value] for name, value in option_rows(source)],
        }
        found |= self._points() if self.grid is None else self._image(self.grid, source)
        if self.gnss is not None:
            found["gnss"] = self.gnss
        plain: dict[str, Any] = _plain(found)
        return plain

    def _stations(self, path: str) -> dict[str, Any]:
        if self.grid is not None:
            return stations_of(open_comparison(path), self.grid.crs, float(np.mean(self.grid.x)))
        known = "EPSG:4326" if crs_of(self._source) is not None else None
        return stations_of(open_comparison(path), known, float(np.nanmean(self.places()[0])))

    def _points(self) -> dict[str, Any]:
        known = crs_of(self._source) is not None
        _, y = self.places()
        middle = float(np.nanmean(y)) if y.size and known else 0.0
        aspect = 1 / max(np.cos(np.radians(middle)), 0.05) if known else 1.0
        return {
            "crs": "EPSG:4326" if known else None,
            "geographic": known,
            "aspect": aspect,
            "metres": [111_320 / aspect, 111_320.0] if known else None,
            "reference": None,
            "reference_words": "that of the points",
            "problems": [],
        }

    def _image(self, grid: Grid, source: Source) -> dict[str, Any]:
        place = reference_in(self.data)
        at = [place.row_start, place.row_stop, place.col_start, place.col_stop] if isinstance(place, Area) else None
        if isinstance(place, tuple):
            at = [place[0], place[0] + 1, place[1], place[1] + 1]
        return {
            "crs": _name_of_crs(grid),
            "geographic": grid.crs is not None and is_geographic(grid.crs),
            "transform": list(grid.affine),
            "aspect": ground_aspect(grid) or 1.0,
            "metres": None if grid.crs is None else _metres_of_unit(grid),
            "lonlat": _lattice(grid),
            "reference": at,
            "reference_words": reference_words(self.data),
            "problems": [list(problem) for problem in quick_problems(source)],
            "provenance": [[name, value] for name, value in provenance_rows(source)],
        }

    def _described(self, layer: Layer) -> dict[str, Any]:
        """Colours, units and meaning of a layer."""
        label, scale = labelled(layer.name, layer.array)
        scheme, ends = colours_of(layer.name)
        entry = VARIABLES.get(layer.name)
        long_name = layer.array.attrs.get("long_name") or (entry.long_name if entry else layer.name)
        found: dict[str, Any] = {
            "key": layer.key,
            "name": layer.name,
            "label": label,
            "meaning": str(long_name),
            "scale": scale,
            "scheme": scheme,
            "limits": ends,
            "dated": layer.dated,
            "relative": layer.name in _RELATIVE | set(self._terms()),
            "whole": layer.array.dtype.kind != "f",
        }
        if layer.name in CLASSES:
            names = CLASSES[layer.name]
            meanings = FLAG_MEANINGS.get(layer.name, {})
            found["classes"] = [
                [name.replace("_", " "), colour, meanings.get(name, "")]
                for name, colour in zip(names, CLASS_COLOURS, strict=False)
            ]
        return found

    def _terms(self) -> list[str]:
        """Terms of the fitted functions that are linear in the displacement."""
        columns = self._columns(self.dates[:1])[0] if self._is_fitted else ()
        return [name for name in columns if not name.startswith(("cosine_", "sine_"))]

    @property
    def _is_fitted(self) -> bool:
        return "fit_flag" in self.data and "time_model" in self.data["fit_flag"].attrs and len(self.dates) > 0

    def _columns(self, times: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        functions, design = design_of(self.data, times)
        return functions.names, design

    def _model(self) -> dict[str, Any] | None:
        """Fitted functions: times, and the columns that the values of maps are multiplied with."""
        if not self._is_fitted:
            return None
        first, last = (time.astype("datetime64[s]").astype(np.int64) for time in (self.dates[0], self.dates[-1]))
        spread = np.linspace(first, last, _CURVE).round().astype("datetime64[s]").astype("datetime64[ns]")
        times = np.unique(np.concatenate([spread, self.dates]))
        names, design = self._columns(times)
        terms = [
            {**_factor(name), "values": column.round(9).tolist()} for name, column in zip(names, design.T, strict=True)
        ]
        if "intercept" in self.data:
            terms.append({"map": "intercept", "values": [1.0] * len(times)})
        known = {layer.name for layer in self.maps}
        if not {term[key] for term in terms for key in ("map", "phase") if key in term} <= known:
            return None
        return {"times": [str(time) for time in times.astype("datetime64[s]")], "terms": terms}


def path_of(shown: str | xr.Dataset) -> str:
    """Where a result is; of a dataset where it was opened, empty if it was not."""
    return shown if isinstance(shown, str) else str(shown.encoding.get("source", ""))


def name_of_shown(shown: str | xr.Dataset) -> str:
    """Name of a result."""
    return printable(name_of(path_of(shown)) or "dataset")


def signature(shown: str | xr.Dataset) -> str:
    """What changes when a local result is written again or continued; empty for a dataset or one behind a URL."""
    if not isinstance(shown, str) or is_url(shown):
        return ""
    path = shown
    names = [path, *(os.path.join(path, name) for name in ("zarr.json", os.path.join("_insarray", "job.json")))]
    found = [os.stat(name) for name in names if os.path.exists(name)]
    return " ".join(f"{stat.st_mtime_ns}.{stat.st_ino}" for stat in found)


def open_or_error(shown: str | xr.Dataset, gnss: str | None = None) -> "Result | InsarrayError":
    """A result, or why there is none."""
    try:
        return Result(shown, gnss)
    except InsarrayError as error:
        return error


def _image(data: xr.Dataset) -> xr.Dataset:
    """Dataset on a grid, dates ascending; displacement of pieces that are not tied to the reference date apart."""
    if not {"y", "x"} <= set(data.dims):
        raise ArgumentError(f"dataset: has dimensions {', '.join(map(str, data.dims))}, neither y and x nor point")
    if "displacement" not in data or "time" not in data["displacement"].dims:
        return evenly_chunked(data)
    view = as_series(data, "dataset")
    if not view.in_pieces:
        return view.data
    return view.data.assign(_tied=view.displacement.where(view.data["network_subset"] == 1))


def _row_of_points(data: xr.Dataset) -> xr.Dataset:
    """Points as an image of one row."""
    if "displacement" in data and "time" in data["displacement"].dims:
        as_row(data)  # refuses what is no series
        data = data.sortby("time")
    layers = {name: array.variable for name, array in data.data_vars.items() if "point" in array.dims}
    found = xr.Dataset(layers, {"time": data["time"]} if "time" in data.dims else None, data.attrs)
    return found.rename(point="x").expand_dims("y").transpose("time", ..., "y", "x", missing_dims="ignore")


def _layers(data: xr.Dataset) -> Iterator[Layer]:
    """What can be shown: first what is looked at first."""
    names = [str(name) for name in data.data_vars if name != "_tied"]
    first = ("velocity", "displacement", *MAIN, "displacement_std")
    order = [*dict.fromkeys(name for name in first if name in names), *sorted(set(names) - set(first))]
    for number, name in enumerate(order):
        array = data[name]
        if array.dtype.kind not in "fiub" or set(array.dims) not in ({"y", "x"}, {"time", "y", "x"}):
            continue
        dated = "time" in array.dims
        if name == "displacement" and "_tied" in data:
            array = data["_tied"].assign_attrs(array.attrs)
        key = name if name.isascii() and name.isidentifier() and name != "maps" else f"layer_{number}"
        averaged = array.dtype.kind == "f" and colours_of(name)[0] != "twilight"
        whole = array.transpose("time", "y", "x") if dated else array.transpose("y", "x").expand_dims("time")
        yield Layer(key, name, whole, dated, averaged)


def _name_of_crs(grid: Grid) -> str | None:
    """Code of the CRS, which is the same however a file says it; else its text."""
    attrs = geozarr_attributes(grid)
    found = attrs.get("proj:code", attrs.get("proj:wkt2"))
    return None if found is None else str(found)


def _factor(column: str) -> dict[str, str]:
    """Map, and for periods phase and function, whose value a column is multiplied with."""
    kind = column.partition("_")[0]
    name = term_name(column)
    if kind in ("cosine", "sine"):
        return {"map": f"{name}_amplitude", "phase": f"{name}_phase", "function": kind}
    return {"map": name}


def _metres_of_unit(grid: Grid) -> list[float]:
    """Metres of one unit of x and of y at the middle of the image."""
    from pyproj import Geod

    row, col = (grid.height - 1) / 2, (grid.width - 1) / 2
    geod, found = Geod(ellps="WGS84"), []
    for step, unit in (((0.0, 0.5), grid.dx), ((0.5, 0.0), grid.dy)):
        ends = [grid.lonlat(row + sign * step[0], col + sign * step[1]) or (0.0, 0.0) for sign in (-1, 1)]
        found.append(geod.inv(*ends[0], *ends[1])[2] / abs(unit))
    return found


def _lattice(grid: Grid) -> dict[str, Any] | None:
    """Longitude and latitude at the corners of equal parts of the image, from corner to corner."""
    if grid.crs is None:
        return None
    from pyproj import Transformer

    x = np.linspace(grid.left, grid.left + grid.width * grid.dx, _LATTICE)
    y = np.linspace(grid.top, grid.top + grid.height * grid.dy, _LATTICE)
    lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(*np.meshgrid(x, y))
    return {"size": _LATTICE, "lon": np.asarray(lon).ravel().tolist(), "lat": np.asarray(lat).ravel().tolist()}


def _palettes() -> dict[str, str]:
    """Colours of each scheme, 256 times rrggbb."""
    import matplotlib as mpl

    shades = {name: mpl.colormaps[name](np.arange(256), bytes=True)[:, :3] for name in _SCHEMES}
    return {name: rgb.astype(np.uint8).tobytes().hex() for name, rgb in shades.items()}


def _plain(value: Any) -> Any:
    """Values that JSON has: text without control characters, no NaN."""
    if isinstance(value, dict):
        return {printable(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
