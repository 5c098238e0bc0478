"""`insarray unwrap`: unwrap a wrapped stack in tiles into a store that insarray invert reads."""

import json
from collections.abc import Callable

import xarray as xr

from insarray.cli.components_points_export import Unwrap
from insarray.cli.compute import compiled_kernels, print_stored, refuse_input_as_output, store_into
from insarray.cli.link_commands import HEIGHT_RANGE
from insarray.cli.options import Geometry
from insarray.cli.point_options import ReadingWrapped, Tiling
from insarray.cli.say import echo
from insarray.cli.typed import dashed
from insarray.engine.store.zarr_store import open_store
from insarray.export.geotiffs import to_geotiffs
from insarray.model.errors import ArgumentError
from insarray.products.points.mosaic import tie_tiles
from insarray.products.points.stacks import epoch_network
from insarray.products.points.tiles import Range, TileOptions, unwrap_tiles
from insarray.products.views.points import as_wrapped


def unwrap(options: Unwrap) -> None:
    """Unwrap the tiles into a store beside the output, tie them, and store the pairs."""
    with compiled_kernels(options, "link model") as wait:
        _unwrap(options, wait)


def _unwrap(options: Unwrap, wait: Callable[[], None]) -> None:
    refuse_input_as_output([options.stack], options.out)
    wrapped = _opened(options)
    network = options.network
    pairs = epoch_network(as_wrapped(wrapped), network.split(",") if "_" in network else network)
    tiles = f"{options.out.rstrip('/').removesuffix('.zarr')}.tiles.zarr"
    lazy = unwrap_tiles(wrapped, _tile_options(options, wrapped), options.mask)
    wait()
    made = store_into(lazy, tiles, options)
    if made is None:  # a dry run
        return
    stack = tie_tiles(open_store(tiles), wrapped, pairs)
    stored = store_into(stack, options.out, options)
    assert stored is not None  # noqa: S101  for the type checker: it is no dry run
    if options.geotiffs is not None:
        to_geotiffs(open_store(options.out), options.geotiffs, overwrite=options.restart)
    unmet = max(stack.attrs["tile_overlaps_unmet"])
    if options.json:
        told = {"tiles": made, "overlaps": stack.attrs["tile_overlaps"], "most_overlaps_unmet": unmet}
        echo(json.dumps({**stored, **told}))
        return
    print_stored(made, tiles, None)
    echo(f"{stack.attrs['tile_overlaps']} overlaps of tiles, of which at most {unmet} disagree at a date")
    print_stored(stored, options.out, None)
    if options.geotiffs is not None:
        echo(f"{options.geotiffs}: a GeoTIFF of each pair, and the maps of the model")


def _opened(options: Unwrap) -> xr.Dataset:
    from insarray.io.wrapped.open import open_wrapped

    how = options.keywords(ReadingWrapped)
    how |= {name: how.pop(f"{name}_file") for name in ("temporal_coherence", "amplitude_dispersion")}
    opened: xr.Dataset = open_wrapped(options.stack, **how)
    return opened


def _tile_options(options: Unwrap, wrapped: xr.Dataset) -> TileOptions:
    """Return the options as those of the library, in SI units."""
    height = _range("height_error_range", options.height_error_range, 1.0)
    if height is None and options.model and "perpendicular_baseline" in wrapped.variables:
        height = HEIGHT_RANGE
    velocity = _range("velocity_range", options.velocity_range, 1e-3) if options.model else None
    criteria = {name: getattr(options, name) for name in ("min_temporal_coherence", "max_amplitude_dispersion")}
    return TileOptions(
        criteria=tuple((name, value) for name, value in criteria.items() if value is not None),
        velocity=velocity,
        height_error=height,
        neighbours=options.neighbours,
        **options.keywords(Tiling, Geometry),
    )


def _range(name: str, given: tuple[float, ...] | None, unit: float) -> Range | None:
    if given is None:
        return None
    if len(given) != 2:
        raise ArgumentError(f"--{dashed(name)}: {' '.join(map(str, given))} is not MIN MAX; the search needs no step")
    return given[0] * unit, given[1] * unit
