"""Axes of cartopy: a map in any projection, to which coastlines and the like can be added."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid, is_geographic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage


def is_cartographic(ax: "Axes | None") -> bool:
    """Whether these are axes with a projection of cartopy, which need not be installed."""
    known = sys.modules.get("cartopy.mpl.geoaxes")
    return known is not None and isinstance(ax, known.GeoAxes)


def draw(ax: Any, grid: Grid, values: np.ma.MaskedArray, step: int, **how: Any) -> "AxesImage":
    """Draw values of every n-th row and column of a grid, and longitudes and latitudes.

    Raises
    ------
    ArgumentError
        If cartopy cannot place the grid.
    """
    crs, middle = _source(grid)
    ends_x = sorted((grid.left - middle, grid.left - middle + values.shape[1] * step * grid.dx))
    ends_y = sorted((grid.top, grid.top + values.shape[0] * step * grid.dy))
    north_up = values[:: 1 if grid.dy < 0 else -1, :: 1 if grid.dx > 0 else -1]
    ax.set_extent([*ends_x, *ends_y], crs=crs)
    image: AxesImage = ax.imshow(
        north_up, extent=(*ends_x, *ends_y), origin="upper", interpolation="nearest", transform=crs, **how
    )
    ax.gridlines(draw_labels={"bottom": "x", "left": "y"}, linewidth=0.4, color="0.5", alpha=0.6)
    return image


def placed(ax: Any, grid: Grid, x: float, y: float) -> tuple[float, float]:
    """A place of a grid in the projection of the axes."""
    crs, middle = _source(grid)
    found = ax.projection.transform_point(x - middle, y, crs)
    return float(found[0]), float(found[1])


def _source(grid: Grid) -> tuple[Any, float]:
    """CRS of a grid for cartopy, and the longitude that its zero is at."""
    from cartopy import crs as known

    if grid.crs is None:
        raise ArgumentError("ax: is in a map projection, but the data are in radar coordinates; give other axes")
    if is_geographic(grid.crs):
        middle = grid.left + grid.width * grid.dx / 2
        return known.PlateCarree(central_longitude=middle), middle
    found = known.Projection(grid.crs)
    if getattr(found, "bounds", None) is None:
        raise ArgumentError(
            "ax: cartopy does not know where the CRS of the data is valid; give axes without a projection"
        )
    return found, 0.0
