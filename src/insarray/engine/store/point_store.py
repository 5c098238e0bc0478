"""Write Zarr stores of points or links, each in one step by a rename."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from insarray._version import __version__
from insarray.engine.graph.inputs import refuse_inputs
from insarray.engine.graph.prepare import store_url
from insarray.engine.jobs import fingerprint
from insarray.engine.program import program_identity
from insarray.engine.store.complete import EVERY_CHUNK
from insarray.engine.store.files import StoreFiles, consolidate
from insarray.engine.store.ledger import META
from insarray.engine.store.provenance import provenance
from insarray.engine.store.swap import finish_swap, new_beside, only_successor, swap
from insarray.engine.store.template import codecs_of
from insarray.engine.store.zarr_store import Store
from insarray.model.errors import StoreError
from insarray.model.secrets import shown, without_secrets

logger = logging.getLogger(__name__)

_CHUNK = 1 << 18  # points or links per chunk; phases have one epoch per chunk


def save_points(
    dataset: xr.Dataset,
    url: str | os.PathLike[str],
    *,
    settings: Mapping[str, Any] | None = None,
    restart: bool = False,
    command: str | None = None,
) -> bool:
    """Write points or links to a Zarr store in one step; keep an existing store with the same settings.

    Parameters
    ----------
    dataset
        Dataset with the dimension "point" or "link". Lazy variables are computed.
    url
        Folder, or fsspec URL, of the store.
    settings
        Settings and inputs that the dataset was made with: its identity. Default: the attributes and the values
        themselves.
    restart
        Replace an existing insarray store: on a local disk, once the new one is complete.
    command
        Command line, for the provenance.

    Returns
    -------
    bool
        True if it was written, False if the same store exists.

    Raises
    ------
    StoreError
        If something else than an insarray store is there, or the location cannot be written.
    StoreMismatchError
        If a store with other settings, or of another program, is there; the message names the differences.

    See Also
    --------
    insarray.open : open a stored result.
    insarray.run : compute into a store.
    insarray.points_to_grid : convert points to maps.

    References
    ----------
    * Zarr core specification, version 3, https://zarr-specs.readthedocs.io/en/latest/v3/core/v3.0.html

    Examples
    --------
    >>> import insarray as ia
    >>> wrapped, truth = ia.simulate_wrapped(shape=(20, 20), n_dates=12, water=False)
    >>> points = ia.select_points(wrapped, min_temporal_coherence=0.7)
    >>> ia.save_points(points, "points.zarr")
    True
    >>> ia.save_points(points, "points.zarr")  # is there already
    False
    >>> dict(ia.open("points.zarr").wrapped_phase.sizes) == dict(points.wrapped_phase.sizes)
    True
    """
    options = {**dataset.attrs, "content": fingerprint(dataset)} if settings is None else dict(settings)
    store = Store(store_url(url))
    refuse_inputs(store.url, dataset)
    finish_swap(store.url)
    replacing = restart and store.files.exists()
    if replacing and store.job() is None:
        store.remove()  # raises: not an insarray store
    if not replacing and is_stored(url, options):
        return False
    identity = _identity(options)
    described = dataset.assign_attrs({**_feature(dataset), **provenance(identity, command)})
    job: dict[str, Any] = {
        "fingerprint": identity,
        "program": program_identity(),
        "version": __version__,
        "rows": [],
        "cols": [],
        EVERY_CHUNK: True,
        "generation": store.next_generation() if replacing else 0,
    }
    job |= {"state": "complete", "command": command, "options": _words(options)}
    try:
        if replacing:
            _replace(described, store, job)
        elif store.files.local:
            _write_beside(described, store.url, job)
        else:
            _write(described.compute(), store.url, store.files, job)
    except OSError as error:
        raise StoreError(f"{store.url}: cannot be written ({error.strerror or error})") from error
    logger.info("save_points: %s", shown(store.url))
    return True


def is_stored(url: str | os.PathLike[str], settings: Mapping[str, Any]) -> bool:
    """Return whether a store with these settings exists.

    Raises
    ------
    StoreError, StoreMismatchError
        As in `save_points`.
    """
    return Store(url).check(_identity(settings), {"options": _words(settings)})


def _words(settings: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in settings.items()}


def _identity(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([program_identity(), _words(settings)], sort_keys=True).encode()).hexdigest()


def _feature(dataset: xr.Dataset) -> dict[str, str]:
    """Return the CF attribute of discrete points."""
    if "point" not in dataset.dims:
        return {}
    return {"featureType": "timeSeries" if "time" in dataset.dims else "point"}


def _replace(dataset: xr.Dataset, store: Store, job: dict[str, Any]) -> None:
    """Write a store beside an existing one, then replace that one."""
    new = StoreFiles(new_beside(store.url, "restart"))
    with only_successor(store.url):
        with store.lock():
            if new.exists():
                new.remove_all()
            if new.local:
                _write_beside(dataset, new.url, job)
            else:
                _write(dataset.compute(), new.url, new, job)
        swap(store.url, "restart")


def _write_beside(dataset: xr.Dataset, url: str, job: dict[str, Any]) -> None:
    """Write a store beside its target, then rename it."""
    folder, name = os.path.split(url)
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.partial")
    try:
        _write(dataset, temporary, StoreFiles(temporary), job)
        os.rename(temporary, url)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(dataset: xr.Dataset, url: str, files: StoreFiles, job: dict[str, Any]) -> None:
    """Write the arrays and then the job, whose presence marks an insarray store."""
    codecs = codecs_of("zstd", job["generation"])
    stored = without_secrets(dataset.compute().drop_encoding())
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in stored.variables.items():
        encoding[str(name)] = {"compressors": codecs}
        if variable.ndim:
            lead = (1,) * (variable.ndim - 1)
            encoding[str(name)]["chunks"] = (*lead, max(1, min(variable.shape[-1], _CHUNK)))
        if variable.dtype.kind == "f" and name in stored.data_vars:
            encoding[str(name)]["fill_value"] = np.nan
            variable.attrs = {**variable.attrs, "_FillValue": variable.dtype.type(np.nan)}
    how: dict[str, Any] = {"zarr_format": 3, "consolidated": False, "write_empty_chunks": True}
    stored.to_zarr(url, mode="w-", encoding=encoding, **how)
    consolidate(files)
    files.write(f"{META}/zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {}})
    files.write(f"{META}/job.json", job)
