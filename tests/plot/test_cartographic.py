"""Maps in axes of cartopy, where it is installed."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import insarray as ia
from insarray.model.dataset import grid_coords
from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid

ccrs = pytest.importorskip("cartopy.crs", reason="cartopy is not installed")

GRIDS = {
    "utm": Grid(30, 40, 500_000.0, 4_100_000.0, 900.0, -900.0, "EPSG:32613"),
    "northwards": Grid(30, 40, 500_000.0, 4_070_000.0, 900.0, 900.0, "EPSG:32613"),
    "far east": Grid(30, 40, 355.0, 10.0, 0.25, -0.25, "EPSG:4326"),
}


def field(grid):
    """Velocity that is larger in one corner of the map, in the east and north."""
    values = np.full(grid.shape, -0.01, np.float32)
    north = slice(0, 10) if grid.dy < 0 else slice(-10, None)
    values[north, -10:] = 0.01
    attrs = {"reference_x": float(grid.x[36]), "reference_y": float(grid.y[4])}
    return xr.Dataset({"velocity": (("y", "x"), values, {"units": "m/year"})}, grid_coords(grid), attrs)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("projection", [ccrs.PlateCarree(), ccrs.LambertConformal(central_longitude=0), None])
def test_pixels_are_where_they_are(name, projection):
    grid = GRIDS[name]
    target = projection or ccrs.Mercator()
    figure = Figure()
    axes = figure.add_subplot(projection=target)
    assert ia.plot.velocity(field(grid), axes) is axes
    (image,) = axes.images
    left, right, bottom, top = image.get_extent()
    drawn = image.get_array()
    for row, col in ((3, 35), (3, 5), (26, 35), (15, 20)):
        lon, lat = grid.lonlat(row, col)
        x, y = target.transform_point(lon, lat, ccrs.PlateCarree())
        i = int((y - bottom) / (top - bottom) * drawn.shape[0])
        j = int((x - left) / (right - left) * drawn.shape[1])
        i = i if image.origin == "lower" else drawn.shape[0] - 1 - i
        assert drawn[i, j] == pytest.approx(1000 * field(grid).velocity.values[row, col])
    mark = next(line for line in axes.lines if line.get_label() == "reference")
    expected = target.transform_point(*grid.lonlat(4, 36), ccrs.PlateCarree())
    np.testing.assert_allclose([mark.get_xdata()[0], mark.get_ydata()[0]], expected, rtol=1e-6)
    figure.canvas.draw()


def test_radar_coordinates_have_no_projection():
    axes = Figure().add_subplot(projection=ccrs.PlateCarree())
    with pytest.raises(ArgumentError, match="radar coordinates"):
        ia.plot.velocity(field(Grid(30, 40, 0.0, 0.0, 1.0, 1.0, None)), axes)
