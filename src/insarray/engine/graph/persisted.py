"""Replace the futures of persisted blocks in a graph by tasks that fetch them one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dask.array as da
import xarray as xr
from dask._task_spec import Task, TaskRef
from dask.blockwise import Blockwise
from dask.highlevelgraph import HighLevelGraph, Layer, MaterializedLayer

from insarray.model.errors import ArgumentError


@dataclass(frozen=True, eq=False)
class _Fetch:
    """Task that fetches the result of a future when it runs."""

    future: Any

    def __call__(self) -> Any:
        return self.future.result()

    def __reduce__(self) -> tuple[Any, ...]:
        return _FetchOnWorker, (self.future.key,)


@dataclass(frozen=True)
class _FetchOnWorker:
    """Counterpart of `_Fetch` on a worker of the cluster; the client of the run keeps the future alive."""

    key: Any

    def __call__(self) -> Any:
        import distributed

        client: Any = distributed.get_client()
        in_memory: Any = "memory"  # the client of a worker does not query the state of a key
        return distributed.Future(self.key, client, in_memory).result()


def with_fetching(variable: xr.Variable, known: dict[int, Layer]) -> xr.Variable:
    """Return the variable with futures in its graph replaced by fetching tasks, or the same variable if there are none.

    `known` caches the layers already examined by id, as the variables of a dataset share most of their (long) layers.
    """
    data = variable.data
    if not isinstance(data, da.Array):
        return variable
    layers = {}
    for name, layer in data.dask.layers.items():
        if id(layer) not in known:
            known[id(layer)] = _with_fetching(layer)
        layers[name] = known[id(layer)]
    if all(layers[name] is layer for name, layer in data.dask.layers.items()):
        return variable
    graph = HighLevelGraph(layers, data.dask.dependencies)
    array: Any = da.Array(graph, data.name, data.chunks, meta=data._meta)
    return variable.copy(data=array)


def _with_fetching(layer: Layer) -> Layer:
    if isinstance(layer, Blockwise) or not any(_is_future(task) for task in layer.values()):
        return layer
    tasks = {key: Task(key, _Fetch(task)) if _is_future(task) else task for key, task in layer.items()}
    return MaterializedLayer(tasks, collection_annotations=layer.collection_annotations)


def _is_future(task: Any) -> bool:
    return isinstance(task, TaskRef) and hasattr(task, "result")


def require_reachable(dataset: xr.Dataset, client: Any) -> None:
    """Wait until the persisted blocks of a dataset are in the memory of the client's cluster.

    Parameters
    ----------
    dataset
        May have the tasks of `with_fetching` in its graphs.
    client
        Client of the run; None if the run starts its own workers.

    Raises
    ------
    ArgumentError
        If the blocks are on another cluster.
    """
    own = None if client is None else client.scheduler.address
    pending = []
    for name, variable in dataset.variables.items():
        for future in _futures(variable.data):
            if future.client.scheduler.address != own:
                raise ArgumentError(
                    f"{name}: was persisted on the cluster at {future.client.scheduler.address}, whose memory other workers "
                    "cannot reach; run with its client or with scheduler='threads', or leave persist() out"
                )
            pending.append(future)
    if pending:
        from distributed import wait

        with client.as_current():
            wait(pending)


def _futures(data: Any) -> Iterator[Any]:
    layers = data.dask.layers.values() if isinstance(data, da.Array) else ()
    for layer in layers:
        tasks = () if isinstance(layer, Blockwise) else layer.values()
        yield from (task.func.future for task in tasks if isinstance(getattr(task, "func", None), _Fetch))
