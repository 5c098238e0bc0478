"""xarray's engine ``"insarray"``: ``xr.open_dataset(files, engine="insarray", chunks={})`` opens a stack or a result.

xarray imports this module when it lists its engines, so it imports only xarray. It also registers the accessors
``.insar`` and ``.rio``, whose modules are imported on first use.
"""

import importlib
import os
from collections.abc import Iterable
from typing import Any

import xarray as xr
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing


class InsarrayBackend(BackendEntrypoint):
    """Backend that opens stacks as `insarray.open_stack` does, and results as `insarray.open` does."""

    description = "Stacks of interferograms, and the results of insarray"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "options")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether it is a local insarray store; other files are left to other backends."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        return os.path.isfile(os.path.join(os.fspath(filename_or_obj), "_insarray", "job.json"))

    def open_dataset(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None, **options: Any
    ) -> xr.Dataset:
        """Open a result, or else a stack.

        Parameters
        ----------
        filename_or_obj
            Argument of `insarray.open` or `insarray.open_stack`: a store, a folder, a pattern, files.
        drop_variables
            Variables to drop.
        **options
            Options of `insarray.open_stack`: ``wavelength=0.0555, coherence="ifgs/*cor.tif"``.

        Returns
        -------
        xarray.Dataset
            Nothing is read; ``chunks={}`` makes blocks with all pairs or dates, as products need them.

        Raises
        ------
        InsarrayError
            As these functions raise.
        """
        from insarray.engine.open import is_result
        from insarray.engine.open import open as open_result
        from insarray.io.open import open_stack

        single = isinstance(filename_or_obj, str | os.PathLike)
        if single and not options and is_result(filename_or_obj):
            dataset = open_result(filename_or_obj)
        else:
            dataset = open_stack(filename_or_obj, **options)
        names = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return _lazily_indexed(dataset.drop_vars(names, errors="ignore"))


class _Blocks(BackendArray):
    """Backend array of a chunked array: indexed lazily, and read in the calling thread."""

    def __init__(self, chunked: Any) -> None:
        self._chunked, self.shape, self.dtype = chunked, chunked.shape, chunked.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        outer = indexing.IndexingSupport.OUTER_1VECTOR
        return indexing.explicit_indexing_adapter(key, self.shape, outer, self._read)

    def _read(self, key: tuple[Any, ...]) -> Any:
        return self._chunked[key].compute(scheduler="synchronous")


def _lazily_indexed(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset without chunks, as xarray requires of backends; ``chunks={}`` restores them."""
    changed = {}
    for name, array in dataset.data_vars.items():
        if array.chunks is not None:
            preferred = {str(dim): max(sizes) for dim, sizes in array.chunksizes.items()}
            data = indexing.LazilyIndexedArray(_Blocks(array.data))
            encoding = {**array.encoding, "preferred_chunks": preferred}
            changed[name] = xr.Variable(array.dims, data, array.attrs, encoding)
    return dataset.assign(changed)


class _Later:
    """Placeholder of an accessor, which its module replaces on first use."""

    def __init__(self, name: str, module: str) -> None:
        self._name, self._module = name, module

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:  # accessed on the class: not defined yet, which avoids a warning when it is registered
            raise AttributeError(self._name)
        importlib.import_module(self._module)
        return getattr(instance, self._name)


def register_accessors() -> None:
    """Register placeholders of ``.insar`` and ``.rio`` with xarray, unless they are registered."""
    for name, module, kinds in (
        ("insar", "insarray.model.accessor", (xr.Dataset,)),
        ("rio", "rioxarray", (xr.Dataset, xr.DataArray)),
    ):
        for kind in kinds:
            if name not in vars(kind):
                setattr(kind, name, _Later(name, module))


register_accessors()
