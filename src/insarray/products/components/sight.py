"""`line_of_sight`: which way the satellite is, on the pixels of data that do not say it."""

import logging
from typing import get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.io.geometry.sight import Sight, open_sight, sight_of_angles
from insarray.model.choices import Looks, Resampling
from insarray.model.conventions import attributes
from insarray.model.errors import ArgumentError
from insarray.products.components.tracks import (
    LINE_OF_SIGHT,
    map_view,
    on_pixels,
    require_line_of_sight,
    require_unit_vectors,
    vectors_in,
)
from insarray.products.timefit.geometry import direction_of_flight, geometry_map
from insarray.products.views.aligning import in_blocks_of
from insarray.products.views.stacks import View

logger = logging.getLogger(__name__)


def line_of_sight(
    like: xr.Dataset,
    source: xr.Dataset | Sight | None = None,
    *,
    incidence_angle: xr.DataArray | float | None = None,
    heading: float | None = None,
    looks: Looks = "right",
    resampling: Resampling = "nearest",
) -> xr.Dataset:
    """Unit vector from the ground to the satellite for data that lack it, lazily if they are lazy.

    Parameters
    ----------
    like
        Series, velocity or stack on whose pixels it is to be.
    source
        A dataset with `los_east`, `los_north`, `los_up`, such as the stack of a product; or files, on any grid: what
        `insarray.open_stack` opens, if the product has it; a raster with the bands east, north, up, as OPERA's static
        layers have; three rasters in this order, as LiCSAR's E, N and U; MintPy's ``geometry*.h5``; or
        ``{"incidence_angle": file, "azimuth_angle": file}`` in degrees, the azimuth of the vector counterclockwise from
        north, as in ISCE's ``los.rdr``. A vector that points down is turned.
    incidence_angle, heading, looks
        Instead of a source: the incidence angle from the vertical, one for all pixels or a map (y, x), and the direction of
        flight clockwise from north, degrees, and the side to which the radar looks. Sentinel-1 flies at about -13 (ascending) and
        -167 (descending), and looks right.
    resampling
        How files on another grid come to the pixels.

    Returns
    -------
    xarray.Dataset
        `los_east`, `los_north`, `los_up` (y, x), to be added to `like`: ``like.assign(found)``.

    Raises
    ------
    ArgumentError
        If neither or both are given, or angles cannot be.
    FileError
        If files hold no line of sight.
    StackError
        If it does not overlap the data.

    See Also
    --------
    insarray.decompose : east, north and up of several tracks.
    insarray.open_geometry : angles, heights and baselines of files.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> los = ia.line_of_sight(series, incidence_angle=38.0, heading=-12.0)
    >>> [round(float(los[name][0, 0]), 2) for name in ("los_east", "los_north", "los_up")]
    [-0.6, -0.13, 0.79]
    """
    angles = incidence_angle is not None or heading is not None
    if (source is None) != angles:
        raise ArgumentError("source: give files or a dataset, or else incidence_angle and heading, not both")
    view = map_view(like.drop_vars([n for n, v in like.data_vars.items() if not {"y", "x"} <= set(v.dims)]), "like")
    if source is None:
        return view.on_grid(_of_angles(view, incidence_angle, heading, looks))
    found = source if isinstance(source, xr.Dataset) else open_sight(source)
    require_line_of_sight(found, "source")
    chunks = view.data.chunksizes
    blocks = (tuple(chunks["y"]), tuple(chunks["x"])) if "y" in chunks and "x" in chunks else None
    maps = on_pixels(map_view(found[list(LINE_OF_SIGHT)], "source"), LINE_OF_SIGHT, view, blocks, resampling, "source")
    if blocks is None:
        maps = {name: layer.compute() for name, layer in maps.items()}
    result = xr.Dataset(map_blocks(upward_block, "source", maps, LINE_OF_SIGHT, {}, bytes_per_pixel=32))
    logger.info("line_of_sight: of %s", "a dataset" if isinstance(source, xr.Dataset) else source)
    return view.on_grid(result)


def upward_block(name: str, arrays: Arrays) -> Arrays:
    """Vectors of one block from the ground to the satellite, whichever way they are given."""
    vectors = vectors_in(arrays)
    vectors = np.where(vectors[2] < 0, -vectors, vectors)
    require_unit_vectors(name, vectors)
    shape = arrays["los_up"].shape
    return {part: vector.reshape(shape) for part, vector in zip(LINE_OF_SIGHT, vectors, strict=True)}


def _of_angles(
    view: View, incidence_angle: xr.DataArray | float | None, heading: float | None, looks: str
) -> xr.Dataset:
    if incidence_angle is None or heading is None:
        raise ArgumentError("incidence_angle, heading: are needed together")
    direction = direction_of_flight(heading)
    angle = geometry_map(view, "incidence_angle", incidence_angle, "line_of_sight")
    if looks not in get_args(Looks):
        raise ArgumentError(f"looks: {looks!r} is not one of {', '.join(get_args(Looks))}")
    first = next(layer for layer in view.data.data_vars.values() if {"y", "x"} <= set(layer.dims))
    plane = first.isel({dim: 0 for dim in first.dims if dim not in ("y", "x")}, drop=True).transpose("y", "x")
    each = angle if isinstance(angle, float) else in_blocks_of(angle, plane).variable
    found = {}
    for name, value in zip(LINE_OF_SIGHT, sight_of_angles(each, direction, looks_right=looks == "right"), strict=True):
        layer = xr.full_like(plane.variable, value, np.float32) if np.isscalar(value) else value.astype(np.float32)
        found[name] = xr.Variable(("y", "x"), layer.data, attributes(name))
    return xr.Dataset(found)
