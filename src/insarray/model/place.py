"""Place of the reference in coordinates, which stays valid after cropping, sorting or thinning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from insarray.model.grid import Grid

_OFF = 0.25  # pixels: maximum distance of a coordinate from the centre of its pixel

ATTRIBUTES = (
    "reference_y",
    "reference_x",
    "reference_bounds",
    "reference_row",
    "reference_col",
    "reference_area",
    "reference_lon",
    "reference_lat",
    "reference_pixels",
)
"""Attributes that record a place; rows and columns are those of the dataset as written."""


@dataclass(frozen=True)
class Area:
    """Area of rows ``row_start:row_stop`` and columns ``col_start:col_stop`` whose mean phase is the reference."""

    row_start: int
    row_stop: int
    col_start: int
    col_stop: int

    @property
    def rows(self) -> slice:
        """Rows of the area."""
        return slice(self.row_start, self.row_stop)

    @property
    def cols(self) -> slice:
        """Columns of the area."""
        return slice(self.col_start, self.col_stop)


@dataclass(frozen=True)
class Place:
    """Pixel, or rectangle of pixels, at which the displacement is zero.

    Parameters
    ----------
    y, x
        Coordinates of the pixel centre, or of the centre of the rectangle.
    bounds
        (min y, max y, min x, max x) of the pixel centres of a rectangle; None for a pixel.
    pixels
        Number of pixels of the rectangle that were used.
    """

    y: float
    x: float
    bounds: tuple[float, float, float, float] | None = None
    pixels: int | None = None

    @classmethod
    def of_pixel(cls, y: np.ndarray, x: np.ndarray, row: int, col: int) -> "Place":
        """Return the place of a pixel of an image with pixel centres `y` and `x`."""
        return cls(float(y[row]), float(x[col]))

    @classmethod
    def of_area(cls, y: np.ndarray, x: np.ndarray, area: Area, pixels: int) -> "Place":
        """Return the place of an area of an image with pixel centres `y` and `x`."""
        ys, xs = (np.asarray(part, np.float64) for part in (y[area.rows], x[area.cols]))
        bounds = (float(ys.min()), float(ys.max()), float(xs.min()), float(xs.max()))
        return cls((bounds[0] + bounds[1]) / 2, (bounds[2] + bounds[3]) / 2, bounds, pixels)

    @classmethod
    def of_attributes(cls, attrs: Mapping[Any, Any], grid: Grid | None) -> "Place | None":
        """Return the place recorded as coordinates, or as longitude and latitude; None if not recorded.

        Parameters
        ----------
        attrs
            Attributes of the dataset.
        grid
            Grid of the dataset, for longitude and latitude.
        """
        pixels = int(attrs["reference_pixels"]) if "reference_pixels" in attrs else None
        stated = None
        if "reference_bounds" in attrs:
            low_y, high_y, low_x, high_x = (float(value) for value in attrs["reference_bounds"])
            stated = cls((low_y + high_y) / 2, (low_x + high_x) / 2, (low_y, high_y, low_x, high_x), pixels)
        elif "reference_y" in attrs and "reference_x" in attrs:
            stated = cls(float(attrs["reference_y"]), float(attrs["reference_x"]), None, pixels)
        numbered = "reference_area" in attrs and stated is None
        if "reference_lon" not in attrs or numbered or grid is None or grid.crs is None:
            return stated
        x, y = grid.position(float(attrs["reference_lon"]), float(attrs["reference_lat"]))
        other = cls(y, x, None, pixels)  # the coordinates are of another CRS if the data were reprojected
        return stated if stated is not None and stated.near(other, grid.y, grid.x) else other

    def on(self, y: np.ndarray, x: np.ndarray) -> tuple[int, int] | Area | None:
        """Return the pixel or area in an image with pixel centres `y` and `x`; None if it is not completely inside.

        An area is no rectangle in an image that was reprojected later: it then has `pixels` but no bounds.
        """
        if self.bounds is None and self.pixels is not None:
            return None
        if self.bounds is None:
            row, col = _nearest(y, self.y), _nearest(x, self.x)
            return None if row is None or col is None else (row, col)
        rows, cols = _within(y, *self.bounds[:2]), _within(x, *self.bounds[2:])
        return None if rows is None or cols is None else Area(rows.start, rows.stop, cols.start, cols.stop)

    def attributes(self, grid: Grid | None, y: np.ndarray, x: np.ndarray) -> dict[str, Any]:
        """Return the attributes that record the place, with rows and columns if it is in the image."""
        found: dict[str, Any] = {"reference_y": self.y, "reference_x": self.x}
        if self.bounds is not None:
            found = {"reference_bounds": list(self.bounds)}
        found["reference_pixels"] = self.pixels
        where = self.on(y, x)
        if isinstance(where, Area):
            found["reference_area"] = [where.row_start, where.row_stop, where.col_start, where.col_stop]
        elif where is not None:
            found |= {"reference_row": where[0], "reference_col": where[1]}
        position = None if grid is None else grid.lonlat_at(self.x, self.y)
        if position is not None:
            found |= {"reference_lon": position[0], "reference_lat": position[1]}
        return {name: value for name, value in found.items() if value is not None}

    def near(self, other: "Place", y: np.ndarray, x: np.ndarray) -> bool:
        """Return whether the centres of two places agree within a quarter of a pixel."""
        return abs(self.y - other.y) <= _limit(y, self.y) and abs(self.x - other.x) <= _limit(x, self.x)

    def same(self, other: "Place", y: np.ndarray, x: np.ndarray) -> bool:
        """Return whether two places agree within a quarter of a pixel of an image with these pixel centres."""
        mine, theirs = (np.array([p.y, p.y, p.x, p.x] if p.bounds is None else p.bounds) for p in (self, other))
        steps = [_limit(values, at) for values, at in ((y, self.y), (y, self.y), (x, self.x), (x, self.x))]
        return (self.bounds is None) == (other.bounds is None) and bool((np.abs(mine - theirs) <= steps).all())


def _limit(centres: np.ndarray, value: float) -> float:
    """Return the tolerance of a coordinate; the size of a single pixel is unknown."""
    if len(centres) > 1:
        return _OFF * float(np.abs(np.diff(np.asarray(centres, np.float64))).min())
    return 1e-6 * max(1.0, abs(value))


def _nearest(centres: np.ndarray, value: float) -> int | None:
    """Return the index of the pixel at a coordinate, or None."""
    values = np.asarray(centres, np.float64)
    at = int(np.argmin(np.abs(values - value)))
    return at if abs(values[at] - value) <= _limit(values, value) else None


def _within(centres: np.ndarray, low: float, high: float) -> slice | None:
    """Return the slice of pixels between two coordinates, both of which must be in the image; else None."""
    ends = [_nearest(centres, value) for value in (low, high)]
    if ends[0] is None or ends[1] is None:
        return None
    return slice(min(ends[0], ends[1]), max(ends[0], ends[1]) + 1)
