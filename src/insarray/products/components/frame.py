"""The frame that motion is relative to: motion of a plate along the line of sight, taken out or put back."""

import logging
from dataclasses import dataclass
from typing import get_args

import numpy as np
import xarray as xr
from pyproj import Transformer

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels.components.plates import velocity_of_plate
from insarray.kernels.components.resampling import between_nodes, nodes_of
from insarray.model.choices import FrameChange as Change
from insarray.model.choices import PlateModel
from insarray.model.conventions import COMPONENTS, DAYS_PER_YEAR
from insarray.model.corrections import applied
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid
from insarray.model.place import ATTRIBUTES as PLACE_ATTRIBUTES
from insarray.model.plates import Rotation, rotation
from insarray.products.components.tracks import LINE_OF_SIGHT, map_view, require_unit_vectors, vectors_in
from insarray.products.series.common import only_series
from insarray.products.series.surfaces import row_and_col
from insarray.products.views.aligning import in_blocks_of
from insarray.products.views.ground import MAPS, known_places, maps_of_places
from insarray.products.views.stacks import View, as_series, require_dataset

logger = logging.getLogger(__name__)

Pole = tuple[float, float, float]

_STEP = 32  # pixels between the places at which the motion is worked out
_WORKING = (72, 200)  # bytes of a pixel: between nodes; of maps, coordinates, sines and products in float64


@dataclass(frozen=True)
class _Plate:
    """What every block needs: the grid (None: maps say where pixels are), the rotation in radians a year, whether it has a sight."""

    grid: Grid | None
    rotation: tuple[float, float, float]
    sight: bool


def plate_motion(
    data: xr.Dataset,
    *,
    plate: str | None = None,
    pole: Pole | None = None,
    model: PlateModel | None = None,
) -> xr.Dataset:
    """Motion of a plate on the pixels of data: east, north, up, and along the line of sight; lazily if the data are lazy.

    Orbits are in an earth-fixed frame (ITRF), in which plates move by centimetres a year: over a wide swath, along a line
    of sight that changes, that is a ramp in velocities.

    Parameters
    ----------
    data
        Velocity, series or stack on a grid with a CRS, or with maps `latitude` and `longitude` (radar coordinates); with `los_east`, `los_north`, `los_up` for the line of sight.
    plate
        Of the model: "Eurasia", "NorthAmerica", "Pacific", ...
    pole
        Instead of a plate: latitude and longitude of the pole in degrees, and the rate in degrees per million years.
    model
        "ITRF2014" or "ITRF2020", in the no-net-rotation frame of which plates move; default: ITRF2020. The rate of its origin
        is not part of it.

    Returns
    -------
    xarray.Dataset
        `plate_east`, `plate_north`, `plate_up` (y, x) in m/year, and `plate_velocity` along the line of sight, toward the
        satellite, where `data` has one. Attribute `plate_motion` says of what.

    Raises
    ------
    ArgumentError
        If there is no such plate, or the pole cannot be.
    StackError
        If it is not known where the pixels are.

    See Also
    --------
    insarray.change_frame : velocities and series relative to a plate.
    insarray.line_of_sight : which way the satellite is.

    References
    ----------
    * Altamimi, Z., Metivier, L., Rebischung, P., Rouby, H. and Collilieux, X. (2017), ITRF2014 plate motion model,
      Geophysical Journal International 209, 1906-1912.
    * Altamimi, Z., Metivier, L., Rebischung, P., Collilieux, X., Chanard, K. and Barneoud, J. (2023), ITRF2020 plate motion
      model, Geophysical Research Letters 50, e2023GL106373.
    * Stephenson, O. L., Liu, Y.-K., Yunjun, Z., Simons, M., Rosen, P. and Xu, X. (2022), The impact of plate motions on
      long-wavelength InSAR-derived velocity fields, Geophysical Research Letters 49, e2022GL099835.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> motion = ia.plate_motion(truth, plate="NorthAmerica", model="ITRF2014")
    >>> round(1000 * float(motion.plate_east[0, 0]), 1), round(1000 * float(motion.plate_north[0, 0]), 1)
    (-8.8, -4.1)
    """
    turn = rotation(plate, pole, model)
    require_dataset(data, "data", "insarray.fit")
    maps = [name for name, layer in data.data_vars.items() if {"y", "x"} <= set(layer.dims)]
    view = map_view(data[maps], "data")
    found = _motion(view, turn)
    logger.info("plate_motion: %s", turn.name)
    return view.on_grid(xr.Dataset(found)).assign_attrs(plate_motion=turn.name)


