"""Estimators of other packages and of users: a function of one block, for every block, with results that have names."""

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
    """Apply an estimator of your own to every spatial block, lazily if an input is lazy; the result goes where others go.

    Parameters
    ----------
    function
        ``function(constants, arrays) -> results``. `arrays` has a NumPy array (..., y, x) of one block by the name of each
        input; the results are arrays (..., y, x) by the name of each output, with the data types declared. It is called
        once per block, in several threads at once, and must not change its inputs. A pixel must not depend on where the
        edges of its block are.
    inputs
        Dataset, whose variables of y and x all go in, or DataArrays by name, on the same pixels. Their other dimensions
        may be chunked and in any order: the function sees all of them, before y and x.
    outputs
        Names of the conventions table, or a mapping of names to `insarray.model.conventions.Variable`: dimensions that
        end in y and x, data type, units, long name, further attributes.
    constants
        What is the same for every block: numbers, text, arrays, dataclasses of them. It is part of the identity of the
        result, as is the source of `function`; what that calls is not: put a version there.
    coords
        Coordinates of dimensions of the outputs that no input has.
    bytes_per_pixel
        Working memory that the function takes for a pixel besides its inputs and outputs, for `plan_run`.

    Returns
    -------
    xarray.Dataset
        The outputs, with the coordinates of the inputs.

    Raises
    ------
    ArgumentError
        If inputs, outputs or constants cannot be; if the function does not return what was declared, when it is called.
    StackError
        If inputs are on different pixels.

    See Also
    --------
    insarray.run : compute into a store.
    insarray.plan_run : blocks and memory of a run.
    insarray.invert : displacement series of the pairs.

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
    made = blocks.map_blocks(estimator, identity, layers, about, sizes, bytes_per_pixel=bytes_per_pixel)
    dims = {dim for found in made.values() for dim in found.dims}
    known = {name: coord for layer in reversed(layers.values()) for name, coord in layer.coords.items()}
    if isinstance(inputs, xr.Dataset):
        known = dict(inputs.coords)
    kept = {name: coord for name, coord in known.items() if set(coord.dims) <= dims}
    result = xr.Dataset(made, kept | given, {"estimator": estimator.__qualname__})
    return on_grid_of(xr.Dataset(coords=known), result)


class _Estimator:
    """The function of somebody else, as a block function whose constants say what it is."""

    def __init__(self, function: BlockFunction) -> None:
        self.function = function
        bare = getattr(function, "func", function)  # of a functools.partial
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
    """Inputs (..., y, x) by name, lazy ones in the same blocks."""
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
    """Refuse layers of other pixels, pairs or dates; where one has no coordinate its length must fit."""
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
    """What each output is, by name."""
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
    """Constants of the block function: those given, and what the function is.

    Its source, or else its code, with defaults and what it has closed over.
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
    except Exception as error:  # of whatever class the objects in them raise
        raise ArgumentError(
            "constants: hold, or the function does, what cannot be told from another one of its kind; give numbers, "
            f"text, arrays or dataclasses ({' '.join(str(error).split())[:200]})"
        ) from error


def _has_state(function: Any) -> bool:
    """Whether it is an object of a class that is called, with attributes of its own."""
    return not inspect.isroutine(function) and hasattr(function, "__dict__")
