"""Where the pixels are: latitude and longitude by their CRS, or in radar coordinates by maps; coarse nodes about them."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays
from insarray.kernels.corrections.columns import at_points, located
from insarray.kernels.corrections.lattice import between, nodes
from insarray.model.dataset import crs_of
from insarray.model.errors import StackError
from insarray.model.grid import is_geographic
from insarray.products.views.aligning import aligned, in_blocks_of, positions
from insarray.products.views.stacks import SeriesView, StackView, View

MAPS = ("latitude", "longitude")
"""Maps (y, x) in WGS 84 degrees that data in radar coordinates need."""

_DEGREES, _METRES = 0.25, 25_000.0  # steps of lattices
_LOOK = 200  # rows and columns of the maps that are looked at for their extent
_LEAST_MARGIN = 0.01  # degrees


def layer_of(view: SeriesView | StackView) -> xr.DataArray:
    """The layer that says in which blocks things are."""
    return view.displacement if isinstance(view, SeriesView) else view.phase


@dataclass(frozen=True)
class Lattice:
    """Nodes about the pixels of an image at multiples of a step, in its coordinates.

    Parameters
    ----------
    y, x
        Coordinates of the nodes; latitudes and longitudes if `mapped`.
    lat, lon
        WGS 84 degrees of each, (node of y, node of x); longitudes go on beyond 180.
    mapped
        Whether latitude and longitude of the pixels are in maps (radar coordinates).
    """

    y: np.ndarray
    x: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    mapped: bool = False

    def at_pixels(self, values: np.ndarray, arrays: Arrays) -> np.ndarray:
        """Values (..., node of y, node of x) at the pixels of a block, bilinear, float64 (..., row, col)."""
        if not self.mapped:
            return between(values, (self.y, self.x), arrays["row"][:, 0], arrays["col"][0])
        lat, lon = self.places(arrays)
        points = located(None, (self.y, self.x), lat, lon, lat)
        flat = values.reshape(-1, *values.shape[-2:])
        found = np.empty((len(flat), *lat.shape))
        for plane, of in zip(found, flat, strict=True):
            plane[...] = at_points(of, points)
        return found.reshape(*values.shape[:-2], *lat.shape)

    def places(self, arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Latitude and longitude of the pixels of a block, float64; longitudes as `lon` counts them, NaN where unknown."""
        if not self.mapped:
            lat, lon = (self.at_pixels(values, arrays) for values in (self.lat, self.lon))
            return lat, lon
        return known_places(arrays[MAPS[0]], arrays[MAPS[1]], float(self.lon.mean()))


def known_places(lat: np.ndarray, lon: np.ndarray, middle: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Maps as float64, NaN where both are 0 (what processors write outside of the image).

    Raises
    ------
    StackError
        If a latitude or longitude cannot be one in degrees.
    """
    found_lat, found_lon = lat.astype(np.float64), lon.astype(np.float64)
    outside = (found_lat == 0) & (found_lon == 0)
    for name, values, most in ((MAPS[0], found_lat, 90.0), (MAPS[1], found_lon, 360.0)):
        values[outside] = np.nan
        with np.errstate(invalid="ignore"):
            wrong = np.abs(values) > most
        if wrong.any():
            raise StackError(
                f"data: {name} holds {values[wrong].flat[0]:g}, expected degrees from -{most:g} to {most:g}"
            )
    if middle is not None:
        found_lon = middle + (found_lon - middle + 180.0) % 360.0 - 180.0
    return found_lat, found_lon


def lattice_of(view: SeriesView | StackView) -> Lattice:
    """Lattice about the pixels of the data.

    Raises
    ------
    StackError
        If they have neither a CRS nor maps of latitude and longitude.
    """
    crs = crs_of(view.data)
    if crs is None:
        return _lattice_of_maps(view)
    from pyproj import CRS, Transformer

    step = _DEGREES if is_geographic(crs) else _METRES / CRS.from_user_input(crs).axis_info[0].unit_conversion_factor
    y, x = (nodes(centres, step) for centres in view.centres)
    if is_geographic(crs):
        y = y[(y >= -90) & (y <= 90)]
    grid_x, grid_y = np.meshgrid(x, y)
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(grid_x, grid_y)
    middle = lon.flat[0]
    return Lattice(y, x, np.asarray(lat), middle + (np.asarray(lon) - middle + 180.0) % 360.0 - 180.0)


def _lattice_of_maps(view: SeriesView | StackView) -> Lattice:
    """Lattice about the latitudes and longitudes of the pixels, from a thin sample of them and what lies between."""
    maps = _maps(view)
    height, width = (maps[MAPS[0]].sizes[dim] for dim in ("y", "x"))
    rows, cols = (np.unique(np.linspace(0, size - 1, min(size, _LOOK)).astype(int)) for size in (height, width))
    thin = xr.Dataset({name: of.isel(y=rows, x=cols) for name, of in maps.items()}).compute()
    lat, lon = known_places(thin[MAPS[0]].values, thin[MAPS[1]].values)
    if not (np.isfinite(lat) & np.isfinite(lon)).any():
        raise StackError("data: latitude and longitude have no data; give the maps of this image")
    middle = float(lon[np.isfinite(lon)][0])
    lat, lon = known_places(lat, lon, middle)
    y, x = (nodes(_extent(values), _DEGREES) for values in (lat, lon))
    y = y[(y >= -90) & (y <= 90)]
    lon_of, lat_of = np.meshgrid(x, y)
    return Lattice(y, x, lat_of, lon_of, mapped=True)


def _extent(values: np.ndarray) -> np.ndarray:
    """Least and greatest value, and as much more as neighbours of the sample differ by."""
    steps = [np.abs(np.diff(values, axis=axis)) for axis in (0, 1)]
    margin = max([_LEAST_MARGIN, *(float(np.nanmax(step)) for step in steps if np.isfinite(step).any())])
    return np.array([np.nanmin(values) - margin, np.nanmax(values) + margin])


def pixel_coordinates(view: SeriesView | StackView) -> dict[str, xr.DataArray]:
    """What blocks need to know where their pixels are: coordinates y (`row`) and x (`col`), or maps of radar coordinates."""
    if crs_of(view.data) is None:
        return _maps(view)
    return rows_and_columns(view)


def rows_and_columns(view: SeriesView | StackView) -> dict[str, xr.DataArray]:
    """Coordinates y (`row`) and x (`col`) of every pixel in the blocks of the data."""
    return positions(view, layer_of(view), *view.centres)


def _maps(view: SeriesView | StackView) -> dict[str, xr.DataArray]:
    return {name: in_blocks_of(of, layer_of(view)) for name, of in maps_of_places(view).items()}


def maps_of_places(view: View) -> dict[str, xr.DataArray]:
    """Maps of latitude and longitude (y, x) of data in radar coordinates.

    Raises
    ------
    StackError
        If they are missing, or no maps.
    """
    found = {}
    for name in MAPS:
        if name not in view.data.variables or set(view.data[name].dims) != {"y", "x"}:
            raise StackError(
                f"data: have no CRS (radar coordinates) and no map {name} (y, x), so it is not known where they are; add "
                "latitude and longitude with open_geometry (--geometry), or geocode the data"
            )
        found[name] = aligned(name, view.data[name], view, ("y", "x"), error=StackError)
    return found