def change_frame(
    data: xr.Dataset,
    *,
    plate: str | None = None,
    pole: Pole | None = None,
    model: PlateModel | None = None,
    change: Change = "remove",
) -> xr.Dataset:
    """Velocities, components or a series relative to a plate, or back in the frame of the orbits.

    Parameters
    ----------
    data
        `velocity` (y, x) or `displacement` (time, y, x) with `los_east`, `los_north`, `los_up`; or components,
        `velocity_east` and others (`insarray.decompose`).
    plate, pole, model
        As of `insarray.plate_motion`.
    change
        "remove": the motion of the plate is subtracted, so that the plate stands still. "add": it is put back.

    Returns
    -------
    xarray.Dataset
        `data` with the other motion; a displacement by the motion since its reference date. The place of reference is no
        longer recorded, as it is not zero there; of a series the terms that were fitted are left out. Attributes
        `reference_frame` and `plate_motion` say in which frame it is.

    Raises
    ------
    ArgumentError
        If there is no such plate, or its motion was removed or added already.
    StackError
        If the data lack a line of sight or a CRS.

    See Also
    --------
    insarray.plate_motion : the motion itself.
    insarray.tie_to_gnss : the frame of GNSS.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> data = truth[["velocity"]].assign(ia.line_of_sight(truth, incidence_angle=38.0, heading=-12.0))
    >>> ia.change_frame(data, plate="NorthAmerica").attrs["reference_frame"]
    'NorthAmerica (ITRF2020) fixed'
    """
    if change not in get_args(Change):
        raise ArgumentError(f"change: {change!r} is not one of {', '.join(get_args(Change))}")
    turn = rotation(plate, pole, model)
    require_dataset(data, "data", "insarray.fit")
    done = f"{'removed' if change == 'remove' else 'added'}: {turn.name}"
    if str(data.attrs.get("plate_motion", "")) == done or (
        change == "remove" and str(data.attrs.get("plate_motion", "")).startswith("removed")
    ):
        raise ArgumentError(
            f"data: have the motion of {data.attrs['plate_motion']} already; change what they were made from"
        )
    if "plate_motion" in applied(data.attrs):
        raise ArgumentError("data: have been corrected for plate_motion already; change what they were made from")
    sign = np.float32(-1 if change == "remove" else 1)
    if any(f"velocity_{name}" in data for name in COMPONENTS):
        result = _components(data, turn, sign)
    else:
        missing = [name for name in LINE_OF_SIGHT if name not in data]
        if missing:
            raise StackError(f"data: has no {missing[0]}; add the line of sight with insarray.line_of_sight")
        result = _along_sight(data, turn, sign)
    kept = {name: value for name, value in data.attrs.items() if name not in PLACE_ATTRIBUTES}
    frame = f"{turn.name} fixed" if change == "remove" else "that of the orbits"
    logger.info("change_frame: %s", done)
    result.attrs = kept | {"plate_motion": done, "reference_frame": frame}
    return result


def _components(data: xr.Dataset, turn: Rotation, sign: np.float32) -> xr.Dataset:
    names = [name for name in COMPONENTS if f"velocity_{name}" in data]
    view = map_view(data, "data")
    motion = xr.Dataset(_motion(view, turn))
    changed = {}
    for name in names:
        layer = view.data[f"velocity_{name}"]
        changed[layer.name] = layer.copy(data=(layer.variable + sign * motion[f"plate_{name}"].variable).data)
    return view.on_grid(view.data.assign(changed))


def _along_sight(data: xr.Dataset, turn: Rotation, sign: np.float32) -> xr.Dataset:
    if "velocity" in data and "displacement" not in data:
        view: View = map_view(data, "data")
        motion = _motion(view, turn)["plate_velocity"]
        layer = view.data["velocity"]
        return view.on_grid(view.data.assign(velocity=layer.copy(data=(layer.variable + sign * motion).data)))
    if "displacement" not in data:
        raise StackError("data: has neither 'velocity' nor 'displacement' nor components; give what insarray.fit makes")
    series = as_series(data, "data")
    motion = _motion(series, turn)["plate_velocity"]
    years = (series.times - series.reference_time) / np.timedelta64(1, "D") / DAYS_PER_YEAR
    since = xr.Variable("time", years.astype(np.float32))
    layer = series.displacement
    moved = (layer.variable + sign * (since * motion)).transpose(*layer.dims).astype(np.float32)
    return series.on_grid(only_series(series.data).assign(displacement=layer.copy(data=moved.data)))


def _motion(view: View, turn: Rotation) -> dict[str, xr.Variable]:
    """Motion on the pixels of data, in the blocks of what it is first of."""
    grid = view.grid
    places = maps_of_places(view) if grid.crs is None else None
    sight = all(name in view.data for name in LINE_OF_SIGHT)
    names = LINE_OF_SIGHT if sight else [next(iter(view.data.data_vars))]
    first = view.data[names[0]]
    inputs = {name: view.data[name] for name in LINE_OF_SIGHT} if sight else {}
    inputs |= row_and_col(first) if places is None else {name: in_blocks_of(of, first) for name, of in places.items()}
    outputs = [*(f"plate_{name}" for name in COMPONENTS), *(["plate_velocity"] if sight else [])]
    task = _Plate(grid if places is None else None, (turn.x, turn.y, turn.z), sight)
    return map_blocks(plate_block, task, inputs, outputs, {}, bytes_per_pixel=_WORKING[places is not None])


def plate_block(task: _Plate, arrays: Arrays) -> Arrays:
    """Motion of the plate on one block, interpolated between nodes where it is worked out."""
    motion = _of_maps(task, arrays) if task.grid is None else _between_nodes(task.grid, task.rotation, arrays)
    results = {f"plate_{name}": motion[k].astype(np.float32) for k, name in enumerate(COMPONENTS)}
    if task.sight:
        require_unit_vectors("data", vectors_in(arrays))
        along = sum(motion[k] * arrays[name].astype(np.float64) for k, name in enumerate(LINE_OF_SIGHT))
        results["plate_velocity"] = np.asarray(along, np.float32)
    return results


def _of_maps(task: _Plate, arrays: Arrays) -> np.ndarray:
    lat, lon = known_places(arrays[MAPS[0]], arrays[MAPS[1]])
    return velocity_of_plate(task.rotation, lon, lat)


def _between_nodes(grid: Grid, rotation: tuple[float, float, float], arrays: Arrays) -> np.ndarray:
    places = arrays["row"][:, 0].astype(np.float64), arrays["col"][0].astype(np.float64)
    rows, cols = np.meshgrid(*(nodes_of(numbers, _STEP) for numbers in places), indexing="ij")
    x, y = grid.left + (cols + 0.5) * grid.dx, grid.top + (rows + 0.5) * grid.dy
    lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return between_nodes(velocity_of_plate(rotation, lon, lat), places, _STEP)
