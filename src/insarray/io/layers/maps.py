"""Static maps of a product, one per pair or one for all pairs, on the grid of the stack, lazily."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from insarray.io.layers.decode import BoundedDecode, Decode, MapDecode, also_missing, per_file
from insarray.io.layers.derived import DerivedLayer, FirstValidLayer
from insarray.io.layers.extents import Common, place_on
from insarray.io.layers.headers import Header, raster_layer, read_headers
from insarray.io.sidecars import if_usable
from insarray.io.source import Layer
from insarray.model.errors import StackError
from insarray.model.grid import Grid

COMPONENT = BoundedDecode("a component of a unit vector", "(of a unit vector)", 1.0, -1.001, 1.001)
UP = BoundedDecode("the up component of a unit vector", "(of a unit vector)", 1.0, -1.001, 1.001, (0.0,))
ELEVATION = BoundedDecode("an elevation angle", "radian", 1.0, 0.0, 1.6, (0.0,))
ORIENTATION = BoundedDecode("an orientation angle", "radian", 1.0, -6.3, 6.3)
INCIDENCE = BoundedDecode("an incidence angle", "degree", 1.0, 2.0, 90.0, (0.0,))
AZIMUTH = BoundedDecode("an azimuth angle", "degree", 1.0, -360.0, 360.0)


def map_headers(candidates: Sequence[Path], grid: Grid, band: int | None = None) -> list[Header]:
    """Return the headers of the files to read a map from: one that covers the grid, else one per extent.

    Parameters
    ----------
    candidates
        Files of the same map, such as one per pair; those that do not match the pixels of the grid are ignored.
    grid
        Grid of the stack.
    band
        Band to read, for files with several.

    Raises
    ------
    FileError
        If a file is unreadable.
    StackError
        If there are files, but none matches the pixels of the grid.
    """
    headers = read_headers(candidates, band=band)
    fitting: dict[Grid, Header] = {}
    for header in headers:
        if place_on(grid, header.grid) is not None:
            fitting.setdefault(header.grid, header)
    if headers and not fitting:
        path, why = headers[0].file.path, grid.misfit(headers[0].grid)
        raise StackError(f"{path}: {why}, unlike the phase; bring it to the grid of the phase with gdalwarp")
    shared = sorted(fitting.values(), key=lambda header: -_shared_pixels(grid, header.grid))
    if shared and _shared_pixels(grid, shared[0].grid) == grid.height * grid.width:
        return shared[:1]
    return shared


def map_layer(headers: Sequence[Header], grid: Grid, decode: Decode) -> Layer:
    """Return files that match the pixels of the grid as one layer (file, row, col)."""
    decoders = [also_missing(decode, header.nodata) for header in headers]  # each file states its own no-data values
    places = tuple(place_on(grid, header.grid) for header in headers)
    return raster_layer(headers, per_file(decoders), Common(grid, places))


def whole_map_layer(header: Header, grid: Grid, decode: Decode, name: str) -> Layer:
    """Return the layer of a file with exactly the pixels of the grid, rows in either order; else raise StackError."""
    place = place_on(grid, header.grid)
    if place is None or (place.row, place.col, place.height, place.width) != (0, 0, *grid.shape):
        grid.require_same(header.grid, name, "the phase")
    return map_layer([header], grid, decode)


def static_maps(candidates: Sequence[Path], name: str, grid: Grid, decode: Decode | None = None) -> dict[str, Layer]:
    """Return the map `name` of files, chosen as by `map_headers`; empty if there are none.

    Without `decode`, the values are floats, with NaN for the no-data value of the files.
    """
    headers = map_headers(candidates, grid)
    if not headers:
        return {}
    return {name: FirstValidLayer(map_layer(headers, grid, decode or MapDecode()))}


def maps_if_usable(
    reads: Iterable[tuple[str, Callable[[], dict[str, Layer]]]],
) -> tuple[dict[str, Layer], tuple[str, ...]]:
    """Return the optional maps that can be read, and a note, with its description, for each that cannot."""
    maps: dict[str, Layer] = {}
    notes: list[str] = []
    for what, read in reads:
        found, damaged = if_usable(read, dict[str, Layer](), f"without {what}")
        maps |= found
        notes += damaged
    return maps, tuple(notes)


def _shared_pixels(grid: Grid, other: Grid) -> int:
    place = place_on(grid, other)
    found = None if place is None else place.overlap(slice(0, grid.height), slice(0, grid.width))
    if found is None:
        return 0
    rows, cols = found[0]
    return int((rows.stop - rows.start) * (cols.stop - cols.start))


# -- line of sight --------------------------------------------------------------------------------------------------


def maps_of_angles(elevations: Sequence[Path], orientations: Sequence[Path], grid: Grid) -> dict[str, Layer]:
    """Return the unit vector from ground to satellite, and the incidence angle, from elevation and orientation angles.

    Parameters
    ----------
    elevations
        Files of the angle above the horizontal, radian, 0 = no-data; such as one per pair.
    orientations
        Files of the angle of the horizontal part, counterclockwise from east, radian.
    grid
        Grid of the stack.
    """
    headers = map_headers(elevations, grid)
    if not headers:
        return {}
    beside = dict(zip(map(str, elevations), orientations, strict=True))
    turned = read_headers([beside[header.file.path] for header in headers])
    elevation, orientation = map_layer(headers, grid, ELEVATION), map_layer(turned, grid, ORIENTATION)
    angles = (elevation, orientation)
    layers = {
        "los_east": DerivedLayer(angles, _east),
        "los_north": DerivedLayer(angles, _north),
        "los_up": DerivedLayer((elevation,), _up),
        "incidence_angle": DerivedLayer((elevation,), _incidence_of_elevation),
    }
    return {name: FirstValidLayer(layer) for name, layer in layers.items()}


def maps_of_components(headers: Sequence[Header], grid: Grid) -> dict[str, Layer]:
    """Return the unit vector from ground to satellite, and the incidence angle, from its components.

    The vector in the files may have either direction: that to the satellite points up. An up component of 0 is no-data.

    Parameters
    ----------
    headers
        Headers of the east, north and up component.
    grid
        Grid of the stack; StackError if the components are on other pixels.
    """
    east, north = (whole_map_layer(header, grid, COMPONENT, header.file.path) for header in headers[:2])
    up = whole_map_layer(headers[2], grid, UP, headers[2].file.path)
    return {
        "los_east": DerivedLayer((east, up), _upward),
        "los_north": DerivedLayer((north, up), _upward),
        "los_up": DerivedLayer((up, up), _upward),
        "incidence_angle": DerivedLayer((up,), _incidence_of_up),
    }


def maps_of_incidence(incidence: Header, azimuth: Header, grid: Grid) -> dict[str, Layer]:
    """Return the unit vector from ground to satellite, and the incidence angle, from incidence and azimuth angle.

    Parameters
    ----------
    incidence
        Header of the angle from the vertical, degree, 0 = no-data.
    azimuth
        Header of the angle of the horizontal part, counterclockwise from north, degree.
    grid
        Grid of the stack; StackError if the angles are on other pixels.
    """
    angles = tuple(
        whole_map_layer(header, grid, decode, header.file.path)
        for header, decode in ((incidence, INCIDENCE), (azimuth, AZIMUTH))
    )
    return {
        "los_east": DerivedLayer(angles, east_of_azimuth),
        "los_north": DerivedLayer(angles, north_of_azimuth),
        "los_up": DerivedLayer(angles[:1], up_of_incidence),
        "incidence_angle": angles[0],
    }


def east_of_azimuth(incidence: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
    """East component of a unit vector of these angles, degrees, the azimuth counterclockwise from north."""
    return np.asarray(-np.sin(np.radians(incidence)) * np.sin(np.radians(azimuth)))


def north_of_azimuth(incidence: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
    """North component of the same."""
    return np.asarray(np.sin(np.radians(incidence)) * np.cos(np.radians(azimuth)))


def up_of_incidence(incidence: np.ndarray) -> np.ndarray:
    """Up component of the same."""
    return np.asarray(np.cos(np.radians(incidence)))


def _east(elevation: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    return np.asarray(np.cos(elevation) * np.cos(orientation))


def _north(elevation: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    return np.asarray(np.cos(elevation) * np.sin(orientation))


def _up(elevation: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(elevation))


def _incidence_of_elevation(elevation: np.ndarray) -> np.ndarray:
    return np.asarray(90.0 - np.degrees(elevation))


def _upward(component: np.ndarray, up: np.ndarray) -> np.ndarray:
    return np.asarray(component * np.sign(up))


def _incidence_of_up(up: np.ndarray) -> np.ndarray:
    return np.asarray(np.degrees(np.arccos(np.minimum(np.abs(up), 1.0))))
