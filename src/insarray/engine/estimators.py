"""Public `map_blocks`: apply block functions of users and other packages, with named and described outputs."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from dask.base import tokenize

from insarray.engine import blocks
from insarray.engine.graph.edges import Cut, common_edge
from insarray.engine.graph.prepare import in_block
from insarray.engine.graph.tasks import Arrays, BlockFunction
from insarray.model.conventions import VARIABLES, Variable, variable
from insarray.model.dataset import on_grid_of
from insarray.model.errors import ArgumentError, StackError

Outputs = Sequence[str] | Mapping[str, Variable]
Inputs = xr.Dataset | Mapping[str, xr.DataArray]


def map_blocks(
    function: BlockFunction,
    inputs: Inputs,
    outputs: Outputs,
    *,
    constants: Any = None,
    coords: Mapping[str, Any] | None = None,
    bytes_per_pixel: int = 0,
) -> xr.Dataset:
    """Apply your own estimator to every spatial block, lazily if an input is lazy.

    Parameters
    ----------
    function
        ``function(constants, arrays) -> results``. `arrays` maps the name of each input to a NumPy array (..., y, x) of
        one block; the results map the name of each output to an array (..., y, x) of the declared data type. The
        function is called once per block, from several threads at a time, and must not change its inputs. The result of
        a pixel must not depend on the block edges.
    inputs
        Dataset, of which all variables with y and x are used, or a mapping of names to DataArrays on the same pixels.
        The other dimensions may be chunked and in any order: the function gets them complete, before y and x.
    outputs
        Names in the conventions table, or a mapping of names to `insarray.model.conventions.Variable`: dimensions that
        end in y and x, data type, units, long name, further attributes.
    constants
        Values that are the same for every block: numbers, text, arrays, dataclasses of these. They are part of the
        identity of the result, as is the source of `function`, but not the source of functions that it calls: add a
        version number for those.
    coords
        Coordinates of output dimensions that no input has.
    bytes_per_pixel
        Working memory per pixel of the function besides its inputs and outputs, used by `plan_run`.

    Returns
    -------
    xarray.Dataset
        The outputs, with the coordinates of the inputs.

    Raises
    ------
    ArgumentError
        If inputs, outputs or constants are invalid; when computed, if the function does not return what was declared.
    StackError
        If the inputs are on different pixels.

    See Also
    --------
    insarray.run : compute into a store.
    insarray.plan_run : blocks and memory of a run.
    insarray.invert : invert pairs to displacement series.

    Examples
    --------
    How much the coherence of a pixel changes over the pairs:

    >>> import numpy as np
    >>> import insarray as ia
    >>> from insarray.model.conventions import Variable
    >>> def spread(percentiles, arrays):
    ...     low, high = np.percentile(arrays["coherence"], percentiles, axis=0)
    ...     return {"coherence_spread": (high - low).astype(np.float32)}
    >>> stack, _ = ia.simulate_stack(shape=(40, 60), n_dates=6)
    >>> declared = {"coherence_spread": Variable(("y", "x"), "float32", "1", "spread of the coherence over the pairs")}
    >>> result = ia.map_blocks(spread, stack[["coherence"]], declared, constants=(10, 90), bytes_per_pixel=120)
    >>> result.coherence_spread.shape
    (40, 60)
    """
    _require_function(function, bytes_per_pixel)
    layers = _layers(inputs)
    about = _declared(outputs)
    given = {name: xr.DataArray(values, dims=name) for name, values in (coords or {}).items()}
    sizes = {str(dim): size for layer in (*layers.values(), *given.values()) for dim, size in layer.sizes.items()}
    for name, entry in about.items():
        unknown = [dim for dim in entry.dims if dim not in sizes]
        if unknown:
            raise ArgumentError(f"coords: no input has the dimension {unknown[0]!r} of {name}; give its values")
    estimator, identity = _Estimator(function), _identity(function, constants)
    made = blocks.map_blocks(estimator, identity, layers, about, sizes, bytes_per_pixel=bytes_per_pixel, whole=True)
    dims = {dim for found in made.values() for dim in found.dims}
    known = {name: coord for layer in reversed(layers.values()) for name, coord in layer.coords.items()}
    if isinstance(inputs, xr.Dataset):
        known = dict(inputs.coords)
    kept = {name: coord for name, coord in known.items() if set(coord.dims) <= dims}
    result = xr.Dataset(made, kept | given, {"estimator": estimator.__qualname__})
    return on_grid_of(xr.Dataset(coords=known), result)


class _Estimator:
    """A user's function as a block function; its constants identify the function."""

    def __init__(self, function: BlockFunction) -> None:
        self.function = function
        bare = getattr(function, "func", function)  # unwrap functools.partial
        name = getattr(bare, "__name__", type(bare).__name__)
        self.__name__ = re.sub(r"\W+", "_", name).strip("_") or "estimator"
        self.__qualname__ = f"{getattr(bare, '__module__', '')}.{getattr(bare, '__qualname__', name)}"

    def __call__(self, identity: Mapping[str, Any], arrays: Arrays) -> Mapping[str, np.ndarray]:
        return self.function(identity["constants"], arrays)


