"""Open files on one grid as a lazy array, whatever they hold."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from insarray.io.layers.decode import ComponentDecode, Decode, MapDecode, PhaseDecode, per_file
from insarray.io.layers.headers import Header, agreed, raster_layer, read_headers
from insarray.io.layers.lazy import block_shape, lazy_variable
from insarray.model.dataset import grid_coords


def open_values(paths: Sequence[Path], block: int, *, nodata: bool = True) -> xr.Dataset:
    """Open files without conversion: `values` (pair, y, x), float32, NaN for NaN, infinities and, optionally, no-data.

    The unit of all files is the attribute `units`.
    """
    headers = read_headers(paths)
    decode = per_file([PhaseDecode((1.0,), header.nodata if nodata else None) for header in headers])
    units = agreed(headers, [header.units for header in headers], "units", "write them alike")
    return _lazy("values", headers, decode, block).assign_attrs(units=units)


def open_labels(paths: Sequence[Path], block: int) -> xr.Dataset:
    """Open connected components: `values` (pair, y, x), uint16, 0 = none."""
    headers = read_headers(paths)
    return _lazy("values", headers, per_file([ComponentDecode(header.nodata) for header in headers]), block)


def open_map(path: Path, block: int) -> xr.Dataset:
    """Open one map: `values` (y, x), float32, NaN for no-data."""
    headers = read_headers([path])
    return _lazy("values", headers, MapDecode(headers[0].nodata), block).isel(pair=0)


def _lazy(name: str, headers: list[Header], decode: Decode, block: int) -> xr.Dataset:
    layer = raster_layer(headers, decode)
    rows, cols = block_shape(layer, block)
    lazy = xr.Dataset({name: lazy_variable(layer)}).chunk({"pair": -1, "y": rows, "x": cols}, token=layer.fingerprint)
    return lazy.assign_coords(grid_coords(layer.grid)).assign_attrs(input_fingerprint=layer.fingerprint)
