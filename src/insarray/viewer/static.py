"""A folder with the page and everything that it reads, for any web server or bucket."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import LocalStore

from insarray.engine.graph.inputs import refuse_inputs
from insarray.model.errors import StoreError
from insarray.viewer.layout import SHARD, describe, shape_of_level
from insarray.viewer.policy import with_basemap
from insarray.viewer.pyramid import Blocks, Kept, halved, numbers
from insarray.viewer.results import Result
from insarray.viewer.server import page, with_stations

_MARK = "view.json"


def write_static(
    paths: list[str], folder: str | Path, *, overwrite: bool = False, say: Callable[[str], Any] = str,
    gnss: Sequence[str] = (), basemap: str | None = None,
) -> Path:  # fmt: skip
    """Write the page and the pyramids of results to a folder.

    Parameters
    ----------
    paths
        Results.
    folder
        Must not exist, or be empty, or with `overwrite` have been written by this function.
    overwrite
        Replace it.
    say
        Called with a line for each result that is written.
    gnss, basemap
        As for `insarray.viewer.server.Site`.

    Raises
    ------
    InsarrayError
        If a result cannot be opened.
    StoreError
        If the folder is there already.
    """
    target = Path(folder)
    index = with_basemap(page()["index.html"], basemap)
    results = [Result(*path) for path in with_stations(paths, gnss)]
    for result in results:
        refuse_inputs(target, result.data)
    _make_room(target, overwrite=overwrite)
    beside = target.with_name(f".{target.name}.writing")
    shutil.rmtree(beside, ignore_errors=True)
    for name, content in (page() | {"index.html": index}).items():
        place = beside / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    stores = []
    for number, result in enumerate(results):
        say(f"{result.name}: {result.levels} levels of {len(result.layers)} layers")
        _write(result, beside / "data" / str(number))
        stores.append({"name": result.name, "url": f"data/{number}"})
    (beside / _MARK).write_text(json.dumps({"basemap": basemap, "stores": stores}), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)
    return target


def _make_room(target: Path, *, overwrite: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target.is_dir() and (target / _MARK).is_file() and (target / "index.html").is_file()):
        raise StoreError(f"{target}: exists, and is no folder of insarray view; give another one")
    if not overwrite:
        raise StoreError(f"{target}: exists; give another folder, or --overwrite")


def _write(result: Result, folder: Path) -> None:
    root = describe(result, LocalStore(folder), packed=True)
    arrays = {layer.key: layer.array for layer in result.layers}
    for key, array in arrays.items():
        if len(result.dates) and key in result.series and "_tied" not in result.data:
            continue  # with the series, which is then read once
        _copy(Blocks([array], Kept()), [_array(root, f"maps/0/{key}")])
    for name, array in result.series.items():
        targets = [_array(root, f"series/{name}")]
        targets += [_array(root, f"maps/0/{name}")] if "_tied" not in result.data and name in arrays else []
        _copy(Blocks([array.transpose("time", "y", "x")], Kept()), targets)
    if result.maps:
        maps, target = Blocks([layer.array for layer in result.maps], Kept()), _array(root, "series/maps")
        for rows, cols in _windows(result.shape, result.is_points):
            target[:, rows, cols] = numbers(maps.read(rows, cols))
    for layer in result.layers:
        for level in range(1, result.levels):
            _coarser(root, layer.key, level, shape_of_level(result, level), averaged=layer.averaged)


def _copy(blocks: Blocks, targets: list[zarr.Array[Any]]) -> None:
    """Copy a layer (time, y, x) window by window, each of which is whole files of the targets."""
    for rows, cols in _windows(blocks.shape[-2:], blocks.shape[-2] == 1):
        values = numbers(blocks.read(rows, cols))
        for target in targets:
            target[..., rows, cols] = values if target.ndim == 3 else values[0]


def _coarser(root: zarr.Group, key: str, level: int, shape: tuple[int, int], *, averaged: bool) -> None:
    fine, coarse = _array(root, f"maps/{level - 1}/{key}"), _array(root, f"maps/{level}/{key}")
    for rows, cols in _windows(shape, one_row=False):
        source = tuple(slice(2 * part.start, 2 * part.stop) for part in (rows, cols))
        for time in range(fine.shape[0]) if fine.ndim == 3 else [...]:
            at = () if time is ... else (time,)
            coarse[(*at, rows, cols)] = halved(np.asarray(fine[(*at, *source)]), averaged=averaged)


def _windows(shape: tuple[int, ...], one_row: bool) -> Iterator[tuple[slice, slice]]:  # noqa: FBT001
    """Windows of whole files."""
    step = SHARD * SHARD if one_row else SHARD
    for row in range(0, shape[-2], SHARD):
        for col in range(0, shape[-1], step):
            yield slice(row, min(row + SHARD, shape[-2])), slice(col, min(col + step, shape[-1]))


def _array(root: zarr.Group, name: str) -> zarr.Array[Any]:
    found = root[name]
    assert isinstance(found, zarr.Array)  # noqa: S101  for the type checker
    return found