def _require_function(function: Any, bytes_per_pixel: Any) -> None:
    if not callable(function):
        raise ArgumentError(f"function: {function!r} is no function of (constants, arrays)")
    if isinstance(bytes_per_pixel, bool) or not isinstance(bytes_per_pixel, int | np.integer) or bytes_per_pixel < 0:
        raise ArgumentError(f"bytes_per_pixel: {bytes_per_pixel!r} is not a whole number of bytes, at least 0")


def _layers(inputs: Inputs) -> dict[str, xr.DataArray]:
    """Return the inputs (..., y, x) by name, the lazy ones with the same blocks."""
    if not isinstance(inputs, xr.Dataset | Mapping):
        raise ArgumentError(f"inputs: a {type(inputs).__name__} is neither a Dataset nor DataArrays by name")
    found: dict[str, xr.DataArray] = {}
    for name, layer in inputs.items():
        if not isinstance(layer, xr.DataArray):
            raise ArgumentError(f"inputs: {name} is a {type(layer).__name__}, not an xarray.DataArray")
        if {"y", "x"} <= set(layer.dims):
            found[str(name)] = layer.transpose(..., "y", "x")
        elif not isinstance(inputs, xr.Dataset):
            raise ArgumentError(f"inputs: {name} has dimensions {layer.dims}, without y and x; put it into constants")
    if not found:
        raise ArgumentError("inputs: no variable has the dimensions y and x")
    _require_alike(found)
    lazy = [layer for layer in found.values() if layer.chunks is not None]
    if not lazy:
        return found
    edges = [common_edge([Cut(layer.data.chunks[axis], layer.nbytes) for layer in lazy]) for axis in (-2, -1)]
    return {name: layer.copy(data=in_block(layer.variable, edges).data) for name, layer in found.items()}


def _require_alike(layers: Mapping[str, xr.DataArray]) -> None:
    """Raise StackError if layers have different pixels, pairs or dates; without a coordinate the lengths must match."""
    seen: dict[Any, xr.DataArray] = {}
    for name, layer in layers.items():
        for dim in layer.dims:
            like = seen.setdefault(dim, layer)
            both = dim in layer.coords and dim in like.coords
            if layer.sizes[dim] != like.sizes[dim] or (both and not layer[dim].equals(like[dim])):
                raise StackError(f"{name}: its {dim} is not that of {like.name or 'the first input'}; use xarray.align")
            if dim in layer.coords and dim not in like.coords:
                seen[dim] = layer


def _declared(outputs: Outputs) -> dict[str, Variable]:
    """Return the `Variable` of each output by name."""
    if isinstance(outputs, str) or not isinstance(outputs, Mapping | Sequence) or not outputs:
        raise ArgumentError(f"outputs: {outputs!r} are no names, or names with what they are")
    about: dict[str, Variable] = {}
    for name in outputs:
        try:
            entry = outputs[name] if isinstance(outputs, Mapping) else variable(name)
        except KeyError:
            raise ArgumentError(
                f"outputs: {name!r} is not in the conventions table; say what it is: "
                f"{{{name!r}: Variable(('y', 'x'), 'float32', 'm', 'what it means')}}"
            ) from None
        if not isinstance(entry, Variable) or tuple(entry.dims[-2:]) != ("y", "x"):
            raise ArgumentError(f"outputs: {name!r} needs a Variable whose dimensions end in 'y', 'x', not {entry!r}")
        known = VARIABLES.get(name, entry)
        if (known.dims, np.dtype(known.dtype)) != (tuple(entry.dims), np.dtype(entry.dtype)):
            raise ArgumentError(
                f"outputs: {name!r} is {known.dtype} {known.dims} in the conventions table; choose another name, or that"
            )
        about[name] = entry
    return about


def _identity(function: Callable[..., Any], constants: Any) -> dict[str, Any]:
    """Return the constants of the block function: the given ones, and what identifies the function.

    The function is identified by its source, or else its bytecode, with its defaults and closure.
    """
    bare = inspect.unwrap(getattr(function, "func", function))
    try:
        text = inspect.getsource(bare if inspect.isroutine(bare) else type(bare))
    except (OSError, TypeError):
        text = repr(getattr(getattr(bare, "__code__", None), "co_code", ""))
    closed = (
        inspect.getclosurevars(bare).nonlocals if inspect.isfunction(bare) else vars(bare) if _has_state(bare) else {}
    )
    bound = getattr(function, "args", ()), getattr(function, "keywords", {}), getattr(bare, "__defaults__", None)
    try:
        tokenize(constants, ensure_deterministic=True)
        return {"constants": constants, "source": text, "state": tokenize(closed, bound, ensure_deterministic=True)}
    except Exception as error:  # tokenizing arbitrary objects may raise any exception
        raise ArgumentError(
            "constants: hold, or the function does, what cannot be told from another one of its kind; give numbers, "
            f"text, arrays or dataclasses ({' '.join(str(error).split())[:200]})"
        ) from error


def _has_state(function: Any) -> bool:
    """Return whether `function` is a callable object with attributes of its own."""
    return not inspect.isroutine(function) and hasattr(function, "__dict__")
