"""Run ``insarray spurt``: tiles, ties and GeoTIFFs with the names, units and signs that spurt's users expect."""

import json
import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from insarray.cli.compute import command_line
from insarray.cli.say import ShownFormatter, echo
from insarray.compat.ignored import note_ignored
from insarray.compat.spurt_cli import Ignored, Spurt
from insarray.export.geotiffs import model_maps, to_geotiffs
from insarray.io.wrapped.open import open_wrapped
from insarray.model.errors import ArgumentError, FileError
from insarray.products.points.stacks import unwrap_stack
from insarray.products.points.tiles import Axis, Range
from insarray.progress import progress_bar

_WAVELENGTH = 0.055465
_TILE, _LEAST_TILE, _OVERLAP = 256, 32, 32


def unwrap(options: Spurt) -> None:
    """Unwrap the tiles of the stack, and write the interferograms and maps."""
    started = time.perf_counter()
    with _log(options.log_file):
        note_ignored(options, Ignored, "see insarray spurt --help")
        wrapped = _opened(options)
        with progress_bar(quiet=options.json) as progress:
            how = {**_arguments(options, wrapped), "workers": _workers(options), "resume": not options.restart}
            stack = unwrap_stack(wrapped, _tiles(options), **how, progress=progress, command=command_line())
        stack = _from_the_median(stack)
        paths = to_geotiffs(stack, options.outputdir, signs="published", overwrite=options.restart)
    maps = [path.name for path in paths if path.stem in model_maps(stack)]
    unmet = max(stack.attrs["tile_overlaps_unmet"])
    told = {
        "url": options.outputdir,
        "interferograms": stack.sizes["pair"],
        "maps": maps,
        "tile_size": stack.attrs["tile_size"],
        "overlaps": stack.attrs["tile_overlaps"],
        "most_overlaps_unmet": unmet,
        "seconds": round(time.perf_counter() - started, 3),
    }
    if options.json:
        echo(json.dumps(told))
        return
    echo(
        f"{options.outputdir}: {told['interferograms']} unwrapped interferograms in {told['seconds']:.1f} s, tiles of "
        f"{told['tile_size']} pixels; {told['overlaps']} overlaps of tiles, of which at most {unmet} disagree at a date"
    )
    if maps:
        echo(
            f"{', '.join(maps)}: sign as published, velocity positive away from the satellite; --look-angle-deg was "
            "taken as the incidence angle, steps of ranges are not needed"
        )


def _from_the_median(stack: xr.Dataset) -> xr.Dataset:
    """Return the stack with velocity and DEM error relative to their medians, as published."""
    stack = stack.copy()
    for name in ("velocity", "height_error"):
        if name in stack and (known := stack[name].values[np.isfinite(stack[name].values)]).size:
            stack[name] = (stack[name] - float(np.median(known))).assign_attrs(stack[name].attrs)
    return stack


def _opened(options: Spurt) -> xr.Dataset:
    """Open the interferograms, with baselines if the model needs them."""
    folder = Path(options.inputdir)
    if not any(folder.glob("*.int.tif")):
        raise FileError(
            f"{folder}: has no interferograms {{first}}_{{date}}.int.tif; give the folder of a phase-linked stack, or "
            "use insarray unwrap for others"
        )
    table = None if options.no_velocity_estimation else options.baseline_csv
    wrapped: xr.Dataset = open_wrapped(str(folder), wavelength=options.wavelength, baselines=table)
    if "temporal_coherence" not in wrapped:
        raise FileError(f"{folder}: has no temporal_coherence.tif, by which the points are selected; put it there")
    return wrapped if "wavelength" in wrapped.attrs else wrapped.assign_attrs(wavelength=_WAVELENGTH)


def _arguments(options: Spurt, wrapped: xr.Dataset) -> dict[str, Any]:
    """Return the arguments of `unwrap_stack`, in its units and signs."""
    velocity = _range("velocity_range", options.velocity_range, 1e-3)
    height = _range("dem_error_range", options.dem_error_range, 1.0)
    modelled = not options.no_velocity_estimation
    with_heights = modelled and options.baseline_csv is not None
    tile, overlap = _tile(options, wrapped.sizes["y"], wrapped.sizes["x"])
    return {
        "network": "hop3",
        # spurt's points have more than this
        "min_temporal_coherence": float(np.nextafter(np.float32(options.coh), np.float32(1))),
        "velocity": velocity if modelled else None,
        "height_error": height if with_heights else None,
        "tile": tile,
        "overlap": overlap,
        **({"slant_range": options.slant_range, "incidence_angle": options.look_angle_deg} if with_heights else {}),
    }


def _range(name: str, given: tuple[float, ...], unit: float) -> Range:
    """Return minimum and maximum with insarray's sign, which is the opposite."""
    low, high = given[:2]
    if not low < high:
        raise ArgumentError(f"--{name.replace('_', '-')}: {low:g} {high:g} is not MIN MAX; give the lower one first")
    return -high * unit, -low * unit


def _tile(options: Spurt, height: int, width: int) -> tuple[int, int]:
    """Return size and overlap of the tiles in pixels."""
    tile = _TILE if options.pts_per_tile is None else max(_LEAST_TILE, math.isqrt(options.pts_per_tile))
    if options.singletile:
        tile = max(height, width, _LEAST_TILE)
    while options.max_tiles is not None and _number(tile, height, width) > options.max_tiles:
        tile += _LEAST_TILE
    return tile, min(_OVERLAP, tile // 2)


def _number(tile: int, *lengths: int) -> int:
    return math.prod(len(Axis.of(length, tile, min(_OVERLAP, tile // 2))) for length in lengths)


def _workers(options: Spurt) -> int:
    first = options.t_workers if options.t_workers > 0 else os.cpu_count() or 1
    return max(first, options.s_workers, options.unwrap_parallel_tiles)


def _tiles(options: Spurt) -> str:
    """Return the path of the store of tiles, in a folder that exists."""
    os.makedirs(options.tempdir, exist_ok=True)
    return os.path.join(options.tempdir, "tiles.zarr")


@contextmanager
def _log(path: str | None) -> Iterator[None]:
    """Write the messages of the logger ``insarray`` to a file meanwhile."""
    if path is None:
        yield
        return
    handler, logger = logging.FileHandler(path), logging.getLogger("insarray")
    handler.setFormatter(ShownFormatter("%(asctime)s [%(process)d] [%(levelname)s] %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()
