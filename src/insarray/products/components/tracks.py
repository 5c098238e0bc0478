"""Tracks on one grid: what is needed of each dataset, matched by its coordinates or warped lazily."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import xarray as xr

from insarray.engine.graph.edges import default_edge
from insarray.engine.warp import Warp, warped
from insarray.kernels.components.velocities import DOWNWARD, GOOD, wrong_vectors
from insarray.model.choices import Resampling
from insarray.model.dataset import crs_of
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid, same_crs
from insarray.products.views.aligning import nearest_index
from insarray.products.views.layers import canonical, with_crs_as_coordinate
from insarray.products.views.stacks import View, require_dataset

LINE_OF_SIGHT = ("los_east", "los_north", "los_up")
"""Components of the unit vector from the ground to the satellite."""

Datasets = Sequence[xr.Dataset] | Mapping[str, xr.Dataset]

_SAME = 0.01  # of a pixel: coordinates that are so near are of the same pixel
_BYTES_PER_PIXEL = 64  # of the blocks that are chosen where the grid is in memory and a track is not
_MOST = 32


@dataclass(frozen=True, eq=False)
class Tracks:
    """Layers of each track on the grid of one dataset.

    Parameters
    ----------
    names
        What the tracks are called.
    layers
        By name, (..., y, x), lazy ones in the same blocks.
    view
        Of the dataset whose grid it is.
    attrs
        Attributes of each track.
    """

    names: tuple[str, ...]
    layers: tuple[dict[str, xr.DataArray], ...]
    view: View
    attrs: tuple[dict[str, Any], ...]

    def inputs(self) -> dict[str, xr.DataArray]:
        """All layers, named with the number of their track: ``velocity_0``."""
        return {f"{name}_{k}": layer for k, layers in enumerate(self.layers) for name, layer in layers.items()}

    def shared(self, *names: str) -> dict[str, Any]:
        """Attributes of the tracks: as they are where all have the same, else by track."""
        found: dict[str, Any] = {}
        for name in names:
            values = [attrs.get(name) for attrs in self.attrs]
            if all(value is not None and value == values[0] for value in values):
                found[name] = values[0]
            elif any(value is not None for value in values):
                found[name] = "; ".join(f"{track}: {value}" for track, value in zip(self.names, values, strict=True))
        return found


def named_tracks(datasets: Datasets | xr.Dataset) -> dict[str, xr.Dataset]:
    """Datasets by the names of their tracks, which are one word each.

    Raises
    ------
    ArgumentError
        If there is none, two have one name, or there are more than 32.
    """
    if isinstance(datasets, xr.Dataset):
        raise ArgumentError("datasets: is one dataset; give a list of them, one for each track")
    by_name = datasets if isinstance(datasets, Mapping) else {f"track_{k}": one for k, one in enumerate(datasets, 1)}
    given = cast("Mapping[str, xr.Dataset]", by_name)
    found = {
        re.sub(r"\W+", "_", str(name)): with_crs_as_coordinate(dataset) if isinstance(dataset, xr.Dataset) else dataset
        for name, dataset in given.items()
    }
    if len(found) < len(given):
        raise ArgumentError(f"datasets: two tracks have one name among {', '.join(map(str, given))}; rename one")
    if not 1 <= len(found) <= _MOST:
        raise ArgumentError(f"datasets: {len(found)} tracks; give 1 to {_MOST}")
    for name, dataset in found.items():
        require_dataset(dataset, name, "insarray.fit or insarray.invert")
    return found


def require_line_of_sight(dataset: xr.Dataset, name: str) -> None:
    """Raise StackError unless a dataset says which way its line of sight is."""
    missing = [layer for layer in LINE_OF_SIGHT if layer not in dataset]
    if missing:
        raise StackError(
            f"{name}: has no {missing[0]}: the line of sight is not known; add los_east, los_north and los_up, "
            "which insarray.line_of_sight makes of its stack, of files or of angles (--line-of-sight)"
        )


def vectors_in(arrays: Mapping[str, np.ndarray], end: str = "") -> np.ndarray:
    """Lines of sight of a block, float32 (3, pixel)."""
    return np.stack([arrays[f"{name}{end}"].reshape(-1) for name in LINE_OF_SIGHT]).astype(np.float32, copy=False)


def require_unit_vectors(name: str, vectors: np.ndarray) -> None:
    """Raise StackError unless vectors (3, pixel) point to the satellite and have the length 1; NaN is no-data."""
    wrong = wrong_vectors(vectors)
    if wrong != GOOD:
        down = "points down: turn it, it is from the ground to the satellite"
        what = down if wrong == DOWNWARD else "is no unit vector; give its components, not angles"
        raise StackError(f"{name}: its line of sight (los_east, los_north, los_up) {what}")


def map_view(dataset: xr.Dataset, name: str) -> View:
    """View of the maps of a dataset, in the terms of the data model."""
    require_dataset(dataset, name, "insarray.fit")
    return View(canonical(dataset, None))


def on_one_grid(
    views: Mapping[str, View],
    wanted: Mapping[str, Sequence[str]],
    like: View,
    resampling: Resampling,
) -> Tracks:
    """Layers of tracks on the pixels of a dataset.

    Parameters
    ----------
    views
        Of the tracks.
    wanted
        Layers of each.
    like
        Whose pixels.
    resampling
        How, where pixels differ.

    Raises
    ------
    StackError
        If a track has nothing there, or it is not known where its pixels are.
    """
    chunks = _blocks(views, wanted, like)
    layers: dict[str, dict[str, xr.DataArray]] = {}
    for name, view in views.items():
        layers[name] = on_pixels(view, wanted[name], like, chunks, resampling, name)
    return Tracks(tuple(layers), tuple(layers.values()), like, tuple(dict(view.data.attrs) for view in views.values()))


def on_pixels(
    view: View,
    names: Sequence[str],
    like: View,
    chunks: tuple[tuple[int, ...], tuple[int, ...]] | None,
    resampling: Resampling,
    called: str,
) -> dict[str, xr.DataArray]:
    """Layers of a dataset on the pixels of another; lazy ones in the blocks given."""
    index = _same_pixels(view, like)
    if index is not None:
        found = {name: view.data[name].isel(index) for name in names}
    else:
        warp = Warp(view.grid, like.grid, resampling)
        _require_common_place(warp, called)
        blocks = chunks or tuple((size,) for size in like.grid.shape)
        found = {
            name: xr.DataArray(warped(view.data[name].variable, warp, blocks), _lead_coords(view.data[name]))  # type: ignore[arg-type]
            for name in names
        }
    if chunks is None:
        return found
    return {
        name: layer.chunk({**dict.fromkeys(layer.dims, -1), "y": chunks[0], "x": chunks[1]}) if layer.chunks else layer
        for name, layer in found.items()
    }


def _lead_coords(layer: xr.DataArray) -> dict[Any, xr.Variable]:
    return {dim: layer.coords[dim].variable for dim in layer.dims if dim not in ("y", "x") and dim in layer.coords}


def _blocks(
    views: Mapping[str, View], wanted: Mapping[str, Sequence[str]], like: View
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Blocks of the result: those of the dataset whose grid it is; None if nothing is lazy."""
    chunks = like.data.chunksizes
    if "y" in chunks and "x" in chunks:
        return tuple(chunks["y"]), tuple(chunks["x"])
    if not any(view.data[layer].chunks for name, view in views.items() for layer in wanted[name]):
        return None
    depth = sum(int(np.prod(view.data[layer].shape[:-2])) for name, view in views.items() for layer in wanted[name])
    sizes = like.data.sizes["y"], like.data.sizes["x"]
    return tuple(_parts(size, default_edge(size, 4 * depth + _BYTES_PER_PIXEL)) for size in sizes)  # type: ignore[return-value]


