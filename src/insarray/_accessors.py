"""The accessors ``.insar`` and ``.rio``: there once xarray is, without importing xarray for who does not use it.

``insarray --help`` needs no xarray, which takes ten times as long to import as everything else that it needs. In a
program that imports xarray before or after insarray, the accessors are registered as soon as both are there.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


def register() -> None:
    """Register the accessors now if xarray is imported already, else when it is."""
    if "xarray" in sys.modules:
        importlib.import_module("insarray.backend")
    elif not any(isinstance(finder, _WithXarray) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WithXarray())


class _WithXarray:
    """Finds xarray as the others do, and has our backend imported behind it; after that it is gone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """The specification that the others find, with our part added to its loader."""
        if fullname != "xarray":
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                importlib.import_module("insarray.backend")

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
