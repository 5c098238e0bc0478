"""Write the metadata and coordinates of a store before any pixel is computed."""

from typing import Any, Literal

import dask
import numpy as np
import xarray as xr
from zarr.codecs import BloscCodec, Crc32cCodec

from insarray.engine.plan import Plan
from insarray.model.conventions import FILL
from insarray.model.secrets import without_secrets

Compressor = Literal["zstd", "lz4"]

_TIME_CHUNK = 16


def codecs_of(compressor: Compressor, generation: int) -> tuple[Any, ...]:
    """Return the compressor and checksum codecs of the chunks of a store.

    Their order alternates between a store and the one that replaces it in an append or restart, so that a chunk of one
    cannot be decoded with the metadata of the other.
    """
    codecs = (BloscCodec(cname=compressor, clevel=1, shuffle="shuffle"), Crc32cCodec())
    return codecs[::-1] if generation % 2 else codecs


def write_template(dataset: xr.Dataset, plan: Plan, url: str, compressor: Compressor, generation: int) -> None:
    """Write metadata and coordinates of the store; no pixel is computed."""
    codecs = codecs_of(compressor, generation)
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        encoding[str(name)] = {"compressors": codecs}
        if dask.is_dask_collection(variable.data):
            lead = tuple(min(n, _TIME_CHUNK) for n in variable.shape[:-2])
            encoding[str(name)] |= {"chunks": (*lead, max(plan.rows), max(plan.cols))}
            # unwritten chunks must never read as zeros
            encoding[str(name)]["fill_value"] = FILL[str(variable.dtype)]
    template = without_secrets(dataset)
    for variable in template.variables.values():
        variable.encoding = {}
        if variable.dtype.kind == "f" and variable.dims[-2:] == ("y", "x"):
            variable.attrs = {**variable.attrs, "_FillValue": np.float32("nan")}
    how: dict[str, Any] = {"zarr_format": 3, "consolidated": False, "write_empty_chunks": True}
    template.to_zarr(url, mode="w-", compute=False, encoding=encoding, **how)