def _parts(size: int, edge: int) -> tuple[int, ...]:
    whole, rest = divmod(size, edge)
    return (edge,) * whole + ((rest,) if rest else ())


def _same_pixels(view: View, like: View) -> dict[str, np.ndarray] | None:
    """Rows and columns of a dataset that are the pixels of another; None if it has others, or another CRS."""
    if not same_crs(crs_of(view.data), crs_of(like.data)):
        return None
    index = {}
    for dim, mine, theirs in zip(("y", "x"), like.centres, view.centres, strict=True):
        nearest = nearest_index(theirs, mine)
        if (np.abs(theirs[nearest] - mine) > _SAME * min(_spacing(theirs), _spacing(mine))).any():
            return None
        index[dim] = nearest
    return {dim: at for dim, at in index.items() if len(at) != view.data.sizes[dim] or (np.diff(at) != 1).any()}


def _spacing(centres: np.ndarray) -> float:
    """Least distance of two; that of a single one is of the order of its digits, as it may be any."""
    return float(np.abs(np.diff(np.sort(centres))).min()) if len(centres) > 1 else 1e-6 * max(1.0, abs(centres[0]))


def _require_common_place(warp: Warp, called: str) -> None:
    if (warp.source.crs is None) != (warp.target.crs is None) or (warp.source.crs is None and warp.target.crs is None):
        raise StackError(
            f"{called}: its pixels are not those of the grid, and without a CRS (radar coordinates) it is not known where "
            "they are; geocode the tracks"
        )
    rows, cols = warp.reached(slice(0, warp.target.height), slice(0, warp.target.width))
    if rows.start == rows.stop or cols.start == cols.stop:
        raise StackError(
            f"{called}: does not overlap the grid of the result, {_extent(warp.source)} against {_extent(warp.target)} "
            "(left, bottom, right, top); give tracks of one place"
        )


def _extent(grid: Grid) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in grid.bounds) + ")"
