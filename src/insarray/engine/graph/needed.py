"""Extract the tasks that some blocks need without materializing the whole graph."""

from collections.abc import Collection, Mapping
from typing import Any

from dask.blockwise import Blockwise
from dask.core import get_dependencies
from dask.highlevelgraph import HighLevelGraph, Layer
from dask.typing import Key


class _Tasks(Mapping[Key, Any]):
    """Mapping of keys to the tasks of a graph, each created on access."""

    def __init__(self, graph: HighLevelGraph) -> None:
        self._layers: Mapping[str, Layer] = graph.layers
        self._homes: dict[Any, str] = {}  # layer of each key whose name is not that of its layer

    def _home(self, key: Any) -> str | None:
        """Return the name of the layer that has a key, or None."""
        name = key[0] if isinstance(key, tuple) and key else key
        if not isinstance(name, str):
            return None
        layer = self._layers.get(name)
        if layer is not None and (not isinstance(key, tuple) or isinstance(layer, Blockwise) or key in layer):
            return name if not isinstance(layer, Blockwise) or isinstance(key, tuple) else None
        if name not in self._homes:
            others = (of for of, layer in self._layers.items() if not isinstance(layer, Blockwise) and key in layer)
            home = next(others, None)
            if home is None:
                return None
            self._homes[name] = home
        return self._homes[name] if key in self._layers[self._homes[name]] else None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str | tuple) and self._home(key) is not None

    def __getitem__(self, key: Any) -> Any:
        home = self._home(key)
        if home is None:
            raise KeyError(key)
        layer = self._layers[home]
        if isinstance(layer, Blockwise) and not layer.is_materialized():
            layer, _ = layer.cull({key}, ())
        return layer[key]

    def __iter__(self) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


def needed(graph: HighLevelGraph, keys: Collection[Any]) -> dict[Any, Any]:
    """Return the tasks of `graph` that `keys` depend on, by key."""
    tasks = _Tasks(graph)
    found: dict[Any, Any] = {}
    todo = list(keys)
    while todo:
        key = todo.pop()
        if key not in found:
            found[key] = tasks[key]
            todo += get_dependencies(tasks, task=found[key])
    return found
