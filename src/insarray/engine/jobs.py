"""Split a lazy dataset into independent jobs, each with the part of the graph that its block needs."""

import hashlib
import json
import pickle
from collections.abc import Mapping
from typing import Any

import cloudpickle
import dask
import numpy as np
import xarray as xr
from dask.highlevelgraph import HighLevelGraph
from dask.optimization import cull

from insarray.engine.plan import Plan
from insarray.engine.program import program_identity


class Jobs:
    """Blocks of `dataset` as separate graphs; tasks that all blocks share (files, network) are kept apart.

    Parameters
    ----------
    dataset
        Its lazy variables have the blocks of `plan`.
    replaced
        Tasks that replace tasks of the graph, by key.
    """

    def __init__(self, dataset: xr.Dataset, plan: Plan, replaced: Mapping[Any, Any] | None = None) -> None:
        lazy = {str(k): v.data for k, v in dataset.data_vars.items() if dask.is_dask_collection(v.data)}
        self.names = tuple(lazy)
        self._keys = {name: (array.name, array.ndim - 2) for name, array in lazy.items()}
        merged = HighLevelGraph.merge(*(array.dask for array in lazy.values()))
        self._graph = dict(merged)
        first, last = (self._needed(*block) for block in ((0, 0), (len(plan.rows) - 1, len(plan.cols) - 1)))
        self._shared_keys = set(first) & set(last) if plan.n_blocks > 1 else set()
        self.shared: dict[Any, Any] = {key: first[key] for key in self._shared_keys}
        self._graph |= replaced or {}

    def _block_keys(self, i: int, j: int) -> list[Any]:
        return [(key, *(0,) * lead, i, j) for key, lead in self._keys.values()]

    def _needed(self, i: int, j: int) -> dict[Any, Any]:
        return dict(cull(self._graph, self._block_keys(i, j))[0])

    def block(self, i: int, j: int) -> bytes:
        """Return the graph of one block, without the shared part, and its keys, pickled."""
        graph = {key: task for key, task in self._needed(i, j).items() if key not in self._shared_keys}
        return bytes(cloudpickle.dumps((graph, self._block_keys(i, j))))


def compute_block(names: tuple[str, ...], shared: Mapping[Any, Any], job: bytes) -> dict[str, Any]:
    """Compute the variables of one block in this thread."""
    graph, keys = pickle.loads(job)  # noqa: S301 - made by `Jobs.block` in this run, never read from a file
    values = dask.get({**shared, **graph}, keys)
    return dict(zip(names, values, strict=True))


def _digest(values: np.ndarray) -> str:
    """Return the hash of values; of text by its characters, as object arrays hold addresses."""
    data = values.tobytes() if values.dtype.kind not in "OT" else json.dumps(values.tolist(), default=str).encode()
    return hashlib.sha256(data).hexdigest()


def fingerprint(dataset: xr.Dataset) -> str:
    """Return the identity of a job: a hash of inputs, options, program and block sizes.

    The names of dask arrays are hashes of everything they depend on, including path, size and time of the input files.
    """
    attrs = {k: str(v) for k, v in sorted(dataset.attrs.items())}
    identity: dict[str, Any] = {"program": program_identity(), "attrs": attrs}
    for name, variable in sorted(dataset.variables.items(), key=lambda item: str(item[0])):
        lazy = dask.is_dask_collection(variable.data)
        content = variable.data.name if lazy else _digest(variable.values)
        identity[str(name)] = [variable.dims, str(variable.dtype), content, variable.chunks if lazy else None]
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
