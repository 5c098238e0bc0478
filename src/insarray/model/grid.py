"""Grid of north-up rasters and radar coordinates; pixel (0, 0) is the upper-left one."""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from insarray.model.errors import ArgumentError, StackError


@dataclass(frozen=True, slots=True)
class Grid:
    """Shape, origin, pixel size and CRS of a raster.

    Parameters
    ----------
    height, width
        Rows and columns.
    left, top
        Coordinates of the outer corner of the upper-left pixel ("pixel is area").
    dx, dy
        Pixel size; `dy` is negative if rows run from north to south.
    crs
        WKT, or None for radar coordinates (then x and y are column and row numbers).

    See Also
    --------
    insarray.open_stack : open unwrapped interferograms.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> grid = stack.insar.grid
    >>> grid.shape, grid.dx, grid.dy
    ((20, 24), 80.0, -80.0)
    >>> tuple(round(value, 3) for value in grid.lonlat(0, 0))
    (-99.143, 19.489)
    """

    height: int
    width: int
    left: float = -0.5
    top: float = -0.5
    dx: float = 1.0
    dy: float = 1.0
    crs: str | None = None

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ArgumentError(f"grid: {self.height} x {self.width} pixels; both must be at least 1")
        if not all(map(math.isfinite, (self.left, self.top, self.dx, self.dy))) or self.dx == 0 or self.dy == 0:
            raise ArgumentError(f"grid: origin ({self.left}, {self.top}) and pixel size ({self.dx}, {self.dy}) invalid")

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.height, self.width

    @property
    def x(self) -> np.ndarray:
        """Pixel centres, shape (width,), float64."""
        return self.left + self.dx * (np.arange(self.width) + 0.5)

    @property
    def y(self) -> np.ndarray:
        """Pixel centres, shape (height,), float64."""
        return self.top + self.dy * (np.arange(self.height) + 0.5)

    @property
    def affine(self) -> tuple[float, float, float, float, float, float]:
        """(dx, 0, left, 0, dy, top), the order of `affine.Affine` and of GeoZarr's ``spatial:transform``."""
        return self.dx, 0.0, self.left, 0.0, self.dy, self.top

    @property
    def geotransform(self) -> str:
        """GDAL's six numbers as text, as in the attribute `GeoTransform` of `spatial_ref`."""
        return " ".join(repr(float(v)) for v in (self.left, self.dx, 0.0, self.top, 0.0, self.dy))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(min x, min y, max x, max y) of the outer edges."""
        right, bottom = self.left + self.width * self.dx, self.top + self.height * self.dy
        return min(self.left, right), min(self.top, bottom), max(self.left, right), max(self.top, bottom)

    @property
    def is_counted(self) -> bool:
        """Whether the grid has no coordinates but row and column numbers, starting at 0."""
        return self == Grid(self.height, self.width)

    def mismatch(self, other: "Grid") -> str | None:
        """Describe how `other` differs from this grid; None if pixels coincide within 1 % of their size."""
        if self.shape != other.shape:
            return f"{other.height} x {other.width} pixels instead of {self.height} x {self.width}"
        if not same_crs(self.crs, other.crs):
            return f"CRS {_crs_name(other.crs)} instead of {_crs_name(self.crs)}"
        corners = ((a.left, a.top, a.left + a.width * a.dx, a.top + a.height * a.dy) for a in (self, other))
        tolerance = 0.01 * min(abs(self.dx), abs(self.dy))
        if any(abs(a - b) > tolerance for a, b in zip(*corners, strict=True)):
            return f"origin ({other.left}, {other.top}) and pixel ({other.dx}, {other.dy}) instead of ({self.left}, {self.top}) and ({self.dx}, {self.dy})"
        return None

    def misfit(self, other: "Grid") -> str | None:
        """Describe why the pixels of `other` do not match those of an extension of this grid; None if they do.

        They match if CRS and pixel size are the same, and the shift is a whole number of pixels within 1 %. Radar
        coordinates of different images are unrelated: such grids must be equal.
        """
        if self.crs is None or other.crs is None or not same_crs(self.crs, other.crs):
            return self.mismatch(other)
        return self.shift_misfit(other)

    def shift_misfit(self, other: "Grid") -> str | None:
        """Return the misfit for grids whose coordinates are known to be equivalent regardless of CRS."""
        if any(
            abs(a - b) * max(size) > 0.01 * abs(a)
            for a, b, size in (
                (self.dx, other.dx, (self.width, other.width)),
                (self.dy, other.dy, (self.height, other.height)),
            )
        ):
            return f"pixel ({other.dx}, {other.dy}) instead of ({self.dx}, {self.dy})"
        shift = (other.top - self.top) / self.dy, (other.left - self.left) / self.dx
        if any(abs(part - round(part)) > 0.01 for part in shift):
            rows, cols = (round(part, 2) + 0.0 for part in shift)  # avoid -0.0
            return f"is shifted by {rows} rows and {cols} columns, not whole ones"
        return None

    def offset(self, other: "Grid") -> tuple[int, int]:
        """Return row and column, possibly outside, of the first pixel of `other`, which must have no `misfit`."""
        return round((other.top - self.top) / self.dy), round((other.left - self.left) / self.dx)

    def window(self, row: int, col: int, height: int, width: int) -> "Grid":
        """Return a grid of the same pixels that starts at (`row`, `col`) of this one, possibly outside."""
        return Grid(height, width, self.left + col * self.dx, self.top + row * self.dy, self.dx, self.dy, self.crs)

    def turned(self) -> "Grid":
        """Return the grid of the same pixels with rows in reverse order."""
        return replace(self, top=self.top + self.height * self.dy, dy=-self.dy)

    def turn_towards(self, middle: float) -> "Grid":
        """Shift longitudes by multiples of 360 until the centre is within 180 degrees of `middle`."""
        if self.crs is None or not is_geographic(self.crs):
            return self
        own = self.left + self.width * self.dx / 2
        away = own - middle
        turns = 0 if -180.0 <= away <= 180.0 else math.floor((away + 180.0) / 360.0)
        return replace(self, left=float(self.left - 360.0 * turns)) if turns else self

    def beside(self, other: "Grid") -> "Grid":
        """Return the grid with longitudes in the range of those of `other`, if both have longitudes."""
        if other.crs is None or not is_geographic(other.crs):
            return self
        return self.turn_towards(other.left + other.width * other.dx / 2)

    def require_same(self, other: "Grid", name: str, expected_by: str) -> None:
        """Raise StackError naming both files unless `other` coincides with this grid."""
        difference = self.mismatch(other)
        if difference is not None:
            raise StackError(
                f"{name}: {difference} (as in {expected_by}); bring all files to one grid, for example with gdalwarp"
            )

    def index(self, lon: float, lat: float) -> tuple[int, int]:
        """Return (row, col) of the pixel that contains a WGS 84 position.

        Raises
        ------
        ArgumentError
            If the grid has no CRS or the position is outside.
        """
        x, y = self.position(lon, lat)
        col, row = math.floor((x - self.left) / self.dx), math.floor((y - self.top) / self.dy)
        if not (0 <= row < self.height and 0 <= col < self.width):
            raise ArgumentError(
                f"lon/lat: ({lon}, {lat}) is row {row}, column {col}, outside {self.height} x {self.width}"
            )
        return row, col

    def lonlat(self, row: float, col: float) -> tuple[float, float] | None:
        """Return the WGS 84 position of a pixel centre, or None in radar coordinates."""
        return self.lonlat_at(self.left + (col + 0.5) * self.dx, self.top + (row + 0.5) * self.dy)

    def position(self, lon: float, lat: float) -> tuple[float, float]:
        """Return the coordinates (x, y) of a WGS 84 position in the CRS of the grid.

        Raises
        ------
        ArgumentError
            If the grid has no CRS, or the position is outside its domain.
        """
        if self.crs is None:
            raise ArgumentError("lon/lat: the data have no CRS (radar coordinates); give the row and column instead")
        if not (-180 <= lon <= 360 and -90 <= lat <= 90):
            raise ArgumentError(f"lon/lat: ({lon}, {lat}) is no position in degrees, longitude first")
        from pyproj import Transformer

        x, y = Transformer.from_crs("EPSG:4326", self.crs, always_xy=True).transform(lon, lat)
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ArgumentError(f"lon/lat: ({lon}, {lat}) cannot be expressed in {_crs_name(self.crs)}")
        if is_geographic(self.crs):  # use the equivalent longitude on the grid, or nearest to it
            middle = self.left + self.width * self.dx / 2
            x -= 360.0 * math.floor((x - middle + 180.0) / 360.0)
        return float(x), float(y)

    def lonlat_at(self, x: float, y: float) -> tuple[float, float] | None:
        """Return the WGS 84 position of the coordinates (x, y), or None in radar coordinates."""
        if self.crs is None:
            return None
        from pyproj import Transformer

        lon, lat = Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True).transform(x, y)
        return float(lon), float(lat)


@cache
def is_geographic(crs: str) -> bool:
    """Return whether the coordinates of a CRS are longitudes and latitudes."""
    from pyproj import CRS

    return bool(CRS.from_user_input(crs).is_geographic)


def same_crs(a: str | None, b: str | None) -> bool:
    """Return whether two CRS are the same; an unknown CRS (None) equals only another unknown one."""
    if a is None or b is None or a == b:
        return a == b
    from pyproj import CRS

    return bool(CRS.from_user_input(a).equals(CRS.from_user_input(b), ignore_axis_order=True))


def _crs_name(crs: str | None) -> str:
    if crs is None:
        return "none (radar coordinates)"
    from pyproj import CRS

    parsed = CRS.from_user_input(crs)
    code = parsed.to_epsg()
    return f"EPSG:{code}" if code else parsed.name
