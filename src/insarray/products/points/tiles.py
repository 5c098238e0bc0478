"""Unwrapping of a wrapped stack in overlapping tiles, one task per tile."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from insarray.engine.blocks import Arrays, in_one_thread
from insarray.engine.estimators import map_blocks
from insarray.kernels.unwrapping.residues import TURN, flow_module
from insarray.model.conventions import VARIABLES, Variable
from insarray.model.errors import ArgumentError, StackError
from insarray.products.points.integration import integrate_links
from insarray.products.points.link_plan import bytes_per_point
from insarray.products.points.links import estimate_links
from insarray.products.points.refinement import refine_points
from insarray.products.points.selection import select_points
from insarray.products.points.unwrapping import unwrap_points
from insarray.products.stacks.selection import Raster, good_pixels, raster_name, require_share
from insarray.products.views.points import WrappedView, as_wrapped

Range = tuple[float, float]

LABELS = ("none", "point", "filled")
"""Meanings of `unwrapping_label` 0, 1, 2."""

_FEWEST = 10  # points of a tile that is not left empty
_GEOMETRY = ("slant_range", "incidence_angle", "perpendicular_baseline")
_LAYERS_OF_MODEL = {
    "tile_coherence": "point_coherence",
    "tile_velocity": "velocity",
    "tile_height_error": "height_error",
}
_QUALITY = ("temporal_coherence", "amplitude_dispersion")


@dataclass(frozen=True)
class Axis:
    """Tiles along one axis of the image.

    Parameters
    ----------
    length
        Length of the image, pixels.
    starts
        First pixel of each tile.
    size
        Length of a tile, pixels; the last may be cut off by the edge of the image.
    """

    length: int
    starts: tuple[int, ...]
    size: int

    @classmethod
    def of(cls, length: int, size: int, overlap: int) -> "Axis":
        """Return tiles of `size` pixels that overlap by `overlap`, or one tile if the image is no longer than that."""
        if length <= size:
            return cls(length, (0,), length)
        step = size - overlap
        return cls(length, tuple(range(0, length - overlap, step)), size)

    @property
    def stops(self) -> tuple[int, ...]:
        """Return the end (exclusive) of each tile."""
        return tuple(min(start + self.size, self.length) for start in self.starts)

    @property
    def cuts(self) -> tuple[int, ...]:
        """Return the edges of the cores of the tiles: the middles of the overlaps."""
        middles = ((stop + start) // 2 for stop, start in zip(self.stops[:-1], self.starts[1:], strict=True))
        return 0, *middles, self.length

    @property
    def lengths(self) -> tuple[int, ...]:
        """Return the number of pixels of each tile."""
        return tuple(stop - start for start, stop in zip(self.starts, self.stops, strict=True))

    def own(self, i: int) -> slice:
        """Return the slice of tile i in the array of tiles side by side."""
        before = sum(self.lengths[:i])
        return slice(before, before + self.lengths[i])

    def core(self, i: int) -> slice:
        """Return the slice of the core of tile i, the part used in the mosaic, in the array of tiles side by side."""
        shift = self.own(i).start - self.starts[i]
        return slice(self.cuts[i] + shift, self.cuts[i + 1] + shift)

    def overlap(self, i: int) -> tuple[slice, slice]:
        """Return the slices of the overlap of tiles i and i + 1, in each of the two, among the tiles side by side."""
        start, stop = self.starts[i + 1], self.stops[i]
        shifts = (self.own(k).start - self.starts[k] for k in (i, i + 1))
        here, there = (slice(start + shift, stop + shift) for shift in shifts)
        return here, there

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True)
class TileOptions:
    """Options of the tiles and of the unwrapping of each.

    Parameters
    ----------
    criteria
        Name and limit of each criterion of `insarray.select_points`: min_temporal_coherence, max_amplitude_dispersion.
    velocity, height_error, neighbours
        Arguments of `insarray.estimate_links`; no model without a range of the velocity.
    fill
        Also unwrap the pixels between the points, with the cycles of the nearest point.
    tile, overlap
        Size and overlap, in pixels.
    slant_range, incidence_angle
        In m and degrees, if the stack has no such layers.
    """

    criteria: tuple[tuple[str, float], ...]
    velocity: Range | None
    height_error: Range | None
    neighbours: int
    fill: bool
    tile: int
    overlap: int
    slant_range: float | None
    incidence_angle: float | None


@dataclass(frozen=True)
class _Task:
    """Constants of all tiles."""

    options: TileOptions
    times: np.ndarray
    wavelength: float
    spacing: tuple[float, float]
    baseline: np.ndarray | None

    @property
    def geometry(self) -> dict[str, Any]:
        """Return the geometry arguments of the functions of links and points."""
        given = {"slant_range": self.options.slant_range, "incidence_angle": self.options.incidence_angle}
        used = self.options.height_error is not None
        return {name: value for name, value in given.items() if used and value is not None}


def layout(view: WrappedView, tile: int, overlap: int) -> tuple[Axis, Axis]:
    """Return the tiles along y and x.

    Raises
    ------
    ArgumentError
        If the sizes are invalid.
    """
    if tile < 32:
        raise ArgumentError(f"tile: {tile!r} is not a number of pixels of at least 32")
    if not 8 <= overlap <= tile // 2:
        raise ArgumentError(f"overlap: {overlap!r} is not between 8 and half of the tile ({tile // 2})")
    height, width = view.grid.shape
    return Axis.of(height, tile, overlap), Axis.of(width, tile, overlap)


def unwrap_tiles(wrapped: xr.Dataset, options: TileOptions, mask: Raster | None = None) -> xr.Dataset:
    """Unwrap each tile independently, lazily, as one block; the result has the tiles side by side with their overlaps.

    Parameters
    ----------
    wrapped
        Stack as of `insarray.open_wrapped`.
    options
        Sizes of the tiles, criteria of the points, and ranges of the model.
    mask
        Points where this raster is neither 0 nor without data.

    Returns
    -------
    xarray.Dataset
        `tile_phase` (time, y, x), unwrapped and congruent with `wrapped_phase`, NaN where there is no point;
        `unwrapping_label` and, if estimated, `tile_coherence`, `tile_velocity` and `tile_height_error` (y, x). y and x
        are the numbers of the pixels in the array of tiles side by side.

    Raises
    ------
    ArgumentError, StackError
        If an option is invalid, or the stack lacks a layer.
    """
    flow_module()  # raises if OR-tools is missing, before anything is computed
    view = as_wrapped(wrapped)
    rows, columns = layout(view, options.tile, options.overlap)
    if not options.criteria and mask is None:
        raise ArgumentError(
            "points: give min_temporal_coherence, max_amplitude_dispersion or a mask; not every pixel is one"
        )
    task = _task(view, options)
    _try(task, view)
    names = ["wrapped_phase", *(name for name in (*_QUALITY, *_GEOMETRY) if _is_layer(view.data, name))]
    layers = {name: view.data[name] for name in names}
    if mask is not None:
        layers["mask"] = good_pixels(view, view.data["wrapped_phase"], mask)
    extended = {name: _side_by_side(layer, rows, columns) for name, layer in layers.items()}
    neighbours = None if options.velocity is None else options.neighbours
    memory = bytes_per_point(view.times.size, max(rows.lengths) * max(columns.lengths), neighbours)
    found = map_blocks(_unwrap_tile, extended, _outputs(options), constants=task, bytes_per_pixel=memory)
    attrs = {
        "wavelength": task.wavelength,
        "tile_size": options.tile,
        "tile_overlap": options.overlap,
        **{f"point_{name.partition('_')[2]}": value for name, value in options.criteria},
        "point_mask": raster_name(mask),
        "link_velocity_range": None if options.velocity is None else list(options.velocity),
        "link_height_error_range": None if options.height_error is None else list(options.height_error),
        "link_neighbours": options.neighbours,
        "filled": int(options.fill),
    }
    known = {name: value for name, value in attrs.items() if value is not None}
    return found.assign_coords(time=view.data["time"]).assign_attrs(known)


def _is_layer(data: xr.Dataset, name: str) -> bool:
    return name in data and {"y", "x"} <= set(data[name].dims)


def _task(view: WrappedView, options: TileOptions) -> _Task:
    """Check the options against the layers of the stack, and return them with the constants of the stack."""
    data = view.data
    for name, limit in options.criteria:
        require_share(name, limit)
        layer = name.partition("_")[2]
        if layer not in data:
            raise StackError(f"{layer}: the stack has no such layer; use another criterion")
    baseline = None
    if options.height_error is not None:
        if options.velocity is None:
            raise ArgumentError("height_error: is estimated together with the velocity; give its range, too")
        if "perpendicular_baseline" not in data.variables:
            raise StackError(
                "height_error: there are no perpendicular baselines; give them with the stack (--baselines), or leave "
                "the height error out"
            )
        if data["perpendicular_baseline"].ndim == 1:
            baseline = data["perpendicular_baseline"].values.astype(np.float64)
        for name in ("slant_range", "incidence_angle"):
            if getattr(options, name) is None and not _is_layer(data, name):
                raise StackError(f"height_error: there is no {name}; give it as a number")
    return _Task(options, view.times, view.require_wavelength(), _spacing(view), baseline)


def _spacing(view: WrappedView) -> tuple[float, float]:
    """Return the pixel size along y and x in metres, or in pixels if there is no CRS."""
    grid = view.grid
    dy, dx = abs(float(grid.dy)), abs(float(grid.dx))
    if "degree" in str(view.data["x"].attrs.get("units", "")):
        metres = np.deg2rad(6_371_000.0)
        return dy * metres, dx * metres * float(np.cos(np.deg2rad(grid.y.mean())))
    return dy, dx


def _side_by_side(layer: xr.DataArray, rows: Axis, columns: Axis) -> xr.DataArray:
    """Return the tiles of a layer side by side with their overlaps, one block each; y and x are pixel numbers."""
    layer = layer.transpose(..., "y", "x").chunk({d: -1 for d in layer.dims if d not in ("y", "x")})
    bare = layer.drop_vars([name for name in layer.coords if name != "time"])
    for dim, axis in (("y", rows), ("x", columns)):
        parts = [bare.isel({dim: slice(*ends)}) for ends in zip(axis.starts, axis.stops, strict=True)]
        bare = xr.concat(parts, dim)
        bare = bare.chunk({dim: tuple(stop - start for start, stop in zip(axis.starts, axis.stops, strict=True))})
        bare = bare.assign_coords({dim: np.arange(bare.sizes[dim], dtype=np.float64)})
    return bare


def _outputs(options: TileOptions) -> dict[str, Variable]:
    flags: dict[str, object] = {"flag_values": [0, 1, 2], "flag_meanings": " ".join(LABELS)}
    outputs = {
        "tile_phase": Variable(("time", "y", "x"), "float32", "radian", "phase unwrapped within the tile"),
        "unwrapping_label": Variable(("y", "x"), "uint8", "1", "how the pixel was unwrapped", flags),
    }
    if options.velocity is not None:
        outputs["tile_coherence"] = Variable(("y", "x"), "float32", "1", VARIABLES["point_coherence"].long_name)
        about = "velocity relative to the points of the tile"
        outputs["tile_velocity"] = Variable(("y", "x"), "float32", "m/year", about)
    if options.height_error is not None:
        outputs["tile_height_error"] = Variable(
            ("y", "x"), "float32", "m", "height error relative to the points of the tile"
        )
    return outputs


def _try(task: _Task, view: WrappedView) -> None:
    """Estimate links of a few artificial points, so that invalid ranges or neighbours raise before the run."""
    if task.options.velocity is None:
        return
    few = 2 + task.options.neighbours
    coords: dict[str, Any] = {"time": view.data["time"], "x": ("point", np.arange(few) ** 2.0)}
    coords["y"] = ("point", np.arange(few) % 7.0)
    phase = xr.DataArray(np.zeros((task.times.size, few), np.float32), dims=("time", "point"))
    points = xr.Dataset({"wrapped_phase": phase.chunk()}, coords, {"wavelength": task.wavelength})
    if task.options.height_error is not None:
        points["perpendicular_baseline"] = ("time", np.arange(task.times.size) * 1.0)
    numbers = {"slant_range": 8e5, "incidence_angle": 35.0} | task.geometry
    geometry: dict[str, Any] = numbers if task.options.height_error is not None else {}
    estimate_links(
        points,
        velocity=task.options.velocity,
        height_error=task.options.height_error,
        neighbours=task.options.neighbours,
        **geometry,
    )


def _unwrap_tile(task: _Task, arrays: Arrays) -> Arrays:
    """Select points, estimate links and model, and unwrap one tile."""
    phase = arrays["wrapped_phase"]
    good = _chosen(task, arrays) & np.isfinite(phase).all(axis=0)
    result: Arrays = {
        name: np.full(phase.shape[-len(output.dims) :], 0 if output.dtype == "uint8" else np.nan, output.dtype)
        for name, output in _outputs(task.options).items()
    }
    row, col = np.nonzero(good)
    if row.size < _FEWEST or np.ptp(row) == 0 or np.ptp(col) == 0:
        return result
    with in_one_thread():
        model, unwrapped = _solve(task, _points(task, arrays, good))
    first = int(unwrapped.attrs["reference_point"])
    result["tile_phase"][:, row, col] = unwrapped.unwrapped_phase.values + phase[:, row[first], col[first], None]
    for name, layer in _LAYERS_OF_MODEL.items():
        if model is not None and name in result:
            result[name][row, col] = model[layer].values
    result["unwrapping_label"][row, col] = 1
    if task.options.fill:
        _fill(phase, result)
    return result


def _chosen(task: _Task, arrays: Arrays) -> np.ndarray:
    chosen = np.ones(arrays["wrapped_phase"].shape[-2:], bool)
    for name, limit in task.options.criteria:
        layer = arrays[name.partition("_")[2]]
        chosen &= layer >= limit if name.startswith("min_") else layer <= limit
    return chosen & arrays["mask"] if "mask" in arrays else chosen


def _points(task: _Task, arrays: Arrays, good: np.ndarray) -> xr.Dataset:
    """Return the points of the tile, with positions in metres."""
    height, width = good.shape
    coords: dict[str, Any] = {
        "time": task.times.astype("datetime64[ns]"),
        "y": np.arange(height) * task.spacing[0],
        "x": np.arange(width) * task.spacing[1],
    }
    layers: dict[str, Any] = {"wrapped_phase": (("time", "y", "x"), arrays["wrapped_phase"])}
    for name in _GEOMETRY:
        if name in arrays:
            layers[name] = (("time", "y", "x")[-arrays[name].ndim :], arrays[name])
    tile = xr.Dataset(layers, coords, {"wavelength": task.wavelength})
    if task.baseline is not None:
        tile = tile.assign_coords(perpendicular_baseline=("time", task.baseline))
    return select_points(tile, mask=xr.DataArray(good, dims=("y", "x")))


def _solve(task: _Task, points: xr.Dataset) -> tuple[xr.Dataset | None, xr.Dataset]:
    """Return model and unwrapped phases of points."""
    if task.options.velocity is None:
        return None, unwrap_points(points)
    geometry: dict[str, Any] = task.geometry
    links = estimate_links(
        points,
        velocity=task.options.velocity,
        height_error=task.options.height_error,
        neighbours=task.options.neighbours,
        **geometry,
    )
    model = integrate_links(links, points, **geometry)
    model = refine_points(
        points, model, height_error=task.options.height_error if "height_error" in model else None, **geometry
    )
    return model, unwrap_points(points, model, **geometry)


def _fill(phase: np.ndarray, result: Arrays) -> None:
    """Unwrap complete pixels between the points with the cycles that bring them closest to the nearest point."""
    label = result["unwrapping_label"]
    empty = (label == 0) & np.isfinite(phase).all(axis=0)
    known = np.argwhere(label == 1)
    wanted = np.argwhere(empty)
    if not len(wanted):
        return
    _, near = cKDTree(known).query(wanted)
    source = result["tile_phase"][:, known[near, 0], known[near, 1]].astype(np.float64)
    own = phase[:, wanted[:, 0], wanted[:, 1]].astype(np.float64)
    filled = own + TURN * np.rint((source - own) / TURN)
    result["tile_phase"][:, wanted[:, 0], wanted[:, 1]] = filled
    label[wanted[:, 0], wanted[:, 1]] = 2
