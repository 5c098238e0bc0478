"""Export results as Cloud-Optimised GeoTIFF and CF NetCDF."""

import itertools
import json
import logging
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from insarray.engine.blocks import compute_in_own_threads
from insarray.engine.graph.inputs import refuse_inputs
from insarray.engine.program import PROGRAM, program_name
from insarray.export.files import complete_file
from insarray.model.conventions import SIGN
from insarray.model.dataset import crs_of, grid_of, placed
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError
from insarray.model.secrets import shown_values, without_secrets
from insarray.products.stacks.quality import mask_name, masked, masked_layer
from insarray.products.stacks.selection import Raster

logger = logging.getLogger(__name__)

_DTYPES = ("float32", "float64", "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32")
_WINDOW_BYTES = 64 * 2**20  # read at a time if the data have no chunks
_TILE_BYTES = 4 * 2**20
_EPOCH = "seconds since 1970-01-01 00:00:00"


def to_cog(
    data: xr.DataArray,
    path: str | Path,
    *,
    attrs: Mapping[str, object] | None = None,
    mask: Raster | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a map, or a series with one band per date or pair, as Cloud-Optimised GeoTIFF.

    The data are read once, chunk by chunk, so a lazy array may be larger than memory; an uncompressed temporary copy is
    written next to `path`. The file appears under its name when it is complete.

    Parameters
    ----------
    data
        Array (y, x), or with one more dimension, such as (time, y, x) or (pair, y, x). Float or integer; booleans are
        written as 0 and 1. Bands are described by ``YYYYMMDD`` or ``YYYYMMDD_YYYYMMDD``. The no-data value of floats is
        NaN; integer layers have none.
    path
        File to write.
    attrs
        Attributes of the dataset, such as ``dataset.attrs``, to write as tags in addition to those of `data` (`units`,
        `long_name`, ...) and the sign convention.
    mask
        Write only pixels where this raster, a file or an array (y, x), is neither 0 nor no-data, such as
        `insarray.quality_mask`; the others are NaN, or 0 in integer layers.
    overwrite
        Replace an existing file.

    Returns
    -------
    Path
        Path of the file. Without a CRS (radar coordinates) its transform gives columns and rows.

    Raises
    ------
    ArgumentError
        If a GeoTIFF does not support the dimensions or dtype.
    StackError
        If `data` has no x and y.
    StoreError
        If `path` exists or cannot be written.

    See Also
    --------
    insarray.to_netcdf : write NetCDF.
    insarray.to_mintpy : write MintPy's files.
    insarray.plot.save : write a picture.

    References
    ----------
    * OGC 21-026, OGC Cloud Optimized GeoTIFF Standard, version 1.0.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> velocity = ia.fit(ia.invert(stack, reference=(9, 12))).velocity
    >>> ia.to_cog(velocity, "velocity.tif").name
    'velocity.tif'
    """
    refuse_inputs(path, data, mask)
    if mask is not None:
        data, attrs = masked_layer(data, mask), {**(attrs or {}), "masked_by": mask_name(mask)}
    _require_grid_mapping(data)
    layers = _layers(data)
    write_bands(layers, [Path(path)], band_tags(data, attrs or {}), overwrite=overwrite)
    logger.info("to_cog: %s, %d band(s) of %d x %d pixels", path, *layers.shape)
    return Path(path)


def write_bands(layers: xr.DataArray, paths: Sequence[Path], tags: Mapping[str, str], *, overwrite: bool) -> None:
    """Write the bands of an array (band, y, x) to one Cloud-Optimised GeoTIFF, or each to its own, reading them once.

    Parameters
    ----------
    layers
        Bands, described by their dates.
    paths
        One file for all bands, or one for each.
    tags
        Tags of every file.
    overwrite
        Replace existing files.

    Raises
    ------
    StackError
        If `layers` has no x and y.
    StoreError
        If a file exists or cannot be written.
    """
    import rasterio
    from rasterio.shutil import copy

    grid, dtype = grid_of(layers), layers.dtype.name
    stored = "uint8" if dtype == "bool" else dtype
    real = layers.dtype.kind == "f"
    size = -(-len(layers) // len(paths))
    own = [range(first, first + size) for first in range(0, len(layers), size)]
    names, unit = _band_names(layers), str(layers.attrs.get("units", ""))
    profile = {"driver": "GTiff", "height": grid.height, "width": grid.width, "count": size, "dtype": stored}
    profile |= {"crs": grid.crs, "transform": rasterio.Affine(*grid.affine), "nodata": np.nan if real else None}
    # uncompressed and band-sequential, so that windows can be written in any order
    profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "band", "bigtiff": "yes"}
    options = {"compress": "deflate", "predictor": "yes", "bigtiff": "if_safer", "num_threads": 2}
    options |= {"blocksize": _tile_size(layers[:size]), "overview_resampling": "average" if real else "nearest"}
    with ExitStack() as complete:
        finals = [complete.enter_context(complete_file(path, overwrite=overwrite)) for path in paths]
        with ExitStack() as opened:
            files = [opened.enter_context(rasterio.open(_raw(final), "w", **profile)) for final in finals]
            for file, mine in zip(files, own, strict=True):
                file.update_tags(**tags)
                file.descriptions = names[mine.start : mine.stop]
                file.units = [unit] * size
            for bands, rows, cols in _windows(layers):
                block = layers[bands, rows, cols].values.astype(stored, copy=False)
                window = ((rows.start, rows.stop), (cols.start, cols.stop))
                for file, mine in zip(files, own, strict=True):
                    both = range(max(bands.start, mine.start), min(bands.stop, mine.stop))
                    if both:
                        part = block[both.start - bands.start : both.stop - bands.start]
                        file.write(part, [1 + k - mine.start for k in both], window=window)
        for final in finals:
            copy(_raw(final), final, driver="COG", **options)
            _raw(final).unlink()


def _raw(final: Path) -> Path:
    """Return the path of the uncompressed copy of a file."""
    return final.with_name("raw.tif")


def to_netcdf(dataset: xr.Dataset, path: str | Path, *, mask: Raster | None = None, overwrite: bool = False) -> Path:
    """Write a dataset as compressed NetCDF-4 with the CF conventions 1.9 (the first with unsigned integers).

    Lazy variables are computed chunk by chunk. The file appears under its name when it is complete.

    Parameters
    ----------
    dataset
        Canonical dataset; its CRS, if any, becomes the grid mapping of every gridded variable. Missing floats are NaN
        (`_FillValue`); integer layers have no `_FillValue`.
    path
        File to write.
    mask
        Write only pixels where this raster, a file or an array (y, x), is neither 0 nor no-data, such as
        `insarray.quality_mask`; the others are NaN, or 0 in integer layers.
    overwrite
        Replace an existing file.

    Returns
    -------
    Path
        Path of the file.

    Raises
    ------
    StoreError
        If `path` exists or cannot be written.

    See Also
    --------
    insarray.to_cog : write a GeoTIFF.
    insarray.to_mintpy : write MintPy's files.
    insarray.open : open a stored result.

    References
    ----------
    * CF Conventions, version 1.9,
      https://cfconventions.org/Data/cf-conventions/cf-conventions-1.9/cf-conventions.html

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> ia.to_netcdf(series, "series.nc").name
    'series.nc'
    >>> dict(ia.open("series.nc").displacement.sizes)
    {'time': 6, 'y': 20, 'x': 24}
    """
    refuse_inputs(path, dataset, mask)
    dataset = without_secrets(placed(masked(dataset, mask)))
    _require_names(dataset)
    output = dataset.drop_encoding()
    for name, variable in dataset.variables.items():
        encoding = _netcdf_encoding(variable, is_coordinate=name in dataset.coords)
        if {"y", "x"} <= set(variable.dims) and "spatial_ref" in dataset.coords:
            # as encoding of the variable, or xarray lists it as an auxiliary coordinate as well
            encoding["grid_mapping"] = "spatial_ref"
        output[name].encoding, output[name].attrs = encoding, _netcdf_attrs(variable)
    attrs = {str(k): _plain(v) for k, v in dataset.attrs.items() if v is not None}
    output.attrs = {"Conventions": "CF-1.9", "source": f"{PROGRAM}{program_name()}", **attrs}
    with complete_file(path, overwrite=overwrite) as final:
        compute_in_own_threads(output.to_netcdf(final, engine="h5netcdf", format="NETCDF4", compute=False))
    logger.info("to_netcdf: %s, %s", path, ", ".join(map(str, output.data_vars)))
    return Path(path)


def _require_names(dataset: xr.Dataset) -> None:
    """Raise ArgumentError for names of variables and dimensions that cannot be in a NetCDF file."""
    for name in (*dataset.variables, *dataset.dims):
        if not isinstance(name, str) or not name.strip() or name in (".", "..") or "/" in name:
            raise ArgumentError(f"dataset: the name {name!r} cannot be in a NetCDF file; rename it")


def _require_grid_mapping(data: xr.DataArray) -> None:
    """Raise ArgumentError if the array names a grid mapping that it does not have, and would be written without a CRS."""
    name = data.attrs.get("grid_mapping", data.encoding.get("grid_mapping"))
    if name is not None and crs_of(data) is None and name not in data.coords:
        raise ArgumentError(
            f"data: has lost its CRS, the variable {name!r} of its file; open the file with insarray.open, or use "
            f"dataset.set_coords({name!r})"
        )


def _layers(data: xr.DataArray) -> xr.DataArray:
    """Return `data` with the dimensions (band, y, x), for any name of the first."""
    others = [dim for dim in data.dims if dim not in ("y", "x")]
    if len(others) > 1 or len(data.dims) - len(others) != 2:
        raise ArgumentError(f"data: dimensions {data.dims}; a GeoTIFF takes (y, x), (time, y, x) or (pair, y, x)")
    if data.dtype.name not in _DTYPES:
        raise ArgumentError(f"data: dtype {data.dtype} does not fit a GeoTIFF; convert it with .astype('float32')")
    return data.transpose(*others, "y", "x") if others else data.transpose("y", "x").expand_dims("band")


def _windows(layers: xr.DataArray) -> Iterator[tuple[slice, slice, slice]]:
    """Yield windows that cover (band, y, x), aligned with the chunks so that each is read once."""
    chunks = layers.chunks
    preferred = layers.encoding.get("preferred_chunks", {})
    if chunks is not None:
        sizes: Sequence[Sequence[int]] = chunks
    elif set(layers.dims) & set(preferred):
        sizes = [_split(n, int(preferred.get(dim, n))) for dim, n in layers.sizes.items()]
    else:
        rows = max(1, _WINDOW_BYTES // (layers.shape[2] * layers.dtype.itemsize))
        sizes = [_split(layers.shape[0], 1), _split(layers.shape[1], rows), layers.shape[2:]]
    edges = [np.cumsum([0, *lengths]).tolist() for lengths in sizes]
    for bands, rows_, cols in itertools.product(*(list(itertools.pairwise(ends)) for ends in edges)):
        yield slice(*bands), slice(*rows_), slice(*cols)


def _split(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)]


def _tile_size(layers: xr.DataArray) -> int:
    """Return the tile size: 512, or less for many bands, which GDAL's COG driver before 3.11 interleaves by pixel."""
    side = 512
    while side > 64 and side * side * len(layers) * layers.dtype.itemsize > _TILE_BYTES:
        side //= 2
    return side


def _band_names(layers: xr.DataArray) -> list[str]:
    kind = layers.dims[0]
    if "time" in layers.coords and layers.time.dims in ((kind,), ()):
        names = [date_label(time) for time in np.atleast_1d(layers.time.values)]
    elif {"reference_time", "secondary_time"} <= set(layers.coords):
        ends = (np.atleast_1d(layers[f"{end}_time"].values) for end in ("reference", "secondary"))
        names = [f"{date_label(first)}_{date_label(second)}" for first, second in zip(*ends, strict=True)]
    else:
        names = []
    if len(names) == len(layers):
        return names
    return [f"{layers.name or kind}" if len(layers) == 1 else f"{kind} {k}" for k in range(len(layers))]


def band_tags(data: xr.DataArray, attrs: Mapping[str, object]) -> dict[str, str]:
    """Return the tags of a file, with names without a colon, at which GDAL ends the name: `proj:code` becomes `proj_code`."""
    tags = {"sign": SIGN} if "positive" in str(data.attrs.get("long_name", "")) else {}
    if data.name is not None:
        tags["variable"] = str(data.name)
    own = {key: value for key, value in data.attrs.items() if key != "grid_mapping"}
    for key, value in shown_values({**attrs, **own}).items():
        plain = _plain(value)
        tags[str(key).replace(":", "_")] = plain if isinstance(plain, str) else json.dumps(np.asarray(plain).tolist())
    return tags


def _plain(value: object) -> str | int | float | np.ndarray:
    """Convert `value` to text, number or array, as file attributes require."""
    if isinstance(value, np.datetime64):
        return str(value)
    array = np.asarray(value) if not isinstance(value, Mapping) else np.asarray(None)
    if array.dtype.kind == "b":
        array = array.astype(np.int8)  # neither format supports booleans
    if array.dtype.kind in "iuf":
        return array if array.ndim else array[()]
    if array.dtype.kind == "U" and array.ndim == 0:
        return str(value)
    return json.dumps(value, default=str)


def _netcdf_encoding(variable: xr.Variable, *, is_coordinate: bool) -> dict[str, Any]:
    """Return the complete encoding of a variable, so that none is inherited from the file that it was read from."""
    if variable.dtype.kind == "M":
        return {"units": _EPOCH, "dtype": "int64", "calendar": "proleptic_gregorian", "_FillValue": None}
    encoding: dict[str, Any] = {"_FillValue": None}
    if variable.dtype.kind == "f" and not is_coordinate:
        encoding["_FillValue"] = variable.dtype.type(np.nan)
    if variable.ndim >= 2:
        encoding |= {"zlib": True, "complevel": 4, "shuffle": True}
        chunks = variable.chunksizes or variable.encoding.get("preferred_chunks") or {}
        sizes = [min(n, _first(chunks.get(dim, n))) for dim, n in variable.sizes.items()]
        while math.prod(sizes) * variable.dtype.itemsize > _TILE_BYTES:  # readers decompress whole chunks
            longest = sizes.index(max(sizes))
            sizes[longest] = -(-sizes[longest] // 2)
        encoding["chunksizes"] = tuple(sizes)
    return encoding


def _first(chunk: int | Sequence[int]) -> int:
    return chunk if isinstance(chunk, int) else chunk[0]


def _netcdf_attrs(array: xr.Variable) -> dict[Hashable, Any]:
    attrs = {key: _plain(value) for key, value in array.attrs.items() if value is not None and key != "grid_mapping"}
    if array.dtype.kind == "b":
        attrs |= {"flag_values": np.array([0, 1], np.int8), "flag_meanings": attrs.get("flag_meanings", "false true")}
    elif "flag_values" in attrs:
        attrs["flag_values"] = np.asarray(attrs["flag_values"]).astype(array.dtype)  # CF: same type as the variable
    return attrs
